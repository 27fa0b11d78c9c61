"""Private keys and live tokens in a file's content: what no snapshot should carry to a server."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from rollouts.record import Record
from rollouts.redact import engine, private_keys, rules
from rollouts.redact.redactor import RULES
from rollouts.redact.span import settled

LIMIT = 10 << 20
"""Bytes of a file that are looked at. Keys and tokens lie in small files; a larger one is data, at 1 s for 15 MB."""

_LOOKED_AT = 8000
_BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


class Finding(Record):
    """A secret in a file; what it says is nobody's business."""

    kind: str
    line: int
    """The first of its lines, from 1."""


def _text(data: bytes) -> str | None:
    """The text that a file begins with; None for a binary file, told as git does by a NUL near its beginning."""
    encoding = _BYTE_ORDER_MARKS.get(data[:2])
    if encoding:
        return data[2:LIMIT].decode(encoding, errors="replace")
    return None if b"\0" in data[:_LOOKED_AT] else data[:LIMIT].decode("latin-1")  # tokens are ASCII


def _findings(text: str) -> Iterator[Finding]:
    line, done = 1, 0
    for span in settled(chain(engine.live(text), rules.tokens(text), private_keys.spans(text))):
        line += text.count("\n", done, span.start)
        done = span.start
        yield Finding(span.kind, line)


def looks() -> str:
    """What looks, by name and version, and how far: with another one a file is to be looked at anew.

    Raises:
        RolloutsError: the engine is not installed.
    """
    return f"{engine.version()}, {RULES}, {LIMIT} bytes"


def scan(data: bytes) -> tuple[Finding, ...]:
    """What a file's content gives away: private keys and tokens that are such by their own form, in order.

    What lies behind the first LIMIT bytes is not looked at, nor are binary files. Passwords, and keys that web pages
    and apps ship, are not looked for: a false alarm holds a snapshot back.

    Raises:
        RolloutsError: the engine is not installed.
    """
    text = _text(data)
    return () if text is None else tuple(_findings(text))
