"""What is damaged in a store, and which snapshots that hits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from rollouts.errors import RolloutsError
from rollouts.models import Snapshot
from rollouts.storage.git_store import GitStore

_OBJECT = re.compile(r"(?<!pack-)\b[0-9a-f]{40}\b")


def objects_in(faults: Iterable[str]) -> set[str]:
    """The ids of the objects that `GitStore.faults` names."""
    return {oid for line in faults for oid in _OBJECT.findall(line)}


def hit(store: GitStore, rows: Iterable[Snapshot], bad: set[str]) -> Iterator[Snapshot]:
    """The snapshots that hold one of some damaged objects, or cannot be read far enough to tell."""
    trees: dict[str, bool] = {}  # many turns share one
    for row in rows:
        try:
            tree = store.tree_of(row.store_commit_sha)
            if tree not in trees:
                trees[tree] = any(entry.oid.decode() in bad for entry in store.entries(tree))
            is_hit = trees[tree]
        except RolloutsError:
            is_hit = True
        if is_hit or row.store_commit_sha in bad:
            yield row
