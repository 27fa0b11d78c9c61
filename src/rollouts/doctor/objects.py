"""The objects of one store: whole packs first, then each by itself; and the index, which stands for them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator

from rollouts.doctor.finding import Finding, mended
from rollouts.errors import CommandError, RolloutsError
from rollouts.models import Workspace
from rollouts.storage import damage, kept, salvage
from rollouts.storage.archive import Archive

_PACK = re.compile(r"pack-[0-9a-f]{40}(?=\.pack|\.idx)")


class Objects:
    """The objects of a workspace's store under examination."""

    def __init__(self, archive: Archive, record: Workspace, *, repair: bool) -> None:
        self.archive = archive
        self.record = record
        self.repair = repair
        self.store = archive.store(record.id)

    def borrowed(self) -> Iterator[Finding]:
        """Objects that lie in another repository, which may drop them any day."""
        path = f"{self.store.path}/objects/info/alternates"
        if not os.path.exists(path):
            return
        problem = f"{self.store.path} borrows objects of another repository ({path})"
        try:
            if self.repair:
                with self.archive.locked(self.record), self.archive.reading(self.record, shared=False):
                    salvage.take_in_borrowed(self.store)
        except CommandError as error:
            yield Finding(f"{problem}: {error}", "bring that repository back and try again", [], mended=False)
            return
        yield mended(problem, repair=self.repair)

    def packs(self, faults: list[str]) -> Iterator[Finding]:
        """Packs that fsck complains of, and such as have no index; repair takes out of them what can be read."""
        if not salvage.midx_is_sound(self.store):
            if self.repair:
                with self.archive.locked(self.record), self.archive.reading(self.record, shared=False):
                    salvage.drop_midx(self.store)
            yield mended(f"the index of all packs of {self.store.path} is damaged", repair=self.repair)
        named = {name for line in faults for name in _PACK.findall(line)}
        bad = damage.objects_in(faults)
        for name in sorted(named | self._unindexed()):
            problem = f"the pack {self.store.path}/objects/pack/{name}.pack is damaged"
            if self.repair:
                with self.archive.locked(self.record), self.archive.reading(self.record, shared=False):
                    done = salvage.mend_pack(self.store, name, bad)
                yield mended(f"{problem}; {done}", repair=True)
            else:
                yield mended(problem, repair=False)

    def _unindexed(self) -> set[str]:
        if not salvage.unindexed(self.store):
            return set()
        with self.archive.locked(self.record):  # a capture gives a pack its name a moment before the index
            return salvage.unindexed(self.store)

    def faults(self) -> list[str]:
        """What git says of the objects; an index that cannot be read is a matter of its own."""
        index = self.store.index
        return self.store.faults(None if not os.path.exists(index) or _is_whole(index) else f"{index}.none")

    def index(self) -> Iterator[Finding]:
        """The kept index and what is kept beside it; without them the next capture reads every file, no more.

        The caller holds the workspace's lock.
        """
        path = self.archive.home.kept(self.record.id)
        if os.path.exists(self.store.index) and not _is_whole(self.store.index):
            if self.repair:
                self.store.drop_index()
                kept.drop(path)
            yield mended(f"the index {self.store.index} is damaged", repair=self.repair)
        elif os.path.exists(path) and kept.load(path) is None:
            if self.repair:
                kept.drop(path)
            yield mended(f"{path} is damaged", repair=self.repair)

    def examine(self, faults: list[str]) -> Iterator[Finding]:
        """Each object by itself. The caller holds what a repair needs."""
        if faults and self.repair:
            faults = self.faults()  # rows and refs have been seen to meanwhile
        if not faults:
            return
        bad = damage.objects_in(faults)
        if self.repair:
            self._heal(bad)
            faults = self.faults()
            if not faults:
                yield mended(f"objects of {self.store.path} were damaged; their content was still on disk", repair=True)
                return
        hit = [row.id for row in damage.hit(self.store, self.archive.catalog.snapshots(self.record.id), bad)]
        advice = (
            f"these snapshots cannot be restored whole; a backup of {self.store.path}/objects would bring them back"
        )
        yield Finding(f"{self.store.path} has damaged objects: {faults[0]}", advice, hit, mended=False)

    def _heal(self, bad: set[str]) -> None:
        """Stores damaged files again, as far as the workspace still has them; the next capture reads every file."""
        self.store.drop_damaged(bad)
        self.store.drop_index()
        root = os.fsencode(self.record.root_path)
        for row in self.archive.catalog.snapshots(self.record.id):
            with contextlib.suppress(RolloutsError, OSError):
                for entry in self.store.entries(row.store_commit_sha):
                    if entry.oid.decode() in bad:
                        self.store.put_file(root + b"/" + entry.path)


def _is_whole(index: str) -> bool:
    """Whether an index ends in its own SHA-1."""
    with open(index, "rb") as file:
        data = file.read()
    return hashlib.sha1(data[:-20], usedforsecurity=False).digest() == data[-20:]
