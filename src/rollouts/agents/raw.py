"""A session as its agent wrote it down, byte for byte, as one JSON value: the `session` of the export envelope.

The agent's own text is checked and passed on, never written anew: numbers stay as they were written, keys keep their
order (also one that stands twice in an object), escapes of lone surrogates survive. Nothing but a line is held at once.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Chunks = Callable[[], Iterable[bytes]]
"""The bytes of a file in pieces; called anew for each reading of it."""
Object = dict[str, Any]

_AT_ONCE = 1 << 20
_BOM = b"\xef\xbb\xbf"
_LINE_BREAK = re.compile(rb"[\r\n][ \t\r\n]*")


def _no_json(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _integer(text: str) -> int | str:
    return int(text) if len(text) < 4000 else text  # Python converts no more digits than 4,300


def _float(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else text


_DECODER = json.JSONDecoder(parse_constant=_no_json, parse_int=_integer, parse_float=_float)


def parsed(text: bytes) -> Object | None:
    """The object that a JSON text holds (RFC 8259); None when it is not UTF-8, not JSON or no object.

    A number that Python cannot hold is the text that was written; of a key that stands twice the last value counts.
    """
    try:
        return parsed_text(text.decode())
    except UnicodeDecodeError:
        return None


def parsed_text(text: str) -> Object | None:
    """`parsed`, of a text that is decoded already."""
    try:
        found = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def of_file(path: str) -> Chunks:
    """A file's bytes, as it is when it is read."""

    def chunks() -> Iterator[bytes]:
        with open(path, "rb") as file:
            while chunk := file.read(_AT_ONCE):
                yield chunk

    return chunks


def _split(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Lines without white space around them, and whether each is whole: one without an end may still be growing."""
    begun: list[bytes] = []
    for chunk in chunks:
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            yield b"".join((*begun, end)).strip(b" \t\r"), True
            begun.clear()
        begun.append(rest)
    yield b"".join(begun).strip(b" \t\r"), False


def lines(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, Object | None]]:
    """Each line of a file with the object that it holds; None for a line that holds none.

    Empty lines are none, nor is a last one that breaks off: its writer has not finished it.
    """
    for number, (line, is_whole) in enumerate(_split(chunks)):
        text = line.removeprefix(_BOM) if number == 0 else line
        found = parsed(text) if text else None
        if found is not None or (text and is_whole):
            yield text, found


def objects(chunks: Iterable[bytes]) -> Iterator[Object]:
    """The objects that a file's lines hold; others are passed over."""
    return (found for _, found in lines(chunks) if found is not None)


@dataclass(slots=True)
class Lines:
    """The record of a session that its agent wrote as JSON lines.

    Attributes:
        form: `claude-code-jsonl` or `codex-jsonl`.
        main: the session's own file.
        subagents: id -> the file of a subagent of the session.
        asides: name -> what lies beside these and is no part of the record.
    """

    session_id: str
    form: str
    main: Chunks
    subagents: Mapping[str, Chunks] = field(default_factory=dict)
    asides: Mapping[str, Chunks] = field(default_factory=dict)
    unreadable_lines: int = 0

    def chunks(self) -> Iterator[bytes]:
        """The record as one line of JSON; `unreadable_lines` is right when it ends.

        Raises:
            OSError: a file cannot be read.
        """
        self.unreadable_lines = 0
        yield b'{"format": %s, "records": [' % json.dumps(self.form).encode()
        yield from self._array(self.main)
        yield b'], "subagents": {'
        for number, (name, chunks) in enumerate(self.subagents.items()):
            yield b"%s%s: [" % (b", " if number else b"", json.dumps(name).encode())
            yield from self._array(chunks)
            yield b"]"
        yield b'}, "unreadable_lines": %d}' % self.unreadable_lines

    def _array(self, chunks: Chunks) -> Iterator[bytes]:
        comma = b""
        for text, found in lines(chunks()):
            if found is None:
                self.unreadable_lines += 1
                continue
            yield comma
            yield text.replace(b"\r", b" ") if b"\r" in text else text  # between tokens, where JSON allows either
            comma = b", "


@dataclass(slots=True)
class Document:
    """The record of a session that its agent gives as one JSON document.

    Attributes:
        text: the document.
        value: what it holds.
        subagents: id -> the document of a subagent of the session; they are records of their own.
    """

    session_id: str
    text: bytes
    value: Object
    subagents: Mapping[str, Chunks] = field(default_factory=dict)
    unreadable_lines: int = 0

    def chunks(self) -> Iterator[bytes]:
        """The document as one line: outside its texts, where a line can break, it is joined."""
        yield _LINE_BREAK.sub(b"", self.text.removeprefix(_BOM).strip())


Record = Lines | Document
