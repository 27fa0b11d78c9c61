"""Opening a home that is ready for use, or after `preparing` has made it so."""

from __future__ import annotations

import os
import time

from rollouts.errors import DamagedCatalogError, RolloutsError
from rollouts.paths import Home, keep_private
from rollouts.storage.archive import Archive
from rollouts.storage.catalog import Catalog
from rollouts.storage.lock import BusyError, FolderGoneError, Lock, patience


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
                from rollouts.storage import preparing  # noqa: PLC0415 - most homes need none of it

                notes += preparing.prepare(home)
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
    from rollouts.storage import preparing  # noqa: PLC0415 - most homes need none of it

    if os.path.exists(home.catalog) or preparing.lacks_catalog(home):
        return opened(home)
    nothing = Catalog(":memory:")
    nothing.migrate()
    return Archive(home, nothing, None, [])
