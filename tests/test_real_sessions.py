"""Real agents' sessions as commands show them, from the agents' own files and from what was captured of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from agents_harness.scene import Run
from real_runs import DRIVERS, EXPORTED, EXPORTED_FROM_STORE, Runs, each

Json = dict[str, Any]


def said(run: Run, command: str) -> Json:
    """The JSON document that a command printed, which must have exited with 0."""
    result = run.results[command]
    assert result.code == 0, result
    document: Json = json.loads(result.out)
    return document


def exported(run: Run, name: str) -> dict[str, Json]:
    """Session id -> envelope."""
    envelopes = [json.loads(line) for line in (run.root / name).read_text().splitlines()]
    return {envelope["session_id"]: envelope for envelope in envelopes}


@pytest.mark.parametrize("name", each())
def test_log_shows_the_agent_of_each_turn_and_what_it_was_asked(name: str, runs: Runs) -> None:
    run = runs.hooked(name)
    turns = said(run, "log")["turns"][::-1]
    assert {turn["agent"] for turn in turns} == {DRIVERS[name].name}
    assert [turn["prompt"].strip('"') for turn in turns[::2]] == [turn.prompt for turn in run.turns]
    assert [turn["prompt"] for turn in turns[1::2]] == [None] * 5


@pytest.mark.parametrize("name", each())
def test_list_shows_the_agent_of_the_session_and_a_title(name: str, runs: Runs) -> None:
    run = runs.hooked(name)
    (workspace,) = said(run, "list")["workspaces"]
    (session,) = [row for row in workspace["sessions"] if row["session_id"] == run.session]
    assert session["agent"] == DRIVERS[name].name
    assert session["title"] == ("Scripted session" if name == "opencode" else run.turns[0].prompt)


@pytest.mark.parametrize("name", each())
def test_status_names_the_agent_whose_hooks_are_installed_and_nothing_missed(name: str, runs: Runs) -> None:
    status = said(runs.hooked(name), "status")
    assert status["missed"] is None
    states = {(row["agent"], scope["state"]) for row in status["agents"] for scope in row["scopes"]}
    assert [agent for agent, state in sorted(states) if state != "absent"] == [DRIVERS[name].name]
    assert (DRIVERS[name].name, "installed") in states


@pytest.mark.parametrize("name", each())
def test_export_holds_the_session_and_where_its_snapshots_are(name: str, runs: Runs) -> None:
    run = runs.hooked(name)
    assert run.results["export"].code == 0, run.results["export"]
    envelope = exported(run, EXPORTED)[run.session]
    assert envelope["agent"] == DRIVERS[name].name
    ids = [snapshot["message_id"] for snapshot in envelope["metadata"]["snapshots"]]
    assert ids == [message for turn in run.own_turns for message in (turn.before, turn.after)]


@pytest.mark.parametrize("name", each())
def test_export_is_the_same_when_the_agent_has_lost_its_sessions(name: str, runs: Runs) -> None:
    run = runs.hooked(name)
    assert run.results["export of what was captured"].code == 0, run.results["export of what was captured"]
    own, kept = exported(run, EXPORTED), exported(run, EXPORTED_FROM_STORE)
    for envelope in [*own.values(), *kept.values()]:
        del envelope["exported_at"]
    assert kept == own


@pytest.mark.parametrize("name", each())
def test_import_finds_the_sessions_and_nothing_new_the_second_time(name: str, runs: Runs) -> None:
    run = runs.hooked(name)
    (first,) = [agent for agent in said(run, "import")["agents"] if agent["agent"] == DRIVERS[name].name]
    (second,) = [agent for agent in said(run, "import again")["agents"] if agent["agent"] == DRIVERS[name].name]
    assert first["found"] == first["new"] > 0
    assert (second["found"], second["new"], second["changed"]) == (first["found"], 0, 0)
    assert second["unchanged"] == second["found"]


def top_names(paths: Iterable[str]) -> set[str]:
    """What stands in a configuration folder; a database's journals come and go.

    Claude Code cleans up when a turn of its has lasted for some time, and leaves `.last-cleanup`.
    """
    names = {path.partition("/")[0].removesuffix("-wal").removesuffix("-shm") for path in paths}
    return names - {".last-cleanup"}


@pytest.mark.parametrize("name", each())
def test_setup_remove_leaves_every_byte_of_the_configuration_as_it_was(name: str, runs: Runs) -> None:
    bare, run = runs.bare(name), runs.hooked(name)
    assert run.results["remove"].code == 0, run.results["remove"]
    before, after = run.configurations["before"], run.configurations["after"]
    assert {path: after.get(path) for path in before} == before
    assert top_names(after) <= top_names(bare.configurations["after"])
    assert not [path for path in after.keys() - before.keys() if b"rollouts hook" in after[path]]
