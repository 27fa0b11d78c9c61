"""Compactions: a history that was replaced by a shorter one, and the requests that made it."""

from __future__ import annotations

from rollouts.trace.errors import TraceError
from rollouts.trace.events import (
    CompactionInstalled,
    CompactionRequestCompleted,
    CompactionRequestFailed,
    CompactionRequestStarted,
    Line,
)
from rollouts.trace.jsontext import Json
from rollouts.trace.model import Compaction, CompactionRequest, Window
from rollouts.trace.reducer import conversation
from rollouts.trace.reducer.conversation import Sighting
from rollouts.trace.reducer.normalize import Normalized
from rollouts.trace.reducer.state import Known, Replay
from rollouts.trace.values import ByCompaction, ExecutionStatus, PayloadRef

_MARKER = Normalized(
    role="assistant",
    channel=None,
    kind="compaction_marker",
    call_id=None,
    response_id=None,
    agent_message=None,
    parts=(),
    key=("marker",),
    local=True,
    mail=None,
    inert=False,
)


def start_request(replay: Replay, line: Line, event: CompactionRequestStarted) -> None:
    request_id = event.compaction_request_id
    if request_id in replay.graph.compaction_requests:
        raise TraceError(f"duplicate compaction request start for {request_id}")
    _check_turn(replay, f"compaction request {request_id}", event.thread_id, event.codex_turn_id)
    replay.graph.compaction_requests[request_id] = CompactionRequest(
        request_id,
        event.compaction_id,
        event.thread_id,
        event.codex_turn_id,
        Window(line.at, line.seq),
        event.model,
        event.provider_name,
        event.request_payload.raw_payload_id,
        None,
    )
    replay.runtime.requests_of_compaction[event.compaction_id].append(request_id)


def _check_turn(replay: Replay, what: str, thread_id: str, turn_id: str) -> None:
    replay.thread(thread_id)
    turn = replay.graph.codex_turns.get(turn_id)
    if turn is None:
        raise TraceError(f"{what} referenced unknown codex turn {turn_id}")
    if turn.thread_id != thread_id:
        raise TraceError(f"{what} used thread {thread_id}, but codex turn {turn_id} belongs to {turn.thread_id}")


def complete_request(replay: Replay, line: Line, event: CompactionRequestCompleted) -> None:
    _end_request(replay, line, event, "completed", event.response_payload.raw_payload_id)


def fail_request(replay: Replay, line: Line, event: CompactionRequestFailed) -> None:
    _end_request(replay, line, event, "failed", None)


def _end_request(
    replay: Replay,
    line: Line,
    event: CompactionRequestCompleted | CompactionRequestFailed,
    status: ExecutionStatus,
    payload_id: str | None,
) -> None:
    request_id = event.compaction_request_id
    request = replay.graph.compaction_requests.get(request_id)
    if request is None:
        raise TraceError(f"compaction request completion referenced unknown request {request_id}")
    if request.compaction_id != event.compaction_id:
        raise TraceError(
            f"compaction request {request_id} completion used compaction {event.compaction_id}, "
            f"but start used {request.compaction_id}"
        )
    request.execution.end(line.at, line.seq, status)
    request.raw_response_payload_id = payload_id


def install(replay: Replay, line: Line, event: CompactionInstalled) -> None:
    compaction_id = event.compaction_id
    thread_id, turn_id = line.envelope.thread_id, line.envelope.codex_turn_id
    if thread_id is None:
        raise TraceError(f"compaction installed event {compaction_id} did not include a thread id")
    if turn_id is None:
        raise TraceError(f"compaction installed event {compaction_id} did not include a codex turn id")
    if compaction_id in replay.graph.compactions:
        raise TraceError(f"duplicate compaction install for {compaction_id}")
    _check_turn(replay, f"compaction install {compaction_id}", thread_id, turn_id)
    before, marker, after = _reduce_checkpoint(replay, line, event, (thread_id, turn_id))
    replay.conversations.replacements[thread_id] = after
    replay.conversations.latest.pop(thread_id, None)  # what still answers an older request is no history any more
    replay.graph.compactions[compaction_id] = Compaction(
        compaction_id,
        thread_id,
        turn_id,
        line.at,
        marker.item.item_id,
        sorted(replay.runtime.requests_of_compaction.get(compaction_id, ())),
        [known.item.item_id for known in before],
        [known.item.item_id for known in after],
    )


def _reduce_checkpoint(
    replay: Replay, line: Line, event: CompactionInstalled, turn: tuple[str, str]
) -> tuple[list[Known], Known, list[Known]]:
    """The history as it was, the mark where it ends, the history that follows; all go into the thread's list."""
    ref = event.checkpoint_payload
    payload_id, (thread_id, turn_id) = ref.raw_payload_id, turn
    payload = replay.payloads.json(ref)
    given = _array(payload, "input_history", ref), _array(payload, "replacement_history", ref)
    old, new = (conversation.normalized_values(replay, values, payload_id) for values in given)
    here = Sighting(thread_id, turn_id, line.at, payload_id)
    made = Sighting(thread_id, turn_id, line.at, payload_id, (ByCompaction(event.compaction_id),))
    before = conversation.detached(replay, old, here, replay.conversations.snapshots[thread_id])
    marker = conversation.insert(replay, _MARKER, ("marker",), made)
    after = conversation.detached(replay, new, made, ())
    conversation.enlist(replay, thread_id, [*before, marker, *after])
    return before, marker, after


def _array(payload: Json, name: str, ref: PayloadRef) -> list[Json]:
    found = payload.get(name) if isinstance(payload, dict) else None
    if not isinstance(found, list):
        raise TraceError(f"compaction checkpoint payload {ref.raw_payload_id} did not contain array {name}")
    return found
