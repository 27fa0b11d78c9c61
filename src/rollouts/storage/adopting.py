"""Foreign snapshots become this archive's own: objects first, then refs, then rows, all or none of them.

The ids of the refs that are about to be written stand in a file beside the store: who finds it later knows that they
belong to a pull that was killed, and to no snapshot that anybody was told of.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from rollouts.contracts import tag
from rollouts.errors import RolloutsError
from rollouts.models import Snapshot, Workspace
from rollouts.storage import after_crash, carrier
from rollouts.storage.archive import Archive
from rollouts.storage.git_store import GitStore


def ready(archive: Archive, record: Workspace) -> GitStore:
    """The store of a workspace, made when it is new."""
    store = archive.store(record.id)
    with archive.locked(record) as lock:
        store.ensure()
        archive.recover(record, lock)
    return store


def _conflict(archive: Archive, record: Workspace, row: Snapshot) -> str | None:
    """Why a snapshot has no place here."""
    owner = archive.catalog.workspace_of_session(row.session_id)
    if owner and owner.id != record.id:
        return f"its session is of workspace {owner.root_path} here"
    turn = archive.catalog.snapshot(record.id, row.session_id, row.message_id)
    if turn and (turn.id, turn.store_commit_sha) != (row.id, row.store_commit_sha):
        return f"snapshot {turn.id} is here under the same session and message"
    same = [known for known in archive.catalog.snapshots_by_id(row.id) if known.id == row.id]
    return "its id is that of another snapshot here" if same and not turn else None


def _write(archive: Archive, record: Workspace, rows: Sequence[Snapshot]) -> None:
    store = archive.store(record.id)
    journal = archive.home.journal(record.id)
    with open(journal, "w", encoding="ascii") as file:
        file.writelines(f"{row.id}\n" for row in rows)
    try:
        for row in rows:
            store.write_ref(row.id, row.store_commit_sha)
        with archive.catalog as catalog:
            for row in rows:
                catalog.add_snapshot(row)
    except (RolloutsError, OSError):
        after_crash.drop_journal(archive.home, archive.catalog, record.id)
        raise
    os.unlink(journal)


def adopt(
    archive: Archive, record: Workspace, repository: GitStore, rows: Sequence[Snapshot]
) -> tuple[list[Snapshot], dict[str, str]]:
    """Adopts checked snapshots that are in a carrier. Returns those that are new, and ref -> why for the others.

    One that is here already is in neither.

    Raises:
        RolloutsError: it could not be done; then none is adopted.
    """
    with archive.locked(record) as lock:
        archive.recover(record, lock)
        fresh: list[Snapshot] = []
        conflicts: dict[str, str] = {}
        ids: set[str] = set()
        for row in rows:
            problem = "its id is that of another one" if row.id in ids else _conflict(archive, record, row)
            ids.add(row.id)
            if problem:
                conflicts[tag.ref(row.session_id, row.message_id)] = problem
            elif not archive.catalog.snapshots_by_id(row.id):
                fresh.append(row)
        if fresh:
            lock.write(after_crash.ADOPTING)
            carrier.hand_over(repository, archive.store(record.id), [row.store_commit_sha for row in fresh])
            _write(archive, record, fresh)
            lock.write(b"")
    return fresh, conflicts
