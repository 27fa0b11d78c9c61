"""How sessions went: what is counted of them, and what the filters of the session export make of it."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent_logs import claude_answer, claude_user, codex_line, codex_session, put_claude, put_codex
from courses import IDS, SHAPES, put_shapes
from helpers import ok, query, run
from rollouts.contracts.filters import GRADES, OUTCOMES
from rollouts.contracts.signals import Course, health_grade, outcome

COUNTED = (
    "SELECT session_id, failures_at_end, failures_in_a_row, repeated_calls, compaction_count, tool_failure_count,"
    " ending FROM sessions"
)
EVERYTHING = ("--all", "--include-children", "--include-one-shot", "--include-automated")


def exported(*words: str) -> list[str]:
    """The ids of the sessions that fit."""
    return sorted(row["id"] for row in json.loads(ok("export", "sessions", *EVERYTHING, *words))["sessions"])


def test_filters_part_sessions_by_how_they_went(sealed: Path) -> None:
    ids = sorted(put_shapes(sealed))
    ok("import")
    for place, names, option in ((1, OUTCOMES, "--outcome"), (2, GRADES, "--health-grade")):
        for name in names:
            assert exported(option, name) == [own for own in ids if SHAPES[IDS[own]][place] == name], (option, name)
    assert exported("--min-tool-failures", "3") == [own for own in ids if "errors" in IDS[own] or "bad" in IDS[own]]


def test_a_session_that_may_go_on_has_no_outcome_yet(sealed: Path) -> None:
    for minutes, own in ((1, "going-on"), (30, "over")):
        at = datetime.now(UTC) - timedelta(minutes=minutes)
        lines = [claude_user("Go on", 0), claude_answer(f"msg_{own}", 1)]
        put_claude(sealed, [line | {"sessionId": own, "timestamp": at.isoformat()} for line in lines], own)
    ok("import")
    assert exported("--outcome", "unknown") == ["going-on"]
    assert exported("--outcome", "completed") == ["over"]


def test_what_is_counted_goes_on_where_an_earlier_look_ended(sealed: Path, home: Path) -> None:
    for own, name in IDS.items():
        lines = SHAPES[name][0].named(own)
        for end in range(1, len(lines) + 1):
            put_claude(sealed, lines[:end], own)
            ok("import") if end % 3 == 0 or end == len(lines) else None
    rows = {IDS[str(row[0])]: row[1:] for row in query(home, COUNTED)}
    assert rows["a bad stretch"] == (0, 3, 0, 0, 3, "assistant")
    assert rows["errors, and a last word"] == (4, 4, 0, 0, 4, "assistant")
    assert rows["again, and left"] == (0, 0, 4, 0, 0, "user")
    assert rows["shortened five times"] == (0, 0, 0, 5, 0, "assistant")


def test_codex_tells_of_commands_patches_and_a_shorter_context(sealed: Path, home: Path) -> None:
    call = codex_line("response_item", 20, type="function_call", name="exec_command", arguments='{"cmd": "ls"}')
    ends = [
        codex_line("event_msg", 21, type="exec_command_end", exit_code=0),
        codex_line("event_msg", 22, type="exec_command_end", exit_code=2),
        codex_line("event_msg", 23, type="patch_apply_end", success=False),
    ]
    put_codex(sealed, [*codex_session(), call, call, call, *ends, codex_line("compacted", 24, message="shorter")])
    ok("import")
    assert [row[1:-1] for row in query(home, COUNTED)] == [(2, 2, 2, 1, 2)]


def test_no_session_is_known_to_hold_a_secret_and_that_is_said(sealed: Path) -> None:
    list(put_shapes(sealed))
    ok("import")
    found = run("export", "sessions", *EVERYTHING, "--has-secret")
    assert found.code == 0
    assert json.loads(found.out)["sessions"] == []
    assert found.err.startswith("No session is known to hold a secret")
    assert found.err.count("\n") == 1


@pytest.mark.parametrize(
    ("course", "word"),
    [
        (Course(2, "assistant"), "completed"),
        (Course(2, "user"), "abandoned"),
        (Course(2, "user", 3, failures_at_end=3), "errored"),
        (Course(1, "user", 3, failures_at_end=3), "unknown"),
        (Course(9, None), "unknown"),
    ],
)
def test_an_outcome_follows_from_what_came_last(course: Course, word: str) -> None:
    assert outcome(course, is_automated=False, is_settled=True) == word
    assert outcome(course, is_automated=True, is_settled=True) == "unknown"
    assert outcome(course, is_automated=False, is_settled=False) == "unknown"


def test_each_penalty_has_its_limit_and_what_was_not_counted_has_no_grade() -> None:
    assert health_grade(Course(9, "assistant"), "completed") is None
    grades = Counter(health_grade(Course(9, "assistant", failures), "completed") for failures in range(100))
    assert grades == {"A": 4, "B": 5, "C": 91}
    repeated = [health_grade(Course(9, "assistant", 0, 0, 0, calls), "completed") for calls in (2, 3, 5, 6, 99)]
    assert repeated == ["A", "B", "B", "B", "B"]
    assert health_grade(Course(9, "assistant", 0, 0, 0, 99, 99), "completed") == "C"
    assert health_grade(Course(9, "user", 99, 99, 99, 99, 99), "errored") == "F"
