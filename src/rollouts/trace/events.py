"""Raw events: the closed set of what a bundle's log may say, as records.

An annotation is the rule for a field; `X | None` may be missing. What is not in the set is refused, with the list of
the set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from operator import attrgetter
from typing import Any, ClassVar

from rollouts.trace import decode
from rollouts.trace.decode import I64, U32, U64, Anything
from rollouts.trace.values import (
    CellStatus,
    ExecutionStatus,
    ModelRequester,
    PayloadRef,
    RolloutStatus,
    ToolKind,
    ToolSummary,
)


@dataclass(frozen=True, slots=True)
class Event:
    """What happened. `PAYLOADS` names the fields that refer to payload files."""

    TYPE: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class RecordingCompleted(Event):
    TYPE: ClassVar[str] = "recording_completed"


@dataclass(frozen=True, slots=True)
class RolloutStarted(Event):
    TYPE: ClassVar[str] = "rollout_started"
    trace_id: str
    root_thread_id: str


@dataclass(frozen=True, slots=True)
class RolloutEnded(Event):
    TYPE: ClassVar[str] = "rollout_ended"
    status: RolloutStatus


@dataclass(frozen=True, slots=True)
class ThreadStarted(Event):
    TYPE: ClassVar[str] = "thread_started"
    thread_id: str
    agent_path: str
    metadata_payload: PayloadRef | None = None


@dataclass(frozen=True, slots=True)
class ThreadEnded(Event):
    TYPE: ClassVar[str] = "thread_ended"
    thread_id: str
    status: RolloutStatus


@dataclass(frozen=True, slots=True)
class ThreadResumed(Event):
    TYPE: ClassVar[str] = "thread_resumed"
    thread_id: str


@dataclass(frozen=True, slots=True)
class TurnStarted(Event):
    TYPE: ClassVar[str] = "codex_turn_started"
    codex_turn_id: str
    thread_id: str


@dataclass(frozen=True, slots=True)
class TurnEnded(Event):
    TYPE: ClassVar[str] = "codex_turn_ended"
    codex_turn_id: str
    status: ExecutionStatus


@dataclass(frozen=True, slots=True)
class HistoryItemAccepted(Event):
    TYPE: ClassVar[str] = "history_item_accepted"
    item_id: str
    agent_message_payload: PayloadRef | None = None


@dataclass(frozen=True, slots=True)
class InferenceStarted(Event):
    TYPE: ClassVar[str] = "inference_started"
    inference_call_id: str
    thread_id: str
    codex_turn_id: str
    model: str
    provider_name: str
    request_payload: PayloadRef


@dataclass(frozen=True, slots=True)
class InferenceCompleted(Event):
    TYPE: ClassVar[str] = "inference_completed"
    inference_call_id: str
    response_id: str | None
    upstream_request_id: str | None
    response_payload: PayloadRef


@dataclass(frozen=True, slots=True)
class InferenceFailed(Event):
    TYPE: ClassVar[str] = "inference_failed"
    inference_call_id: str
    upstream_request_id: str | None
    error: str
    partial_response_payload: PayloadRef | None = None


@dataclass(frozen=True, slots=True)
class InferenceCancelled(Event):
    TYPE: ClassVar[str] = "inference_cancelled"
    inference_call_id: str
    upstream_request_id: str | None
    reason: str
    partial_response_payload: PayloadRef | None = None


@dataclass(frozen=True, slots=True)
class RequestingCell:
    """A tool that a running cell asked for, by the runtime's own handle of the cell."""

    TAG: ClassVar = "code_cell"
    runtime_cell_id: str


@dataclass(frozen=True, slots=True)
class RequestingModel(ModelRequester):
    ENUM: ClassVar = "RawToolCallRequester"


@dataclass(frozen=True, slots=True)
class ToolStarted(Event):
    TYPE: ClassVar[str] = "tool_call_started"
    tool_call_id: str
    model_visible_call_id: str | None
    code_mode_runtime_tool_id: str | None
    requester: RequestingModel | RequestingCell
    kind: ToolKind
    summary: ToolSummary
    invocation_payload: PayloadRef | None = None


@dataclass(frozen=True, slots=True)
class McpCorrelated(Event):
    TYPE: ClassVar[str] = "mcp_tool_call_correlation_assigned"
    tool_call_id: str
    mcp_call_id: str


@dataclass(frozen=True, slots=True)
class StdinTargetResolved(Event):
    TYPE: ClassVar[str] = "stdin_target_resolved"
    tool_call_id: str
    exec_tool_call_id: str


@dataclass(frozen=True, slots=True)
class ToolRuntimeStarted(Event):
    TYPE: ClassVar[str] = "tool_call_runtime_started"
    tool_call_id: str
    runtime_payload: PayloadRef


@dataclass(frozen=True, slots=True)
class ToolRuntimeStartedAs(ToolRuntimeStarted):
    """The same in schema 2, with the kind of tool that really ran."""

    kind: ToolKind


@dataclass(frozen=True, slots=True)
class ToolRuntimeEnded(Event):
    TYPE: ClassVar[str] = "tool_call_runtime_ended"
    tool_call_id: str
    status: ExecutionStatus
    runtime_payload: PayloadRef


@dataclass(frozen=True, slots=True)
class ToolEnded(Event):
    TYPE: ClassVar[str] = "tool_call_ended"
    tool_call_id: str
    status: ExecutionStatus
    result_payload: PayloadRef | None = None


@dataclass(frozen=True, slots=True)
class CellStarted(Event):
    TYPE: ClassVar[str] = "code_cell_started"
    runtime_cell_id: str
    model_visible_call_id: str
    source_js: str


@dataclass(frozen=True, slots=True)
class CellResponded(Event):
    TYPE: ClassVar[str] = "code_cell_initial_response"
    runtime_cell_id: str
    status: CellStatus
    response_payload: PayloadRef | None = None


@dataclass(frozen=True, slots=True)
class CellEnded(Event):
    TYPE: ClassVar[str] = "code_cell_ended"
    runtime_cell_id: str
    status: CellStatus
    response_payload: PayloadRef | None = None


@dataclass(frozen=True, slots=True)
class CompactionRequestStarted(Event):
    TYPE: ClassVar[str] = "compaction_request_started"
    compaction_id: str
    compaction_request_id: str
    thread_id: str
    codex_turn_id: str
    model: str
    provider_name: str
    request_payload: PayloadRef


@dataclass(frozen=True, slots=True)
class CompactionRequestCompleted(Event):
    TYPE: ClassVar[str] = "compaction_request_completed"
    compaction_id: str
    compaction_request_id: str
    response_payload: PayloadRef


@dataclass(frozen=True, slots=True)
class CompactionRequestFailed(Event):
    TYPE: ClassVar[str] = "compaction_request_failed"
    compaction_id: str
    compaction_request_id: str
    error: str


@dataclass(frozen=True, slots=True)
class CompactionInstalled(Event):
    TYPE: ClassVar[str] = "compaction_installed"
    compaction_id: str
    checkpoint_payload: PayloadRef


@dataclass(frozen=True, slots=True)
class AgentResultObserved(Event):
    TYPE: ClassVar[str] = "agent_result_observed"
    edge_id: str
    child_thread_id: str
    child_codex_turn_id: str
    parent_thread_id: str
    message: str
    carried_payload: PayloadRef | None = None


@dataclass(frozen=True, slots=True)
class ProtocolEventObserved(Event):
    TYPE: ClassVar[str] = "protocol_event_observed"
    event_type: str
    event_payload: PayloadRef


@dataclass(frozen=True, slots=True)
class OtherEvent(Event):
    """What early instrumentation wrote; no reducer knows it."""

    TYPE: ClassVar[str] = "other"
    kind: str
    summary: str
    payloads: list[PayloadRef]
    metadata: Anything


_ALL: tuple[type[Event], ...] = (
    RecordingCompleted,
    RolloutStarted,
    RolloutEnded,
    ThreadStarted,
    ThreadEnded,
    ThreadResumed,
    TurnStarted,
    TurnEnded,
    HistoryItemAccepted,
    InferenceStarted,
    InferenceCompleted,
    InferenceFailed,
    InferenceCancelled,
    ToolStarted,
    McpCorrelated,
    StdinTargetResolved,
    ToolRuntimeStartedAs,
    ToolRuntimeEnded,
    ToolEnded,
    CellStarted,
    CellResponded,
    CellEnded,
    CompactionRequestStarted,
    CompactionRequestCompleted,
    CompactionRequestFailed,
    CompactionInstalled,
    AgentResultObserved,
    ProtocolEventObserved,
    OtherEvent,
)
"""In the order in which the format's reducer lists them."""
_NEWER = {RecordingCompleted, ThreadResumed, HistoryItemAccepted, StdinTargetResolved}
_EVENTS: dict[int, dict[str, type[Event]]] = {
    1: {kind.TYPE: kind for kind in _ALL if kind not in _NEWER} | {ToolRuntimeStarted.TYPE: ToolRuntimeStarted},
    2: {kind.TYPE: kind for kind in _ALL},
}


@dataclass(frozen=True, slots=True)
class Envelope:
    """One line of the log: an event, and where and when it happened."""

    RUST: ClassVar = "struct RawTraceEvent"
    schema_version: U32
    seq: U64
    wall_time_unix_ms: I64
    rollout_id: str
    thread_id: str | None
    codex_turn_id: str | None
    payload: Anything


@dataclass(frozen=True, slots=True)
class Line:
    """An event with its envelope, both read."""

    envelope: Envelope
    event: Event

    @property
    def seq(self) -> int:
        return self.envelope.seq

    @property
    def at(self) -> int:
        """Milliseconds since 1970."""
        return self.envelope.wall_time_unix_ms


def _plain(value: object) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not is_dataclass(value) or isinstance(value, type):
        return value
    tag = {"type": value.TAG} if hasattr(value, "TAG") else {}
    return tag | {field.name: _plain(getattr(value, field.name)) for field in fields(value)}


def encoded(event: Event) -> dict[str, Any]:
    """An event as the JSON object that stands under `payload` in the log."""
    return {"type": event.TYPE, **_plain(event)}


def check(payload: dict[str, Any], schema: int) -> None:
    """Reads an encoded event as a reader of a schema would.

    Raises:
        JsonError: the reader would refuse it.
    """
    _decoder(schema)(payload)


_PAYLOAD_FIELDS = {
    kind: tuple(attrgetter(field.name) for field in fields(kind) if "payload" in field.name)
    for kind in (*_ALL, ToolRuntimeStarted)
}


def payloads(event: Event) -> Iterator[PayloadRef]:
    """The payloads that an event refers to, in order."""
    for found in _PAYLOAD_FIELDS[type(event)]:
        value = found(event)
        if isinstance(value, PayloadRef):
            yield value
        elif value:
            yield from value


@cache
def _decoder(schema: int) -> Callable[[object], Event]:
    return decode.tagged("RawTraceEventPayload", _EVENTS[schema])


def reader(schema: int) -> Callable[[object], Line]:
    """What makes a line of the log, parsed as JSON, an event of a schema.

    Raises (when called):
        JsonError: it is none of the set, or lacks something.
    """
    envelope = decode.struct(Envelope)
    event = _decoder(schema)

    def read(value: object) -> Line:
        found = envelope(value)
        return Line(found, event(found.payload))

    return read
