"""Canonical JSON, over which digests are made: the same value always gives the same bytes.

The JSON Canonicalization Scheme (RFC 8785): keys sorted by UTF-16 code units, no white space, numbers in ECMAScript's
shortest form, text escaped no more than it must be. One deviation, which the digests of published price tables have
(specification of session summaries, 2.3): U+2028 and U+2029 are written as escapes. It shows in odd names only.
"""

from __future__ import annotations

import hashlib

import rfc8785

from rollouts.contracts.strict_json import Json

_ESCAPED = {"\u2028".encode(): rb"\u2028", "\u2029".encode(): rb"\u2029"}


def dumps(value: Json) -> bytes:
    """The canonical JSON of a value, in UTF-8.

    Raises:
        ValueError: it has no such form: NaN, an integer beyond 2**53, a lone surrogate, or nesting without end.
    """
    try:
        text = rfc8785.dumps(value)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    for plain, escaped in _ESCAPED.items():  # outside a string neither can stand
        text = text.replace(plain, escaped)
    return text


def number(value: float) -> str:
    """A number as canonical JSON has it: `2` for 2.0, `1e-7` for 0.0000001."""
    return dumps(value).decode()


def sha256(data: bytes) -> str:
    """The digest of bytes, as contracts write it: `sha256:` and 64 hexadecimal digits."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
