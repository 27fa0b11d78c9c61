"""Packing the store of transcripts, and dropping what nothing in it reaches; as workspaces' stores are."""

from __future__ import annotations

import os
import time

from rollouts.errors import RolloutsError
from rollouts.paths import Home
from rollouts.storage import due, packing, upkeep
from rollouts.storage.lock import BusyError, FolderGoneError
from rollouts.storage.transcripts import REFS, Transcripts

_REFS_SECONDS = 20.0


def excess(kept: Transcripts) -> str | None:
    """What there is too much of in the store."""
    folder = f"{kept.store.path}/{REFS}"
    agents = os.listdir(folder) if os.path.isdir(folder) else []
    found = (due.excess(kept.store.path, REFS + agent) for agent in (*agents, "none"))
    return next(filter(None, found), None)


def pack(kept: Transcripts) -> None:
    """Sweeps and packs the store, unless somebody else does, or it has failed lately.

    Raises:
        RolloutsError, OSError: it failed; the next attempt waits until the cause may be gone.
    """
    try:
        with upkeep.UpkeepLock(kept.folder, wait=0) as alone:
            if upkeep.is_postponed(alone.last(), kept.folder):
                return
            alone.write(upkeep.Attempt(upkeep.PACKING, time.time()).note())
            _pack(kept, alone)
            alone.write(b"")
    except (BusyError, FolderGoneError):
        return


def collect(kept: Transcripts) -> None:
    """Packs the store whatever its state, and drops what nothing in it reaches.

    Raises:
        RolloutsError, OSError: it failed.
    """
    with upkeep.Alone(kept.folder) as alone:
        with kept.locked() as lock:
            kept.sweep(lock)
            packing.pack_refs(kept.store, _REFS_SECONDS)
        if alone.lock:
            packing.pack(kept.store, alone.lock)
        with kept.locked(), kept.reading(shared=False):
            if packing.unreachable(kept.store).objects:
                packing.reclaim(kept.store)
        alone.settle()


def _pack(kept: Transcripts, alone: upkeep.UpkeepLock) -> None:
    try:
        with kept.locked() as lock:
            kept.sweep(lock)
            packing.pack_refs(kept.store, _REFS_SECONDS)
        if excess(kept):  # after an import many refs are all there is too much of
            packing.pack(kept.store, alone)
    except (RolloutsError, OSError) as error:
        needs = error.needs if isinstance(error, packing.NoRoomError) else 0
        alone.write(upkeep.Attempt(upkeep.FAILED, time.time(), needs, str(error)).note())
        raise


def tidy(home: Home) -> None:
    """Has the store packed when there is too much of anything; who asks is behind an agent already."""
    kept = Transcripts(home)
    if excess(kept):
        pack(kept)
