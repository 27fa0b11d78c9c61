"""Forgets agents' sessions: what is kept of their transcripts, and what the catalog knows of them."""

from __future__ import annotations

import os
from collections.abc import Iterable

from rollouts.storage import datasets, sessions
from rollouts.storage.archive import Archive
from rollouts.storage.transcripts import Transcripts


def forget(archive: Archive, session_ids: Iterable[str]) -> int:
    """Forgets sessions with their subagents. Returns how many the catalog knew.

    The transcripts go first: whenever this is killed, what is left is still listed, and can be deleted again.

    Raises:
        RolloutsError: the store or the catalog cannot be written, or is busy for too long.
    """
    names = list(session_ids)
    with archive.catalog as catalog:
        datasets.forget(catalog, names)
    kept = Transcripts(archive.home)
    if not os.path.isdir(kept.folder):
        return 0
    with kept.taking_in():
        found = sessions.family(archive.catalog, names)
        kept.forget({*found, *kept.keys_of(names)})
        with archive.catalog as catalog:
            sessions.forget(catalog, found)
    return len(found)
