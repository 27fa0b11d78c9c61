"""usage daily."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from rollouts import paths
from rollouts.commands import bars, output, summarizing
from rollouts.commands.options import AsJson
from rollouts.contracts import calendar
from rollouts.contracts.calendar import Days
from rollouts.contracts.filters import Asked, checked
from rollouts.contracts.strict_json import Json
from rollouts.errors import RolloutsError
from rollouts.export import reports
from rollouts.export.archived import Own
from rollouts.export.reports import Daily
from rollouts.storage import reading
from rollouts.storage.catalog import Catalog
from rollouts.storage.reading import ChangedMeanwhileError

Report = dict[str, Any]
"""A report as JSON: what it prints for people stands in it, and is not computed again."""
Timezone = Annotated[
    str | None, typer.Option("--timezone", metavar="NAME", help="Whose days, like Europe/Berlin (this machine's).")
]
Agent = Annotated[str | None, typer.Option("--agent", metavar="NAME,...", help="Only these: claude, codex, opencode.")]
_LOCALTIME = "/etc/localtime"


def local_zone() -> str:
    """The name of this machine's time zone; UTC where it has none."""
    named = os.environ.get("TZ", "").removeprefix(":")
    _, found, name = os.path.realpath(_LOCALTIME).partition("/zoneinfo/")
    for candidate in (named, name if found else ""):
        if candidate and not candidate.startswith("/"):
            return candidate
    return "UTC"


def _zone(name: str | None) -> Days:
    """The calendar that is asked for. This machine's own is UTC when nobody knows its name."""
    if name is not None:
        return Days(calendar.zone(name))
    try:
        return Days(calendar.zone(local_zone()))
    except RolloutsError:
        return Days(calendar.zone("UTC"))


def made(make: Callable[[Catalog, Own], dict[str, Json]]) -> Report:
    """A report out of one look at the catalog, and out of another one when that was written meanwhile."""
    gc.disable()  # no rings among millions of small values: looking for them takes a third of the time
    home = paths.home()
    try:
        with reading.snapshot(home) as catalog:
            return make(catalog, summarizing.own(home))
    except ChangedMeanwhileError:
        with reading.snapshot(home, undisturbed=False) as catalog:
            return make(catalog, summarizing.own(home))


def agents(names: str | None) -> tuple[str, ...]:
    """Agents by their names in contracts. Raises RolloutsError when one is not known."""
    return checked(Asked(agent=names)).agents


def tell_unpriced(report: Report) -> None:
    """Says which models have no price, for whoever reads the costs."""
    models = report["pricing"]["unpriced_models"]
    if models:
        output.say(
            f"No price is known of {', '.join(models)}: costs are lower bounds. [[prices]] in config.toml sets them."
        )


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
    tell_unpriced(report)


def daily(
    since: Annotated[
        str | None, typer.Option("--since", metavar="WHEN", help="From a day on, or 28d, 12h ago (30 days).")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="WHEN", help="To that day.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All days there are.")] = False,
    timezone: Timezone = None,
    agent: Agent = None,
    breakdown: Annotated[bool, typer.Option("--breakdown", help="By model, project and agent as well.")] = False,
    as_json: AsJson = False,
) -> None:
    """What sessions used and cost, day by day.

    Every session counts, subagents and those that programs started too, and each request once, on the day on which it
    was made. Nothing is written, and no agent's file is read: `rollouts import` and the hooks take sessions in.

    Example: rollouts usage daily --since 7d
    """
    days = _zone(timezone)
    now = days.at(int(datetime.now().timestamp() * 1e6))  # noqa: DTZ005 - only its timestamp counts
    first, last = calendar.checked_range(since, until, everything=everything, now=now)
    asked = Daily(days, first, last, agents(agent), breakdown)
    report = made(lambda catalog, own: reports.daily(catalog, asked, own))
    if as_json:
        output.document(report)
    else:
        _print_daily(report, breakdown=breakdown)
