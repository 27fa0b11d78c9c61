"""Takes snapshots out of an archive: rows first, so that what is listed can be restored, then refs, then objects."""

from __future__ import annotations

import os
import shutil

from rollouts.models import Snapshot, Workspace
from rollouts.storage import forgetting, packing, upkeep
from rollouts.storage.after_crash import finish_deletions
from rollouts.storage.archive import Archive


def snapshots(archive: Archive, record: Workspace, doomed: list[Snapshot]) -> None:
    """Deletes snapshots of a workspace and gives their space back."""
    folder = archive.home.workspace(record.id)
    with (
        upkeep.Alone(folder) as alone,
        archive.locked(record) as lock,
        archive.reading(record, shared=False),
    ):
        archive.recover(record, lock)
        lock.write(b"delete")
        with archive.catalog:
            archive.catalog.delete_snapshots(doomed)
        store = archive.store(record.id)
        finish_deletions(archive.catalog, store, record.id)
        if store.exists():
            packing.reclaim(store)
            alone.settle()
        lock.write(b"")


def workspace(archive: Archive, record: Workspace) -> int:
    """Deletes a workspace with all its snapshots and what is known of their sessions. Returns how many those were."""
    forgetting.forget(archive, {row.session_id for row in archive.catalog.snapshots(record.id)})
    folder = archive.home.workspace(record.id)
    with upkeep.Alone(folder), archive.locked(record), archive.reading(record, shared=False):
        found = archive.catalog.snapshots(record.id)
        with archive.catalog:
            archive.catalog.delete_snapshots(found)
            archive.catalog.delete_workspace(record.id)
        shutil.rmtree(doom(folder))
        with archive.catalog:
            archive.catalog.forget_deletions(record.id)
    return len(found)


def doom(folder: str) -> str:
    """Gives a workspace's folder a name that no catalog is ever made from. Returns its path, to be removed."""
    if folder.endswith(".deleted"):
        return folder
    doomed = f"{folder}.{os.urandom(4).hex()}.deleted"
    os.rename(folder, doomed)
    return doomed
