"""JSON as Rollouts accepts and writes it: RFC 8259 to the letter, with each key once (RFC 7493, section 2.3).

The `json` package costs 5 ms to import (it compiles regular expressions), a quarter of a hook call. Its C accelerator
is the same parser; where an interpreter lacks it, the package itself serves.
"""

from __future__ import annotations

from collections.abc import Mapping

from rollouts.errors import RolloutsError

try:
    from _json import encode_basestring_ascii as quote
    from _json import make_scanner
except ImportError:  # an interpreter without the accelerator
    from json.encoder import encode_basestring_ascii as quote  # same function, in Python
    from json.scanner import make_scanner  # same function, in Python

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

MAX_BYTES = 2 << 20
MAX_DEPTH = 200
_WHITESPACE = " \t\n\r"


class Number(str):
    """A number as it is written, of which Python's own types would round one and rewrite another."""

    __slots__ = ()


class _Rules:
    """What the scanner asks of its context (as `json.JSONDecoder` would answer)."""

    strict = True
    object_hook = None
    parse_float = float
    parse_int = int
    memo: dict[str, str] = {}  # noqa: RUF012 - the scanner's own scratch, cleared by it

    @staticmethod
    def object_pairs_hook(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        parsed = dict(pairs)
        if len(parsed) != len(pairs):
            raise ValueError("a key stands twice in one object")
        return parsed

    @staticmethod
    def parse_constant(name: str) -> Json:
        raise ValueError(f"{name} is not JSON")


class _AsWritten(_Rules):
    parse_float = Number  # type: ignore[assignment] # any function of the text will do
    parse_int = Number  # type: ignore[assignment] # as above


class _AsFound(_Rules):
    strict = False
    object_pairs_hook = None  # type: ignore[assignment] # then the scanner makes plain dicts, the last key winning

    @staticmethod
    def parse_constant(name: str) -> Json:  # noqa: ARG004 - the scanner gives it
        return None


def _check_depth_and_text(value: Json) -> None:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        below: list[Json] = []
        for item in level:
            if isinstance(item, dict):
                below += item.values()
                below += item.keys()
            elif isinstance(item, list):
                below += item
            elif isinstance(item, str) and not item.isascii():
                item.encode()  # a lone surrogate has no UTF-8
        if not below:
            return
        level = below
    raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")


def _scan(text: str, start: int, rules: type[_Rules]) -> tuple[Json, int]:
    scan = make_scanner(rules())  # type: ignore[arg-type] # the stub asks for a scanner, C for its attributes
    try:
        found: tuple[Json, int] = scan(text, start)
    except SystemError:  # the accelerator finds its own error class only where the package has been imported
        import json.decoder  # noqa: F401, PLC0415 - only for a failure

        found = scan(text, start)
    return found


def parse(text: str, *, as_written: bool = False) -> Json:
    """Parses one JSON value.

    Args:
        text: the JSON.
        as_written: numbers become `Number`, for a text that is to be written again.

    Raises:
        ValueError: not JSON, a key twice, NaN or Infinity, a lone surrogate, or nesting deeper than MAX_DEPTH.
    """
    start = len(text) - len(text.lstrip(_WHITESPACE))
    try:
        value, end = _scan(text, start, _AsWritten if as_written else _Rules)
    except StopIteration as error:
        raise ValueError(f"a value is expected at character {error.value}") from None
    except RecursionError:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels") from None
    if text[end:].strip(_WHITESPACE):
        raise ValueError(f"there is text after the value, at character {end}")
    _check_depth_and_text(value)
    return value


def parse_foreign(text: str) -> Json:
    """Parses JSON of other programs, which may hold what these rules refuse: keys twice, NaN, half a character.

    Raises:
        ValueError: it is no JSON all the same.
    """
    try:
        value, _ = _scan(text, len(text) - len(text.lstrip(_WHITESPACE)), _AsFound)
    except StopIteration as error:
        raise ValueError(f"a value is expected at character {error.value}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return value


def parse_object(text: str, what: str) -> dict[str, Json]:
    """Parses a JSON object of at most MAX_BYTES; `what` names it in the error.

    Raises:
        RolloutsError: it is anything else.
    """
    if len(text) > MAX_BYTES or len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise RolloutsError(f"{what} is larger than 2 MiB; keep large things in files of the workspace")
    try:
        value = parse(text)
    except ValueError as error:
        reason = "it is not UTF-8 text" if isinstance(error, UnicodeError) else str(error)
        reason = reason.partition("; use sys.")[0]  # Python's advice to programmers about very long numbers
        raise RolloutsError(f"invalid {what} JSON: {reason}; pass one JSON object, like '{{}}'") from None
    if not isinstance(value, dict):
        raise RolloutsError(f"invalid {what} JSON: it must be an object, like '{{}}'")
    return value


def one_line(text: str) -> str:
    """The same JSON text on one line: a line break in valid JSON is only ever white space."""
    return text.replace("\n", " ").replace("\r", " ")


def dump(value: object) -> str:
    """Compact ASCII JSON of dicts, lists, tuples, str, Number, int, bool and None."""
    if isinstance(value, Number):
        return value
    if isinstance(value, str):
        return quote(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{quote(key)}:{dump(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(dump, value)) + "]"
    raise TypeError(f"no JSON for {type(value).__name__}")


def dump_sorted(value: object, margin: str = "\n") -> str:
    """The same in many lines, as `json.dumps` with `indent=2, sort_keys=True` writes them."""
    inner = margin + "  "
    if isinstance(value, Mapping) and value:
        items = (f"{quote(key)}: {dump_sorted(value[key], inner)}" for key in sorted(value))
        return "{" + inner + f",{inner}".join(items) + margin + "}"
    if isinstance(value, list | tuple) and value:
        return "[" + inner + f",{inner}".join(dump_sorted(item, inner) for item in value) + margin + "]"
    return dump(value)
