"""The catalog's part that summaries and reports read: what sessions used, prices, and the archive's own facts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from rollouts.contracts.price_matching import Rates
from rollouts.contracts.pricing import EMBEDDED, Price, price
from rollouts.contracts.usage import MOST_TOKENS, Counts, Usage
from rollouts.record import Record
from rollouts.storage.catalog import Catalog
from rollouts.storage.sessions import fact

_SESSION = (
    "agent, session_id, source, parent_id, relationship, CASE WHEN user_message_count <= 1 THEN first_prompt END, cwd,"
    " git_branch, started_at, ended_at, created_at, message_count, user_message_count, assistant_message_count,"
    " total_output_tokens, peak_context_tokens, tool_failure_count, failures_at_end, failures_in_a_row, repeated_calls,"
    " compaction_count, ending"
)
_COUNTS = "input_tokens, output_tokens, cache_write_tokens, cache_read_tokens, reasoning_tokens"
_IS_REQUEST = "(cost_microusd IS NOT NULL OR max({_COUNTS}) > 0)".replace("{_COUNTS}", _COUNTS)
_AT = "coalesce(at, (SELECT started_at FROM sessions WHERE agent = usage.agent AND session_id = usage.session_id), '')"
_TWICE = "SELECT dedup_key FROM usage WHERE dedup_key IS NOT NULL GROUP BY dedup_key HAVING count(*) > 1"
_COPIES = (
    "SELECT source, ordinal FROM ("
    "SELECT u.source, u.ordinal, row_number() OVER (PARTITION BY u.dedup_key ORDER BY s.message_count = 0,"
    " coalesce(s.started_at, s.created_at), s.relationship IS NOT NULL, u.session_id, u.source, u.ordinal) AS nth"
    " FROM usage AS u JOIN sessions AS s ON s.agent = u.agent AND s.session_id = u.session_id"
    f" WHERE u.dedup_key IN ({_TWICE})) WHERE nth > 1"
)
_PRICE = "pattern, effective_from, input, output, cache_write, cache_read, source, updated_at"
PRICE_VERSION, PRICE_DIGEST = "price_version", "price_digest"
"""The archive's facts about the embedded prices: their release, and their digest."""

MOST_RATES = 300
"""That SQLite is told of at once: older ones take 999 values with a statement."""
Rate = tuple[str, str, str, Rates]
"""A model, a UTC day, another one, and what it costs from the first to before the other."""
Place = tuple[int, int]
"""Where a request stands: its source, and its number in that."""


class Row(Record):
    """A session as it was ingested; its agent by the name that the rest of the program gives it."""

    agent: str
    session_id: str
    source: int
    parent_id: str | None
    relationship: str | None
    first_prompt: str | None
    """Only of a session with at most one user message."""
    cwd: str | None
    git_branch: str | None
    started_at: str | None
    ended_at: str | None
    created_at: str
    message_count: int
    user_message_count: int
    assistant_message_count: int
    total_output_tokens: int | None
    peak_context_tokens: int | None
    tool_failure_count: int | None
    failures_at_end: int | None
    failures_in_a_row: int | None
    repeated_calls: int | None
    compaction_count: int | None
    ending: str | None


class Request(Record):
    """What a request used, whose it was, and when."""

    source: int
    ordinal: int
    session_id: str
    at: str
    """Its moment, or that when its session began; "" when neither is known."""
    usage: Usage


class Spent(Record):
    """What requests of one session to one model used together, within five minutes or a UTC day."""

    source: int
    session_id: str
    model: str
    at: str
    """The moment of the first, as of a `Request`."""
    is_reported: bool
    """Whether their agent told their costs."""
    microusd: int | None
    """The sum of what each costs, rounded; None when that is not known."""
    counts: Counts


class Kind(Record):
    """That a session made requests of a kind: to a model, with a cost that the agent told or not."""

    source: int
    session_id: str
    model: str
    is_reported: bool
    newest_day: str
    """The UTC day of the last of them; "" when it is not known."""


class Prices(Record):
    """The table of prices that the catalog holds."""

    rows: tuple[Price, ...]
    version: str
    """Which release of the embedded data it is; "" for none."""
    rates_digest: str | None
    """Its digest, without the user's rows."""


def cursor_secret(catalog: Catalog) -> bytes | None:
    """What cursors are signed with; None when the archive has none (any more)."""
    try:
        return bytes.fromhex(fact(catalog, "cursor_secret") or "") or None
    except ValueError:
        return None


def sessions(catalog: Catalog) -> Iterator[Row]:
    """Every session that was ingested."""
    for row in catalog.each(f"SELECT {_SESSION} FROM sessions"):
        yield Row._make(row)


def requests(catalog: Catalog, source: int, session_id: str) -> Iterator[tuple[int, Usage]]:
    """What one session used, in the order of its log, each request with its number there.

    Args:
        catalog: an open one.
        source: what the session was read from.
        session_id: its id.
    """
    sql = (
        f"SELECT ordinal, model, {_COUNTS}, cost_microusd, substr({_AT}, 1, 10) FROM usage"
        " WHERE source = ? AND session_id = ? ORDER BY ordinal"
    )
    for ordinal, *values in catalog.each(sql, source, session_id):
        yield ordinal, Usage._make(values)  # type: ignore[misc] # the columns' types are the schema's


def all_requests(
    catalog: Catalog, *, start: str = "", end: str = "~", models: Collection[str] | None = None
) -> Iterator[Request]:
    """What every session used, in the order in which sources were taken in.

    Args:
        catalog: an open one.
        start: the moment of the earliest ones, as the catalog writes it; those whose own is not known come along.
        end: the moment before which they were.
        models: of these only; None for all.
    """
    among = "" if models is None else f" AND model IN ({', '.join('?' * len(models))})"
    sql = (
        f"SELECT source, ordinal, session_id, moment, model, {_COUNTS}, cost_microusd, substr(moment, 1, 10)"
        f" FROM (SELECT *, {_AT} AS moment FROM usage WHERE (at IS NULL OR (at >= ? AND at < ?)){among})"
    )
    for row in catalog.each(sql, start, end, *models or ()):
        yield Request._make((*row[:4], Usage._make(row[4:])))


def spent(catalog: Catalog, rates: Sequence[Rate], *, by_day: bool, but: Collection[str]) -> Iterator[Spent]:
    """What all sessions used, each request once: summed up by SQLite, in a third of the time that its rows would take.

    Args:
        catalog: an open one.
        rates: of all models in each of their periods; at most `MOST_RATES`.
        by_day: sums are to be of UTC days, not of five minutes.
        but: models that are left out: those for which a rate is not usual, or a count not within what can be.
    """
    periods = ", ".join(f"(?, ?, ?, {', '.join(map(str, costs))})" for *_, costs in rates)
    when = f"substr({_AT}, 1, 10)" if by_day else f"substr({_AT}, 1, 15), substr({_AT}, 16, 1) >= '5'"
    day = f"coalesce(nullif({_AT}, ''), '9')"  # what holds last, where no day is known
    price = (
        "input_tokens * input + coalesce(nullif(output_tokens, 0), reasoning_tokens) * output"
        " + cache_write_tokens * written + cache_read_tokens * read"
    )
    sql = (
        f"WITH rates (name, since, until, input, output, written, read, scale) AS"
        f" (VALUES {periods or '(NULL, NULL, NULL, 0, 0, 0, 0, 1)'})"
        f" SELECT source, session_id, model, min({_AT}), cost_microusd IS NOT NULL,"
        f" sum(coalesce(cost_microusd, (2 * ({price}) + scale) / (2 * scale))),"
        f" {', '.join(f'sum({name})' for name in _COUNTS.split(', '))}"
        f" FROM usage LEFT JOIN rates ON name = model AND {day} >= since AND {day} < until"
        f" WHERE {_IS_REQUEST} AND model NOT IN ({', '.join('?' * len(but))})"
        f" AND (source, ordinal) NOT IN ({_COPIES}) GROUP BY 1, 2, 3, 5, {when}"
    )
    values = [value for *held, _ in rates for value in held]
    for row in catalog.each(sql, *values, *but):
        yield Spent._make((*row[:6], row[6:]))


def models(catalog: Catalog) -> dict[str, bool]:
    """The models that any session used, and whether all counts of all their requests are within what can be."""
    distinct = "SELECT DISTINCT model FROM usage"
    beyond = catalog.rows(f"{distinct} WHERE max({_COUNTS}) > ? OR min({_COUNTS}) < 0", MOST_TOKENS)
    return {str(model): (model,) not in beyond for (model,) in catalog.rows(distinct)}


def moments(catalog: Catalog, source: int, session_id: str) -> list[tuple[str, str | None]]:
    """When each message of a session was ("" when that is not known), and the model that wrote it."""
    sql = "SELECT ordinal, moments FROM moments WHERE source = ? AND session_id = ? ORDER BY ordinal"
    found: list[tuple[str, str | None]] = []
    for first, text in catalog.rows(sql, source, session_id):
        del found[int(first or 0) :]  # a later look saw these go on
        for line in str(text).split("\n"):
            at, space, model = line.partition(" ")
            found.append((at, model if space else None))
    return found


def titles(catalog: Catalog) -> dict[tuple[int, str], str]:
    """A session's source and id -> what it is called."""
    rows = catalog.rows("SELECT source, session_id, title FROM sessions WHERE title IS NOT NULL")
    return {(int(source or 0), str(own)): str(title) for source, own, title in rows}


def kinds(catalog: Catalog) -> Iterator[Kind]:
    """What kinds of requests each session made, without looking at them one by one."""
    sql = (
        "SELECT source, session_id, model, cost_microusd IS NOT NULL, max(substr(coalesce(at, ''), 1, 10)) FROM usage"
        f" WHERE {_IS_REQUEST} GROUP BY 1, 2, 3, 4"
    )
    for row in catalog.each(sql):
        yield Kind._make(row)


def copies(catalog: Catalog) -> set[Place]:
    """The requests that stand in another session already: each belongs to the session that began first.

    A session that only holds a copy of another's beginning comes after it, and one without messages after all.
    """
    rows = catalog.rows(_COPIES)
    return {(int(source or 0), int(ordinal or 0)) for source, ordinal in rows}


# Prices


def prices(catalog: Catalog) -> Prices:
    """The table of prices; empty before anything was imported."""
    found = [
        price(str(pattern), rates, source=str(source), updated_at=updated_at, effective_from=str(since) or None)  # type: ignore[arg-type] # the schema's types
        for pattern, since, *rates, source, updated_at in catalog.rows(f"SELECT {_PRICE} FROM prices")
    ]
    return Prices(tuple(found), fact(catalog, PRICE_VERSION) or "", fact(catalog, PRICE_DIGEST))


def note_prices(catalog: Catalog, rows: Iterable[Price], facts: Mapping[str, str]) -> None:
    """Replaces the embedded prices and the facts about them. The caller has begun a transaction."""
    catalog.rows("DELETE FROM prices WHERE source = ?", EMBEDDED)
    catalog.write_all(
        f"INSERT INTO prices ({_PRICE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [(row.pattern, row.effective_from or "", *row.rates, row.source, row.updated_at) for row in rows],
    )
    catalog.write_all("INSERT OR REPLACE INTO archive_facts VALUES (?, ?)", [*facts.items()])
