"""The table of prices that the installed release of `genai-prices` carries, as rows of ours.

A maker's own models have their plain names, those that others serve have the server's before them
(`openrouter/anthropic/…`). Besides its id a model has a row for each name that its maker's data says means it. Rates
are those of ordinary requests: not of batches, of hours of the day, or above some size (specification 2.5).
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

from rollouts.contracts.price_matching import plain, undated
from rollouts.contracts.pricing import EMBEDDED, Price, price
from rollouts.errors import RolloutsError
from rollouts.price_data.installed import data_path, version
from rollouts.price_data.types import (
    ClauseEquals,
    ClauseOr,
    ClauseStartsWith,
    ModelInfo,
    ModelPrice,
    Provider,
    Rate,
    StartDateConstraint,
    TieredPrices,
)

_MAKERS = (
    *("anthropic", "openai", "google", "x-ai", "mistral", "deepseek", "moonshotai", "zai", "zhipuai", "minimax"),
    *("meta", "cohere", "cursor", "voyageai"),
)
"""Who sells models under their plain names, in the order in which a name that two of them use is given."""


def _unreadable(reason: object) -> RolloutsError:
    return RolloutsError(
        f"the prices of {version()} cannot be read ({reason}); install another release of genai-prices: 0.2.3 will do"
    )


def _data() -> ModuleType:
    """The module of the data, run beside the stand-ins."""
    spec = spec_from_file_location("rollouts.price_data.data", data_path())
    if spec is None or spec.loader is None:
        raise _unreadable("it has no data.py")
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (OSError, SyntaxError, ImportError, NameError, TypeError) as error:
        raise _unreadable(error) from error
    return module


def _amount(rate: Rate) -> float:
    amount = rate.base if isinstance(rate, TieredPrices) else rate
    return float(amount or Decimal(0))


def _dated(model: ModelInfo) -> Iterator[tuple[str | None, ModelPrice]]:
    """The prices of a model with the days from which they hold."""
    if isinstance(model.prices, ModelPrice):
        yield None, model.prices
        return
    for conditional in model.prices or ():
        if isinstance(conditional.constraint, StartDateConstraint):
            yield conditional.constraint.start_date.isoformat(), conditional.prices
        elif conditional.constraint is None:
            yield None, conditional.prices


def _prices(pattern: str, model: ModelInfo) -> Iterator[Price]:
    last = None
    for day, found in dict(_dated(model)).items():
        rates = [_amount(rate) for rate in found.rates]
        if (found.rates[0] is not None or found.rates[1] is not None) and rates != last:
            last = rates
            yield price(pattern, rates, source=EMBEDDED, effective_from=day)


def _names(model: ModelInfo) -> Iterator[str]:
    clauses = model.match.clauses if isinstance(model.match, ClauseOr) else [model.match]
    for clause in clauses:
        if isinstance(clause, ClauseEquals):
            yield clause.equals
        elif isinstance(clause, ClauseStartsWith):
            yield clause.starts_with.rstrip("-@:")


def _named(provider: Provider) -> Iterator[tuple[str, ModelInfo]]:
    """A provider's patterns and what they mean: ids, then those other names that would not be found by these."""
    for model in provider.models:
        yield model.id, model
    found = {plain(model.id) for model in provider.models}
    for model in provider.models:
        for name in _names(model):
            if plain(name) not in found:
                found.add(plain(name))
                yield name, model


def _providers() -> list[Provider]:
    found = getattr(_data(), "providers", None)
    if not isinstance(found, list) or not all(isinstance(provider, Provider) for provider in found):
        raise _unreadable("it lists no providers")
    rank = {maker: place for place, maker in enumerate(_MAKERS)}
    return sorted(found, key=lambda provider: rank.get(provider.id, len(rank)))


def _makers(providers: list[Provider]) -> dict[str, ModelInfo]:
    """Plain patterns; a name of two makers is the earlier one's."""
    models: dict[str, ModelInfo] = {}
    for provider in providers:
        if provider.id in _MAKERS:
            models = dict(_named(provider)) | models
    return models


def embedded() -> Iterator[Price]:
    """The rows of the installed release, read when the first is asked for (0.3 s where Python has to compile it).

    Raises:
        RolloutsError: the release writes its data in another way than is known here.
    """
    providers = _providers()
    models = _makers(providers)
    made = {plain(name) for name in models}
    for provider in providers:
        if provider.id not in _MAKERS:
            for name, model in _named(provider):
                # a maker's own price comes before that of a server which has the same model under a dated name
                if undated(name) == name or plain(undated(name)) not in made:
                    models[f"{provider.id}/{name}"] = model
    for pattern, model in models.items():
        yield from _prices(pattern, model)
