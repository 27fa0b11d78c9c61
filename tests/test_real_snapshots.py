"""Real agents with hooks: each turn's boundaries are captured, under the ids that the agents' own transcripts have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agents_harness.scene import Contents, Run
from agents_harness.server import Exchange
from helpers import contents, ok, restored
from real_runs import DRIVERS, Runs, at_home, each


def snapshots(run: Run) -> list[dict[str, Any]]:
    """The snapshots of a run's session in the order in which they were taken."""
    found: list[dict[str, Any]] = json.loads(ok("list", "--session", run.session, "--json"))["snapshots"]
    return sorted(found, key=lambda snapshot: str(snapshot["captured_at"]))


def boundaries(run: Run) -> dict[str, Contents]:
    """Message id -> the workspace at that boundary, as the agent's transcript and the driver have them."""
    found: dict[str, Contents] = {}
    for own, played in zip(run.own_turns, run.turns, strict=True):
        found |= {own.before: played.before, own.after: played.after}
    return found


def restored_contents(run: Run, scratch: Path) -> dict[str, Contents]:
    """Message id -> what its snapshot restores, over all snapshots of a session."""
    return {
        snapshot["message_id"]: contents(restored(snapshot["id"], scratch / snapshot["id"]))
        for snapshot in snapshots(run)
    }


@pytest.mark.parametrize("name", each())
def test_each_turn_is_captured_before_and_after_and_restores_to_what_the_workspace_was(
    name: str, runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.hooked(name)
    at_home(run, monkeypatch)
    assert [snapshot["message_id"] for snapshot in snapshots(run)] == list(boundaries(run))
    assert restored_contents(run, tmp_path) == boundaries(run)


@pytest.mark.parametrize("name", each())
def test_each_snapshot_stands_at_its_place_in_the_transcript(
    name: str, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.hooked(name)
    at_home(run, monkeypatch)
    assert [turn.prompt for turn in run.own_turns] == [turn.prompt for turn in run.turns]
    assert [turn.last_words for turn in run.own_turns] == [turn.said.text for turn in run.turns]
    for begin, end, turn in zip(snapshots(run)[::2], snapshots(run)[1::2], run.own_turns, strict=True):
        assert begin["metadata"]["prompt"].strip('"') == turn.prompt
        assert end["metadata"].get("last_assistant_message", turn.last_words) == turn.last_words


@pytest.mark.parametrize("name", each())
def test_subagents_take_no_snapshots(name: str, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    run = runs.hooked(name)
    at_home(run, monkeypatch)
    listed = json.loads(ok("list", "--json"))["workspaces"]
    assert [workspace["root_path"] for workspace in listed] == [str(run.room.workspace)]
    assert [session["session_id"] for session in listed[0]["sessions"] if session["snapshots"]] == [run.session]


def main_exchanges(run: Run) -> list[Exchange]:
    """The requests of the session itself, without its subagents' and without titles."""
    return [found for found in run.exchanges if found.place and found.place.thread < len(run.turns)]


@pytest.mark.parametrize("name", each("claude-code", "codex-patching", "opencode"))
def test_with_every_tool_each_call_that_wrote_is_captured_and_no_other(
    name: str, runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.every_tool(name)
    at_home(run, monkeypatch)
    found = {
        message.rpartition(":tool:")[2]: files
        for message, files in restored_contents(run, tmp_path).items()
        if ":tool:" in message
    }
    for asked, then in zip(main_exchanges(run), main_exchanges(run)[1:], strict=False):
        calls = [call.id for call in asked.answer.calls]
        captured = [files for call, files in found.items() if call.partition("_")[2] in calls]
        wrote = asked.workspace != then.workspace
        assert captured[-1:] == ([then.workspace] if calls and wrote else [])


@pytest.mark.parametrize("name", each("claude-code", "codex-patching", "opencode"))
def test_with_every_tool_turns_are_captured_as_without(
    name: str, runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.every_tool(name)
    at_home(run, monkeypatch)
    found = {message: files for message, files in restored_contents(run, tmp_path).items() if ":tool:" not in message}
    assert found == boundaries(run)


@pytest.mark.parametrize("name", each("codex", "opencode"))
def test_a_compaction_changes_nothing_about_the_turns(
    name: str, runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.compacting(name)
    at_home(run, monkeypatch)
    assert any("Nothing is pending" in str(found.body) for found in run.exchanges), "it did not compact"
    assert restored_contents(run, tmp_path) == boundaries(run)
    assert DRIVERS[name].turn_suffix in run.own_turns[1].after
