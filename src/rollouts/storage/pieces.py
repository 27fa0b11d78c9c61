"""Files in pieces of 256 KiB: cut, put into a store, read again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator

from rollouts.errors import DamagedStoreError
from rollouts.record import Record
from rollouts.storage import git
from rollouts.storage.fast_import import Stream
from rollouts.storage.git_store import GitStore

PIECE = 256 << 10
"""Bytes of a whole piece."""
_AT_ONCE = 64
"""Pieces that one git process reads."""


class Piece(Record):
    oid: bytes
    size: int


def _oid(data: bytes) -> bytes:
    """The name that git gives to some content."""
    head = b"blob %d\0" % len(data)
    return hashlib.sha1(head + data, usedforsecurity=False).hexdigest().encode()


def _blobs(store: GitStore, oids: list[bytes]) -> Iterator[bytes]:
    """The content of some blobs, by one git process.

    Raises:
        DamagedStoreError: one of them is not there.
    """
    answer = git.sealed(store.path, "cat-file", "--batch", stdin=b"".join(oid + b"\n" for oid in oids))
    at = 0
    for oid in oids:
        end = answer.find(b"\n", at)
        words = answer[at:end].split()
        if len(words) != 3 or words[1] != b"blob":
            raise DamagedStoreError(
                f"the store {store.path} has lost blob {oid.decode()}; run `rollouts doctor --repair`"
            )
        at = end + 1 + int(words[2]) + 1
        yield answer[end + 1 : at - 1]


class Content:
    """One kept file; its bytes are read when they are asked for."""

    def __init__(self, store: GitStore, pieces: list[bytes], size: int) -> None:
        self._store = store
        self._pieces = pieces
        self.size = size

    def chunks(self) -> Iterator[bytes]:
        """Its bytes, in pieces of at most 256 KiB.

        Raises:
            DamagedStoreError: the store has lost some of them, or they are not what was kept.
        """
        for start in range(0, len(self._pieces), _AT_ONCE):
            some = self._pieces[start : start + _AT_ONCE]
            for oid, data in zip(some, _blobs(self._store, some), strict=True):
                if _oid(data) != oid:
                    raise DamagedStoreError(f"the store {self._store.path} has damaged blob {oid.decode()}")
                yield data

    def read(self) -> bytes:
        """All of it. Raises DamagedStoreError as above."""
        return b"".join(self.chunks())


def _read(fd: int, at: int) -> bytes:
    """A piece of a file, as much of it as there is."""
    data = b""
    while len(data) < PIECE:
        more = os.pread(fd, PIECE - len(data), at + len(data))
        if not more:
            break
        data += more
    return data


def cut(stream: Stream, fd: int, before: list[Piece]) -> tuple[list[Piece], bool]:
    """A file's pieces, those that are new put into the stream; and whether it begins with all that was kept before."""
    pieces: list[Piece] = []
    has_grown = True
    for number in range(1 << 30):
        data = _read(fd, number * PIECE)
        old = before[number] if number < len(before) else None
        if old and has_grown:
            has_grown = len(data) >= old.size and _oid(data[: old.size]) == old.oid
        if not data and number:
            break
        same = old is not None and has_grown and old.size == len(data)
        pieces.append(old if old and same else Piece(stream.blob(data), len(data)))
        if len(data) < PIECE:
            break
    return pieces, has_grown and len(pieces) >= len(before)
