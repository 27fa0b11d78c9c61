"""Rows between their making and their upload: on disk, so that memory does not grow with sessions."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import BinaryIO

from rollouts.publish.manifest import Batch, Manifest, Part, Redaction
from rollouts.publish.rows import Row, UnfitRowError, checked, checked_file, checked_shape
from rollouts.record import Record


class Refused(Record):
    """A row that no dataset can hold."""

    number: int
    """Which of those given, from 1."""
    reason: str


class _Place(Record):
    """Where something stands in the spool's file."""

    offset: int
    length: int


class _Kept(Record):
    """A row, its texts left on disk."""

    agent: str
    session_id: str
    signature: str
    fields: _Place
    facts: Row
    """Without line, shapes and files."""
    shapes: dict[str, list[_Place]]
    files: dict[str, _Place]


class Shard(Record):
    """The file of one batch, written."""

    path: str
    batch: Batch
    signatures: list[tuple[str, str, str]]
    """Agent, session id and signature of each row."""
    added: int
    """Rows of sessions that the dataset did not have."""
    files: dict[str, str]
    """What goes with the rows: path in the dataset -> path here."""
    replaced: dict[str, int]
    """What redaction took out of the rows: kind -> number of places."""


def _counted(values: Iterable[tuple[str, ...]]) -> dict[str, int]:
    return dict(sorted(Counter(value for several in values for value in several).items()))


def _summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(sorted(total.items()))


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

    def _kept_at(self, data: bytes) -> _Place:
        offset = self._file.seek(0, os.SEEK_END)
        self._file.write(data)
        return _Place(offset, len(data))

    def add(self, row: Row) -> str:
        """Takes a row in. Returns its signature.

        Raises:
            UnfitRowError: no dataset can hold it; nothing is taken in then.
        """
        found = checked(row.line)
        shapes = {name: [checked_shape(name, line) for line in lines] for name, lines in row.shapes.items()}
        files = {checked_file(path): data for path, data in row.files.items()}
        kept = _Kept(
            *(found.agent, found.session_id, found.signature, self._kept_at(found.fields)),
            row._replace(line=b"", shapes={}, files={}),
            {name: [self._kept_at(line) for line in lines] for name, lines in shapes.items()},
            {path: self._kept_at(data) for path, data in files.items()},
        )
        self._file.flush()
        self._kept.append(kept)
        return found.signature

    def fill(self, rows: Iterable[Row]) -> None:
        """Takes rows in; one that no dataset can hold is left out and remembered in `refused`."""
        for number, row in enumerate(rows, 1):
            try:
                self.add(row)
            except UnfitRowError as error:
                self.refused.append(Refused(number, str(error)))

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

    def replaced(self, manifest: Manifest) -> dict[str, int]:
        """What redaction took out of the rows that are new: kind -> number of places."""
        return _summed(row.facts.replaced for row in self.news(manifest))

    def _read(self, place: _Place) -> bytes:
        return os.pread(self._file.fileno(), place.length, place.offset)

    def _written(self, name: str, places: Iterable[_Place], batch_id: int) -> tuple[str, Part]:
        """Writes rows into a file of their own. Returns its path, and what the manifest says of it."""
        path, digest, size, rows = f"{self._folder}/{name}.jsonl", hashlib.sha256(), 0, 0
        start = b'{"batch_id":%d,' % batch_id
        with open(path, "wb") as file:
            for place in places:
                line = start + self._read(place)
                file.write(line)
                digest.update(line)
                size += len(line)
                rows += 1
        return path, Part(digest.hexdigest(), size, rows)

    def _shapes(self, rows: list[_Kept], batch_id: int) -> dict[str, tuple[str, Part]]:
        """The rows in their other shapes: name -> where they are written, and what the manifest says of it."""
        names = sorted({name for row in rows for name, places in row.shapes.items() if places})
        return {
            name: self._written(f"of-{name}", (place for row in rows for place in row.shapes.get(name, ())), batch_id)
            for name in names
        }

    def _files(self, rows: list[_Kept]) -> dict[str, str]:
        """The files that go with the rows, the newest of each path: path in the dataset -> path here."""
        newest = {path: place for row in rows for path, place in row.files.items()}
        written = {}
        os.makedirs(f"{self._folder}/files", exist_ok=True)
        for number, (path, place) in enumerate(sorted(newest.items())):
            written[path] = f"{self._folder}/files/{number}"
            with open(written[path], "wb") as file:
                file.write(self._read(place))
        return written

    def shard(self, manifest: Manifest, redaction: Redaction | None) -> Shard | None:
        """Writes the next batch of a dataset; None when nothing is new. One shard at a time: it has one place.

        Args:
            manifest: of the dataset.
            redaction: what looked for secrets; what it took out, the rows say. None: nothing did.
        """
        rows = self.news(manifest)
        if not rows:
            return None
        batch_id = manifest.next_batch_id
        path, part = self._written("shard", (row.fields for row in rows), batch_id)
        shapes, files = self._shapes(rows, batch_id), self._files(rows)
        facts = [row.facts for row in rows]
        replaced = _summed(one.replaced for one in facts)
        batch = Batch(
            batch_id,
            part.sha256,
            part.bytes,
            now(),
            _counted((row.agent,) for row in rows),
            _counted(one.models for one in facts),
            _counted(one.languages for one in facts),
            min((one.started for one in facts if one.started), default=None),
            max((one.ended for one in facts if one.ended), default=None),
            redaction and redaction._replace(replaced=_summed((redaction.replaced, replaced))),
            {name: there for name, (_, there) in shapes.items()},
            tuple(files),
        )
        signatures = [(row.agent, row.session_id, row.signature) for row in rows]
        sessions = {one[:2] for one in signatures}
        known = sum(manifest.signature(agent, session_id) is not None for agent, session_id in sessions)
        named = {batch.shape_file(name): here for name, (here, _) in shapes.items()}
        return Shard(path, batch, signatures, len(sessions) - known, named | files, replaced)
