"""Rows for training of what real agents did hold what their models were shown: the model's own log is the witness."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agents_harness.codex import Codex
from agents_harness.scene import Run, scene
from agents_harness.server import Exchange
from agents_harness.stories import FIVE_TURNS
from agents_harness.views import requested
from chat_rules import check
from helpers import ok
from real_runs import Runs, at_home, each, needs
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


class RecordedCodex(Codex):
    """Codex that records its rollouts, as docs/traces.md says."""

    def settings(self) -> dict[str, str]:
        return super().settings() | {"CODEX_ROLLOUT_TRACE_ROOT": str(self.room.root / "traces")}


def _told(body: Row) -> list[str]:
    """What nobody but the model said in a request, to the letter."""
    opening = [body["instructions"]] if body.get("instructions") else []
    items = [one for one in body["input"] if one["type"] == "message" and one["role"] != "assistant"]
    return [*opening, *("\n".join(part["text"] for part in one["content"]) for one in items)]


@pytest.mark.parametrize("unit", [pytest.param(unit, marks=needs("codex")) for unit in ("session", "turn")])
def test_a_session_that_codex_recorded_has_the_tools_and_the_words_that_were_sent(unit: str, tmp_path: Path) -> None:
    with scene(RecordedCodex, FIVE_TURNS, tmp_path) as at:
        at.setup()
        run = at.run()
        out = at.room.root / "out"
        at.ok("export", "sft", "--agent", "codex", "--all", "--out", out, "--no-redact", "--unit", unit)
    rows = [json.loads(line) for line in out.read_bytes().splitlines()]
    rows = [row for row in rows if row["session_id"] == run.session]
    body = last_exchange(run).body
    assert len(rows) == (1 if unit == "session" else len(run.turns))
    assert rows[-1]["messages"][0]["role"] == "system"
    told = [one["content"] for one in rows[-1]["messages"] if one["role"] in {"system", "user"}]
    assert "\n\n".join(told) == "\n\n".join(_told(body))
    offered = {tool["name"]: tool.get("parameters") for tool in body["tools"] if tool.get("type") == "function"}
    assert offered
    for row in rows:
        check(row["messages"])
        schemas = {one["function"]["name"]: one["function"]["parameters"] for one in row["tools"]}
        assert {name: schemas.get(name) for name in offered} == offered
    agree(rows[-1], last_exchange(run))
