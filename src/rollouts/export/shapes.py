"""Sessions written to files in the shapes of others: trajectories in one file, traces as files of a folder."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from itertools import chain
from typing import BinaryIO

from rollouts import whole
from rollouts.agents.session import Session
from rollouts.errors import RolloutsError
from rollouts.export import atif, traces
from rollouts.export.cleaning import Cleaner
from rollouts.export.library import Job, Library, Material
from rollouts.export.neutral import Neutral, neutral, with_children
from rollouts.export.sessions import Done
from rollouts.export.traces import Trace
from rollouts.storage import sessions
from rollouts.storage.archive import Archive


def _unreadable(session: Session) -> int:
    return session.unreadable_lines + sum(_unreadable(sub) for sub in session.subagents)


def _done(material: Material, found: Neutral, files: tuple[str, ...] = ()) -> Done:
    session = found.session
    return Done(
        material.session_id,
        material.agent,
        title=session.title or "",
        messages=len(session.messages),
        unreadable_lines=_unreadable(session),
        report=found.report,
        files=files,
    )


# Trajectories


def _write_line(
    archive: Archive, library: Library, job: Job, cleaner: Cleaner | None, file: BinaryIO
) -> tuple[Done, Neutral]:
    """Adds a session's trajectory to a file, whole: it is made first. Raises RolloutsError when it cannot be made."""
    with library.reading():
        material = with_children(library, library.material(archive, job))
        found = neutral(material, cleaner)
    file.write(atif.line(job.session_id, found))
    return _done(material, found), found


def export_trajectory(archive: Archive, job: Job, path: str, cleaner: Cleaner | None) -> Done:
    """Writes one session's trajectory as a JSON document.

    Args:
        archive: an open home.
        job: which session.
        path: of the file, which is replaced.
        cleaner: None: secrets stay.

    Raises:
        RolloutsError: the session cannot be read or not cleaned, or there is no place for the file.
        OSError: the file cannot be written.
    """
    target = whole.target(path)
    with whole.replaced(target) as file:
        return _write_line(archive, Library(archive.home), job, cleaner, file)[0]


def _below(session: Session) -> Iterator[str]:
    for sub in session.subagents:
        yield sub.id
        yield from _below(sub)


def _in_order(archive: Archive, jobs: Iterable[Job]) -> tuple[list[Job], list[Job]]:
    """Sessions that stand for themselves, and subagents of theirs: most of these will stand in one of the first."""
    listed = list(jobs)
    asked = {job.session_id for job in listed}
    rows = sessions.tracked(archive.catalog)
    subagents = {row.session_id for row in rows if row.relationship == "subagent" and row.parent_id in asked}
    first = [job for job in listed if job.session_id not in subagents]
    return first, [job for job in listed if job.session_id in subagents]


def export_trajectories(archive: Archive, jobs: Iterable[Job], path: str, cleaner: Cleaner | None) -> Generator[Done]:
    """Writes sessions' trajectories as JSON lines. Yields what became of each; the file is there when all is done.

    A subagent's session that stands in its parent's trajectory gets none of its own. One that cannot be read is left
    out. When all of them cannot, no file is written. Raises as `export_trajectory`, but for what concerns a session.
    """
    target = whole.target(path)
    library = Library(archive.home)
    first, subagents = _in_order(archive, jobs)
    inside: set[str] = set()
    with whole.replaced(target) as file:
        for job in chain(first, subagents):
            if job.session_id in inside:
                continue
            try:
                done, found = _write_line(archive, library, job, cleaner, file)
                inside |= set(_below(found.session))
            except RolloutsError as error:
                done = Done(job.session_id, job.candidates[0], str(error))
            yield done


# Traces


def folder(path: str) -> str:
    """The folder for traces, made if there is none.

    Raises:
        RolloutsError: there is no directory to make it in, or something else has its name.
        OSError: it cannot be made.
    """
    found = os.path.realpath(path)
    above = os.path.dirname(found)
    if not os.path.isdir(above):
        raise RolloutsError(f"there is no directory {above} to make it in; make it, or name another DIR")
    if os.path.lexists(found) and not os.path.isdir(found):
        raise RolloutsError(f"{path} is no directory; name a DIR")
    os.makedirs(found, exist_ok=True)
    return found


def _place(root: str, name: str) -> str:
    """Where a file is to be, with the folders above it made.

    Raises:
        RolloutsError: a link on the way leads out of the folder, or a directory has the file's name.
    """
    path = f"{root}/{name}"
    above = os.path.dirname(path)
    if os.path.realpath(above) != above:
        raise RolloutsError(f"{above} is, or stands below, a link to elsewhere; take it away, or name another DIR")
    if os.path.isdir(path) and not os.path.islink(path):
        raise RolloutsError(f"{path} is a directory; take it away, or name another DIR")
    os.makedirs(above, exist_ok=True)
    return path


def _write_trace(root: str, agent: str, trace: Trace) -> str:
    name = f"{agent}/{trace.name}"
    with whole.replaced(_place(root, name)) as file:
        file.writelines(trace.lines)
    return name


def _write_traces(archive: Archive, library: Library, job: Job, cleaner: Cleaner | None, root: str) -> Done:
    """Writes a session's files. Raises RolloutsError when it cannot be read; some of them may be there then, whole."""
    with library.reading():
        material = library.material(archive, job)
        found = neutral(material, cleaner)
        names = [_write_trace(root, material.agent, trace) for trace in traces.lines(job.session_id, found)]
    return _done(material, found, tuple(names))


def export_trace(archive: Archive, job: Job, root: str, cleaner: Cleaner | None) -> Done:
    """Writes the files of one session. Raises as `export_traces`, and RolloutsError when it cannot be read."""
    return _write_traces(archive, Library(archive.home), job, cleaner, root)


def export_traces(archive: Archive, jobs: Iterable[Job], root: str, cleaner: Cleaner | None) -> Generator[Done]:
    """Writes sessions as files that a trace viewer reads, `<agent>/<session>.jsonl`. Yields what became of each.

    Args:
        archive: an open home.
        jobs: which sessions.
        root: as `folder` gave it; nothing is written outside of it.
        cleaner: None: secrets stay.

    Raises:
        OSError: a file cannot be written; those before it are there, whole.
    """
    library = Library(archive.home)
    for job in jobs:
        try:
            done = _write_traces(archive, library, job, cleaner, root)
        except RolloutsError as error:
            done = Done(job.session_id, job.candidates[0], str(error))
        yield done
