"""Doubles as serde_json reads and writes them: it trades the last digit of a long number for speed.

`state.json` of schema 1 shows numbers that went through it, so they have to come out the same. Its method: the first
digits that 64 bits hold, times or by one power of ten (serde_json `de.rs`, `f64_from_parts`, without
`float_roundtrip`).
"""

from __future__ import annotations

import math

_MOST = (1 << 64) - 1
_POWERS = [float(f"1e{power}") for power in range(309)]
_FAR = 1 << 31


class OutOfRangeError(ValueError):
    """No double is that large."""

    def __init__(self) -> None:
        super().__init__("number out of range")


def _scaled(significand: int, power: int) -> float:
    value = float(significand)
    if power >= 0:
        if power > 308 and value:
            raise OutOfRangeError
        value *= _POWERS[min(power, 308)]
        if math.isinf(value):
            raise OutOfRangeError
        return value
    while power < -308 and value:
        value /= 1e308
        power += 308
    return value / _POWERS[min(-power, 308)]


def _digits(text: str, significand: int) -> tuple[int, int]:
    """Takes in digits as long as 64 bits hold them. Returns the number, and how many digits were left out."""
    for position, digit in enumerate(text):
        longer = significand * 10 + int(digit)
        if longer > _MOST:
            return significand, len(text) - position
        significand = longer
    return significand, 0


def _read(text: str) -> float:
    """An unsigned number of JSON's grammar."""
    head, mark, exponent = text.replace("E", "e").partition("e")
    whole, _, fraction = head.partition(".")
    significand, left = _digits(whole, 0)
    power = left
    significand, left = _digits(fraction, significand)
    power -= len(fraction) - left
    if not mark:
        return _scaled(significand, power)
    shift = -_FAR if exponent[0] == "-" else _FAR
    if len(exponent) < 12:
        shift = max(-_FAR, min(int(exponent), _FAR))
    if abs(shift) >= _FAR and (not significand or shift < 0):
        return 0.0
    return _scaled(significand, power + shift)


def double(text: str) -> str:
    """A JSON number as the double that serde_json makes of it, written again.

    Raises:
        OutOfRangeError: no double is that large.
    """
    return f"-{shortest(_read(text[1:]))}" if text.startswith("-") else shortest(_read(text))


def shortest(value: float) -> str:
    """A double that is not negative: plain digits from 1e-5 up to 1e16, else with a signed exponent."""
    mantissa, mark, exponent = repr(value).partition("e")
    if not mark:
        return mantissa
    power = int(exponent)
    if power == -5:  # where Python has an exponent already
        return f"0.0000{mantissa.replace('.', '')}"
    return f"{mantissa}e{'-' if power < 0 else '+'}{abs(power)}"
