"""What a snapshot puts on disk, checked: nothing in a store is trusted, for an archive may come from anywhere."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from rollouts.contracts import commit as contract
from rollouts.contracts.commit import Modes
from rollouts.errors import RolloutsError
from rollouts.models import Snapshot
from rollouts.record import Record
from rollouts.storage.git_store import Entry, GitStore

FILE, EXECUTABLE, LINK = b"100644", b"100755", b"120000"
_PERMISSIONS = 0o777  # setuid, setgid and sticky are recorded, never given


class Content(Record):
    """What a snapshot puts on disk."""

    entries: list[Entry]
    empty_dirs: list[bytes]
    modes: Modes | None

    def dirs(self) -> set[bytes]:
        """Every directory but the root."""
        found = {parent for _, _, path in self.entries for parent in prefixes(path)}
        return found | {parent for path in self.empty_dirs for parent in prefixes(path)} | set(self.empty_dirs)

    def only(self, names: set[bytes]) -> Content:
        """The part of it that has these names."""
        entries = [entry for entry in self.entries if entry.path in names]
        return Content(entries, [path for path in self.empty_dirs if path in names], self.modes)

    def bits(self) -> dict[bytes, int]:
        """The permission bits of files and directories (the root is `b"."`), where they are known; links have none."""
        modes = self.modes
        if modes is None:
            return {}
        usual = {FILE: modes.file, EXECUTABLE: modes.executable}
        found = {path: modes.other.get(path, usual[mode]) for mode, _, path in self.entries if mode != LINK}
        found |= {path: modes.other.get(path, modes.dir) for path in (*self.dirs(), b".")}
        return {path: bits & _PERMISSIONS for path, bits in found.items()}


def prefixes(path: bytes) -> Iterator[bytes]:
    """The directories that a path lies in, from the outermost."""
    at = path.find(b"/")
    while at >= 0:
        yield path[:at]
        at = path.find(b"/", at + 1)


def _check_path(path: bytes) -> None:
    parts = path.split(b"/")
    if not all(parts) or b".." in parts or b"." in parts or b"\0" in path or b".git" in map(bytes.lower, parts):
        raise RolloutsError(f"refused: the snapshot holds the path {os.fsdecode(path)!r}, which no restore may write")


def checked(entries: list[Entry], empty_dirs: Iterable[bytes], modes: Modes | None) -> Content:
    """The content, when each path stays below the destination and no file or link stands where a directory must.

    Raises:
        RolloutsError: it does not.
    """
    dirs: set[bytes] = set()
    files: set[bytes] = set()
    for mode, _, path in entries:
        if mode not in {FILE, EXECUTABLE, LINK}:
            raise RolloutsError(f"refused: {os.fsdecode(path)!r} has mode {mode.decode()}, which no snapshot has")
        files.add(path)
        dirs.add(path.rpartition(b"/")[0])
    for directory in list(dirs):
        dirs.update(prefixes(directory))
    for path in empty_dirs:
        dirs.update(prefixes(path))
        dirs.add(path)
    dirs.discard(b"")
    for path in files | dirs:
        _check_path(path)
    if len(files) != len(entries) or files & dirs:
        raise RolloutsError("refused: the snapshot names one path twice, as a file and as a directory perhaps")
    return Content(entries, sorted(empty_dirs), modes)


def content(store: GitStore, snapshot: Snapshot) -> Content:
    """What a snapshot holds, checked.

    Raises:
        DamagedStoreError: part of it is not in the store.
        RolloutsError: it holds what must not be written.
    """
    try:
        parsed = contract.body(store.commit_message(snapshot.store_commit_sha))
        empty_dirs, modes = contract.restorable(parsed) if parsed else ((), None)
    except ValueError as error:
        raise RolloutsError(f"snapshot {snapshot.id} has a commit that cannot be read ({error})") from error
    return checked(store.entries(snapshot.store_commit_sha), empty_dirs, modes)


def part_of(store: GitStore, whole: Content, globs: Sequence[str], index: str) -> Content:
    """The part of a content that git's globs name."""
    return whole.only(store.matching([*(entry.path for entry in whole.entries), *whole.empty_dirs], globs, index))
