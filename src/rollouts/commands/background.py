"""What a capture starts behind itself: the upkeep of one store, without Typer, and with nobody who listens."""

from __future__ import annotations

import os

from rollouts import paths, space

_POLITE = 10


def run(words: list[str]) -> int:
    """Packs the store of the workspace whose id is given. Returns the exit code.

    Raises:
        RolloutsError: it failed; that is noted beside the store, too.
    """
    os.chdir("/")  # the caller's directory may be unmounted meanwhile
    os.nice(_POLITE)
    space.maintain(paths.home(), words[0])
    return 0
