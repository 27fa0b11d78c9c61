"""`rollouts activity report`: when agents were at work, by hand-made times and by what holds for any."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent_logs import claude_answer, claude_result, claude_user, codex_session, put_claude, put_codex, text
from helpers import failure, fingerprint, ok, on_a_terminal, query, run
from rollouts.contracts.activity import MINUTE, SECOND, Active, Message, Range, Spent, report
from rollouts.contracts.buckets import Asked, checked_range
from rollouts.contracts.calendar import Days, zone
from rollouts.contracts.instants import instant
from rollouts.errors import RolloutsError
from schemas import problems
from summary_home import settled_home

GOLDEN = Path(__file__).parent / "golden" / "activity-report.json"
DAY = ("--preset", "day", "--date", "2026-11-21", "--timezone", "UTC")
LONG_AFTER = instant("2030-01-01T00:00:00Z") or 0


def activity(*words: str) -> dict[str, Any]:
    """The document of a report, which follows its schema."""
    document: dict[str, Any] = json.loads(ok("activity", "report", "--json", *words))
    assert problems("activity-report", document) == []
    return document


# Through the program


def test_a_report_is_the_golden_one(sealed: Path, home: Path) -> None:
    settled_home(sealed, home)
    words = ("--preset", "month", "--date", "2026-07-01", "--timezone", "Europe/Berlin", "--bucket", "1d")
    found = ok("activity", "report", "--json", *words)
    assert problems("activity-report", json.loads(found)) == []
    assert found == GOLDEN.read_text()


@pytest.fixture
def worked(sealed: Path, home: Path) -> Path:
    """A session with a pause and two models, and a thread of Codex beside it."""
    lines = [
        claude_user("go", 0),
        claude_answer("m1", 10),
        claude_answer("m1", 20, kind="tool_use"),
        claude_result(25),
        claude_answer("m2", 40),
        claude_user("more", 100),
        claude_answer("m3", 1000),
        claude_user("last", 1100),
    ]
    for line in lines[4:7]:
        if line["type"] == "assistant":
            line["message"]["model"] = "claude-opus-4-5"
    put_claude(sealed, lines)
    put_codex(sealed, codex_session())
    ok("import")
    return home


def minute_marks(found: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["start"][14:19], one["end"][14:19]) for one in found if not one["session_id"].startswith("codex:")]


@pytest.mark.usefixtures("worked")
def test_an_agent_is_at_work_between_messages_and_five_minutes_at_most() -> None:
    found = activity(*DAY)
    # as agentsview 0.37.1 gives for the same log: a message of several lines is over with its last one
    assert minute_marks(found["intervals"]) == [
        ("00:00", "00:20"),
        ("00:20", "00:40"),
        ("00:40", "01:40"),
        ("01:40", "06:40"),
        ("16:40", "18:20"),
    ]
    models = {entry["key"]: round(entry["agent_minutes"] * 60) for entry in found["by_model"]}
    assert models == {"claude-opus-4-5": 480, "claude-sonnet-4-5": 20, "gpt-5.5": 4}
    assert found["by_session"][0]["primary_model"] == "claude-opus-4-5"
    assert found["totals"]["agent_minutes"] == 504 / 60
    assert found["totals"]["active_minutes"] == 500 / 60
    assert found["peak"] == {"agents": 2, "at": "2026-11-21T10:00:03Z"}
    assert found["buckets"][120]["start"] == "2026-11-21T10:00:00Z"
    assert found["buckets"][120]["max_agents"] == 2


@pytest.mark.usefixtures("worked")
def test_a_range_cuts_what_goes_beyond_it() -> None:
    words = ("--from", "2026-11-21T10:00:30Z", "--to", "2026-11-21T10:12:00Z", "--timezone", "Europe/Berlin")
    found = activity(*words, "--agent", "claude")
    assert minute_marks(found["intervals"]) == [("00:30", "00:40"), ("00:40", "01:40"), ("01:40", "06:40")]
    assert [bucket["end"] for bucket in found["buckets"]][-1] == found["range_end"] == "2026-11-21T10:12:00Z"
    assert found["bucket_count"] == 3
    assert found["totals"]["idle_minutes"] == pytest.approx(11.5 - 370 / 60)
    assert activity(*words, "--project", "none")["totals"]["sessions"] == 0


def test_what_goes_on_after_an_import_is_the_same_as_if_it_was_read_at_once(sealed: Path, home: Path) -> None:
    lines = [claude_user("go", 0), claude_answer("m1", 10), claude_answer("m1", 20), claude_answer("m2", 30)]
    lines += [claude_user("more", 60), claude_answer("m3", 70), claude_answer("m3", 80, output=20)]
    for count in range(1, len(lines) + 1):
        path = put_claude(sealed, lines[:count])
        ok("import")
    piecemeal = activity(*DAY)
    assert len(query(home, "SELECT 1 FROM moments")) > 1
    path.write_bytes(text(lines) + b"\n")
    query(home, "UPDATE sources SET size = -1, offset = 0, marks = '', state = ''")
    ok("import")
    assert len(query(home, "SELECT 1 FROM moments")) == 1
    assert activity(*DAY)["intervals"] == piecemeal["intervals"]
    assert minute_marks(piecemeal["intervals"]) == [
        ("00:00", "00:20"),
        ("00:20", "00:30"),
        ("00:30", "01:00"),
        ("01:00", "01:20"),
    ]


def test_a_fork_was_not_at_work_while_its_original_was(sealed: Path, home: Path) -> None:
    settled_home(sealed, home)
    found = activity(*DAY)
    one = next(session for session in found["by_session"] if session["session_id"].endswith("00f"))
    assert (one["first_active"], one["last_active"]) == ("2026-11-21T10:00:30Z", "2026-11-21T10:00:32Z")


def test_titles_stand_there_only_where_they_are_asked_for(sealed: Path, home: Path) -> None:
    settled_home(sealed, home)
    for plain in (ok("activity", "report", "--json", *DAY), ok("activity", "report", *DAY)):
        assert "Make the file" not in plain
    assert "Make the file" in ok("activity", "report", "--titles", *DAY)
    assert {session["title"] for session in activity("--titles", *DAY)["by_session"]} >= {"Make the file"}


@pytest.mark.usefixtures("worked")
def test_costs_are_those_of_the_days() -> None:
    daily = json.loads(ok("usage", "daily", "--json", "--all", "--timezone", "UTC"))
    found = activity(*DAY)
    assert found["totals"]["cost_microusd"] == daily["totals"]["totalCostMicrousd"] > 0
    assert sum(bucket["cost_microusd"] for bucket in found["buckets"]) == found["totals"]["cost_microusd"]
    assert found["pricing"] == daily["pricing"]


@pytest.mark.usefixtures("worked")
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--preset", "year"), "--preset 'year' is not known"),
        (("--date", "2026-02-30"), "--date '2026-02-30' is no day"),
        (("--from", "2026-01-01T00:00:00Z"), "--to is no moment"),
        (("--from", "2026-01-02T00:00:00Z", "--to", "2026-01-01T00:00:00Z"), "the range is empty"),
        (("--from", "2026-01-01T00:00:00Z", "--to", "2028-01-01T00:00:00Z"), "longer than a year"),
        (("--preset", "day", "--from", "2026-01-01T00:00:00Z"), "go with --preset custom"),
        (("--preset", "custom", "--date", "2026-01-01"), "--date goes with"),
        (("--preset", "month", "--bucket", "5m"), "more than 2000 buckets"),
        (("--bucket", "2h"), "--bucket '2h' is not known"),
        (("--timezone", "Mars"), "--timezone 'Mars' is not known"),
        (("--agent", "emacs"), "--agent 'emacs' is not known"),
    ],
)
def test_a_value_that_means_nothing_is_one_line_and_nothing_else(words: tuple[str, ...], reason: str) -> None:
    assert reason in failure(run("activity", "report", *words))


def test_people_see_when_and_how_many_and_nothing_is_written(worked: Path) -> None:
    before = fingerprint(worked)
    shown = ok("activity", "report", *DAY)
    assert "At once, at most: 2 at 2026-11-21 10:00" in shown
    assert "demo" in shown
    assert "█" in on_a_terminal(100, "activity", "report", *DAY, env={"LANG": "C.UTF-8"})
    assert "Agents at work:   0.0m" in ok("activity", "report", "--date", "2020-01-01")
    assert fingerprint(worked) == before


# The library


def asked(start: str, end: str, *, bucket: str | None = None, now: int = LONG_AFTER, name: str = "UTC") -> Range:
    typed = Asked(start=start, end=end, bucket=bucket)
    return checked_range(typed, days=Days(zone(name)), timezone=name, now=now)


def session(name: str, times: Sequence[int], *, spent: Sequence[Spent] = (), automated: bool = False) -> Active:
    messages = [Message(at, "m" if number % 2 else None) for number, at in enumerate(times)]
    return Active(name, "", "p", "claude", automated, messages, spent)


def test_days_and_weeks_follow_the_calendar_through_a_change_of_the_clock() -> None:
    days = Days(zone("Europe/Berlin"))
    typed = Asked(preset="month", date="2026-10-20", bucket="1d")
    month = checked_range(typed, days=days, timezone="Europe/Berlin", now=LONG_AFTER)
    lengths = [(end - start) // (60 * MINUTE) for start, end in zip(month.bounds, month.bounds[1:], strict=False)]
    assert lengths == [25 if number == 24 else 24 for number in range(31)]
    weeks = checked_range(typed._replace(bucket="1w"), days=days, timezone="Europe/Berlin", now=LONG_AFTER)
    assert [days.at(bound).weekday() for bound in weeks.bounds[1:-1]] == [0, 0, 0, 0]
    assert weeks.bounds[0] == month.start
    week = checked_range(Asked(preset="week", date="2026-10-25"), days=days, timezone="", now=LONG_AFTER)
    assert (days.at(week.start).isoformat()[:10], days.at(week.end).isoformat()[:10]) == ("2026-10-19", "2026-10-26")


@pytest.mark.parametrize(
    ("end", "unit", "seconds"),
    [
        ("2026-01-02T12:00:00Z", "minute", 300),
        ("2026-01-02T12:00:01Z", "hour", 3600),
        ("2026-01-15T00:00:00Z", "hour", 3600),
        ("2026-01-15T00:00:01Z", "day", 86400),
        ("2026-04-01T00:00:00Z", "day", 86400),
        ("2026-04-02T00:00:00Z", "week", 604800),
    ],
)
def test_buckets_suit_the_range(end: str, unit: str, seconds: int) -> None:
    found = asked("2026-01-01T00:00:00Z", end)
    assert (found.unit, found.seconds) == (unit, seconds)


def test_what_is_not_over_yet_is_cut_at_the_moment() -> None:
    start = instant("2026-01-01T00:00:00Z") or 0
    found: Any = report(
        [session("s", [start, start + 100 * SECOND, start + 200 * SECOND])],
        asked("2026-01-01T00:00:00Z", "2026-01-01T00:10:00Z", now=start + 150 * SECOND),
    )
    assert (found["partial"], found["as_of"]) == (True, "2026-01-01T00:02:30Z")
    assert found["effective_end"] == found["as_of"]
    assert (found["bucket_count"], found["elapsed_bucket_count"]) == (2, 1)
    assert found["totals"]["agent_minutes"] == 2.5
    assert found["totals"]["idle_minutes"] == 0
    future: Any = report([], asked("2026-01-01T00:00:00Z", "2026-01-01T00:10:00Z", now=start - SECOND))
    assert (future["effective_end"], future["elapsed_bucket_count"]) == ("2026-01-01T00:00:00Z", 0)


def test_one_who_stops_when_another_begins_is_not_beside_it() -> None:
    start = instant("2026-01-01T00:00:00Z") or 0
    both = [session("a", [start, start + MINUTE]), session("b", [start + MINUTE, start + 2 * MINUTE], automated=True)]
    found: Any = report(both, asked("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"))
    assert found["peak"] == {"agents": 1, "at": "2026-01-01T00:00:00Z"}
    assert found["totals"]["automated_agent_minutes"] == found["totals"]["interactive_agent_minutes"] == 1
    assert found["buckets"][0]["automated_at_peak"] == 0


def test_in_any_report_the_parts_make_up_the_whole() -> None:
    chosen = random.Random(3)  # noqa: S311 - no secret
    start = instant("2026-03-28T00:00:00Z") or 0
    for _ in range(60):
        found_range = asked("2026-03-28T00:00:00Z", "2026-03-30T05:00:00Z", bucket="15m", name="Europe/Berlin")
        sessions = []
        for number in range(chosen.randint(1, 8)):
            times = sorted(start + chosen.randint(-9000, 60 * 3600) * SECOND for _ in range(chosen.randint(1, 30)))
            spent = [Spent(start + chosen.randint(0, 190_000) * SECOND, "m", 1, chosen.randint(0, 9)) for _ in range(5)]
            sessions.append(session(f"s{number}", times, spent=spent, automated=chosen.random() < 0.3))
        found: Any = report(sessions, found_range)
        totals = found["totals"]
        for parts in (found["buckets"], found["by_project"], found["by_agent"]):
            assert sum(part["agent_minutes"] for part in parts) == pytest.approx(totals["agent_minutes"])
            assert sum(part["cost_microusd"] for part in parts) == totals["cost_microusd"]
        assert max(bucket["max_agents"] for bucket in found["buckets"]) == found["peak"]["agents"]
        assert totals["active_minutes"] <= totals["agent_minutes"] + 1e-9
        assert totals["active_minutes"] + totals["idle_minutes"] == pytest.approx(53 * 60)
        assert totals["automated_agent_minutes"] + totals["interactive_agent_minutes"] == pytest.approx(
            totals["agent_minutes"]
        )
        assert len(found["intervals"]) == len({tuple(one.values()) for one in found["intervals"]})


def test_a_range_needs_a_moment_with_a_time_zone() -> None:
    with pytest.raises(RolloutsError, match="--from is no moment"):
        asked("2026-01-01", "2026-01-02T00:00:00Z")
