"""`export sessions`: what is asked for, out of one look at the catalog, as an envelope and rows, one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rollouts.contracts import cursor
from rollouts.contracts.cursor import Cursor, CursorResetError, Key, Page
from rollouts.contracts.filters import Filters, check_branches, filters_from, filters_json
from rollouts.contracts.selection import selected, sort_value
from rollouts.contracts.strict_json import Json
from rollouts.contracts.summary import Left, Session, envelope, row
from rollouts.contracts.usage import Ledger, pricing_json
from rollouts.errors import RolloutsError
from rollouts.export.archived import Archived, Own
from rollouts.record import Record
from rollouts.storage import figures
from rollouts.storage.catalog import Catalog

_REDACTED = "redact_paths"


class Question(Record):
    """What an export is to hold."""

    filters: Filters = Filters()
    limit: int | None = None
    """Rows of a page; None for the cursor's own, or the most that a page may have."""
    everything: bool = False
    """All that follows, in one."""
    cursor: str | None = None
    """Where to go on; the filters are those of the first page then."""
    redact_paths: bool = False


class Answer(Record):
    """What there is of it."""

    head: Mapping[str, Json]
    rows: Iterator[Mapping[str, Json]]
    """Read as they are asked for, within the caller's transaction."""


def _replayed(question: Question, after: Cursor, database_id: str) -> Question:
    """The question that the cursor's first page was asked, with the limit of now."""
    try:
        values = dict(after.filters) if isinstance(after.filters, dict) else {}
        redacted = values.pop(_REDACTED, False) is True
        filters = filters_from(values)
    except ValueError:
        raise CursorResetError(database_id) from None
    limit = question.limit or after.limit
    return question._replace(filters=filters, limit=limit, redact_paths=redacted or question.redact_paths)


def _encoded(page: Page, secret: bytes | None) -> str:
    """The text of the next page's cursor."""
    if page.next is None:
        return ""
    if secret is None:
        raise RolloutsError("this archive has no secret to sign cursors with; run `rollouts import`, or export --all")
    return cursor.encode(page.next, secret)


class _Chosen(Record):
    """A session that is exported, and where its requests stand."""

    session: Session
    source: int
    own_id: str


class _Export:
    """One export: what is chosen, then what the envelope says of it, then the rows."""

    def __init__(self, archived: Archived, question: Question) -> None:
        self.archived = archived
        self.secret = figures.cursor_secret(archived.catalog)
        self.after: Cursor | None = None
        if question.cursor is not None:
            database_id = archived.database_id
            self.after = cursor.decode(question.cursor, secret=self.secret, database_id=database_id)
            question = _replayed(question, self.after, database_id)
        self.question = question
        self._held: dict[str, Ledger] | None = None if question.everything else {}
        """What the sessions of a page used; of all sessions it is read again, as nobody has room for it."""

    def answer(self) -> Answer:
        places: dict[str, tuple[int, str]] = {}
        known: list[Session] = []
        judged = bool(self.question.filters.outcomes or self.question.filters.health_grades)
        for found in self.archived.rows():
            session = self.archived.session(found, judged=judged)
            known.append(session)
            places[session.id] = (found.source, found.session_id)
        check_branches(known, self.question.filters)
        chosen = selected(known, self.question.filters)
        page = self._page(chosen.exported)
        wanted = {key.id for key in page.keys}
        shown = [_Chosen(one, *places[one.id]) for one in chosen.exported if one.id in wanted]
        left = {
            reason: self._left([_Chosen(one, *places[one.id]) for one in out])
            for reason, out in chosen.excluded.items()
        }
        return Answer(self._head(shown, left, _encoded(page, self.secret)), self._rows(shown))

    def _page(self, exported: tuple[Session, ...]) -> Page:
        question = self.question
        keys = [Key(sort_value(session), session.last_activity_at, session.id) for session in exported]
        return cursor.page(
            keys,
            limit=None if question.everything else question.limit or cursor.MAX_LIMIT,
            database_id=self.archived.database_id,
            filters={**filters_json(question.filters), _REDACTED: question.redact_paths},
            after=self.after,
        )

    def _ledger(self, one: _Chosen) -> Ledger:
        return self.archived.ledger(one.source, one.own_id)

    def _used(self, shown: list[_Chosen]) -> Ledger:
        """What the envelope says of the models that the sessions used."""
        if self._held is None:
            return self.archived.kinds({(one.source, one.own_id): one.session.started_at or "" for one in shown})
        self._held = {one.session.id: self._ledger(one) for one in shown}
        found = Ledger(self.archived.tariff.prices)
        for used in self._held.values():
            found.merge(used)
        return found

    def _left(self, some: list[_Chosen]) -> Left:
        found = Ledger(self.archived.tariff.prices)
        for one in some:
            found.merge(self._ledger(one))
        return Left(len(some), found.total())

    def _head(self, shown: list[_Chosen], left: Mapping[str, Left], following: str) -> dict[str, Json]:
        tariff = self.archived.tariff
        return envelope(
            database_id=self.archived.database_id,
            next_cursor=following,
            pricing=pricing_json(tariff.table, tariff.prices, self._used(shown)),
            projects=self.archived.projects.entries(one.session.project for one in shown),
            excluded=left,
            redact_paths=self.question.redact_paths,
        )

    def _rows(self, shown: list[_Chosen]) -> Iterator[Mapping[str, Json]]:
        for one in shown:
            project = self.archived.projects.identity(one.session.project, one.session.cwd)
            used = self._held[one.session.id] if self._held is not None else self._ledger(one)
            yield row(one.session, used, project, redact_paths=self.question.redact_paths)


def answer(catalog: Catalog, question: Question, own: Own) -> Answer:
    """What a catalog has of what is asked for.

    Args:
        catalog: in a transaction, which goes on until the rows were read.
        question: what the export is to hold.
        own: the user's prices and patterns.

    Raises:
        CursorResetError: the cursor is no longer valid.
        RolloutsError: nothing was ever imported, or no session has a branch that is asked for.
    """
    return _Export(Archived(catalog, own), question).answer()
