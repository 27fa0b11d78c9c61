"""How a snapshot is named in one word: by the beginning of its id, SESSION:MESSAGE, SESSION:latest or SESSION@N.

Session and message ids are any text, so they may hold `:` and `@` themselves: a name is split wherever it can be.
What it says to the letter (an id, a session and a message of it) goes before what has to be worked out.
"""

from __future__ import annotations

from collections.abc import Iterator

from rollouts.errors import RolloutsError
from rollouts.models import Snapshot
from rollouts.storage.catalog import Catalog

_ID_BYTES = 4096
_DIGITS = 9
"""More of them than any session has turns."""
_LATEST = ":latest"


def _splits(name: str) -> Iterator[tuple[str, str]]:
    """Each way to read a name as SESSION:MESSAGE."""
    at = name.find(":")
    while at >= 0:
        if at and at + 1 < len(name):
            yield name[:at], name[at + 1 :]
        at = name.find(":", at + 1)


def _place(name: str) -> tuple[str, int] | None:
    """Session and N of SESSION@N; None when that is not what a name says."""
    session_id, _, number = name.rpartition("@")
    digits = number.removeprefix("-")
    if not session_id or not digits.isascii() or not digits.isdigit() or len(digits) > _DIGITS:
        return None
    return session_id, int(number)


def _to_the_letter(catalog: Catalog, name: str) -> list[Snapshot]:
    found = [row for row in catalog.snapshots_by_id(name) if row.id == name]
    return found + [row for session, message in _splits(name) for row in catalog.turns(session, message)]


def _worked_out(catalog: Catalog, name: str) -> list[Snapshot]:
    found = catalog.snapshots_by_id(name)
    if name.endswith(_LATEST):
        found += catalog.nth_turn(name.removesuffix(_LATEST), -1)
    place = _place(name)
    return found + (catalog.nth_turn(*place) if place else [])


def _several(name: str, found: list[Snapshot]) -> RolloutsError:
    if all(row.id.startswith(name) for row in found):
        return RolloutsError(f"more than one snapshot id begins with {name!r}; give more of it")
    meanings = " or ".join(f"message {row.message_id!r} of session {row.session_id!r}" for row in found[:2])
    return RolloutsError(f"{name!r} may be {meanings}; name it by its id, which `rollouts list --session S` shows")


def _none(catalog: Catalog, name: str) -> RolloutsError:
    """Says how near a name came: to a turn of a session that is there, or to nothing."""
    place = _place(name)
    turns = catalog.count_of_turns(place[0]) if place else 0
    if place and turns:
        count = "1 turn" if turns == 1 else f"{turns} turns"
        return RolloutsError(
            f"session {place[0]!r} has {count} and no number {place[1]}; @1 is its first turn, @-1 its last"
        )
    for session, message in _splits(name):
        if catalog.count_of_turns(session):
            return RolloutsError(
                f"session {session!r} has no message {message!r}; `rollouts list --session S` shows those it has"
            )
    if ":" in name or "@" in name:
        return RolloutsError(
            f"no snapshot is named {name!r}; say SESSION:MESSAGE, SESSION:latest, SESSION@N or the beginning of an id,"
            " as `rollouts list` shows them"
        )
    return RolloutsError(f"no snapshot id begins with {name!r}; `rollouts list --session S` shows them")


def snapshot_named(catalog: Catalog, name: str) -> Snapshot:
    """The one snapshot that a name means.

    Raises:
        RolloutsError: it means none, or more than one.
    """
    if len(name.encode()) > 2 * _ID_BYTES + 1:
        raise RolloutsError(f"a snapshot's name is at most two ids of {_ID_BYTES} bytes; this one is longer")
    rows = _to_the_letter(catalog, name) or _worked_out(catalog, name)
    found = list({row.id: row for row in rows}.values())
    if not found:
        raise _none(catalog, name)
    if len(found) > 1:
        raise _several(name, found)
    return found[0]
