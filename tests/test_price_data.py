"""The prices that come with the program, as the package that carries them reads them itself."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from rollouts.contracts.price_matching import PriceList
from rollouts.contracts.pricing import effective, table
from rollouts.price_data import installed, reading

RATES = ("input_mtok", "output_mtok", "cache_write_mtok", "cache_read_mtok")
BASE = "base"


@pytest.fixture(scope="module")
def prices() -> PriceList:
    return PriceList(reading.embedded())


@pytest.mark.parametrize(
    ("provider", "model", "name", "day"),
    [
        ("anthropic", "claude-opus-4-5", "claude-opus-4-5", "2026-07-03"),
        ("anthropic", "claude-opus-4-5", "claude-opus-4.5[1m]", "2026-07-03"),
        ("anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5-20250929", "2026-07-03"),
        ("anthropic", "claude-3-5-haiku-latest", "claude-3-5-haiku-20241022", "2026-07-03"),
        ("anthropic", "claude-haiku-4-5", "anthropic/claude-haiku-4.5", "2026-07-03"),
        ("openai", "gpt-5.2-codex", "gpt-5.2-codex", "2026-07-03"),
        ("openai", "gpt-5.3-codex", "openai/gpt-5-3-codex", "2026-07-03"),
        ("openai", "o3", "o3", "2025-06-09"),
        ("openai", "o3", "o3", "2025-06-10"),
        ("google", "gemini-2.5-pro", "gemini-2.5-pro", "2026-07-03"),
        ("openrouter", "openai/gpt-5", "openrouter/openai/gpt-5", "2026-07-03"),
    ],
)
def test_a_model_costs_what_the_package_says(prices: PriceList, provider: str, model: str, name: str, day: str) -> None:
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - 0.5 s, and for this test only

    _, info = get_snapshot().find_provider_model(model, None, provider, None)
    moment = datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=UTC)
    wanted = [getattr(info.get_prices(moment), rate, None) or 0 for rate in RATES]
    match = prices.match(name)
    assert match is not None
    assert match.period(day).price.rates == tuple(float(getattr(rate, BASE, rate)) for rate in wanted)


def test_a_name_that_no_table_has_is_not_priced_as_its_namesake(prices: PriceList) -> None:
    assert prices.match("claude-opus-4-6-turbo-x") is None
    assert prices.match("no-such-model") is None


def test_no_two_plain_names_of_makers_are_told_apart_by_punctuation_alone(prices: PriceList) -> None:
    plain = [names for names in prices._plain.values() if sum("/" not in name for name in names) > 1]
    assert plain == []


def test_the_table_is_large_and_says_which_release_it_is() -> None:
    rows = effective((), embedded=reading.embedded(), custom=())
    described = table(rows, embedded_version=installed.version())
    assert described.effective_row_count > 2000
    assert described.source == "embedded"
    assert described.table_version.startswith("genai-prices-0.2.")
    assert described.digest == described.rates_digest
    assert any(row.effective_from for row in rows)
    assert all(rate >= 0 for row in rows for rate in row.rates)


def test_reading_it_imports_neither_the_package_nor_a_client_of_the_network() -> None:
    code = (
        "import sys\nfrom rollouts.price_data import reading\nassert sum(1 for _ in reading.embedded()) > 2000\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"genai_prices", "httpx2", "pydantic", "anyio", "ssl"} & set(done.stdout.split())
