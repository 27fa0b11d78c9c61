"""Rows for supervised fine-tuning out of a session: what a model saw and said, and the code before and after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rollouts.agents.session import Message, Session, Turn, Usage, total
from rollouts.contracts import tag
from rollouts.contracts.strict_json import Json
from rollouts.export import chat
from rollouts.export.chat import Chat, Notes
from rollouts.export.tool_schemas import schemas
from rollouts.models import Snapshot
from rollouts.record import Record

SESSION, TURN = "session", "turn"
COLUMNS = (  # of each row, in this order
    *("session_id", "agent", "model", "unit", "turn", "messages", "tools", "workspace", "message_id"),
    *("snapshot_before", "snapshot_after", "patch", "usage", "redacted"),
)

UNFINISHED = "turns without a final answer"
COPIED = "turns that a fork copied"
COMPACTED = "views that ended with a compaction (`--unit turn` has their turns)"
_PLACE = "place"
"""Which message of the session a message of the chat ends with; it is no part of a row."""


class Form(Record):
    """Which rows are wanted."""

    unit: str = SESSION
    has_text_arguments: bool = False


class Spot(Record):
    """The code around a turn."""

    before: Snapshot | None = None
    after: Snapshot | None = None
    patch: str | None = None
    """From the one to the other; None when one of them is missing."""


class Exact(Record):
    """What the model of a thread was really sent, by a recording of it."""

    tools: Sequence[Mapping[str, Any]]
    by_turn: Mapping[str, Sequence[Chat]]
    """The last request of each turn with its answer."""


class Facts(Record):
    """What is known of a session beside its record."""

    workspace: Json = None
    spots: Sequence[Spot] = ()
    """One for each turn, in their order; none when there are no snapshots."""
    exact: Exact | None = None
    redacted: int | None = None


class Copies:
    """The turns that rows of one run hold, some 70 bytes each: a fork's copy of one is known by them."""

    def __init__(self) -> None:
        self._held: set[int] = set()
        self._new: set[int] = set()

    def holds(self, agent: str, turn: Turn) -> bool:
        return _mark(agent, turn) in self._held

    def add(self, agent: str, turn: Turn) -> None:
        self._new.add(_mark(agent, turn))

    def begin(self) -> None:
        """Begins a session; what an earlier one added and did not `keep` is forgotten, as its rows were not written."""
        self._new.clear()

    def keep(self) -> None:
        """Ends a session whose rows are written."""
        self._held |= self._new


def _mark(agent: str, turn: Turn) -> int:
    """A number by which a turn and its copies are told from all others: their ids are those of the first one."""
    said = next((one for one in reversed(turn.messages) if one.role == "assistant"), None)
    return hash((agent, turn.key, said and (said.uuid or said.id or said.text)))


class _Window(Record):
    """A stretch of a session that the model saw at once: what it began with, and from which message to which."""

    opening: Sequence[Message]
    start: int
    end: int


class _Story:
    """A session's messages by number."""

    def __init__(self, session: Session, copies: Copies) -> None:
        self.session = session
        self.messages = session.messages
        self.turn_of = [number for number, turn in enumerate(session.turns) for _ in turn.messages]
        self.is_copy = [copies.holds(session.agent, turn) for turn in session.turns]

    def windows(self, end: int) -> Iterator[_Window]:
        """The views of the conversation up to a message, the newest first."""
        cuts = self.session.compactions
        begins = [((), 0), *((cut.opening, cut.resumes) for cut in cuts)]
        ends = [*(cut.at for cut in cuts), len(self.messages)]
        for (opening, start), stop in zip(reversed(begins), reversed(ends), strict=True):
            if start < end:
                yield _Window(opening, start, min(stop, end))

    def chat(self, window: _Window, first_own: int, notes: Notes) -> list[Chat]:
        """A window's conversation, in which what was said from a message on is what a model is to learn."""
        opening = [one for one in (*self.session.preamble, *window.opening) if one.is_visible]
        found = [chat.said(message, notes, is_context=True) for message in opening]
        for number in range(window.start, window.end):
            message = self.messages[number]
            is_context = number < first_own or self.is_copy[self.turn_of[number]]
            one = chat.said(message, notes, is_context=is_context) if message.is_visible else None
            found.append(one and {**one, _PLACE: number})
        return chat.shaped(filter(None, found), notes)


class _Piece(Record):
    """A row's conversation, and which turns it is to teach."""

    messages: list[Chat]
    first: int
    last: int


def _without_places(message: Chat) -> Chat:
    return {key: value for key, value in message.items() if key != _PLACE}


def _piece(story: _Story, end: int, first_own: int) -> _Piece | None:
    """The newest view up to a message that ends with an answer to learn."""
    for window in story.windows(end):
        found = story.chat(window, first_own, Notes())
        own = [one[_PLACE] for one in found if one["role"] == "assistant" and one.get("weight") != 0]
        turns = [story.turn_of[place] for place in own if isinstance(place, int)]
        if turns:
            return _Piece([_without_places(one) for one in found], turns[0], turns[-1])
    return None


def _pieces(story: _Story, unit: str, notes: Notes) -> Iterator[_Piece]:
    if unit == SESSION:
        whole = _piece(story, len(story.messages), 0)
        notes[COMPACTED] += len(story.session.compactions) if whole else 0
        yield from filter(None, [whole])
        return
    end = 0
    for number, turn in enumerate(story.session.turns):
        start, end = end, end + len(turn.messages)
        if story.is_copy[number]:
            continue
        found = _piece(story, end, start)
        notes[UNFINISHED] += found is None
        yield from filter(None, [found])


# What was really sent


def _exact(found: _Piece, sent: Sequence[Chat], links: Mapping[str, str]) -> list[Chat] | None:
    """A conversation as it was sent; None when it is not the one of the record, as when it went on unrecorded."""
    messages = chat.shaped(sent, Notes())
    if not messages or messages[-1]["content"] != found.messages[-1]["content"]:
        return None
    context = chat.answers(messages) - chat.answers(found.messages)
    marked = []
    for message in messages:
        is_context = message["role"] == "assistant" and context > 0
        context -= is_context
        marked.append(_linked(message, links) | ({"weight": 0} if is_context else {}))
    return marked


def _linked(message: Chat, links: Mapping[str, str]) -> Chat:
    calls = message.get("tool_calls")
    if not isinstance(calls, list):
        return message
    linked: list[Json] = [
        call | {"session_id": links[str(call["id"])]} if isinstance(call, dict) and call["id"] in links else call
        for call in calls
    ]
    return {**message, "tool_calls": linked}


def _sent(session: Session, found: _Piece, exact: Exact | None) -> list[Chat]:
    if exact is None:
        return found.messages
    sent = exact.by_turn.get(session.turns[found.last].key, ())
    links = {call.id: call.session_id for turn in session.turns for call in turn.calls if call.session_id}
    return _exact(found, sent, links) or found.messages


# The columns


def snapshot(found: Snapshot | None) -> Json:
    """Where the files of a snapshot are: the archive's tag, and the commit behind it."""
    if found is None:
        return None
    name = tag.ref(found.session_id, found.message_id)
    commit, at = found.store_commit_sha, found.captured_at
    return {"message_id": found.message_id, "tag": name, "commit": commit, "captured_at": at}


def _usage(found: Usage | None) -> Json:
    return None if found is None else {name: getattr(found, name) for name in Usage.__slots__}


def _model(session: Session, found: _Piece) -> str | None:
    turn = session.turns[found.last]
    said = (message.model for message in reversed(turn.messages))
    return next(filter(None, [*said, turn.model, *reversed(session.models)]), None)


def _row(story: _Story, found: _Piece, facts: Facts, form: Form, tools: list[Json]) -> dict[str, Json]:
    session, is_turn = story.session, form.unit == TURN
    messages = _sent(session, found, facts.exact)
    numbers = range(found.first, found.last + 1)
    usage = total(session.turns[number].usage for number in numbers if not story.is_copy[number])
    spots = facts.spots or [Spot()] * len(session.turns)
    return {
        "session_id": session.id,
        "agent": session.agent,
        "model": _model(session, found),
        "unit": form.unit,
        "turn": found.last + 1 if is_turn else None,
        "messages": [*(chat.with_text_arguments(messages) if form.has_text_arguments else messages)],
        "tools": tools,
        "workspace": facts.workspace,
        "message_id": session.turns[found.last].key or None,
        "snapshot_before": snapshot(spots[found.first].before),
        "snapshot_after": snapshot(spots[found.last].after),
        "patch": spots[found.last].patch if is_turn else None,
        "usage": _usage(usage),
        "redacted": facts.redacted,
    }


def _left_out(story: _Story, notes: Notes) -> None:
    """Counts what is left out of a session's messages, each once, in however many rows it would stand."""
    for window in story.windows(len(story.messages)):
        story.chat(window._replace(opening=()), 0, notes)


def rows(session: Session, facts: Facts, form: Form, copies: Copies, notes: Notes) -> Iterator[dict[str, Json]]:
    """The rows of one session, without its subagents'.

    A session is one row: the last view of its model, as what was said before a compaction is no part of what the model
    went on from. A turn's row has all that the model saw before it; what it said there has the weight 0.

    Args:
        session: one session.
        facts: what is known beside it.
        form: which rows.
        copies: the turns that this run has written; those of these rows are added.
        notes: counts what is left out.
    """
    story = _Story(session, copies)
    notes[COPIED] += sum(story.is_copy)
    _left_out(story, notes)
    calls = [call for turn in session.turns for call in turn.calls]
    tools = schemas((facts.exact and facts.exact.tools) or session.tools, calls)
    for found in _pieces(story, form.unit, notes):
        yield _row(story, found, facts, form, tools)
        for number in range(found.first, found.last + 1):
            copies.add(session.agent, session.turns[number])
