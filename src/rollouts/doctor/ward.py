"""One workspace: its rows, its refs, its lock, its upkeep."""

from __future__ import annotations

import time
from collections.abc import Iterator

from rollouts.doctor.finding import Finding, mended
from rollouts.doctor.objects import Objects
from rollouts.errors import RolloutsError
from rollouts.models import Snapshot, Workspace
from rollouts.storage import after_crash, packing, rebuild, upkeep
from rollouts.storage.archive import Archive
from rollouts.storage.lock import Lock
from rollouts.storage.upkeep import FAILED, Alone

_GRACE_SECONDS = 30.0
_STARTING_SECONDS = 60.0
"""What a process that a capture started needs to take over, at most."""


class Ward:
    """One workspace under examination; its lock is held while rows and refs are compared."""

    def __init__(self, archive: Archive, record: Workspace, *, repair: bool) -> None:
        self.archive = archive
        self.record = record
        self.repair = repair
        self.store = archive.store(record.id)
        self.objects = Objects(archive, record, repair=repair)
        self.faults: list[str] = []

    def examine(self) -> Iterator[Finding]:
        if not self.store.exists():
            yield from self._lost_store()
            return
        yield from self._packs()
        with self.archive.locked(self.record) as lock:
            yield from self._under_lock(lock)
            if self.repair:
                with self.archive.reading(self.record):
                    yield from self.objects.examine(self.faults)
        if not self.repair:
            with self.archive.reading(self.record):
                yield from self.objects.examine(self.faults)

    def _packs(self) -> Iterator[Finding]:
        """What concerns whole files of objects, and is mended before a row is taken for lost.

        Reading all objects takes long, and captures go on meanwhile; no packing does, as the files that it removes
        would look like lost ones.
        """
        with Alone(self.archive.home.workspace(self.record.id), grace=_GRACE_SECONDS) as alone:
            with self.archive.reading(self.record):
                self.faults = self.objects.faults()
            found = [*self.objects.borrowed(), *self.objects.packs(self.faults)]
            yield from found
            if self.repair and found:
                self.faults = self.objects.faults()
            yield from self._upkeep(alone)

    def _upkeep(self, alone: Alone) -> Iterator[Finding]:
        last = upkeep.attempt(self.archive.home.workspace(self.record.id))
        if last is None or (last.what != FAILED and time.time() - last.since < _STARTING_SECONDS):
            return
        how = f"failed: {last.reason}" if last.what == FAILED else "was killed"
        problem = f"the upkeep of {self.store.path} {how}"
        if self.repair and alone.lock:
            try:
                packing.pack(self.store, alone.lock)
            except RolloutsError as error:
                yield Finding(f"{problem}; again: {error}", "`rollouts gc` tries it once more", [], mended=False)
                return
            alone.settle()
        yield mended(problem, repair=self.repair)

    def _under_lock(self, lock: Lock) -> Iterator[Finding]:
        if lock.read():
            if self.repair:
                self.archive.recover(self.record, lock)
            yield mended(f"a capture or deletion of {self.record.root_path} was killed", repair=self.repair)
        elif swept := self.store.leftovers():
            if self.repair:
                self.store.sweep()
            left = f"{len(swept)} temporary files in {self.store.path} were left by a killed git"
            yield mended(left, repair=self.repair)
        yield from self.objects.index()
        yield from self._rows_and_refs()

    def _lost_store(self) -> Iterator[Finding]:
        rows = self.archive.catalog.snapshots(self.record.id)
        if rows:
            yield self._drop(rows, f"the store of {self.record.root_path} is missing")

    def _drop(self, rows: list[Snapshot], problem: str) -> Finding:
        """Rows that can never be restored are a lie; repair takes them out."""
        if self.repair:
            with self.archive.catalog as catalog:
                catalog.delete_snapshots(rows)
            after_crash.finish_deletions(self.archive.catalog, self.store, self.record.id)
        problem += f"; {len(rows)} snapshots are lost with it" + (", their rows are removed" if self.repair else "")
        return Finding(problem, "`rollouts doctor --repair` removes their rows", [row.id for row in rows], self.repair)

    def _rows_and_refs(self) -> Iterator[Finding]:
        rows = {row.id: row for row in self.archive.catalog.snapshots(self.record.id)}
        refs = self.store.refs()
        there = self.store.existing([row.store_commit_sha for row in rows.values()])
        gone = [row for row in rows.values() if row.store_commit_sha not in there]
        if gone:
            yield self._drop(gone, f"{self.store.path} lacks commits that the catalog lists")
        for row in rows.values():
            if row.store_commit_sha in there and refs.get(row.id) != row.store_commit_sha:
                if self.repair:
                    self.store.write_ref(row.id, row.store_commit_sha)
                yield mended(f"snapshot {row.id} has a row and no ref", repair=self.repair)
        for snapshot_id in sorted(refs.keys() - rows.keys()):
            yield self._ref_without_row(snapshot_id, refs[snapshot_id])

    def _ref_without_row(self, snapshot_id: str, commit: str) -> Finding:
        problem = f"snapshot {snapshot_id} has a ref in {self.store.path} and no row"
        try:
            if self.repair:
                self._adopt(snapshot_id, commit)
        except RolloutsError as error:
            drop = f"git --git-dir={self.store.path} update-ref -d refs/snapshots/{snapshot_id}"
            return Finding(f"{problem}: {error}", f"`{drop}` removes the ref", [], mended=False)
        return mended(problem, repair=self.repair)

    def _adopt(self, snapshot_id: str, commit: str) -> None:
        """Gives a ref its row back; a turn that is there already keeps its own, and the ref goes."""
        row = rebuild.row_of(self.store, self.record.id, snapshot_id, commit)
        if self.archive.catalog.snapshot(self.record.id, row.session_id, row.message_id):
            self.store.delete_refs([snapshot_id])
            return
        with self.archive.catalog as catalog:
            catalog.add_snapshot(row)
