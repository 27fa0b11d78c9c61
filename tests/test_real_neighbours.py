"""Real agents beside each other: two sessions at once in one workspace, and a session that is forked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agents_harness.claude_code import ClaudeCode
from agents_harness.driver import Driver
from agents_harness.scene import Scene, scene
from agents_harness.stories import AT_ONCE, FIVE_TURNS
from helpers import contents
from real_runs import DRIVERS, each, needs


def snapshots(at: Scene, session: str) -> dict[str, dict[str, Any]]:
    """Message id -> snapshot, over a session's, in the order in which they were taken."""
    found = json.loads(at.ok("list", "--session", session, "--json"))["snapshots"]
    return {row["message_id"]: row for row in sorted(found, key=lambda row: str(row["captured_at"]))}


def neighbour(driver: Driver) -> Driver:
    """A second session of the same user's."""
    other = type(driver)(driver.room, driver.url)
    other.mark = driver.mark
    return other


@pytest.mark.parametrize("name", each("claude-code", "codex", "opencode"))
def test_two_sessions_at_once_in_one_workspace_are_captured_each_for_itself(name: str, tmp_path: Path) -> None:
    with scene(DRIVERS[name], AT_ONCE, tmp_path / "scene") as at:
        at.setup()
        at.driver.warm_up()
        drivers = (at.driver, neighbour(at.driver))
        started = [driver.start(thread.prompt) for driver, thread in zip(drivers, AT_ONCE.turns, strict=True)]
        said = [driver.ended(process) for driver, process in zip(drivers, started, strict=True)]
        at.settle()
        assert [(end.code, end.text) for end in said] == [(0, "Left is done."), (0, "Right is done.")], said
        for driver, thread, file in zip(drivers, AT_ONCE.turns, (b"left.txt", b"right.txt"), strict=True):
            (turn,) = driver.turns(driver.session)
            found = snapshots(at, driver.session)
            assert (turn.prompt, list(found)) == (thread.prompt, [turn.before, turn.after])
            at.ok("restore", "--snapshot", found[turn.after]["id"], "--dest", tmp_path / driver.session, "--verify")
            assert file in contents(tmp_path / driver.session)
        assert json.loads(at.ok("status", "--json"))["missed"] is None
        at.ok("doctor")


@pytest.mark.parametrize("name", [pytest.param("claude-code", marks=needs("claude-code"))])
def test_a_fork_is_a_session_of_its_own_with_the_history_before_it(name: str, tmp_path: Path) -> None:
    with scene(DRIVERS[name], FIVE_TURNS, tmp_path / "scene") as at:
        driver = at.driver
        assert isinstance(driver, ClaudeCode)
        at.setup()
        at.take_turn(FIVE_TURNS.turns[0])
        original, driver.fork = driver.session, True
        at.take_turn(FIVE_TURNS.turns[1])
        at.settle()
        first, second = driver.turns(driver.session)
        assert list(snapshots(at, original)) == [first.before, first.after]
        assert list(snapshots(at, driver.session)) == [second.before, second.after]
        at.ok("export", "--agent", "claude-code", "--all", "--out", tmp_path / "all.jsonl")
        envelopes = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
        prompts = {
            envelope["session_id"]: [
                record["promptId"] for record in envelope["session"]["records"] if "promptId" in record
            ]
            for envelope in envelopes
        }
        assert set(prompts[original]) == {first.before}
        assert set(prompts[driver.session]) == {first.before, second.before}
