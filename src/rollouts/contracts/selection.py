"""Which sessions an export holds, in what order, and what it leaves out by default.

Specification of session summaries, 1.3 and 1.5, with 0.8: children only ever add to what is there without them, a
session whose parent is not in the archive stands for itself, and whatever is left out is counted, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rollouts.contracts.filters import Filters, fits
from rollouts.contracts.instants import instant
from rollouts.contracts.summary import FORK, SUBAGENT, Session
from rollouts.record import Record

ONE_SHOT, AUTOMATED, CHILDREN = "one_shot", "automated", "children"
EXCLUSIONS = (ONE_SHOT, AUTOMATED, CHILDREN)


class Selected(Record):
    """What became of the sessions that fit the filters."""

    exported: tuple[Session, ...]
    """In the order of the export."""
    excluded: Mapping[str, tuple[Session, ...]]
    """Exclusion -> what it left out."""


def sort_value(session: Session) -> int:
    """The moment of a session's last activity, in microseconds since 1970."""
    return instant(session.last_activity_at) or 0


def ordered(sessions: Iterable[Session]) -> list[Session]:
    """The latest activity first, as a moment and not as text; then by id, bytewise."""
    return sorted(sessions, key=lambda session: (-sort_value(session), session.id.encode(errors="surrogatepass")))


def _is_child(session: Session) -> bool:
    return session.relationship_type in {SUBAGENT, FORK}


def _lineage(session: Session, known: Mapping[str, Session]) -> list[Session]:
    """A session, what it came from, and so on, as far as that is in the archive."""
    if not session.relationship_type:
        return [session]  # as most are
    found = {session.id: session}
    while session.relationship_type and (parent := known.get(session.parent_session_id or "")):
        if parent.id in found:  # a ring, which no agent makes
            break
        found[parent.id] = session = parent
    return list(found.values())


def _exclusion(session: Session, filters: Filters) -> str | None:
    """Which exclusion leaves a session out that stands for itself."""
    if session.is_automated:
        return None if filters.include_automated else AUTOMATED
    return ONE_SHOT if session.user_message_count <= 1 and not filters.include_one_shot else None


def _fate(lineage: list[Session], filters: Filters) -> tuple[bool, str | None]:
    """Whether the first of a lineage is asked for, and which exclusion leaves it out."""
    judges = [one for one in lineage if not _is_child(one)] or lineage[-1:]
    fates = [(fits(one, filters), _exclusion(one, filters)) for one in judges]
    if not filters.include_children:
        return (fates[0][0], CHILDREN) if _is_child(lineage[0]) else fates[0]
    return (True, None) if (True, None) in fates else fates[0]


def selected(sessions: Iterable[Session], filters: Filters) -> Selected:
    """Parts all sessions of an archive into those that are exported and those that are left out.

    A session without messages is never exported, and is no one's parent. With children, all that descends from an
    exported session is exported with it, whatever the filters say of itself.
    """
    known = {session.id: session for session in sessions if session.message_count > 0}
    exported: list[Session] = []
    excluded: dict[str, list[Session]] = {name: [] for name in EXCLUSIONS}
    for session in ordered(known.values()):
        is_meant, exclusion = _fate(_lineage(session, known), filters)
        if is_meant:
            (exported if exclusion is None else excluded[exclusion]).append(session)
    return Selected(tuple(exported), {name: tuple(left) for name, left in excluded.items()})
