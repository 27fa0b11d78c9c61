"""activity report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from rollouts.commands import bars, output, reporting
from rollouts.commands.options import AsJson
from rollouts.commands.reporting import Report
from rollouts.contracts import buckets
from rollouts.contracts.calendar import Days
from rollouts.contracts.instants import instant
from rollouts.export.activity import Asked
from rollouts.export.activity import activity as reported

_ROWS = 48
"""Of a timeline; more buckets are shown several in one."""
_TOP = 5
_MINUTES = 1440
"""Of a day; from buckets of that size on a row is named by its day alone."""


def _when(days: Days, text: str, *, with_time: bool = True) -> str:
    """A moment of the report, where its days are."""
    local = days.at(instant(text) or 0)
    return local.strftime("%Y-%m-%d %H:%M" if with_time else "%Y-%m-%d")


def _timeline(report: Report, days: Days) -> None:
    """When agents were at work; stretches in which none was are left out."""
    all_buckets: list[dict[str, Any]] = report["buckets"]
    size = max(-(-len(all_buckets) // _ROWS), 1)
    rows: list[list[str]] = []
    amounts: list[float] = []
    for first in range(0, len(all_buckets), size):
        some = all_buckets[first : first + size]
        worked = sum(bucket["agent_minutes"] for bucket in some)
        cost = sum(bucket["cost_microusd"] for bucket in some)
        if worked or cost:
            when = _when(days, some[0]["start"], with_time=report["bucket_seconds"] < _MINUTES * 60)
            peak = max(bucket["max_agents"] for bucket in some)
            rows.append([when, str(peak), bars.minutes(worked), bars.money(cost)])
            amounts.append(worked)
    shown = bars.bars(amounts)
    if rows:
        output.line("")
        table = rows if shown is None else [[*row, bar] for row, bar in zip(rows, shown, strict=True)]
        output.table(["From", "Agents", "At work", "Cost", *([] if shown is None else [""])], table, right=(1, 2, 3))


def _shares(report: Report) -> None:
    """By what was worked: the largest few of each kind."""
    rows = [
        [kind, entry["key"], bars.minutes(entry["agent_minutes"]), bars.money(entry["cost_microusd"])]
        for kind in ("project", "model", "agent")
        for entry in report[f"by_{kind}"][:_TOP]
    ]
    if rows:
        output.line("")
        output.table(["By", "Name", "At work", "Cost"], rows, right=(2, 3), cut=(1,))


def _sessions(report: Report) -> None:
    rows = [
        [
            entry["title"] or entry["session_id"],
            entry["project"],
            entry["agent"],
            "-" if entry["agent_minutes"] is None else bars.minutes(entry["agent_minutes"]),
            bars.money(entry["cost_microusd"]),
        ]
        for entry in report["by_session"][:_TOP]
    ]
    if rows:
        output.line("")
        output.table(["Session", "Project", "Agent", "At work", "Cost"], rows, right=(3, 4), cut=(0, 1))


def _facts(report: Report, days: Days) -> Sequence[tuple[str, str]]:
    totals, peak = report["totals"], report["peak"]
    at = f" at {_when(days, peak['at'])}" if peak["at"] else ""
    automated, untimed = totals["automated_sessions"], totals["untimed_sessions"]
    return (
        ("Agents at work", bars.minutes(totals["active_minutes"])),
        ("Together", bars.minutes(totals["agent_minutes"])),
        ("At once, at most", f"{peak['agents']}{at}"),
        ("Sessions", f"{totals['sessions']} ({automated} automated, {untimed} without times)"),
        ("Output tokens", bars.count(totals["output_tokens"])),
        ("Cost", bars.money(totals["cost_microusd"])),
    )


def _print(report: Report, days: Days) -> None:
    start, end = (_when(days, report[key]) for key in ("range_start", "effective_end"))
    output.line(f"Activity from {start} to {end} ({report['timezone']})")
    output.line("")
    for name, value in _facts(report, days):
        output.line(f"{name + ':':<18}{value}")
    _timeline(report, days)
    _shares(report)
    _sessions(report)
    reporting.tell_unpriced(report)


def report(
    preset: Annotated[
        str | None, typer.Option("--preset", metavar="NAME", help="day, week, month, or custom (day).")
    ] = None,
    date: Annotated[str | None, typer.Option("--date", metavar="DAY", help="A day in it (today).")] = None,
    start: Annotated[str | None, typer.Option("--from", metavar="WHEN", help="Its beginning (RFC 3339).")] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="WHEN", help="Its end.")] = None,
    bucket: Annotated[
        str | None, typer.Option("--bucket", metavar="SIZE", help="5m, 15m, 1h, 1d or 1w (what suits the range).")
    ] = None,
    timezone: reporting.Timezone = None,
    project: Annotated[str | None, typer.Option("--project", metavar="NAME", help="Only this project's.")] = None,
    agent: reporting.Agent = None,
    titles: Annotated[
        bool, typer.Option("--titles", help="Name sessions by their titles, which may be what was asked.")
    ] = False,
    redact_paths: reporting.RedactPaths = False,
    as_json: AsJson = False,
) -> None:
    """When agents were at work, and at what cost.

    An agent is taken to be at work between two messages of its session, for at most five minutes. Nothing is written,
    and no agent's file is read: `rollouts import` and the hooks take sessions in.

    Example: rollouts activity report --preset week
    """
    name, days = reporting.zone(timezone)
    typed = buckets.Asked(preset, date, start, end, bucket)
    asked_range = buckets.checked_range(typed, days=days, timezone=name, now=reporting.now())
    asked = Asked(asked_range, project, reporting.agents(agent), titles, redact_paths)
    found = reporting.made(lambda catalog, own: reported(catalog, asked, own))
    if as_json:
        output.document(found)
    else:
        _print(found, days)
