"""Room for files on their way to a destination: a marked directory that is gone afterwards, whatever happens."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from rollouts.errors import CommandError, RolloutsError
from rollouts.storage.lock import Lock

_MARK = ".rollouts-restore-"
HUB = ".rollouts-hub-"
"""Of rows on their way to a dataset, in the home itself."""
_LITTLE = 1 << 20


@contextlib.contextmanager
def umask(mask: int) -> Iterator[None]:
    previous = os.umask(mask)
    try:
        yield
    finally:
        os.umask(previous)


def sweep(parent: str, mark: str = _MARK) -> None:
    """Removes what killed processes left in a directory: marked directories whose lock nobody holds.

    One without a lock file is about to get it, or about to go; it is removed only while it is empty, which its maker
    notices.
    """
    for name in os.listdir(parent):
        left = f"{parent}/{name}"
        if not name.startswith(mark) or not os.path.isdir(left) or os.path.islink(left):
            continue
        with contextlib.suppress(RolloutsError, OSError):
            if os.path.lexists(f"{left}/lock"):
                with Lock(f"{left}/lock", left, wait=0, create=False):
                    _remove(left)
            else:
                os.rmdir(left)


def _remove(folder: str) -> None:
    """Removes a tree of any depth, also one whose directories may not be written; its lock file goes last."""
    top = os.fsencode(folder)
    pending, dirs = [top], []
    while pending:
        here = pending.pop()
        dirs.append(here)
        os.chmod(here, 0o700)
        with os.scandir(here) as scan:
            for entry in scan:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                elif entry.path != top + b"/lock":
                    os.unlink(entry.path)
    for here in reversed(dirs[1:]):
        os.rmdir(here)
    os.unlink(top + b"/lock")
    with contextlib.suppress(FileNotFoundError):  # a sweeper was faster
        os.rmdir(top)


def _marked(parent: str, mark: str) -> tuple[str, Lock]:
    """A fresh marked directory and its lock, held."""
    while True:
        folder = f"{parent}/{mark}{os.urandom(8).hex()}"
        os.mkdir(folder, 0o700)
        lock = Lock(f"{folder}/lock", folder)
        try:
            lock.acquire()
        except FileNotFoundError:
            continue  # another process swept it before it was locked
        return folder, lock


@contextlib.contextmanager
def scratch(parent: str, mark: str = _MARK) -> Iterator[str]:
    """A marked directory in `parent`, gone afterwards whatever happens short of SIGKILL."""
    folder, lock = _marked(parent, mark)
    try:
        yield folder
    finally:
        _remove(folder)
        lock.release()


def _is_full(parent: str) -> bool:
    """Whether the disk has next to no room left: git does not always say why it cannot write a file."""
    disk = os.statvfs(parent)
    return disk.f_bavail * disk.f_frsize < _LITTLE or (disk.f_files > 0 and disk.f_favail == 0)


def not_written(error: CommandError, snapshot_id: str, destination: str) -> RolloutsError:
    """Why git could not write the files of a snapshot below a destination, in words."""
    if error.disk_full or _is_full(os.path.dirname(destination)):
        return RolloutsError(f"{destination} cannot be written: the disk is full; free some space and try again")
    if any(words in error.stderr for words in (b"unable to read", b"cannot read", b"bad object", b"corrupt")):
        return RolloutsError(
            f"snapshot {snapshot_id} cannot be restored: {error}; `rollouts doctor` says what else is lost"
        )
    return RolloutsError(f"snapshot {snapshot_id} cannot be restored to {destination}: {error}")
