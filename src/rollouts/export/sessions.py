"""Sessions as envelopes in a file: the agent's own record of each, and the snapshots that belong to it."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import BinaryIO

from rollouts import agents, whole
from rollouts.agents.raw import Record as AgentRecord
from rollouts.contracts import envelope
from rollouts.contracts.strict_json import Json
from rollouts.errors import RolloutsError
from rollouts.export.cleaning import Clean, Cleaner, cleaned
from rollouts.export.library import Job, Library, Material, in_words
from rollouts.models import safety_session
from rollouts.record import Record
from rollouts.redact.report import Report
from rollouts.storage import sessions
from rollouts.storage.archive import Archive

ALL = "all"


class Plan(Record):
    """What is to be done."""

    jobs: list[Job]
    notes: list[str]
    """What is left out, in words."""


class Done(Record):
    """What became of a session."""

    session_id: str
    agent: str
    """Of one that was not found the likeliest."""
    problem: str | None = None
    """Why it could not be exported."""
    title: str = ""
    messages: int = 0
    remote_url: str | None = None
    """Without credentials; None when its workspace has no archive, or it has no workspace."""
    unreadable_lines: int = 0
    report: Report | None = None
    """What redaction did; None: it was not asked to."""
    files: tuple[str, ...] = ()
    """Those that were written in a folder, relative to it."""


class Written(Record):
    """What was added to a file."""

    agent: str
    clean: Clean
    url: str | None
    """Of the archive, without credentials."""


# What is meant


def _by_likelihood(session_id: str) -> tuple[str, ...]:
    return tuple(sorted(agents.NAMES, key=lambda name: not agents.reader(name).is_likely(session_id)))


def _candidates(row: sessions.Tracked, asked: str) -> tuple[str, ...]:
    """The agents that a session may be of, among those that are asked for."""
    if row.agent is not None:
        return (row.agent,) if row.agent in agents.NAMES and asked in {ALL, row.agent} else ()
    likely = _by_likelihood(row.session_id)
    if asked == ALL:
        return likely
    others = any(agents.reader(name).is_likely(row.session_id) for name in agents.NAMES if name != asked)
    return () if others and not agents.reader(asked).is_likely(row.session_id) else (asked,)


def _is_inside_another(row: sessions.Tracked) -> bool:
    """Whether a session stands in the record of the one that started it; OpenCode's are rows of their own."""
    return row.relationship == "subagent" and row.parent_id is not None and row.agent in {"claude-code", "codex"}


def _ancestors(row: sessions.Tracked, parents: dict[str, str | None]) -> tuple[str, ...]:
    found: list[str] = []
    above = row.parent_id
    while above is not None and above not in found:
        found.append(above)
        above = parents.get(above)
    return tuple(found)


def plan_all(archive: Archive, asked: str) -> Plan:
    """All sessions that the catalog knows, the oldest first.

    Args:
        archive: an open home.
        asked: the name of an agent, or `all`.

    Raises:
        RolloutsError: there are none.
    """
    rows = sessions.tracked(archive.catalog)
    parents = {row.session_id: row.parent_id for row in rows}
    jobs, foreign = [], 0
    for row in reversed(rows):
        candidates = _candidates(row, asked)
        if asked == ALL and row.agent is not None and row.agent not in agents.NAMES:
            foreign += 1
        if candidates and not _is_inside_another(row):
            jobs.append(Job(row.session_id, candidates, _ancestors(row, parents)))
    if not jobs:
        raise RolloutsError("no tracked sessions found to export; `rollouts import` adopts those on this disk")
    notes = [f"{foreign} sessions are of agents that cannot be exported"] if foreign else []
    return Plan(jobs, notes)


def plan_one(archive: Archive, asked: str, session_id: str) -> Plan:
    """One session, whether the catalog knows it or not.

    Raises:
        RolloutsError: it holds the snapshots of restores.
    """
    owner = archive.catalog.workspace_of_session(session_id)
    if owner and session_id == safety_session(owner.id):
        raise RolloutsError(f"the snapshots of session {session_id!r} are for `rollouts undo`, and are not exported")
    rows = sessions.tracked(archive.catalog)
    parents = {row.session_id: row.parent_id for row in rows}
    known = [row for row in rows if row.session_id == session_id]
    named = [name for name in agents.NAMES if name in {row.agent for row in known}]
    order = dict.fromkeys([*named, *_by_likelihood(session_id)]) if asked == ALL else [asked]
    candidates = tuple(order)
    return Plan([Job(session_id, candidates, _ancestors(known[0], parents) if known else ())], [])


# What leaves


def _pieces(record: AgentRecord) -> Iterator[bytes]:
    """The record's JSON. Raises RolloutsError when it cannot be read (an OSError would be the output's)."""
    try:
        yield from record.chunks()
    except OSError as error:
        raise RolloutsError(in_words(error)) from error


def _clean(found: Material, metadata: Json, cleaner: Cleaner | None) -> Clean:
    try:
        return cleaned(found.record, metadata, cleaner, what=f"session {found.session_id}")
    except OSError as error:
        raise RolloutsError(in_words(error)) from error


def _write(archive: Archive, library: Library, job: Job, cleaner: Cleaner | None, file: BinaryIO) -> Written:
    """Adds a session's envelope to a file.

    Raises:
        RolloutsError: the session cannot be read, or a second engine still finds a secret in it; the file may hold part
            of it.
    """
    found = library.material(archive, job)
    metadata = envelope.metadata(found.workspace, found.snapshots)
    url = metadata["remote_url"] if isinstance(metadata, dict) else None
    clean = _clean(found, metadata, cleaner)
    file.writelines(
        envelope.pieces(
            job.session_id, found.agent, exported_at=sessions.now(), session=_pieces(clean.record), metadata=clean.more
        )
    )
    return Written(found.agent, clean, url if isinstance(url, str) else None)


def export_one(archive: Archive, job: Job, path: str, cleaner: Cleaner | None = None) -> Done:
    """Writes one session as a JSON document, redacted when there is a cleaner.

    Raises:
        RolloutsError: it cannot be read, a second engine still finds a secret in it, or there is no place for the file.
        OSError: the file cannot be written.
    """
    target = whole.target(path)
    library = Library(archive.home)
    with library.reading(), whole.replaced(target) as file:
        agent, clean, url = _write(archive, library, job, cleaner, file)
        title, messages = agents.reader(agent).headline(clean.record)
    return Done(job.session_id, agent, None, title, messages, url, clean.record.unreadable_lines, clean.report)


def export_all(archive: Archive, jobs: Iterable[Job], path: str, cleaner: Cleaner | None = None) -> Generator[Done]:
    """Writes sessions as JSON lines. Yields what became of each; the file is there when all is done.

    One that cannot be read is left out. When all of them cannot, no file is written.

    Raises:
        RolloutsError: there is no place for the file.
        OSError: the file cannot be written.
    """
    target = whole.target(path)
    library = Library(archive.home)
    with whole.replaced(target) as file:
        for job in jobs:
            yield _tried(archive, library, job, cleaner, file)


def _tried(archive: Archive, library: Library, job: Job, cleaner: Cleaner | None, file: BinaryIO) -> Done:
    start = file.tell()
    try:
        with library.reading():
            agent, clean, url = _write(archive, library, job, cleaner, file)
    except RolloutsError as error:
        file.seek(start)
        file.truncate()
        return Done(job.session_id, job.candidates[0], str(error))
    return Done(job.session_id, agent, None, "", 0, url, clean.record.unreadable_lines, clean.report)
