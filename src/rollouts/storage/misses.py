"""The last event of an agent that came to nothing: a file in the home, written only then, for `status` and `doctor`.

A capture that failed is noted beside its workspace's store as well (`failures`); this is also for what never came that
far: an event that could not be read, a catalog that could not be opened, time that ran out.
"""

from __future__ import annotations

import os

from rollouts.contracts.strict_json import dump, parse_foreign
from rollouts.paths import Home
from rollouts.record import Record
from rollouts.storage import clock


class Miss(Record):
    at: str
    """UTC in ISO 8601, as in a snapshot's row."""
    agent: str
    session_id: str | None
    directory: str | None
    error: str


def note(home: Home, agent: str, session_id: str | None, directory: str | None, error: str) -> None:
    """Writes down a miss, in place of the one before.

    Raises:
        OSError: it cannot be.
    """
    missed = Miss(clock.now(), agent, session_id, directory, error)
    os.makedirs(home.path, exist_ok=True)
    with open(home.missed, "w", encoding="ascii") as file:
        file.write(dump(missed._asdict()))


def last(home: Home) -> Miss | None:
    """The last miss that was noted; None when there is none, or no more than a file that a full disk left empty."""
    try:
        with open(home.missed, encoding="ascii") as file:
            found = parse_foreign(file.read())
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or found.keys() != set(Miss._fields):
        return None
    texts = {name: None if value is None else str(value) for name, value in found.items()}
    return Miss(**texts)  # type: ignore[arg-type] # `note` wrote them
