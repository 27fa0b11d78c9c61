"""What requests to models used and cost: one row each, their sums, and the block of prices that a payload carries.

Specification of session summaries, 1.2, 2.2 and 2.5, with 0.6: money is whole microdollars, rounded half away from zero
once for each row, so that sums are the same in whatever order and grouping they are made.
"""

from __future__ import annotations

from collections.abc import Iterable

from rollouts.contracts.price_matching import Match, PriceList, Rates
from rollouts.contracts.pricing import COMPUTED, EMBEDDED, RATES, REPORTED, Price, Table, combined
from rollouts.contracts.strict_json import Json
from rollouts.record import Record

MOST_TOKENS = 2_000_000
"""No request has more; what says so is a slip of its agent's."""
NO_MODEL = frozenset({"", "<synthetic>"})


Counts = tuple[int, int, int, int, int]
"""Tokens: input, output, cache write, cache read, reasoning."""


class Usage(Record):
    """What one request to a model used."""

    model: str
    input_tokens: int = 0
    """Those that no cache had."""
    output_tokens: int = 0
    cache_write_tokens: int = 0
    cache_read_tokens: int = 0
    reasoning_tokens: int = 0
    """A part of the output, recorded beside it."""
    cost_microusd: int | None = None
    """What the agent itself says that it cost."""
    day: str = ""
    """The UTC day of the request, `YYYY-MM-DD`; "" when it is not known."""


def usage_of(model: str, counts: Iterable[int], *, cost_microusd: int | None = None, day: str = "") -> Usage:
    """A request, its five counts in the order of `Usage`."""
    return Usage._make((model, *counts, cost_microusd, day))


def tokens(value: object) -> int:
    """A count of tokens as an agent wrote it, within what can be: numbers in text count, fractions are cut."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return 0
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:  # noqa: PLR0124 - NaN
        return 0
    return int(min(max(value, 0), MOST_TOKENS))


def clamped(usage: Usage) -> Usage:
    """The same request with each count within what can be."""
    return usage_of(usage.model, map(tokens, usage[1:6]), cost_microusd=usage.cost_microusd, day=usage.day)


def cost(usage: Usage, rates: Rates) -> int:
    """What a request costs in microdollars, rounded half away from zero."""
    billable = usage.output_tokens or usage.reasoning_tokens
    numerator = (
        usage.input_tokens * rates.input
        + billable * rates.output
        + usage.cache_write_tokens * rates.cache_write
        + usage.cache_read_tokens * rates.cache_read
    )
    return (2 * numerator + rates.scale) // (2 * rates.scale)


class Sum:
    """Counters over requests to one model, or over such counters."""

    __slots__ = ("_unpriced", "counts", "microusd", "newest_day", "sources")

    def __init__(self) -> None:
        self.counts: Counts = (0, 0, 0, 0, 0)
        self.microusd = 0
        self.sources: set[str] = set()
        """Where its costs come from: computed, reported."""
        self.newest_day = ""
        self._unpriced = False

    @property
    def has_cost(self) -> bool:
        """Whether there was a request, and each had a price: otherwise the cost is a lower bound."""
        return bool(self.sources) and not self._unpriced

    def add(self, counts: Counts, microusd: int | None, *, source: str, day: str) -> None:
        """Counts one request; None for a cost that is not known."""
        one, two, three, four, five = self.counts
        self.counts = (one + counts[0], two + counts[1], three + counts[2], four + counts[3], five + counts[4])
        self.sources.add(source)
        self.newest_day = max(self.newest_day, day)
        if microusd is None:
            self._unpriced = True
        else:
            self.microusd += microusd

    def merge(self, other: Sum) -> None:
        """Adds what another one counted."""
        one, two, three, four, five = self.counts
        more = other.counts
        self.counts = (one + more[0], two + more[1], three + more[2], four + more[3], five + more[4])
        self.microusd += other.microusd
        self.sources |= other.sources
        self.newest_day = max(self.newest_day, other.newest_day)
        self._unpriced = self._unpriced or other._unpriced


def taken_of(usage: Usage, prices: PriceList) -> tuple[Counts, int | None] | None:
    """The tokens of a request and its cost, which may not be known.

    None when it is none: no model, or nothing used and nothing paid.
    """
    counts = usage[1:6]
    if min(counts) < 0 or max(counts) > MOST_TOKENS:
        usage = clamped(usage)
        counts = usage[1:6]
    microusd = usage.cost_microusd
    if usage.model in NO_MODEL or (microusd is None and not any(counts)):
        return None
    if microusd is None and (rates := prices.rates(usage.model, usage.day)):
        microusd = cost(usage, rates)
    return counts, microusd


class Ledger:
    """What requests used and cost, by model."""

    __slots__ = ("_prices", "by_model")

    def __init__(self, prices: PriceList) -> None:
        self._prices = prices
        self.by_model: dict[str, Sum] = {}

    def add(self, usage: Usage) -> tuple[Counts, int | None] | None:
        """Counts one request, unless it is none. Returns what `taken_of` it."""
        taken = taken_of(usage, self._prices)
        if taken is not None:
            source = COMPUTED if usage.cost_microusd is None else REPORTED
            self.count(usage.model, *taken, source=source, day=usage.day)
        return taken

    def count(self, model: str, counts: Counts, microusd: int | None, *, source: str, day: str) -> None:
        """Counts one request, or several of a model and a day, with the sum of their rounded costs."""
        known = self.by_model.get(model)
        if known is None:
            known = self.by_model[model] = Sum()
        known.add(counts, microusd, source=source, day=day)

    def merge(self, other: Ledger) -> None:
        """Adds what another one counted."""
        for model, counted in other.by_model.items():
            self.by_model.setdefault(model, Sum()).merge(counted)

    def total(self) -> Sum:
        """The sum over all models."""
        total = Sum()
        for counted in self.by_model.values():
            total.merge(counted)
        return total


def ledger(usages: Iterable[Usage], prices: PriceList) -> Ledger:
    """What some requests used and cost."""
    found = Ledger(prices)
    for usage in usages:
        found.add(usage)
    return found


def _counters(counted: Sum) -> dict[str, Json]:
    return {
        "input_tokens": counted.counts[0],
        "output_tokens": counted.counts[1],
        "cache_creation_input_tokens": counted.counts[2],
        "cache_read_input_tokens": counted.counts[3],
        "reasoning_tokens": counted.counts[4],
        "cost_usd": counted.microusd / 1e6,
        "cost_microusd": counted.microusd,
        "has_cost": counted.has_cost,
    }


def model_usage_json(found: Ledger) -> dict[str, Json]:
    """The `model_usage` of a session's row."""
    models = sorted(found.by_model)
    by_model: dict[str, Json] = {
        model: {"model": model, **_counters(counted), "cost_source": combined(counted.sources)}
        for model in models
        for counted in (found.by_model[model],)
    }
    return {"models": [*models], **_counters(found.total()), "by_model": by_model}


def _rates_json(price: Price | None) -> dict[str, Json]:
    rates = price.rates if price else (0, 0, 0, 0)
    return {f"{name}_cost_per_mtok": rate for name, rate in zip(RATES, rates, strict=True)}


def _model_json(match: Match | None, counted: Sum) -> dict[str, Json]:
    """The rates of a model: where its price changed, those of its newest request, and the others beside them."""
    price = match.period(counted.newest_day).price if match else None
    entry: dict[str, Json] = {"matched_pattern": price.pattern if price else None, **_rates_json(price)}
    entry["cost_source"] = combined(counted.sources)
    if match and len(match.periods) > 1:
        periods: list[Json] = [
            {"effective_from": period.effective_from or None, **_rates_json(period.price)} for period in match.periods
        ]
        entry["rate_periods"] = periods
    return entry


def pricing_json(table: Table, prices: PriceList, found: Ledger) -> dict[str, Json]:
    """The `pricing` block of a payload: the table, and what became of the models in it."""
    models = {model: (prices.match(model), found.by_model[model]) for model in sorted(found.by_model)}
    fallback: list[Json] = [
        model for model, (match, _) in models.items() if match and match.periods[-1].price.source == EMBEDDED
    ]
    unpriced: list[Json] = [model for model, (_, counted) in models.items() if not counted.has_cost]
    return {
        "source": table.source,
        "table_version": table.table_version,
        "latest_row_updated_at": table.latest_row_updated_at,
        "custom_override_count": table.custom_override_count,
        "effective_row_count": table.effective_row_count,
        "digest": table.digest,
        "cost_source": combined(source for _, counted in models.values() for source in counted.sources),
        "fallback": {"used": bool(fallback), "models": fallback},
        "models": {model: _model_json(match, counted) for model, (match, counted) in models.items()},
        "unpriced_models": unpriced,
        "rates_digest": table.rates_digest,
    }
