"""Which row of a table of prices a model's name means.

Specification of session summaries, 2.4: the first rule that fits wins; names are never matched in part, so that a model
which no table knows is not billed as its namesake; ties are broken by sorted order, always the same way (0.5).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import cached_property
from itertools import pairwise

from rollouts.contracts.pricing import Price
from rollouts.record import Record

_DECORATION = re.compile(r"\s*(?:\([^()]*\)|\[[^\[\]]*\])\s*$")
_DATE = re.compile(r"-\d{8}$")
_NOT_PLAIN = re.compile("[^a-z0-9]")


class Rates(Record):
    """Four rates as whole numbers over one power of ten: sums of them stay exact."""

    input: int
    output: int
    cache_write: int
    cache_read: int
    scale: int
    """A rate in microdollars a token is its number over this."""

    @property
    def are_usual(self) -> bool:
        """Whether 64 bits hold what is computed for costs, of a million requests too: up to a dollar a token."""
        return max(self[:4]) <= min(10**6 * self.scale, 10**11) and self.scale <= 10**11


class Period(Record):
    """What a model costs from a day on."""

    effective_from: str
    """A UTC day, or "" for the beginning."""
    price: Price
    rates: Rates


class Match(Record):
    """The rows of a table that a model's name means: one pattern, and its price in each period, oldest first."""

    pattern: str
    periods: tuple[Period, ...]

    def period(self, day: str) -> Period:
        """What holds on a UTC day, `YYYY-MM-DD`; on an unknown one (""), what holds last."""
        if len(self.periods) == 1:
            return self.periods[0]
        held = [period for period in self.periods if period.effective_from <= day] if day else self.periods
        return (held or self.periods[:1])[-1]


def exact(price: Price) -> Rates:
    """A row's rates as they are written, not as doubles hold them.

    Raises:
        ValueError: one of them is negative or no finite number.
    """
    decimals = [Decimal(repr(float(rate))) for rate in price.rates]
    if not all(rate.is_finite() and rate >= 0 for rate in decimals):
        raise ValueError(f"the price of {price.pattern} has a rate that is no amount of money: {price.rates}")
    places = max(0, *(-int(rate.normalize().as_tuple().exponent) for rate in decimals))
    numbers = [int(rate.scaleb(places)) for rate in decimals]
    return Rates._make((*numbers, 10**places))


def _provider(name: str) -> str:
    return name.rpartition("/")[0].lower()


def plain(name: str) -> str:
    """A model's name without its provider, its punctuation and its case, by which it is looked for last."""
    return _NOT_PLAIN.sub("", name.rpartition("/")[2].lower())


def undated(name: str) -> str:
    """A model's name without the date at its end."""
    return _DATE.sub("", name)


def _candidates(model: str) -> list[str]:
    undecorated = _DECORATION.sub("", model)
    return list(dict.fromkeys((model, undecorated, undated(undecorated))))


def _indexed(patterns: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    index: dict[str, list[str]] = {}
    for pattern in patterns:
        index.setdefault(key(pattern), []).append(pattern)
    return index


def _ranked(model: str, patterns: list[str]) -> list[list[str]]:
    """Patterns with a model's plain name, the nearest rank first: its own provider's, nobody's, somebody's."""
    provider = _provider(model)
    nobodys = [pattern for pattern in patterns if not _provider(pattern)]
    own = [pattern for pattern in patterns if provider and _provider(pattern) == provider]
    return [own, nobodys] if provider else [nobodys, [pattern for pattern in patterns if _provider(pattern)]]


def _periods(prices: Iterable[Price]) -> tuple[Period, ...]:
    periods = [Period(price.effective_from or "", price, exact(price)) for price in prices]
    return tuple(sorted(periods, key=lambda period: period.effective_from))


class PriceList:
    """An effective table, to look models up in."""

    def __init__(self, prices: Iterable[Price]) -> None:
        self._prices: dict[str, list[Price]] = {}
        for price in prices:
            self._prices.setdefault(price.pattern, []).append(price)
        self._known: dict[str, Match | None] = {}
        self._rates: dict[tuple[str, str], Rates | None] = {}

    @cached_property
    def _folded(self) -> dict[str, list[str]]:
        """Patterns by their names without case; made when a model is not found by its name as it is written."""
        return _indexed(sorted(self._prices), str.lower)

    @cached_property
    def _plain(self) -> dict[str, list[str]]:
        return _indexed(sorted(self._prices), plain)

    def _canonical(self, model: str) -> str | None:
        for candidate in _candidates(model):
            for rank in _ranked(model, self._plain.get(plain(candidate), [])):
                if rank:
                    return rank[0] if len(rank) == 1 else None
        return None

    def pattern(self, model: str) -> str | None:
        """The pattern that a model's name means; None when there is none, or no telling which."""
        dashed = model.replace(".", "-")
        for name in (model, dashed):
            if name in self._prices:
                return name
        for name in (model, dashed):
            if found := self._folded.get(name.lower()):
                return found[0]
        return self._canonical(model)

    def match(self, model: str) -> Match | None:
        """What a model costs; None when no row is meant by its name."""
        if model not in self._known:
            pattern = self.pattern(model)
            self._known[model] = None if pattern is None else Match(pattern, _periods(self._prices[pattern]))
        return self._known[model]

    def periods(self, model: str) -> list[tuple[str, str, Rates]]:
        """What a model costs from a UTC day ("" for the first) to before another ("~" for no end), oldest first."""
        match = self.match(model)
        if match is None:
            return []
        days = ["", *(period.effective_from for period in match.periods[1:]), "~"]
        return [(*held, period.rates) for held, period in zip(pairwise(days), match.periods, strict=True)]

    def rates(self, model: str, day: str) -> Rates | None:
        """What a model costs on a UTC day ("" for an unknown one, as in `Match.period`); None when nothing is known."""
        try:
            return self._rates[model, day]
        except KeyError:
            match = self.match(model)
            return self._rates.setdefault((model, day), match.period(day).rates if match else None)
