"""What sessions used and cost day by day: `usage daily`.

Specification of session summaries, 4.1 (schema_version 1), with costs in whole microdollars beside the original's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from rollouts.contracts.price_matching import PriceList
from rollouts.contracts.strict_json import Json
from rollouts.contracts.usage import Counts, Ledger, Sum
from rollouts.record import Record


class Part(Record):
    """Where some requests belong."""

    date: str
    """A local calendar day; "" when it is not known."""
    project: str
    agent: str


class Savings:
    """What the caches spared, or cost where writing to them was dearer than it paid back."""

    def __init__(self, prices: PriceList) -> None:
        self._prices = prices
        self._by_scale: dict[int, int] = {}

    def add(self, model: str, day: str, counts: Counts) -> None:
        """Counts requests of a model and a UTC day: what cached tokens would have cost as input, less what they did."""
        _, _, written, read, _ = counts
        rates = self._prices.rates(model, day) if written or read else None
        if rates is not None:
            spared = read * (rates.input - rates.cache_read) + written * (rates.input - rates.cache_write)
            self._by_scale[rates.scale] = self._by_scale.get(rates.scale, 0) + spared

    def usd(self) -> float:
        return float(sum((Fraction(spared, scale) for scale, spared in self._by_scale.items()), Fraction(0)) / 10**6)


def _counters(counted: Sum) -> dict[str, Json]:
    return {
        "inputTokens": counted.counts[0],
        "outputTokens": counted.counts[1],
        "cacheCreationTokens": counted.counts[2],
        "cacheReadTokens": counted.counts[3],
    }


def _dearest_first(sums: Mapping[str, Sum]) -> list[str]:
    return sorted(sums, key=lambda name: (-sums[name].microusd, name))


def _breakdowns(key: str, sums: Mapping[str, Sum]) -> list[Json]:
    return [
        {key: name, **_counters(sums[name]), "cost": sums[name].microusd / 1e6, "costMicrousd": sums[name].microusd}
        for name in _dearest_first(sums)
    ]


def _totals(total: Sum) -> dict[str, Json]:
    return {**_counters(total), "totalCost": total.microusd / 1e6, "totalCostMicrousd": total.microusd}


def _together(ledgers: Iterable[tuple[str, Ledger]]) -> dict[str, Sum]:
    """Name -> sum over all its ledgers."""
    sums: dict[str, Sum] = {}
    for name, ledger in ledgers:
        sums.setdefault(name, Sum()).merge(ledger.total())
    return sums


def _day(date: str, parts: Sequence[tuple[Part, Ledger]], prices: PriceList, *, breakdown: bool) -> dict[str, Json]:
    whole = Ledger(prices)
    for _, ledger in parts:
        whole.merge(ledger)
    projects = _together((part.project, ledger) for part, ledger in parts) if breakdown else {}
    agents = _together((part.agent, ledger) for part, ledger in parts) if breakdown else {}
    return {
        "date": date,
        **_totals(whole.total()),
        "modelsUsed": [*_dearest_first(whole.by_model)],
        "modelBreakdowns": _breakdowns("modelName", whole.by_model),
        "projectBreakdowns": _breakdowns("project", projects),
        "agentBreakdowns": _breakdowns("agent", agents),
    }


def days(parts: Mapping[Part, Ledger], prices: PriceList, *, breakdown: bool) -> list[Json]:
    """The `daily` of a report, by date; breakdowns by project and agent only where they are asked for."""
    by_date: dict[str, list[tuple[Part, Ledger]]] = {}
    for part, ledger in parts.items():
        if ledger.by_model:
            by_date.setdefault(part.date, []).append((part, ledger))
    return [_day(date, by_date[date], prices, breakdown=breakdown) for date in sorted(by_date)]


def totals(total: Sum, savings: Savings) -> dict[str, Json]:
    """The `totals` of a report."""
    return {**_totals(total), "cacheSavings": savings.usd()}


def session_counts(sessions: Iterable[tuple[str, str]]) -> dict[str, Json]:
    """The `sessionCounts` of a report.

    Args:
        sessions: project and agent of each session that used something.
    """
    by_project: dict[str, Json] = {}
    by_agent: dict[str, Json] = {}
    total = 0
    for project, agent in sorted(sessions):
        total += 1
        for counts, name in ((by_project, project), (by_agent, agent)):
            before = counts.get(name, 0)
            counts[name] = (before if isinstance(before, int) else 0) + 1
    return {"total": total, "byProject": by_project, "byAgent": dict(sorted(by_agent.items()))}
