"""A stored turn back on disk: whole or not at all, and never outside its destination.

Nothing in a store is trusted here: an archive may come from anywhere. The tree is checked before a file is written.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence

from rollouts.contracts import commit as contract
from rollouts.contracts.commit import Modes
from rollouts.errors import CommandError, RolloutsError
from rollouts.models import Snapshot, Workspace
from rollouts.paths import USER_UMASK
from rollouts.record import Record
from rollouts.storage.archive import Archive
from rollouts.storage.git_store import Entry, GitStore
from rollouts.storage.lock import Lock

_MARK = ".rollouts-restore-"
_FILE, _EXECUTABLE, _LINK = b"100644", b"100755", b"120000"
_LITTLE = 1 << 20
_PERMISSIONS = 0o777  # setuid, setgid and sticky are recorded, never given


class Content(Record):
    """What a snapshot puts on disk."""

    entries: list[Entry]
    empty_dirs: list[bytes]
    modes: Modes | None


class Restored(Record):
    """The outcome of a restore."""

    snapshot: Snapshot
    destination: str
    files: int


def _prefixes(path: bytes) -> Iterator[bytes]:
    at = path.find(b"/")
    while at >= 0:
        yield path[:at]
        at = path.find(b"/", at + 1)


def _check_path(path: bytes) -> None:
    parts = path.split(b"/")
    if not all(parts) or b".." in parts or b"." in parts or b"\0" in path or b".git" in map(bytes.lower, parts):
        raise RolloutsError(f"refused: the snapshot holds the path {os.fsdecode(path)!r}, which no restore may write")


def _checked(entries: list[Entry], empty_dirs: Iterable[bytes], modes: Modes | None) -> Content:
    """The content, when each path stays below the destination and no file or link stands where a directory must.

    Raises:
        RolloutsError: it does not.
    """
    dirs: set[bytes] = set()
    files: set[bytes] = set()
    for mode, _, path in entries:
        if mode not in {_FILE, _EXECUTABLE, _LINK}:
            raise RolloutsError(f"refused: {os.fsdecode(path)!r} has mode {mode.decode()}, which no snapshot has")
        files.add(path)
        dirs.add(path.rpartition(b"/")[0])
    for directory in list(dirs):
        dirs.update(_prefixes(directory))
    for path in empty_dirs:
        dirs.update(_prefixes(path))
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
    return _checked(store.entries(snapshot.store_commit_sha), empty_dirs, modes)


@contextlib.contextmanager
def _umask(mask: int) -> Iterator[None]:
    previous = os.umask(mask)
    try:
        yield
    finally:
        os.umask(previous)


def _fill(store: GitStore, commit: str, chosen: Content, whole: Content, tree: str, index: str) -> None:
    """Writes the chosen files and directories below `tree`: under the user's umask, unless their modes are known."""
    with contextlib.nullcontext() if chosen.modes else _umask(USER_UMASK):
        os.mkdir(tree)
        if len(chosen.entries) == len(whole.entries):
            store.check_out(commit, os.fsencode(tree), index)
        else:
            store.check_out_files(chosen.entries, os.fsencode(tree), index)
        for path in chosen.empty_dirs:
            for directory in (*_prefixes(path), path):  # os.makedirs calls itself for each level: too often for some
                with contextlib.suppress(FileExistsError):
                    os.mkdir(os.fsencode(tree) + b"/" + directory)


def _set_modes(tree: bytes, chosen: Content) -> None:
    """Gives files, then directories from the deepest up, the permission bits that they had; the root comes last."""
    modes = chosen.modes
    if modes is None:
        return
    for mode, _, path in chosen.entries:
        if mode != _LINK:
            usual = modes.executable if mode == _EXECUTABLE else modes.file
            os.chmod(tree + b"/" + path, modes.other.get(path, usual) & _PERMISSIONS)
    dirs = {parent for _, _, path in chosen.entries for parent in _prefixes(path)}
    dirs |= {parent for path in chosen.empty_dirs for parent in _prefixes(path)} | set(chosen.empty_dirs)
    for path in sorted(dirs, reverse=True):
        os.chmod(tree + b"/" + path, modes.other.get(path, modes.dir) & _PERMISSIONS)


def _sweep(parent: str) -> None:
    """Removes what killed restores left beside a destination: marked directories that nobody holds a lock in."""
    for name in os.listdir(parent):
        left = f"{parent}/{name}"
        if name.startswith(_MARK) and os.path.isdir(left) and not os.path.islink(left):
            with contextlib.suppress(RolloutsError, OSError), Lock(f"{left}/lock", left, wait=0):
                _remove(left)


def _remove(folder: str) -> None:
    """Removes a tree of any depth, also one whose directories may not be written."""
    pending, dirs = [os.fsencode(folder)], []
    while pending:
        here = pending.pop()
        dirs.append(here)
        os.chmod(here, 0o700)
        with os.scandir(here) as scan:
            for entry in scan:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                else:
                    os.unlink(entry.path)
    for here in reversed(dirs):
        os.rmdir(here)


def _marked(parent: str) -> tuple[str, Lock]:
    """A fresh marked directory and its lock, held."""
    while True:
        folder = f"{parent}/{_MARK}{os.urandom(8).hex()}"
        os.mkdir(folder, 0o700)
        lock = Lock(f"{folder}/lock", folder)
        try:
            lock.acquire()
        except FileNotFoundError:
            continue  # another restore swept it before it was locked
        return folder, lock


@contextlib.contextmanager
def _scratch(parent: str) -> Iterator[str]:
    """A marked directory beside the destination, gone afterwards whatever happens short of SIGKILL."""
    folder, lock = _marked(parent)
    try:
        yield folder
    finally:
        _remove(folder)
        lock.release()


def _chosen(store: GitStore, whole: Content, globs: Sequence[str], index: str) -> Content:
    """The part of a content that git's globs name."""
    names = store.matching([*(entry.path for entry in whole.entries), *whole.empty_dirs], globs, index)
    return Content(
        [entry for entry in whole.entries if entry.path in names],
        [path for path in whole.empty_dirs if path in names],
        whole.modes,
    )


def _verify(store: GitStore, chosen: Content, tree: str, index: str) -> None:
    """Hashes what was written and compares it with the snapshot.

    Raises:
        RolloutsError: something differs.
    """
    wrong = store.differing(chosen.entries, os.fsencode(tree), index)
    if wrong:
        raise RolloutsError(
            f"what was written differs from the snapshot in {len(wrong)} files, {os.fsdecode(wrong[0])!r} first"
        )


def restore(
    archive: Archive,
    workspace: Workspace,
    snapshot: Snapshot,
    destination: str,
    *,
    globs: Sequence[str],
    verify: bool,
) -> Restored:
    """Writes a snapshot's files to a directory that does not exist yet.

    Args:
        archive: the home.
        workspace: whose snapshot it is.
        snapshot: what to restore.
        destination: the directory to make; its parents are made as well.
        globs: git's globs; when there are any, only the paths that match one.
        verify: hash what was written.

    Raises:
        RolloutsError: the destination exists, nothing matches, or the store lacks something. Nothing is left behind.
    """
    destination = os.path.abspath(destination)
    if os.path.lexists(destination):
        raise RolloutsError(f"destination already exists: {destination}; name a directory that is not there yet")
    parent = os.path.dirname(destination)
    store = archive.store(workspace.id)
    with archive.reading(workspace):
        whole = content(store, snapshot)
        with _umask(USER_UMASK):
            os.makedirs(parent, exist_ok=True)
        _sweep(parent)
        with _scratch(parent) as scratch:
            chosen = _chosen(store, whole, globs, f"{scratch}/names") if globs else whole
            tree = f"{scratch}/tree"
            try:
                _fill(store, snapshot.store_commit_sha, chosen, whole, tree, f"{scratch}/index")
            except CommandError as error:
                raise _why(error, snapshot, destination) from error
            if verify:
                _verify(store, chosen, tree, f"{scratch}/verify")
            _set_modes(os.fsencode(tree), chosen)
            if os.path.lexists(destination):
                raise RolloutsError(f"destination already exists: {destination}; another program made it meanwhile")
            root_mode = whole.modes.other.get(b".", whole.modes.dir) & _PERMISSIONS if whole.modes else None
            if root_mode is not None:
                os.chmod(tree, root_mode | stat.S_IWUSR)  # what may not be written cannot be renamed
            os.rename(tree, destination)
            if root_mode is not None and not root_mode & stat.S_IWUSR:
                os.chmod(destination, root_mode)
    return Restored(snapshot, destination, len(chosen.entries))


def _is_full(parent: str) -> bool:
    """Whether the disk has next to no room left: git does not always say why it cannot write a file."""
    disk = os.statvfs(parent)
    return disk.f_bavail * disk.f_frsize < _LITTLE or (disk.f_files > 0 and disk.f_favail == 0)


def _why(error: CommandError, snapshot: Snapshot, destination: str) -> RolloutsError:
    if error.disk_full or _is_full(os.path.dirname(destination)):
        return RolloutsError(f"{destination} cannot be written: the disk is full; free some space and try again")
    if any(words in error.stderr for words in (b"unable to read", b"cannot read", b"bad object", b"corrupt")):
        return RolloutsError(
            f"snapshot {snapshot.id} cannot be restored: {error}; `rollouts doctor` says what else is lost"
        )
    return RolloutsError(f"snapshot {snapshot.id} cannot be restored to {destination}: {error}")
