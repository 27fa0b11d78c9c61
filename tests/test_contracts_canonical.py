"""Canonical JSON, by value: the examples of RFC 8785, and the deviation that the specification names."""

from __future__ import annotations

import json
import math
import random
import struct

import pytest

from rollouts.contracts.canonical import dumps, number, sha256
from rollouts.contracts.strict_json import Json

NUMBERS = {
    0.0: "0",
    1.0: "1",
    -2.5: "-2.5",
    0.1 + 0.2: "0.30000000000000004",
    1e-6: "0.000001",
    1e-7: "1e-7",
    1.5e-6: "0.0000015",
    1e20: "100000000000000000000",
    1e21: "1e+21",
    1.5e300: "1.5e+300",
    5e-324: "5e-324",
    9007199254740992.0: "9007199254740992",
    295147905179352825856.0: "295147905179352830000",
    999999999999999900000.0: "999999999999999900000",
    0.09999999999999999: "0.09999999999999999",
    333333333.33333329: "333333333.3333333",
}


@pytest.mark.parametrize(("value", "text"), NUMBERS.items())
def test_a_number_has_the_shortest_form_of_ecmascript(value: float, text: str) -> None:
    assert number(value) == text


def test_zero_has_no_sign() -> None:
    assert number(-0.0) == "0"


def test_any_double_comes_back_from_its_text() -> None:
    chosen = random.Random(7)  # noqa: S311 - no secret
    for _ in range(3000):
        value = struct.unpack("<d", chosen.randbytes(8))[0]
        if math.isfinite(value):
            assert float(number(value)) == value


def test_keys_are_sorted_by_utf16_and_nothing_is_escaped_needlessly() -> None:
    value: Json = {"\ufb33": 1, "\U0001f600": 2, "\u20ac": 3, "a": '</\u00e9\x7f">&\\\b\t\n\f\r\x01'}
    assert dumps(value).decode() == (
        '{"a":"</é\x7f\\">&\\\\\\b\\t\\n\\f\\r\\u0001","\u20ac":3,"\U0001f600":2,"\ufb33":1}'
    )


def test_line_and_paragraph_separators_are_escaped() -> None:
    assert dumps({"\u2028": ["a\u2029"]}) == b'{"\\u2028":["a\\u2029"]}'


def test_the_text_is_json_of_the_same_value() -> None:
    value: Json = {"b": [True, False, None, {}, [], "x\u2028"], "a": {"z": -1.25, "y": 10**15}}
    assert json.loads(dumps(value)) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, "\ud800"])
def test_what_has_no_canonical_form_is_a_value_error(value: float | str) -> None:
    with pytest.raises(ValueError, match=r"JSON|integer|codepoints|JCS"):
        dumps([value])


def test_a_digest_names_its_algorithm() -> None:
    assert sha256(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
