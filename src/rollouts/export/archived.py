"""The catalog's sessions as summaries and reports know them: with a project, a price for each request, and no copies.

Everything here is read within the transaction that the caller has begun.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping

from rollouts.contracts import identity
from rollouts.contracts.automation import Patterns, is_automated
from rollouts.contracts.identity import Found
from rollouts.contracts.instants import instant
from rollouts.contracts.price_matching import PriceList
from rollouts.contracts.pricing import EMBEDDED, Price, Table, effective, table
from rollouts.contracts.signals import SETTLED, Course, health_grade, outcome
from rollouts.contracts.summary import AGENTS, LOCAL, Session, archive_id, last_activity
from rollouts.contracts.usage import NO_MODEL, Ledger, Usage, taken_of
from rollouts.errors import RolloutsError
from rollouts.record import Record
from rollouts.storage import figures, sessions
from rollouts.storage.catalog import Catalog
from rollouts.storage.figures import Rate, Request, Row, Spent
from rollouts.storage.sessions import Observation

NO_PROJECT = "unknown"
"""The label of a session whose agent did not say where it ran."""


class Own(Record):
    """What the user has set for summaries and reports."""

    prices: tuple[Price, ...] = ()
    patterns: Patterns = Patterns()


class Tariff(Record):
    """The prices that count, to describe and to look up."""

    table: Table
    prices: PriceList


def tariff(catalog: Catalog, own: Own) -> Tariff:
    """The catalog's prices under the user's own; where it has none those of the installed package, in memory.

    Raises:
        RolloutsError: the package's data cannot be read.
    """
    stored = figures.prices(catalog)
    if stored.rows and not own.prices and stored.rates_digest:
        known = Table(EMBEDDED, stored.version, None, 0, len(stored.rows), stored.rates_digest, stored.rates_digest)
        return Tariff(known, PriceList(stored.rows))
    version, embedded = stored.version, stored.rows
    if not embedded:
        from rollouts.price_data import installed, reading  # noqa: PLC0415 - 0.3 s, and imports have done it before

        version, embedded = installed.version(), tuple(reading.embedded())
    rows = effective(stored.rows, embedded=embedded, custom=own.prices)
    return Tariff(table(rows, embedded_version=version), PriceList(rows))


class Projects:
    """Which project each session is of: labels for people, identities for programs.

    Args:
        catalog: an open one.
        database_id: the archive's, which the keys of paths are made with.
    """

    def __init__(self, catalog: Catalog, database_id: str) -> None:
        self._database_id = database_id
        self._seen = sessions.observations(catalog)
        self._labels: dict[tuple[str, str | None], str] = {}
        self._found: dict[str, Found] = {}
        self._cwds: dict[str, dict[str, None]] = {}

    def label(self, cwd: str | None, branch: str | None) -> str:
        """What the project of a session in a directory is called."""
        if not cwd:
            return NO_PROJECT
        known = self._labels.get((cwd, branch))
        if known is None:
            seen = self._seen.get(cwd)
            repository = seen.repository_path if seen else None
            known = identity.project_label(cwd, repository=repository, branch=branch) or NO_PROJECT
            self._labels[cwd, branch] = known
            self._cwds.setdefault(known, {})[cwd] = None
        return known

    def worktree(self, cwd: str | None) -> tuple[str | None, str | None]:
        """Name and root of the linked worktree that a directory is in."""
        seen = self._seen.get(cwd or "")
        is_linked = seen is not None and seen.repository_path is not None and seen.repository_path != seen.root_path
        return (seen.worktree_name, seen.root_path) if seen and is_linked else (None, None)

    def _observation(self, label: str, cwd: str) -> identity.Observation:
        """What was seen at a directory; a linked worktree is of its repository, also where that has no remote."""
        seen = self._seen.get(cwd) or Observation(cwd, cwd, None, None, {})
        return identity.Observation(label, LOCAL, seen.repository_path or seen.root_path, seen.remotes)

    def identity(self, label: str, cwd: str | None) -> Found:
        """What makes the project of a directory the same as another."""
        if not cwd:
            return identity.UNKNOWN
        if cwd not in self._found:
            self._found[cwd] = identity.found(self._observation(label, cwd), database_id=self._database_id)
        return self._found[cwd]

    def entries(self, labels: Iterable[str]) -> Mapping[str, Found]:
        """Label -> identity, over all sessions of a label; directories that nobody saw give way to those seen."""
        observations: list[identity.Observation] = []
        wanted = sorted(set(labels))
        for label in wanted:
            cwds = [*self._cwds.get(label, ())]
            seen = [cwd for cwd in cwds if cwd in self._seen]
            observations += [self._observation(label, cwd) for cwd in seen or cwds]
        found = identity.projects(observations, database_id=self._database_id)
        return {label: found.get(label, identity.UNKNOWN) for label in wanted}


class Stand(Record):
    """Where sessions ran, by the names of the contract."""

    agent: str
    cwd: str | None
    git_branch: str | None
    project: str
    worktree_name: str | None
    worktree_root_path: str | None


class Archived:
    """The sessions of a catalog.

    Args:
        catalog: an open one, in a transaction.
        own: the user's prices and patterns.

    Raises:
        RolloutsError: nothing was ever imported.
    """

    def __init__(self, catalog: Catalog, own: Own) -> None:
        database_id = sessions.database_id(catalog)
        if database_id is None:
            raise RolloutsError(
                f"the catalog {catalog.path} has no database id yet; run `rollouts import`, which gives it one"
            )
        self.catalog = catalog
        self.database_id = database_id
        self.tariff = tariff(catalog, own)
        self.projects = Projects(catalog, database_id)
        self._own = own
        self._copies: dict[int, set[int]] = {}
        for source, ordinal in figures.copies(catalog):
            self._copies.setdefault(source, set()).add(ordinal)
        self._settled = time.time_ns() // 1000 - SETTLED
        self._stands: dict[tuple[str, str | None, str | None], Stand] = {}

    def stand(self, row: Row) -> Stand:
        """Where a session ran; what many have in common is in memory once."""
        known = self._stands.get((row.agent, row.cwd, row.git_branch))
        if known is None:
            name = AGENTS.get(row.agent, row.agent)
            branch = None if name == "codex" else row.git_branch  # as in the contract's first version (1.2)
            worktree = self.projects.worktree(row.cwd)
            known = Stand(name, row.cwd, branch, self.projects.label(row.cwd, branch), *worktree)
            self._stands[row.agent, row.cwd, row.git_branch] = known
        return known

    def _went(self, row: Row, *, automated: bool) -> tuple[str, str | None]:
        """The outcome of a session, and its grade."""
        course = Course(
            *(row.message_count, row.ending, row.tool_failure_count, row.failures_at_end, row.failures_in_a_row),
            *(row.repeated_calls, row.compaction_count),
        )
        how = outcome(course, is_automated=automated, is_settled=(instant(row.ended_at) or 0) <= self._settled)
        return how, health_grade(course, how)

    def session(self, row: Row, *, judged: bool = False) -> Session:
        """A row of the catalog by the names of the contract.

        Args:
            row: of a session.
            judged: whether anybody wants to know how it went.
        """
        stand = self.stand(row)
        last = row.ended_at if instant(row.ended_at) else last_activity(row.started_at, row.created_at)
        automated = is_automated(row.first_prompt, user_messages=row.user_message_count, own=self._own.patterns)
        how, grade = self._went(row, automated=automated) if judged else (None, None)
        return Session(
            id=archive_id(row.agent, row.session_id),
            agent=stand.agent,
            project=stand.project,
            last_activity_at=last or "",
            created_at=row.created_at,
            cwd=stand.cwd,
            git_branch=stand.git_branch,
            started_at=row.started_at,
            ended_at=row.ended_at,
            message_count=row.message_count,
            user_message_count=row.user_message_count,
            assistant_message_count=row.assistant_message_count,
            is_automated=automated,
            parent_session_id=None if row.parent_id is None else archive_id(row.agent, row.parent_id),
            relationship_type=row.relationship,
            total_output_tokens=row.total_output_tokens,
            peak_context_tokens=row.peak_context_tokens,
            worktree_name=stand.worktree_name,
            worktree_root_path=stand.worktree_root_path,
            outcome=how,
            health_grade=grade,
            tool_failures=row.tool_failure_count,
        )

    def rows(self) -> Iterator[Row]:
        """Every session of the catalog that has a message."""
        return (row for row in figures.sessions(self.catalog) if row.message_count > 0)

    def ledger(self, source: int, session_id: str) -> Ledger:
        """What a session itself used: requests that it only holds copies of are their first owner's."""
        found = Ledger(self.tariff.prices)
        copies = self._copies.get(source, ())
        for ordinal, usage in figures.requests(self.catalog, source, session_id):
            if ordinal not in copies:
                found.add(usage)
        return found

    def requests(self, *, start: str = "", end: str = "~", models: Collection[str] | None = None) -> Iterator[Request]:
        """What all sessions used, each request once; by when and to whom as for `figures.all_requests`."""
        copies = self._copies
        for request in figures.all_requests(self.catalog, start=start, end=end, models=models):
            if request.source not in copies or request.ordinal not in copies[request.source]:
                yield request

    def spent(self, *, by_day: bool) -> Iterator[Spent]:
        """What all sessions used, each request once, summed up within five minutes or UTC days."""
        prices, rates, odd = self.tariff.prices, list[Rate](), list[str]()
        for model, is_within in figures.models(self.catalog).items():
            periods = prices.periods(model)
            if is_within and all(costs.are_usual for _, _, costs in periods):
                rates += [(model, *period) for period in periods]
            else:
                odd.append(model)
        are_many = len(rates) + len(odd) > figures.MOST_RATES  # no one has so many, but a log may say so
        if not are_many:
            yield from figures.spent(self.catalog, rates, by_day=by_day, but=[*odd, *NO_MODEL])
        left = self.requests(models=None if are_many else odd)
        for source, _, session_id, at, usage in left if are_many or odd else ():
            if taken := taken_of(usage, prices):
                counts, microusd = taken
                yield Spent(source, session_id, usage.model, at, usage.cost_microusd is not None, microusd, counts)

    def kinds(self, wanted: Mapping[tuple[int, str], str]) -> Ledger:
        """Which models some sessions used, and where their costs come from: one request stands for all of its kind.

        Args:
            wanted: a session's source and id -> the moment when it began, or "".
        """
        found = Ledger(self.tariff.prices)
        for kind in figures.kinds(self.catalog):
            began = wanted.get((kind.source, kind.session_id))
            if began is not None and kind.source not in self._copies:
                cost = 0 if kind.is_reported else None
                found.add(Usage(kind.model, 1, cost_microusd=cost, day=kind.newest_day or began[:10]))
        for source, session_id in wanted:
            if source in self._copies:
                found.merge(self.ledger(source, session_id))
        return found
