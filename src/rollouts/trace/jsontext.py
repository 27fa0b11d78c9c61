"""JSON to the letter: values that keep how a number was spelled, and the words for what is no JSON.

The rules are those of Rust's `serde_json`, whose output `state.json` has to equal: RFC 8259, no NaN, no lone
surrogate, at most 127 levels, a key that stands twice keeps its first place and its last value.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from json.encoder import encode_basestring as quote

from rollouts.trace.numerals import double

MAX_DEPTH = 127
"""Levels that a document may have; one more is refused."""


class Number:
    """A number that is no plain integer, as its text."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Number) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Number({self.text})"


__all__ = ["MAX_DEPTH", "Json", "JsonError", "Number", "Parser", "compact", "fingerprint", "quote"]

Json = None | bool | int | Number | str | list["Json"] | dict[str, "Json"]


class JsonError(ValueError):
    """Text that is no JSON, or a value of the wrong shape, in serde's words."""


def _refuse_constant(name: str) -> Json:
    raise ValueError(f"{name} is no JSON")


def _doubled_integer(text: str) -> int | Number:
    """An integer as schema 1 reads it: what no 64 bits hold is a double."""
    if len(text) < 19:
        return int(text) if text != "-0" else Number("-0.0")
    if len(text) > 400:
        return Number(double(text))
    value = int(text)
    return value if -(1 << 63) <= value < 1 << 64 else Number(double(text))


def _spelled_integer(text: str) -> int | Number:
    return int(text) if len(text) < 400 else Number(text)  # a zero loses its sign


def _spelled(text: str) -> Number:
    """A number as schema 2 keeps it: its own digits, and a sign in its exponent."""
    head, mark, exponent = text.replace("E", "e").partition("e")
    return Number(head + mark + ("" if not mark or exponent[0] in "+-" else "+") + exponent)


def _depth(value: Json) -> int:
    level: list[Json] = [value]
    depth = 0
    while level := [item for item in level if isinstance(item, list | dict)]:
        depth += 1
        level = [below for item in level for below in (item.values() if isinstance(item, dict) else item)]
    return depth


class Parser:
    """Reads JSON text with the numbers of one schema."""

    def __init__(self, *, keeps_spelling: bool, pairs: Callable[[list[tuple[str, Json]]], Json] | None = None) -> None:
        """`pairs` makes an object of its members, in place of a dict."""
        self._loads = json.JSONDecoder(
            parse_int=_spelled_integer if keeps_spelling else _doubled_integer,
            parse_float=_spelled if keeps_spelling else lambda text: Number(double(text)),
            parse_constant=_refuse_constant,
            object_pairs_hook=pairs,
        ).decode

    def parse(self, text: str, *, levels: int = MAX_DEPTH) -> Json:
        """Parses one value.

        Args:
            text: the JSON text.
            levels: how deep it may be; less than MAX_DEPTH for a part of a document.

        Raises:
            JsonError: it is no JSON, or deeper.
        """
        try:
            value: Json = self._loads(text)
            if "\\" in text:
                _refuse_surrogates(text, value)
        except RecursionError:
            raise JsonError("recursion limit exceeded") from None
        except ValueError as error:
            raise JsonError(str(error)) from None
        if text.count("[") + text.count("{") > levels and _depth(value) > levels:
            raise JsonError("recursion limit exceeded")
        return value


def _refuse_surrogates(text: str, value: Json) -> None:
    """Half a pair of escapes stands for no character."""
    if "\\ud" in text or "\\uD" in text:
        json.dumps(value, ensure_ascii=False, default=_text_of).encode()


def _text_of(number: object) -> str:
    return str(number)


def _number_met(_: object) -> str:
    raise TypeError


_plain = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_number_met, check_circular=False).encode


def _dumped(value: Json) -> str:
    if isinstance(value, Number):
        return value.text
    if isinstance(value, dict):
        return "{" + ",".join(f"{quote(key)}:{_dumped(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_dumped, value)) + "]"
    return _plain(value)


def compact(value: Json) -> str:
    """The value as JSON without white space, its keys in the order in which they came."""
    try:
        return _plain(value)
    except TypeError:  # the encoder in C knows no number that keeps its spelling
        return _dumped(value)


def _sorted(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value


def fingerprint(value: Json) -> str:
    """The SHA-256, in hex, of the value as compact JSON with its keys sorted."""
    return hashlib.sha256(compact(_sorted(value)).encode()).hexdigest()
