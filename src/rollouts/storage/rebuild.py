"""A catalog made again from the stores: every snapshot's commit says what its row held."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from rollouts.contracts import commit as contract
from rollouts.contracts.strict_json import Json, dump
from rollouts.errors import RolloutsError
from rollouts.models import Snapshot, Workspace
from rollouts.paths import Home
from rollouts.record import Record
from rollouts.storage.catalog import Catalog, rows_of_another
from rollouts.storage.git_store import GitStore


class Rebuilt(Record):
    workspaces: int
    snapshots: int
    unreadable: list[str]
    """What could not be taken over, a sentence each."""


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise ValueError("a text is expected in a snapshot's commit")
    return value


def _number(value: Json) -> int | None:
    return value if isinstance(value, int) else None


def workspace_of(message: bytes, workspace_id: str) -> Workspace | None:
    """The workspace that a snapshot's commit names; None for a commit of agent-rollouts 0.1.

    Raises:
        ValueError: the commit is not a snapshot's.
    """
    parsed = contract.body(message)
    named = parsed and parsed.get("workspace")
    if not parsed or not isinstance(named, dict):
        return None
    root = os.fsdecode(contract.path_of(named, "root_path"))
    return Workspace(workspace_id, root, None, _text(parsed.get("captured_at")), None)


def snapshot_of(message: bytes, tree: str, commit: str, workspace_id: str) -> Snapshot | None:
    """The row that belongs to a commit; None for a commit of agent-rollouts 0.1.

    Raises:
        ValueError: the commit is not a snapshot's.
    """
    parsed = contract.body(message)
    if parsed is None:
        return None
    agent = parsed.get("agent")
    return Snapshot(
        *(
            _text(parsed.get("snapshot_id")),
            workspace_id,
            _text(parsed.get("session_id")),
            _text(parsed.get("message_id")),
        ),
        *(commit, dump(parsed.get("vcs")), contract.metadata_text(message), _text(parsed.get("captured_at"))),
        *(
            agent if isinstance(agent, str) else None,
            tree,
            _number(parsed.get("files")),
            _number(parsed.get("bytes_new")),
        ),
        dump(parsed.get("skipped")),
    )


def _snapshot_by_subject(message: bytes, snapshot_id: str, commit: str, workspace_id: str, when: str) -> Snapshot:
    """The row of a commit by agent-rollouts 0.1, which has a subject only."""
    subject = message.decode(errors="replace").partition("\n")[0].removeprefix("snapshot ")
    session_id, _, message_id = subject.partition(" message ")
    return Snapshot(
        snapshot_id, workspace_id, session_id, message_id or snapshot_id, commit, '{"vcs":null}', "{}", when
    )


def row_of(store: GitStore, workspace_id: str, snapshot_id: str, commit: str) -> Snapshot:
    """The row that belongs to a ref, from its commit alone.

    Raises:
        RolloutsError: the store lacks the commit, or it is no snapshot's.
    """
    message = store.commit_message(commit)
    try:
        row = snapshot_of(message, store.tree_of(commit), commit, workspace_id)
    except ValueError as error:
        raise RolloutsError(f"commit {commit} of {store.path} is not a snapshot's: {error}") from error
    return row or _snapshot_by_subject(message, snapshot_id, commit, workspace_id, store.commit_time(commit))


class _Known:
    """Rows of older copies of the catalog, for what the commits of agent-rollouts 0.1 do not say."""

    def __init__(self, paths: list[str]) -> None:
        self.paths = [path for path in paths if os.path.exists(path)]
        self.workspaces: dict[str, Workspace] = {}
        self.snapshots: dict[str, Snapshot] = {}
        for path in self.paths:
            workspaces, snapshots = rows_of_another(path)
            self.workspaces |= workspaces
            self.snapshots |= snapshots


def stores(home: Home) -> Iterator[tuple[str, GitStore]]:
    """(workspace id, store) of each store in a home."""
    names = sorted(os.listdir(home.workspaces)) if os.path.isdir(home.workspaces) else []
    for name in names:
        store = GitStore(home.store(name))
        if "." not in name and store.exists():
            yield name, store


def _rows_of(
    store: GitStore, workspace_id: str, known: _Known, unreadable: list[str]
) -> tuple[Workspace, list[Snapshot]]:
    workspace = known.workspaces.get(workspace_id)
    found = []
    newest = ""
    for snapshot_id, commit in store.refs().items():
        try:
            message, tree, when = store.commit_message(commit), store.tree_of(commit), store.commit_time(commit)
            row = snapshot_of(message, tree, commit, workspace_id) or known.snapshots.get(snapshot_id)
            found.append(row or _snapshot_by_subject(message, snapshot_id, commit, workspace_id, when))
            here = workspace_of(message, workspace_id)
            if here and here.created_at > newest:
                workspace, newest = here, here.created_at
        except (RolloutsError, ValueError) as error:
            unreadable.append(f"snapshot {snapshot_id} of store {store.path}: {error}")
    unknown = Workspace(
        workspace_id, f"(unknown) {workspace_id}", None, min((row.captured_at for row in found), default=""), None
    )
    return workspace or unknown, sorted(found, key=lambda row: row.captured_at)


def _register(catalog: Catalog, workspace: Workspace, store: GitStore) -> Workspace:
    """Two stores may be of one root: the second keeps its snapshots under a name of its own. Returns what stands."""
    standing = catalog.add_workspace(workspace, store.path)
    if standing.id == workspace.id:
        return standing
    return catalog.add_workspace(workspace._replace(root_path=f"{workspace.root_path} ({workspace.id})"), store.path)


def take_in(catalog: Catalog, home: Home, workspace_id: str) -> Workspace:
    """Gives a store that came from elsewhere its rows, all or none. Returns its workspace.

    Raises:
        RolloutsError: a commit is no snapshot's, or a session belongs to another workspace here.
    """
    store = GitStore(home.store(workspace_id))
    unreadable: list[str] = []
    workspace, rows = _rows_of(store, workspace_id, _Known([]), unreadable)
    if unreadable:
        raise RolloutsError(unreadable[0])
    with catalog:
        standing = _register(catalog, workspace, store)
        deleted = catalog.deletions(workspace_id)
        for row in rows:
            if row.id not in deleted:  # a killed deletion has left its ref
                catalog.add_snapshot(row)
    return standing


def fill(catalog: Catalog, home: Home, older: list[str]) -> Rebuilt:
    """Fills a fresh catalog from the stores of a home.

    Args:
        catalog: current and without rows.
        home: where the stores are.
        older: paths of older copies of the catalog, the best last; they need not be there or be whole.
    """
    known = _Known(older)
    unreadable: list[str] = []
    workspaces = snapshots = 0
    for workspace_id, store in stores(home):
        workspace, rows = _rows_of(store, workspace_id, known, unreadable)
        with catalog:
            _register(catalog, workspace, store)
        workspaces += 1
        for row in rows:
            try:
                with catalog:
                    catalog.add_snapshot(row)
                snapshots += 1
            except RolloutsError as error:  # a turn that a killed capture stored once more
                unreadable.append(str(error))
    for path in reversed(known.paths):  # the first one to say something is believed
        try:
            catalog.adopt_settings(path)
        except RolloutsError as error:
            unreadable.append(f"archive URLs and remote defaults in {path}: {error}")
        from rollouts.storage import sessions  # noqa: PLC0415 - a first capture makes a catalog, and needs none of it

        with contextlib.suppress(RolloutsError):  # `import` reads again what agents still have
            sessions.adopt(catalog, path)
    return Rebuilt(workspaces, snapshots, unreadable)
