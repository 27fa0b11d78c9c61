"""A throwaway repository between a store and an archive: tags are made and read in it, and never in a store."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence

from rollouts.contracts import tag
from rollouts.models import Snapshot
from rollouts.storage import git
from rollouts.storage.git_store import GitStore

_AT_ONCE = 64 << 20
_MOST = 2_000
"""Bytes, and objects, that are read at once: an archive may hold any amount."""


@contextlib.contextmanager
def carrier(path: str) -> Iterator[GitStore]:
    """An empty repository, gone afterwards."""
    os.makedirs(path, mode=0o700)
    try:
        made = GitStore(f"{path}/carrier.git")
        made.ensure()
        yield made
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _tag_command(snapshot: Snapshot) -> bytes:
    """One tag, in the words of git fast-import: https://git-scm.com/docs/git-fast-import#_tag."""
    head, _, body = tag.content(snapshot).partition(b"\n\n")
    _, _, name, tagger = head.split(b"\n")
    return b"%b\nfrom %b\n%b\ndata %d\n%b\n" % (name, snapshot.store_commit_sha.encode(), tagger, len(body), body)


def make_tags(repository: GitStore, snapshots: Iterable[Snapshot]) -> None:
    """Makes the tags of snapshots, by one git.

    Raises:
        CommandError: a commit is not there.
    """
    commands = b"".join(map(_tag_command, snapshots))
    # none of it stays, and waiting for the disk at each ref takes longer than their push
    git.sealed(repository.path, "-c", "core.fsync=none", "fast-import", "--quiet", stdin=commands)


def _groups(sizes: Iterable[tuple[str, int]]) -> Iterator[list[str]]:
    """Names in groups that are read at once; what is larger than one is left out."""
    group: list[str] = []
    total = 0
    for name, size in sizes:
        if size > _AT_ONCE:
            continue
        if total + size > _AT_ONCE or len(group) == _MOST:
            yield group
            group, total = [], 0
        group.append(name)
        total += size
    if group:
        yield group


def _read(repository: GitStore, oids: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    asked = "".join(f"{oid}\n" for oid in oids).encode()
    printed = git.sealed(repository.path, "cat-file", "--batch", "--buffer", stdin=asked)
    at = 0
    while at < len(printed):
        end = printed.index(b"\n", at)
        oid, _, size = printed[at:end].split(b" ")
        yield oid.decode(), printed[end + 1 : end + 1 + int(size)]
        at = end + 2 + int(size)


def contents(repository: GitStore, kind: bytes, oids: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """(object id, content) of each of some objects that is there and of that kind: `tag`, `commit` or `tree`.

    They are read some at a time. One larger than 64 MiB, which no snapshot has, counts as not there.
    """
    asked = "".join(f"{oid}\n" for oid in dict.fromkeys(oids)).encode()
    answers = git.sealed(repository.path, "cat-file", "--batch-check", "--buffer", stdin=asked).splitlines()
    words = [answer.split(b" ") for answer in answers]
    for group in _groups((found[0].decode(), int(found[2])) for found in words if found[1] == kind):
        yield from _read(repository, group)


def tags(repository: GitStore) -> Iterator[dict[str, tuple[str, bytes]]]:
    """Ref -> (object id, content) of all that was fetched, some at a time.

    What is no tag, or too large for one, has no content.
    """
    command = ("for-each-ref", "--format=%(refname) %(objectname) %(objecttype) %(objectsize)", tag.FOLDER)
    found = [line.split(" ") for line in git.sealed(repository.path, *command).decode().splitlines()]
    oids = {name: oid for name, oid, _, _ in found}
    good = {name for name, _, kind, size in found if kind == "tag" and int(size) <= tag.MAX_BYTES}
    for names in _groups((name, int(size) if name in good else 0) for name, _, _, size in found):
        read = dict(_read(repository, [oids[name] for name in names if name in good]))
        yield {name: (oids[name], read[oids[name]] if name in good else b"") for name in names}


def hand_over(repository: GitStore, store: GitStore, commits: Sequence[str]) -> None:
    """Copies commits and what they hold into a store, as far as it lacks them.

    Raises:
        CommandError: it could not be written; what is there by then names nothing.
    """
    git.sealed(
        repository.path,
        *("pack-objects", "-q", "--revs", "--local", "--delta-base-offset", f"{store.path}/objects/pack/pack"),
        stdin="".join(f"{commit}\n" for commit in commits).encode(),
    )
