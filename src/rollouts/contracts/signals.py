"""How a session went, in the words that filters ask for (specification of session summaries, 1.5).

Outcomes, penalties and grades are those that agentsview publishes (https://agentsview.io/session-intelligence/), over
facts of our own: a call failed when its agent says so. They are never exported.
"""

from __future__ import annotations

from rollouts.record import Record

_MICROSECONDS = 1_000_000
SETTLED = 600 * _MICROSECONDS
"""Microseconds after its last activity, when a session is taken to be over."""
_FEW = 2
"""Messages, without which nothing is to be said of a session."""
_STREAK = 3
"""Failures in a row."""
_OUTCOME_PENALTIES = {"errored": 30, "abandoned": 15}
_GRADES = ((90, "A"), (75, "B"), (60, "C"), (40, "D"))


class Course(Record):
    """What is known of how a session went; None for what nobody counted."""

    messages: int
    ending: str | None
    """Whose message came last: user or assistant."""
    failures: int | None = None
    """Calls of tools that failed."""
    failures_at_end: int | None = None
    failures_in_a_row: int | None = None
    repeated_calls: int | None = None
    compactions: int | None = None


def outcome(course: Course, *, is_automated: bool, is_settled: bool) -> str:
    """completed, abandoned, errored or unknown."""
    if is_automated or not is_settled or course.messages < _FEW or course.ending is None:
        return "unknown"
    if (course.failures_at_end or 0) >= _STREAK:
        return "errored"
    return "abandoned" if course.ending == "user" else "completed"


def health_grade(course: Course, outcome: str) -> str | None:
    """A to F, by what speaks against a session; None when nobody counted its failures."""
    if course.failures is None:
        return None
    score = 100 - _OUTCOME_PENALTIES.get(outcome, 0)
    score -= min(3 * course.failures, 30)
    score -= min(5 * (course.repeated_calls or 0), 25)
    score -= 10 if (course.failures_in_a_row or 0) >= _STREAK else 0
    score -= min(5 * max((course.compactions or 0) - 1, 0), 15)
    return next((grade for least, grade in _GRADES if score >= least), "F")
