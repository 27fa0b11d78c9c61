"""What `export sessions` says of a session: counts, times and costs, and no word of what was said in it.

Specification of session summaries, 1.1 and 1.2 (schema_version 1), with the additions of 0.4 to 0.8.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from rollouts.contracts.automation import classification
from rollouts.contracts.identity import Found, project_json
from rollouts.contracts.instants import instant, rfc3339
from rollouts.contracts.strict_json import Json
from rollouts.contracts.usage import Ledger, Sum, model_usage_json
from rollouts.record import Record

SCHEMA_VERSION = 1
LOCAL = "local"
AGENTS = {"claude-code": "claude", "codex": "codex", "opencode": "opencode"}
"""An agent's name in the rest of the program -> here (0.15)."""
SUBAGENT, FORK, CONTINUATION = "subagent", "fork", "continuation"


class Session(Record):
    """A session as the catalog knows it, by the names that this contract gives."""

    id: str
    agent: str
    project: str
    last_activity_at: str
    created_at: str
    """When the archive first had it."""
    machine: str = LOCAL
    cwd: str | None = None
    git_branch: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    message_count: int = 0
    user_message_count: int = 0
    assistant_message_count: int = 0
    is_automated: bool = False
    parent_session_id: str | None = None
    relationship_type: str | None = None
    """subagent, fork, continuation or null."""
    total_output_tokens: int | None = None
    peak_context_tokens: int | None = None
    worktree_name: str | None = None
    worktree_root_path: str | None = None
    outcome: str | None = None
    """This and the following are not exported; filters ask for them. Null: not known."""
    health_grade: str | None = None
    tool_failures: int | None = None
    has_secret: bool | None = None


def archive_id(agent: str, session_id: str) -> str:
    """A session's id here: Codex's have a prefix, in this contract and nowhere else (0.15)."""
    return f"codex:{session_id}" if AGENTS.get(agent, agent) == "codex" else session_id


def last_activity(*moments: str | None) -> str:
    """The first moment that is one, of: end, latest message, start, entry into the archive.

    Raises:
        ValueError: none is.
    """
    known = [found for text in moments if (found := instant(text)) is not None]
    if not known:
        raise ValueError("a session without any moment")
    return rfc3339(known[0])


def _moment(text: str | None) -> str | None:
    found = instant(text)
    return None if found is None else rfc3339(found)


def _duration(session: Session) -> int | None:
    """Whole seconds from start to end, or to the last activity; null where that makes no sense."""
    start, end = instant(session.started_at), instant(session.ended_at or session.last_activity_at)
    return None if start is None or end is None or end < start else (end - start) // 1_000_000


def _worktree(session: Session, *, redact_paths: bool) -> dict[str, Json] | None:
    """The linked worktree that a session ran in; null in a main checkout and in a plain directory."""
    if session.worktree_name is None and session.worktree_root_path is None:
        return None
    return {"name": session.worktree_name, "root_path": None if redact_paths else session.worktree_root_path}


def row(session: Session, usage: Ledger, project: Found, *, redact_paths: bool = False) -> dict[str, Json]:
    """A session's row, its keys in the contract's order; `cwd` and `git_branch` only where there is one."""
    output, peak = session.total_output_tokens, session.peak_context_tokens
    cwd = None if redact_paths else session.cwd
    return {
        "id": session.id,
        "project": session.project,
        "machine": session.machine,
        "agent": session.agent,
        **({"cwd": cwd} if cwd else {}),
        **({"git_branch": session.git_branch} if session.git_branch else {}),
        "started_at": _moment(session.started_at),
        "ended_at": _moment(session.ended_at),
        "last_activity_at": _moment(session.last_activity_at),
        "duration_seconds": _duration(session),
        "message_count": session.message_count,
        "user_message_count": session.user_message_count,
        "assistant_message_count": session.assistant_message_count,
        "turn_count": session.user_message_count,
        "classification": classification(automated=session.is_automated),
        "is_automated": session.is_automated,
        "model_usage": model_usage_json(usage),
        "parent_session_id": session.parent_session_id,
        "relationship_type": session.relationship_type,
        "worktree": _worktree(session, redact_paths=redact_paths),
        "total_output_tokens": output or 0,
        "peak_context_tokens": peak or 0,
        "has_total_output_tokens": output is not None,
        "has_peak_context_tokens": peak is not None,
        "project_identity": project_json(project, redact_paths=redact_paths),
    }


class Left(Record):
    """What one of the default exclusions leaves out."""

    sessions: int
    usage: Sum


def _left_json(left: Left) -> dict[str, Json]:
    counts = left.usage.counts
    return {
        "sessions": left.sessions,
        "input_tokens": counts[0],
        "output_tokens": counts[1],
        "cost_microusd": left.usage.microusd,
    }


def envelope(
    *,
    database_id: str,
    next_cursor: str,
    pricing: Mapping[str, Json],
    projects: Mapping[str, Found],
    excluded: Mapping[str, Left],
    redact_paths: bool = False,
) -> dict[str, Json]:
    """What stands beside the rows, its keys in the contract's order.

    Args:
        database_id: of the archive.
        next_cursor: "" where nothing follows.
        pricing: the block (`usage.pricing_json`).
        projects: label -> identity, of the rows' labels.
        excluded: exclusion (`selection.EXCLUSIONS`) -> what it left out.
        redact_paths: without the paths that identities stand on.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "database_id": database_id,
        "cursor": {"next": next_cursor},
        "pricing": dict(pricing),
        "projects": {label: project_json(projects[label], redact_paths=redact_paths) for label in sorted(projects)},
        "excluded": {name: _left_json(left) for name, left in excluded.items()},
    }


def _dump(value: Mapping[str, Json]) -> str:
    return json.dumps(value, separators=(",", ":"))


def document(head: Mapping[str, Json], rows: Iterable[Mapping[str, Json]]) -> Iterator[str]:
    """One JSON document with a newline at its end, in pieces, so that no more than a row is held at a time."""
    yield _dump(head)[:-1] + ',"sessions":['
    separator = ""
    for one in rows:
        yield separator + _dump(one)
        separator = ","
    yield "]}\n"


def lines(head: Mapping[str, Json], rows: Iterable[Mapping[str, Json]]) -> Iterator[str]:
    """NDJSON: a line of type `meta`, then a line for each session."""
    yield _dump({"type": "meta", **head}) + "\n"
    for one in rows:
        yield _dump(one) + "\n"
