"""Packing a store, and dropping what nothing in it reaches.

Packing writes copies and then removes what has been copied: it takes every loose object, reachable or not, and all of
the packs that it merges. It never drops an object, so a capture beside it may rely on any that it found; and a git that
misses one looks through the packs once more. Dropping objects excludes captures and readers.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from rollouts.errors import CommandError, RolloutsError
from rollouts.record import Record
from rollouts.storage import git, kept, sizes, upkeep
from rollouts.storage.git_store import GitStore
from rollouts.storage.upkeep import UpkeepLock

_WITH_MIDX = (2, 34)
_MARGIN = 1 << 20


class NoRoomError(RolloutsError):
    """The disk has no room for the copy that packing makes."""

    def __init__(self, store: str, needs: int) -> None:
        super().__init__(f"packing {store} needs {needs >> 20} MB of free disk; free some space and try again")
        self.needs = needs


class Unreachable(Record):
    """The objects that no snapshot and not the index reaches."""

    objects: int
    bytes: int
    """As they are compressed; loose ones take whole blocks of the disk."""


def _room(store: str) -> int:
    """Bytes of the copy that packing makes: the loose objects, and the packs that are not twice as large as that."""
    folder = f"{store}/objects/pack"
    packs = [f"{folder}/{name}" for name in os.listdir(folder) if name.endswith(".pack")]
    copied = sizes.loose(store)
    for size in sorted(os.path.getsize(path) for path in packs):
        if size > 2 * copied:
            break
        copied += size
    return copied + _MARGIN


def pack(store: GitStore, lock: UpkeepLock) -> bool:
    """Packs loose objects, and packs that became many; the caller holds only the lock. False when asked to stop.

    Raises:
        NoRoomError: too little of the disk is free.
        CommandError: git failed; every object is where it was, or in a new pack.
    """
    needs = _room(store.path)
    if upkeep.free(store.path) < needs:
        raise NoRoomError(store.path, needs)
    midx = ("--write-midx",) if git.version() >= _WITH_MIDX else ()
    command = ("-c", "pack.threads=1", "-c", "repack.writeBitmaps=false", "repack", "-d", "-q", "--geometric=2", *midx)
    with git.start_sealed(store.path, *command, group=True) as running:
        while not running.ends_within(0.1):
            if lock.is_wanted():
                return False
        try:
            running.output()
        except CommandError as error:
            if error.disk_full:
                more = upkeep.free(store.path) + _MARGIN  # a quota may be the limit, which is told by nothing
                raise NoRoomError(store.path, max(needs, more)) from error
            raise
    return True


def pack_refs(store: GitStore, seconds: float) -> bool:
    """Puts loose refs into one file; the caller holds the workspace's lock. False when it took longer than that.

    What is done by then stays done.
    """
    with git.start_sealed(store.path, "pack-refs", "--all", group=True) as running:
        if running.ends_within(seconds):
            running.output()
            return True
    return False


def _forget_a_lost_tree(store: GitStore) -> None:
    """The next capture looks at everything when the last one's tree went: the index reaches files, not always trees."""
    path = f"{os.path.dirname(store.path)}/kept"
    last = kept.load(path)
    if last and git.sealed(store.path, "cat-file", "--batch-check", stdin=last.tree.encode()).endswith(b" missing\n"):
        kept.drop(path)


def reclaim(store: GitStore) -> None:
    """Drops every object that nothing reaches; the caller excludes captures, packing and readers."""
    for path in store.temporary_files():  # of a packing that was asked to stop, perhaps
        os.unlink(path)
    git.sealed(store.path, "prune", "--expire=now")  # first, as it needs no room
    git.sealed(store.path, "-c", "repack.writeBitmaps=false", "repack", "-a", "-d", "-q")
    _forget_a_lost_tree(store)


def unreachable(store: GitStore) -> Unreachable:
    """What `reclaim` would drop. Beside a capture at work, what that has not yet given its ref is counted as well."""
    walk = ("rev-list", "--objects", "--no-object-names", "--all", "--indexed-objects")
    reached = set(git.sealed(store.path, *walk).split())
    question = ("cat-file", "--batch-all-objects", "--unordered", "--batch-check=%(objectname) %(objectsize:disk)")
    lines: Iterable[bytes] = git.sealed(store.path, *question).splitlines()
    dropped = [int(size) for oid, _, size in (line.partition(b" ") for line in lines) if oid not in reached]
    return Unreachable(len(dropped), sum(dropped))
