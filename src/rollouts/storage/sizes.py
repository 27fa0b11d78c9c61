"""How much disk a workspace's data takes: measured file by file, or told from a bounded look."""

from __future__ import annotations

import os

_ENOUGH = 500
"""Loose objects of which the others' sizes are told: an error of one in twenty, of a part that packing keeps small."""


def _blocks(path: str) -> int:
    try:
        return os.lstat(path).st_blocks * 512
    except FileNotFoundError:  # a running git removed it
        return 0


def _files(folder: str) -> tuple[int, int]:
    """The number of files that lie in a folder itself, and their bytes on disk."""
    try:
        with os.scandir(folder) as entries:
            sizes = [_blocks(entry.path) for entry in entries if not entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return 0, 0
    return len(sizes), sum(sizes)


def loose(store: str) -> int:
    """Bytes of loose objects: of all while they are few, else of as many folders as hold enough of them."""
    objects = f"{store}/objects"
    try:
        folders = [name for name in os.listdir(objects) if len(name) == 2]
    except FileNotFoundError:
        return 0
    seen = count = total = 0
    for name in folders:
        files, size = _files(f"{objects}/{name}")
        seen, count, total = seen + 1, count + files, total + size
        if count >= _ENOUGH:
            break
    return total * len(folders) // seen if seen else 0


def _refs(store: str) -> int:
    """Bytes of loose refs, which are all of one size."""
    folder = f"{store}/refs/snapshots"
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return 0
    return len(names) * _blocks(f"{folder}/{names[0]}") if names else 0


def estimated(folder: str) -> int:
    """Bytes on disk of a workspace's folder, right to a few percent; the store is not walked."""
    store = f"{folder}/store.git"
    parts = (folder, store, f"{store}/info", f"{store}/objects/pack")
    return sum(_files(part)[1] for part in parts) + loose(store) + _refs(store)


def measured(folder: str) -> int:
    """Bytes on disk of a workspace's folder, file by file."""
    return sum(_files(at)[1] for at, _, _ in os.walk(folder))


def loose_objects(store: str) -> int:
    """The number of loose objects of a store, counted one by one."""
    objects = f"{store}/objects"
    names = os.listdir(objects) if os.path.isdir(objects) else []
    return sum(_files(f"{objects}/{name}")[0] for name in names if len(name) == 2)
