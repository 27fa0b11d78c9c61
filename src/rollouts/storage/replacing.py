"""Carries out a plan in a workspace, path by path: each is as before or as after, whatever happens in between."""

from __future__ import annotations

import errno
import os
import stat

from rollouts.errors import CommandError, RolloutsError
from rollouts.paths import USER_UMASK
from rollouts.record import Record
from rollouts.storage.content import Content, prefixes
from rollouts.storage.git_store import GitStore
from rollouts.storage.planning import (
    CREATED,
    DELETED,
    MADE,
    MODE,
    REMOVED,
    REPLACED,
    Change,
    Plan,
    Skip,
    stamp,
    status_of,
)
from rollouts.storage.scratch import not_written, scratch, umask


class Outcome(Record):
    done: list[Change]
    skipped: list[Skip]
    """With what the plan skipped already."""


class _Work:
    """One plan being carried out below `root`; the new files lie ready below `ready`."""

    def __init__(self, root: bytes, ready: bytes, want: Content) -> None:
        self._root = root
        self._ready = ready
        self._bits = want.bits()
        self._made: list[bytes] = []

    def do(self, change: Change) -> bool:
        """Makes one change. False when there was no need for it any more.

        Raises:
            OSError: it cannot be made.
            RolloutsError: the path was changed since it was planned.
        """
        path = self._root + b"/" + change.path
        if change.action == REMOVED:
            return self._remove_directory(path)
        if change.action == MADE:
            self._make_directories([*prefixes(change.path), change.path])
            return True
        if stamp(status_of(path)) != change.seen:
            raise RolloutsError("it was changed meanwhile")
        if change.action == DELETED:
            os.unlink(path)
        elif change.action == MODE:
            os.chmod(path, change.bits or 0)
        else:
            self._make_directories([*prefixes(change.path)])
            ready = self._ready + b"/" + change.path
            if change.bits is not None and not stat.S_ISLNK(os.lstat(ready).st_mode):
                os.chmod(ready, change.bits)
            os.rename(ready, path)
        return True

    def _make_directories(self, paths: list[bytes]) -> None:
        for directory in paths:
            path = self._root + b"/" + directory
            try:
                os.mkdir(path)
            except FileExistsError:
                if not stat.S_ISDIR(os.lstat(path).st_mode):
                    raise
            else:
                self._made.append(directory)

    def _remove_directory(self, path: bytes) -> bool:
        try:
            os.rmdir(path)
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:  # something else is in it
                return False
            raise
        return True

    def finish(self) -> None:
        """Gives the directories that were made the permission bits that they had, the deepest first."""
        for directory in reversed(self._made):
            if directory in self._bits:
                os.chmod(self._root + b"/" + directory, self._bits[directory])


def carry_out(store: GitStore, root: bytes, plan: Plan, want: Content, snapshot_id: str) -> Outcome:
    """Makes the changes of a plan, one by one; one that fails does not stop the others.

    Raises:
        RolloutsError: the new files could not be made ready, on a full disk for instance; nothing is changed then.
    """
    wanted = {change.path for change in plan.changes if change.action in {CREATED, REPLACED}}
    done: list[Change] = []
    skipped = list(plan.skipped)
    with scratch(os.fsdecode(root)) as room, umask(USER_UMASK):
        ready = os.fsencode(f"{room}/tree")
        os.mkdir(ready)
        entries = [entry for entry in want.entries if entry.path in wanted]
        try:
            if entries:
                store.check_out_files(entries, ready, f"{room}/index")
        except CommandError as error:
            raise not_written(error, snapshot_id, os.fsdecode(root)) from error
        work = _Work(root, ready, want)
        for change in plan.changes:
            try:
                if work.do(change):
                    done.append(change)
            except (OSError, RolloutsError) as error:
                skipped.append(Skip(change.path, getattr(error, "strerror", None) or str(error)))
        work.finish()
    return Outcome(done, skipped)
