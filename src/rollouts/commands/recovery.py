"""What the error boundary does about a damaged catalog."""

from __future__ import annotations

import sys

from rollouts import paths
from rollouts.storage import kept, preparing
from rollouts.storage.lock import Lock


def rebuild() -> None:
    """Rebuilds the catalog from the stores, and says so on stderr.

    Raises:
        RolloutsError: other processes hold the home for too long, or it cannot be written.
    """
    home = paths.home()
    seen = kept.signature(home.catalog)
    with Lock(home.lock, f"the home {home.path}"):
        if kept.signature(home.catalog) != seen:
            return  # another process, which met the damage too, was first
        done = preparing.rebuilt(home, f"the catalog {home.catalog} is damaged")
    sys.stderr.write(f"Warning: {done}\n")
