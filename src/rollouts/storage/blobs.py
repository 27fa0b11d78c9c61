"""Which blobs snapshots hold, what is in them, and under which paths they lie; a few gits, whatever their number."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator

from rollouts.errors import DamagedStoreError
from rollouts.storage import git
from rollouts.storage.comparing import EMPTY_TREE
from rollouts.storage.git_store import GitStore

Holdings = dict[bytes, str]
"""Path -> blob."""


def _lost(store: GitStore, what: str) -> DamagedStoreError:
    return DamagedStoreError(f"the store {store.path} has lost {what}; run `rollouts doctor --repair`")


def _lines(words: Iterable[str]) -> bytes:
    return "".join(f"{word}\n" for word in words).encode()


def trees(store: GitStore, commits: Collection[str]) -> dict[str, str]:
    """Commit -> tree, of those that are there."""
    asked = _lines(f"{commit}^{{tree}}" for commit in commits)
    answers = git.sealed(store.path, "cat-file", "--batch-check", "--buffer", stdin=asked).decode().splitlines()
    words = [answer.split(" ") for answer in answers]
    return {commit: found[0] for commit, found in zip(commits, words, strict=True) if found[1:2] == ["tree"]}


def unseen(store: GitStore, new: Iterable[str], seen: Iterable[str]) -> dict[str, int]:
    """Blob -> size, of what some trees hold and none of some others; each once.

    Raises:
        CommandError: part of a tree is not there.
        DamagedStoreError: a blob is not there.
    """
    command = ("rev-list", "--objects", "--no-object-names", "--stdin")
    objects = git.sealed(store.path, *command, stdin=_lines([*new, *(f"^{tree}" for tree in seen)]))
    found = {}
    for answer in git.sealed(store.path, "cat-file", "--batch-check", "--buffer", stdin=objects).decode().splitlines():
        oid, kind, *size = answer.split(" ")
        if not size:
            raise _lost(store, f"object {oid}")
        if kind == "blob":
            found[oid] = int(size[0])
    return found


def _answers(store: GitStore, printed: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    """What `cat-file --batch` printed: each object when it is whole."""
    pending = bytearray()
    for piece in printed:
        pending += piece
        while (end := pending.find(b"\n")) >= 0:
            oid, _, *size = pending[:end].decode().split(" ")
            if not size:
                raise _lost(store, f"object {oid}")
            stop = end + 1 + int(size[0])
            if len(pending) <= stop:
                break
            yield oid, bytes(pending[end + 1 : stop])
            del pending[: stop + 1]


def _beginning(store: GitStore, oid: str, limit: int) -> bytes:
    """So many bytes of a blob; git is not heard to the end."""
    found = bytearray()
    with git.start_sealed(store.path, "cat-file", "blob", oid) as running:
        for piece in running.pieces():
            found += piece
            if len(found) >= limit:
                return bytes(found[:limit])
        running.output()
    return bytes(found)


def contents(store: GitStore, sizes: dict[str, int], limit: int) -> Iterator[tuple[str, bytes]]:
    """(blob, content) of each; of one that is larger than `limit` only that many bytes. One at a time is in memory.

    Raises:
        CommandError, DamagedStoreError: one cannot be read.
    """
    whole = [oid for oid, size in sizes.items() if size <= limit]
    if whole:
        with git.start_sealed(store.path, "cat-file", "--batch", "--buffer", stdin=_lines(whole)) as running:
            yield from _answers(store, running.pieces())
            running.output()
    for oid in sizes.keys() - whole:
        yield oid, _beginning(store, oid, limit)


def _split(printed: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in printed:
        *whole, rest = (rest + piece).split(b"\0")
        yield from whole
    yield rest


def _followed(printed: Iterable[bytes], wanted: Collection[str]) -> Iterator[Holdings]:
    """The wanted blobs in each tree, from how each differs from the one before it.

    Git prints `old new LF` for two trees, then `:modes old new letter NUL path NUL` for each path that differs:
    https://git-scm.com/docs/git-diff-tree#_raw_output_format
    """
    held: Holdings = {}
    words = _split(printed)
    begun = False
    for word in words:
        *heads, change = word.split(b"\n")
        for _ in heads:
            if begun:
                yield held
            begun = True
        path = next(words, None)
        if path is None:
            break
        oid = change.split(b" ")[3].decode()
        if path in held or oid in wanted:
            held = {**held, path: oid}
            if oid not in wanted:
                del held[path]
    yield held


def holdings(store: GitStore, chain: Collection[str], wanted: Collection[str]) -> list[Holdings]:
    """Where in each of some trees which of the wanted blobs lie; it costs what the trees differ, one from the next.

    Raises:
        CommandError, DamagedStoreError: part of a tree is not there.
    """
    asked = _lines(f"{old} {new}" for old, new in itertools.pairwise([EMPTY_TREE, *chain]))
    command = ("diff-tree", "--stdin", "-r", "-z", "--no-renames")
    with git.start_sealed(store.path, *command, stdin=asked) as running:
        found = list(_followed(running.pieces(), wanted))
        running.output()
    if len(found) != len(chain):  # git passes a tree over that is not there
        raise _lost(store, "a tree")
    return found
