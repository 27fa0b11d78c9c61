"""`rollouts usage daily`: what sums up, on which day, and how people see it."""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent_logs import claude_answer, claude_user, put_claude
from helpers import failure, fingerprint, ok, on_a_terminal, query, run
from rollouts import config
from rollouts.contracts import calendar
from rollouts.contracts.calendar import Days
from rollouts.contracts.usage import Ledger
from rollouts.export.archived import Archived, Own
from rollouts.paths import Home
from rollouts.storage import reading
from schemas import problems
from summary_home import settled_home

EVERYTHING = ("--all", "--include-one-shot", "--include-automated", "--include-children")
GOLDEN = Path(__file__).parent / "golden"


def daily(*words: str) -> dict[str, Any]:
    """The document of a report, which follows its schema."""
    document: dict[str, Any] = json.loads(ok("usage", "daily", "--json", *words))
    assert problems("usage-daily", document) == []
    return document


@pytest.fixture
def full(sealed: Path, home: Path) -> Path:
    """A home with sessions of all agents, forks and subagents, prices that changed, and models without one."""
    settled_home(sealed, home)
    return home


@pytest.mark.parametrize(("name", "words"), [("usage-daily", ()), ("usage-daily-breakdown", ("--breakdown",))])
@pytest.mark.usefixtures("full")
def test_a_report_is_the_golden_one(name: str, words: tuple[str, ...]) -> None:
    found = ok("usage", "daily", "--json", "--all", "--timezone", "UTC", *words)
    assert problems("usage-daily", json.loads(found)) == []
    assert found == (GOLDEN / f"{name}.json").read_text()


ODD_PRICES = """
[[prices]]
model = "thirds"
input_per_mtok = 0.3333333333333333
output_per_mtok = 1e-7

[[prices]]
model = "dear"
input_per_mtok = 5000000
cache_read_per_mtok = 1
"""


def add_requests(home: Path, count: int) -> None:
    """Requests of any kind at any time in the sessions of a home, by a seed."""
    chosen = random.Random(5)  # noqa: S311 - no secret
    sessions = query(home, "SELECT source, agent, session_id FROM sessions")
    models = ("claude-sonnet-4-5", "gpt-5.5", "claude-of-tomorrow", "thirds", "dear", "beyond", "", "<synthetic>")
    (home / "config.toml").write_text(ODD_PRICES)
    with contextlib.closing(sqlite3.connect(home / "rollouts.sqlite")) as catalog, catalog:
        for ordinal in range(10_000, 10_000 + count):
            model = chosen.choice(models)
            most = 3_000_000 if model == "beyond" else 2_000_000
            counts = [chosen.choice([0, 0, 1, 7, chosen.randint(0, most)]) for _ in range(5)]
            hour = datetime(2026, 10, 31, 12, tzinfo=UTC) + timedelta(seconds=chosen.randint(0, 100_000))
            at = None if chosen.random() < 0.1 else hour.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            cost = chosen.choice([None, None, None, 0, chosen.randint(1, 10**6)])
            row = (*chosen.choice(sessions), ordinal, at, model, *counts, cost)
            catalog.execute(
                "INSERT INTO usage (source, agent, session_id, ordinal, at, model, input_tokens, output_tokens,"
                " cache_write_tokens, cache_read_tokens, reasoning_tokens, cost_microusd)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "America/St_Johns"])
def test_sums_are_those_of_the_single_requests(full: Path, zone: str) -> None:
    add_requests(full, 3000)
    own, days = Own(config.prices(Home(str(full)))), Days(calendar.zone(zone))
    by_day: dict[str, Ledger] = {}
    with reading.snapshot(Home(str(full))) as catalog:
        archived = Archived(catalog, own)
        shown = {(row.source, row.session_id) for row in archived.rows()}
        for request in archived.requests():
            if (request.source, request.session_id) in shown:
                by_day.setdefault(days[request.at], Ledger(archived.tariff.prices)).add(request.usage)
    report = daily("--all", "--timezone", zone)
    found = {
        day["date"]: {part["modelName"]: (part["inputTokens"], part["costMicrousd"]) for part in day["modelBreakdowns"]}
        for day in report["daily"]
    }
    assert found == {
        day: {model: (one.counts[0], one.microusd) for model, one in ledger.by_model.items()}
        for day, ledger in by_day.items()
    }
    assert {"thirds", "dear", "beyond"} < {model for ledger in by_day.values() for model in ledger.by_model}
    assert report["pricing"]["unpriced_models"] == ["beyond", "claude-of-tomorrow"]


def test_sums_are_the_same_however_many_models_there_are(full: Path) -> None:
    add_requests(full, 3000)
    before = daily("--all")
    query(full, "UPDATE usage SET model = model || ' (' || ordinal || ')' WHERE model IN ('gpt-5.5', 'thirds')")
    after = daily("--all")
    assert len(after["pricing"]["models"]) > 600
    assert after["totals"] == before["totals"]
    assert after["sessionCounts"] == before["sessionCounts"]


@pytest.mark.usefixtures("full")
def test_days_sum_up_to_the_sessions_to_the_microdollar() -> None:
    sessions = json.loads(ok("export", "sessions", *EVERYTHING))
    used = [session["model_usage"] for session in sessions["sessions"]]
    for zone in ("UTC", "Asia/Kathmandu", "America/St_Johns"):
        report = daily("--all", "--breakdown", "--timezone", zone)
        days, totals = report["daily"], report["totals"]
        assert totals["totalCostMicrousd"] == sum(one["cost_microusd"] for one in used) > 0
        assert totals["inputTokens"] == sum(one["input_tokens"] for one in used)
        assert totals["cacheReadTokens"] == sum(one["cache_read_input_tokens"] for one in used)
        assert report["sessionCounts"]["total"] == sum(bool(one["models"]) for one in used)
        assert report["pricing"] == sessions["pricing"]
        assert report["projects"] == sessions["projects"]
        for key, parts in (("costMicrousd", "model"), ("costMicrousd", "project"), ("costMicrousd", "agent")):
            for day in days:
                assert sum(part[key] for part in day[f"{parts}Breakdowns"]) == day["totalCostMicrousd"], (zone, day)
        assert sum(day["totalCostMicrousd"] for day in days) == totals["totalCostMicrousd"]


def test_what_the_default_export_leaves_out_is_the_difference(full: Path) -> None:
    assert query(full, "SELECT count(*) FROM usage")[0][0] > 0
    document = json.loads(ok("export", "sessions", "--all"))
    shown = sum(session["model_usage"]["cost_microusd"] for session in document["sessions"])
    left = sum(entry["cost_microusd"] for entry in document["excluded"].values())
    assert shown + left == daily("--all")["totals"]["totalCostMicrousd"]
    assert left > 0


@pytest.fixture
def midnight(sealed: Path) -> None:
    """Requests around a midnight in Berlin: 22:59 and 23:00 UTC on 21 November 2026."""
    lines = [claude_user("One", 0), *(claude_answer(f"m{number}", number, output=10 + number) for number in (1, 2, 3))]
    for line, moment in zip(lines, ("22:58:00.000", "22:59:59.999", "23:00:00.000", "23:04:00.000"), strict=True):
        line["timestamp"] = f"2026-11-21T{moment}Z"
    put_claude(sealed, lines)
    ok("import")


@pytest.mark.usefixtures("midnight")
def test_a_day_is_that_of_the_time_zone_and_a_session_may_have_several() -> None:
    def outputs(zone: str, *words: str) -> dict[str, int]:
        return {day["date"]: day["outputTokens"] for day in daily("--timezone", zone, *words)["daily"]}

    assert outputs("UTC", "--all") == {"2026-11-21": 36}
    assert outputs("Europe/Berlin", "--all") == {"2026-11-21": 11, "2026-11-22": 25}
    assert outputs("Europe/Berlin", "--since", "2026-11-22", "--until", "2026-11-22") == {"2026-11-22": 25}
    assert outputs("Europe/Berlin", "--until", "2026-11-21") == {"2026-11-21": 11}
    assert outputs("Asia/Kathmandu", "--all") == {"2026-11-22": 36}  # 5:45 ahead
    assert ok("usage", "daily", "--all", "--json", "--timezone", "UTC") == ok("usage", "daily", "--all", "--json")
    berlin = run("usage", "daily", "--all", "--json", env={"TZ": "Europe/Berlin"}).out
    assert json.loads(berlin) == daily("--all", "--timezone", "Europe/Berlin")


@pytest.mark.usefixtures("midnight")
def test_only_the_agents_that_are_named_count() -> None:
    assert daily("--all", "--agent", "codex")["daily"] == []
    assert daily("--all", "--agent", "claude-code, codex")["sessionCounts"]["byAgent"] == {"claude": 1}


@pytest.mark.usefixtures("midnight")
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--since", "soon"), "--since 'soon' is no day"),
        (("--until", "2026-02-30"), "--until '2026-02-30' is no day"),
        (("--since", "2026-02-02", "--until", "2026-02-01"), "the range of days is empty"),
        (("--since", "1d", "--until", "3d"), "the range of days is empty"),
        (("--since", "999999d"), "--since '999999d' is no day"),
        (("--all", "--since", "3d"), "--all cannot be combined"),
        (("--timezone", "Europe/Nowhere"), "--timezone 'Europe/Nowhere' is not known"),
        (("--timezone", "../../etc/passwd"), "is not known"),
        (("--agent", "emacs"), "--agent 'emacs' is not known"),
    ],
)
def test_a_value_that_means_nothing_is_one_line_and_nothing_else(words: tuple[str, ...], reason: str) -> None:
    assert reason in failure(run("usage", "daily", *words))


def test_a_report_changes_nothing_and_needs_a_catalog(full: Path, tmp_path: Path) -> None:
    before = fingerprint(full)
    daily("--all")
    assert fingerprint(full) == before
    assert "there is no catalog" in failure(run("usage", "daily", env={"ROLLOUTS_HOME": str(tmp_path / "none")}))
    assert not (tmp_path / "none").exists()


@pytest.mark.usefixtures("full")
def test_people_see_a_table_and_on_a_terminal_bars() -> None:
    words = ("usage", "daily", "--all", "--timezone", "UTC")
    piped = run(*words)
    lines = piped.out.splitlines()
    assert lines[0].split()[:3] == ["Date", "Input", "Output"]
    assert lines[-2].startswith("Total")
    assert [line.split()[0] for line in lines[1:-2]] == [day["date"] or "unknown" for day in daily("--all")["daily"]]
    assert "No price is known of claude-of-tomorrow" in piped.err
    assert "█" not in piped.out
    assert "█" in on_a_terminal(140, *words, env={"LANG": "C.UTF-8"})
    assert "█" not in on_a_terminal(60, *words, env={"LANG": "C.UTF-8"})
    assert "  model claude-opus-4-6" in ok(*words, "--breakdown")


@pytest.mark.usefixtures("full")
def test_no_path_and_no_word_stands_in_a_report_that_is_to_have_none() -> None:
    month = ("--preset", "month", "--date", "2026-07-01")
    for words in (("usage", "daily", "--all", "--breakdown"), ("activity", "report", *month)):
        redacted = ok(*words, "--json", "--redact-paths")
        assert "/srv" in ok(*words, "--json")
        assert "/srv" not in redacted
        assert "first ask" not in redacted  # a prompt, and a title
        name = f"{words[0]}-{words[1]}"
        assert problems(name, json.loads(redacted)) == []


@pytest.mark.usefixtures("full")
def test_the_last_thirty_days_are_meant_where_nothing_is_said() -> None:
    assert daily("--timezone", "UTC") == daily("--timezone", "UTC", "--since", "30d")
