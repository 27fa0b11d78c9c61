"""usage daily."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from rollouts.commands import bars, output, reporting
from rollouts.commands.options import AsJson
from rollouts.commands.reporting import Report
from rollouts.contracts import calendar
from rollouts.export import reports
from rollouts.export.reports import Daily


def _row(name: str, counts: Mapping[str, Any], microusd: int, *more: str) -> list[str]:
    kinds = ("inputTokens", "outputTokens", "cacheCreationTokens", "cacheReadTokens")
    return [name, *(bars.count(counts[kind]) for kind in kinds), bars.money(microusd), *more]


def _parts(day: Report) -> list[list[str]]:
    """The breakdown of a day: a row for each model, project and agent."""
    found = []
    for kind, key in (("model", "modelName"), ("project", "project"), ("agent", "agent")):
        found += [_row(f"  {kind} {part[key]}", part, part["costMicrousd"], "") for part in day[f"{kind}Breakdowns"]]
    return found


def _with_bars(rows: Sequence[list[str]], shown: Sequence[str] | None) -> list[list[str]]:
    return [[*row, bar] for row, bar in zip(rows, shown, strict=True)] if shown is not None else [*rows]


def _print_daily(report: Report, *, breakdown: bool) -> None:
    rows: list[list[str]] = []
    amounts: list[float] = []
    for day in report["daily"]:
        parts = _parts(day) if breakdown else []
        rows += [_row(day["date"] or "unknown", day, day["totalCostMicrousd"], " ".join(day["modelsUsed"])), *parts]
        amounts += [day["totalCostMicrousd"], *(0 for _ in parts)]
    shown = bars.bars(amounts)
    totals = report["totals"]
    table = _with_bars(rows, shown)
    table.append([*_row("Total", totals, totals["totalCostMicrousd"], ""), *([] if shown is None else [""])])
    headings = ["Date", "Input", "Output", "Cache write", "Cache read", "Cost", "Models"]
    output.table([*headings, *([] if shown is None else [""])], table, right=range(1, 6), cut=(6,))
    sessions = report["sessionCounts"]["total"]
    output.line(f"{sessions} sessions; caches spared ${totals['cacheSavings']:,.2f}")
    reporting.tell_unpriced(report)


def daily(
    since: Annotated[
        str | None, typer.Option("--since", metavar="WHEN", help="From a day on, or 28d, 12h ago (30 days).")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="WHEN", help="To that day.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All days there are.")] = False,
    timezone: reporting.Timezone = None,
    agent: reporting.Agent = None,
    breakdown: Annotated[bool, typer.Option("--breakdown", help="By model, project and agent as well.")] = False,
    redact_paths: reporting.RedactPaths = False,
    as_json: AsJson = False,
) -> None:
    """What sessions used and cost, day by day.

    Every session counts, subagents and those that programs started too, and each request once, on the day on which it
    was made. Nothing is written, and no agent's file is read: `rollouts import` and the hooks take sessions in.

    Example: rollouts usage daily --since 7d
    """
    _, days = reporting.zone(timezone)
    first, last = calendar.checked_range(since, until, everything=everything, now=days.at(reporting.now()))
    asked = Daily(days, first, last, reporting.agents(agent), breakdown, redact_paths)
    report = reporting.made(lambda catalog, own: reports.daily(catalog, asked, own))
    if as_json:
        output.document(report)
    else:
        _print_daily(report, breakdown=breakdown)
