"""Making a home ready: a new catalog, an older one migrated, a lost or damaged one made again from the stores."""

from __future__ import annotations

import os
import time

from rollouts.errors import DamagedCatalogError
from rollouts.paths import Home
from rollouts.storage import rebuild
from rollouts.storage.catalog import Catalog


def lacks_catalog(home: Home) -> bool:
    """True when there are stores and nothing that lists them."""
    return not os.path.exists(home.catalog) and next(iter(rebuild.stores(home)), None) is not None


def _older(home: Home) -> list[str]:
    """Older copies of the catalog, the best last; a rebuild that was killed has moved the best one aside already."""
    found = sorted(f"{home.path}/{name}" for name in os.listdir(home.path))
    aside = [path for path in found if path.startswith(f"{home.catalog}.damaged-")]
    return [f"{home.catalog}.v0-backup", *(path for path in aside if path.endswith("Z"))]


def rebuilt(home: Home, reason: str) -> str:
    """Puts a catalog made from the stores in the place of a lost or damaged one, which is kept aside.

    The caller holds the home's lock alone. Returns a sentence that says what was done.
    """
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    aside = f"{home.catalog}.damaged-{time.strftime('%Y%m%dT%H%M%S', time.gmtime(seconds))}.{nanoseconds:09d}Z"
    fresh = f"{home.catalog}.new"
    for suffix in ("", "-wal", "-shm", "-journal"):
        if os.path.exists(fresh + suffix):
            os.unlink(fresh + suffix)
        if os.path.exists(home.catalog + suffix):
            os.rename(home.catalog + suffix, aside + suffix)
            os.chmod(aside + suffix, 0o600)
    catalog = Catalog(fresh)
    try:
        catalog.migrate()
        done = rebuild.fill(catalog, home, _older(home))
    finally:
        catalog.close()
    os.rename(fresh, home.catalog)
    kept = f"; the old one is {aside}" if os.path.exists(aside) else ""
    lost = "".join(f"\n  not taken over: {sentence}" for sentence in done.unreadable)
    return f"{reason}; made anew from the stores: {done.workspaces} workspaces, {done.snapshots} snapshots{kept}{lost}"


def prepare(home: Home) -> list[str]:
    """Makes, migrates or rebuilds the catalog; the caller holds the home's lock alone.

    Returns what the user should hear of.
    """
    if lacks_catalog(home):
        return [rebuilt(home, f"the catalog {home.catalog} is missing")]
    try:
        catalog = Catalog(home.catalog)
        try:
            if not catalog.is_current and catalog.is_blank() and next(iter(rebuild.stores(home)), None):
                raise DamagedCatalogError(f"the catalog {home.catalog} is empty")
            catalog.migrate()
        finally:
            catalog.close()
        stores = [f"{home.workspaces}/{name}" for name in os.listdir(home.workspaces)]
        for folder in (home.path, home.workspaces, *filter(os.path.isdir, stores)):
            os.chmod(folder, 0o700)  # agent-rollouts 0.1 left them open to all
    except DamagedCatalogError as error:
        return [rebuilt(home, str(error).partition(";")[0])]
    return []
