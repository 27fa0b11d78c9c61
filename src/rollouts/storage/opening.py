"""Opening a home: first making, migrating or rebuilding what it needs."""

from __future__ import annotations

import os
import time

from rollouts.errors import DamagedCatalogError, RolloutsError
from rollouts.paths import Home, keep_private
from rollouts.storage import rebuild
from rollouts.storage.archive import Archive
from rollouts.storage.catalog import Catalog
from rollouts.storage.lock import BusyError, FolderGoneError, Lock, patience


def _lacks_catalog(home: Home) -> bool:
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


def _prepare(home: Home, notes: list[str]) -> None:
    """Makes, migrates or rebuilds the catalog; the caller holds the home's lock alone."""
    if _lacks_catalog(home):
        notes.append(rebuilt(home, f"the catalog {home.catalog} is missing"))
        return
    try:
        catalog = Catalog(home.catalog)
        try:
            if not catalog.is_current and catalog.is_blank() and next(iter(rebuild.stores(home)), None):
                raise DamagedCatalogError(f"the catalog {home.catalog} is empty")
            catalog.migrate()
        finally:
            catalog.close()
        for folder in (home.path, home.workspaces):  # agent-rollouts 0.1 left them open to all
            os.chmod(folder, 0o700)
    except DamagedCatalogError as error:
        notes.append(rebuilt(home, str(error).partition(";")[0]))


def _open_catalog(home: Home) -> Catalog | None:
    """The catalog when it is ready for use, else None."""
    if not os.path.exists(home.catalog):
        return None
    try:
        catalog = Catalog(home.catalog)
    except DamagedCatalogError:
        return None
    if catalog.is_current:
        return catalog
    catalog.close()
    return None


def opened(home: Home) -> Archive:
    """Opens a home for use, first making, migrating or rebuilding what it needs.

    Raises:
        RolloutsError: it cannot be written, is too new, or another process works on it for too long.
    """
    keep_private()
    notes: list[str] = []
    deadline = time.monotonic() + patience()
    while True:
        os.makedirs(home.workspaces, exist_ok=True)
        try:
            lock = Lock(home.lock, f"the home {home.path}", shared=True)
            lock.acquire()
            catalog = _open_catalog(home)
            if catalog:
                return Archive(home, catalog, lock, notes)
            lock.release()
            with Lock(home.lock, f"the home {home.path}", wait=0.05):
                _prepare(home, notes)
        except (BusyError, FolderGoneError):  # others look, too; `delete --all` has removed the home meanwhile
            if time.monotonic() > deadline:
                raise


def _read_catalog(home: Home) -> Catalog | None:
    """The catalog of a home that may be read-only, when it is ready for use."""
    try:
        return _open_catalog(home)
    except RolloutsError:
        log = f"{home.catalog}-wal"
        if os.access(home.path, os.W_OK) or (os.path.exists(log) and os.path.getsize(log)):
            raise
        return Catalog(home.catalog, immutable=True)


def _held(home: Home) -> Lock | None:
    """The home's lock, held with others; None where no process of ours can be writing."""
    if not os.access(home.lock, os.W_OK):
        return None
    lock = Lock(home.lock, f"the home {home.path}", shared=True)
    try:
        lock.acquire()
    except FolderGoneError:
        return None
    return lock


def opened_for_reading(home: Home) -> Archive:
    """Opens a home without writing to it, if it is as this program leaves it; one that is not there is empty.

    Raises:
        RolloutsError: it cannot be read, or needs work first that cannot be done.
    """
    if os.path.lexists(home.path):
        os.listdir(home.path)  # one that cannot be read is not an empty one
    lock = _held(home)
    try:
        catalog = _read_catalog(home)
        if catalog:
            lock, held = None, lock
            return Archive(home, catalog, held, [])
    finally:
        if lock:
            lock.release()  # what comes next, a rebuild perhaps, takes it alone
    if os.path.exists(home.catalog) or _lacks_catalog(home):
        return opened(home)
    nothing = Catalog(":memory:")
    nothing.migrate()
    return Archive(home, nothing, None, [])
