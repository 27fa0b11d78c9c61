"""Which sessions a user asks for: options checked and kept as values, and as JSON inside a cursor.

Specification of session summaries, 1.5, with 0.9: a bad day, an unknown word or a branch that no session has is an
error, not an empty answer. A plain branch name is taken, beside the token `project U+001F branch`.
"""

from __future__ import annotations

from collections.abc import Iterable

from rollouts.contracts.instants import checked_day, checked_instant, day, instant
from rollouts.contracts.strict_json import Json
from rollouts.contracts.summary import AGENTS, Session
from rollouts.errors import RolloutsError
from rollouts.record import Record

OUTCOMES = ("completed", "abandoned", "errored", "unknown")
GRADES = ("A", "B", "C", "D", "F")
_IN_TOKEN, _BETWEEN_TOKENS = "\x1f", "\x1e"


class Filters(Record):
    """What is asked for; nothing by default, which is all but the usual exclusions."""

    project: str | None = None
    exclude_project: str | None = None
    machines: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    git_branches: tuple[str, ...] = ()
    """`branch`, or `project U+001F branch`."""
    date_from: str | None = None
    date_to: str | None = None
    active_since: int | None = None
    """Microseconds since 1970."""
    min_messages: int = 0
    max_messages: int = 0
    min_user_messages: int = 0
    outcomes: tuple[str, ...] = ()
    health_grades: tuple[str, ...] = ()
    min_tool_failures: int | None = None
    has_secret: bool = False
    include_one_shot: bool = False
    include_automated: bool = False
    include_children: bool = False


class Asked(Record):
    """Options of the command as they were typed."""

    project: str | None = None
    exclude_project: str | None = None
    machine: str | None = None
    agent: str | None = None
    git_branch: str | None = None
    date: str | None = None
    date_from: str | None = None
    date_to: str | None = None
    active_since: str | None = None
    min_messages: int = 0
    max_messages: int = 0
    min_user_messages: int = 0
    outcome: str | None = None
    health_grade: str | None = None
    min_tool_failures: int | None = None
    has_secret: bool = False
    include_one_shot: bool = False
    include_automated: bool = False
    include_children: bool = False


def _words(text: str | None, separator: str = ",") -> tuple[str, ...]:
    return tuple(word for part in (text or "").split(separator) if (word := part.strip(" ")))


def _known(text: str | None, option: str, names: Iterable[str]) -> tuple[str, ...]:
    known = tuple(names)
    for word in _words(text):
        if word not in known:
            raise RolloutsError(f"{option} {word!r} is not known; it is one of: {', '.join(known)}")
    return _words(text)


def _agents(text: str | None) -> tuple[str, ...]:
    words = _known(text, "--agent", [*AGENTS.values(), "claude-code"])
    return tuple(dict.fromkeys(AGENTS.get(word, word) for word in words))


def _count(value: int, option: str) -> int:
    if value < 0:
        raise RolloutsError(f"{option} must not be negative; 0 is no limit")
    return value


def _days(asked: Asked) -> tuple[str | None, str | None]:
    given = {"--date": asked.date, "--date-from": asked.date_from, "--date-to": asked.date_to}
    days = {option: checked_day(text, option) for option, text in given.items() if text is not None}
    first, last = (days.get(option, days.get("--date")) for option in ("--date-from", "--date-to"))
    if first and last and first > last:
        raise RolloutsError(f"the range of days is empty: {first} is after {last}")
    return first, last


def checked(asked: Asked) -> Filters:
    """The filters that options mean.

    Raises:
        RolloutsError: an option has a value that means nothing.
    """
    try:
        first, last = _days(asked)
        since = None if asked.active_since is None else checked_instant(asked.active_since, "--active-since")
    except ValueError as error:
        raise RolloutsError(str(error)) from None
    failures = asked.min_tool_failures
    return Filters(
        project=asked.project,
        exclude_project=asked.exclude_project,
        machines=_words(asked.machine),
        agents=_agents(asked.agent),
        git_branches=_words(asked.git_branch, _BETWEEN_TOKENS),
        date_from=first,
        date_to=last,
        active_since=since,
        min_messages=_count(asked.min_messages, "--min-messages"),
        max_messages=_count(asked.max_messages, "--max-messages"),
        min_user_messages=_count(asked.min_user_messages, "--min-user-messages"),
        outcomes=_known(asked.outcome, "--outcome", OUTCOMES),
        health_grades=_known(asked.health_grade, "--health-grade", GRADES),
        min_tool_failures=None if failures is None else _count(failures, "--min-tool-failures"),
        has_secret=asked.has_secret,
        include_one_shot=asked.include_one_shot,
        include_automated=asked.include_automated,
        include_children=asked.include_children,
    )


def filters_json(filters: Filters) -> dict[str, Json]:
    """The same as JSON, for a cursor to carry."""
    return {name: [*value] if isinstance(value, tuple) else value for name, value in filters._asdict().items()}


def filters_from(found: Json) -> Filters:
    """What `filters_json` wrote.

    Raises:
        ValueError: it did not write this.
    """
    if not isinstance(found, dict) or found.keys() != set(Filters._fields):
        raise ValueError("these are no filters")
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}
    return Filters(**values)  # type: ignore[arg-type] # what is in a cursor is signed: this program wrote it


def _began(session: Session) -> str | None:
    """The UTC day of a session's beginning, or of its entry into the archive."""
    began = instant(session.started_at)
    began = instant(session.created_at) if began is None else began
    return None if began is None else day(began)


def _is_on(session: Session, filters: Filters) -> bool:
    """Whether it began within the days, and was active since the moment, that are asked for."""
    if filters.date_from or filters.date_to:
        began = _began(session)
        if began is None or not (filters.date_from or "") <= began <= (filters.date_to or "9999-12-31"):
            return False
    if filters.active_since is None:
        return True
    moments = map(instant, (session.ended_at, session.started_at, session.created_at))
    return next((moment >= filters.active_since for moment in moments if moment is not None), False)


def _is_long_enough(session: Session, filters: Filters) -> bool:
    return (
        session.message_count >= filters.min_messages
        and (not filters.max_messages or session.message_count <= filters.max_messages)
        and session.user_message_count >= filters.min_user_messages
    )


def _is_of(session: Session, filters: Filters) -> bool:
    """Whether its project, machine, agent and branch are those that are asked for."""
    branch = session.git_branch or ""
    return (
        (filters.project is None or session.project == filters.project)
        and (filters.exclude_project is None or session.project != filters.exclude_project)
        and (not filters.machines or session.machine in filters.machines)
        and (not filters.agents or session.agent in filters.agents)
        and (
            not filters.git_branches
            or branch in filters.git_branches
            or f"{session.project}{_IN_TOKEN}{branch}" in filters.git_branches
        )
    )


def _went(session: Session, filters: Filters) -> bool:
    """Whether it went as is asked for; what is not known of a session is not."""
    failures = filters.min_tool_failures
    return (
        (not filters.outcomes or session.outcome in filters.outcomes)
        and (not filters.health_grades or session.health_grade in filters.health_grades)
        and (failures is None or (session.tool_failures is not None and session.tool_failures >= failures))
        and (not filters.has_secret or session.has_secret is True)
    )


def fits(session: Session, filters: Filters) -> bool:
    """Whether a session is asked for, the default exclusions aside."""
    return (
        session.message_count > 0
        and _is_of(session, filters)
        and _is_long_enough(session, filters)
        and _went(session, filters)
        and _is_on(session, filters)
    )


def check_branches(sessions: Iterable[Session], filters: Filters) -> None:
    """Tells a plain branch name that no session has from one whose sessions other filters leave out.

    Raises:
        RolloutsError: no session has it.
    """
    plain = {branch for branch in filters.git_branches if _IN_TOKEN not in branch}
    missing = plain - {session.git_branch for session in sessions} if plain else plain
    if missing:
        raise RolloutsError(f"--git-branch {min(missing)!r}: no session ran on this branch; check its spelling")
