"""Calls of models: when they ran, what they were shown and what they said."""

from __future__ import annotations

from bisect import insort

from rollouts.trace.errors import TraceError
from rollouts.trace.events import InferenceCancelled, InferenceCompleted, InferenceFailed, InferenceStarted, Line
from rollouts.trace.model import Inference, Window
from rollouts.trace.reducer import conversation
from rollouts.trace.reducer.conversation import Sighting
from rollouts.trace.reducer.payloads import Element, Request
from rollouts.trace.reducer.state import Known, Replay
from rollouts.trace.values import ByInference, ExecutionStatus, PayloadRef


def start(replay: Replay, line: Line, event: InferenceStarted) -> None:
    inference_id, thread_id, turn_id = event.inference_call_id, event.thread_id, event.codex_turn_id
    if inference_id in replay.graph.inference_calls:
        raise TraceError(f"duplicate inference start for {inference_id}")
    turn = replay.graph.codex_turns.get(turn_id)
    if turn is None:
        raise TraceError(f"inference start {inference_id} referenced unknown codex turn {turn_id}")
    if turn.thread_id != thread_id:
        raise TraceError(
            f"inference start {inference_id} used thread {thread_id}, "
            f"but codex turn {turn_id} belongs to {turn.thread_id}"
        )
    where = Sighting(thread_id, turn_id, line.at, event.request_payload.raw_payload_id)
    items = _reduce_request(replay, inference_id, event.request_payload, where)
    inference = Inference(
        inference_id,
        thread_id,
        turn_id,
        Window(line.at, line.seq),
        event.model,
        event.provider_name,
        None,
        None,
        [known.item.item_id for known in items],
        [],
        [],
        None,
        event.request_payload.raw_payload_id,
        None,
    )
    replay.graph.inference_calls[inference_id] = inference
    replay.runtime.running_inferences[turn_id][inference_id] = inference


def _reduce_request(replay: Replay, inference_id: str, ref: PayloadRef, where: Sighting) -> list[Known]:
    request = replay.payloads.request(ref)
    seen = conversation.normalized(replay, _input(request, ref), ref.raw_payload_id)
    conversations = replay.conversations
    thread_id = where.thread_id
    if request.previous_response_id is not None:
        items = _prefix(replay, inference_id, thread_id, request.previous_response_id)
        items += conversation.append(replay, seen, where, len(items))
    else:
        snapshot = conversations.replacements.get(thread_id)
        if snapshot is None:
            snapshot = conversations.snapshots[thread_id]
        items = conversation.reconcile(replay, seen, where, snapshot)
        conversations.replacements.pop(thread_id, None)
    conversation.enlist(replay, thread_id, items)
    conversations.snapshots[thread_id] = items
    conversations.latest[thread_id] = inference_id
    return items


def _input(request: Request, ref: PayloadRef) -> list[Element]:
    if not request.has_input:
        raise TraceError(f"inference request payload {ref.raw_payload_id} did not contain input")
    if request.items is None:
        raise TraceError(f"inference request payload {ref.raw_payload_id} had non-array input")
    return request.items


def _prefix(replay: Replay, inference_id: str, thread_id: str, response_id: str) -> list[Known]:
    """What a request left out: the request and response that it goes on from."""
    earlier = replay.runtime.inferences_of_response.get((thread_id, response_id))
    if not earlier:
        raise TraceError(
            f"incremental inference request {inference_id} referenced unknown previous_response_id {response_id}"
        )
    found = replay.graph.inference_calls[earlier[0]]
    known = replay.conversations.known
    return [known[item_id] for item_id in (*found.request_item_ids, *found.response_item_ids)]


def complete(replay: Replay, line: Line, event: InferenceCompleted) -> None:
    _close(replay, line, event, "completed", event.response_payload)


def complete_unread(replay: Replay, line: Line, event: InferenceCompleted) -> None:
    """It completed, but its response cannot be read."""
    _close(replay, line, event, "completed", None)


def fail(replay: Replay, line: Line, event: InferenceFailed) -> None:
    _close(replay, line, event, "failed", event.partial_response_payload)


def cancel(replay: Replay, line: Line, event: InferenceCancelled) -> None:
    _close(replay, line, event, "cancelled", event.partial_response_payload)


def _close(
    replay: Replay,
    line: Line,
    event: InferenceCompleted | InferenceFailed | InferenceCancelled,
    status: ExecutionStatus,
    payload: PayloadRef | None,
) -> None:
    inference = replay.graph.inference_calls.get(event.inference_call_id)
    if inference is None:
        raise TraceError(f"inference completion referenced unknown call {event.inference_call_id}")
    items = _reduce_response(replay, inference, payload, line.at) if payload else None
    if inference.execution.status == "running":
        inference.execution.end(line.at, line.seq, status)
        replay.runtime.running_inferences[inference.codex_turn_id].pop(inference.inference_call_id, None)
    _name_response(replay, inference, event.response_id if isinstance(event, InferenceCompleted) else None)
    if event.upstream_request_id is not None:
        inference.upstream_request_id = event.upstream_request_id
    if payload and items is not None:
        inference.raw_response_payload_id = payload.raw_payload_id
        _answer(replay, inference, items)


def _name_response(replay: Replay, inference: Inference, response_id: str | None) -> None:
    by_response = replay.runtime.inferences_of_response
    if inference.response_id is not None:
        by_response[(inference.thread_id, inference.response_id)].remove(inference.inference_call_id)
    inference.response_id = response_id
    if response_id is not None:
        insort(by_response[(inference.thread_id, response_id)], inference.inference_call_id)


def _answer(replay: Replay, inference: Inference, items: list[Known]) -> None:
    """Notes the items of a response, in the place of those of an earlier one."""
    of_item = replay.runtime.inferences_of_item
    for item_id in inference.response_item_ids:
        of_item[item_id].remove(inference)
    inference.response_item_ids = [known.item.item_id for known in items]
    for item_id in inference.response_item_ids:
        of_item[item_id].append(inference)


def _reduce_response(replay: Replay, inference: Inference, ref: PayloadRef, at: int) -> list[Known]:
    payload = replay.payloads.json(ref)
    fields = payload if isinstance(payload, dict) else {}
    output = fields.get("output_items")
    if not isinstance(output, list):
        raise TraceError(f"inference response payload {ref.raw_payload_id} did not contain output_items")
    thread_id = inference.thread_id
    producers = (ByInference(inference.inference_call_id),)
    where = Sighting(thread_id, inference.codex_turn_id, at, ref.raw_payload_id, producers)
    seen = conversation.normalized_values(replay, output, ref.raw_payload_id)
    if replay.rules.accepts_history:
        items = conversation.answered(replay, seen, where)
    else:
        items = conversation.append(replay, seen, where, len(replay.conversations.snapshots[thread_id]))
    taken_in = [known for known in items if not replay.rules.accepts_history or known.item.accepted_seq is not None]
    conversation.enlist(replay, thread_id, taken_in)
    _extend_snapshot(replay, inference, items)
    used = conversation.usage(fields.get("token_usage"))
    inference.usage = used or inference.usage
    return items


def _extend_snapshot(replay: Replay, inference: Inference, items: list[Known]) -> None:
    """What the model said follows what it was shown.

    Where history is accepted, only the thread's last request counts, and a later response takes an earlier one's place.
    """
    snapshot = replay.conversations.snapshots[inference.thread_id]
    if replay.rules.accepts_history:
        if replay.conversations.latest.get(inference.thread_id) != inference.inference_call_id:
            return
        del snapshot[len(inference.request_item_ids) :]
    snapshot.extend(items)


def close_running(replay: Replay, line: Line, turn_id: str, status: ExecutionStatus) -> None:
    """A turn ends: what of it still waits for its model does not any more."""
    if status == "running":
        return
    closed: ExecutionStatus = "cancelled" if status == "completed" else status
    for inference in replay.runtime.running_inferences.pop(turn_id, {}).values():
        inference.execution.end(line.at, line.seq, closed)
