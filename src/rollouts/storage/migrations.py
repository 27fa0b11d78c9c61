"""The catalog's schema, as numbered steps. A change is a new function at the end, never an edit above it."""

from __future__ import annotations

import _sqlite3 as sqlite3  # the package around it imports datetime, which costs 1 ms at each hook call
import os
from collections.abc import Callable

from rollouts.errors import RolloutsError


def _as_agent_rollouts_0_1(connection: sqlite3.Connection) -> None:
    """The tables of agent-rollouts 0.1, whose homes stay usable by it."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS workspaces (id TEXT PRIMARY KEY, root_path TEXT NOT NULL UNIQUE,"
        " store_path TEXT NOT NULL, remote_url TEXT UNIQUE, created_at TEXT NOT NULL)"
    )
    connection.execute(
        "CREATE TABLE IF NOT EXISTS snapshots (id TEXT PRIMARY KEY, workspace_id TEXT NOT NULL,"
        " session_id TEXT NOT NULL, message_id TEXT NOT NULL, store_commit_sha TEXT NOT NULL,"
        " vcs TEXT NOT NULL, metadata TEXT NOT NULL, captured_at TEXT NOT NULL,"
        " UNIQUE (workspace_id, session_id, message_id),"
        " FOREIGN KEY (workspace_id) REFERENCES workspaces(id))"
    )
    connection.execute("CREATE INDEX IF NOT EXISTS snapshots_session_id_idx ON snapshots (session_id)")
    connection.execute(
        "CREATE TRIGGER IF NOT EXISTS snapshots_session_workspace_guard BEFORE INSERT ON snapshots FOR EACH ROW"
        " WHEN EXISTS (SELECT 1 FROM snapshots WHERE session_id = NEW.session_id AND workspace_id != NEW.workspace_id)"
        " BEGIN SELECT RAISE(ABORT, 'session is already associated with a different workspace'); END"
    )
    connection.execute(
        "CREATE TABLE IF NOT EXISTS remote_defaults (id INTEGER PRIMARY KEY CHECK (id = 1), owner TEXT NOT NULL,"
        " repo_prefix TEXT NOT NULL, visibility TEXT NOT NULL CHECK (visibility IN ('private', 'public', 'internal')))"
    )


def _facts_of_a_snapshot(connection: sqlite3.Connection) -> None:
    """What a snapshot holds, who took it, how a moved workspace is known again, and deletions under way."""
    for column in ("agent TEXT", "tree TEXT", "files INTEGER", "bytes_new INTEGER", "skipped TEXT"):
        connection.execute(f"ALTER TABLE snapshots ADD COLUMN {column}")
    connection.execute("ALTER TABLE workspaces ADD COLUMN identity TEXT")
    connection.execute("CREATE TABLE deletions (snapshot_id TEXT PRIMARY KEY, workspace_id TEXT NOT NULL)")


def _changes_between_trees(connection: sqlite3.Connection) -> None:
    """What git counted between two trees: it never changes, and a log of many turns asks for it each time."""
    connection.execute(
        "CREATE TABLE changes (old_tree TEXT NOT NULL, new_tree TEXT NOT NULL, files INTEGER NOT NULL,"
        " insertions INTEGER NOT NULL, deletions INTEGER NOT NULL, PRIMARY KEY (old_tree, new_tree)) WITHOUT ROWID"
    )


def _known_tags_of_archives(connection: sqlite3.Connection) -> None:
    """A tag that another program made may hold a snapshot that is here: it is fetched and read once."""
    connection.execute("CREATE TABLE known_tags (oid TEXT PRIMARY KEY, snapshot_id TEXT NOT NULL) WITHOUT ROWID")


def _sessions_of_agents(connection: sqlite3.Connection) -> None:
    """What agents wrote down of their sessions, as far as lists, summaries and reports need it."""
    connection.execute("CREATE TABLE archive_facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
    connection.execute(
        "CREATE TABLE sources (id INTEGER PRIMARY KEY, agent TEXT NOT NULL, key TEXT NOT NULL, root_id TEXT NOT NULL,"
        " name TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, offset INTEGER NOT NULL,"
        " marks TEXT NOT NULL, state TEXT NOT NULL, unreadable_lines INTEGER NOT NULL,"
        " unknown_records INTEGER NOT NULL, kept TEXT, UNIQUE (agent, key))"
    )
    connection.execute("CREATE INDEX sources_root_idx ON sources (agent, root_id)")
    connection.execute(
        "CREATE TABLE sessions (agent TEXT NOT NULL, session_id TEXT NOT NULL, source INTEGER NOT NULL,"
        " parent_id TEXT, relationship TEXT CHECK (relationship IN ('subagent', 'fork', 'continuation')),"
        " title TEXT, first_prompt TEXT, cwd TEXT, git_branch TEXT, version TEXT, model TEXT,"
        " started_at TEXT, ended_at TEXT, last_activity_at TEXT NOT NULL, created_at TEXT NOT NULL,"
        " message_count INTEGER NOT NULL, user_message_count INTEGER NOT NULL,"
        " assistant_message_count INTEGER NOT NULL, tool_call_count INTEGER NOT NULL,"
        " total_output_tokens INTEGER, peak_context_tokens INTEGER, PRIMARY KEY (agent, session_id),"
        " FOREIGN KEY (source) REFERENCES sources(id) ON DELETE CASCADE) WITHOUT ROWID"
    )
    connection.execute("CREATE INDEX sessions_source_idx ON sessions (source)")
    connection.execute("CREATE INDEX sessions_parent_idx ON sessions (agent, parent_id)")
    connection.execute(
        "CREATE TABLE usage (source INTEGER NOT NULL, ordinal INTEGER NOT NULL, agent TEXT NOT NULL,"
        " session_id TEXT NOT NULL, at TEXT, model TEXT NOT NULL, input_tokens INTEGER NOT NULL,"
        " output_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL, cache_read_tokens INTEGER NOT NULL,"
        " reasoning_tokens INTEGER NOT NULL, cost_microusd INTEGER, dedup_key TEXT,"
        " PRIMARY KEY (source, ordinal), FOREIGN KEY (source) REFERENCES sources(id) ON DELETE CASCADE) WITHOUT ROWID"
    )
    connection.execute("CREATE INDEX usage_dedup_idx ON usage (dedup_key)")
    connection.execute(
        "CREATE TABLE project_observations (cwd TEXT PRIMARY KEY, root_path TEXT NOT NULL,"
        " repository_path TEXT, worktree_name TEXT, remotes TEXT NOT NULL, observed_at TEXT NOT NULL) WITHOUT ROWID"
    )


def _files_looked_at_before_a_push(connection: sqlite3.Connection) -> None:
    """Which snapshots' files were looked at by what, and the few blobs that a push stops at, or was let go with."""
    connection.execute(
        "CREATE TABLE scanned_commits (workspace_id TEXT NOT NULL, oid TEXT NOT NULL, looked TEXT NOT NULL,"
        " PRIMARY KEY (workspace_id, oid)) WITHOUT ROWID"
    )
    connection.execute(
        "CREATE TABLE leaking_blobs (workspace_id TEXT NOT NULL, oid TEXT NOT NULL, looked TEXT NOT NULL,"
        " findings TEXT NOT NULL, PRIMARY KEY (workspace_id, oid)) WITHOUT ROWID"
    )
    connection.execute(
        "CREATE TABLE allowed_blobs (workspace_id TEXT NOT NULL, oid TEXT NOT NULL,"
        " PRIMARY KEY (workspace_id, oid)) WITHOUT ROWID"
    )


def _sessions_in_datasets(connection: sqlite3.Connection) -> None:
    """How sessions looked when they were last pushed to a dataset: those that still do are not read again."""
    connection.execute(
        "CREATE TABLE dataset_sessions (dataset TEXT NOT NULL, agent TEXT NOT NULL, session_id TEXT NOT NULL,"
        " stamp TEXT NOT NULL, signature TEXT NOT NULL, PRIMARY KEY (dataset, agent, session_id)) WITHOUT ROWID"
    )


def _figures_of_sessions(connection: sqlite3.Connection) -> None:
    """What summaries and reports need besides; sources are read again once, from their beginning."""
    connection.execute(
        "CREATE TABLE prices (pattern TEXT NOT NULL, effective_from TEXT NOT NULL, input REAL NOT NULL,"
        " output REAL NOT NULL, cache_write REAL NOT NULL, cache_read REAL NOT NULL, source TEXT NOT NULL"
        " CHECK (source IN ('embedded', 'fetched')), updated_at TEXT, PRIMARY KEY (pattern, effective_from))"
        " WITHOUT ROWID"
    )
    connection.execute(
        "CREATE TABLE moments (source INTEGER NOT NULL, session_id TEXT NOT NULL, ordinal INTEGER NOT NULL,"
        " moments TEXT NOT NULL, PRIMARY KEY (source, session_id, ordinal),"
        " FOREIGN KEY (source) REFERENCES sources(id) ON DELETE CASCADE) WITHOUT ROWID"
    )
    connection.execute("ALTER TABLE sessions ADD COLUMN tool_failure_count INTEGER")
    connection.execute("ALTER TABLE sessions ADD COLUMN ending TEXT")
    connection.execute("UPDATE sources SET size = -1, offset = 0, marks = '', state = ''")
    connection.execute(
        "INSERT INTO archive_facts SELECT 'cursor_secret', lower(hex(randomblob(32)))"
        " WHERE EXISTS (SELECT 1 FROM archive_facts WHERE name = 'database_id')"
    )


def _sessions_by_rowid(connection: sqlite3.Connection) -> None:
    """The longest value of a session stands last, in a table whose rows fit their pages: a third of the size.

    And there is more of how it went; sources are read again once, from their beginning.
    """
    connection.execute(
        "CREATE TABLE sessions_by_rowid (agent TEXT NOT NULL, session_id TEXT NOT NULL, source INTEGER NOT NULL,"
        " parent_id TEXT, relationship TEXT CHECK (relationship IN ('subagent', 'fork', 'continuation')),"
        " title TEXT, cwd TEXT, git_branch TEXT, version TEXT, model TEXT, started_at TEXT, ended_at TEXT,"
        " last_activity_at TEXT NOT NULL, created_at TEXT NOT NULL, message_count INTEGER NOT NULL,"
        " user_message_count INTEGER NOT NULL, assistant_message_count INTEGER NOT NULL,"
        " tool_call_count INTEGER NOT NULL, total_output_tokens INTEGER, peak_context_tokens INTEGER,"
        " tool_failure_count INTEGER, failures_at_end INTEGER, failures_in_a_row INTEGER, repeated_calls INTEGER,"
        " compaction_count INTEGER, ending TEXT, first_prompt TEXT, PRIMARY KEY (agent, session_id),"
        " FOREIGN KEY (source) REFERENCES sources(id) ON DELETE CASCADE)"
    )
    connection.execute(
        "INSERT INTO sessions_by_rowid SELECT agent, session_id, source, parent_id, relationship, title, cwd,"
        " git_branch, version, model, started_at, ended_at, last_activity_at, created_at, message_count,"
        " user_message_count, assistant_message_count, tool_call_count, total_output_tokens, peak_context_tokens,"
        " tool_failure_count, NULL, NULL, NULL, NULL, NULL, first_prompt FROM sessions"
    )
    connection.execute("UPDATE sources SET size = -1, offset = 0, marks = '', state = ''")
    connection.execute("DROP TABLE sessions")
    connection.execute("ALTER TABLE sessions_by_rowid RENAME TO sessions")
    connection.execute("CREATE INDEX sessions_source_idx ON sessions (source)")
    connection.execute("CREATE INDEX sessions_parent_idx ON sessions (agent, parent_id)")


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    _as_agent_rollouts_0_1,
    _facts_of_a_snapshot,
    _changes_between_trees,
    _known_tags_of_archives,
    _sessions_of_agents,
    _files_looked_at_before_a_push,
    _sessions_in_datasets,
    _figures_of_sessions,
    _sessions_by_rowid,
)
VERSION = len(MIGRATIONS)


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def is_current(connection: sqlite3.Connection, path: str) -> bool:
    """Whether the catalog at `path` has this program's schema.

    Raises:
        RolloutsError: it has a newer one.
    """
    version = _version(connection)
    if version > VERSION:
        raise RolloutsError(
            f"{path} was written by a newer Rollouts (schema {version}, this one knows {VERSION});"
            " upgrade agent-rollouts"
        )
    return version == VERSION


def _back_up(connection: sqlite3.Connection, path: str) -> None:
    """Keeps a copy of a catalog that is about to be changed, complete or not at all."""
    if os.path.exists(path):
        return
    fresh = f"{path}.{os.getpid()}.new"
    copy = sqlite3.connect(fresh)
    try:
        connection.backup(copy)
    finally:
        copy.close()
    os.rename(fresh, path)


def apply(connection: sqlite3.Connection, path: str) -> None:
    """Brings the catalog at `path` to VERSION, in one transaction, after a backup when it held something."""
    version = _version(connection)
    if version == VERSION:
        return
    if connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
        _back_up(connection, f"{path}.v{version}-backup")
        os.chmod(path, 0o600)  # agent-rollouts 0.1 left it open to all, with passwords in URLs perhaps
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in MIGRATIONS[version:]:
            step(connection)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has ended it already
            connection.execute("ROLLBACK")
        raise
