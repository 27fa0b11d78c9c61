"""The archive of a home: its locks, its catalog, its stores; the only room where a row and a ref are written together.

Order of writes: objects, then the ref, then the row. A crash in between leaves objects or a ref that nothing lists; the
note in the workspace's lock file tells the next holder, who sweeps and, when the ref was there, adds its row.
"""

from __future__ import annotations

import os
import time
from types import TracebackType

from rollouts.contracts import commit as contract
from rollouts.errors import DamagedCatalogError, RolloutsError
from rollouts.models import Selection, Snapshot, Turn, Workspace
from rollouts.paths import Home, is_inside
from rollouts.record import Record
from rollouts.storage import clock, workspace
from rollouts.storage.catalog import Catalog
from rollouts.storage.git_store import GitStore
from rollouts.storage.lock import FolderGoneError, Lock
from rollouts.storage.workspace import Place

TYPE_CHECKING = False
if TYPE_CHECKING:  # as `typing` has it, whose import would cost 6 ms
    from rollouts.storage.capture import Captured


class Taken(Record):
    """The outcome of `Archive.snapshot`."""

    snapshot: Snapshot
    workspace: Workspace
    is_new: bool


class GoneError(RolloutsError):
    """A workspace was deleted while its lock was waited for."""


class UnknownWorkspaceError(RolloutsError):
    """A path lies in no workspace that is registered."""


class WorkspaceLock(Lock):
    """The lock of a workspace that is registered still."""

    def __init__(self, folder: str, catalog: Catalog, record: Workspace) -> None:
        super().__init__(f"{folder}/lock", f"workspace {record.root_path}")
        self._folder = folder
        self._catalog = catalog
        self._record = record

    def acquire(self) -> None:
        """Waits for the lock and takes it.

        Raises:
            BusyError: it could not be had in time.
            GoneError: the workspace is deleted by now.
        """
        gone = GoneError(f"{self.what} was deleted meanwhile; `rollouts list` shows what is there")
        os.makedirs(self._folder, exist_ok=True)
        try:
            super().acquire()
        except FolderGoneError:
            raise gone from None
        if self._catalog.workspace(self._record.id) is None:
            if os.listdir(self._folder) == ["lock"]:  # made above, for nobody
                os.unlink(self.path)
                os.rmdir(self._folder)
            self.release()
            raise gone


class Archive:
    """An open home. Use it in a `with` block; `opening.opened` makes one."""

    def __init__(self, home: Home, catalog: Catalog, lock: Lock | None, notes: list[str]) -> None:
        self.home = home
        self.catalog = catalog
        self._lock = lock
        self.notes = notes
        """What happened on opening that the user should hear of."""

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.catalog.close()
        if self._lock:
            self._lock.release()

    def store(self, workspace_id: str) -> GitStore:
        return GitStore(self.home.store(workspace_id))

    def locked(self, record: Workspace) -> Lock:
        """The lock of whoever writes in a workspace's store."""
        return WorkspaceLock(self.home.workspace(record.id), self.catalog, record)

    def reading(self, record: Workspace, *, shared: bool = True) -> Lock:
        """Held (shared) while objects are read, so that none is dropped meanwhile (which takes it alone)."""
        path = f"{self.home.workspace(record.id)}/reading.lock"
        if not os.access(os.path.dirname(path), os.W_OK):
            path = os.devnull  # nobody can drop anything from a store that cannot be written
        return Lock(path, f"workspace {record.root_path}", shared=shared)

    # Which workspace

    def locate(self, path: str, *, force: bool = False) -> Place:
        """The workspace to capture for a path: the registered one it lies in, else its git work tree, else itself.

        Raises:
            UsageError: the path is no directory.
            RolloutsError: its root is never captured, or only with `force`.
        """
        place = workspace.find(path)
        root = self._registered_between(os.path.realpath(os.fsencode(path)), place.root)
        if root not in {None, place.root}:
            place = Place(root or place.root, None)
        workspace.refuse(place.root, self.home, force=force)
        return place

    def _registered_between(self, path: bytes, root: bytes) -> bytes | None:
        """The nearest registered root at or above a path, up to `root`."""
        while is_inside(path, root):
            if self.catalog.workspace_at(os.fsdecode(path)):
                return path
            if path == b"/":
                break
            path = os.path.dirname(path)
        return None

    def registered(self, path: str) -> Workspace:
        """The workspace that a path lies in, whether or not the directory is still there.

        Raises:
            UnknownWorkspaceError: none is registered.
        """
        asked = os.path.realpath(os.fsencode(path))
        place = workspace.find(path) if os.path.isdir(path) else None
        # a repository of its own is never taken for the plain directory around it
        found = self._registered_between(asked, place.root if place and place.git_dir else b"/")
        record = found and self.catalog.workspace_at(os.fsdecode(found))
        if not record:
            raise UnknownWorkspaceError(
                f"workspace is not initialized: {os.fsdecode(asked)}; `rollouts list` shows those that are"
            )
        return record

    # Which snapshot

    def find(self, selection: Selection) -> tuple[Workspace, Snapshot]:
        """The one snapshot that a selection names: in one word (`naming`), or by session and message.

        The message `latest` is the session's newest, unless a message has that id.

        Raises:
            RolloutsError: there is none, or more than one.
        """
        if selection.snapshot_id:
            from rollouts.storage import naming  # noqa: PLC0415 - a capture names none

            snapshot = naming.snapshot_named(self.catalog, selection.snapshot_id)
        else:
            snapshot = self._by_turn(selection)
        record = self.catalog.workspace(snapshot.workspace_id)
        if record is None:
            raise DamagedCatalogError(
                f"the catalog lacks workspace {snapshot.workspace_id}; run `rollouts doctor --repair`"
            )
        return record, snapshot

    def _by_turn(self, selection: Selection) -> Snapshot:
        session_id, message_id = selection.session_id or "", selection.message_id or ""
        record = self.registered(selection.path)
        found = self.catalog.snapshot(record.id, session_id, message_id)
        if not found and message_id == "latest":
            found = self.catalog.latest(record.id, session_id)
        if not found:
            raise RolloutsError(
                f"no snapshot found for session {session_id!r} and message {message_id!r};"
                " `rollouts list --session S` shows those that are there"
            )
        return found

    # Capture

    def snapshot(self, place: Place, turn: Turn) -> Taken:
        """Captures the workspace, unless this turn of it is stored already, or has no news where only news is wanted.

        A failure is noted beside the store (`failures`).

        Raises:
            RolloutsError: the session belongs to another workspace, or the capture failed; nothing is recorded then.
        """
        try:
            return self._snapshot(place, turn)
        except (RolloutsError, OSError) as error:
            self.note_failure(place, turn, error)
            raise

    def _snapshot(self, place: Place, turn: Turn) -> Taken:
        while True:
            record = self._workspace_for(place, turn)
            known = self.catalog.snapshot(record.id, turn.session_id, turn.message_id)
            if known:
                return Taken(known, record, is_new=False)
            try:
                with self.locked(record) as lock:
                    return self.take(place, record, turn, lock)
            except GoneError:
                continue  # it is registered anew

    def note_failure(self, place: Place, turn: Turn, error: RolloutsError | OSError) -> None:
        """Leaves a note for `status`; the failure itself is what matters, and is told whatever becomes of this."""
        from rollouts.storage import failures  # noqa: PLC0415 - only for a failure

        try:
            record = self.catalog.workspace_at(os.fsdecode(place.root))
            if record:
                failures.note(self.home.workspace(record.id), failures.Failure.of(turn, clock.now(), error))
        except (RolloutsError, OSError):
            return

    def take(self, place: Place, record: Workspace, turn: Turn, lock: Lock) -> Taken:
        """`snapshot` for who holds the lock of the workspace already."""
        store = self.store(record.id)
        if not store.exists() and self.catalog.snapshots(record.id):
            self.notes.append(
                f"the store of {record.root_path} is missing and is made anew; its older snapshots are lost"
                " (`rollouts doctor` says which)"
            )
        store.ensure()
        self.recover(record, lock)
        known = self.catalog.snapshot(record.id, turn.session_id, turn.message_id)
        if known:
            return Taken(known, record, is_new=False)
        try:
            return self._capture(place, record, turn, lock)
        except (RolloutsError, OSError):
            store.sweep()
            lock.write(b"")
            raise

    def _workspace_for(self, place: Place, turn: Turn) -> Workspace:
        root = os.fsdecode(place.root)
        record = self.catalog.workspace_at(root) or self._moved_here(place)
        owner = self.catalog.workspace_of_session(turn.session_id)
        if owner and (record is None or owner.id != record.id):
            gone = (
                ""
                if os.path.lexists(owner.root_path)
                else f"; if it moved here: rollouts workspace move {owner.root_path} {root}"
            )
            raise RolloutsError(
                f"session {turn.session_id!r} is already associated with workspace {owner.root_path}"
                f" and cannot be snapshotted under {root}{gone}"
            )
        return record or self._added(place)

    def _added(self, place: Place) -> Workspace:
        new = Workspace(os.urandom(16).hex(), os.fsdecode(place.root), None, clock.now(), workspace.identity(place))
        with self.catalog:
            return self.catalog.add_workspace(new, self.home.store(new.id))

    def register(self, place: Place) -> Workspace:
        """The workspace of a directory, made when it is new."""
        return self.catalog.workspace_at(os.fsdecode(place.root)) or self._moved_here(place) or self._added(place)

    def _moved_here(self, place: Place) -> Workspace | None:
        """The workspace whose directory is this one under a new name, where that is certain.

        Its old root is gone, device and inode are the same (an inode alone may be used again), and most files still
        have the inode and change time that the kept index recorded, which only a rename leaves as they were.
        """
        here = workspace.identity(place)
        for record in self.catalog.workspaces():
            store = self.store(record.id)
            if record.identity != here or os.path.lexists(record.root_path) or not store.index_exists():
                continue
            if len(store.unsettled(place.root)) * 2 < len(store.indexed()):
                with self.catalog:
                    self.catalog.move_workspace(record.id, os.fsdecode(place.root), here)
                self.notes.append(f"workspace {record.root_path} has moved to {os.fsdecode(place.root)}")
                return self.catalog.workspace(record.id)
        return None

    def move(self, old: str, new: str) -> Workspace:
        """Gives a workspace its directory's new place.

        Raises:
            UsageError: the new place is no directory.
            RolloutsError: there is no such workspace, or the new place has one of its own.
        """
        place = self.locate(new, force=True)
        root = os.fsdecode(place.root)
        record = self.registered(old)
        if self.catalog.workspace_at(root):
            raise RolloutsError(f"{root} is a workspace already; `rollouts delete {root}` makes room for another")
        with self.catalog:
            self.catalog.move_workspace(record.id, root, workspace.identity(place))
        return record._replace(root_path=root)

    def look(self, place: Place, record: Workspace, lock: Lock) -> Captured:
        """The workspace's files as they are now, as a tree in its store, without commit, ref or row.

        The store's kept index holds what is in the tree until a later capture. The caller holds the lock.

        Raises:
            RolloutsError: the files cannot be captured.
        """
        from rollouts.storage import capture  # noqa: PLC0415 - reading needs none of it

        store = self.store(record.id)
        store.ensure()
        self.recover(record, lock)
        lock.write(b"looking")
        try:
            limits = capture.limits(self.home, place.root)
            captured = capture.capture(place, store, limits, self.home.kept(record.id), for_turn=False)
        except (RolloutsError, OSError):
            store.sweep()
            lock.write(b"")
            raise
        lock.write(b"")
        return captured

    def _capture(self, place: Place, record: Workspace, turn: Turn, lock: Lock) -> Taken:
        from rollouts.storage import capture  # noqa: PLC0415 - a turn that is stored already needs none of it

        store = self.store(record.id)
        snapshot_id = os.urandom(16).hex()
        lock.write(snapshot_id.encode())
        captured_at = clock.now()
        vcs = workspace.vcs(place)
        captured = capture.capture(place, store, capture.limits(self.home, place.root), self.home.kept(record.id))
        last = self.catalog.latest(record.id, turn.session_id) if turn.only_news else None
        if last and last.tree == captured.tree:
            lock.write(b"")
            return Taken(last, record, is_new=False)
        draft = Snapshot(
            *(snapshot_id, record.id, turn.session_id, turn.message_id, ""),
            *(vcs, turn.metadata, captured_at, turn.agent),
            *(captured.tree, captured.files, captured.bytes_new, contract.skipped_json(captured.facts)),
        )
        commit = store.commit(captured.tree, contract.message(draft, record, captured.facts), int(time.time()))
        snapshot = draft._replace(store_commit_sha=commit)
        here = workspace.identity(place)
        store.write_ref(snapshot_id, commit)
        try:
            with self.catalog:
                self.catalog.add_snapshot(snapshot)
                if record.identity != here:
                    self.catalog.note_identity(record.id, here)
        except RolloutsError:  # not Ctrl-C: it may come when the row is there, which must not lose its ref
            store.drop_ref(snapshot_id)
            raise
        lock.write(b"")
        return Taken(snapshot, record, is_new=True)

    def tree_now(self, place: Place, record: Workspace) -> Captured:
        """`look`, for who does not hold the workspace's lock."""
        with self.locked(record) as lock:
            return self.look(place, record, lock)

    def recover(self, record: Workspace, lock: Lock) -> None:
        """Clears up after a holder of the workspace's lock that was killed; the caller holds it now."""
        note = lock.read()
        if note:
            from rollouts.storage import after_crash  # noqa: PLC0415 - only after a crash

            after_crash.recover(self.home, self.catalog, record, note)
            lock.write(b"")
