"""Real agents' sessions as trajectories and traces, from what was captured of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from atif import Trajectory

from agents_harness.scene import Run
from helpers import ok
from real_runs import DRIVERS, Runs, at_home, each
from rollouts.agents.session import Session
from test_hub_loads import same
from test_real_readers import session
from test_traces_load import answered, called, calls_of, loaded, results

Json = dict[str, Any]


def trajectory(run: Run, tmp_path: Path) -> Json:
    """The trajectory of a run's session, which the `atif` package takes as it stands."""
    out = tmp_path / "trajectory.json"
    ok("export", "atif", "--agent", "all", "--session", run.session, "--out", out, "--no-redact")
    text = out.read_text()
    found: Json = json.loads(text)
    assert Trajectory.model_validate_json(text).to_json_dict() == found
    return found


def steps(found: Json) -> Iterator[Json]:
    """The steps of a trajectory and its subagents' that are no copies."""
    yield from (step for step in found["steps"] if "is_copied_context" not in step)
    for sub in found.get("subagent_trajectories", []):
        yield from steps(sub)


def calls(session: Session) -> list[str]:
    """Calls of a session and its subagents, some of which begin with turns that they inherited."""
    turns = [turn for turn in session.turns if not turn.is_inherited]
    own = [call.id for turn in turns for message in turn.messages if message.is_visible for call in message.calls]
    return own + [call for sub in session.subagents for call in calls(sub)]


def assert_holds(found: Json, session: Session) -> None:
    """Each call and each answer of the session is in its trajectory, once, with what came back in the same step."""
    asked = [call["tool_call_id"] for step in steps(found) for call in step.get("tool_calls", [])]
    assert sorted(asked) == sorted(calls(session))
    for step in steps(found):
        given = [one["source_call_id"] for one in step.get("observation", {"results": []})["results"]]
        assert given == [call["tool_call_id"] for call in step.get("tool_calls", []) if call["tool_call_id"] in given]
    spent = [step["metrics"] for step in found["steps"] if "metrics" in step]
    assert found["final_metrics"]["total_prompt_tokens"] == sum(one["prompt_tokens"] for one in spent) > 0
    usage = session.usage
    assert usage
    assert usage.output_tokens == found["final_metrics"]["total_completion_tokens"]


@pytest.mark.parametrize("name", each())
def test_a_real_session_is_a_trajectory_with_each_snapshot_in_its_step(
    name: str, runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.hooked(name)
    at_home(run, monkeypatch)
    found, whole = trajectory(run, tmp_path), session(name, run)
    assert_holds(found, whole)
    taken = [one for step in found["steps"] for one in step.get("extra", {}).get("snapshots", [])]
    assert [(one["place"], one["message_id"]) for one in taken] == [
        place for turn in run.own_turns for place in (("before", turn.before), ("after", turn.after))
    ]
    named = [
        ref["trajectory_id"]
        for step in found["steps"]
        for one in step.get("observation", {"results": []})["results"]
        for ref in one.get("subagent_trajectory_ref", [])
    ]
    assert named == [sub["trajectory_id"] for sub in found.get("subagent_trajectories", [])]


@pytest.mark.parametrize("name", each("codex", "opencode"))
def test_a_real_session_that_was_compacted_is_one_trajectory(
    name: str, runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.compacting(name)
    at_home(run, monkeypatch)
    found, whole = trajectory(run, tmp_path), session(name, run)
    assert_holds(found, whole)
    cuts = [step for step in found["steps"] if "context_management" in step.get("extra", {})]
    assert len(cuts) == len(whole.compactions) > 0
    behind = found["steps"][cuts[0]["step_id"] :]
    assert any("is_copied_context" in step for step in behind)
    assert behind[-1]["source"] == "agent"


@pytest.mark.parametrize("name", each())
def test_a_real_sessions_traces_give_each_call_and_result_back(
    name: str, runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.hooked(name)
    at_home(run, monkeypatch)
    folder = tmp_path / "traces"
    ok("export", "traces", "--agent", "all", "--session", run.session, "--dir", folder, "--no-redact")
    agent, whole = DRIVERS[name].name, session(name, run)
    rows = loaded("datasets-traces", str(folder), "download")
    (row,) = [row for row in rows if row["file_path"].endswith(f"{agent}/{run.session}.jsonl")]
    assert row["session_id"] == run.session
    given = calls_of(row["messages"])
    assert [one[0] for one in given] == [one[0] for one in called(whole)]
    # teich has names of its own for what codex calls in free text
    texts = {call.id for message in whole.messages for call in message.calls if isinstance(call.arguments, str)}
    assert same([one[1:] for one in given if one[0] not in texts]) == same(
        [(called_as.rpartition(".")[2], words) for name, called_as, words in called(whole) if name not in texts]
    )
    assert [name for name, _ in answered(row["messages"])] == [name for name, _ in results(whole)]
