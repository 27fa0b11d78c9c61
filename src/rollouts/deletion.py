"""What is deleted, and how: a plan first, which only reads, then the deed."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator

from rollouts.errors import RolloutsError, UsageError
from rollouts.models import Selection, Snapshot, Workspace
from rollouts.paths import Home
from rollouts.record import Record
from rollouts.storage import forgetting, removing, sessions
from rollouts.storage.archive import Archive
from rollouts.storage.catalog import Catalog
from rollouts.storage.lock import FolderGoneError, Lock
from rollouts.storage.opening import opened
from rollouts.storage.transcripts import Transcripts
from rollouts.storage.upkeep import Alone

_OURS = re.compile(
    r"missed$|redaction\.key$|rollouts\.sqlite(-wal|-shm|-journal|\.v\d+-backup|\.new.*|\.damaged-.*|\.v\d+-backup\..*\.new)?$"
)
_STORE = re.compile(r"[0-9a-f]{32}(\.[0-9a-f]{8}\.deleted)?$")
_TRANSCRIPTS = re.compile(r"transcripts(\.[0-9a-f]{8}\.deleted)?$")
_BUG_LOG = re.compile(r"bug-.*\.log$")


def _names(folder: str) -> list[str]:
    return os.listdir(folder) if os.path.isdir(folder) else []


class Doomed(Record):
    """What a selection means right now."""

    workspace: Workspace | None
    """None for everything, and for a session that has no snapshots."""
    snapshots: list[Snapshot]


def _refuse_slip(path: str, workspace: Workspace) -> None:
    """A path that is not there means a workspace above it only when that is gone as well: else it is a slip.

    Raises:
        UsageError: the path is no directory, and the workspace's own is there.
    """
    if not os.path.isdir(path) and os.path.isdir(workspace.root_path):
        kind = "is a file" if os.path.lexists(path) else "does not exist"
        raise UsageError(f"Directory '{path}' {kind}.")


def _is_only_known(archive: Archive, session_id: str) -> bool:
    """Whether a session was taken in from its agent's files and has no snapshots, and so no workspace."""
    if archive.catalog.count_of_turns(session_id):
        return False
    return bool(sessions.family(archive.catalog, [session_id]) or Transcripts(archive.home).keys_of([session_id]))


def _select(archive: Archive, selection: Selection) -> Doomed:
    if selection.everything:
        return Doomed(None, archive.catalog.snapshots())
    if selection.snapshot_id is not None or selection.message_id is not None:
        workspace, snapshot = archive.find(selection)
        if selection.snapshot_id is None:
            _refuse_slip(selection.path, workspace)
        return Doomed(workspace, [snapshot])
    if selection.session_id is not None and _is_only_known(archive, selection.session_id):
        return Doomed(None, [])
    workspace = archive.registered(selection.path)
    _refuse_slip(selection.path, workspace)
    snapshots = archive.catalog.snapshots(workspace.id, selection.session_id)
    if selection.session_id is not None and not snapshots:
        raise RolloutsError(
            f"no snapshots found for session {selection.session_id!r}; `rollouts list` shows the sessions"
        )
    return Doomed(workspace, snapshots)


def plan(archive: Archive, selection: Selection) -> Doomed:
    """What a deletion would delete.

    Raises:
        RolloutsError: there is nothing of the kind.
    """
    if not os.path.isdir(archive.home.path):
        raise RolloutsError(f"no rollouts data found in {archive.home.path}; there is nothing to delete")
    return _select(archive, selection)


def carry_out(home: Home, selection: Selection) -> int:
    """Deletes what the selection means. Returns the number of snapshots that went.

    Raises:
        RolloutsError: there is nothing of the kind any more, or part of it could not be removed.
    """
    if selection.everything:
        return _delete_home(home)
    with opened(home) as archive:
        doomed = _select(archive, selection)
        if selection.session_id is not None and selection.snapshot_id is None and selection.message_id is None:
            forgetting.forget(archive, [selection.session_id])
        if doomed.workspace is None:
            return 0
        if selection.session_id is None and selection.snapshot_id is None:
            return removing.workspace(archive, doomed.workspace)
        removing.snapshots(archive, doomed.workspace, doomed.snapshots)
        return len(doomed.snapshots)


def named_outright(archive: Archive, name: str) -> Workspace:
    """The workspace with this id or root; a directory in it is not enough to lose it all.

    Raises:
        RolloutsError: there is none.
    """
    found = archive.catalog.workspace(name) or archive.catalog.workspace_at(os.path.realpath(name))
    if found is None:
        around = archive.registered(name)
        raise RolloutsError(f"{name} lies in the workspace {around.root_path}; name that, or its id {around.id}")
    return found


def forget(home: Home, workspace: Workspace) -> int:
    """Deletes all data of a workspace. Returns the number of snapshots that went.

    Raises:
        RolloutsError: it is gone by now, or part of it could not be removed.
    """
    with opened(home) as archive:
        return removing.workspace(archive, workspace)


@contextlib.contextmanager
def _alone(home: Home) -> Iterator[None]:
    """The home without anybody else in it.

    Raises:
        RolloutsError: it is gone, or others do not leave it in time.
    """
    lock = Lock(home.lock, f"the home {home.path}")
    try:
        lock.acquire()
    except FolderGoneError as error:
        raise RolloutsError(f"no rollouts data found in {home.path}; there is nothing to delete") from error
    try:
        yield
    finally:
        lock.release()


def _doomed(folder: str) -> str:
    """Dooms a folder when nobody packs the store in it any more."""
    with Alone(folder):
        return removing.doom(folder)


def _transcripts(home: Home) -> list[str]:
    """The folder of the agents' transcripts, and what killed deletions left of such."""
    return [f"{home.path}/{name}" for name in os.listdir(home.path) if _TRANSCRIPTS.match(name)]


def _delete_home(home: Home) -> int:
    """Removes what Rollouts made in its home, and the home when nothing else is in it."""
    count = 0
    with _alone(home):
        with contextlib.suppress(RolloutsError), contextlib.closing(Catalog(home.catalog)) as catalog:
            snapshots = catalog.snapshots()
            count = len(snapshots)
            with catalog:  # rows first: whenever this is killed, what is listed can be restored
                catalog.delete_snapshots(snapshots)
                for workspace in catalog.workspaces():
                    catalog.delete_workspace(workspace.id)
                sessions.forget_all(catalog)
        folders = [f"{home.workspaces}/{name}" for name in _names(home.workspaces) if _STORE.match(name)]
        # under another name first: no catalog is ever made from half of it
        doomed = [_doomed(folder) for folder in (*folders, *_transcripts(home))]
        for name in filter(_OURS.match, os.listdir(home.path)):
            os.unlink(f"{home.path}/{name}")
        for folder in doomed:
            shutil.rmtree(folder)
        for name in filter(_BUG_LOG.match, _names(home.logs)):
            os.unlink(f"{home.logs}/{name}")
        os.unlink(home.lock)
    for folder in (home.workspaces, home.logs, home.path):
        with contextlib.suppress(OSError):  # something else is in it, or another process made the home anew meanwhile
            os.rmdir(folder)
    return count
