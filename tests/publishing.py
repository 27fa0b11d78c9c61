"""Rows to publish, and pushes of them to a Hub on loopback: in this process, or in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fake_hub import FakeHub, running
from rollouts.publish import hub as publishing
from rollouts.publish.hub import Outcome
from rollouts.publish.patience import Patience
from rollouts.publish.rows import Row

SECONDS = 20.0
QUICK = Patience(attempts=8, first=0.01, longest=0.05)
PUSHER = Path(__file__).parent / "hub_pusher.py"
TIMEOUT = 120


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A Hub that clients of this process, and of processes that it starts, come to as alice."""
    with running(tmp_path / "hub") as server:
        for name, value in server.environment(tmp_path / "hf").items():
            monkeypatch.setenv(name, value)
        yield server


def line(session: str = "s1", body: object = None, metadata: object = None, *, agent: str = "codex") -> bytes:
    """A finished row."""
    fields = {"session_id": session, "agent": agent, "exported_at": "2026-01-02T03:04:05.678Z"}
    return json.dumps(fields | {"session": body, "metadata": metadata}).encode()


def row(session: str = "s1", body: object = None, metadata: object = None, *, agent: str = "codex") -> Row:
    """A finished row with what the card counts."""
    days = ("2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z")
    return Row(line(session, body, metadata, agent=agent), ("gpt-5",), ("Python",), *days)


def push(rows: Iterable[Row], name: str = "turns", *, patience: Patience = QUICK, **options: Any) -> Outcome:
    """Pushes rows from this process."""
    with publishing.opened(name, seconds=SECONDS, patience=patience) as pushing:
        pushing.take(rows)
        return pushing.append(**options)


def start(
    lines: Iterable[bytes], folder: Path, env: Mapping[str, str] | None = None, python: str = sys.executable
) -> subprocess.Popen[str]:
    """Starts a push in a process of its own, in a process group of its own."""
    given = folder / f"rows-{os.urandom(4).hex()}.jsonl"
    given.write_bytes(b"".join(one + b"\n" for one in lines))
    source = str(Path(publishing.__file__).parents[2])
    settings = os.environ | {"PYTHONPATH": source, "PYTHONWARNINGS": "ignore"} | dict(env or {})
    command = [python, str(PUSHER), "turns", str(given)]
    return subprocess.Popen(
        command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0
    )


def finish(child: subprocess.Popen[str]) -> dict[str, Any]:
    """What a push that ends well did."""
    out, said = child.communicate(timeout=TIMEOUT)
    assert child.returncode == 0, said
    done: dict[str, Any] = json.loads(out)
    return done


def assert_whole(hub: FakeHub, name: str = "alice/turns") -> list[dict[str, Any]]:
    """A dataset's manifest says what its files hold, each row is there once, and batches have no gaps. Returns rows."""
    kept, rows = json.loads(hub.read("rollouts.json", name)), hub.rows(name)
    assert [batch["batch_id"] for batch in kept["batches"]] == list(range(1, len(kept["batches"]) + 1))
    expected = [batch["batch_id"] for batch in kept["batches"] for _ in range(batch["rows"])]
    assert [item["batch_id"] for item in rows] == expected
    contents = [json.dumps([item[key] for key in ("session_id", "agent", "session", "metadata")]) for item in rows]
    assert len(set(contents)) == len(contents)
    newest = {(item["agent"], item["session_id"]) for item in rows}
    assert {(agent, one) for agent, ids in kept["sessions"].items() for one in ids} == newest
    return rows
