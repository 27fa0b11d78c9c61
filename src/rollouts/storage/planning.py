"""What must change on disk to turn the files of a workspace into a snapshot's. It only looks.

Nothing that no snapshot holds is ever in a plan: a path where such a file is in the way is skipped, with the reason.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator

from rollouts.record import Record
from rollouts.storage.content import EXECUTABLE, LINK, Content, prefixes
from rollouts.storage.git_store import Entry, GitStore

CREATED, REPLACED, DELETED, MODE = "created", "replaced", "deleted", "mode"
MADE, REMOVED = "directory made", "directory removed"

Stamp = tuple[int, int, int, int]
"""Inode, mode, size and change time (ns): another one means that the file was touched."""


class Change(Record):
    """One thing to do; `path` is from the workspace's root, which is `b"."` itself."""

    path: bytes
    action: str
    seen: Stamp | None = None
    """What is there now; None for nothing."""
    bits: int | None = None
    """The permission bits that it shall have, where they are known."""


class Skip(Record):
    """A path that stays as it is, though the snapshot has it otherwise."""

    path: bytes
    reason: str


class Gone(Record):
    """What shall not be there afterwards."""

    files: set[bytes]
    dirs: set[bytes]
    """As far as nothing else is in them."""


class Plan(Record):
    """The changes in the order in which they are made."""

    changes: list[Change]
    skipped: list[Skip]


def stamp(status: os.stat_result | None) -> Stamp | None:
    """What a status says of a file's identity."""
    return (status.st_ino, status.st_mode, status.st_size, status.st_ctime_ns) if status else None


def status_of(path: bytes) -> os.stat_result | None:
    """A path's own status; None when there is nothing."""
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _executable(bits: int, mode: bytes) -> int:
    """A file's permission bits with git's exec bit: whoever may read it may run it, or nobody."""
    return bits | (bits & 0o444) >> 2 if mode == EXECUTABLE else bits & ~0o111


_THERE, _ABSENT, _FREED = "there", "absent", "freed"


class _Planner:
    def __init__(self, root: bytes, now: Content, want: Content, forbidden: bytes) -> None:
        self._root = root
        self._now = {entry.path: entry for entry in now.entries}
        self._want = want
        self._bits = want.bits()
        self._forbidden = forbidden
        self._dirs = {b"": _THERE}
        """Directory -> one of the states above, or the reason why nothing can be written in it."""
        self._real: dict[bytes, bool] = {}
        self.unsure: list[Entry] = []
        """Files of the snapshot where a file is that no snapshot holds; the content may be the same."""
        self.deletes: dict[bytes, Change] = {}
        self.writes: list[Change] = []
        self.removals: list[Change] = []
        self.modes: list[Change] = []
        self.skipped: list[Skip] = []

    def _status(self, path: bytes) -> os.stat_result | None:
        return status_of(self._root + b"/" + path)

    def _directory(self, path: bytes) -> str:
        """The state of a directory that the snapshot has; a file in its place goes, if a snapshot holds it."""
        if path not in self._dirs:
            outer = self._directory(path.rpartition(b"/")[0])
            self._dirs[path] = self._state(path) if outer == _THERE else _ABSENT if outer == _FREED else outer
        return self._dirs[path]

    def _state(self, path: bytes) -> str:
        status = self._status(path)
        if path == self._forbidden:
            return "it lies in the Rollouts home"
        if status is None:
            return _ABSENT
        if stat.S_ISDIR(status.st_mode):
            return _THERE
        if path not in self._now:
            return f"{os.fsdecode(path)} is in the way, and no snapshot holds it"
        self.deletes[path] = Change(path, DELETED, stamp(status))
        return _FREED

    def file(self, entry: Entry) -> None:
        """Plans one file of the snapshot."""
        try:
            self._file(*entry)
        except OSError as error:  # a directory on the way may not be searched
            self.skipped.append(Skip(entry.path, error.strerror or str(error)))

    def _file(self, mode: bytes, oid: bytes, path: bytes) -> None:
        state = self._directory(path.rpartition(b"/")[0])
        status = self._status(path) if state == _THERE else None
        held = self._now.get(path)
        if state not in {_THERE, _ABSENT, _FREED}:
            self.skipped.append(Skip(path, state))
        elif status is None:
            self.writes.append(Change(path, CREATED, None, self._bits.get(path)))
        elif stat.S_ISDIR(status.st_mode):
            self._instead_of_directory(path)
        elif held is None:
            self.unsure.append(Entry(mode, oid, path))
        elif held.oid == oid and (held.mode == LINK) == (mode == LINK):
            self._mode(path, status, mode)
        else:
            bits = self._bits.get(path)
            if bits is None and stat.S_ISREG(status.st_mode) and mode != LINK:
                bits = _executable(stat.S_IMODE(status.st_mode), mode)
            self.writes.append(Change(path, REPLACED, stamp(status), bits))

    def _mode(self, path: bytes, status: os.stat_result, mode: bytes) -> None:
        """Plans the permission bits of a file whose content stays; all of them where they are known, else git's one."""
        if mode == LINK:
            return
        bits = stat.S_IMODE(status.st_mode)
        known = self._bits.get(path)
        wanted = known if known is not None else _executable(bits, mode)
        if (bits if known is None else bits & 0o777) != wanted and (
            known is not None or bool(bits & 0o100) != (mode == EXECUTABLE)
        ):
            self.modes.append(Change(path, MODE, stamp(status), wanted))

    def _instead_of_directory(self, path: bytes) -> None:
        files, dirs = self._below(path)
        foreign = next((name for name in files if name not in self._now), None)
        if foreign is not None:
            reason = f"it is a directory with files that no snapshot holds, {os.fsdecode(foreign)} for one"
            self.skipped.append(Skip(path, reason))
            return
        for name, status in files.items():
            self.deletes[name] = Change(name, DELETED, stamp(status))
        for name in sorted(dirs, reverse=True):
            self.deletes[name] = Change(name, REMOVED)
        self.writes.append(Change(path, CREATED, None, self._bits.get(path)))

    def _below(self, directory: bytes) -> tuple[dict[bytes, os.stat_result], list[bytes]]:
        """Everything in a directory that is no directory, and all directories, itself included."""
        files: dict[bytes, os.stat_result] = {}
        dirs, pending = [directory], [directory]
        while pending:
            here = pending.pop()
            with os.scandir(self._root + b"/" + here) as scan:
                for entry in scan:
                    path = here + b"/" + entry.name
                    if entry.is_dir(follow_symlinks=False):
                        dirs.append(path)
                        pending.append(path)
                    else:
                        files[path] = entry.stat(follow_symlinks=False)
        return files, dirs

    def empty_directory(self, path: bytes) -> None:
        """Plans one directory that the snapshot has without files."""
        try:
            state = self._directory(path)
        except OSError as error:
            state = error.strerror or str(error)
        if state in {_ABSENT, _FREED}:
            self.writes.append(Change(path, MADE, None, self._bits.get(path)))
        elif state != _THERE:
            self.skipped.append(Skip(path, state))

    def directory_bits(self) -> None:
        """Plans the permission bits of directories that are there already, the deepest first."""
        if not self._bits:
            return
        for path in (*sorted(self._want.dirs(), reverse=True), b"."):
            status = self._status(path) if path == b"." or self._dirs.get(path) == _THERE else None
            if status and stat.S_IMODE(status.st_mode) & 0o777 != self._bits[path]:
                self.modes.append(Change(path, MODE, stamp(status), self._bits[path]))

    def gone(self, gone: Gone) -> None:
        """Plans that files and directories go, as far as a snapshot holds them and nothing else is in them."""
        for path in sorted(gone.files):
            status = self._status(path) if all(map(self._is_real, prefixes(path))) else None
            if path in self._now and status and not stat.S_ISDIR(status.st_mode):
                self.deletes.setdefault(path, Change(path, DELETED, stamp(status)))
        leaving = set(self.deletes)
        for path in sorted(filter(self._is_real, gone.dirs), reverse=True):
            inside = os.listdir(self._root + b"/" + path)
            if all(path + b"/" + name in leaving for name in inside) and path not in leaving:
                leaving.add(path)
                self.removals.append(Change(path, REMOVED))

    def _is_real(self, directory: bytes) -> bool:
        """Whether it is a directory, and no link leads there."""
        if directory not in self._real:
            status = self._status(directory) if all(map(self._is_real, prefixes(directory))) else None
            self._real[directory] = status is not None and stat.S_ISDIR(status.st_mode)
        return self._real[directory]


def _without_touched(changes: Iterable[Change], touched: set[bytes], skipped: list[Skip]) -> Iterator[Change]:
    for change in changes:
        if change.path in touched and change.seen is not None:
            skipped.append(Skip(change.path, "it was changed while the restore began"))
        else:
            yield change


def plan(
    store: GitStore,
    root: bytes,
    now: Content,
    want: Content,
    *,
    gone: Gone,
    forbidden: bytes,
    index: str,
) -> Plan:
    """The changes that give a workspace a snapshot's files.

    Args:
        store: the workspace's store, whose kept index was just brought up to date.
        root: of the workspace.
        now: what the workspace was captured as a moment ago.
        want: what it shall hold; paths that are not in it stay.
        gone: what shall not be there afterwards.
        forbidden: the Rollouts home, from the root; empty when it is elsewhere.
        index: a file for git's use.
    """
    planner = _Planner(root, now, want, forbidden)
    for entry in want.entries:
        planner.file(entry)
    for path in want.empty_dirs:
        planner.empty_directory(path)
    planner.gone(gone)
    planner.directory_bits()
    if planner.unsure:
        for path in store.differing(planner.unsure, root, index):
            planner.skipped.append(Skip(path, "what is there is in no snapshot: it is ignored, perhaps, or too large"))
    touched = store.unsettled(root)
    ordered = (*planner.deletes.values(), *planner.writes, *planner.removals, *planner.modes)
    changes = list(_without_touched(ordered, touched, planner.skipped))
    return Plan(changes, planner.skipped)
