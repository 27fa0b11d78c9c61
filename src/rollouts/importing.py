"""Takes in what agents wrote down of their sessions: facts into the catalog, transcripts into their store.

Each source is read on from where the last look ended. A batch of them is one transaction and one git process; whenever
this is killed, what is in is whole, and the next import reads the rest.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterable, Iterator

from rollouts import agents
from rollouts.agents.agent import Log
from rollouts.errors import RolloutsError
from rollouts.facts import Scan, Slip, Source
from rollouts.paths import Home
from rollouts.price_data import installed
from rollouts.record import Record
from rollouts.storage import opening, projects, sessions, shelf_upkeep
from rollouts.storage.archive import Archive
from rollouts.storage.sessions import Known
from rollouts.storage.transcripts import Draft, Transcripts

NEW, CHANGED, UNCHANGED = "new", "changed", "unchanged"
_SOURCES, _BYTES = 500, 32 << 20
"""Of one batch."""
_EXPORTED = 8
"""Sources of one batch when each takes a process of the agent's own."""
_LOOK_AGAIN = 3600.0
"""Seconds after which the project of a session is looked at again."""


class Step(Record):
    """What became of one source."""

    agent: str
    key: str
    status: str | None
    """new, changed, unchanged; None when it could not be read."""
    slips: list[Slip]
    unreadable_lines: int = 0
    """Lines that are no JSON, found now."""
    unknown_records: int = 0
    """Of kinds that are not known here, found now; they are in the transcript all the same."""


class Plan(Record):
    """What is on this disk of an agent's sessions."""

    agent: str
    sources: list[Source]
    slips: list[Slip]


class _Read(Record):
    source: Source
    known: Known | None
    scan: Scan


# What there is


def plan(names: Iterable[str], since: float = 0.0) -> list[Plan]:
    """What is on this disk.

    Args:
        names: of agents.
        since: seconds since 1970; what was last written before that is left alone.

    Raises:
        RolloutsError: an agent is not known.
    """
    found = []
    for name in dict.fromkeys(map(agents.canonical, names)):
        seen = list(agents.log(name).sources())
        slips = [one for one in seen if isinstance(one, Slip)]
        some = [one for one in seen if isinstance(one, Source) and one.mtime_ns >= since * 1e9]
        # a fork holds a copy of what it began with: the older file is taken for the original
        found.append(Plan(name, sorted(some, key=lambda one: (one.mtime_ns, one.key)), slips))
    return found


def foreseen(archive: Archive, plans: list[Plan]) -> Iterator[Step]:
    """What `carried_out` would do, as far as the sources' looks tell."""
    for one in plans:
        known = sessions.sources(archive.catalog, one.agent)
        for source in one.sources:
            yield Step(one.agent, source.key, _status(known.get(source.key), source), [])


def _status(known: Known | None, source: Source) -> str:
    if known is None:
        return NEW
    return UNCHANGED if known.is_as_before(source) else CHANGED


# Taking it in


def carried_out(archive: Archive, plans: list[Plan]) -> Iterator[Step]:
    """Takes in what is planned, a batch at a time.

    Raises:
        RolloutsError, OSError: the home cannot be written; what was told of before is in.
    """
    sessions.mint_database_id(archive.catalog)
    _note_prices(archive)
    for one in plans:
        known = sessions.sources(archive.catalog, one.agent)
        changed = []
        for source in one.sources:
            row = known.get(source.key)
            if row and row.is_as_before(source) and row.is_kept():
                yield Step(one.agent, source.key, UNCHANGED, [])
            else:
                changed.append(source)
        taker = _Taker(archive, one.agent)
        for batch in _batches(changed, _EXPORTED if taker.log.IS_EXPORTED else _SOURCES):
            yield from taker.take(batch)
        taker.take_back()


def _note_prices(archive: Archive) -> None:
    """Puts the prices of the installed release into the catalog, where reports have them at once.

    Raises:
        RolloutsError: their data cannot be read.
    """
    stamp = installed.stamp()
    if sessions.fact(archive.catalog, sessions.PRICE_STAMP) == stamp:
        return
    from rollouts.contracts import pricing  # noqa: PLC0415 - 20 ms, once for each release of the data
    from rollouts.price_data import reading  # noqa: PLC0415 - 0.3 s, as above
    from rollouts.storage import figures  # noqa: PLC0415 - as above

    version, rows = installed.version(), tuple(reading.embedded())
    described = pricing.table(rows, embedded_version=version)
    facts = {sessions.PRICE_STAMP: stamp, figures.PRICE_VERSION: version, figures.PRICE_DIGEST: described.rates_digest}
    with archive.catalog:
        figures.note_prices(archive.catalog, rows, facts)


def _batches(sources: list[Source], most: int) -> Iterator[list[Source]]:
    batch: list[Source] = []
    size = 0
    for source in sources:
        batch.append(source)
        size += source.size
        if len(batch) >= most or size >= _BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def take(home: Home, agent: str, session_id: str) -> None:
    """Takes in one session and its subagents, as a hook has it done behind itself. Nothing there is no error.

    Raises:
        RolloutsError, OSError: the home cannot be written, or others do not leave it in time.
    """
    found = [one for one in agents.log(agent).sources_of(session_id) if isinstance(one, Source)]
    if not found:
        return
    with opening.opened(home) as archive:
        sessions.mint_database_id(archive.catalog)
        _note_prices(archive)
        for _ in _Taker(archive, agents.canonical(agent)).take(found):
            pass
    shelf_upkeep.tidy(home)


class _Taker:
    """Takes in batches of one agent's sources; others who do wait meanwhile."""

    def __init__(self, archive: Archive, agent: str) -> None:
        self.agent = agent
        self.log: Log = agents.log(agent)
        self.catalog = archive.catalog
        self.store = Transcripts(archive.home)
        self.looked_at = sessions.observed(archive.catalog)
        self.told: set[str] = set()
        os.makedirs(self.store.folder, exist_ok=True)

    def take(self, batch: list[Source]) -> Iterator[Step]:
        """A batch: read, then facts, then transcripts. Nobody else's half of it is ever seen."""
        with self.store.taking_in():
            self.store.clear()
            reads: list[_Read] = []
            failed = []
            for source in batch:
                read = self._read(source)
                if isinstance(read, Slip):
                    failed.append(Step(self.agent, source.key, None, [read]))
                else:
                    reads.append(read)
            reads, twice = self._without_copies(reads)
            with self.catalog:
                for read in reads:
                    sessions.ingest(self.catalog, self.agent, read.source, read.scan)
            self._observe(reads)
            slips = self._keep(reads)
        yield from failed
        yield from twice
        for read in reads:
            yield self._step(read, slips.get(read.source.key))

    def take_back(self) -> None:
        """Facts of sessions that only the kept transcripts still tell of, after a catalog was lost."""
        known = sessions.roots(self.catalog, self.agent)
        for _, session_id in self.store.sessions(self.agent, known):
            with (
                self.store.taking_in(),
                tempfile.TemporaryDirectory(dir=self.store.folder, prefix="scratch-") as scratch,
            ):
                with self.store.reading():
                    found = self._laid_out(session_id, scratch)
                with self.catalog:
                    for source in found:
                        self._take_back(session_id, source)

    def _laid_out(self, session_id: str, folder: str) -> list[Source]:
        """What is kept of a session, as files that are named as the agent itself would."""
        found = []
        for name, content in (self.store.files(self.agent, session_id) or {}).items():
            stem, _, kind = name.rpartition(".")
            if kind not in {"jsonl", "json"} or stem.endswith(".meta") or "/" in session_id:
                continue  # what a log was before it was written anew
            path = f"{folder}/{session_id if stem == 'main' else stem}.{kind}"
            with open(path, "wb") as file:
                file.writelines(content.chunks())
            found.append(Source(path, session_id, name, content.size, 0))
        return found

    def _take_back(self, session_id: str, source: Source) -> None:
        with contextlib.suppress(RolloutsError):
            scan = self.log.scan(source, None)
            here = source._replace(key=f"transcripts:{session_id}/{source.name}")
            sessions.ingest(self.catalog, self.agent, here, scan)
            sessions.note_kept(self.catalog, self.agent, {here.key: sessions.stamp(source.size, 0)})

    def _read(self, source: Source) -> _Read | Slip:
        known = sessions.source(self.catalog, self.agent, source.key)
        try:
            return _Read(source, known, self.log.scan(source, known.progress if known else None))
        except OSError as error:
            return Slip(source.key, error.strerror or str(error))
        except RolloutsError as error:
            return Slip(source.key, str(error))

    def _without_copies(self, reads: list[_Read]) -> tuple[list[_Read], list[Step]]:
        """A session stands once in the catalog; one that moved is read from where it is now."""
        kept, steps = [], []
        seen: dict[str, str] = {}
        for read in reads:
            own = read.scan.sessions[0].session_id if read.scan.sessions else ""
            owner = seen.get(own) or sessions.owners(self.catalog, self.agent, [own]).get(own)
            if owner in {None, read.source.key} or not (owner in seen.values() or self._is_there(owner or "")):
                if owner and owner != read.source.key:
                    with self.catalog:
                        sessions.drop_source(self.catalog, self.agent, owner)
                seen[own] = read.source.key
                kept.append(read)
            else:
                slip = Slip(read.source.key, f"holds the same session as {owner}")
                steps.append(Step(self.agent, read.source.key, None, [slip]))
        return kept, steps

    @staticmethod
    def _is_there(key: str) -> bool:
        return os.path.exists(key.partition("#")[0])

    def _observe(self, reads: list[_Read]) -> None:
        """Looks at the projects that the sessions were in."""
        soon = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - _LOOK_AGAIN))
        cwds = {facts.cwd for read in reads for facts in read.scan.sessions if facts.cwd}
        for cwd in sorted(cwds):
            if self.looked_at.get(cwd, "") < soon:
                self.looked_at[cwd] = sessions.now()
                seen = projects.observed(cwd)
                if seen:
                    with self.catalog:
                        sessions.observe(self.catalog, seen)

    def _keep(self, reads: list[_Read]) -> dict[str, Slip]:
        """Keeps the transcripts. Returns what could not be kept, by the source."""
        slips: dict[str, Slip] = {}
        with tempfile.TemporaryDirectory(dir=self.store.folder, prefix="scratch-") as scratch:
            drafts: dict[str, dict[str, str]] = {}
            for number, read in enumerate(reads):
                folder = f"{scratch}/{number}"
                if self.log.IS_EXPORTED:
                    os.mkdir(folder)
                try:
                    files = self.log.files(read.source._replace(root_id=read.scan.root_id, name=read.scan.name), folder)
                except (OSError, RolloutsError) as error:
                    slips[read.source.key] = Slip(read.source.key, f"its transcript is not kept: {error}")
                    continue  # not kept is what it stays, and the next import tries again
                drafts.setdefault(read.scan.root_id, {}).update(files)
            batch = [Draft(self.agent, root_id, files) for root_id, files in drafts.items()]
            outcomes = {done.draft.session_id: done for done in self.store.keep(batch)} if batch else {}
        stamps = {}
        for read in reads:
            done = outcomes.get(read.scan.root_id)
            if read.source.key in slips or done is None:
                continue
            problem = done.problems.get(read.scan.name)
            if problem:
                slips[read.source.key] = Slip(read.source.key, f"its transcript is not kept: {problem}")
            else:
                stamps[read.source.key] = sessions.stamp(read.source.size, read.source.mtime_ns)
        with self.catalog:
            sessions.note_kept(self.catalog, self.agent, stamps)
        return slips

    def _is_news(self, slip: Slip) -> bool:
        """Whether nobody was told yet: what keeps one transcript away, a missing program, keeps them all."""
        is_new = slip.reason not in self.told
        self.told.add(slip.reason)
        return is_new

    def _step(self, read: _Read, slip: Slip | None) -> Step:
        before = read.known.progress if read.known and not read.scan.is_anew else None
        progress = read.scan.progress
        slips = [slip] if slip and self._is_news(slip) else []
        unreadable = progress.unreadable_lines - (before.unreadable_lines if before else 0)
        unknown = progress.unknown_records - (before.unknown_records if before else 0)
        if unreadable:
            slips.append(Slip(read.source.key, f"{unreadable} lines cannot be read"))
        status = _status(read.known, read.source)
        return Step(self.agent, read.source.key, status, slips, unreadable, unknown)
