"""Sessions of all agents as they differ: shapes that a reader which guesses types from the first rows fails on."""

from __future__ import annotations

import random
from typing import Any

from publishing import row
from rollouts.publish.rows import Row

Json = Any
AGENTS = ("claude-code", "codex", "opencode", "another")


def _input(chance: random.Random) -> Json:
    """What a tool was called with: any JSON at all."""
    values: list[Json] = [
        {"command": "ls", "timeout": chance.choice([1, 1.5, "1", None])},
        {f"key{chance.randrange(50)}": {"deep": [chance.choice([1, "1", None, {}, [[]]])]}},
        "*** Begin Patch",
        [1, "two", None],
        None,
        {},
        {"": "", "created_at": "2026-01-02", "n": 1 << 63, "half": "\ud83d", "long": 10**30},
    ]
    return chance.choice(values)


def _claude_code(chance: random.Random, turns: int) -> Json:
    records: list[Json] = []
    for turn in range(turns):
        text = f"turn {turn}"
        content: Json = text if chance.random() < 0.5 else [{"type": "text", "text": text}]
        records.append({"type": "user", "uuid": f"u{turn}", "message": {"role": "user", "content": content}})
        if chance.random() < 0.7:
            use = {"type": "tool_use", "id": f"t{turn}", "name": "Bash", "input": _input(chance)}
            records.append({"type": "assistant", "message": {"content": [use]}, "toolUseResult": _input(chance)})
    return {"format": "claude-code-jsonl", "records": records, "subagents": {}, "unreadable_lines": 0}


def _codex(chance: random.Random, turns: int) -> Json:
    records = [{"type": "session_meta", "payload": {"id": "x", "git": chance.choice([None, {"branch": "main"}])}}]
    records += [{"type": "response_item", "payload": {"arguments": _input(chance), "n": n}} for n in range(turns)]
    return {"format": "codex-jsonl", "records": records, "subagents": chance.choice([{}, {"a": []}])}


def _opencode(chance: random.Random, turns: int) -> Json:
    info: Json = {"id": "x", "summary": chance.choice([False, {"diffs": []}, None])}
    if chance.random() < 0.5:
        info |= {"share": {"url": "x"}, "revert": None}
    parts = [{"type": "tool", "state": {"input": _input(chance), "output": "x" * 50}} for _ in range(turns)]
    text: Json = [{"type": "text", "text": "hello"}]
    return {"info": info, "messages": [{"info": {"role": "user"}, "parts": text if chance.random() < 0.5 else parts}]}


def metadata(chance: random.Random) -> Json:
    """Null without a workspace; a remote that is null, or is not; turns, or none."""
    snapshot = {"message_id": "m", "snapshot_id": "s", "tag": "t", "commit": "c", "captured_at": "2026-01-02"}
    with_workspace = {"workspace_id": "w", "snapshots": [snapshot] * chance.randrange(3)}
    remote = chance.choice([None, "git@example.com:a/b.git"])
    return chance.choice([None, {"remote_url": None}, {"remote_url": remote} | with_workspace])


def session(chance: random.Random, name: str, turns: int) -> Row:
    """One session, as some agent keeps it."""
    agent = chance.choice(AGENTS)
    shapes = {"claude-code": _claude_code, "codex": _codex, "opencode": _opencode}
    body = shapes[agent](chance, turns) if agent in shapes else _input(chance)
    return row(name, body, metadata(chance), agent=agent)


def plain_session(name: str, size: int) -> Row:
    """A session of text only, so many bytes long, without a workspace: what hides all other shapes from a guess."""
    return row(name, {"info": {"id": name}, "messages": ["text " * (size // 5)]})
