"""Claude Code's sessions in full: `projects/<folder>/<session>.jsonl`, subagents in files beside it.

The rules were observed with Claude Code 2.1.197, next to what it sent to the model.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace

from rollouts.agents import places, raw
from rollouts.agents.claude_code.thread import Thread
from rollouts.agents.drafting import kind_of
from rollouts.agents.raw import Chunks, Lines, Record
from rollouts.agents.session import Session

NAME = "claude-code"
_FORM = "claude-code-jsonl"
_AGENT = re.compile(r"agent-(.+)\.jsonl")


def is_likely(session_id: str) -> bool:
    """Whether an id looks like one of this agent's."""
    return re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-689][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", session_id) is not None


class Store:
    """The agent's own store, looked through once."""

    def __init__(self) -> None:
        self._sessions: dict[str, str] | None = None
        self._stray: dict[str, dict[str, dict[str, str]]] = {}

    def record(self, session_id: str) -> Lines | None:
        """A session's record; None when the store has no such session.

        Raises:
            OSError: its files cannot be read.
        """
        if self._sessions is None:
            self._sessions = _listed(f"{places.folder('CLAUDE_CONFIG_DIR', '~/.claude')}/projects")
        path = self._sessions.get(session_id)
        if path is None or not os.path.exists(path):
            return None
        files = self._beside(os.path.dirname(path)).get(session_id, {}) | _below(path.removesuffix(".jsonl"))
        chunks = {name: raw.of_file(file) for name, file in sorted(files.items())}
        return _record(session_id, {"main.jsonl": raw.of_file(path), **chunks})

    def _beside(self, folder: str) -> dict[str, dict[str, str]]:
        """Session -> files of its subagents in the folder itself, where versions before 2.1 wrote them."""
        found = self._stray.get(folder)
        if found is None:
            found = self._stray[folder] = {}
            for name in filter(_AGENT.fullmatch, os.listdir(folder)):
                first = next(raw.objects(raw.of_file(f"{folder}/{name}")()), {})
                found.setdefault(str(first.get("sessionId")), {})[name] = f"{folder}/{name}"
        return found


def _listed(projects: str) -> dict[str, str]:
    """Session -> its file; of several, as after a move, the one that was written last."""
    found: dict[str, tuple[float, str]] = {}
    try:
        folders = [entry.path for entry in os.scandir(projects) if entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return {}
    for folder in folders:
        for entry in os.scandir(folder):
            if entry.name.endswith(".jsonl") and not _AGENT.fullmatch(entry.name) and entry.is_file():
                name, seen = entry.name.removesuffix(".jsonl"), (entry.stat().st_mtime, entry.path)
                found[name] = max(seen, found.get(name, seen))
    return {name: path for name, (_, path) in found.items()}


def _below(folder: str) -> dict[str, str]:
    """The files of a session's subagents, wherever they lie in the session's own folder."""
    return {
        name: f"{at}/{name}"
        for at, _, names in os.walk(folder)
        for name in names
        if name.startswith("agent-") and name.endswith((".jsonl", ".meta.json"))
    }


def _record(session_id: str, files: Mapping[str, Chunks]) -> Lines:
    named = {name: match[1] for name in sorted(files) if (match := _AGENT.fullmatch(name))}
    return Lines(
        session_id,
        _FORM,
        files["main.jsonl"],
        {agent: files[name] for name, agent in named.items()},
        {name: chunks for name, chunks in files.items() if name.endswith(".meta.json")},
    )


def record_from(session_id: str, files: Mapping[str, Chunks]) -> Lines | None:
    """The record that a captured transcript holds.

    Args:
        session_id: whose it is to be.
        files: `main.jsonl`, and `agent-<id>.jsonl` and `agent-<id>.meta.json` of each subagent.
    """
    return _record(session_id, files) if "main.jsonl" in files else None


def headline(record: Record) -> tuple[str, int]:
    """A session's title and the number of its messages: answers, prompts, and what else the model was told."""
    title, first, answers, others = "", "", set(), 0
    for found in raw.objects(record.main()) if isinstance(record, Lines) else ():
        message = found.get("message")
        if kind_of(found) in {"custom-title", "ai-title", "summary"}:
            title = str(found.get("customTitle") or found.get("aiTitle") or found.get("summary") or title)
        if not isinstance(message, dict) or found.get("isSidechain"):
            continue
        if found.get("type") == "assistant":
            answers.add(str(message.get("id") or found.get("uuid")))
        elif found.get("type") == "user" and not _is_result(message.get("content")):
            others += 1
            if not first and not found.get("isMeta") and isinstance(message.get("content"), str):
                first = message["content"].strip().partition("\n")[0]
    return title or first, len(answers) + others


def _is_result(content: object) -> bool:
    return isinstance(content, list) and all(
        isinstance(block, dict) and block.get("type") == "tool_result" for block in content
    )


def session(record: Record, last_words: Mapping[str, str] | None = None) -> Session:
    """A session in the neutral form.

    Args:
        record: of this agent.
        last_words: prompt id -> what the hook at the turn's end had as the last answer, which the file may lack.
    """
    assert isinstance(record, Lines)  # noqa: S101 - for the type checker: this page makes no others
    main = Thread(record.session_id)
    _fill(main, record.main)
    root = main.session(last_words or {})
    found = []
    for agent, chunks in record.subagents.items():
        thread = Thread(agent, parent=record.session_id)
        _fill(thread, chunks)
        found.append(replace(thread.session({}), spawned_by=_caller(record, agent) or main.callers.get(agent)))
    for agent, thread in main.sidechains.items():  # before 2.0.60 they stood in the session's own file
        if agent not in record.subagents:
            found.append(replace(thread.session({}), spawned_by=main.callers.get(agent)))
    return replace(root, subagents=tuple(found))


def _caller(record: Lines, agent: str) -> str | None:
    """The tool call that started a subagent, by the note beside its file."""
    note = record.asides.get(f"agent-{agent}.meta.json")
    found = raw.parsed(b"".join(note())) if note else None
    return str(found["toolUseId"]) if found and found.get("toolUseId") else None


def _fill(thread: Thread, chunks: Chunks) -> None:
    for _, found in raw.lines(chunks()):
        thread.take(found)
