"""A snapshot's files as a new directory: whole or not at all, and never outside its destination.

Nothing in a store is trusted here: an archive may come from anywhere. The tree is checked before a file is written.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Sequence

from rollouts.errors import CommandError, RolloutsError
from rollouts.models import Snapshot
from rollouts.paths import USER_UMASK
from rollouts.record import Record
from rollouts.storage.content import Content, content, part_of, prefixes
from rollouts.storage.git_store import GitStore
from rollouts.storage.scratch import not_written, sweep, umask

_TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)
"""What the renaming of a directory to a name that is taken ends with, by file system and by what has the name."""


class Restored(Record):
    """The outcome of a restore."""

    snapshot: Snapshot
    destination: str
    files: int


class Wanted(Record):
    """What is to be written."""

    globs: Sequence[str] = ()
    """Git's globs; when there are any, only the paths that match one."""
    verify: bool = False
    """Hash what was written."""


def _fill(store: GitStore, commit: str, chosen: Content, whole: Content, tree: str, index: str) -> None:
    """Writes the chosen files and directories below `tree`: under the user's umask, unless their modes are known."""
    with contextlib.nullcontext() if chosen.modes else umask(USER_UMASK):
        os.mkdir(tree)
        if len(chosen.entries) == len(whole.entries):
            store.check_out(commit, os.fsencode(tree), index)
        else:
            store.check_out_files(chosen.entries, os.fsencode(tree), index)
        for path in chosen.empty_dirs:
            for directory in (*prefixes(path), path):  # os.makedirs calls itself for each level: too often for some
                with contextlib.suppress(FileExistsError):
                    os.mkdir(os.fsencode(tree) + b"/" + directory)


def _set_modes(tree: bytes, chosen: Content) -> None:
    """Gives files and directories below `tree` their permission bits, the deepest first."""
    bits = chosen.bits()
    bits.pop(b".", None)
    for path in sorted(bits, reverse=True):
        os.chmod(tree + b"/" + path, bits[path])


def _verify(store: GitStore, chosen: Content, tree: str, index: str) -> None:
    """Hashes what was written and compares it with the snapshot.

    Raises:
        RolloutsError: something differs.
    """
    wrong = store.differing(chosen.entries, os.fsencode(tree), index)
    if wrong:
        raise RolloutsError(
            f"what was written differs from the snapshot in {len(wrong)} files, {os.fsdecode(wrong[0])!r} first"
        )


def new_directory(path: str) -> str:
    """The path of a directory that is to be made, absolute; what it lies in is there afterwards.

    Raises:
        RolloutsError: there is something already.
    """
    destination = os.path.abspath(path)
    if os.path.lexists(destination):
        raise RolloutsError(f"destination already exists: {destination}; name a directory that is not there yet")
    parent = os.path.dirname(destination)
    with umask(USER_UMASK):
        os.makedirs(parent, exist_ok=True)
    sweep(parent)
    return destination


def write(store: GitStore, snapshot: Snapshot, destination: str, room: str, wanted: Wanted) -> Restored:
    """Writes a snapshot's files in some room beside the destination, and gives them its name when they are whole."""
    whole = content(store, snapshot)
    chosen = part_of(store, whole, wanted.globs, f"{room}/names") if wanted.globs else whole
    tree = f"{room}/tree"
    try:
        _fill(store, snapshot.store_commit_sha, chosen, whole, tree, f"{room}/index")
    except CommandError as error:
        raise not_written(error, snapshot.id, destination) from error
    if wanted.verify:
        _verify(store, chosen, tree, f"{room}/verify")
    _set_modes(os.fsencode(tree), chosen)
    taken = RolloutsError(f"destination already exists: {destination}; another program made it meanwhile")
    if os.path.lexists(destination):
        raise taken
    root_mode = chosen.bits().get(b".")
    if root_mode is not None:
        os.chmod(tree, root_mode | stat.S_IWUSR)  # what may not be written cannot be renamed
    try:
        os.rename(tree, destination)
    except OSError as error:  # made since that look
        raise taken if error.errno in _TAKEN else error from error
    if root_mode is not None and not root_mode & stat.S_IWUSR:
        os.chmod(destination, root_mode)
    return Restored(snapshot, destination, len(chosen.entries))
