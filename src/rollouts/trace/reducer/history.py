"""What a thread's history took in: schema 2 tells it item by item, by the ids of the Responses API."""

from __future__ import annotations

from rollouts.trace.errors import TraceError
from rollouts.trace.events import HistoryItemAccepted, Line
from rollouts.trace.reducer import conversation
from rollouts.trace.reducer.conversation import Sighting
from rollouts.trace.reducer.state import Replay
from rollouts.trace.values import PayloadRef


def accept(replay: Replay, line: Line, event: HistoryItemAccepted) -> None:
    """A thread's history took an item in; the first time counts, also for items that are seen later."""
    thread_id = line.envelope.thread_id
    if thread_id is None:
        raise TraceError("history acceptance has no thread")
    replay.thread(thread_id)
    of_thread = (thread_id, event.item_id)
    if event.agent_message_payload:
        _bring(replay, line, thread_id, event.item_id, event.agent_message_payload)
    first = replay.conversations.accepted.setdefault(of_thread, (line.at, line.seq))
    items = replay.conversations.by_response_id.get(of_thread, [])
    for known in items:
        known.item.accepted_at_unix_ms, known.item.accepted_seq = first
    conversation.enlist(replay, thread_id, items)


def _bring(replay: Replay, line: Line, thread_id: str, item_id: str, ref: PayloadRef) -> None:
    """A message of another agent's comes with its acceptance."""
    found = conversation.normalized_values(replay, [replay.payloads.json(ref)], ref.raw_payload_id)
    if not found:
        raise TraceError(f"unsupported model item type additional_tools in payload {ref.raw_payload_id}")
    seen = found[0]
    if seen.agent_message is None or seen.response_id != item_id:
        raise TraceError(f"accepted agent message does not match receipt {item_id}")
    if not replay.conversations.by_response_id.get((thread_id, item_id)):
        where = Sighting(thread_id, line.envelope.codex_turn_id, line.at, ref.raw_payload_id)
        replay.conversations.received[(thread_id, item_id)] = conversation.create(replay, seen, where)
