"""`activity report`: when agents were at work, out of one look at the catalog."""

from __future__ import annotations

from collections.abc import Sequence

from rollouts.contracts.activity import Active, Message, Range, Spent, report
from rollouts.contracts.identity import project_json
from rollouts.contracts.instants import instant, rfc3339
from rollouts.contracts.strict_json import Json
from rollouts.contracts.summary import FORK, Session
from rollouts.contracts.usage import Ledger, pricing_json
from rollouts.export.archived import Archived, Own
from rollouts.record import Record
from rollouts.storage import figures
from rollouts.storage.catalog import Catalog

_DAY = 86_400 * 1_000_000

Key = tuple[int, str]
"""A session's source and its id there."""


class Asked(Record):
    """What the report is to be about."""

    range: Range
    project: str | None = None
    agents: tuple[str, ...] = ()
    """By their names in contracts; none for all."""
    titles: bool = False
    """With what sessions are called, which may be what was asked of them first."""
    redact_paths: bool = False


class _Gathering:
    """The sessions that have a part in a range."""

    def __init__(self, archived: Archived, asked: Asked) -> None:
        self.archived = archived
        self.asked = asked
        self.used = Ledger(archived.tariff.prices)
        self.sessions: dict[Key, Session] = {}
        self._titles = figures.titles(archived.catalog) if asked.titles else {}
        self._keys: dict[str, Key] = {}
        for row in archived.rows():
            session = archived.session(row)
            self._keys[session.id] = (row.source, row.session_id)
            if self._is_asked_for(session):
                self.sessions[row.source, row.session_id] = session

    def _is_asked_for(self, session: Session) -> bool:
        asked = self.asked
        return (asked.project is None or session.project == asked.project) and (
            not asked.agents or session.agent in asked.agents
        )

    def _messages(self, key: Key) -> list[Message]:
        """The messages of a session whose times are known, by these."""
        known = ((instant(at), model) for at, model in figures.moments(self.archived.catalog, *key))
        return sorted((Message(at, model) for at, model in known if at is not None), key=lambda message: message.at)

    def _own_messages(self, key: Key, session: Session) -> list[Message]:
        """The same without those that a fork has copied: the original was at work then."""
        messages = self._messages(key)
        parent = self._keys.get(session.parent_session_id or "")
        if session.relationship_type != FORK or parent is None:
            return messages
        copied = {message.at for message in self._messages(parent)}
        first = next((number for number, message in enumerate(messages) if message.at not in copied), len(messages))
        return messages[first:]

    def _is_near(self, session: Session) -> bool:
        """Whether a session was, from its first to its last moment, at any time within the range."""
        began, ended = instant(session.started_at), instant(session.ended_at)
        return began is not None and began < self.asked.range.end and (ended or began) >= self.asked.range.start

    def _spent(self) -> dict[Key, list[Spent]]:
        """What was used within the range, by session."""
        asked, found = self.asked.range, dict[Key, list[Spent]]()
        # a text is no moment: a day more on each side, and then the moment itself
        start, end = rfc3339(asked.start - _DAY), rfc3339(asked.end + _DAY)
        for request in self.archived.requests(start=start, end=end):
            key = (request.source, request.session_id)
            at = instant(request.at) if key in self.sessions else None
            if at is None or not asked.start <= at < asked.effective_end:
                continue
            taken = self.used.add(request.usage)
            if taken is not None:
                counts, microusd = taken
                found.setdefault(key, []).append(Spent(at, request.usage.model, counts[1], microusd or 0))
        return found

    def active(self) -> list[Active]:
        """Those that had a message, or used something, within the range."""
        spent, found = self._spent(), []
        start, end = self.asked.range.start, self.asked.range.effective_end
        for key, session in self.sessions.items():
            messages = self._own_messages(key, session) if self._is_near(session) else []
            if key in spent or any(start <= message.at < end for message in messages):
                found.append(self._one(key, session, messages, spent.get(key, ())))
        return found

    def _one(self, key: Key, session: Session, messages: Sequence[Message], spent: Sequence[Spent]) -> Active:
        title = self._titles.get(key, "")
        return Active(session.id, title, session.project, session.agent, session.is_automated, messages, spent)


def activity(catalog: Catalog, asked: Asked, own: Own) -> dict[str, Json]:
    """The report, its keys in the contract's order, without `schema_version`.

    Args:
        catalog: in a transaction.
        asked: which range, of which sessions.
        own: the user's prices and patterns.

    Raises:
        RolloutsError: nothing was ever imported.
    """
    archived = Archived(catalog, own)
    gathering = _Gathering(archived, asked)
    active = gathering.active()
    projects = archived.projects.entries(session.project for session in active)
    return {
        "pricing": pricing_json(archived.tariff.table, archived.tariff.prices, gathering.used),
        "projects": {label: project_json(found, redact_paths=asked.redact_paths) for label, found in projects.items()},
        **report(active, asked.range),
    }
