"""How much each turn changed since the turn before it, counted by git once and kept in the catalog."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from rollouts.errors import CommandError, DamagedCatalogError, DamagedStoreError, RolloutsError
from rollouts.models import Snapshot
from rollouts.record import Record
from rollouts.storage import comparing, git
from rollouts.storage.catalog import Catalog
from rollouts.storage.git_store import GitStore


class Change(Record):
    """How much differs between two trees; a renamed file is one file, a binary one has no lines."""

    files: int
    insertions: int
    deletions: int


Pair = tuple[str, str]
"""An old tree and a new one."""
_NOTHING = Change(0, 0, 0)


def before(snapshots: Iterable[Snapshot]) -> dict[str, Snapshot]:
    """Id of each of these snapshots (oldest first) -> the one before it in its session; the first has none."""
    latest: dict[str, Snapshot] = {}
    found = {}
    for snapshot in snapshots:
        earlier = latest.get(snapshot.session_id)
        if earlier:
            found[snapshot.id] = earlier
        latest[snapshot.session_id] = snapshot
    return found


def _trees(store: GitStore, snapshots: list[Snapshot]) -> dict[str, str]:
    """Snapshot id -> tree; agent-rollouts 0.1 noted commits only.

    Raises:
        DamagedStoreError: the store lacks one.
    """
    unknown = [row for row in snapshots if row.tree is None]
    known = {row.id: row.tree for row in snapshots if row.tree is not None}
    if not unknown:
        return known
    asked = "".join(f"{row.store_commit_sha}^{{tree}}\n" for row in unknown).encode()
    answers = git.sealed(store.path, "cat-file", "--batch-check=%(objectname)", stdin=asked).decode().splitlines()
    for row, answer in zip(unknown, answers, strict=True):
        if " " in answer:  # the name that was asked for, and `missing`
            raise DamagedStoreError(
                f"the store {store.path} has lost commit {row.store_commit_sha}; run `rollouts doctor --repair`"
            )
    return known | {row.id: answer for row, answer in zip(unknown, answers, strict=True)}


def _change(summary: str) -> Change:
    """Numbers of a line like ` 2 files changed, 3 insertions(+), 1 deletion(-)`, in which zeros are left out."""
    words = summary.split()
    found = {word[:3]: int(number) for number, word in itertools.pairwise(words) if number.isdecimal()}
    return Change(found["fil"], found.get("ins", 0), found.get("del", 0))


def _counted(store: GitStore, pairs: list[Pair]) -> dict[Pair, Change]:
    """What differs between the trees of each pair, by one git for all.

    Raises:
        DamagedStoreError: the store lacks a tree, or something in one.
    """
    asked = "".join(f"{old} {new}\n" for old, new in pairs).encode()
    command = ("diff-tree", "--stdin", "-r", "-M", "--shortstat")
    try:
        printed = git.sealed(store.path, *command, stdin=asked).decode()
    except CommandError as error:
        raise comparing.lost(store, error) from error
    found: dict[Pair, Change] = {}
    pair = ("", "")
    for line in printed.splitlines():
        if line.startswith(" "):
            found[pair] = _change(line)
        else:
            old, _, new = line.partition(" ")
            pair = (old, new)
            found[pair] = _NOTHING
    missing = [pair for pair in pairs if pair not in found]  # git passes over a tree that is not there
    if missing:
        raise DamagedStoreError(
            f"the store {store.path} lacks tree {missing[0][0]} or {missing[0][1]}; run `rollouts doctor --repair`"
        )
    return found


def _keep(catalog: Catalog, counted: dict[Pair, Change]) -> None:
    """Keeps what was counted, where the catalog can be written; elsewhere it is counted again next time."""
    try:
        with catalog:
            catalog.add_changes(counted)
    except DamagedCatalogError:
        raise
    except RolloutsError:  # read-only, full or busy
        return


def since_the_turn_before(catalog: Catalog, store: GitStore, snapshots: list[Snapshot]) -> dict[str, Change]:
    """Snapshot id -> what changed since the turn before it in its session; the first turn of a session has no entry.

    Args:
        catalog: keeps what is counted.
        store: of the workspace whose snapshots they are; its objects stay while this runs.
        snapshots: whole sessions, oldest first.

    Raises:
        DamagedStoreError: the store lacks something.
    """
    earlier = before(snapshots)
    trees = _trees(comparing.present(store), snapshots) if earlier else {}
    pairs = {row.id: (trees[earlier[row.id].id], trees[row.id]) for row in snapshots if row.id in earlier}
    known = {pair: Change(*counts) for pair, counts in catalog.changes([old for old, _ in pairs.values()]).items()}
    known |= {pair: _NOTHING for pair in pairs.values() if pair[0] == pair[1]}
    asked = [pair for pair in dict.fromkeys(pairs.values()) if pair not in known]
    if asked:
        counted = _counted(store, asked)
        _keep(catalog, counted)
        known |= counted
    return {name: known[pair] for name, pair in pairs.items()}
