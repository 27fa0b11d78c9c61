"""The conversation that models saw: which sightings are one item, and in what order a thread holds them."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass

from rollouts.trace.errors import TraceError
from rollouts.trace.jsontext import Json
from rollouts.trace.model import Body, Item, Usage
from rollouts.trace.reducer import agents, cells, tools
from rollouts.trace.reducer.normalize import Key, Normalized, Normalizer
from rollouts.trace.reducer.payloads import Element
from rollouts.trace.reducer.pending import ordinal
from rollouts.trace.reducer.state import Known, Replay
from rollouts.trace.values import Encoded, Producer, Summary, Text

_OUTPUTS = {"function_call_output", "custom_tool_call_output"}


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where and when items are seen.

    Attributes:
        at: milliseconds since 1970.
        producers: what made them, where that is known.
    """

    thread_id: str
    turn_id: str | None
    at: int
    payload_id: str
    producers: tuple[Producer, ...] = ()


class _Candidates:
    """The items of a snapshot, each to be found by what it shows, and used at most once."""

    def __init__(self, snapshot: Sequence[Known], sheet: object) -> None:
        """`sheet` marks the items that were used."""
        self._sheet = sheet
        self._by_key: dict[Key, deque[Known]] = defaultdict(deque)
        for known in snapshot:
            self._by_key[known.key].append(known)

    def find(self, key: Key, response_id: str | None) -> Known | None:
        queue = self._by_key.get(key)
        while queue and queue[0].used_in is self._sheet:
            queue.popleft()
        for known in queue or ():
            if known.used_in is not self._sheet and _same_id(known, response_id):
                return known
        return None


def _same_id(known: Known, response_id: str | None) -> bool:
    """Two ids of the Responses API that are there must be one; an id may be missing on either side."""
    own = known.item.responses_item_id
    return own is None or response_id is None or own == response_id


def _matches(known: Known, key: Key, response_id: str | None) -> bool:
    return known.key == key and _same_id(known, response_id)


def normalized(replay: Replay, elements: Sequence[Element], payload_id: str) -> list[Normalized]:
    """The items that a request's input holds, in order.

    Raises:
        TraceError: there is something else in it.
    """
    found = []
    for element in elements:
        item = replay.normalized.get(element.raw)
        if item is None and element.raw not in replay.normalized:
            try:
                item = Normalizer(replay.rules, replay.payloads.text).item(element.value, payload_id)
            except TraceError as error:
                replay.object_to(error)
                continue
            replay.normalized[element.raw] = item
        if item is not None:
            found.append(item)
    return found


def normalized_values(replay: Replay, values: Sequence[Json], payload_id: str) -> list[Normalized]:
    """The same for items that are parsed already, as responses are.

    Raises:
        TraceError: there is something else among them.
    """
    normalizer = Normalizer(replay.rules, replay.payloads.text)
    found = []
    for value in values:
        try:
            item = normalizer.item(value, payload_id)
        except TraceError as error:
            replay.object_to(error)
            continue
        if item is not None:
            found.append(item)
    return found


def reconcile(replay: Replay, seen: Sequence[Normalized], where: Sighting, snapshot: Sequence[Known]) -> list[Known]:
    """The items of a request that shows a whole history.

    Each is the one at its place in the snapshot, else the first in it that matches and is not used, else new.
    """
    found: list[Known] = []
    candidates: _Candidates | None = None
    size, once, sheet = len(snapshot), replay.rules.uses_items_once, object()
    for index, normal in enumerate(seen):
        known = snapshot[index] if index < size else None
        if known and once and known.used_in is sheet:
            known = None
        if known and known.seen is normal and normal.inert:
            known.used_in = sheet
            found.append(known)
            continue
        key = normal.key_in(where.payload_id)
        _check_call(replay, normal, key, where.thread_id)
        if not (known and _matches(known, key, normal.response_id)):
            candidates = candidates or _Candidates(snapshot, sheet)
            known = candidates.find(key, normal.response_id)
        known = known or _new(replay, normal, key, where)
        _sight(replay, known, normal, where)
        known.used_in = sheet
        found.append(known)
    cells.flush(replay)
    return found


def append(replay: Replay, seen: Sequence[Normalized], where: Sighting, start: int) -> list[Known]:
    """The items of a request that goes on from an earlier one, or of a response: new, from `start` in the snapshot on.

    Raises:
        TraceError: the snapshot has another item there.
    """
    snapshot = replay.conversations.snapshots[where.thread_id]
    found = []
    for index, normal in enumerate(seen, start):
        key = normal.key_in(where.payload_id)
        _check_call(replay, normal, key, where.thread_id)
        if index < len(snapshot):
            known = snapshot[index]
            if not _matches(known, key, normal.response_id):
                raise _mismatch(where, index, known)
        else:
            known = _new(replay, normal, key, where)
        _sight(replay, known, normal, where)
        found.append(known)
    cells.flush(replay)
    return found


def answered(replay: Replay, seen: Sequence[Normalized], where: Sighting) -> list[Known]:
    """The items of a response where they have ids: those that the thread has under one of its ids, or else new."""
    ids = dict.fromkeys(normal.response_id for normal in seen if normal.response_id is not None)
    by_id = replay.conversations.by_response_id
    named = [known for response_id in ids for known in by_id.get((where.thread_id, response_id), ())]
    return detached(replay, seen, where, named)


def detached(replay: Replay, seen: Sequence[Normalized], where: Sighting, snapshot: Sequence[Known]) -> list[Known]:
    """The items of a history that stands beside the conversation: found anywhere in the snapshot, else new."""
    sheet = object()
    candidates = _Candidates(snapshot, sheet)
    found = []
    for normal in seen:
        key = normal.key_in(where.payload_id)
        _check_call(replay, normal, key, where.thread_id)
        known = candidates.find(key, normal.response_id) or _new(replay, normal, key, where)
        _sight(replay, known, normal, where)
        known.used_in = sheet
        found.append(known)
    cells.flush(replay)
    return found


def _mismatch(where: Sighting, index: int, known: Known) -> TraceError:
    return TraceError(
        f"model conversation mismatch while reducing turn {where.turn_id} for thread {where.thread_id} at item index "
        f"{index}: existing item {known.item.item_id} does not match the current model payload item"
    )


def _check_call(replay: Replay, normal: Normalized, key: Key, thread_id: str) -> None:
    """One call id means one call in a thread; in schema 1 also one output of it."""
    if normal.call_id is None or (replay.rules.reuses_output_ids and normal.kind in _OUTPUTS):
        return
    same = replay.conversations.by_call.get((thread_id, normal.call_id, normal.kind))
    if same and not all(known.key == key for known in same):
        what = f"model-visible call id {normal.call_id} was reused with different content"
        replay.object_to(TraceError(what))


def _create(replay: Replay, normal: Normalized, key: Key, where: Sighting) -> Known:
    known = insert(replay, normal, key, where)
    item = known.item
    if item.call_id is not None:
        replay.conversations.by_call[(item.thread_id, item.call_id, item.kind)].append(known)
        cells.source_seen(replay, item)
    if item.role == "assistant" and item.kind == "message" and not item.agent_message:
        _note_message(replay, item)
    if normal.mail:
        agents.item_made(replay, item, normal.mail)
    return known


def _new(replay: Replay, normal: Normalized, key: Key, where: Sighting) -> Known:
    """An item that a payload shows for the first time; a message that came with its acceptance is there already."""
    of_thread = (where.thread_id, normal.response_id or "")
    if normal.response_id is None or normal.agent_message is None or of_thread not in replay.conversations.received:
        return _create(replay, normal, key, where)
    known = replay.conversations.received.pop(of_thread)
    ends = known.item.agent_message  # they stay as announced; what the model was shown outranks the rest
    known.key = (*key[:4], ends, *key[5:])
    known.item.body = Body(normal.parts_in(where.payload_id))
    return known


def create(replay: Replay, normal: Normalized, where: Sighting) -> Known:
    """A new item that stands outside of the history that models saw so far."""
    known = _create(replay, normal, normal.key_in(where.payload_id), where)
    _sight(replay, known, normal, where)
    return known


def insert(replay: Replay, normal: Normalized, key: Key, where: Sighting) -> Known:
    """A new item, at the end of all there are."""
    conversations = replay.conversations
    item_id = f"conversation_item:{len(conversations.known) + 1}"
    item = Item(
        item_id,
        None,
        None,
        None,
        where.thread_id,
        where.turn_id,
        where.at,
        normal.role,
        normal.channel,
        normal.kind,
        normal.agent_message,
        Body(normal.parts_in(where.payload_id)),
        normal.call_id,
        list(where.producers),
    )
    known = Known(item, key, normal)
    conversations.known[item_id] = known
    replay.graph.conversation_items[item_id] = item
    return known


def _note_message(replay: Replay, item: Item) -> None:
    """Keeps the newest message of a turn; of two at one time, the one whose id sorts last."""
    turn = (item.thread_id, item.codex_turn_id or "")
    best = replay.conversations.last_message.get(turn)
    if best is None or (best.first_seen_at_unix_ms, best.item_id) < (item.first_seen_at_unix_ms, item.item_id):
        replay.conversations.last_message[turn] = item


def _sight(replay: Replay, known: Known, normal: Normalized, where: Sighting) -> None:
    """All that follows from seeing an item."""
    item = known.item
    known.seen = normal
    if item.kind == "reasoning":
        _merge_reasoning(item, normal)
    for producer in where.producers:
        if producer not in item.produced_by:
            item.produced_by.append(producer)
    if normal.response_id is not None and item.responses_item_id is None:
        _identify(replay, known, normal.response_id)
    if item.call_id is not None:
        tools.item_seen(replay, item)
        cells.output_seen(replay, item)
    if normal.mail:
        agents.item_seen(replay, item, normal.mail)


def _merge_reasoning(item: Item, normal: Normalized) -> None:
    """What an earlier sighting of the same blob lacked is taken from a later one."""
    texts = [part for part in item.body.parts if isinstance(part, Text)]
    summaries = [part for part in item.body.parts if isinstance(part, Summary)]
    if texts and summaries:
        return
    encoded = [part for part in item.body.parts if isinstance(part, Encoded)]
    if encoded:
        texts = texts or [part for part in normal.parts if isinstance(part, Text)]
        summaries = summaries or [part for part in normal.parts if isinstance(part, Summary)]
        item.body.parts = [*texts, *summaries, *encoded]


def _identify(replay: Replay, known: Known, response_id: str) -> None:
    """An item's id in the Responses API is seen for the first time."""
    item = known.item
    item.responses_item_id = response_id
    of_thread = (item.thread_id, response_id)
    replay.conversations.by_response_id[of_thread].append(known)
    accepted = replay.conversations.accepted.get(of_thread)
    if accepted:
        item.accepted_at_unix_ms, item.accepted_seq = accepted


def enlist(replay: Replay, thread_id: str, items: Sequence[Known]) -> None:
    """Puts items at the end of a thread's list that are not in it yet."""
    fresh = [known for known in items if not known.listed]
    if not fresh:
        return
    thread = replay.thread(thread_id)
    for known in fresh:
        if not known.listed:
            known.listed = True
            thread.conversation_item_ids.append(known.item.item_id)


def order(replay: Replay) -> None:
    """At the end: a thread's list is in the order in which its items were first seen."""
    items = replay.graph.conversation_items
    for thread in replay.graph.threads.values():
        thread.conversation_item_ids.sort(key=lambda item_id: ordinal(items[item_id]))


_USAGE = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens")


def usage(value: object) -> Usage | None:
    """Token counts, when all of them are there as whole numbers; one below 0 is 0."""
    if not isinstance(value, dict):
        return None
    given = [_count(value.get(name)) for name in _USAGE]
    counts = [count for count in given if count is not None]
    if len(counts) < len(given):
        return None
    return Usage(counts[0], counts[1], _count(value.get("cache_write_input_tokens")) or 0, counts[2], counts[3])


def _count(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and -(1 << 63) <= value < 1 << 63:
        return max(value, 0)
    return None
