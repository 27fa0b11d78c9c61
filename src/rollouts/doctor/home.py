"""The home itself: its modes, its catalog, what lies in it and belongs to nobody."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator

from rollouts.doctor.finding import Finding, mended
from rollouts.errors import DamagedCatalogError, RolloutsError
from rollouts.models import Workspace
from rollouts.paths import Home
from rollouts.storage import leftovers, preparing, rebuild, removing
from rollouts.storage.archive import Archive
from rollouts.storage.catalog import Catalog
from rollouts.storage.git_store import GitStore
from rollouts.storage.lock import BusyError, Lock

_OURS = re.compile(r"rollouts\.(lock|sqlite.*)|config\.toml|missed|redaction\.key")
_FOLDER = re.compile(r"[0-9a-f]{32}")


def _wanted(home: Home) -> dict[str, int]:
    """The mode of each path that is for its owner alone; what else lies below is behind these doors."""
    folders = [home.path, home.workspaces, home.logs]
    if os.path.isdir(home.workspaces):
        folders += [f"{home.workspaces}/{name}" for name in os.listdir(home.workspaces) if _FOLDER.fullmatch(name)]
    files = [f"{home.path}/{name}" for name in sorted(os.listdir(home.path)) if _OURS.fullmatch(name)]
    return dict.fromkeys(folders, 0o700) | dict.fromkeys(files, 0o600)


def modes(home: Home, *, repair: bool) -> Iterator[Finding]:
    """The home is its owner's alone."""
    for path, mode in _wanted(home).items():
        try:
            now = stat.S_IMODE(os.stat(path).st_mode)
        except FileNotFoundError:
            continue
        if now & 0o077:
            if repair:
                os.chmod(path, mode)
            yield mended(f"{path} can be read by others (mode {now:04o}, should be {mode:04o})", repair=repair)


def _damage(home: Home) -> str | None:
    """What is wrong with the catalog, in words."""
    has_stores = next(rebuild.stores(home), None) is not None
    if not os.path.exists(home.catalog):
        return f"the catalog {home.catalog} is missing" if has_stores else None
    try:
        with contextlib.closing(Catalog(home.catalog)) as catalog:
            if has_stores and catalog.is_blank():
                return f"the catalog {home.catalog} is empty"
            return None if catalog.is_sound() else f"the catalog {home.catalog} is damaged"
    except DamagedCatalogError as error:
        return str(error).partition(";")[0]


def catalog(home: Home, *, repair: bool) -> Iterator[Finding]:
    """Whether the catalog can be read to its last page; repair makes it anew from the stores."""
    reason = _damage(home)
    if reason is None:
        return
    if repair:
        with Lock(home.lock, f"the home {home.path}"):
            reason = preparing.rebuilt(home, reason)
    yield mended(reason, repair=repair)


def leftovers_of(home: Home, *, repair: bool) -> Iterator[Finding]:
    """What killed processes left behind; while others are at work, it may be theirs, and is left alone."""
    if not leftovers.left_behind(home):
        return
    with contextlib.suppress(BusyError), Lock(home.lock, f"the home {home.path}", wait=1):
        for path in leftovers.left_behind(home):
            if repair:
                leftovers.remove(path)
            yield mended(f"{path} was left by a killed process", repair=repair)


def _copied_from(archive: Archive, snapshot_ids: Iterable[str]) -> Workspace | None:
    """The workspace that has each of some snapshots."""
    owners = {row.workspace_id for name in snapshot_ids for row in archive.catalog.snapshots_by_id(name)}
    known = all(archive.catalog.snapshots_by_id(name) for name in snapshot_ids)
    return archive.catalog.workspace(owners.pop()) if known and len(owners) == 1 else None


def _stray(archive: Archive, workspace_id: str, store: GitStore, *, repair: bool) -> Finding:
    refs = store.refs()
    snapshots = sorted(refs.keys() - set(archive.catalog.deletions(workspace_id)))
    folder = archive.home.workspace(workspace_id)
    if not snapshots:
        if repair:
            with Lock(f"{folder}/lock", f"the store {store.path}"):
                shutil.rmtree(removing.doom(folder))
            with archive.catalog as catalog:
                catalog.forget_deletions(workspace_id)
        return mended(f"{store.path} was left by a killed deletion", repair=repair)
    original = _copied_from(archive, snapshots)
    if original:
        problem = f"{store.path} is a copy: its snapshots are those of workspace {original.id}, {original.root_path}"
        return Finding(problem, f"`rm -r {folder}` removes it", [], mended=False)
    problem = f"{store.path} belongs to no workspace of the catalog"
    try:
        if repair:
            with Lock(f"{folder}/lock", f"the store {store.path}"):
                taken = rebuild.take_in(archive.catalog, archive.home, workspace_id)
            problem += f"; its {len(snapshots)} snapshots are those of {taken.root_path} now"
    except RolloutsError as error:
        return Finding(f"{problem}: {error}", f"`rm -r {folder}` removes it", snapshots, mended=False)
    return mended(problem, repair=repair)


def strays(archive: Archive, *, repair: bool) -> Iterator[Finding]:
    """Stores of no workspace: a killed deletion leaves one, with refs that were to go; others come from elsewhere."""
    known = {record.id for record in archive.catalog.workspaces()}
    for workspace_id, store in rebuild.stores(archive.home):
        if workspace_id not in known:
            yield _stray(archive, workspace_id, store, repair=repair)


def places(archive: Archive, *, repair: bool) -> Iterator[Finding]:
    """The catalog of a home that was copied or moved still names where its stores were."""
    for record in archive.catalog.workspaces():
        store = archive.home.store(record.id)
        named = archive.catalog.store_path(record.id)
        if named != store:
            if repair:
                with archive.catalog as catalog:
                    catalog.move_store(record.id, store)
            yield mended(
                f"the catalog says that the store of {record.root_path} is {named}, and it is {store}", repair=repair
            )
