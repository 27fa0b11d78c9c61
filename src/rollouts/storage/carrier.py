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
    git.sealed(repository.path, "fast-import", "--quiet", stdin=commands)


def contents(repository: GitStore, kind: bytes, oids: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """(object id, content) of each of some objects that is there and of that kind: `tag`, `commit` or `tree`."""
    asked = "".join(f"{oid}\n" for oid in oids).encode()
    printed = git.sealed(repository.path, "cat-file", "--batch", "--buffer", stdin=asked)
    at = 0
    while at < len(printed):
        end = printed.index(b"\n", at)
        words = printed[at:end].split(b" ")
        at = end + 1
        if len(words) == 3:  # else: the id and `missing`
            size = int(words[2])
            if words[1] == kind:
                yield words[0].decode(), printed[at : at + size]
            at += size + 1


def tags(repository: GitStore) -> dict[str, tuple[str, bytes]]:
    """Ref -> (object id, content) of all that was fetched; what is no tag, or too large for one, has no content."""
    command = ("for-each-ref", "--format=%(refname) %(objectname) %(objecttype) %(objectsize)", tag.FOLDER)
    found = [line.split(" ") for line in git.sealed(repository.path, *command).decode().splitlines()]
    good = [oid for _, oid, kind, size in found if kind == "tag" and int(size) <= tag.MAX_BYTES]
    read = dict(contents(repository, b"tag", good))
    return {name: (oid, read.get(oid, b"")) for name, oid, _, _ in found}


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
