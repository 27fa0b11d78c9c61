"""A stored turn back in the workspace itself, and taking that back.

First a safety snapshot, then the differing paths alone. What no snapshot holds is never touched, so that all that was
on disk before can be had again: `undo` goes back to the safety snapshot, after one of its own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rollouts.contracts.strict_json import dump
from rollouts.errors import InterruptedMidwayError, RolloutsError
from rollouts.models import Snapshot, Turn, Workspace, safety_session
from rollouts.paths import is_inside, relative_to
from rollouts.record import Record
from rollouts.storage import planning, replacing
from rollouts.storage.after_crash import CHANGING
from rollouts.storage.archive import Archive
from rollouts.storage.content import Content, checked, content
from rollouts.storage.lock import Lock
from rollouts.storage.planning import Change, Gone, Plan, Skip
from rollouts.storage.scratch import scratch, sweep
from rollouts.storage.workspace import Place


class Aim(Record):
    """What the workspace shall become."""

    snapshot: Snapshot
    globs: Sequence[str]
    undone: Snapshot | None
    """The safety snapshot whose restore is taken back; None for a restore."""


class Result(Record):
    """What was done, or would be."""

    workspace: Workspace
    snapshot: Snapshot
    safety: Snapshot | None
    """What the workspace was before; None when nothing had to change."""
    changes: list[Change]
    skipped: list[Skip]
    notes: list[str]


def last_operation(archive: Archive, workspace: Workspace) -> Aim:
    """What taking back the last restore (or undo) in a workspace means.

    Raises:
        RolloutsError: there was none.
    """
    safety = archive.catalog.latest(workspace.id, safety_session(workspace.id))
    if safety is None:
        raise RolloutsError(
            f"nothing to undo in {workspace.root_path}; `rollouts restore --in-place` is what can be undone"
        )
    return Aim(safety, _globs(safety), safety)


def _globs(safety: Snapshot) -> list[str]:
    named = json.loads(safety.metadata).get("paths")
    return [glob for glob in named if isinstance(glob, str)] if isinstance(named, list) else []


def _brought(archive: Archive, undone: Snapshot, notes: list[str]) -> Content:
    """What the restore that is taken back put there."""
    target = str(json.loads(undone.metadata).get("snapshot_id"))
    found = archive.catalog.snapshots_by_id(target)
    if not found:
        notes.append(f"snapshot {target} is deleted since; files that its restore brought stay where they are")
        return Content([], [], None)
    return content(archive.store(undone.workspace_id), found[0])


class _Change:
    """One change of a workspace, whose lock is held."""

    def __init__(self, archive: Archive, workspace: Workspace, aim: Aim, lock: Lock) -> None:
        self._archive = archive
        self._workspace = workspace
        self._aim = aim
        self._lock = lock
        self._root = os.fsencode(workspace.root_path)
        self._place = self._located()
        self._store = archive.store(workspace.id)
        self._notes: list[str] = []
        self._want, self._gone = self._wanted()

    def _located(self) -> Place:
        root = self._workspace.root_path
        if not os.path.isdir(root):
            raise RolloutsError(f"the workspace {root} is not there; `--dest DIR` restores to another place")
        return self._archive.locate(root, force=True)

    @contextmanager
    def _index(self) -> Iterator[str]:
        """A file for git's use."""
        folder = self._archive.home.workspace(self._workspace.id)
        sweep(folder)
        with scratch(folder) as room:
            yield f"{room}/index"

    def _wanted(self) -> tuple[Content, Gone]:
        """What shall be there, and what shall not."""
        want = content(self._store, self._aim.snapshot)
        brought = _brought(self._archive, self._aim.undone, self._notes) if self._aim.undone else Content([], [], None)
        files, dirs = {entry.path for entry in want.entries}, want.dirs()
        gone = Gone({entry.path for entry in brought.entries} - files, brought.dirs() - dirs)
        if not self._aim.globs:
            return want, gone
        with self._index() as index:
            chosen = self._store.matching(sorted(files | dirs | gone.files | gone.dirs), self._aim.globs, index)
        return want.only(chosen), Gone(gone.files & chosen, gone.dirs & chosen)

    def _plan(self, now: Content) -> Plan:
        home = os.fsencode(self._archive.home.path)
        forbidden = relative_to(home, self._root) if is_inside(home, self._root) else b""
        with self._index() as index:
            return planning.plan(
                self._store, self._root, now, self._want, gone=self._gone, forbidden=forbidden, index=index
            )

    def planned(self) -> Result:
        """What would change."""
        captured = self._archive.look(self._place, self._workspace, self._lock)
        facts = captured.facts
        plan = self._plan(checked(self._store.entries(captured.tree), facts.empty_dirs, facts.modes))
        return Result(self._workspace, self._aim.snapshot, None, plan.changes, plan.skipped, self._notes)

    def _turn(self) -> Turn:
        session = safety_session(self._workspace.id)
        number = 1
        while self._archive.catalog.snapshot(self._workspace.id, session, str(number)):
            number += 1
        what = {
            "operation": "undo" if self._aim.undone else "restore",
            "snapshot_id": self._aim.snapshot.id,
            "paths": list(self._aim.globs),
        }
        return Turn(session, str(number), dump(what))

    def made(self, *, verify: bool) -> Result:
        """Changes the workspace.

        Raises:
            RolloutsError: as `change`; also when what was written, read again, is something else.
        """
        planned = self.planned()
        if not planned.changes:
            return planned
        safety = self._archive.take(self._place, self._workspace, self._turn(), self._lock).snapshot
        plan = self._plan(content(self._store, safety))
        self._lock.write(CHANGING)
        try:
            outcome = replacing.carry_out(self._store, self._root, plan, self._want, self._aim.snapshot.id)
        except KeyboardInterrupt as error:
            raise InterruptedMidwayError("interrupted; `rollouts undo` brings back what was there") from error
        self._lock.write(b"")  # after a failure the next holder clears up, where this one was kept from it
        if verify:
            self._verify(outcome.done)
        return Result(self._workspace, self._aim.snapshot, safety, outcome.done, outcome.skipped, self._notes)

    def _verify(self, done: list[Change]) -> None:
        written = {change.path for change in done}
        entries = [entry for entry in self._want.entries if entry.path in written]
        with self._index() as index:
            wrong = self._store.differing(entries, self._root, index) if entries else []
        if wrong:
            raise RolloutsError(
                f"what was written differs from the snapshot in {len(wrong)} files, {os.fsdecode(wrong[0])!r} first;"
                " `rollouts undo` brings back what was there"
            )


def change(archive: Archive, workspace: Workspace, aim: Aim, *, dry_run: bool, verify: bool = False) -> Result:
    """Gives a workspace a snapshot's files, or takes that back.

    Paths that the snapshot does not know stay, unless an undo finds that the restore brought them. HEAD, branches and
    the user's index are not touched.

    Args:
        archive: the home.
        workspace: the snapshot's own.
        aim: what it shall become.
        dry_run: only say what would change.
        verify: read back and hash what was written.

    Raises:
        RolloutsError: nothing was changed: the snapshot is damaged, the disk is full, the workspace is not there.
    """
    with archive.locked(workspace) as lock, archive.reading(workspace):
        archive.recover(workspace, lock)
        work = _Change(archive, workspace, aim, lock)
        return work.planned() if dry_run else work.made(verify=verify)
