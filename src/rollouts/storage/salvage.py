"""What can be got out of a store whose packs are damaged, or lie in another repository."""

from __future__ import annotations

import contextlib
import os
import re

from rollouts.errors import CommandError
from rollouts.storage import git
from rollouts.storage.git_store import GitStore

_OBJECT = re.compile(r"(?<!pack-)\b[0-9a-f]{40}\b")
_TRIES = 20
_BESIDE = ("idx", "rev", "bitmap", "keep")


def _folder(store: GitStore) -> str:
    return f"{store.path}/objects/pack"


def unindexed(store: GitStore) -> set[str]:
    """The names of the packs that lack their index, and of the indexes that lack their pack."""
    names = set(os.listdir(_folder(store)))
    packs, indexes = (
        {name.removesuffix(end) for name in names if name.startswith("pack-") and name.endswith(end)}
        for end in (".pack", ".idx")
    )
    return packs ^ indexes


def oids(store: GitStore, name: str) -> list[str]:
    """The objects that a pack's index names; none when that cannot be read."""
    try:
        with open(f"{_folder(store)}/{name}.idx", "rb") as file:
            listing = git.sealed(store.path, "show-index", stdin=file.read())
    except (OSError, CommandError):
        return []
    return [line.split()[1].decode() for line in listing.splitlines()]


def _unlink(*paths: str) -> None:
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def drop_midx(store: GitStore) -> None:
    """Removes the index of all packs; the next packing writes another."""
    _unlink(f"{_folder(store)}/multi-pack-index")


def midx_is_sound(store: GitStore) -> bool:
    """Whether the index of all packs, where there is one, agrees with them."""
    if not os.path.exists(f"{_folder(store)}/multi-pack-index"):
        return True
    try:
        git.sealed(store.path, "multi-pack-index", "verify")
    except CommandError:
        return False
    return True


def mend_pack(store: GitStore, name: str, bad: set[str]) -> str:
    """Makes a pack's index anew; where the pack itself is damaged, takes out what can be read and puts it aside.

    The caller excludes captures, packing and readers. Returns what was done.

    Args:
        store: whose pack it is.
        name: `pack-<hash>`.
        bad: the objects that are known not to be readable.
    """
    folder = _folder(store)
    pack, fresh = f"{folder}/{name}.pack", f"{folder}/tmp_idx_{name}"  # noqa: S108 - in the store, under a name that is swept
    drop_midx(store)  # it names packs that go
    if not os.path.exists(pack):
        _unlink(*(f"{folder}/{name}.{end}" for end in _BESIDE))
        return "it is not there, and what lay beside it is removed"
    try:
        git.sealed(store.path, "index-pack", "-o", f"{fresh}.idx", pack)
    except CommandError:
        return _taken_apart(store, name, bad)
    finally:
        _unlink(f"{fresh}.rev")
    os.rename(f"{fresh}.idx", f"{folder}/{name}.idx")
    _unlink(f"{folder}/{name}.rev")
    return "its index is made anew"


def _copied(store: GitStore, name: str, bad: set[str]) -> bool:
    """Packs the good objects of a damaged pack once more; False when they cannot be told from the bad ones."""
    good = set(oids(store, name)) - bad
    for _ in range(_TRIES):
        try:
            asked = "".join(f"{oid}\n" for oid in sorted(good)).encode()
            git.sealed(store.path, "pack-objects", "-q", f"{_folder(store)}/pack", stdin=asked)
        except CommandError as error:
            blamed = {oid for oid in _OBJECT.findall(error.stderr.decode(errors="replace")) if oid in good}
            if not blamed:
                return False
            good -= blamed
        else:
            return True
    return False


def _taken_apart(store: GitStore, name: str, bad: set[str]) -> str:
    copied = _copied(store, name, bad)
    aside = f"{os.path.dirname(store.path)}/damaged-{name}.pack"
    os.rename(f"{_folder(store)}/{name}.pack", aside)
    _unlink(*(f"{_folder(store)}/{name}.{end}" for end in _BESIDE))
    if not copied:  # what comes before the damage, then
        with open(aside, "rb") as file:
            git.sealed_whatever(store.path, "unpack-objects", "-r", "-q", source=file.fileno())
    return f"what could be read is taken out of it, and it is kept as {aside}"


def take_in_borrowed(store: GitStore) -> None:
    """Copies the objects that a store borrows, and cuts it off from where they lie.

    Raises:
        CommandError: some of them are not to be had.
    """
    git.sealed(store.path, "-c", "repack.writeBitmaps=false", "repack", "-a", "-d", "-q")
    os.unlink(f"{store.path}/objects/info/alternates")
