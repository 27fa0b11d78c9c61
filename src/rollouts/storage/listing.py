"""What belongs to a git workspace: the paths that the user's git lists, and what is odd on the way.

A unit is one repository in the workspace: the root's, and each submodule or nested repository below, which is captured
as files under its own ignore rules.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterable, Iterator

from rollouts.process import Running
from rollouts.record import Record
from rollouts.storage import git

STORABLE, ABSENT, DIRECTORY = "", "absent", "directory"
TOO_LARGE, UNREADABLE, UNSTORABLE = "larger than the limit", "unreadable", "a name that git cannot store"
RESTLESS = "changing while it was read"
_KINDS = {stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device", stat.S_IFBLK: "device"}

Stamp = tuple[int, int]
"""Inode and change time (ns) of a directory: it moves with each entry that comes or goes, and nobody can set it."""
_COARSE_NS = 2 * 10**9  # file systems count time in steps of up to two seconds

Verdict = tuple[str, int | None]
"""(STORABLE, ABSENT, DIRECTORY or the reason why it is skipped; size in bytes where that is the point)."""


class Odd(Record):
    """What a look at the directories found beside the listed files."""

    empty_dirs: list[bytes]
    skipped: dict[bytes, Verdict]
    special: dict[bytes, Verdict]
    """Pipes, sockets, devices and unreadable directories: skipped as well, unless an ignore rule covers them."""


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


class _Survey:
    """A look at directories of a workspace that listed files lie in, and at those between them."""

    def __init__(self, root: bytes, dirs: frozenset[bytes], nested: set[bytes], home: bytes | None) -> None:
        self._root = root
        self._dirs = dirs
        self._nested = nested
        self._home = home
        self._odd = Odd([], {}, {})
        self._links: list[bytes] = []
        self._resting = time.time_ns() - _COARSE_NS

    def look_again(self, directory: bytes, was: Stamp | None) -> Stamp | None:
        """Notes what is odd in a directory. Returns its stamp when there was nothing and it has been at rest.

        Args:
            directory: from the workspace's root.
            was: the stamp that it had when it was last seen with nothing odd in it.
        """
        try:
            status = os.lstat(self._root + b"/" + directory)
        except OSError:
            status = None
        now = (status.st_ino, status.st_ctime_ns) if status else None
        if now is not None and now == was:
            return now
        is_quiet = self._look_into(directory)
        return now if is_quiet and status and status.st_ctime_ns < self._resting else None

    def _look_into(self, directory: bytes) -> bool:
        """Notes what is odd in a directory. True when it holds but listed files and their directories."""
        where = directory + b"/" if directory else b""
        is_empty = bool(directory)
        is_quiet = True
        try:
            with os.scandir(self._root + b"/" + directory) as scan:
                for entry in scan:
                    is_empty = is_empty and entry.name == b".git"
                    if entry.is_file(follow_symlinks=False):
                        continue
                    path = where + entry.name
                    is_quiet = is_quiet and path in self._dirs and entry.is_dir(follow_symlinks=False)
                    if entry.is_symlink():
                        self._links.append(path)
                    elif not entry.is_dir(follow_symlinks=False):
                        self._odd.special[path] = special(entry.stat(follow_symlinks=False))
                    elif path not in self._dirs and path not in self._nested and entry.name != b".git":
                        self._look_between(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            self._odd.skipped[directory or b"."] = (UNREADABLE, None)
            return False
        if is_empty:  # its files were deleted, or it is a repository without any
            self._odd.empty_dirs.append(directory)
        return is_quiet and not is_empty

    def _look_between(self, directory: bytes) -> None:
        below = Odd([], {}, {})
        if self._holds_no_file(directory, below):  # else a rule ignores the file, and perhaps all that is beside it
            self._odd.empty_dirs.extend(below.empty_dirs)
            self._odd.special.update(below.special)

    def _holds_no_file(self, directory: bytes, odd: Odd) -> bool:
        """Notes what is odd at and below a directory that no listed path lies in. False as soon as it sees a file."""
        if directory == self._home:
            return False
        is_empty = True
        try:
            with os.scandir(self._root + b"/" + directory) as scan:
                for entry in scan:
                    is_empty = False
                    path = directory + b"/" + entry.name
                    if entry.name == b".git" or entry.is_symlink() or entry.is_file(follow_symlinks=False):
                        return False
                    if not entry.is_dir(follow_symlinks=False):
                        odd.special[path] = special(entry.stat(follow_symlinks=False))
                    elif not self._holds_no_file(path, odd):
                        return False
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            odd.special[directory] = (UNREADABLE, None)
        else:
            if is_empty:
                odd.empty_dirs.append(directory)
        return True

    def result(self) -> Odd:
        """All that was noted, but for what lies beyond links: tracked files may be listed there, and none belongs."""
        links = self._dirs.intersection(self._links)
        if not links:
            return self._odd
        beyond = (*(link + b"/" for link in links),)
        return Odd(
            [path for path in self._odd.empty_dirs if not (path + b"/").startswith(beyond)],
            {path: verdict for path, verdict in self._odd.skipped.items() if not (path + b"/").startswith(beyond)},
            {path: verdict for path, verdict in self._odd.special.items() if not path.startswith(beyond)},
        )


def survey(
    root: bytes, dirs: frozenset[bytes], nested: set[bytes], home: bytes | None, quiet: dict[bytes, Stamp]
) -> tuple[Odd, dict[bytes, Stamp]]:
    """Looks at the directories that listed files lie in, for what a listing does not show.

    Args:
        root: absolute.
        dirs: the directories.
        nested: roots of other units.
        home: the Rollouts home, when it lies inside.
        quiet: the second result of the last survey; a directory whose stamp is still the same is not read again.
    """
    look = _Survey(root, dirs, nested, home)
    stamps = {directory: look.look_again(directory, quiet.get(directory)) for directory in dirs}
    return look.result(), {directory: stamp for directory, stamp in stamps.items() if stamp}


def foreign_git(path: bytes) -> int:
    """Where in a path a component that is `.git` in any case begins, which no git tree can hold; -1 without one."""
    return (b"/" + path.lower() + b"/").find(b"/.git/")


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
            OSError: its directory cannot be searched, its path is too long.
        """
        try:
            return os.lstat(self._root + b"/" + path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:  # beyond a link that leads to itself
                return None
            raise

    def verdict(self, path: bytes, *, untracked: bool, open_it: bool = False) -> Verdict:  # noqa: PLR0911 - one a kind of file
        """Whether a listed path can be stored.

        Args:
            path: from the workspace's root.
            untracked: the size limit applies.
            open_it: also try to open it for reading.
        """
        if foreign_git(path) >= 0:
            return UNSTORABLE, None
        try:
            status = self.status(path)
        except OSError:
            return UNREADABLE, None
        if status is None or not self._in_real_directory(path):
            return ABSENT, None
        mode = status.st_mode
        if stat.S_ISDIR(mode):
            return DIRECTORY, None
        if stat.S_ISLNK(mode):
            return (UNSTORABLE if path.lower().rpartition(b"/")[2] == b".gitmodules" else STORABLE), None
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
        except OSError:
            return 0
        return status.st_size if status else 0
