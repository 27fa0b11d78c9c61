"""`usage daily`: what sessions used and cost, day by day, out of one look at the catalog."""

from __future__ import annotations

from rollouts.contracts.calendar import Days
from rollouts.contracts.daily import Part, Savings, days, session_counts, totals
from rollouts.contracts.identity import project_json
from rollouts.contracts.pricing import COMPUTED, REPORTED
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


def _sessions(archived: Archived, agents: tuple[str, ...]) -> dict[tuple[int, str], _Session]:
    found = {}
    for row in archived.rows():
        stand = archived.stand(row)
        if not agents or stand.agent in agents:
            found[row.source, row.session_id] = _Session(stand.project, stand.agent)
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
        first, last = self._asked.first, self._asked.last
        is_limited = first is not None or last is not None
        return not is_limited or (date != "" and (first or "") <= date <= (last or "9999"))

    def take(self, archived: Archived) -> None:
        calendar, known = self._asked.days, self.parts
        for source, session_id, model, at, is_reported, microusd, counts in archived.spent(by_day=calendar.are_utc):
            key = (source, session_id)
            session = self._sessions.get(key)
            date = calendar[at]
            if session is None or not self._is_asked_for(date):
                continue
            part = Part(date, session.project, session.agent)
            if part not in known:
                known[part] = Ledger(self.prices)
            day = at[:10]
            known[part].count(model, counts, microusd, source=REPORTED if is_reported else COMPUTED, day=day)
            self.active.add(key)
            self.savings.add(model, day, counts)

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
