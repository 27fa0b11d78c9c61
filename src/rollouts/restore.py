"""A stored turn back on disk."""

from __future__ import annotations

import os

from rollouts.models import Snapshot, Workspace
from rollouts.storage.archive import Archive
from rollouts.storage.placing import Restored, Wanted, new_directory, write
from rollouts.storage.scratch import scratch


def restore(archive: Archive, workspace: Workspace, snapshot: Snapshot, path: str, wanted: Wanted) -> Restored:
    """Writes a snapshot's files to a directory that does not exist yet; its parents are made as well.

    Raises:
        RolloutsError: the destination exists, nothing matches, or the store lacks something. Nothing is left behind.
    """
    destination = new_directory(path)
    with archive.reading(workspace), scratch(os.path.dirname(destination)) as room:
        return write(archive.store(workspace.id), snapshot, destination, room, wanted)
