"""Which sessions an export holds: the sets of options of the vectors, and rules that hold for any archive."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from class_sessions import IDS, NAMES, SESSIONS
from rollouts.contracts.filters import Asked, Filters, check_branches, checked, filters_from, filters_json, fits
from rollouts.contracts.selection import EXCLUSIONS, ordered, selected
from rollouts.contracts.summary import Session
from rollouts.errors import RolloutsError
from session_summary import FOLDER

FLAGS: dict[str, list[str]] = json.loads((FOLDER / "classes" / "flags.json").read_text())
EXPECTED: dict[str, list[str]] = json.loads((FOLDER / "classes" / "expected.json").read_text())
OTHERWISE = {
    # Decision 0.9: a plain branch name is taken, and a bad moment is an error.
    "git-branch-plain": (
        "no-ts tie-t2 tie-t1 tie-t3 tz-offset fork-main continuation automated-prompt-two-turns root-interactive"
    ),
    # Decision 0.8: orphans are kept, and the old place of a subagent's file tells its parent as well. The main line of
    # a forked session ends where it ends, and not with its fork (5, number 24), which therefore comes first.
    "everything": (
        "no-ts user-only-empty tie-t2 tie-t1 tie-t3 tz-offset codex-other-project codex-subagent codex-exec-oneshot"
        " codex-exec codex-cli fork-branch fork-main continuation-oneshot continuation subagent-orphan"
        " automated-lowercase automated-warmup automated-prompt-two-turns subagent-of-automated automated-oneshot"
        " one-shot root-interactive subagent-legacy-flat subagent-nested-dir"
    ),
}


def asked(words: list[str]) -> Asked:
    """Options as the command would have them."""
    found: dict[str, Any] = {}
    pending = list(words)
    while pending:
        name = pending.pop(0).removeprefix("--").replace("-", "_")
        if name in {"all", "format"}:
            del pending[: name == "format"]
        elif name.startswith("include_"):
            found[name] = True
        else:
            value = pending.pop(0)
            found[name] = int(value) if name.startswith(("min_", "max_")) else value
    return Asked(**found)


def exported(filters: Filters) -> list[str]:
    return [NAMES[session.id] for session in selected(SESSIONS.values(), filters).exported]


def test_the_rows_are_the_sessions_of_the_home() -> None:
    assert SESSIONS.keys() == IDS.keys()


@pytest.mark.parametrize("name", FLAGS)
def test_each_set_of_options_exports_its_sessions(name: str) -> None:
    if name == "bad-active":
        with pytest.raises(RolloutsError, match="--active-since 'foo' is no moment"):
            checked(asked(FLAGS[name]))
    else:
        expected = OTHERWISE[name].split() if name in OTHERWISE else EXPECTED[name]
        assert exported(checked(asked(FLAGS[name]))) == expected


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"date": "2026-13-01"}, "--date '2026-13-01' is no day"),
        ({"date_from": "20260701"}, "--date-from '20260701' is no day"),
        ({"date_to": "yesterday"}, "--date-to 'yesterday' is no day"),
        ({"date_from": "2026-07-02", "date_to": "2026-07-01"}, "the range of days is empty"),
        ({"active_since": "2026-07-01T10:00:00"}, "--active-since"),
        ({"agent": "codex,cluade"}, "--agent 'cluade' is not known"),
        ({"outcome": "won"}, "--outcome 'won' is not known"),
        ({"health_grade": "A,E"}, "--health-grade 'E' is not known"),
        ({"min_messages": -1}, "--min-messages must not be negative"),
        ({"max_messages": -1}, "--max-messages must not be negative"),
        ({"min_user_messages": -2}, "--min-user-messages must not be negative"),
        ({"min_tool_failures": -1}, "--min-tool-failures must not be negative"),
    ],
)
def test_a_value_that_means_nothing_is_an_error(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(RolloutsError) as said:
        checked(Asked(**options))
    assert str(said.value).startswith(reason)


def test_options_become_values() -> None:
    filters = checked(
        Asked(
            agent="claude-code, codex",
            machine="a, b,",
            git_branch="m\x1ex\x1fy",
            active_since="2026-07-03",
            date="2026-07-01",
        )
    )
    assert (filters.agents, filters.machines) == (("claude", "codex"), ("a", "b"))
    assert filters.git_branches == ("m", "x\x1fy")
    assert filters.active_since == 1783036800 * 10**6
    assert (filters.date_from, filters.date_to) == ("2026-07-01", "2026-07-01")
    assert filters_from(json.loads(json.dumps(filters_json(filters)))) == filters
    assert filters_from(filters_json(Filters())) == Filters()
    with pytest.raises(ValueError, match="these are no filters"):
        filters_from({"project": "x"})


def test_a_branch_that_no_session_has_is_an_error_and_a_token_is_not() -> None:
    check_branches(SESSIONS.values(), Filters(git_branches=("main", "x\x1fnone")))
    with pytest.raises(RolloutsError, match="'mian': no session ran on this branch"):
        check_branches(SESSIONS.values(), Filters(git_branches=("main", "mian")))


def test_what_is_not_known_of_a_session_is_not_what_was_asked_for() -> None:
    bare = SESSIONS["root-interactive"]._replace(outcome=None, health_grade=None, tool_failures=None, has_secret=None)
    assert fits(bare, Filters())
    for filters in (
        Filters(outcomes=("unknown",)),
        Filters(health_grades=("A",)),
        Filters(min_tool_failures=0),
        Filters(has_secret=True),
    ):
        assert not fits(bare, filters)
    assert fits(bare._replace(has_secret=True), Filters(has_secret=True))


def test_what_is_left_out_is_told_once_with_its_reason() -> None:
    left = selected(SESSIONS.values(), Filters()).excluded
    names = {reason: {NAMES[session.id] for session in sessions} for reason, sessions in left.items()}
    assert names == {
        "one_shot": {
            "one-shot",
            "automated-lowercase",
            "continuation-oneshot",
            "codex-exec-oneshot",
            "user-only-empty",
        },
        "automated": {"automated-oneshot", "automated-warmup"},
        "children": {"subagent-nested-dir", "subagent-legacy-flat", "subagent-of-automated", "subagent-orphan"}
        | {"fork-branch", "codex-subagent"},
    }
    assert tuple(left) == EXCLUSIONS


def test_children_are_judged_by_what_they_came_from() -> None:
    both = exported(Filters(include_children=True, include_automated=True))
    assert {"subagent-nested-dir", "subagent-of-automated", "continuation-oneshot"} <= set(both)
    assert not {"subagent-orphan", "one-shot"} & set(both)
    assert "subagent-of-automated" not in exported(Filters(include_children=True))
    of_codex = exported(Filters(include_children=True, agents=("codex",)))
    assert of_codex == ["codex-other-project", "codex-subagent", "codex-exec", "codex-cli"]


def random_archive(chosen: random.Random) -> list[Session]:
    """Sessions with parents in any shape: none, chains, rings, parents that are not there or have no messages."""
    ids = [f"s{number}" for number in range(chosen.randint(1, 25))]
    return [
        Session(
            id=one,
            agent="claude",
            project=chosen.choice("ab"),
            created_at="2026-07-01T00:00:00Z",
            last_activity_at=f"2026-07-0{chosen.randint(1, 3)}T00:00:00{chosen.choice(['Z', '+00:00', '.5Z'])}",
            message_count=chosen.choice([0, 1, 2, 2, 2]),
            user_message_count=(users := chosen.randint(0, 3)),
            is_automated=users <= 1 and chosen.random() < 0.4,
            parent_session_id=chosen.choice([None, "gone", *ids]),
            relationship_type=chosen.choice([None, "subagent", "fork", "continuation"]),
        )
        for one in ids
    ]


def test_in_any_archive_each_session_is_exported_or_left_out_once_and_options_only_add() -> None:
    chosen = random.Random(11)  # noqa: S311 - no secret
    for _ in range(200):
        archive = random_archive(chosen)
        project = chosen.choice([None, "a"])
        filters = Filters(
            project=project,
            include_one_shot=chosen.random() < 0.5,
            include_automated=chosen.random() < 0.5,
            include_children=chosen.random() < 0.5,
        )
        found = selected(archive, filters)
        out = {session.id for session in found.exported}
        left = [session.id for sessions in found.excluded.values() for session in sessions]
        assert len(left) == len(set(left))
        assert not out & set(left)
        assert list(found.exported) == ordered(found.exported)
        for wider in (
            filters._replace(include_one_shot=True),
            filters._replace(include_automated=True),
            filters._replace(include_children=True),
        ):
            assert out <= {session.id for session in selected(archive, wider).exported}
        if project is None:
            assert out | set(left) == {session.id for session in archive if session.message_count}
        whole = selected(archive, Filters(include_one_shot=True, include_automated=True, include_children=True))
        assert len(whole.exported) == sum(session.message_count > 0 for session in archive)


def test_the_order_is_by_the_moment_and_not_by_its_text() -> None:
    moments = {"a": "2026-07-03T11:30:00+02:00", "b": "2026-07-03T10:00:00Z", "c": "2026-07-03T10:00:00.000Z"}
    rows = [SESSIONS["tie-t1"]._replace(id=one, last_activity_at=moment) for one, moment in moments.items()]
    assert [session.id for session in ordered(rows)] == ["b", "c", "a"]
