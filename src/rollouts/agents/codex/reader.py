"""Codex's sessions in full: `sessions/YYYY/MM/DD/rollout-<time>-<thread>.jsonl`, each subagent a thread of its own.

The rules were observed with codex 0.169.0, next to what it sent to the model.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from rollouts.agents import places, raw
from rollouts.agents.codex.items import is_call
from rollouts.agents.codex.thread import Thread
from rollouts.agents.drafting import fields, kind_of, word
from rollouts.agents.raw import Chunks, Lines, Record
from rollouts.agents.session import Fields, Session
from rollouts.errors import RolloutsError

NAME = "codex"
_FORM = "codex-jsonl"
_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_ROLLOUT = re.compile(f"rollout-.+?-({_UUID})\\.jsonl(?:\\.zst)?")
_PACKED = ".zst"
_VERSION_7 = 14
"""Where in a UUID its version stands; Codex's are of version 7, which begin with the time."""


def is_likely(session_id: str) -> bool:
    """Whether an id looks like one of this agent's."""
    return re.fullmatch(_UUID, session_id) is not None and session_id[_VERSION_7] == "7"


def _of_file(path: str) -> Chunks:
    """A log's bytes, also of one that codex has compressed since."""
    if not path.endswith(_PACKED):
        return raw.of_file(path)
    from rollouts.agents import unpacked  # noqa: PLC0415 - only for logs that rest

    return partial(unpacked.chunks, path)


class Store:
    """The agent's own store, looked through once."""

    def __init__(self) -> None:
        self._files: dict[str, str] | None = None
        self._parents: dict[str, str] | None = None

    def record(self, session_id: str) -> Lines | None:
        """A session's record; None when the store has no such session.

        Raises:
            OSError: its files cannot be read.
        """
        files = self._files = self._listed() if self._files is None else self._files
        path = files.get(session_id)
        if path is None or not os.path.exists(path):
            return None
        if self._parents is None:
            self._parents = {thread: parent for thread, at in files.items() if (parent := _parent_in(at))}
        below = {thread: _of_file(files[thread]) for thread in sorted(_below(session_id, self._parents))}
        return Lines(session_id, _FORM, _of_file(path), below)

    def _listed(self) -> dict[str, str]:
        """Thread -> its file; one in the archive is the older one."""
        home = places.folder("CODEX_HOME", "~/.codex")
        return dict(_rollouts(f"{home}/archived_sessions")) | dict(_rollouts(f"{home}/sessions"))


def _rollouts(folder: str) -> Iterator[tuple[str, str]]:
    for at, dirs, names in os.walk(folder):
        dirs.sort()
        for name in sorted(names):
            match = _ROLLOUT.fullmatch(name)
            if match:
                yield match[1], f"{at}/{name}"


def _parent_in(path: str) -> str | None:
    """The thread that started the one in a file; None for one that nobody started."""
    try:
        first = next(raw.objects(_of_file(path)()), {})
    except (OSError, RolloutsError):
        return None
    return parent(fields(first.get("payload")))


def parent(meta: Fields) -> str | None:
    """The thread that started the one that a `session_meta` describes."""
    spawn = fields(fields(fields(meta.get("source")).get("subagent")).get("thread_spawn"))
    return word(meta.get("parent_thread_id")) or word(spawn.get("parent_thread_id"))


def _below(session_id: str, parents: Mapping[str, str]) -> set[str]:
    """All that a thread started, and what these started."""
    found: set[str] = set()
    level = {session_id}
    while level:
        level = {thread for thread, above in parents.items() if above in level} - found - {session_id}
        found |= level
    return found


def record_from(session_id: str, files: Mapping[str, Chunks]) -> Lines | None:
    """The record that a captured transcript holds.

    Args:
        session_id: whose it is to be.
        files: `main.jsonl`, and `<thread>.jsonl` of each subagent.
    """
    if "main.jsonl" not in files:
        return None
    named = {name.removesuffix(".jsonl"): chunks for name, chunks in sorted(files.items()) if name.endswith(".jsonl")}
    main = named.pop("main")
    return Lines(session_id, _FORM, main, named)


def headline(record: Record) -> tuple[str, int]:
    """A session's title and the number of its messages: prompts, answers and calls of tools."""
    title, count = "", 0
    for found in raw.objects(record.main()) if isinstance(record, Lines) else ():
        payload = fields(found.get("payload"))
        if found.get("type") == "event_msg" and payload.get("type") == "user_message" and not title:
            title = str(payload.get("message") or "").strip().partition("\n")[0]
        if found.get("type") != "response_item":
            continue
        if is_call(payload) or (payload.get("type") == "message" and kind_of(payload, "role") in {"user", "assistant"}):
            count += 1
    return title or session(replace(record, subagents={})).title or "", count


def session(record: Record, last_words: Mapping[str, str] | None = None) -> Session:
    """A session in the neutral form.

    Args:
        record: of this agent.
        last_words: turn id -> what the hook at the turn's end had as the last answer, which the file may lack.
    """
    assert isinstance(record, Lines)  # noqa: S101 - for the type checker: this page makes no others
    main = _read(record.session_id, record.main)
    callers = main.callers
    threads = {name: _read(name, chunks) for name, chunks in record.subagents.items()}
    for thread in threads.values():
        callers = thread.callers | callers
    return replace(
        main.session(last_words or {}),
        subagents=tuple(
            replace(thread.session({}), spawned_by=callers.get(name) or callers.get(thread.agent_path))
            for name, thread in threads.items()
        ),
    )


def _read(thread_id: str, chunks: Chunks) -> Thread:
    thread = Thread(thread_id)
    for _, found in raw.lines(chunks()):
        thread.take(found)
    return thread
