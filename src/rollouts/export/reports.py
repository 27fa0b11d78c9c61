"""`usage daily`: what sessions used and cost, day by day, out of one look at the catalog."""

from __future__ import annotations

from rollouts.contracts.calendar import Days
from rollouts.contracts.daily import Part, Savings, days, session_counts, totals
from rollouts.contracts.identity import project_json
from rollouts.contracts.strict_json import Json
from rollouts.contracts.usage import Ledger, pricing_json
from rollouts.export.archived import Archived, Own
from rollouts.record import Record
from rollouts.storage.catalog import Catalog


class Daily(Record):
    """Which days are asked for."""

    days: Days
    """In what time zone."""
    first: str | None = None
    """`YYYY-MM-DD`; None: from the beginning."""
    last: str | None = None
    agents: tuple[str, ...] = ()
    """By their names in contracts; none for all."""
    breakdown: bool = False
    """By project and agent as well."""
    redact_paths: bool = False


class _Session(Record):
    """What is to be known of a session whose requests are counted."""

    project: str
    agent: str
    began: str


def _sessions(archived: Archived, agents: tuple[str, ...]) -> dict[tuple[int, str], _Session]:
    found = {}
    for row in archived.rows():
        stand = archived.stand(row)
        if not agents or stand.agent in agents:
            found[row.source, row.session_id] = _Session(stand.project, stand.agent, row.started_at or "")
    return found


class _Count:
    """Requests, sorted by where they belong."""

    def __init__(self, archived: Archived, asked: Daily) -> None:
        self.prices = archived.tariff.prices
        self.parts: dict[Part, Ledger] = {}
        self.savings = Savings(self.prices)
        self.active: set[tuple[int, str]] = set()
        self._asked = asked
        self._sessions = _sessions(archived, asked.agents)

    def _is_asked_for(self, date: str) -> bool:
        return date != "" and (self._asked.first or "") <= date <= (self._asked.last or "9999")

    def take(self, archived: Archived) -> None:
        calendar, sessions, known = self._asked.days, self._sessions, self.parts
        is_limited = self._asked.first is not None or self._asked.last is not None
        for request in archived.requests():
            source, _, session_id, at, usage = request
            key = (source, session_id)
            session = sessions.get(key)
            if session is None:
                continue
            date = calendar[at or session.began]
            if is_limited and not self._is_asked_for(date):
                continue
            usage = usage if usage.day else usage._replace(day=session.began[:10])
            part = (date, session.project, session.agent)
            ledger = known.get(part)  # type: ignore[call-overload] # equal to the record, and made faster
            if ledger is None:
                ledger = known[Part(*part)] = Ledger(self.prices)
            if ledger.add(usage):
                self.active.add(key)
                self.savings.add(usage)

    def sessions(self) -> list[_Session]:
        """Those that used something."""
        return [self._sessions[key] for key in self.active]


def daily(catalog: Catalog, asked: Daily, own: Own) -> dict[str, Json]:
    """The report, its keys in the contract's order, without `schema_version`.

    Args:
        catalog: in a transaction.
        asked: which days.
        own: the user's prices and patterns.

    Raises:
        RolloutsError: nothing was ever imported.
    """
    archived = Archived(catalog, own)
    count = _Count(archived, asked)
    count.take(archived)
    whole = Ledger(count.prices)
    for ledger in count.parts.values():
        whole.merge(ledger)
    sessions = count.sessions()
    projects = archived.projects.entries(session.project for session in sessions)
    return {
        "pricing": pricing_json(archived.tariff.table, count.prices, whole),
        "projects": {label: project_json(found, redact_paths=asked.redact_paths) for label, found in projects.items()},
        "daily": days(count.parts, count.prices, breakdown=asked.breakdown),
        "totals": totals(whole.total(), count.savings),
        "sessionCounts": session_counts((session.project, session.agent) for session in sessions),
    }
