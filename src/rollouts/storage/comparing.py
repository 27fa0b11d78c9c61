"""What differs between two trees, as git tells it: a patch, a summary, or a record for each file; renames are found."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from rollouts.errors import CommandError, DamagedStoreError, RolloutsError
from rollouts.models import Snapshot
from rollouts.record import Record
from rollouts.storage import git
from rollouts.storage.git_store import GitStore

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""The tree without files, which every git knows."""
PATCH, STAT, NAME_STATUS = "patch", "stat", "name-status"
_COMPARE = ("diff-tree", "-r", "-M", "--no-ext-diff", "--no-textconv")
_SMALL_TEXTS = ("-c", "core.bigFileThreshold=8m")
"""Git holds both sides of a file that it compares line by line."""
_WHOLE = 100_000
"""Columns of a summary that is piped: no name is cut."""
_BAR = 40
"""Columns of its longest bar of plus and minus signs."""


class Side(Record):
    """A tree and the store that holds it."""

    store: GitStore
    tree: str


class Look(Record):
    """How a difference is shown."""

    form: str
    """PATCH, STAT or NAME_STATUS."""
    columns: int | None
    """Of the terminal; None where there is none."""
    coloured: bool
    paged: bool


class FileChange(Record):
    """What happened to one file."""

    status: str
    """Git's letter: A added, D deleted, M modified (or its mode was), R renamed, T of another type."""
    path: bytes
    old_path: bytes | None
    """Of a renamed file."""
    old_mode: str | None
    mode: str | None
    insertions: int | None
    """None for a binary file."""
    deletions: int | None


def present(store: GitStore) -> GitStore:
    """The store, which is there.

    Raises:
        DamagedStoreError: it is not.
    """
    if not store.exists():
        raise DamagedStoreError(f"the store {store.path} is missing; `rollouts doctor` says what was lost with it")
    return store


def side(store: GitStore, snapshot: Snapshot) -> Side:
    """The side of a comparison that a snapshot is.

    Raises:
        DamagedStoreError: the store or the commit is not there.
    """
    return Side(present(store), snapshot.tree or store.tree_of(snapshot.store_commit_sha))


def lost(store: GitStore, error: CommandError) -> RolloutsError:
    """What a git that could not compare says of the store, unless it could only not print."""
    if error.disk_full or b"write" in error.stderr:
        return error
    return DamagedStoreError(f"the store {store.path} lacks what is compared ({error}); run `rollouts doctor --repair`")


def _command(old: Side, new: Side, globs: Sequence[str], *form: str) -> tuple[str, ...]:
    return (*_COMPARE, *form, old.tree, new.tree, "--", *(f":(top,glob){glob.rstrip('/')}" for glob in globs))


def _settings(old: Side, new: Side) -> dict[str, str]:
    return git.with_objects_of(f"{old.store.path}/objects") if old.store.path != new.store.path else {}


def _form(look: Look) -> tuple[str, ...]:
    if look.form == STAT:
        return (f"--stat={look.columns}",) if look.columns else (f"--stat={_WHOLE}", f"--stat-graph-width={_BAR}")
    return ("--name-status",) if look.form == NAME_STATUS else ("--patch",)


def print_difference(old: Side, new: Side, globs: Sequence[str], look: Look) -> None:
    """Lets git print to stdout what differs.

    Raises:
        DamagedStoreError: part of it is not in the stores.
        BrokenPipeError: the reader has had enough.
    """
    colour = "--color=always" if look.coloured else "--color=never"
    try:
        command = _command(old, new, globs, *_form(look), colour)
        git.print_sealed(new.store.path, *command, settings=_settings(old, new), paged=look.paged)
    except CommandError as error:
        raise lost(new.store, error) from error


def patch(old: Side, new: Side, size: int) -> tuple[bytes, bool]:
    """What differs as a unified diff, and whether that is all: more than `size` bytes are never read.

    Objects are named in full, so that the same trees always give the same text. Files beyond 8 MB count as binary.

    Args:
        old: before.
        new: after; of the same store.
        size: bytes.

    Raises:
        DamagedStoreError: part of it is not in the store.
    """
    command = (*_SMALL_TEXTS, *_command(old, new, (), "--patch", "--full-index", "--no-color"))
    with git.start_sealed(new.store.path, *command) as running:
        begun = running.beginning(size + 1)
        if len(begun) > size:
            return begun[:size], False
        code, _, said = running.finish()
    if code:
        raise lost(new.store, CommandError("git", code, said))
    return begun, True


def _mode(field: bytes) -> str | None:
    return None if field == b"000000" else field.decode()


def _lines(count: bytes) -> int | None:
    return None if count == b"-" else int(count)


def _counts(fields: Iterator[bytes]) -> dict[bytes, tuple[int | None, int | None]]:
    """Path -> lines added and deleted, of what `--numstat -z` printed."""
    found = {}
    for field in fields:
        added, deleted, path = field.split(b"\t", 2)
        if not path:  # renamed: the old path comes by itself, then the new one
            _, path = next(fields), next(fields)
        found[path] = (_lines(added), _lines(deleted))
    return found


def _records(printed: bytes) -> Iterator[FileChange]:
    """The records of what `--raw --numstat -z` printed: all raw ones come first."""
    fields = printed.split(b"\0")[:-1]
    raw = []
    at = 0
    while at < len(fields) and fields[at].startswith(b":"):
        old_mode, mode, _, _, status = fields[at][1:].split(b" ")
        renamed = status.startswith(b"R")
        paths = fields[at + 1 : at + 3] if renamed else [fields[at + 1]]
        raw.append((status[:1].decode(), paths[-1], paths[0] if renamed else None, _mode(old_mode), _mode(mode)))
        at += 1 + len(paths)
    counts = _counts(iter(fields[at:]))
    return (FileChange(*record, *counts.get(record[1], (0, 0))) for record in raw)


def files(old: Side, new: Side, globs: Sequence[str]) -> list[FileChange]:
    """What happened to each file that differs, in git's order.

    Raises:
        DamagedStoreError: part of it is not in the stores.
    """
    try:
        command = _command(old, new, globs, "--raw", "--numstat", "-z")
        return list(_records(git.sealed(new.store.path, *command, settings=_settings(old, new))))
    except CommandError as error:
        raise lost(new.store, error) from error


def print_file(store: GitStore, tree: str, path: str) -> None:
    """Lets git print to stdout the bytes of a file, or the target of a link.

    Raises:
        RolloutsError: the tree has no such file.
        DamagedStoreError: the store lacks it.
    """
    wanted = os.fsencode(path)
    entries = present(store).entries(tree)
    oid = next((entry.oid for entry in entries if entry.path == wanted), None)
    if oid is None:
        below = wanted.rstrip(b"/") + b"/"
        is_directory = any(entry.path.startswith(below) for entry in entries)
        what = "is a directory in" if is_directory else "is not a path of"
        raise RolloutsError(f"{path!r} {what} the snapshot; `rollouts show --files` lists its files")
    try:
        git.print_sealed(store.path, "cat-file", "blob", oid.decode())
    except CommandError as error:
        raise lost(store, error) from error
