"""What requests cost, to the microdollar."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import pytest

from rollouts.contracts.price_matching import PriceList, exact
from rollouts.contracts.pricing import Price, price
from rollouts.contracts.usage import (
    MOST_TOKENS,
    Ledger,
    Usage,
    cost,
    ledger,
    model_usage_json,
    tokens,
    usage_of,
)
from session_summary import vectors

COUNTERS = (
    "input_tokens",
    "output_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "reasoning_tokens",
)


def price_list(vector: dict[str, Any]) -> PriceList:
    """The rows that a vector's rates name."""
    parts = ("input", "output", "cache_write", "cache_read")
    rows = {
        rates["matched_pattern"]: price(
            rates["matched_pattern"], (rates[f"{part}_cost_per_mtok"] for part in parts), source="fetched"
        )
        for rates in vector["rates"].values()
        if rates["matched_pattern"]
    }
    return PriceList(rows.values())


def requests(vector: dict[str, Any]) -> list[Usage]:
    return [
        usage_of(message["model"], (tokens(message["usage"].get(counter, 0)) for counter in COUNTERS))
        for message in vector["messages"]
    ]


def exact_total(usages: list[Usage], prices: PriceList) -> Fraction:
    """USD, before any rounding, as the vectors' floats have it."""
    total = Fraction(0)
    for usage in usages:
        if match := prices.match(usage.model):
            billable = usage.output_tokens or usage.reasoning_tokens
            counts = (usage.input_tokens, billable, usage.cache_write_tokens, usage.cache_read_tokens)
            rates = (Fraction(repr(float(rate))) for rate in match.periods[0].price.rates)
            total += sum(count * rate for count, rate in zip(counts, rates, strict=True))
    return total / 1_000_000


@pytest.mark.parametrize("vector", vectors("costs"), ids=lambda vector: f"{vector['case']} {vector['pricing']}")
def test_costs_are_those_of_the_vectors(vector: dict[str, Any]) -> None:
    expected, prices, usages = dict(vector["usage"]), price_list(vector), requests(vector)
    found: Any = model_usage_json(ledger(usages, prices))
    assert abs(float(exact_total(usages, prices)) - expected["cost_usd"]) < 1e-9
    assert abs(found["cost_usd"] - expected["cost_usd"]) <= 0.5e-6 * len(usages)  # once rounded for each request (0.6)
    assert {name: found[name] for name in ("models", "has_cost", *COUNTERS)} == {
        name: expected[name] for name in ("models", "has_cost", *COUNTERS)
    }
    assert found["by_model"].keys() == expected["by_model"].keys()
    for model, entry in found["by_model"].items():
        money = {entry.pop("cost_usd"), entry.pop("cost_microusd") / 1e6, expected["by_model"][model].pop("cost_usd")}
        assert max(money) - min(money) <= 0.5e-6 * len(usages)
        assert entry == expected["by_model"][model]


def test_half_a_microdollar_is_rounded_away_from_zero_once_for_each_row() -> None:
    rates = exact(Price("m", 0.5, 0.25, 0, 0, "custom"))
    assert [cost(Usage("m", count), rates) for count in (0, 1, 2, 3)] == [0, 1, 1, 2]
    assert [cost(Usage("m", 0, count), rates) for count in (1, 2, 3)] == [0, 1, 1]
    three = ledger([Usage("m", 1)] * 3, PriceList([Price("m", 0.5, 0, 0, 0, "custom")]))
    assert three.total().microusd == 3


def test_a_cost_is_exact_for_any_rate_that_a_table_may_have() -> None:
    chosen = random.Random(5)  # noqa: S311 - no secret
    for _ in range(2000):
        written = [repr(chosen.choice([chosen.uniform(0, 100), chosen.randint(0, 80) / 8, 1e-7])) for _ in range(4)]
        rates = exact(price("m", map(float, written), source="custom"))
        counts = [chosen.choice([0, 1, chosen.randint(0, MOST_TOKENS)]) for _ in range(4)]
        usage = usage_of("m", [*counts, 0])
        wanted = sum((Fraction(rate) * count for rate, count in zip(written, counts, strict=True)), Fraction(0))
        assert cost(usage, rates) == (wanted + Fraction(1, 2)).__floor__()


@pytest.mark.parametrize(
    ("written", "count"),
    [
        *((7, 7), (-5, 0), (9_000_000, MOST_TOKENS), ("12", 12), ("1e3", 1000), ("x", 0), ("", 0), (1.9, 1)),
        *((None, 0), (True, 0), (float("nan"), 0), ("nan", 0), (float("inf"), MOST_TOKENS), ("-inf", 0), ([], 0)),
    ],
)
def test_a_count_is_what_can_be(written: object, count: int) -> None:
    assert tokens(written) == count


def test_counts_from_elsewhere_are_kept_within_what_can_be() -> None:
    prices = PriceList([Price("m", 1, 1, 0, 0, "custom")])
    assert ledger([Usage("m", -5, 3_000_000)], prices).by_model["m"].counts[:2] == (0, MOST_TOKENS)


def test_reasoning_is_billed_only_where_it_stands_for_the_output() -> None:
    prices = PriceList([Price("m", 0, 1, 0, 0, "custom")])
    assert ledger([Usage("m", reasoning_tokens=700)], prices).total().microusd == 700
    assert ledger([Usage("m", output_tokens=900, reasoning_tokens=700)], prices).total().microusd == 900


def test_what_an_agent_says_it_paid_counts_as_it_is() -> None:
    prices = PriceList([Price("m", 1, 1, 1, 1, "custom")])
    told = ledger([Usage("m", 10, cost_microusd=3), Usage("other", cost_microusd=0)], prices)
    assert (told.total().microusd, told.total().has_cost, list(told.by_model)) == (3, True, ["m", "other"])
    both: Any = model_usage_json(ledger([Usage("m", 10, cost_microusd=3), Usage("m", 10)], prices))
    assert (both["cost_microusd"], both["by_model"]["m"]["cost_source"]) == (13, "mixed")


def test_requests_that_were_none_do_not_count() -> None:
    prices = PriceList([Price("m", 1, 1, 1, 1, "custom")])
    none = [Usage("", 5), Usage("<synthetic>", 5), Usage("m"), Usage("", cost_microusd=4)]
    assert ledger(none, prices).by_model == {}


def test_a_sum_with_an_unpriced_model_is_a_lower_bound() -> None:
    prices = PriceList([Price("m", 5, 25, 0, 0, "custom"), Price("free", 0, 0, 0, 0, "custom")])
    found: Any = model_usage_json(ledger([Usage("m", 1000, 100), Usage("new", 1000, 100)], prices))
    assert (found["cost_usd"], found["has_cost"]) == (0.0075, False)
    assert not found["by_model"]["new"]["has_cost"]
    free: Any = model_usage_json(ledger([Usage("free", 1000)], prices))
    assert (free["cost_microusd"], free["has_cost"]) == (0, True)


def test_sums_are_the_same_in_any_order_and_grouping() -> None:
    chosen = random.Random(9)  # noqa: S311 - no secret
    prices = PriceList([Price("a", 0.3, 1.7, 0.1, 0.05, "custom"), Price("b", 2.55, 8, 0, 0.5, "fetched")])
    usages = [
        usage_of(
            chosen.choice(["a", "b", "c"]),
            (chosen.randint(0, 9999) for _ in range(5)),
            cost_microusd=chosen.choice([None, None, 12]),
            day=f"2026-07-{chosen.randint(1, 30):02d}",
        )
        for _ in range(500)
    ]
    whole = model_usage_json(ledger(usages, prices))
    for _ in range(5):
        chosen.shuffle(usages)
        together = Ledger(prices)
        for start in range(0, 500, 50):
            together.merge(ledger(usages[start : start + 50], prices))
        assert model_usage_json(together) == whole
        assert max(counted.newest_day for counted in together.by_model.values()) == max(usage.day for usage in usages)
