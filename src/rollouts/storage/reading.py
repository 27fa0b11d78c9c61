"""The catalog for those who only read it, as it is at one moment: nothing is made, mended or migrated for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from rollouts.errors import DamagedCatalogError, RolloutsError
from rollouts.paths import Home
from rollouts.storage.catalog import Catalog
from rollouts.storage.lock import FolderGoneError, Lock


class ChangedMeanwhileError(RolloutsError):
    """The catalog was at rest when it was opened, and was written before it was read."""


def _log_of(home: Home) -> str:
    """The file in which SQLite keeps what is not in the catalog yet; it is there while any program has that open."""
    return f"{home.catalog}-wal"


def _lock(home: Home) -> Lock | None:
    """The home's lock, held with others, so that no one migrates or rebuilds meanwhile; None where it is not there."""
    if not os.path.exists(home.lock) or not os.access(home.lock, os.W_OK):
        return None
    lock = Lock(home.lock, f"the home {home.path}", shared=True, create=False)
    try:
        lock.acquire()
    except FolderGoneError:
        return None
    return lock


def _look(home: Home) -> tuple[int, int, int]:
    found = os.stat(home.catalog)
    return found.st_ino, found.st_size, found.st_mtime_ns


def _is_at_rest(home: Home) -> bool:
    """Whether all of the catalog stands in its own file."""
    log = _log_of(home)
    return not os.path.exists(log) or (not os.access(home.path, os.W_OK) and not os.path.getsize(log))


@contextmanager
def _undisturbed(home: Home) -> Iterator[Catalog]:
    """The catalog by itself, read without its locks and its log, so that there is nothing that SQLite would make.

    Raises:
        ChangedMeanwhileError: after the block, when it was written meanwhile.
    """
    before = _look(home)
    catalog = Catalog(home.catalog, immutable=True)
    try:
        yield catalog
    except DamagedCatalogError:
        if _look(home) == before:
            raise
    finally:
        catalog.close()
    if _look(home) != before:
        raise ChangedMeanwhileError(f"the catalog {home.catalog} was written while it was read; try again")


@contextmanager
def _beside_others(home: Home) -> Iterator[Catalog]:
    """The catalog with its log, which SQLite keeps as it is for this reader, whoever writes meanwhile."""
    catalog = Catalog(home.catalog, read_only=True)
    try:
        yield catalog
    finally:
        catalog.close()
        if os.path.exists(_log_of(home)) and os.access(home.path, os.W_OK):
            last = Catalog(home.catalog)  # a reader that may not write leaves the log behind; this one does not
            last.is_blank()
            last.close()


@contextmanager
def snapshot(home: Home, *, undisturbed: bool = True) -> Iterator[Catalog]:
    """The catalog within one read transaction.

    Args:
        home: with a catalog in it.
        undisturbed: while no program has it open, no file is made for reading it, not even one that goes again.

    Raises:
        ChangedMeanwhileError: someone began to write it; what was read is to be thrown away.
        RolloutsError: there is none, it is of another release, damaged, or cannot be read.
    """
    if not os.path.exists(home.catalog):
        raise RolloutsError(
            f"there is no catalog in {home.path}; `rollouts import` makes one of the sessions on this machine"
        )
    lock = _lock(home)
    alone = not os.access(home.path, os.W_OK) or undisturbed
    try:
        with (_undisturbed if alone and _is_at_rest(home) else _beside_others)(home) as catalog:
            if not catalog.is_current:
                raise RolloutsError(
                    f"the catalog {home.catalog} was written by an older Rollouts; run `rollouts import`, which brings"
                    " it up to date"
                )
            catalog.begin_reading()
            yield catalog
    except DamagedCatalogError as error:  # which others have mended at once; this one changes nothing
        raise RolloutsError(str(error)) from error
    finally:
        if lock:
            lock.release()
