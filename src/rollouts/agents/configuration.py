"""Files of agents' configuration: read as they are, replaced whole or not at all.

A file may be a link into a folder of dotfiles: the link stays, what it leads to is replaced.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence

from rollouts.errors import RolloutsError
from rollouts.paths import USER_UMASK

LARGEST = 8 << 20
"""Bytes of a settings file; a larger one is none."""


def _words(error: OSError) -> str:
    advice = {
        errno.EACCES: "check its owner and permissions",
        errno.EPERM: "check its owner and permissions",
        errno.EROFS: "the file system is read-only",
        errno.ENOSPC: "free some space and try again",
        errno.EDQUOT: "free some space and try again",
        errno.ENOTDIR: "a part of that path is a file",
        errno.EISDIR: "it is a directory",
        errno.ELOOP: "its links lead in a circle",
    }.get(error.errno or 0, "nothing was changed")
    return f"{(error.strerror or str(error)).lower()}; {advice}"


@contextlib.contextmanager
def _told(doing: str, path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RolloutsError(f"{path} cannot be {doing}: {_words(error)}") from error


def _refuse_dangling(path: str) -> None:
    """A file that is not there can be made, but not behind a link whose end is missing."""
    at = path
    while at not in {"", "/"}:
        if os.path.islink(at) and not os.path.exists(at):
            target = os.readlink(at)
            raise RolloutsError(
                f"{at} is a link to {target}, where nothing is; mend the link or remove it, and try again"
            )
        at = os.path.dirname(at)


def read(path: str) -> bytes | None:
    """A file's content; None when there is no such file.

    Raises:
        RolloutsError: it cannot be read, is no file, is larger than any settings, or is a link that leads nowhere.
    """
    with _told("read", path):
        try:
            status = os.stat(path)
        except FileNotFoundError:
            _refuse_dangling(path)
            return None
        if not stat.S_ISREG(status.st_mode):
            raise RolloutsError(f"{path} is no file; move it away and try again")
        if status.st_size > LARGEST:
            raise RolloutsError(
                f"{path} is larger than {LARGEST >> 20} MB, too large for settings; nothing was changed"
            )
        with open(path, "rb") as file:
            return file.read()


def missing_folders(path: str) -> list[str]:
    """The folders above a file that are not there, the outermost first."""
    missing = []
    at = os.path.dirname(path)
    while not os.path.isdir(at):
        missing.append(at)
        at = os.path.dirname(at)
    return missing[::-1]


def _make_folders(path: str, made: list[str]) -> None:
    """Makes the folders above a file, and names them in `made`."""
    for folder in missing_folders(path):
        os.mkdir(folder)
        made.append(folder)
        os.chmod(folder, 0o777 & ~USER_UMASK)


@contextlib.contextmanager
def _beside(target: str) -> Iterator[str]:
    """The path of a new, empty file in the folder of another one; it is gone afterwards, or has been moved."""
    fd, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(target)}.", dir=os.path.dirname(target))
    os.close(fd)
    try:
        yield temporary
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _unchanged(path: str, expected: bytes | None) -> None:
    if read(path) != expected:
        raise RolloutsError(f"{path} was changed by somebody else meanwhile; try again")


def _take_after(fd: int, target: str) -> None:
    """Gives a new file the mode and the owner of the one that it replaces."""
    try:
        status = os.stat(target)
    except FileNotFoundError:
        os.fchmod(fd, 0o666 & ~USER_UMASK)
        return
    own = os.fstat(fd)
    if (own.st_uid, own.st_gid) != (status.st_uid, status.st_gid):
        with contextlib.suppress(PermissionError):  # a file of another group that this user may write
            os.fchown(fd, status.st_uid, status.st_gid)
    os.fchmod(fd, stat.S_IMODE(status.st_mode))


def _fill(temporary: str, content: bytes, target: str) -> None:
    """Writes a file to the disk itself, with the mode and owner of the one that it is to replace."""
    with open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        _take_after(file.fileno(), target)
        os.fsync(file.fileno())


def _sync_folder(folder: str) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write(path: str, expected: bytes | None, content: bytes) -> None:
    """Replaces a file, or makes it and the folders above it.

    Args:
        path: the file; the end of a link is replaced, the link stays.
        expected: what is in it; None when there is none.
        content: what it shall hold.

    Raises:
        RolloutsError: it cannot be written, or is not as expected; nothing has changed then.
    """
    made: list[str] = []
    try:
        with _told("written", path):
            _make_folders(path, made)
            target = os.path.realpath(path)
            with _beside(target) as temporary:
                _fill(temporary, content, target)
                _unchanged(path, expected)
                os.replace(temporary, target)
            _sync_folder(os.path.dirname(target))
    except BaseException:
        remove_folders(made)
        raise


def delete(path: str, expected: bytes) -> None:
    """Deletes a file, which must be as expected.

    Raises:
        RolloutsError: it cannot be deleted, or is not as expected.
    """
    with _told("deleted", path):
        _unchanged(path, expected)
        for each in {os.path.realpath(path), path}:  # a link to it as well
            os.unlink(each)


def remove_folders(folders: Sequence[str]) -> None:
    """Removes folders, the outermost named first, as far as they are empty."""
    for folder in reversed(folders):
        with contextlib.suppress(OSError):
            os.rmdir(folder)
