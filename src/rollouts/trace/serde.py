"""What serde_json says of text that is no JSON: its sentence, with the line and column where it stops.

Nothing here decides whether text is JSON; `jsontext` does that, ten times as fast. This reads the text once more when
it was refused, to say why in the words that the format's own reducer has for it.
"""

from __future__ import annotations

import re

import msgspec

from rollouts.trace import jsontext
from rollouts.trace.jsontext import JsonError

_SPACE = re.compile(rb"[ \t\n\r]*")
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
_DIGITS = re.compile(rb"[0-9]+")
_HEX = re.compile(rb"[0-9a-fA-F]{4}")
_WORDS = {b"n": b"null", b"t": b"true", b"f": b"false"}
_LEADING, _TRAILING, _AFTER = 0xD800, 0xDC00, 0xE000


class _StopError(Exception):
    """Where reading ends: the sentence, and how many bytes had been taken by then."""

    def __init__(self, sentence: str, offset: int) -> None:
        self.sentence = sentence
        self.offset = offset
        super().__init__(sentence)


class _Scanner:
    """Walks through a document as serde_json does."""

    def __init__(self, data: bytes, *, levels: int, lenient: bool = False) -> None:
        """`lenient` looks at no pair of surrogates."""
        self.data = data
        self.lenient = lenient
        self.at = 0
        self.levels = levels

    def fail(self, sentence: str) -> _StopError:
        """The next byte is wrong."""
        return _StopError(sentence, min(self.at + 1, len(self.data)))

    def stop(self, sentence: str) -> _StopError:
        """The byte that was just taken is wrong."""
        return _StopError(sentence, min(self.at, len(self.data)))

    def skip(self, pattern: re.Pattern[bytes]) -> bool:
        found = pattern.match(self.data, self.at)
        if found:
            self.at = found.end()
        return bool(found)

    def peek(self) -> bytes:
        self.skip(_SPACE)
        return self.data[self.at : self.at + 1]

    def document(self) -> None:
        self.value()
        if self.peek():
            raise self.fail("trailing characters")

    def value(self) -> None:
        first = self.peek()
        if not first:
            raise self.fail("EOF while parsing a value")
        if first in _WORDS:
            self.word(_WORDS[first])
        elif first == b'"':
            self.string()
        elif first in b"-0123456789":
            self.number()
        elif first in b"[{":
            self.levels -= 1
            if not self.levels:
                raise self.fail("recursion limit exceeded")
            (self.array if first == b"[" else self.object)()
            self.levels += 1
        else:
            raise self.fail("expected value")

    def word(self, expected: bytes) -> None:
        for byte in expected:
            found = self.data[self.at : self.at + 1]
            self.at += 1
            if not found:
                raise self.stop("EOF while parsing a value")
            if found[0] != byte:
                raise self.stop("expected ident")

    def digits(self) -> None:
        if not self.skip(_DIGITS):
            raise self.fail("EOF while parsing a value" if self.at >= len(self.data) else "invalid number")

    def number(self) -> None:
        self.at += self.data[self.at] == ord("-")
        zero = self.data[self.at : self.at + 1] == b"0"
        first = self.at
        self.digits()
        if zero and self.at > first + 1:
            self.at = first + 1
            raise self.fail("invalid number")
        if self.data[self.at : self.at + 1] == b".":
            self.at += 1
            self.digits()
        if self.data[self.at : self.at + 1] in {b"e", b"E"}:
            self.at += 1
            self.at += self.data[self.at : self.at + 1] in {b"+", b"-"}
            self.digits()

    def string(self) -> None:
        start = self.at = self.at + 1
        while True:
            self.skip(_PLAIN)
            found = self.data[self.at : self.at + 1]
            self.at += 1
            if not found:
                raise self.stop("EOF while parsing a string")
            if found == b'"':
                break
            if found != b"\\":
                raise self.stop("control character (\\u0000-\\u001F) found while parsing a string")
            self.escape()
        try:
            self.data[start : self.at - 1].decode()
        except UnicodeDecodeError:
            raise self.stop("invalid unicode code point") from None

    def escape(self) -> None:
        found = self.data[self.at : self.at + 1]
        self.at += 1
        if not found:
            raise self.stop("EOF while parsing a string")
        if found == b"u":
            self.surrogates()
        elif found not in b'"\\/bfnrt':
            raise self.stop("invalid escape")

    def unit(self) -> int:
        found = _HEX.match(self.data, self.at)
        if found:
            self.at += 4
            return int(found.group(), 16)
        if self.at + 4 > len(self.data):
            self.at = len(self.data)
            raise self.stop("EOF while parsing a string")
        self.at += 4
        raise self.stop("invalid escape")

    def surrogates(self) -> None:
        unit = self.unit()
        if self.lenient:
            return
        if _TRAILING <= unit < _AFTER:
            raise self.stop("lone leading surrogate in hex escape")
        if not _LEADING <= unit < _TRAILING:
            return
        for expected in b"\\u":
            if self.data[self.at : self.at + 1] != bytes((expected,)):
                self.at += 1
                raise self.stop("unexpected end of hex escape")
            self.at += 1
        if not _TRAILING <= self.unit() < _AFTER:
            raise self.stop("lone leading surrogate in hex escape")

    def array(self) -> None:
        self.at += 1
        first = True
        while (found := self.peek()) != b"]":
            if not found:
                raise self.fail("EOF while parsing a list")
            if not first:
                self.comma(found, b"]", "expected `,` or `]`")
            self.value()
            first = False
        self.at += 1

    def comma(self, found: bytes, end: bytes, sentence: str) -> None:
        if found != b",":
            raise self.fail(sentence)
        self.at += 1
        after = self.peek()
        if not after:
            raise self.fail("EOF while parsing a value")
        if after == end:
            raise self.fail("trailing comma")

    def object(self) -> None:
        self.at += 1
        first = True
        while (found := self.peek()) != b"}":
            if not found:
                raise self.fail("EOF while parsing an object")
            if not first:
                self.comma(found, b"}", "expected `,` or `}`")
            self.member()
            first = False
        self.at += 1

    def member(self) -> None:
        if self.peek() != b'"':
            raise self.fail("key must be a string")
        self.string()
        found = self.peek()
        if not found:
            raise self.fail("EOF while parsing an object")
        if found != b":":
            raise self.fail("expected `:`")
        self.at += 1
        self.value()


_WELL_FORMED = msgspec.json.Decoder(msgspec.Raw)


def ill_formed(data: bytes) -> str | None:
    """Why data is no JSON, as serde_json says it of a document that it only skips; None when it is some."""
    try:
        _WELL_FORMED.decode(data)
    except (ValueError, RecursionError):
        scanner = _Scanner(data, levels=0, lenient=True)  # 0 is never reached from below
        try:
            scanner.document()
        except _StopError as found:
            return f"{found.sentence} {_place(data, found.offset)}"
        except RecursionError:
            return "recursion limit exceeded"
    return None


def _place(data: bytes, offset: int) -> str:
    start = data.rfind(b"\n", 0, offset) + 1
    line = data.count(b"\n", 0, start) + 1
    return f"at line {line} column {offset - start}"


def _end_of_tag(data: bytes, error: JsonError) -> int | None:
    """Where serde stops that meets a kind of event which it does not know: behind its name."""
    name = re.match(r"unknown variant `(.*?)`", str(error))
    tag = name and re.search(rb'"payload"\s*:\s*\{\s*"type"\s*:\s*"%s"' % re.escape(name.group(1)).encode(), data)
    return tag.end() if tag else None


def explained(data: bytes, error: ValueError) -> str:
    """Why a document was refused.

    Args:
        data: the document.
        error: what refused it.
    """
    scanner = _Scanner(data, levels=jsontext.MAX_DEPTH + 1)
    try:
        scanner.document()
    except _StopError as found:
        return f"{found.sentence} {_place(data, found.offset)}"
    sentence = str(error)
    offset = (isinstance(error, JsonError) and _end_of_tag(data, error)) or len(data.rstrip())
    return f"{sentence} {_place(data, offset)}"
