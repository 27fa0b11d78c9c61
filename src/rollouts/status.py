"""How it stands with one workspace: what it has, its last success and failure, its disk and its upkeep."""

from __future__ import annotations

import os
import time

from rollouts.models import Session, Snapshot, Workspace, safety_session
from rollouts.record import Record
from rollouts.storage import due, failures, misses, sizes, upkeep
from rollouts.storage.archive import Archive, UnknownWorkspaceError
from rollouts.storage.failures import Failure
from rollouts.storage.misses import Miss
from rollouts.storage.upkeep import FAILED, Attempt

_LONG = 3600.0
"""Seconds after which an upkeep that is said to be under way is taken for killed."""


class Upkeep(Record):
    due: str | None
    """What there is too much of."""
    under_way: bool
    failed: Attempt | None


class Status(Record):
    workspace: Workspace
    sessions: int
    snapshots: int
    success: Snapshot | None
    """The newest snapshot."""
    failure: Failure | None
    """The last capture that failed, when none has succeeded since."""
    bytes: int
    """Disk that the workspace's data takes, to a few percent."""
    upkeep: Upkeep


def _newest(archive: Archive, sessions: list[Session]) -> Snapshot | None:
    newest = max(sessions, key=lambda session: session.last, default=None)
    return newest and archive.catalog.latest(newest.workspace_id, newest.session_id)


def _upkeep(archive: Archive, workspace: Workspace) -> Upkeep:
    last = upkeep.attempt(archive.home.workspace(workspace.id))
    fresh = last is not None and last.what != FAILED and time.time() - last.since < _LONG
    return Upkeep(due.excess(archive.home.store(workspace.id)), fresh, None if fresh else last)


def of(archive: Archive, path: str) -> Status | None:
    """The state of the workspace that a path lies in; None when it lies in none.

    Snapshots that a restore takes for safety are no turns, and are not counted.
    """
    try:
        workspace = archive.registered(path)
    except UnknownWorkspaceError:
        return None
    own = [
        session
        for session in archive.catalog.sessions()
        if session.workspace_id == workspace.id and session.session_id != safety_session(workspace.id)
    ]
    success = _newest(archive, own)
    folder = archive.home.workspace(workspace.id)
    failure = failures.last(folder)
    if failure and success and failure.at <= success.captured_at:
        failure = None
    count = sum(session.snapshots for session in own)
    size = sizes.estimated(folder) if os.path.isdir(folder) else 0
    return Status(workspace, len(own), count, success, failure, size, _upkeep(archive, workspace))


def missed(archive: Archive) -> Miss | None:
    """The last event of an agent that came to nothing, when no turn of its session has been captured since."""
    miss = misses.last(archive.home)
    if miss is None or miss.session_id is None:
        return miss
    turns = archive.catalog.snapshots(session_id=miss.session_id)
    return None if turns and turns[-1].captured_at > miss.at else miss
