"""What is kept from one capture to the next beside the store's index: the last listing and the tree that it gave.

It only saves work. A file that does not fit the index, or was cut short, is as good as none.
"""

from __future__ import annotations

import binascii
import marshal
import os

from rollouts.record import Record
from rollouts.storage.listing import Stamp, Verdict

_VERSION = b"rollouts-kept-2\n"


class Unit(Record):
    """One repository in the workspace, as it was listed."""

    listing: bytes
    dirs: frozenset[bytes]
    unstored: dict[bytes, tuple[bool, Verdict]]
    """Listed paths that are not in the index: path -> (is untracked, why)."""
    quiet: dict[bytes, Stamp]
    """Directories in which a survey found nothing of note."""


class Kept(Record):
    settings: tuple[object, ...]
    """Whatever else the result depends on."""
    stamp: tuple[int, int, int]
    """Inode, mtime (ns) and size of the index that belongs to this."""
    tree: str
    files: int
    units: dict[bytes, Unit]
    """Prefix (empty, or ending in a slash) -> unit."""
    unclaimed: int = 0
    """Bytes of new and changed files that were captured for no turn, and that the next turn brings."""


def signature(index: str) -> tuple[int, int, int] | None:
    """What changes whenever git rewrites an index; None without one."""
    try:
        status = os.stat(index)
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def load(path: str) -> Kept | None:
    """The kept state, or None when there is none that can be trusted."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return None
    start = len(_VERSION) + 4
    if not data.startswith(_VERSION) or data[len(_VERSION) : start] != _checksum(data[start:]):
        return None
    settings, stamp, tree, files, units, unclaimed = marshal.loads(data[start:])  # noqa: S302 - ours, checked above
    return Kept(settings, stamp, tree, files, {prefix: Unit(*unit) for prefix, unit in units.items()}, unclaimed)


def save(path: str, kept: Kept) -> None:
    """Replaces the kept state in one step."""
    units = {key: tuple(unit) for key, unit in kept.units.items()}
    plain = (kept.settings, kept.stamp, kept.tree, kept.files, units, kept.unclaimed)
    data = marshal.dumps(plain)  # type: ignore[arg-type] # settings are numbers, bytes and None
    with open(path + ".new", "wb") as file:
        file.write(_VERSION + _checksum(data) + data)
    os.rename(path + ".new", path)


def drop(path: str) -> None:
    """Forgets the kept state, so that the next capture looks at everything."""
    if os.path.exists(path):
        os.unlink(path)


def _checksum(data: bytes) -> bytes:
    return binascii.crc32(data).to_bytes(4, "big")
