"""The catalog's part about agents' sessions: facts, usage, where they were read from, and the projects they were in."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence

from rollouts.contracts.strict_json import dump, parse
from rollouts.facts import Progress, Scan, Source, Usage
from rollouts.models import safety_session
from rollouts.record import Record
from rollouts.storage.catalog import Catalog, Value

_FACTS = (
    "parent_id, relationship, title, first_prompt, cwd, git_branch, version, model, started_at, ended_at,"
    " message_count, user_message_count, assistant_message_count, tool_call_count, total_output_tokens,"
    " peak_context_tokens, tool_failure_count, failures_at_end, failures_in_a_row, repeated_calls, compaction_count,"
    " ending"
)
_USAGE = (
    "ordinal, session_id, at, model, input_tokens, output_tokens, cache_write_tokens, cache_read_tokens,"
    " reasoning_tokens, cost_microusd, dedup_key"
)
_SOURCE = "id, key, root_id, name, size, mtime_ns, offset, marks, state, unreadable_lines, unknown_records, kept"
_TRACKED = "agent, session_id, parent_id, relationship, title, cwd, model, started_at, last_activity_at"

_READ_AGAIN = "UPDATE sources SET size = -1, offset = 0, marks = '', state = ''"
PRICE_STAMP = "price_stamp"
"""The archive's fact that says how the file of the embedded prices looked when it was read."""
_KEPT_WHEN_UNKNOWN = {"first_prompt", "parent_id", "relationship"}
_UPDATES = ", ".join(
    f"{name} = coalesce(excluded.{name}, sessions.{name})"
    if name in _KEPT_WHEN_UNKNOWN
    else f"{name} = excluded.{name}"
    for name in _FACTS.split(", ")
)

Key = tuple[str, str]
"""An agent and the id of one of its sessions."""


class Tracked(Record):
    """One session that the catalog knows: read from its agent's files, or named by snapshots, or both."""

    agent: str | None
    session_id: str
    parent_id: str | None
    relationship: str | None
    title: str | None
    cwd: str | None
    model: str | None
    started_at: str | None
    last_activity_at: str
    """Of one that only snapshots name the time of the last of those."""
    workspace_id: str | None
    """Whose snapshots name it; None when none do."""
    snapshots: int
    is_ingested: bool
    """Whether its agent's files were read, and its transcript is kept, perhaps."""


class Known(Record):
    """What the catalog knows of a source."""

    id: int
    key: str
    root_id: str
    name: str
    size: int
    mtime_ns: int
    progress: Progress
    kept: str | None
    """Of what size and when changed it was when its transcript was last kept."""

    def is_as_before(self, source: Source) -> bool:
        """Whether a source looks as it did when it was last read."""
        return (self.size, self.mtime_ns) == (source.size, source.mtime_ns)

    def is_kept(self) -> bool:
        """Whether the transcript has what was last seen of the source."""
        return self.kept == stamp(self.size, self.mtime_ns)


def stamp(size: int, mtime_ns: int) -> str:
    """How a source looks from outside, in one word."""
    return f"{size} {mtime_ns}"


def now() -> str:
    """The moment, as these tables write it."""
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{nanoseconds // 1000000:03d}Z"


def fact(catalog: Catalog, name: str) -> str | None:
    """One of the archive's own facts."""
    rows = catalog.rows("SELECT value FROM archive_facts WHERE name = ?", name)
    return str(rows[0][0]) if rows else None


def database_id(catalog: Catalog) -> str | None:
    """The id by which this catalog's summaries are told from another's; None before anything was ingested."""
    return fact(catalog, "database_id")


def mint_database_id(catalog: Catalog) -> str:
    """`database_id`, made when there is none: a random UUID (version 4). Writes in a transaction of its own.

    With it goes the secret that cursors of exports are signed with: 32 random bytes, in hexadecimal digits.
    """
    known = database_id(catalog)
    if known:
        return known
    import uuid  # noqa: PLC0415 - once in a catalog's life

    with catalog:
        catalog.rows("INSERT OR IGNORE INTO archive_facts VALUES ('database_id', ?)", str(uuid.uuid4()))
        catalog.rows("INSERT OR IGNORE INTO archive_facts VALUES ('cursor_secret', ?)", os.urandom(32).hex())
    return database_id(catalog) or ""


# What is known


def tracked(catalog: Catalog, agent: str | None = None) -> list[Tracked]:
    """Every session that the catalog knows, in the order of their last activity, the newest first.

    Args:
        catalog: an open one.
        agent: only this agent's.
    """
    named = _named_by_snapshots(catalog)
    found = []
    for row in catalog.rows(f"SELECT {_TRACKED} FROM sessions"):
        _, workspace_id, count, _ = named.pop(str(row[1]), (None, None, 0, ""))
        values = (*row, workspace_id, count, True)
        found.append(Tracked(*values))  # type: ignore[arg-type] # the columns' types are the schema's
    for session_id, (owner, workspace_id, count, last) in named.items():
        found.append(
            Tracked(owner, session_id, None, None, None, None, None, None, last, workspace_id, count, is_ingested=False)
        )
    found = [session for session in found if agent is None or session.agent == agent]
    return sorted(found, key=lambda session: (session.last_activity_at, session.session_id), reverse=True)


def _named_by_snapshots(catalog: Catalog) -> dict[str, tuple[str | None, str, int, str]]:
    """Session -> agent, workspace, number of snapshots and time of the last; those of restores are nobody's."""
    rows = catalog.rows(
        "SELECT session_id, workspace_id, max(agent), count(*), max(captured_at), max(metadata) FROM snapshots"
        " GROUP BY session_id"
    )
    found = {}
    for session_id, workspace_id, agent, count, last, metadata in rows:
        if session_id != safety_session(str(workspace_id)):
            owner = str(agent) if agent is not None else _agent_in(str(metadata))
            found[str(session_id)] = (owner, str(workspace_id), int(count or 0), str(last))
    return found


def _agent_in(metadata: str) -> str | None:
    """The agent that a snapshot's metadata names."""
    try:
        parsed = parse(metadata)
    except ValueError:
        return None
    agent = parsed.get("agent") if isinstance(parsed, dict) else None
    return agent if isinstance(agent, str) else None


def titles(catalog: Catalog) -> dict[str, tuple[str, str | None]]:
    """Session -> its agent and title, of each that was ingested."""
    rows = catalog.rows("SELECT session_id, agent, title FROM sessions")
    return {str(row[0]): (str(row[1]), None if row[2] is None else str(row[2])) for row in rows}


def family(catalog: Catalog, session_ids: Iterable[str]) -> list[Key]:
    """The ingested ones among some sessions, with their subagents and the branches of their logs."""
    found: dict[Key, None] = {}
    for session_id in session_ids:
        rows = catalog.rows(
            "WITH RECURSIVE all_of(agent, id) AS (SELECT agent, session_id FROM sessions WHERE session_id = ?"
            " UNION SELECT s.agent, s.session_id FROM sessions AS s JOIN all_of ON s.agent = all_of.agent"
            " AND s.parent_id = all_of.id AND (s.relationship = 'subagent' OR s.source IN"
            " (SELECT source FROM sessions AS p WHERE p.agent = all_of.agent AND p.session_id = all_of.id)))"
            " SELECT agent, id FROM all_of",
            session_id,
        )
        found |= dict.fromkeys((str(agent), str(own)) for agent, own in rows)
    return list(found)


# Sources


def _key_in(key: str) -> str | bytes:
    """TEXT for a key that is UTF-8, else its bytes: SQLite's TEXT has no room for them."""
    try:
        key.encode()
    except UnicodeEncodeError:
        return os.fsencode(key)
    return key


def _known(row: Sequence[Value]) -> Known:
    values = (*row[:6], Progress(*row[6:11]), row[11])  # type: ignore[arg-type] # the columns' types are the schema's
    known = Known(*values)  # type: ignore[arg-type] # as above
    key: str | bytes = known.key
    return known._replace(key=os.fsdecode(key))


def sources(catalog: Catalog, agent: str) -> dict[str, Known]:
    """What is known of an agent's sources, by their keys; their states are left out, which may be large."""
    columns = _SOURCE.replace("marks, state", "'', ''")
    return {
        known.key: known for known in map(_known, catalog.rows(f"SELECT {columns} FROM sources WHERE agent = ?", agent))
    }


def source(catalog: Catalog, agent: str, key: str) -> Known | None:
    rows = catalog.rows(f"SELECT {_SOURCE} FROM sources WHERE agent = ? AND key = ?", agent, _key_in(key))
    return _known(rows[0]) if rows else None


def sources_of(catalog: Catalog, agent: str, root_id: str) -> list[Known]:
    """The sources that a session's transcript consists of."""
    sql = f"SELECT {_SOURCE} FROM sources WHERE agent = ? AND root_id = ? ORDER BY key"
    return [_known(row) for row in catalog.rows(sql, agent, root_id)]


def owners(catalog: Catalog, agent: str, session_ids: Iterable[str]) -> dict[str, str]:
    """Session -> the key of the source that it was read from."""
    sql = "SELECT key FROM sources WHERE id = (SELECT source FROM sessions WHERE agent = ? AND session_id = ?)"
    found = {session_id: catalog.rows(sql, agent, session_id) for session_id in session_ids}
    return {session_id: os.fsdecode(rows[0][0]) for session_id, rows in found.items() if rows}  # type: ignore[arg-type] # never NULL


def note_kept(catalog: Catalog, agent: str, stamps: Mapping[str, str]) -> None:
    """Notes as what (`stamp`) sources are in their transcripts now. The caller has begun a transaction."""
    rows = [(kept, agent, _key_in(key)) for key, kept in stamps.items()]
    catalog.write_all("UPDATE sources SET kept = ? WHERE agent = ? AND key = ?", rows)


# Ingesting; the caller has begun a transaction


def drop_source(catalog: Catalog, agent: str, key: str) -> None:
    """Forgets a source with what was read from it."""
    catalog.rows("DELETE FROM sources WHERE agent = ? AND key = ?", agent, _key_in(key))


def ingest(catalog: Catalog, agent: str, found: Source, scan: Scan) -> None:
    """Takes in what a look into a source gave."""
    number = _add_source(catalog, agent, found, scan)
    created: dict[Value, Value] = {}
    if scan.is_anew:
        known = catalog.rows("SELECT session_id, created_at FROM sessions WHERE source = ?", number)
        created = {session_id: at for session_id, at in known}  # noqa: C416 - `dict` does not know that these are pairs
        for table in ("usage", "moments", "sessions"):
            catalog.rows(f"DELETE FROM {table} WHERE source = ?", number)
    catalog.write_all(
        f"INSERT INTO usage (source, agent, {_USAGE}) VALUES (?, ?{', ?' * len(Usage._fields)})"
        " ON CONFLICT (source, ordinal) DO UPDATE SET output_tokens = excluded.output_tokens,"
        " input_tokens = excluded.input_tokens, cache_write_tokens = excluded.cache_write_tokens,"
        " cache_read_tokens = excluded.cache_read_tokens, reasoning_tokens = excluded.reasoning_tokens",
        [(number, agent, *row) for row in scan.usage],
    )
    catalog.write_all(
        "INSERT OR REPLACE INTO moments VALUES (?, ?, ?, ?)", [(number, *run) for run in scan.moments if run.text]
    )
    moment = now()
    catalog.write_all(
        f"INSERT INTO sessions (agent, session_id, {_FACTS}, source, last_activity_at, created_at)"
        f" VALUES (?, ?{', ?' * len(_FACTS.split(', '))}, ?, ?, ?) ON CONFLICT (agent, session_id) DO UPDATE SET"
        f" {_UPDATES}, source = excluded.source, last_activity_at = coalesce(excluded.ended_at, sessions.created_at)",
        [
            (agent, *facts, number, facts.ended_at or facts.started_at or entry, entry)
            for facts in scan.sessions
            for entry in (created.get(facts.session_id, moment),)
        ],
    )
    if scan.is_anew and scan.usage and scan.usage[0].dedup_key and scan.sessions[0].relationship is None:
        _mark_fork(catalog, agent, scan)


def _mark_fork(catalog: Catalog, agent: str, scan: Scan) -> None:
    """A log that begins with requests which another one holds is a fork of that: some agents say it nowhere."""
    own, first = scan.sessions[0], scan.usage[0]
    rows = catalog.rows(
        "SELECT u.session_id FROM usage AS u JOIN sessions AS s ON s.agent = u.agent AND s.session_id = u.session_id"
        " WHERE u.dedup_key = ? AND u.agent = ? AND u.session_id != ? AND s.parent_id IS NOT ?"
        " ORDER BY s.created_at, u.session_id LIMIT 1",
        *(first.dedup_key, agent, own.session_id, own.session_id),
    )
    for (original,) in rows:
        sql = "UPDATE sessions SET parent_id = ?, relationship = 'fork' WHERE agent = ? AND session_id = ?"
        catalog.rows(sql, original, agent, own.session_id)


def _add_source(catalog: Catalog, agent: str, found: Source, scan: Scan) -> int:
    """Writes what is known of a source now. Returns its number."""
    catalog.rows(
        "INSERT INTO sources (agent, key, root_id, name, size, mtime_ns, offset, marks, state, unreadable_lines,"
        " unknown_records) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (agent, key) DO UPDATE SET"
        " root_id = excluded.root_id, name = excluded.name, size = excluded.size, mtime_ns = excluded.mtime_ns,"
        " offset = excluded.offset, marks = excluded.marks, state = excluded.state,"
        " unreadable_lines = excluded.unreadable_lines, unknown_records = excluded.unknown_records",
        *(agent, _key_in(found.key), scan.root_id, scan.name, found.size, found.mtime_ns, *scan.progress),
    )
    rows = catalog.rows("SELECT id FROM sources WHERE agent = ? AND key = ?", agent, _key_in(found.key))
    return int(rows[0][0] or 0)


def forget(catalog: Catalog, keys: Iterable[Key]) -> None:
    """Forgets sessions: their facts, their usage, and what they were read from, if nothing else was."""
    for agent, session_id in keys:
        rows = catalog.rows("SELECT source FROM sessions WHERE agent = ? AND session_id = ?", agent, session_id)
        catalog.rows("DELETE FROM sessions WHERE agent = ? AND session_id = ?", agent, session_id)
        for (number,) in rows:
            for table in ("usage", "moments"):
                catalog.rows(f"DELETE FROM {table} WHERE source = ? AND session_id = ?", number, session_id)
            catalog.rows("DELETE FROM sources WHERE id = ? AND id NOT IN (SELECT source FROM sessions)", number)
        catalog.rows(
            "DELETE FROM sources WHERE agent = ? AND root_id = ? AND id NOT IN (SELECT source FROM sessions)",
            agent,
            session_id,
        )
    catalog.rows("DELETE FROM project_observations WHERE cwd NOT IN (SELECT cwd FROM sessions WHERE cwd IS NOT NULL)")


def forget_all(catalog: Catalog) -> None:
    """Forgets every session. The caller has begun a transaction."""
    for table in ("usage", "moments", "sessions", "sources", "project_observations"):
        catalog.rows(f"DELETE FROM {table}")


def adopt(catalog: Catalog, other: str) -> None:
    """Takes over what an older copy of the catalog knows, all or nothing: in half of it sources would look as read.

    Raises:
        RolloutsError: it cannot be read to its end, or its schema knows no sessions.
    """
    catalog.rows("ATTACH ? AS older", other)
    try:
        with catalog:
            for table in ("archive_facts", "sources", "sessions", "usage", "project_observations"):
                columns = ", ".join(str(row[1]) for row in catalog.rows(f"PRAGMA older.table_info({table})"))
                catalog.rows(f"INSERT OR IGNORE INTO main.{table} ({columns}) SELECT {columns} FROM older.{table}")
            if catalog.rows("SELECT 1 FROM older.sqlite_master WHERE name = 'moments'"):
                catalog.rows("INSERT OR IGNORE INTO main.moments SELECT * FROM older.moments")
            else:
                catalog.rows(_READ_AGAIN)
    finally:
        catalog.rows("DETACH older")


def unkeep(catalog: Catalog, keys: Iterable[Key]) -> None:
    """Notes that nothing is kept of some sessions, so that the next import does it again. As above."""
    catalog.write_all("UPDATE sources SET kept = NULL WHERE agent = ? AND root_id = ?", list(keys))


def roots(catalog: Catalog, agent: str) -> set[str]:
    """The sessions to whose transcripts any source of an agent belongs."""
    return {str(row[0]) for row in catalog.rows("SELECT DISTINCT root_id FROM sources WHERE agent = ?", agent)}


def kept_roots(catalog: Catalog) -> set[Key]:
    """The sessions of which something is kept, as far as the catalog knows."""
    rows = catalog.rows("SELECT DISTINCT agent, root_id FROM sources WHERE kept IS NOT NULL")
    return {(str(agent), str(root_id)) for agent, root_id in rows}


# Projects


class Observation(Record):
    """What was seen of the project that a session worked in (https://git-scm.com/docs/git-worktree for the words)."""

    cwd: str
    """As the agent wrote it down."""
    root_path: str
    """The root of its work tree with links resolved; without a repository the directory itself."""
    repository_path: str | None
    """The main work tree, which differs from the root in a linked one; None without a repository."""
    worktree_name: str | None
    """The name of the root's directory."""
    remotes: Mapping[str, str]
    """Name -> URL as git fetches it, without credentials."""


def observed(catalog: Catalog) -> dict[str, str]:
    """Working directory -> when its project was last looked at."""
    return {str(cwd): str(at) for cwd, at in catalog.rows("SELECT cwd, observed_at FROM project_observations")}


def observations(catalog: Catalog) -> dict[str, Observation]:
    """Working directory -> what was seen of its project."""
    rows = catalog.rows("SELECT cwd, root_path, repository_path, worktree_name, remotes FROM project_observations")
    found = [(*row[:4], _remotes(str(row[4]))) for row in rows]
    return {str(values[0]): Observation(*values) for values in found}  # type: ignore[arg-type] # the schema's types


def _remotes(text: str) -> dict[str, str]:
    parsed = parse(text)
    return {name: str(url) for name, url in parsed.items()} if isinstance(parsed, dict) else {}


def observe(catalog: Catalog, seen: Observation) -> None:
    """Notes what was seen of a project; remotes that were seen once stay when later none are."""
    catalog.rows(
        "INSERT INTO project_observations VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (cwd) DO UPDATE SET"
        " root_path = excluded.root_path, repository_path = excluded.repository_path,"
        " worktree_name = excluded.worktree_name, observed_at = excluded.observed_at, remotes = CASE"
        " WHEN excluded.remotes = '{}' THEN project_observations.remotes ELSE excluded.remotes END",
        *(seen.cwd, seen.root_path, seen.repository_path, seen.worktree_name, dump(dict(seen.remotes)), now()),
    )
