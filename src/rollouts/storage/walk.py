"""What belongs to a plain directory: every file whatever ignore rules lie in it, with permission bits."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from rollouts.contracts.commit import Modes
from rollouts.record import Record
from rollouts.storage.listing import TOO_LARGE, UNREADABLE, UNSTORABLE, Odd, special


class Walk(Record):
    """All of a plain directory; paths are from the workspace's root."""

    files: dict[bytes, int]
    """Path -> `st_mode` of each file and link that can be stored."""
    dirs: dict[bytes, int]
    odd: Odd
    nested: set[bytes]
    """Directories that are repositories."""

    def listing(self, prefix: bytes) -> bytes:
        """The files in the form of a git listing, from the unit's own root."""
        return b"".join(b"H " + path[len(prefix) :] + b"\0" for path in self.files)


def _note(walk: Walk, entry: os.DirEntry[bytes], path: bytes, limit: int) -> bool:
    """Notes an entry that is no directory to visit; True for one that is."""
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    except OSError:
        walk.odd.skipped[path] = (UNREADABLE, None)
        return False
    if stat.S_ISDIR(status.st_mode):
        return True
    if stat.S_ISREG(status.st_mode) and status.st_size > limit:
        walk.odd.skipped[path] = (TOO_LARGE, status.st_size)
    elif stat.S_ISREG(status.st_mode) or (stat.S_ISLNK(status.st_mode) and entry.name.lower() != b".gitmodules"):
        walk.files[path] = status.st_mode
    else:
        walk.odd.skipped[path] = (UNSTORABLE, None) if stat.S_ISLNK(status.st_mode) else special(status)
    return False


def walk(root: bytes, start: bytes, limit: int, home: bytes | None) -> Walk:
    """Visits `start` (a directory below `root`; empty for the root itself) and everything in it but `.git`.

    Args:
        root: absolute.
        start: from the root.
        limit: files with more bytes are skipped.
        home: the Rollouts home, from the root, when it lies inside.
    """
    found = Walk({}, {}, Odd([], {}, {}), set())
    pending = [start]
    while pending:
        directory = pending.pop()
        where = directory + b"/" if directory else b""
        try:
            with os.scandir(root + b"/" + directory) as scan:
                inside = list(scan)
            found.dirs[directory] = os.lstat(root + b"/" + directory).st_mode
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            found.odd.skipped[directory or b"."] = (UNREADABLE, None)
            continue
        before = len(found.files) + len(pending)
        for entry in inside:
            path = where + entry.name
            if entry.name == b".git":
                found.nested.add(directory)
            elif entry.name.lower() == b".git":
                found.odd.skipped[path] = (UNSTORABLE, None)
            elif path != home and _note(found, entry, path, limit):
                pending.append(path)
        if len(found.files) + len(pending) == before and directory:
            found.odd.empty_dirs.append(directory)
    return found


def _usual(modes: Iterable[int], otherwise: int) -> int:
    counts: dict[int, int] = {}
    for mode in modes:
        counts[mode & 0o7777] = counts.get(mode & 0o7777, 0) + 1
    return max(counts, key=lambda bits: counts[bits], default=otherwise)


def modes(found: Walk) -> Modes:
    """The permission bits of files and directories: three usual ones, and whatever differs from them."""
    plain = {path: mode for path, mode in found.files.items() if not stat.S_ISLNK(mode)}
    file = _usual((mode for mode in plain.values() if not mode & 0o100), 0o644)
    executable = _usual((mode for mode in plain.values() if mode & 0o100), 0o755)
    directory = _usual(found.dirs.values(), 0o755)
    other = {
        path: mode & 0o7777 for path, mode in plain.items() if mode & 0o7777 != (executable if mode & 0o100 else file)
    }
    other |= {path or b".": mode & 0o7777 for path, mode in found.dirs.items() if mode & 0o7777 != directory}
    return Modes(file, executable, directory, other)
