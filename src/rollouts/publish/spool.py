"""Rows between their making and their upload: on disk, so that memory does not grow with sessions."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import BinaryIO

from rollouts.publish.manifest import Batch, Manifest, Redaction
from rollouts.publish.rows import Row, UnfitRowError, checked
from rollouts.record import Record


class Refused(Record):
    """A row that no dataset can hold."""

    number: int
    """Which of those given, from 1."""
    reason: str


class _Kept(Record):
    agent: str
    session_id: str
    signature: str
    offset: int
    length: int
    models: tuple[str, ...]
    languages: tuple[str, ...]
    started: str | None
    ended: str | None


class Shard(Record):
    """The file of one batch, written."""

    path: str
    batch: Batch
    signatures: list[tuple[str, str, str]]
    """Agent, session id and signature of each row."""
    added: int
    """Rows of sessions that the dataset did not have."""


def _counted(values: Iterable[tuple[str, ...]]) -> dict[str, int]:
    return dict(sorted(Counter(value for several in values for value in several).items()))


def now() -> str:
    """RFC 3339, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Spool:
    """All rows that may be new, in one file in `folder`; which of them are is decided against a manifest."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._kept: list[_Kept] = []
        self.refused: list[Refused] = []
        self._file: BinaryIO = open(f"{folder}/rows", "w+b")  # noqa: SIM115 - `close` does

    def close(self) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._kept)

    def fill(self, rows: Iterable[Row]) -> None:
        """Takes rows in; one that no dataset can hold is left out and remembered in `refused`."""
        for number, row in enumerate(rows, 1):
            try:
                found = checked(row.line)
            except UnfitRowError as error:
                self.refused.append(Refused(number, str(error)))
                continue
            offset = self._file.tell()
            self._file.write(found.fields)
            place = (offset, len(found.fields), row.models, row.languages, row.started, row.ended)
            self._kept.append(_Kept(found.agent, found.session_id, found.signature, *place))
        self._file.flush()

    def news(self, manifest: Manifest) -> list[_Kept]:
        """The rows that differ from the newest one of their session."""
        newest: dict[tuple[str, str], str | None] = {}
        found = []
        for row in self._kept:
            key = (row.agent, row.session_id)
            if newest.setdefault(key, manifest.signature(*key)) != row.signature:
                newest[key] = row.signature
                found.append(row)
        return found

    def _lines(self, rows: list[_Kept], batch_id: int) -> Iterator[bytes]:
        start = b'{"batch_id":%d,' % batch_id
        for row in rows:
            yield start + os.pread(self._file.fileno(), row.length, row.offset)

    def shard(self, manifest: Manifest, redaction: Redaction | None) -> Shard | None:
        """Writes the next batch of a dataset; None when nothing is new. One shard at a time: it has one place."""
        rows = self.news(manifest)
        if not rows:
            return None
        batch_id, path, digest, size = manifest.next_batch_id, f"{self._folder}/shard.jsonl", hashlib.sha256(), 0
        with open(path, "wb") as file:
            for line in self._lines(rows, batch_id):
                file.write(line)
                digest.update(line)
                size += len(line)
        batch = Batch(
            batch_id,
            digest.hexdigest(),
            size,
            now(),
            _counted((row.agent,) for row in rows),
            _counted(row.models for row in rows),
            _counted(row.languages for row in rows),
            min((row.started for row in rows if row.started), default=None),
            max((row.ended for row in rows if row.ended), default=None),
            redaction,
        )
        signatures = [(row.agent, row.session_id, row.signature) for row in rows]
        known = sum(
            manifest.signature(agent, session_id) is not None for agent, session_id in {r[:2] for r in signatures}
        )
        return Shard(path, batch, signatures, len({r[:2] for r in signatures}) - known)
