"""The conversation that goes with the demo's turns: written as Claude Code writes its own, taken in and exported."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

from rollouts import importing
from rollouts.export import cleaning, sessions, sft
from rollouts.export.sessions import Plan
from rollouts.export.training import TURN, Form
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
    """What was written: envelopes."""

    rows: int
    turns: int
    snapshots: int
    bytes: int


class Trained(Record):
    """What was written: rows for training, one a turn."""

    rows: int
    patches: int
    """Rows whose turn changed the code."""
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


def _read(path: str) -> list[Any]:
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def taken_in(archive: Archive, scratch: str, session_id: str, cwd: str, turns: Iterable[Said]) -> Plan:
    """Lays the conversation down where Claude Code would, and takes it in. Returns what is to be exported.

    Raises:
        RolloutsError, OSError: it failed.
    """
    folder = f"{scratch}/agent/projects/demo"
    os.makedirs(folder)
    os.environ["CLAUDE_CONFIG_DIR"] = f"{scratch}/agent"  # of this process, which ends with the demo
    with open(f"{folder}/{session_id}.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in _lines(session_id, cwd, turns))
    importing.take(archive.home, AGENT, session_id)
    return sessions.plan_all(archive, AGENT)


def exported(archive: Archive, scratch: str, plan: Plan) -> Exported:
    """Exports the conversation as it was recorded, and reads what was written.

    Raises:
        RolloutsError, OSError: it failed.
    """
    path = f"{scratch}/sessions.jsonl"
    list(sessions.export_all(archive, plan.jobs, path))
    rows = _read(path)
    records = [record for row in rows for record in row["session"]["records"]]
    asked = sum(record["type"] == "user" for record in records)
    return Exported(len(rows), asked, sum(len(row["metadata"]["snapshots"]) for row in rows), os.path.getsize(path))


def trained(archive: Archive, scratch: str, plan: Plan) -> Trained:
    """Exports the conversation as rows for training, without secrets, and reads what was written.

    Raises:
        RolloutsError, OSError: it failed.
    """
    path = f"{scratch}/sft.jsonl"
    known = cleaning.secrets_of(archive, plan.jobs)
    cleaner = cleaning.cleaner(archive.home, known_secrets=known, verify=False)
    list(sft.export_all(archive, plan.jobs, path, cleaner, sft.Run(Form(TURN), jobs=plan.jobs)))
    rows = _read(path)
    return Trained(len(rows), sum(bool(row["patch"]) for row in rows), os.path.getsize(path))
