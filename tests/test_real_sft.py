"""Rows for training of what real agents did hold what their models were shown: the model's own log is the witness."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agents_harness.scene import Run
from agents_harness.server import Exchange
from agents_harness.views import requested
from chat_rules import check
from helpers import ok
from real_runs import Runs, at_home, each
from schemas import problems

Row = dict[str, Any]


def exported(out: Path, *words: str) -> list[Row]:
    ok("export", "sft", "--agent", "all", "--all", "--out", out, "--no-redact", *words)
    rows = [json.loads(line) for line in out.read_bytes().splitlines()]
    for row in rows:
        check(row["messages"])
        assert problems("sft-row", row) == []
    return rows


def last_exchange(run: Run) -> Exchange:
    """The last request of the session itself."""
    return [found for found in run.exchanges if found.place and found.place.thread < len(run.turns)][-1]


def agree(row: Row, exchange: Exchange) -> None:
    """A row holds the calls, the results and the answers of a request and what was answered to it."""
    shown = requested(exchange)
    messages = row["messages"]
    calls = [(call["id"], call["function"]) for one in messages for call in one.get("tool_calls", ())]
    wanted = [
        (name, {"name": tool, "arguments": given if isinstance(given, dict) else {"input": given}})
        for name, tool, given in shown.called
    ]
    assert sorted(calls, key=str) == sorted(wanted, key=str)
    results = [(one["tool_call_id"], one["content"]) for one in messages if one["role"] == "tool"]
    assert sorted(results) == sorted(shown.given)
    spoken = "\n\n".join(one["content"] for one in messages if one["role"] == "assistant" and one["content"])
    assert spoken.replace("\n\n", "\n") == "\n".join(shown.said).replace("\n\n", "\n")


@pytest.mark.parametrize("name", each())
def test_a_row_of_a_session_holds_what_its_model_was_shown(
    name: str, runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.hooked(name)
    at_home(run, monkeypatch)
    rows = exported(tmp_path / "out")
    [row] = [row for row in rows if row["session_id"] == run.session]
    agree(row, last_exchange(run))
    named = [
        call["session_id"] for one in row["messages"] for call in one.get("tool_calls", ()) if "session_id" in call
    ]
    assert sorted(named) == sorted({row["session_id"] for row in rows} - {run.session})


@pytest.mark.parametrize("name", each())
def test_rows_of_turns_have_the_code_around_them(
    name: str, runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.hooked(name)
    at_home(run, monkeypatch)
    rows = [row for row in exported(tmp_path / "out", "--unit", "turn") if row["session_id"] == run.session]
    assert [row["message_id"] for row in rows] == [turn.before for turn in run.own_turns]
    assert all(row["snapshot_before"] and row["snapshot_after"] for row in rows)
    assert "diff --git a/" in rows[0]["patch"]
    agree(rows[-1], last_exchange(run))
