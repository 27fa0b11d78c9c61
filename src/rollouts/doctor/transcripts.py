"""The store of agents' transcripts: its objects, what the catalog says of it, and what killed keepers left."""

from __future__ import annotations

from collections.abc import Iterator

from rollouts.doctor.finding import Finding, mended
from rollouts.errors import RolloutsError
from rollouts.storage import damage, packing, sessions, upkeep
from rollouts.storage.archive import Archive
from rollouts.storage.sessions import Key
from rollouts.storage.transcripts import Transcripts
from rollouts.storage.transcripts import ref as ref_of

_GRACE_SECONDS = 30.0


class Shelves:
    """The kept transcripts under examination."""

    def __init__(self, archive: Archive, *, repair: bool) -> None:
        self.catalog = archive.catalog
        self.kept = Transcripts(archive.home)
        self.repair = repair

    def examine(self) -> Iterator[Finding]:
        if self.kept.exists():
            with self.kept.taking_in(), upkeep.Alone(self.kept.folder, grace=_GRACE_SECONDS) as alone:
                yield from self._leftovers()
                yield from self._upkeep(alone)
                yield from self._damage()
                yield from self._missing()
        else:
            yield from self._missing()

    def _leftovers(self) -> Iterator[Finding]:
        with self.kept.locked() as lock:
            if lock.read() or self.kept.leftovers() or self.kept.halves():
                if self.repair:
                    self.kept.sweep(lock)
                    self.kept.clear()
                yield mended("the keeping of transcripts was killed", repair=self.repair)

    def _upkeep(self, alone: upkeep.Alone) -> Iterator[Finding]:
        last = upkeep.attempt(self.kept.folder)
        if last is None:
            return
        problem = (
            f"the upkeep of {self.kept.store.path} failed: {last.reason}"
            if last.reason
            else (f"the upkeep of {self.kept.store.path} was killed")
        )
        if self.repair and alone.lock:
            try:
                packing.pack(self.kept.store, alone.lock)
            except RolloutsError as error:
                yield Finding(f"{problem}; again: {error}", "`rollouts gc` tries it once more", [], mended=False)
                return
            alone.settle()
        yield mended(problem, repair=self.repair)

    def _damage(self) -> Iterator[Finding]:
        """Transcripts that cannot be read whole go; those whose agents still have them are kept anew by an import."""
        with self.kept.reading():
            faults = self.kept.store.faults()
            bad = {
                name: commit for name, commit in self.kept.refs().items() if faults and not self.kept.is_whole(commit)
            }
        if not faults:
            return
        problem = f"{self.kept.store.path} has damaged objects: {faults[0]}; {len(bad)} transcripts are not whole"
        if self.repair:
            with self.kept.locked(), self.kept.reading(shared=False):
                self.kept.drop(bad)
                self.kept.store.drop_damaged(damage.objects_in(faults))
                packing.reclaim(self.kept.store)
            with self.catalog as catalog:
                sessions.unkeep(catalog, [key for key in sessions.kept_roots(catalog) if ref_of(*key) in bad])
            problem += "; those were dropped, and `rollouts import` keeps again what the agents still have"
        yield mended(problem, repair=self.repair)

    def _missing(self) -> Iterator[Finding]:
        """Transcripts that the catalog takes for kept."""
        there = self.kept.refs()
        gone: list[Key] = [key for key in sessions.kept_roots(self.catalog) if ref_of(*key) not in there]
        if gone:
            if self.repair:
                with self.catalog as catalog:
                    sessions.unkeep(catalog, gone)
            problem = f"the transcripts of {len(gone)} sessions are not in {self.kept.store.path}"
            advice = "; `rollouts import` keeps again what the agents still have"
            yield mended(problem + advice, repair=self.repair)
