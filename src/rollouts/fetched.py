"""A turn straight from an archive to disk: its one tag is fetched, checked, and never kept."""

from __future__ import annotations

import os
from collections.abc import Generator

from rollouts.contracts import tag
from rollouts.errors import RolloutsError
from rollouts.models import Snapshot
from rollouts.storage import carrier, foreign, network
from rollouts.storage.git_store import GitStore
from rollouts.storage.network import ArchiveError, Remote
from rollouts.storage.placing import Restored, Wanted, new_directory, write
from rollouts.storage.scratch import scratch

_ABSENT = "couldn't find remote ref"
_NO_WORKSPACE = ""


def _fetched(
    repository: GitStore, remote: Remote, session_id: str, message_id: str
) -> Generator[bytes, None, Snapshot]:
    name = tag.ref(session_id, message_id)
    try:
        yield from network.fetch(repository.path, remote, [name])
    except ArchiveError as error:
        if _ABSENT not in str(error):
            raise
        hint = "; an archive does not know which is the latest, `rollouts pull` does" if message_id == "latest" else ""
        raise RolloutsError(
            f"no remote snapshot found for session {session_id!r} and message {message_id!r} in {remote.shown}{hint}"
        ) from error
    [fetched] = carrier.tags(repository)
    found = foreign.check(repository, _NO_WORKSPACE, fetched)
    for reason in found.refused.values():
        raise RolloutsError(f"refused: the tag in {remote.shown} is not to be trusted: {reason}")
    return found.snapshots[0]


def restore(
    remote: Remote, session_id: str, message_id: str, path: str, wanted: Wanted
) -> Generator[bytes, None, Restored]:
    """Writes a turn of an archive to a directory that does not exist yet. Yields what git says of its progress.

    Args:
        remote: the archive.
        session_id: of the turn.
        message_id: of the turn.
        path: the directory to make; its parents are made as well.
        wanted: what is to be written.

    Raises:
        RolloutsError: the archive lacks it or is not to be trusted, or a restore fails. Nothing is left behind.
    """
    destination = new_directory(path)
    with scratch(os.path.dirname(destination)) as room, carrier.carrier(f"{room}/fetched") as repository:
        snapshot = yield from _fetched(repository, remote, session_id, message_id)
        return write(repository, snapshot, destination, room, wanted)
