"""The catalog: every SQL statement, and the records that rows become."""

from __future__ import annotations

import _sqlite3 as sqlite3  # the package around it imports datetime, which costs 1 ms at each hook call
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType

from rollouts.errors import DamagedCatalogError, RolloutsError
from rollouts.models import RemoteDefaults, Session, Snapshot, Workspace
from rollouts.storage import migrations

TYPE_CHECKING = False
if TYPE_CHECKING:  # hooks go without `typing`, whose import would cost 6 ms
    from typing import TypeVar

    Result = TypeVar("Result")

_WAIT_SECONDS = 30.0
_REST_SECONDS = 0.5
"""How long SQLite waits by itself; no signal is heard meanwhile, and a hook's time may be over."""
_BATCH = 500
"""Values of one statement; SQLite takes 999 and more."""
_WORKSPACE = "id, root_path, remote_url, created_at, identity"
_SNAPSHOT = (
    "id, workspace_id, session_id, message_id, store_commit_sha, vcs, metadata, captured_at,"
    " agent, tree, files, bytes_new, skipped"
)

Value = str | bytes | int | float | None
Counts = tuple[int, int, int]
"""Files, insertions, deletions."""


def _path_in(path: str) -> str | bytes:
    """TEXT for a path that is UTF-8, else its bytes: SQLite's TEXT has no room for them."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return path


def _uri_path(path: str) -> str:
    from urllib.parse import quote  # noqa: PLC0415 - 9 ms, and only for a home that cannot be written

    return quote(os.fsencode(path))


def _workspace(row: Sequence[Value]) -> Workspace:
    record = Workspace(*row)  # type: ignore[arg-type] # the columns' types are the schema's
    root: str | bytes = record.root_path
    return record._replace(root_path=os.fsdecode(root))


def _snapshot(row: Sequence[Value]) -> Snapshot:
    return Snapshot(*row)  # type: ignore[arg-type] # the columns' types are the schema's


def _session(row: Sequence[Value]) -> Session:
    return Session(*row)  # type: ignore[arg-type] # the query's columns


def _words(error: sqlite3.Error, path: str) -> RolloutsError:
    """What SQLite says, for a person."""
    text = str(error)
    if isinstance(error, sqlite3.IntegrityError):
        return RolloutsError(f"the catalog {path} refused a change ({text}); another process was faster, perhaps")
    if "locked" in text or "busy" in text:
        return RolloutsError(f"the catalog {path} is busy: another program holds it; try again")
    if "readonly" in text or "unable to open" in text:
        return RolloutsError(
            f"the catalog {path} cannot be opened for writing ({text}); check its owner and permissions"
        )
    if "full" in text or "disk I/O" in text:
        return RolloutsError(f"the catalog {path} cannot be written ({text}); free some space and try again")
    return DamagedCatalogError(f"the catalog {path} is damaged ({text}); run `rollouts doctor --repair`")


class Catalog:
    """An open catalog.

    Args:
        path: the database file; made when it is not there. `:memory:` is one that is nowhere.
        immutable: nobody writes it, nor can: it is read without its locks and its log.
        read_only: SQLite itself is to refuse any change.

    Raises:
        DamagedCatalogError: it is not a database, or malformed.
        RolloutsError: it cannot be opened, or a newer program wrote it.
    """

    def __init__(self, path: str, *, immutable: bool = False, read_only: bool = False) -> None:
        self.path = path
        try:
            how = "mode=ro&immutable=1" if immutable else "mode=ro"
            is_uri = immutable or read_only
            where = f"file:{_uri_path(path)}?{how}" if is_uri else path
            self._connection = sqlite3.connect(where, timeout=_REST_SECONDS, isolation_level=None, uri=is_uri)
        except sqlite3.Error as error:
            raise _words(error, path) from error
        try:
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self.is_current = self._patiently(migrations.is_current, self._connection, path)
        except sqlite3.Error as error:
            self.close()
            raise _words(error, path) from error
        except RolloutsError:
            self.close()  # a connection that is left open leaves its log behind
            raise

    def migrate(self) -> None:
        """Brings it to the current schema; the caller holds the home's lock alone."""
        try:
            self._patiently(migrations.apply, self._connection, self.path)
        except sqlite3.Error as error:
            raise _words(error, self.path) from error
        self.is_current = True

    def is_blank(self) -> bool:
        """True when it has no table at all."""
        return not self._rows("SELECT 1 FROM sqlite_master LIMIT 1")

    def close(self) -> None:
        self._connection.close()

    def _rows(self, sql: str, *values: Value) -> list[tuple[Value, ...]]:
        try:
            return self._patiently(self._connection.execute, sql, values).fetchall()
        except sqlite3.Error as error:
            raise _words(error, self.path) from error

    def _patiently(self, work: Callable[..., Result], *given: object) -> Result:
        """Does it, when another program that holds the catalog has let go of it."""
        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            try:
                return work(*given)
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise

    def rows(self, sql: str, *values: Value) -> list[tuple[Value, ...]]:
        """What a statement gives, for `sessions.py` and `scans.py`, the other rooms that hold SQL."""
        return self._rows(sql, *values)

    def each(self, sql: str, *values: Value) -> Iterator[tuple[Value, ...]]:
        """The same, a row at a time: however many there are, few are held."""
        try:
            yield from self._patiently(self._connection.execute, sql, values)
        except sqlite3.Error as error:
            raise _words(error, self.path) from error

    def begin_reading(self) -> None:
        """Begins a transaction in which nothing can be written, and all that is read is of one moment."""
        self._rows("PRAGMA query_only = ON")
        self._rows("BEGIN")
        self._rows("SELECT 1 FROM sqlite_master LIMIT 1")  # the moment is that of the first look

    def write_all(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """Runs a statement once for each of some rows of values."""
        try:
            self._patiently(self._connection.executemany, sql, rows)
        except sqlite3.Error as error:
            raise _words(error, self.path) from error

    def __enter__(self) -> Catalog:
        """Begins a transaction that ends with the `with` block: a writing one at once, for only then waits work."""
        self._rows("BEGIN IMMEDIATE")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._connection.in_transaction:
            self._rows("COMMIT" if kind is None else "ROLLBACK")

    def is_sound(self) -> bool:
        """Asks SQLite to check every page."""
        return self._rows("PRAGMA quick_check(1)") == [("ok",)]

    # Workspaces

    def workspaces(self) -> list[Workspace]:
        return [_workspace(row) for row in self._rows(f"SELECT {_WORKSPACE} FROM workspaces ORDER BY root_path")]

    def workspace(self, workspace_id: str) -> Workspace | None:
        rows = self._rows(f"SELECT {_WORKSPACE} FROM workspaces WHERE id = ?", workspace_id)
        return _workspace(rows[0]) if rows else None

    def workspace_at(self, root_path: str) -> Workspace | None:
        rows = self._rows(f"SELECT {_WORKSPACE} FROM workspaces WHERE root_path = ?", _path_in(root_path))
        return _workspace(rows[0]) if rows else None

    def workspace_of_session(self, session_id: str) -> Workspace | None:
        owner = "SELECT workspace_id FROM snapshots WHERE session_id = ? LIMIT 1"
        rows = self._rows(f"SELECT {_WORKSPACE} FROM workspaces WHERE id = ({owner})", session_id)
        return _workspace(rows[0]) if rows else None

    def add_workspace(self, workspace: Workspace, store_path: str) -> Workspace:
        """Registers a workspace; when its root is already there, that one stays. Returns the one that stands."""
        self._rows(
            "INSERT INTO workspaces (id, root_path, store_path, remote_url, created_at, identity)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (root_path) DO NOTHING",
            *(workspace.id, _path_in(workspace.root_path), store_path, workspace.remote_url),
            *(workspace.created_at, workspace.identity),
        )
        return self.workspace_at(workspace.root_path) or workspace

    def move_workspace(self, workspace_id: str, root_path: str, identity: str) -> None:
        sql = "UPDATE workspaces SET root_path = ?, identity = ? WHERE id = ?"
        self._rows(sql, _path_in(root_path), identity, workspace_id)

    def set_remote(self, workspace_id: str, url: str | None) -> None:
        """Notes where a workspace's archive is; what was let go to one archive may not go to another.

        Raises:
            RolloutsError: it is another workspace's archive.
        """
        from rollouts.contracts.remote_url import without_credentials  # noqa: PLC0415 - captures set none

        before = self.workspace(workspace_id)
        if without_credentials((before and before.remote_url) or "") != without_credentials(url or ""):
            self._rows("DELETE FROM allowed_blobs WHERE workspace_id = ?", workspace_id)
        try:
            self._patiently(
                self._connection.execute, "UPDATE workspaces SET remote_url = ? WHERE id = ?", (url, workspace_id)
            )
        except sqlite3.IntegrityError as error:
            rows = self._rows(f"SELECT {_WORKSPACE} FROM workspaces WHERE remote_url = ?", url)
            owner = _workspace(rows[0]).root_path if rows else "another"
            raise RolloutsError(
                f"remote URL is already configured for workspace: {owner}; an archive is of one workspace,"
                " and `rollouts remote clear` frees it"
            ) from error
        except sqlite3.Error as error:
            raise _words(error, self.path) from error

    def store_path(self, workspace_id: str) -> str:
        """Where the catalog says that a workspace's store is; agent-rollouts 0.1 goes by it, and nothing here."""
        return str(self._rows("SELECT store_path FROM workspaces WHERE id = ?", workspace_id)[0][0])

    def move_store(self, workspace_id: str, store_path: str) -> None:
        self._rows("UPDATE workspaces SET store_path = ? WHERE id = ?", store_path, workspace_id)

    def note_identity(self, workspace_id: str, identity: str) -> None:
        self._rows("UPDATE workspaces SET identity = ? WHERE id = ?", identity, workspace_id)

    def delete_workspace(self, workspace_id: str) -> None:
        self._rows("DELETE FROM workspaces WHERE id = ?", workspace_id)
        self._rows("DELETE FROM allowed_blobs WHERE workspace_id = ?", workspace_id)

    # Snapshots

    def add_snapshot(self, snapshot: Snapshot) -> None:
        """Adds a row.

        Raises:
            RolloutsError: the turn is there already, or its session belongs to another workspace.
        """
        marks = ", ".join("?" * len(snapshot))
        try:
            self._connection.execute(f"INSERT INTO snapshots ({_SNAPSHOT}) VALUES ({marks})", snapshot)
        except sqlite3.IntegrityError as error:
            raise RolloutsError(f"the catalog refused snapshot {snapshot.id}: {error}") from error
        except sqlite3.Error as error:
            raise _words(error, self.path) from error

    def snapshot(self, workspace_id: str, session_id: str, message_id: str) -> Snapshot | None:
        sql = f"SELECT {_SNAPSHOT} FROM snapshots WHERE workspace_id = ? AND session_id = ? AND message_id = ?"
        rows = self._rows(sql, workspace_id, session_id, message_id)
        return _snapshot(rows[0]) if rows else None

    def snapshots_by_id(self, prefix: str) -> list[Snapshot]:
        """The snapshots whose id begins with `prefix`, at most two."""
        sql = f"SELECT {_SNAPSHOT} FROM snapshots WHERE id >= ? AND id < ? LIMIT 2"
        return [_snapshot(row) for row in self._rows(sql, prefix, prefix + "\U0010ffff")]

    def snapshots(self, workspace_id: str | None = None, session_id: str | None = None) -> list[Snapshot]:
        """The snapshots of a workspace, a session, or all, oldest first."""
        named = {"workspace_id": workspace_id, "session_id": session_id}
        asked = {column: value for column, value in named.items() if value is not None}
        which = " AND ".join(f"{column} = ?" for column in asked) or "1"  # so that an index serves
        sql = f"SELECT {_SNAPSHOT} FROM snapshots WHERE {which} ORDER BY captured_at, rowid"
        return [_snapshot(row) for row in self._rows(sql, *asked.values())]

    def latest(self, workspace_id: str, session_id: str) -> Snapshot | None:
        newest = "ORDER BY captured_at DESC, rowid DESC LIMIT 1"
        sql = f"SELECT {_SNAPSHOT} FROM snapshots WHERE workspace_id = ? AND session_id = ? {newest}"
        rows = self._rows(sql, workspace_id, session_id)
        return _snapshot(rows[0]) if rows else None

    def turns(self, session_id: str, message_id: str) -> list[Snapshot]:
        """The turn of a session, whichever workspace that belongs to; empty when there is none."""
        sql = f"SELECT {_SNAPSHOT} FROM snapshots WHERE session_id = ? AND message_id = ?"
        return [_snapshot(row) for row in self._rows(sql, session_id, message_id)]

    def nth_turn(self, session_id: str, number: int) -> list[Snapshot]:
        """The turn with that number, 1 for the oldest and -1 for the newest; empty when there is none."""
        way, before = ("DESC", -number - 1) if number < 0 else ("ASC", number - 1)
        order = f"ORDER BY captured_at {way}, rowid {way} LIMIT 1 OFFSET ?"
        sql = f"SELECT {_SNAPSHOT} FROM snapshots WHERE session_id = ? {order}"
        return [_snapshot(row) for row in self._rows(sql, session_id, before)] if number else []

    def count_of_turns(self, session_id: str) -> int:
        return len(self._rows("SELECT 1 FROM snapshots WHERE session_id = ?", session_id))

    def sessions(self) -> list[Session]:
        """Each session in sum, those of one workspace together, the oldest first."""
        rows = self._rows(
            "SELECT workspace_id, session_id, max(agent), count(*), min(captured_at), max(captured_at) FROM snapshots"
            " GROUP BY workspace_id, session_id ORDER BY workspace_id, min(captured_at)"
        )
        return [_session(row) for row in rows]

    def delete_snapshots(self, snapshots: Iterable[Snapshot]) -> None:
        """Removes rows, and notes that their refs are to go: a crash before that must not bring them back."""
        for snapshot in snapshots:
            self._rows("DELETE FROM snapshots WHERE id = ?", snapshot.id)
            self._rows("INSERT OR IGNORE INTO deletions VALUES (?, ?)", snapshot.id, snapshot.workspace_id)
        self._rows("DELETE FROM known_tags WHERE snapshot_id NOT IN (SELECT id FROM snapshots)")
        self._rows("DELETE FROM scanned_commits WHERE oid NOT IN (SELECT store_commit_sha FROM snapshots)")
        self._rows("DELETE FROM leaking_blobs WHERE workspace_id NOT IN (SELECT workspace_id FROM scanned_commits)")
        kept = "SELECT tree FROM snapshots WHERE tree IS NOT NULL"
        self._rows(f"DELETE FROM changes WHERE old_tree NOT IN ({kept}) OR new_tree NOT IN ({kept})")

    def deletions(self, workspace_id: str) -> list[str]:
        """The ids of deleted snapshots whose refs may still be there."""
        rows = self._rows("SELECT snapshot_id FROM deletions WHERE workspace_id = ?", workspace_id)
        return [str(row[0]) for row in rows]

    def forget_deletions(self, workspace_id: str) -> None:
        self._rows("DELETE FROM deletions WHERE workspace_id = ?", workspace_id)

    # Tags of archives, which never change under their object's id

    def known_tags(self) -> dict[str, str]:
        """Object id of a tag -> the snapshot that it was found to hold, of those that are here."""
        rows = self._rows("SELECT oid, snapshot_id FROM known_tags WHERE snapshot_id IN (SELECT id FROM snapshots)")
        return {str(oid): str(snapshot_id) for oid, snapshot_id in rows}

    def know_tags(self, tags: Mapping[str, str]) -> None:
        """Notes what tags were found to hold."""
        try:
            self._patiently(
                self._connection.executemany, "INSERT OR REPLACE INTO known_tags VALUES (?, ?)", list(tags.items())
            )
        except sqlite3.Error as error:
            raise _words(error, self.path) from error

    # What changed from tree to tree

    def changes(self, old_trees: Sequence[str]) -> dict[tuple[str, str], Counts]:
        """(old tree, new tree) -> what was counted between the two, where it was, for each of some old trees."""
        found = {}
        for start in range(0, len(old_trees), _BATCH):
            batch = old_trees[start : start + _BATCH]
            marks = ", ".join("?" * len(batch))
            sql = f"SELECT old_tree, new_tree, files, insertions, deletions FROM changes WHERE old_tree IN ({marks})"
            found.update({row[:2]: row[2:] for row in self._rows(sql, *batch)})
        return found  # type: ignore[return-value] # the columns' types are the schema's

    def add_changes(self, changes: Mapping[tuple[str, str], Counts]) -> None:
        rows = [(*pair, *counts) for pair, counts in changes.items()]
        try:
            self._patiently(self._connection.executemany, "INSERT OR REPLACE INTO changes VALUES (?, ?, ?, ?, ?)", rows)
        except sqlite3.Error as error:
            raise _words(error, self.path) from error

    # Where new archives are made

    def remote_defaults(self) -> RemoteDefaults | None:
        rows = self._rows("SELECT owner, repo_prefix, visibility FROM remote_defaults WHERE id = 1")
        return RemoteDefaults(*map(str, rows[0])) if rows else None

    def set_remote_defaults(self, defaults: RemoteDefaults) -> None:
        sql = "INSERT OR REPLACE INTO remote_defaults (id, owner, repo_prefix, visibility) VALUES (1, ?, ?, ?)"
        self._rows(sql, *defaults)

    # Another catalog's rows, for a rebuild

    def adopt_settings(self, other: str) -> None:
        """Takes over what no store holds from an older copy of the catalog: archive URLs and remote defaults."""
        self._rows("ATTACH ? AS other", other)
        try:
            self._rows(
                "INSERT OR IGNORE INTO remote_defaults"
                " SELECT id, owner, repo_prefix, visibility FROM other.remote_defaults"
            )
            self._rows(
                "UPDATE OR IGNORE workspaces SET remote_url = (SELECT remote_url FROM other.workspaces AS o"
                " WHERE o.id = main.workspaces.id) WHERE remote_url IS NULL"
            )
        finally:
            self._rows("DETACH other")


def rows_of_another(path: str) -> tuple[dict[str, Workspace], dict[str, Snapshot]]:
    """Workspaces and snapshots by id, as far as a catalog of any schema, perhaps damaged, still gives them."""
    workspaces: dict[str, Workspace] = {}
    snapshots: dict[str, Snapshot] = {}
    connection = sqlite3.connect(path)
    try:
        for row in connection.execute("SELECT id, root_path, remote_url, created_at, NULL FROM workspaces"):
            workspaces[row[0]] = _workspace(row)
        for row in connection.execute(f"SELECT {_SNAPSHOT.partition(', agent')[0]} FROM snapshots"):
            snapshots[row[0]] = _snapshot(row)
    except sqlite3.Error:
        pass  # what was read until here is all there is
    finally:
        connection.close()
    return workspaces, snapshots
