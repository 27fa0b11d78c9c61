"""What belongs to a git workspace: the paths that the user's git lists, and what is odd on the way.

A unit is one repository in the workspace: the root's, and each submodule or nested repository below, which is captured
as files under its own ignore rules.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator

from rollouts.process import Running
from rollouts.record import Record
from rollouts.storage import git

STORABLE, ABSENT, DIRECTORY = "", "absent", "directory"
TOO_LARGE, UNREADABLE, UNSTORABLE = "larger than the limit", "unreadable", "a name that git cannot store"
_KINDS = {stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device", stat.S_IFBLK: "device"}

Verdict = tuple[str, int | None]
"""(STORABLE, ABSENT, DIRECTORY or the reason why it is skipped; size in bytes where that is the point)."""


class Odd(Record):
    """What a look at the directories found beside the listed files."""

    empty_dirs: list[bytes]
    skipped: dict[bytes, Verdict]
    special: dict[bytes, Verdict]
    """Pipes, sockets and devices: skipped as well, unless an ignore rule covers them."""


def start_listing(work_tree: bytes, dot_git: bytes, home: bytes | None) -> Running:
    """Starts the listing of a repository: tracked paths (`H path`) and untracked ones that no rule ignores (`? path`).

    Args:
        work_tree: absolute root of the repository's files.
        dot_git: its `.git`.
        home: the Rollouts home, relative to the root, when it lies inside; git need not walk it.
    """
    escaped = b"".join(b"\\" + bytes((char,)) if char in b"\\*?[ " else bytes((char,)) for char in home or b"")
    exclude = (b"--exclude=/" + escaped + b"/",) if home else ()
    return git.start_user(dot_git, work_tree, "ls-files", "-cotz", "--exclude-standard", *exclude)


def entries(listing: bytes, prefix: bytes, home: bytes | None) -> dict[bytes, bool]:
    """The listed paths, from the workspace's root: path -> is untracked. An untracked repository's ends in a slash."""
    found = {prefix + entry[2:]: entry[:1] == b"?" for entry in listing.split(b"\0") if entry}
    if home is None:
        return found
    return {path: untracked for path, untracked in found.items() if path != home and not path.startswith(home + b"/")}


def untracked(listing: bytes, prefix: bytes) -> Iterator[bytes]:
    """The untracked paths of a listing; git prints them before the tracked ones."""
    at = 0
    while listing.startswith(b"? ", at):
        end = listing.index(b"\0", at)
        yield prefix + listing[at + 2 : end]
        at = end + 1


def directories(paths: Iterable[bytes], prefix: bytes) -> set[bytes]:
    """Each directory that has a listed path below it, and the unit's own root (without its slash)."""
    found = {prefix.rstrip(b"/")}
    fresh = {path.rpartition(b"/")[0] for path in paths}
    while fresh := fresh - found:
        found |= fresh
        fresh = {path.rpartition(b"/")[0] for path in fresh}
    return found


def _empty_below(root: bytes, directory: bytes, home: bytes | None) -> list[bytes] | None:
    """The empty directories at and below one that no listed path lies in; None as soon as any file is seen."""
    if directory == home:
        return None
    found: list[bytes] = []
    with os.scandir(root + b"/" + directory) as scan:
        for entry in scan:
            if not entry.is_dir(follow_symlinks=False) or entry.name == b".git":
                return None
            below = _empty_below(root, directory + b"/" + entry.name, home)
            if below is None:
                return None
            found += below
    return found or [directory]


def survey(root: bytes, dirs: frozenset[bytes], nested: set[bytes], home: bytes | None) -> Odd:
    """Looks at the directories that listed files lie in, for what a listing does not show."""
    odd = Odd([], {}, {})
    for directory in dirs:
        where = directory + b"/" if directory else b""
        try:
            with os.scandir(root + b"/" + directory) as scan:
                for entry in scan:
                    if entry.is_file(follow_symlinks=False) or entry.is_symlink():
                        continue
                    path = where + entry.name
                    if not entry.is_dir(follow_symlinks=False):
                        odd.special[path] = special(entry.stat(follow_symlinks=False))
                    elif path not in dirs and path not in nested and entry.name != b".git":
                        odd.empty_dirs.extend(_readable_empty(root, path, odd, home))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError:
            odd.skipped[directory] = (UNREADABLE, None)
    return odd


def _readable_empty(root: bytes, directory: bytes, odd: Odd, home: bytes | None) -> list[bytes]:
    try:
        return _empty_below(root, directory, home) or []
    except FileNotFoundError:
        return []
    except PermissionError:
        odd.skipped[directory] = (UNREADABLE, None)
        return []


def special(status: os.stat_result) -> Verdict:
    return _KINDS.get(stat.S_IFMT(status.st_mode), "device"), None


class Examiner:
    """Looks at single paths of a workspace, each without following a link."""

    def __init__(self, root: bytes, limit: int) -> None:
        self._root = root
        self._limit = limit
        self._real = {b"": True}

    def _in_real_directory(self, path: bytes) -> bool:
        parent = path.rpartition(b"/")[0]
        if parent not in self._real:
            try:
                is_dir = stat.S_ISDIR(os.lstat(self._root + b"/" + parent).st_mode)
            except OSError:
                is_dir = False
            self._real[parent] = is_dir and self._in_real_directory(parent)
        return self._real[parent]

    def status(self, path: bytes) -> os.stat_result | None:
        """Its own status; None when there is nothing, or only beyond a link.

        Raises:
            PermissionError: its directory cannot be searched.
        """
        try:
            return os.lstat(self._root + b"/" + path)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def verdict(self, path: bytes, *, untracked: bool, open_it: bool = False) -> Verdict:  # noqa: PLR0911 - one a kind of file
        """Whether a listed path can be stored.

        Args:
            path: from the workspace's root.
            untracked: the size limit applies.
            open_it: also try to open it for reading.
        """
        at = b"/" + path.lower() + b"/"
        if b"/.git/" in at:
            return UNSTORABLE, None
        try:
            status = self.status(path)
        except PermissionError:
            return UNREADABLE, None
        if status is None or not self._in_real_directory(path):
            return ABSENT, None
        mode = status.st_mode
        if stat.S_ISDIR(mode):
            return DIRECTORY, None
        if stat.S_ISLNK(mode):
            return (UNSTORABLE if at.endswith(b"/.gitmodules/") else STORABLE), None
        if not stat.S_ISREG(mode):
            return special(status)
        if untracked and status.st_size > self._limit:
            return TOO_LARGE, status.st_size
        return (UNREADABLE if open_it and not self._opens(path) else STORABLE), status.st_size

    def _opens(self, path: bytes) -> bool:
        try:
            os.close(os.open(self._root + b"/" + path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW))
        except OSError:
            return False
        return True

    def size(self, path: bytes) -> int:
        try:
            status = self.status(path)
        except PermissionError:
            return 0
        return status.st_size if status else 0
