"""The conversation that goes with the demo's turns: written as Claude Code writes its own, taken in and exported."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable

from rollouts import importing
from rollouts.export import sessions
from rollouts.record import Record
from rollouts.storage.archive import Archive
from rollouts.storage.sessions import now

AGENT = "claude-code"


class Said(Record):
    """A turn of the conversation."""

    key: str
    prompt: str
    answer: str


class Exported(Record):
    rows: int
    turns: int
    snapshots: int
    bytes: int


def _lines(session_id: str, cwd: str, turns: Iterable[Said]) -> Iterable[dict[str, object]]:
    for turn in turns:
        about = {"sessionId": session_id, "cwd": cwd, "timestamp": now(), "isSidechain": False}
        asked = {"role": "user", "content": turn.prompt}
        yield {"type": "user", "uuid": f"{turn.key}-asked", "promptId": turn.key, "message": asked, **about}
        answer = {"id": f"{turn.key}-answer", "role": "assistant", "model": "demo", "usage": {}}
        content = [{"type": "text", "text": turn.answer}]
        message = {**answer, "content": content}
        yield {"type": "assistant", "uuid": f"{turn.key}-answered", "message": message, **about}


def exported(archive: Archive, scratch: str, session_id: str, cwd: str, turns: Iterable[Said]) -> Exported:
    """Lays the conversation down where Claude Code would, takes it in, exports it, and reads what was written.

    Raises:
        RolloutsError, OSError: one of these failed.
    """
    folder = f"{scratch}/agent/projects/demo"
    os.makedirs(folder)
    os.environ["CLAUDE_CONFIG_DIR"] = f"{scratch}/agent"  # of this process, which ends with the demo
    with open(f"{folder}/{session_id}.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in _lines(session_id, cwd, turns))
    importing.take(archive.home, AGENT, session_id)
    path = f"{scratch}/sessions.jsonl"
    plan = sessions.plan_all(archive, AGENT)
    list(sessions.export_all(archive, plan.jobs, path))
    with open(path, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    records = [record for row in rows for record in row["session"]["records"]]
    asked = sum(record["type"] == "user" for record in records)
    return Exported(len(rows), asked, sum(len(row["metadata"]["snapshots"]) for row in rows), os.path.getsize(path))
