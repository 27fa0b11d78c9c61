"""After a crash: what the note in a workspace's lock file asks of the next holder."""

from __future__ import annotations

import os

from rollouts.errors import RolloutsError
from rollouts.models import Workspace, safety_session
from rollouts.paths import Home
from rollouts.storage import kept, rebuild, scratch
from rollouts.storage.catalog import Catalog
from rollouts.storage.git_store import GitStore

CHANGING = b"changes the workspace"
"""The note of a restore in place."""
ADOPTING = b"adopts"
"""The note of a pull."""


def recover(home: Home, catalog: Catalog, record: Workspace, note: bytes) -> None:
    """Clears up after a holder of the workspace's lock that was killed; the caller holds it now.

    Args:
        home: where the workspace's store is.
        catalog: of that home.
        record: the workspace.
        note: what that holder wrote in the lock file: the id of the snapshot that it was to take, or what else it did.
    """
    store = GitStore(home.store(record.id))
    store.sweep()
    kept.drop(f"{home.kept(record.id)}.new")
    if note == CHANGING:
        scratch.sweep(record.root_path)
    elif note == ADOPTING:
        drop_journal(home, catalog, record.id)
    finish_deletions(catalog, store, record.id)
    snapshot_id = note.decode(errors="replace")
    commit = store.ref(snapshot_id) if note.isalnum() else None
    if commit and not catalog.snapshots_by_id(snapshot_id):
        _adopt(catalog, store, record.id, snapshot_id, commit)


def finish_deletions(catalog: Catalog, store: GitStore, workspace_id: str) -> None:
    """Deletes the refs of rows that are deleted; the caller holds the workspace's lock."""
    gone = catalog.deletions(workspace_id)
    if not gone:
        return
    if store.exists():
        store.delete_refs(gone)
    with catalog:
        catalog.forget_deletions(workspace_id)


def drop_journal(home: Home, catalog: Catalog, workspace_id: str) -> None:
    """Drops the refs of a pull that ended before its rows were there; the caller holds the workspace's lock."""
    journal = home.journal(workspace_id)
    if not os.path.exists(journal):
        return
    with open(journal, encoding="ascii") as file:
        ids = file.read().split()
    store = GitStore(home.store(workspace_id))
    for snapshot_id in ids:
        if not any(row.id == snapshot_id for row in catalog.snapshots_by_id(snapshot_id)):
            store.drop_ref(snapshot_id)
    os.unlink(journal)


def _adopt(catalog: Catalog, store: GitStore, workspace_id: str, snapshot_id: str, commit: str) -> None:
    """Gives the ref of a killed capture its row; it goes when that row has no place any more.

    Nobody was told its id, and meanwhile its session may have gone on in another workspace. A safety snapshot has no
    place either: its restore has changed nothing yet, and `undo` would go back to it past all that was done since.
    """
    with catalog:
        try:
            row = rebuild.row_of(store, workspace_id, snapshot_id, commit)
            if row.session_id == safety_session(workspace_id):
                store.drop_ref(snapshot_id)
            else:
                catalog.add_snapshot(row)
        except RolloutsError:
            store.drop_ref(snapshot_id)
