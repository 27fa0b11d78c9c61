"""The disk that stores take, and giving back what they do not need: packing, dropping, sweeping."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

from rollouts.errors import RolloutsError
from rollouts.models import Workspace
from rollouts.paths import Home
from rollouts.record import Record
from rollouts.storage import due, leftovers, packing, shelf_upkeep, sizes, upkeep
from rollouts.storage.archive import Archive, GoneError
from rollouts.storage.git_store import GitStore
from rollouts.storage.lock import BusyError, FolderGoneError, Lock
from rollouts.storage.opening import opened
from rollouts.storage.transcripts import Transcripts
from rollouts.storage.upkeep import FAILED, PACKING, STARTED, Attempt, UpkeepLock

_STEP_SECONDS = 20.0  # a capture that waits for the lock waits no longer for refs to be packed
_PAUSE_SECONDS = 0.2
_HANDOVER_SECONDS = 5.0


class Outcome(Record):
    """What a workspace's store holds beyond need, and what became of it."""

    workspace: Workspace
    before: int
    """Bytes on disk."""
    after: int | None
    """None when nothing was done."""
    loose: int
    """Objects in a file each; packed they take a fraction."""
    unreachable: int
    unreachable_bytes: int
    leftovers: int
    """Files of a git that was killed."""
    problem: str | None = None


# One store, behind a capture


def _tidy(archive: Archive, record: Workspace) -> None:
    """Sweeps and packs refs under the workspace's lock, in steps that a waiting capture can bear."""
    store = archive.store(record.id)
    while True:
        with archive.locked(record) as lock:
            archive.recover(record, lock)
            store.sweep()
            if packing.pack_refs(store, _STEP_SECONDS):
                return
        time.sleep(_PAUSE_SECONDS)


def _pack(store: GitStore, lock: UpkeepLock) -> None:
    """Packs a store; the note in the lock's file says how far it came.

    Raises:
        RolloutsError: it failed, or it helped nothing.
    """
    lock.write(Attempt(PACKING, time.time()).note())
    if packing.pack(store, lock):
        excess = due.excess(store.path)
        if excess:
            raise RolloutsError(f"packing {store.path} went well and left too many {excess}")
    lock.write(b"")


def _note_failure(folder: str, error: Exception) -> None:
    needs = error.needs if isinstance(error, packing.NoRoomError) else 0
    with contextlib.suppress(OSError, RolloutsError), UpkeepLock(folder, wait=_HANDOVER_SECONDS) as lock:
        lock.write(Attempt(FAILED, time.time(), needs, str(error)).note())


def _withdraw(folder: str) -> None:
    """Takes back the note of an attempt that never began, so that the next capture may start another."""
    with contextlib.suppress(OSError, RolloutsError), UpkeepLock(folder, wait=0) as lock:
        last = lock.last()
        if last and last.what == STARTED:
            lock.write(b"")


def maintain(home: Home, workspace_id: str) -> None:
    """Sweeps and packs one store, unless somebody else does.

    Raises:
        RolloutsError: it failed; the next attempt waits until the cause may be gone.
    """
    folder = home.workspace(workspace_id)
    try:
        with opened(home) as archive:
            record = archive.catalog.workspace(workspace_id)
            if record is None or not archive.store(workspace_id).exists():
                return
            _tidy(archive, record)
        with UpkeepLock(folder, wait=_HANDOVER_SECONDS) as lock:
            _pack(GitStore(home.store(workspace_id)), lock)
    except (BusyError, GoneError, FolderGoneError):
        _withdraw(folder)  # somebody else packs, or deletes, or captures for long
    except (RolloutsError, OSError) as error:
        _note_failure(folder, error)
        raise


# All stores, for a user


def _is_busy(archive: Archive, record: Workspace) -> bool:
    """Whether a capture or a deletion is at work, whose temporary files are no leftovers."""
    try:
        with Lock(f"{archive.home.workspace(record.id)}/lock", "", wait=0):
            return False
    except BusyError:
        return True
    except OSError:  # a home that cannot be written
        return False


def _excess(archive: Archive, record: Workspace) -> Outcome:
    """What could be done for a workspace.

    Raises:
        RolloutsError: its objects cannot be read.
    """
    store = archive.store(record.id)
    size = sizes.measured(archive.home.workspace(record.id))
    if not store.exists():
        return Outcome(record, size, None, 0, 0, 0, 0)
    with archive.reading(record):
        dropped = packing.unreachable(store)
    left = [] if _is_busy(archive, record) else store.leftovers()
    return Outcome(record, size, None, sizes.loose_objects(store.path), dropped.objects, dropped.bytes, len(left))


def _collect(archive: Archive, record: Workspace, *, drop: bool) -> None:
    """Packs a store, and drops what nothing reaches, for which captures have to wait."""
    store = archive.store(record.id)
    _tidy(archive, record)
    with upkeep.Alone(archive.home.workspace(record.id)) as alone:
        if alone.lock:
            _pack(store, alone.lock)
        if drop:
            with archive.locked(record) as lock, archive.reading(record, shared=False):
                archive.recover(record, lock)
                packing.reclaim(store)


def _collected(archive: Archive, record: Workspace) -> Outcome:
    folder = archive.home.workspace(record.id)
    found = Outcome(record, sizes.measured(folder), None, 0, 0, 0, 0)
    try:
        found = _excess(archive, record)
        if archive.store(record.id).exists():
            _collect(archive, record, drop=found.unreachable > 0)
    except (RolloutsError, OSError) as error:
        _note_failure(folder, error)
        found = found._replace(problem=str(error))
    return found._replace(after=sizes.measured(folder))


def planned(archive: Archive) -> Iterator[Outcome]:
    """What `collected` would do, a workspace at a time."""
    for record in archive.catalog.workspaces():
        try:
            yield _excess(archive, record)
        except (RolloutsError, OSError) as error:
            size = sizes.measured(archive.home.workspace(record.id))
            yield Outcome(record, size, None, 0, 0, 0, 0, str(error))


def collected(archive: Archive) -> Iterator[Outcome]:
    """Gives back what the stores do not need, a workspace at a time; what fails in one is no matter of the others."""
    for record in archive.catalog.workspaces():
        if archive.catalog.workspace(record.id):  # not deleted meanwhile
            yield _collected(archive, record)


# Agents' transcripts


class Shelved(Record):
    """What the store of agents' transcripts takes, and what became of it."""

    before: int
    after: int | None
    """None when nothing was done."""
    problem: str | None = None


def shelves(archive: Archive, *, pack: bool) -> Shelved | None:
    """Packs the store of agents' transcripts, and drops what no session needs; None when there is none."""
    kept = Transcripts(archive.home)
    if not kept.exists():
        return None
    found = Shelved(sizes.measured(kept.folder), None)
    if not pack:
        return found
    try:
        shelf_upkeep.collect(kept)
    except (RolloutsError, OSError) as error:
        found = found._replace(problem=str(error))
    return found._replace(after=sizes.measured(kept.folder))


def staging(home: Home, *, remove: bool) -> list[str]:
    """Halves of stores and catalogs that killed processes left. Returns what is there, or went.

    While anybody is at work none is told of: it may be theirs.
    """
    if not os.path.isdir(home.path) or not leftovers.left_behind(home):
        return []
    try:
        with Lock(home.lock, f"the home {home.path}", wait=1):
            found = leftovers.left_behind(home)
            for path in found if remove else ():
                leftovers.remove(path)
            return found
    except BusyError:
        return []
