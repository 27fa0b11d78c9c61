"""Tables of prices: digests, which row a model means, and what a payload says of them."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from rollouts.contracts.price_matching import PriceList
from rollouts.contracts.pricing import Price, canonical_rows, digest, effective, price, table
from rollouts.contracts.usage import Usage, ledger, pricing_json, usage_of
from session_summary import vectors

EMBEDDED_VERSION = "litellm-398a0b15378c"
DIGESTS = vectors("digests")


def stored(vector: dict[str, Any]) -> list[Price]:
    """The rows that a vector's database has; where each comes from is stored with us, and was guessed there."""
    sources = {row["model_pattern"]: row["source"] for row in vector["effective_rows"]}
    return [
        price(name, rates, source=sources.get(name, "fetched").replace("custom", "fetched"), updated_at=moment)
        for name, *rates, moment in vector["table_rows"]
    ]


def own(vector: dict[str, Any]) -> list[Price]:
    parts = ("input", "output", "cache_creation", "cache_read")
    return [
        price(name, (rates.get(part, 0.0) for part in parts), source="custom")
        for name, rates in vector["custom"].items()
    ]


def used(vector: dict[str, Any]) -> list[Usage]:
    """Requests that name the models of a vector's block, as its sessions did."""
    events = [
        usage_of(model, counts, cost_microusd=int(Decimal(str(cost)) * 1_000_000))
        for _, _, model, *counts, cost in vector["usage_events"]
    ]
    reported = {"m-unknown", "m-zero"}
    models = vector["pricing_block"]["models"].keys() - reported
    return [*(Usage(model, 1000, 10) for model in sorted(models)), *events]


@pytest.mark.parametrize("vector", DIGESTS, ids=lambda vector: vector["name"])
def test_digests_are_those_of_the_vectors(vector: dict[str, Any]) -> None:
    rows = vector["effective_rows"]
    assert canonical_rows(rows).decode() == vector["canonical"]
    assert digest(rows) == vector["digest"]
    assert digest(reversed(rows)) == vector["digest"]
    assert digest(iter(rows)) == vector["digest"]


@pytest.mark.parametrize("vector", DIGESTS, ids=lambda vector: vector["name"])
def test_blocks_are_those_of_the_vectors(vector: dict[str, Any]) -> None:
    prices = effective(stored(vector), embedded=(), custom=own(vector))
    listed = PriceList(prices)
    block = pricing_json(table(prices, embedded_version=EMBEDDED_VERSION), listed, ledger(used(vector), listed))
    added = {name: block.pop(name) for name in ("unpriced_models", "rates_digest")}
    assert block == vector["pricing_block"]
    without_moments = [row | {"updated_at": None} for row in vector["effective_rows"]]
    models = vector["pricing_block"]["models"]
    assert added["rates_digest"] == digest(without_moments)
    assert added["unpriced_models"] == [
        name for name, entry in models.items() if not entry["matched_pattern"] and entry["cost_source"] == "computed"
    ]


def test_rows_with_one_pattern_are_ordered_by_all_they_have() -> None:
    chosen = random.Random(1)  # noqa: S311 - no secret
    rows = [
        Price("m", 2, 10, 0, 0, "fetched"),
        Price("m", 10, 2, 0, 0, "fetched"),
        Price("m", 10, 2, 0, 0, "custom"),
        Price("m", 2, 10, 0, 0, "fetched", updated_at="2026-07-03T12:00:00Z"),
        Price("\u00e9", 1, 1, 1, 1, "fetched"),
        Price("\U0001f600", 1, 1, 1, 1, "fetched"),
        Price("\ufb33", 1, 1, 1, 1, "fetched"),
    ]
    digests = set()
    for _ in range(20):
        chosen.shuffle(rows)
        digests.add(table(rows, embedded_version="").digest)
    assert len(digests) == 1


def test_the_same_prices_have_one_rates_digest_whenever_they_were_fetched() -> None:
    early, late = (
        table([Price("m", 1, 2, 3, 4, "fetched", updated_at=moment)], embedded_version="")
        for moment in ("2026-07-01T00:00:00Z", "2026-07-02T00:00:00+02:00")
    )
    assert early.digest != late.digest
    assert early.rates_digest == late.rates_digest
    dearer = table([Price("m", 1, 2, 3, 5, "fetched")], embedded_version="")
    assert dearer.rates_digest not in {early.rates_digest, late.rates_digest}


@pytest.mark.parametrize("row", [{}, {"model_pattern": "m"}])
def test_a_row_without_its_keys_is_an_error(row: dict[str, Any]) -> None:
    with pytest.raises(KeyError):
        digest([row])


def test_a_rate_that_is_no_number_is_an_error() -> None:
    with pytest.raises(ValueError, match="nan"):
        table([Price("m", float("nan"), 0, 0, 0, "custom")], embedded_version="")
    for rate in (-1.0, float("inf")):
        with pytest.raises(ValueError, match="no amount of money"):
            PriceList([Price("m", rate, 0, 0, 0, "custom")]).match("m")


def test_the_table_is_the_embedded_one_only_where_nothing_is_stored() -> None:
    bundled, fetched = Price("b", 1, 1, 1, 1, "embedded"), Price("f", 1, 1, 1, 1, "fetched")
    mine = Price("b", 9, 9, 0, 0, "custom")
    hidden = fetched._replace(pattern="_refresh")
    assert effective([], embedded=[bundled], custom=[]) == (bundled,)
    assert effective([hidden], embedded=[bundled], custom=[]) == (bundled,)
    assert effective([fetched], embedded=[bundled], custom=[mine]) == (fetched, mine)
    assert effective([], embedded=[bundled, bundled._replace(effective_from="2026-01-01")], custom=[mine]) == (mine,)


@pytest.mark.parametrize(
    ("sources", "source", "version"),
    [
        ("", "", ""),
        ("custom", "custom", "custom"),
        ("embedded", "embedded", EMBEDDED_VERSION),
        ("fetched", "fetched", "fetched"),
        ("custom embedded", "custom+embedded", EMBEDDED_VERSION),
        ("custom fetched", "custom+fetched", "fetched"),
        ("embedded fetched", "fetched", "fetched"),
        ("custom embedded fetched", "custom+fetched", "fetched"),
    ],
)
def test_the_source_of_a_table_is_one_of_six(sources: str, source: str, version: str) -> None:
    prices = [Price(name, 1, 1, 1, 1, name) for name in sources.split()]
    described = table(prices, embedded_version=EMBEDDED_VERSION)
    assert (described.source, described.table_version) == (source, version)
    assert described.latest_row_updated_at is None


def pattern(model: str, *patterns: str) -> str | None:
    return PriceList([Price(name, 1, 1, 1, 1, "fetched") for name in patterns]).pattern(model)


@pytest.mark.parametrize(
    ("model", "patterns", "meant"),
    [
        ("m.1", ("m-1", "m.1"), "m.1"),
        ("m.1", ("M.1", "m-1"), "m-1"),
        ("M.1", ("m-1", "m.1"), "m.1"),
        ("M.1", ("m-1",), "m-1"),
        ("m-one", ("m-One", "M-ONE"), "M-ONE"),
        ("m_one", ("m-one",), "m-one"),
        ("m-one[1m]", ("m-one",), "m-one"),
        ("m-one (preview)", ("m-one",), "m-one"),
        ("m-one-20260101", ("m-one",), "m-one"),
        ("m-one-20260101[1m]", ("m-one",), "m-one"),
        ("m-one-20260101", ("m-one", "m-one-20260101"), "m-one-20260101"),
        ("m-one", ("m-one-20260101",), None),
        ("a/m-one", ("b/m-one", "m-one", "a/m.one"), "a/m.one"),
        ("a/m-one", ("b/m-one", "m-one"), "m-one"),
        ("a/m-one", ("b/m-one",), None),
        ("m-one", ("a/m-one", "m.one"), "m.one"),
        ("m-one", ("a/m-one",), "a/m-one"),
        ("m-one", ("a/m-one", "b/m-one"), None),
        ("m-one", ("m_one", "m.one"), None),
        ("m-one[1m]", ("a/m-one", "b/m-one", "m-one1m"), "m-one1m"),
        ("gpt-5.5-codex", ("gpt-5.5", "gpt-5"), None),
        ("gpt-5", ("gpt-5-mini", "gpt-5.5"), None),
        ("m-one[a](b)", ("m-one",), None),
    ],
)
def test_a_model_means_the_nearest_name_and_no_part_of_one(
    model: str, patterns: tuple[str, ...], meant: str | None
) -> None:
    assert pattern(model, *patterns) == meant
    assert pattern(model, *reversed(patterns)) == meant


def test_a_price_that_changed_holds_from_its_day() -> None:
    prices = [
        Price("m", 5, 30, 0, 0, "embedded"),
        Price("m", 4, 20, 0, 0, "embedded", effective_from="2026-08-21"),
    ]
    listed = PriceList(prices)
    spent = {
        day: ledger([Usage("m", 1_000_000, day=day)], listed).total().microusd
        for day in ("2026-08-20", "2026-08-21", "", "1999-01-01")
    }
    assert spent == {"2026-08-20": 5_000_000, "2026-08-21": 4_000_000, "": 4_000_000, "1999-01-01": 5_000_000}
    block: Any = pricing_json(
        table(prices, embedded_version="v"), listed, ledger([Usage("m", 1, day="2026-08-01")], listed)
    )
    entry = block["models"]["m"]
    assert (entry["matched_pattern"], entry["input_cost_per_mtok"]) == ("m", 5)
    assert [period["effective_from"] for period in entry["rate_periods"]] == [None, "2026-08-21"]
    assert block["fallback"] == {"used": True, "models": ["m"]}
    assert block["effective_row_count"] == 2
    moved = [prices[0], prices[1]._replace(effective_from="2026-08-22")]
    assert table(moved, embedded_version="v").rates_digest != block["rates_digest"]
