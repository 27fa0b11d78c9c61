"""Logs of one JSON object a line that are still being written: read on from where the last look ended."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from typing import TypeVar

import msgspec

from rollouts.facts import Progress

_BLOCK = 1 << 20
MAX_LINE = 128 << 20
"""Bytes of a line that is still read; the largest ones hold images."""
_MARK = 4096
_Shape = TypeVar("_Shape", bound=msgspec.Struct)


class Lines:
    """The whole lines of a file that an earlier look has not read; a last one without its end is still being written.

    Args:
        fd: the open file.
        before: how far the earlier look came.
    """

    def __init__(self, fd: int, before: Progress | None) -> None:
        self._fd = fd
        self.is_anew = before is None or not _goes_on(fd, before)
        """The file is another one than before, or it is seen for the first time."""
        self.offset = 0 if before is None or self.is_anew else before.offset
        self.too_long = 0

    def __iter__(self) -> Iterator[bytes]:
        parts: list[bytes] = []
        held = 0
        at = self.offset
        while block := os.pread(self._fd, _BLOCK, at):
            at += len(block)
            first, newline, rest = block.partition(b"\n")
            if not newline:
                parts, held = self._held(parts, held, block)
                continue
            if held <= MAX_LINE:
                yield b"".join((*parts, first))
            else:
                self.too_long += 1
            whole, newline, last = rest.rpartition(b"\n")
            if newline:
                yield from whole.split(b"\n")
            self.offset = at - len(last)
            parts, held = [last], len(last)

    @staticmethod
    def _held(parts: list[bytes], held: int, block: bytes) -> tuple[list[bytes], int]:
        """The beginning of a line with a block more of it; of one that is too long nothing is held."""
        held += len(block)
        return ([], held) if held > MAX_LINE else ([*parts, block], held)

    def marks(self) -> str:
        """By what the bytes up to `offset` are known again."""
        return _marks(self._fd, self.offset)


def _marks(fd: int, offset: int) -> str:
    """Hashes of the first and the last bytes before an offset."""
    near = min(_MARK, offset)
    found = (os.pread(fd, near, at) for at in (0, offset - near))
    return " ".join(hashlib.sha256(data).hexdigest()[:32] for data in found)


def _goes_on(fd: int, before: Progress) -> bool:
    return os.fstat(fd).st_size >= before.offset and _marks(fd, before.offset) == before.marks


def parsed(line: bytes, decoder: msgspec.json.Decoder[_Shape]) -> _Shape | None:
    """A line as a record, with whatever is odd in it left out; None when it is no JSON object.

    The decoder refuses what real logs hold: halves of surrogate pairs, bytes that are not UTF-8, fields of other types.
    """
    try:
        return decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        value = json.loads(line.decode(errors="replace"))
    except (ValueError, RecursionError):
        return None
    return _lenient(value, decoder.type) if isinstance(value, dict) else None


def _lenient(value: dict[str, object], shape: type[_Shape]) -> _Shape:
    """A record from an object, field by field; a field that does not fit is as one that is not there."""
    found: dict[str, object] = {}
    for field in msgspec.structs.fields(shape):
        if field.encode_name not in value:
            continue
        given = _scrubbed(value[field.encode_name])
        inner = _struct_in(field.type)
        if inner and isinstance(given, dict):
            found[field.name] = _lenient(given, inner)
            continue
        try:
            found[field.name] = msgspec.convert(given, field.type)
        except msgspec.ValidationError:
            continue
    return shape(**found)


def _struct_in(kind: object) -> type[msgspec.Struct] | None:
    """The record that a field may hold."""
    members = getattr(kind, "__args__", (kind,))
    return next((one for one in members if isinstance(one, type) and issubclass(one, msgspec.Struct)), None)


def _scrubbed(value: object) -> object:
    """A value whose texts can be written as UTF-8."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, list):
        return [_scrubbed(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _scrubbed(one) for key, one in value.items()}
    return value
