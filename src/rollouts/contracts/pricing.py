"""What a token costs: tables of prices, their digests, and what a payload says of those that it used.

Specification of session summaries, 2, with the decisions 0.5 and 0.11: where each row comes from is stored with it, and
the block is always there. A rate is USD for a million tokens, which is microdollars for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from rollouts.contracts.canonical import dumps, number, sha256
from rollouts.contracts.instants import instant, rfc3339, to_the_second
from rollouts.contracts.strict_json import Json
from rollouts.record import Record

CUSTOM, EMBEDDED, FETCHED = "custom", "embedded", "fetched"
COMPUTED, REPORTED, MIXED = "computed", "reported", "mixed"
RATES = ("input", "output", "cache_write", "cache_read")
_KEYS = ("model_pattern", "source", "input_per_mtok", "output_per_mtok", "cache_write_per_mtok", "cache_read_per_mtok")
_BOOKKEEPING = "_"


class Price(Record):
    """One row of a table of prices."""

    pattern: str
    """A model's name."""
    input: float
    output: float
    cache_write: float
    cache_read: float
    source: str
    """custom, embedded or fetched."""
    updated_at: str | None = None
    """As stored; null for rows that never were."""
    effective_from: str | None = None
    """The UTC day from which it holds, where a model's price has changed: `2026-08-21`. Null: from the beginning."""

    @property
    def rates(self) -> tuple[float, float, float, float]:
        """USD for a million tokens: input, output, cache write, cache read."""
        return self.input, self.output, self.cache_write, self.cache_read


def price(
    pattern: str,
    rates: Iterable[float],
    *,
    source: str,
    updated_at: str | None = None,
    effective_from: str | None = None,
) -> Price:
    """A row, its rates in the order of `RATES`."""
    return Price._make((pattern, *rates, source, updated_at, effective_from))


def _to_second(text: object) -> str | None:
    moment = instant(text) if isinstance(text, str) else None
    return None if moment is None else to_the_second(moment)


def _canonical_row(row: Mapping[str, Json]) -> dict[str, Json]:
    return {**{key: row[key] for key in _KEYS}, "updated_at": _to_second(row.get("updated_at"))}


@cache
def _number(rate: float) -> str:
    return number(rate)


def _place(row: Mapping[str, Json]) -> list[str]:
    """What rows are sorted by: their values as text, compared by their bytes."""
    rates = [_number(rate) for key in _KEYS[2:] if isinstance(rate := row[key], int | float)]
    return [str(row["model_pattern"]), str(row["source"]), *rates, str(row["updated_at"] or "")]


def canonical_rows(rows: Iterable[Mapping[str, Json]]) -> bytes:
    """The bytes over which a table's digest is made (specification 2.3).

    Args:
        rows: mappings with model_pattern, source, input_per_mtok, output_per_mtok, cache_write_per_mtok,
            cache_read_per_mtok and updated_at, in any order; an updated_at that is no moment counts as null.

    Raises:
        KeyError: a row lacks one of its keys.
        ValueError: a rate is no finite number.
    """
    return dumps({"rows": [*sorted(map(_canonical_row, rows), key=_place)]})


def digest(rows: Iterable[Mapping[str, Json]]) -> str:
    """The digest of a table, `sha256:…`; rows and errors as in `canonical_rows`."""
    return sha256(canonical_rows(rows))


def _digested(price: Price, *, timed: bool) -> dict[str, Json]:
    """A row as digests see it. A price that holds from a day on has that day in its name: patterns stay unique."""
    since = f"@{price.effective_from}" if price.effective_from else ""
    rates = dict(zip(_KEYS[2:], price.rates, strict=True))
    return {
        "model_pattern": price.pattern + since,
        "source": price.source,
        **rates,
        "updated_at": price.updated_at if timed else None,
    }


def effective(stored: Iterable[Price], *, embedded: Iterable[Price], custom: Iterable[Price]) -> tuple[Price, ...]:
    """The table that counts: what is stored, or the embedded table where nothing is, under the user's own rows.

    A row of the user's replaces all rows of its pattern. `embedded` is not looked at unless it is needed.
    """
    kept = [price for price in stored if not price.pattern.startswith(_BOOKKEEPING)]
    own = {price.pattern: price for price in custom}
    below = [price for price in kept or embedded if price.pattern not in own]
    return (*below, *own.values())


def _newest(prices: Iterable[Price]) -> int | None:
    moments = [moment for price in prices if (moment := instant(price.updated_at)) is not None]
    return max(moments, default=None)


def _source(sources: set[str]) -> str:
    base = FETCHED if FETCHED in sources else EMBEDDED if EMBEDDED in sources else ""
    return "+".join(name for name in (CUSTOM if CUSTOM in sources else "", base) if name)


def _table_version(sources: set[str], newest: int | None, embedded_version: str) -> str:
    if FETCHED in sources:
        return FETCHED if newest is None else to_the_second(newest)
    return embedded_version if EMBEDDED in sources else CUSTOM if CUSTOM in sources else ""


class Table(Record):
    """What a payload says of the table that its costs were computed with."""

    source: str
    table_version: str
    latest_row_updated_at: str | None
    custom_override_count: int
    effective_row_count: int
    digest: str
    rates_digest: str
    """The same without moments: equal wherever the prices are."""


def table(prices: Sequence[Price], *, embedded_version: str) -> Table:
    """Describes an effective table.

    Args:
        prices: its rows.
        embedded_version: which release of the embedded data this is.
    """
    sources = {price.source for price in prices}
    newest = _newest(prices)
    rates_digest = digest(_digested(price, timed=False) for price in prices)
    return Table(
        source=_source(sources),
        table_version=_table_version(sources, newest, embedded_version),
        latest_row_updated_at=None if newest is None else rfc3339(newest),
        custom_override_count=sum(price.source == CUSTOM for price in prices),
        effective_row_count=len(prices),
        digest=rates_digest if newest is None else digest(_digested(price, timed=True) for price in prices),
        rates_digest=rates_digest,
    )


def combined(sources: Iterable[str]) -> str:
    """One word for where costs come from: computed, reported, or mixed; computed when there are none."""
    distinct = set(sources)
    return distinct.pop() if len(distinct) == 1 else MIXED if distinct else COMPUTED
