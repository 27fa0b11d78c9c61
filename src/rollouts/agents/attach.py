"""Which snapshot belongs where in a session: before a turn, after it, or after one of its tool calls.

A snapshot is found by its message id, which names the place (docs/contracts.md): a turn's key, the same with `:end` or
`:tool:<call>` behind it, or the id of a message; `:2` and so on at the end when a turn went on after its end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rollouts.agents.session import Message, Session, Turn
from rollouts.models import Snapshot

_END = re.compile(r"(.+):end(?::\d+)?", re.DOTALL)
_AGAIN = re.compile(r"(.+):\d+", re.DOTALL)
_TOOL = re.compile(r"(.+?):tool:(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Around:
    """A turn and its snapshots.

    Attributes:
        before: of the workspace as the turn began.
        after: as it ended; the last one, where the agent ended it more than once.
        after_call: tool call id -> the snapshot that was taken after it.
        after_message: id of a message amid the turn -> the snapshot that was taken there.
    """

    turn: Turn
    before: Snapshot | None = None
    after: Snapshot | None = None
    after_call: Mapping[str, Snapshot] = field(default_factory=dict)
    after_message: Mapping[str, Snapshot] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attached:
    """A session's turns with their snapshots.

    Attributes:
        superseded: another snapshot was taken at the same place later.
        unmatched: their message ids name no place in the session.
    """

    turns: tuple[Around, ...]
    superseded: tuple[Snapshot, ...]
    unmatched: tuple[Snapshot, ...]


class _Places:
    """Which turn an id names, and which message in it."""

    def __init__(self, session: Session) -> None:
        self.turn_of: dict[str, int] = {}
        self.last: dict[int, set[str]] = {}
        self.calls = {(number, call.id) for number, turn in enumerate(session.turns) for call in turn.calls}
        for number, turn in enumerate(session.turns):
            spoken = [message for message in turn.messages if message.role == "assistant" and message.is_visible]
            for message in turn.messages:
                for name in filter(None, (message.id, message.uuid)):
                    self.turn_of.setdefault(name, number)
            if spoken:
                self.last[number] = set(filter(None, (spoken[-1].id, spoken[-1].uuid)))
        for number, turn in reversed([*enumerate(session.turns)]):
            if turn.key:
                self.turn_of[turn.key] = number
        self.first = [
            {turn.key, *(name for message in _prompts(turn) for name in (message.id, message.uuid) if name)} - {""}
            for turn in session.turns
        ]


def _prompts(turn: Turn) -> Iterable[Message]:
    return (message for message in turn.messages if message.role == "user" and not message.is_injected)


def _place(places: _Places, message_id: str) -> tuple[int, str, str] | None:
    """Turn, slot (`before`, `after`, `call`, `message`) and name in it; None when there is no such place."""
    number = places.turn_of.get(message_id)
    if number is not None:
        if message_id in places.first[number]:
            return number, "before", ""
        return (number, "after", "") if message_id in places.last.get(number, ()) else (number, "message", message_id)
    ended = _END.fullmatch(message_id)
    if ended and ended[1] in places.turn_of:
        return places.turn_of[ended[1]], "after", ""
    called = _TOOL.fullmatch(message_id)
    if called and called[1] in places.turn_of and (places.turn_of[called[1]], called[2]) in places.calls:
        return places.turn_of[called[1]], "call", called[2]
    again = _AGAIN.fullmatch(message_id)  # the turn went on after its end; agents with turn ids say so behind `:end`
    return _place(places, again[1]) if again else None


def attach(session: Session, snapshots: Iterable[Snapshot]) -> Attached:
    """Puts snapshots at the turns of their session.

    Args:
        session: one session; its subagents share its turns' workspace and have no snapshots of their own.
        snapshots: of that session; of two for one place the later one counts.
    """
    places = _Places(session)
    slots: dict[tuple[int, str, str], Snapshot] = {}
    unmatched, superseded = [], []
    for snapshot in sorted(snapshots, key=lambda one: one.captured_at):
        place = _place(places, snapshot.message_id)
        if place is None:
            unmatched.append(snapshot)
            continue
        if place in slots:
            superseded.append(slots[place])
        slots[place] = snapshot
    turns = tuple(
        Around(
            turn,
            slots.get((number, "before", "")),
            slots.get((number, "after", "")),
            {name: one for (at, slot, name), one in slots.items() if at == number and slot == "call"},
            {name: one for (at, slot, name), one in slots.items() if at == number and slot == "message"},
        )
        for number, turn in enumerate(session.turns)
    )
    return Attached(turns, tuple(superseded), tuple(unmatched))
