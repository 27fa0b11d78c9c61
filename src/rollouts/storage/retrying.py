"""Fetches again, in halves, what cannot be had all at once."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from rollouts.storage import network
from rollouts.storage.git_store import GitStore
from rollouts.storage.network import ArchiveError, Remote

IN_VAIN = 12
"""Pushes or fetches in a row that bring nothing, until no more are tried."""


def halves(refs: list[str]) -> list[list[str]]:
    """The two halves of a batch, as far as there is something in them."""
    middle = len(refs) // 2
    return [half for half in (refs[:middle], refs[middle:]) if half]


def fetch(repository: GitStore, remote: Remote, refs: Sequence[str]) -> Generator[bytes, None, dict[str, str]]:
    """Fetches refs, each by itself where it must be: one that is broken keeps no other back.

    Returns ref -> why, of those that cannot be had.

    Raises:
        ArchiveError: nothing can be had, or nothing more.
    """
    pending = [list(refs)] if refs else []
    broken: dict[str, str] = {}
    in_vain = 0
    while pending:
        batch = pending.pop(0)
        try:
            yield from network.fetch(repository.path, remote, batch)
            in_vain = 0
        except ArchiveError as error:
            in_vain += 1
            if error.is_lasting or in_vain > IN_VAIN:
                raise
            if len(batch) == 1:
                broken[batch[0]] = str(error)
            else:
                pending = [*halves(batch), *pending]
    return broken
