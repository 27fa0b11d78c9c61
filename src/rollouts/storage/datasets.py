"""The catalog's part about datasets: how each session looked when its row was last pushed, and that row's signature.

It only saves work: without it every session is read again, and found to be there already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rollouts.record import Record
from rollouts.storage.catalog import Catalog
from rollouts.storage.sessions import Key


class Pushed(Record):
    """What is remembered of a session."""

    stamp: str
    """Of all that its row was made of, as far as that can be told without reading it."""
    signature: str
    """Of the row."""


def pushed(catalog: Catalog, dataset: str) -> dict[Key, Pushed]:
    """What is remembered of the sessions that were pushed to a dataset, by its name with the namespace."""
    sql = "SELECT agent, session_id, stamp, signature FROM dataset_sessions WHERE dataset = ?"
    return {(str(row[0]), str(row[1])): Pushed(str(row[2]), str(row[3])) for row in catalog.rows(sql, dataset)}


def remember(catalog: Catalog, dataset: str, rows: Mapping[Key, Pushed]) -> None:
    """Notes what was pushed. Writes in a transaction of its own."""
    values = [(dataset, *key, *known) for key, known in rows.items()]
    with catalog:
        catalog.write_all("INSERT OR REPLACE INTO dataset_sessions VALUES (?, ?, ?, ?, ?)", values)


def forget(catalog: Catalog, session_ids: Iterable[str]) -> None:
    """Forgets sessions, whatever their agents. The caller has begun a transaction."""
    catalog.write_all("DELETE FROM dataset_sessions WHERE session_id = ?", [(one,) for one in session_ids])
