"""Sessions as rows of a dataset: which of them are to be read, and each one's row, without its secrets."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Mapping

from rollouts import agents
from rollouts.contracts import envelope, instants
from rollouts.contracts.strict_json import Json, dump
from rollouts.errors import DamagedCatalogError, RolloutsError
from rollouts.export import atif, sft, traces
from rollouts.export.cleaning import Cleaner
from rollouts.export.languages import Languages
from rollouts.export.library import Job, Library, Material, in_words
from rollouts.export.neutral import Neutral, neutral, with_children
from rollouts.export.sessions import Done
from rollouts.export.sft import Run
from rollouts.facts import Source
from rollouts.publish.hub import Push
from rollouts.publish.rows import Row, UnfitRowError
from rollouts.record import Record
from rollouts.redact.second import LeakError
from rollouts.storage import datasets, sessions, transcripts
from rollouts.storage.archive import Archive
from rollouts.storage.datasets import Pushed
from rollouts.storage.transcripts import Transcripts

_VERSION = 1
"""Of what a row is made of; another one has every session read again."""


SFT, ATIF, TRACES = "sft", "atif", "traces"
SHAPES = (SFT, ATIF, TRACES)


class Shapes(Record):
    """In which other shapes sessions go beside their rows."""

    names: frozenset[str]
    """Of SHAPES."""
    run: Run
    """What the rows for training have in common."""


class Task(Record):
    """A session that is to be read."""

    job: Job
    stamp: str | None
    """How it looks from outside; None when nobody can tell."""


class Plan(Record):
    """What is to be done."""

    tasks: list[Task]
    unchanged: int
    """Sessions that look as they did when their rows were pushed, which are there still."""


# Which are to be read


class _Looks:
    """How sessions look from outside: their files in the agents' own stores, else what was captured of them."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._own: dict[str, dict[str, list[Json]]] = {}
        self._captured: dict[str, str] | None = None

    def _sources(self, agent: str) -> dict[str, list[Json]]:
        """Session -> its files' names, sizes and times, those of its subagents among them."""
        if agent not in self._own:
            known = sessions.sources(self._archive.catalog, agent)
            found: dict[str, list[Json]] = {}
            for source in agents.log(agent).sources():
                if isinstance(source, Source):
                    owner = known[source.key].root_id if source.key in known else source.root_id
                    look: Json = [source.name, source.size, source.mtime_ns]
                    stem = source.name.rpartition(".")[0]
                    for session_id in {owner, source.root_id, owner if stem == "main" else stem}:
                        found.setdefault(session_id, []).append(look)
            self._own[agent] = found
        return self._own[agent]

    def _kept(self, agent: str, job: Job) -> list[Json]:
        """The commits that hold what was captured of a session."""
        if self._captured is None:
            self._captured = Transcripts(self._archive.home).refs()
        refs = (transcripts.ref(agent, owner) for owner in (job.session_id, *job.ancestors))
        return [commit for ref in refs if (commit := self._captured.get(ref))]

    def of(self, job: Job) -> list[Json] | None:
        """How a session looks, whichever of its agents it is; None when there is nothing to be seen of it."""
        found: list[Json] = []
        for agent in job.candidates:
            looks = self._sources(agent).get(job.session_id) or self._kept(agent, job)
            if looks:
                found.append([agent, *sorted(looks, key=str)])
        return found or None


def _stamp(archive: Archive, job: Job, looks: list[Json] | None, cleaning: str) -> str | None:
    if looks is None:
        return None
    owner = archive.catalog.workspace_of_session(job.session_id)
    snapshots = archive.catalog.snapshots(owner.id, job.session_id) if owner else []
    whole: Json = [_VERSION, cleaning, envelope.metadata(owner, snapshots), looks]
    return hashlib.sha256(dump(whole).encode()).hexdigest()[:32]


def _is_there(job: Job, stamp: str | None, known: Mapping[sessions.Key, Pushed], push: Push) -> bool:
    """Whether a session's newest row is in the dataset, as far as can be told without reading the session."""
    for agent in job.candidates:
        row = known.get((agent, job.session_id))
        if row and row.stamp == stamp and push.signature(agent, job.session_id) == row.signature:
            return True
    return False


def plan(archive: Archive, jobs: Iterable[Job], push: Push, *, cleaning: str) -> Plan:
    """Which sessions are to be read for a push.

    Args:
        archive: an open home.
        jobs: the sessions that are meant.
        push: to the dataset.
        cleaning: what will look for secrets; a session that something else looked at is read again.
    """
    known, looks = datasets.pushed(archive.catalog, push.name), _Looks(archive)
    tasks, unchanged = [], 0
    for job in jobs:
        stamp = _stamp(archive, job, looks.of(job), cleaning)
        if _is_there(job, stamp, known, push):
            unchanged += 1
        else:
            tasks.append(Task(job, stamp))
    return Plan(tasks, unchanged)


# Their rows


def _moment(text: str | None) -> str | None:
    """A moment in the form that rows have; None for what is none."""
    moment = instants.instant(text)
    written = None if moment is None else instants.rfc3339(moment)
    return written if written is None or "." in written else written.replace("Z", ".000Z")


def _row(material: Material, found: Neutral, languages: tuple[str, ...]) -> Row:
    """The row of a session that may leave."""
    line = envelope.pieces(
        material.session_id,
        material.agent,
        exported_at=sessions.now(),
        session=found.record.chunks(),
        metadata=found.metadata,
    )
    span = (_moment(found.session.started_at), _moment(found.session.ended_at))
    replaced = found.report.counts if found.report else {}
    return Row(b"".join(line), found.session.models, languages, *span, replaced)


def _trajectory(material: Material, found: Neutral) -> bytes:
    """A session's row of the shape `atif`."""
    head = dump({"agent": material.agent, "session_id": material.session_id})
    line = atif.line(material.session_id, found).rstrip()
    return head[:-1].encode() + b', "trajectory": ' + line + b"}"


def _files(material: Material, found: Neutral) -> dict[str, bytes]:
    """A session's files for trace viewers, by their paths in a dataset."""
    made = traces.lines(material.session_id, found)
    return {f"{TRACES}/{material.agent}/{trace.name}": b"".join(trace.lines) for trace in made}


class Rows:
    """Makes rows, one at a time, and hands them to a push.

    Attributes:
        pushed: how each session that was handed over looked, and the signature of its row.
    """

    def __init__(self, archive: Archive, push: Push, cleaner: Cleaner | None, shapes: Shapes) -> None:
        self._archive, self._push, self._cleaner, self._shapes = archive, push, cleaner, shapes
        self._library, self._languages = Library(archive.home), Languages(archive)
        self.pushed: dict[sessions.Key, Pushed] = {}

    def _made(self, job: Job) -> tuple[Material, Row, int]:
        """A session, its row and how many lines of it could not be read."""
        names = self._shapes.names
        with self._library.reading():
            material = self._library.material(self._archive, job)
            if ATIF in names:
                material = with_children(self._library, material)
            more = sft.gathered(self._archive, material, self._shapes.run) if SFT in names else None
            found = neutral(material, self._cleaner, more)
            languages = self._languages.of(material.workspace) if material.workspace else ()
            row = _row(material, found, languages)
            shapes: dict[str, tuple[bytes, ...]] = {}
            if SFT in names:
                shapes[SFT] = tuple(sft.lines(material, found, self._shapes.run))
            if ATIF in names:
                shapes[ATIF] = (_trajectory(material, found),)
            files = _files(material, found) if TRACES in names else {}
            return material, row._replace(shapes=shapes, files=files), found.record.unreadable_lines

    def _tried(self, task: Task) -> Done:
        job = task.job
        try:
            found, row, unreadable = self._made(job)
        except (LeakError, DamagedCatalogError):  # no matter of one session
            raise
        except (RolloutsError, OSError) as error:
            return Done(job.session_id, job.candidates[0], in_words(error))
        try:
            signature = self._push.add(row)
        except UnfitRowError as error:
            return Done(job.session_id, found.agent, f"no dataset can hold it: {error}")
        if task.stamp:
            self.pushed[found.agent, job.session_id] = Pushed(task.stamp, signature)
        return Done(job.session_id, found.agent, unreadable_lines=unreadable)

    def fill(self, tasks: Iterable[Task]) -> Generator[Done]:
        """Yields what became of each session; one that cannot be read, or that no dataset can hold, is left out.

        Raises:
            LeakError: the second engine found something in what was to go out.
            OSError: there is no room for the rows.
        """
        for task in tasks:
            yield self._tried(task)

    @property
    def left_out(self) -> list[str]:
        """What the rows for training do not have, in words."""
        return [f"{what}: {count}" for what, count in sorted(self._shapes.run.notes.items()) if count]

    def remember(self) -> None:
        """Notes what is in the dataset now; to be called when the push has ended well."""
        datasets.remember(self._archive.catalog, self._push.name, self.pushed)
