"""Whether a store is to be packed; each capture asks, so it costs next to nothing: three folders, not far into them."""

from __future__ import annotations

import os
from itertools import islice

from rollouts.paths import Home

_LOOSE = 8  # in one of 256 folders over which git spreads them evenly: about 2,000
_REFS = 256
_PACKS = 50


def _count(folder: str, most: int) -> int:
    """The number of entries of a folder, counted no further than `most`."""
    try:
        with os.scandir(folder) as entries:
            return sum(1 for _ in islice(entries, most))
    except OSError:
        return 0


def excess(store: str, refs: str = "refs/snapshots") -> str | None:
    """What there is too much of in a store, whose refs are in that folder of it."""
    if _count(f"{store}/objects/17", _LOOSE) >= _LOOSE:
        return "loose objects"
    if _count(f"{store}/{refs}", _REFS) >= _REFS:
        return "loose refs"
    return "packs" if _count(f"{store}/objects/pack", 2 * _PACKS) >= 2 * _PACKS else None


def tidy(home: Home, workspace_id: str) -> None:
    """After a capture: has the store packed, behind it, when there is too much of anything."""
    if excess(home.store(workspace_id)):
        from rollouts.storage import upkeep  # noqa: PLC0415 - one capture in two hundred

        upkeep.start(home, workspace_id)
