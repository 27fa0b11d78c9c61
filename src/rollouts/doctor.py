"""Whether a home holds together: catalog against stores, objects, permissions, leftovers; and mending it."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import sqlite3
import stat
from collections.abc import Iterator

from rollouts import __version__
from rollouts.errors import CommandError, DamagedCatalogError, RolloutsError
from rollouts.models import Snapshot, Workspace
from rollouts.paths import Home, keep_private
from rollouts.record import Record
from rollouts.storage import git, leftovers, opening, preparing, rebuild
from rollouts.storage.archive import Archive, GoneError, doom
from rollouts.storage.catalog import Catalog
from rollouts.storage.lock import BusyError, Lock

_OLDEST_GIT = (2, 32)
_OBJECT = re.compile(r"\b[0-9a-f]{40}\b")


class Finding(Record):
    """Something that is not as it should be."""

    problem: str
    advice: str
    snapshots: list[str]
    """The ids of the snapshots that cannot be restored because of it."""
    mended: bool


class Report(Record):
    home: str
    versions: dict[str, str]
    findings: list[Finding]

    @property
    def is_well(self) -> bool:
        return all(finding.mended for finding in self.findings)


def _mended(problem: str, *, repair: bool, snapshots: list[str] | None = None) -> Finding:
    return Finding(problem, "`rollouts doctor --repair` mends it", snapshots or [], repair)


def _versions() -> tuple[dict[str, str], list[Finding]]:
    version = git.version()
    shown = ".".join(map(str, version))
    versions = {
        "rollouts": __version__,
        "python": platform.python_version(),
        "git": shown,
        "sqlite": sqlite3.sqlite_version,
    }
    if version >= _OLDEST_GIT:
        return versions, []
    problem = f"git {shown} is older than {'.'.join(map(str, _OLDEST_GIT))}, the oldest that is known to work"
    return versions, [Finding(problem, "install a newer git", [], mended=False)]


def _modes(home: Home, *, repair: bool) -> Iterator[Finding]:
    """The home is its owner's alone; what lies in it is behind its door."""
    wanted = {home.path: 0o700, home.catalog: 0o600, home.workspaces: 0o700}
    for path, mode in wanted.items():
        now = stat.S_IMODE(os.stat(path).st_mode) if os.path.exists(path) else 0
        if now & 0o077:
            if repair:
                os.chmod(path, mode)
            yield _mended(f"{path} can be read by others (mode {now:04o}, should be {mode:04o})", repair=repair)


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


def _catalog(home: Home, *, repair: bool) -> Iterator[Finding]:
    """Whether the catalog can be read to its last page; repair makes it anew from the stores."""
    reason = _damage(home)
    if reason is None:
        return
    if repair:
        with Lock(home.lock, f"the home {home.path}"):
            reason = preparing.rebuilt(home, reason)
    yield _mended(reason, repair=repair)


def _leftovers(home: Home, *, repair: bool) -> Iterator[Finding]:
    """What killed processes left behind; while others are at work, it may be theirs, and is left alone."""
    if not leftovers.left_behind(home):
        return
    with contextlib.suppress(BusyError), Lock(home.lock, f"the home {home.path}", wait=1):
        for path in leftovers.left_behind(home):
            if repair:
                leftovers.remove(path)
            yield _mended(f"{path} was left by a killed process", repair=repair)


class _Ward:
    """One workspace under examination; its lock is held while rows and refs are compared."""

    def __init__(self, archive: Archive, record: Workspace, *, repair: bool) -> None:
        self.archive = archive
        self.record = record
        self.repair = repair
        self.store = archive.store(record.id)

    def examine(self) -> Iterator[Finding]:
        if not self.store.exists():
            yield from self._lost_store()
            return
        with self.archive.locked(self.record) as lock:
            yield from self._under_lock(lock)
            if self.repair:
                with self.archive.reading(self.record):
                    yield from self._objects()
        if not self.repair:  # reading them all takes long: captures go on meanwhile
            with self.archive.reading(self.record):
                yield from self._objects()

    def _under_lock(self, lock: Lock) -> Iterator[Finding]:
        if lock.read():
            if self.repair:
                self.archive.recover(self.record, lock)
            yield _mended(f"a capture or deletion of {self.record.root_path} was killed", repair=self.repair)
        elif swept := self.store.leftovers():
            if self.repair:
                self.store.sweep()
            left = f"{len(swept)} temporary files in {self.store.path} were left by a killed git"
            yield _mended(left, repair=self.repair)
        yield from self._rows_and_refs()

    def _lost_store(self) -> Iterator[Finding]:
        rows = self.archive.catalog.snapshots(self.record.id)
        if rows:
            yield self._drop(rows, f"the store of {self.record.root_path} is missing")

    def _drop(self, rows: list[Snapshot], problem: str) -> Finding:
        """Rows that can never be restored are a lie; repair takes them out."""
        if self.repair:
            with self.archive.catalog as catalog:
                catalog.delete_snapshots(rows)
            self.archive.finish_deletions(self.record)
        problem += f"; {len(rows)} snapshots are lost with it" + (", their rows are removed" if self.repair else "")
        return Finding(problem, "`rollouts doctor --repair` removes their rows", [row.id for row in rows], self.repair)

    def _rows_and_refs(self) -> Iterator[Finding]:
        rows = {row.id: row for row in self.archive.catalog.snapshots(self.record.id)}
        refs = self.store.refs()
        there = self.store.existing([row.store_commit_sha for row in rows.values()])
        gone = [row for row in rows.values() if row.store_commit_sha not in there]
        if gone:
            yield self._drop(gone, f"{self.store.path} lacks commits that the catalog lists")
        for row in rows.values():
            if row.store_commit_sha in there and refs.get(row.id) != row.store_commit_sha:
                if self.repair:
                    self.store.write_ref(row.id, row.store_commit_sha)
                yield _mended(f"snapshot {row.id} has a row and no ref", repair=self.repair)
        for snapshot_id in sorted(refs.keys() - rows.keys()):
            yield self._ref_without_row(snapshot_id, refs[snapshot_id])

    def _ref_without_row(self, snapshot_id: str, commit: str) -> Finding:
        problem = f"snapshot {snapshot_id} has a ref in {self.store.path} and no row"
        try:
            if self.repair:
                self._adopt(snapshot_id, commit)
        except RolloutsError as error:
            drop = f"git --git-dir={self.store.path} update-ref -d refs/snapshots/{snapshot_id}"
            return Finding(f"{problem}: {error}", f"`{drop}` removes the ref", [], mended=False)
        return _mended(problem, repair=self.repair)

    def _adopt(self, snapshot_id: str, commit: str) -> None:
        """Gives a ref its row back; a turn that is there already keeps its own, and the ref goes."""
        row = rebuild.row_of(self.store, self.record.id, snapshot_id, commit)
        if self.archive.catalog.snapshot(self.record.id, row.session_id, row.message_id):
            self.store.delete_refs([snapshot_id])
            return
        with self.archive.catalog as catalog:
            catalog.add_snapshot(row)

    def _objects(self) -> Iterator[Finding]:
        faults = self.store.faults()
        if not faults:
            return
        bad = {oid for line in faults for oid in _OBJECT.findall(line)}
        if self.repair:
            self._heal(bad)
            faults = self.store.faults()
            if not faults:
                yield _mended(
                    f"objects of {self.store.path} were damaged; their content was still on disk", repair=True
                )
                return
        hit = [row.id for row in self.archive.catalog.snapshots(self.record.id) if self._is_hit(row, bad)]
        advice = (
            f"these snapshots cannot be restored whole; a backup of {self.store.path}/objects would bring them back"
        )
        yield Finding(f"{self.store.path} has damaged objects: {faults[0]}", advice, hit, mended=False)

    def _is_hit(self, row: Snapshot, bad: set[str]) -> bool:
        try:
            return any(entry.oid.decode() in bad for entry in self.store.entries(row.store_commit_sha))
        except RolloutsError:
            return True

    def _heal(self, bad: set[str]) -> None:
        """Stores damaged files again, as far as the workspace still has them; the next capture reads every file."""
        self.store.drop_damaged(bad)
        self.store.drop_index()
        root = os.fsencode(self.record.root_path)
        for row in self.archive.catalog.snapshots(self.record.id):
            with contextlib.suppress(RolloutsError, OSError):
                for entry in self.store.entries(row.store_commit_sha):
                    if entry.oid.decode() in bad:
                        self.store.put_file(root + b"/" + entry.path)


def _strays(archive: Archive, *, repair: bool) -> Iterator[Finding]:
    """Stores of no workspace: a killed deletion leaves one, with rows that are gone and refs that were to go."""
    known = {record.id for record in archive.catalog.workspaces()}
    for workspace_id, store in rebuild.stores(archive.home):
        if workspace_id in known:
            continue
        snapshots = store.refs().keys() - set(archive.catalog.deletions(workspace_id))
        if snapshots:
            advice = f"rename {archive.home.catalog}: the next command makes a new one from all stores"
            problem = f"{store.path} belongs to no workspace of the catalog"
            yield Finding(problem, advice, sorted(snapshots), mended=False)
            continue
        if repair:
            folder = archive.home.workspace(workspace_id)
            with Lock(f"{folder}/lock", f"the store {store.path}"):
                shutil.rmtree(doom(folder))
            with archive.catalog as catalog:
                catalog.forget_deletions(workspace_id)
        yield _mended(f"{store.path} was left by a killed deletion", repair=repair)


def examine(home: Home, *, repair: bool) -> Report:
    """Looks at everything, and mends what can be mended when `repair` is set.

    Raises:
        RolloutsError: the home cannot be opened at all.
    """
    if os.path.lexists(home.path) and not os.path.isdir(home.path):
        raise RolloutsError(f"the home {home.path} is no directory; check ROLLOUTS_HOME")
    keep_private()
    if os.path.isdir(home.path):
        os.listdir(home.path)  # what cannot be read would look like an empty home
    versions, findings = _versions()
    damage: list[Finding] = []
    if os.path.isdir(home.path):
        findings += _modes(home, repair=repair)
        damage += _catalog(home, repair=repair)
        findings += damage
    if os.path.exists(home.catalog) and all(finding.mended for finding in damage):
        with opening.opened(home) as archive:
            findings += _strays(archive, repair=repair)
            for record in archive.catalog.workspaces():
                try:
                    findings += _Ward(archive, record, repair=repair).examine()
                except GoneError:
                    continue  # another process deletes it right now
                except CommandError as error:
                    advice = f"`git --git-dir={home.store(record.id)} fsck` says more"
                    findings.append(Finding(f"the store of {record.root_path}: {error}", advice, [], mended=False))
    if os.path.isdir(home.path) and all(finding.mended for finding in damage):
        findings += _leftovers(home, repair=repair)  # now that nothing of ours holds the home
    return Report(home.path, versions, findings)
