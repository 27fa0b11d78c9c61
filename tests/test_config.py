"""The user's own prices and patterns of automated sessions, and what is said of slips in them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from helpers import put
from rollouts import config
from rollouts.contracts.automation import Patterns, is_automated
from rollouts.contracts.pricing import Price
from rollouts.errors import RolloutsError
from rollouts.paths import Home

PRICES = b"""
[[prices]]
model = " house-model "
input_per_mtok = 0.25
output_per_mtok = 2
[[prices]]
model = "gpt-5"
cache_write_per_mtok = 0
cache_read_per_mtok = 1e-3
"""
BAD_PRICES = {
    "prices = 1": "prices must be tables, each under its own [[prices]]",
    "[prices]\nmodel = 'm'": "prices must be tables",
    "prices = [1]": "[[prices]] number 1 must be a table",
    "[[prices]]\ninput_per_mtok = 1": "[[prices]] number 1 has no model",
    "[[prices]]\nmodel = ' '": "[[prices]] number 1 has no model",
    "[[prices]]\nmodel = 'm'\ninput_per_mtok = '1'": "number 1 input_per_mtok is '1', which is no price",
    "[[prices]]\nmodel = 'm'\noutput_per_mtok = -1": "output_per_mtok is -1, which is no price",
    "[[prices]]\nmodel = 'm'\noutput_per_mtok = nan": "output_per_mtok is nan, which is no price",
    "[[prices]]\nmodel = 'm'\noutput_per_mtok = inf": "output_per_mtok is inf, which is no price",
    "[[prices]]\nmodel = 'm'\noutput_per_mtok = true": "output_per_mtok is True, which is no price",
    "[[prices]]\nmodel = 'm'\noutput = 1": "[[prices]] number 1 has 'output', which is not known there; it takes model",
    "[[prices]]\nmodel = 'm'\n[[prices]]\nmodel = 'm'": "[[prices]] number 2 prices 'm' again",
    "[[prices]": "is not valid TOML",
}
BAD_PATTERNS = {
    "automation = 1": "[automation] must be a table",
    "[automation]\nprefix = []": "has 'prefix', which is not known there; it takes prefixes, substrings, exact",
    "[automation]\nprefixes = 'x'": "[automation] prefixes must be a list of texts",
    "[automation]\nexact = ['x', 1]": "[automation] exact must be a list of texts",
    "[automation]\nsubstrings = ['']": "[automation] substrings must be a list of texts, none of them empty",
}


@pytest.fixture
def of(home: Path) -> Home:
    return Home(str(home))


def test_a_missing_rate_is_nothing(home: Path, of: Home) -> None:
    put(home, "config.toml", PRICES)
    assert config.prices(of) == (
        Price("house-model", 0.25, 2.0, 0.0, 0.0, "custom"),
        Price("gpt-5", 0.0, 0.0, 0.0, 0.001, "custom"),
    )


def test_patterns_are_taken_as_they_are_and_count_beside_those_built_in(home: Path, of: Home) -> None:
    put(home, "config.toml", b"[automation]\nprefixes = ['Nightly: ']\nexact = [' ping ']\nsubstrings = ['<bot>']\n")
    own = config.automation(of)
    assert own == Patterns(("Nightly: ",), ("<bot>",), ("ping",))
    for text in ("Nightly: run", "\tping\n", "a <bot> b", "Warmup"):
        assert is_automated(text, user_messages=1, own=own)
    assert not is_automated("nightly: run", user_messages=1, own=own)


@pytest.mark.parametrize("text", [None, "", "[capture]\nmax_file_size = 'x'\n"])
def test_without_them_there_are_none(home: Path, of: Home, text: str | None) -> None:
    if text is not None:
        put(home, "config.toml", text.encode())
    assert config.prices(of) == ()
    assert config.automation(of) == Patterns()


@pytest.mark.parametrize(("text", "reason"), BAD_PRICES.items())
def test_a_slip_in_prices_is_one_line_with_its_place(home: Path, of: Home, text: str, reason: str) -> None:
    put(home, "config.toml", text.encode())
    with pytest.raises(RolloutsError) as said:
        config.prices(of)
    assert str(said.value).startswith(f"{home}/config.toml")
    assert reason in str(said.value)
    assert "\n" not in str(said.value)


@pytest.mark.parametrize(("text", "reason"), BAD_PATTERNS.items())
def test_a_slip_in_patterns_is_one_line_with_its_place(home: Path, of: Home, text: str, reason: str) -> None:
    put(home, "config.toml", text.encode())
    with pytest.raises(RolloutsError) as said:
        config.automation(of)
    assert str(said.value).startswith(f"{home}/config.toml")
    assert reason in str(said.value)


def test_captures_import_nothing_of_it() -> None:
    code = "import sys\nfrom rollouts import config\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"tomllib", "typing", "rfc8785", "rollouts.contracts.pricing"} & set(done.stdout.split())
