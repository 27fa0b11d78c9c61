"""Stand-ins for the classes that the data of `genai-prices` is written in, of which each keeps what prices need.

The data is a module of nested calls that begins with `from .types import *`. Read as a module of this package it finds
these, and not the package's own, which cost 0.3 s to import and bring an HTTP client with them.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from rollouts.record import Record


class Tier(Record):
    """A rate above some size of a request."""

    start: int
    price: Decimal


class TieredPrices(Record):
    """A rate that depends on a request's size."""

    base: Decimal
    tiers: list[Tier]


Rate = Decimal | TieredPrices | None


class ModelPrice:
    """Rates of a model, in USD for a million tokens; those for other things are not kept."""

    def __init__(
        self,
        input_mtok: Rate = None,
        output_mtok: Rate = None,
        cache_write_mtok: Rate = None,
        cache_read_mtok: Rate = None,
        **_: object,
    ) -> None:
        self.rates = (input_mtok, output_mtok, cache_write_mtok, cache_read_mtok)


class StartDateConstraint(Record):
    """A price that holds from a UTC day on."""

    start_date: date


class _Ignored:
    """What says nothing of prices."""

    def __init__(self, *_: object, **__: object) -> None:
        pass


class TimeOfDateConstraint(_Ignored):
    """A price that holds at some hours of the day."""


class ConditionalPrice:
    """A price, and when it holds; of several that do the last counts."""

    def __init__(
        self, constraint: StartDateConstraint | TimeOfDateConstraint | None = None, *, prices: ModelPrice
    ) -> None:
        self.constraint = constraint
        self.prices = prices


class ClauseEquals(Record):
    """A name."""

    equals: str


class ClauseStartsWith(Record):
    """What names begin with."""

    starts_with: str


class ClauseOr:
    """One of several."""

    def __init__(self, or_: list[object]) -> None:
        self.clauses = or_


class ClauseAnd(_Ignored):
    """All of several."""


class ClauseContains(_Ignored):
    """A part of names."""


class ClauseEndsWith(_Ignored):
    """What names end with."""


class ClauseRegex(_Ignored):
    """A pattern of names."""


class PriceVariant(_Ignored):
    """Prices of other ways to be served: batch, priority."""


class UsageExtractor(_Ignored):
    """How usage is found in an answer."""


class UsageExtractorMapping(_Ignored):
    """A part of that."""


class ArrayMatch(_Ignored):
    """A part of that."""


class ModelInfo:
    """A model, the names that mean it, and its prices."""

    def __init__(
        self,
        id: str,  # noqa: A002 - the data calls it by this name
        match: object,
        prices: ModelPrice | list[ConditionalPrice] | None = None,
        **_: object,
    ) -> None:
        self.id = id
        self.match = match
        self.prices = prices


class Provider:
    """Who serves models."""

    def __init__(
        self,
        id: str,  # noqa: A002 - the data calls it by this name
        models: list[ModelInfo],
        **_: object,
    ) -> None:
        self.id = id
        self.models = models
