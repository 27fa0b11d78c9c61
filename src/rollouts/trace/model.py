"""The reduced graph of a rollout: what `state.json` holds, field by field in its order.

Shapes: ids are text; times are milliseconds since 1970 (`*_unix_ms`); `seq` is the number of an event in the log. Maps go from an id
to its object and are written sorted by id. A field marked `since` exists from that schema on, one marked `omitted` is left
out when it has no value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from rollouts.trace.decode import I64

RolloutStatus = Literal["running", "completed", "failed", "aborted"]
ExecutionStatus = Literal["running", "completed", "failed", "cancelled", "aborted"]
CellStatus = Literal["starting", "running", "yielded", "completed", "failed", "terminated"]
Role = Literal["system", "developer", "user", "assistant", "tool"]
Channel = Literal["analysis", "commentary", "summary", "final"]
ItemKind = Literal[
    "message",
    "reasoning",
    "function_call",
    "function_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "compaction_marker",
]
EdgeKind = Literal["spawn_agent", "assign_agent_task", "send_message", "agent_result", "close_agent"]

_NEW: dict[str, Any] = {"since": 2}
_OMITTED: dict[str, Any] = {"since": 2, "omitted": True}


@dataclass(slots=True, eq=False)
class Window:
    """When something ran, and how it stands."""

    started_at_unix_ms: int
    started_seq: int
    ended_at_unix_ms: int | None = None
    ended_seq: int | None = None
    status: ExecutionStatus = "running"

    def end(self, at: int, seq: int, status: ExecutionStatus) -> None:
        self.ended_at_unix_ms = at
        self.ended_seq = seq
        self.status = status


@dataclass(frozen=True, slots=True)
class Root:
    TAG: ClassVar = "root"


@dataclass(frozen=True, slots=True)
class Spawned:
    TAG: ClassVar = "spawned"
    parent_thread_id: str
    spawn_edge_id: str
    task_name: str
    agent_role: str


@dataclass(slots=True, eq=False)
class Thread:
    """One agent's conversation."""

    thread_id: str
    agent_path: str
    nickname: str | None
    origin: Root | Spawned
    execution: Window
    default_model: str | None
    conversation_item_ids: list[str] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Turn:
    codex_turn_id: str
    thread_id: str
    execution: Window
    input_item_ids: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Text:
    TAG: ClassVar = "text"
    text: str


@dataclass(frozen=True, slots=True)
class Summary:
    TAG: ClassVar = "summary"
    text: str


@dataclass(frozen=True, slots=True)
class Encoded:
    TAG: ClassVar = "encoded"
    label: str
    value: str


@dataclass(frozen=True, slots=True)
class JsonPart:
    TAG: ClassVar = "json"
    summary: str
    raw_payload_id: str


@dataclass(frozen=True, slots=True)
class Code:
    TAG: ClassVar = "code"
    language: str
    source: str


@dataclass(frozen=True, slots=True)
class PayloadPart:
    TAG: ClassVar = "payload_ref"
    label: str
    raw_payload_id: str
    content_sha256: str | None = field(default=None, metadata=_OMITTED)


Part = Text | Summary | Encoded | JsonPart | Code | PayloadPart


@dataclass(frozen=True, slots=True)
class ByInference:
    TAG: ClassVar = "inference"
    inference_call_id: str


@dataclass(frozen=True, slots=True)
class ByTool:
    TAG: ClassVar = "tool"
    tool_call_id: str


@dataclass(frozen=True, slots=True)
class ByCell:
    TAG: ClassVar = "code_cell"
    code_cell_id: str


@dataclass(frozen=True, slots=True)
class ByCompaction:
    TAG: ClassVar = "compaction"
    compaction_id: str


Producer = ByInference | ByTool | ByCell | ByCompaction


@dataclass(frozen=True, slots=True)
class AgentMessage:
    author: str
    recipient: str


@dataclass(slots=True, eq=False)
class Body:
    parts: list[Part]


@dataclass(slots=True, eq=False)
class Item:
    """One entry of a conversation, as the model saw or made it."""

    item_id: str
    responses_item_id: str | None = field(metadata=_OMITTED)
    accepted_at_unix_ms: int | None = field(metadata=_OMITTED)
    accepted_seq: int | None = field(metadata=_OMITTED)
    thread_id: str
    codex_turn_id: str | None
    first_seen_at_unix_ms: int
    role: Role
    channel: Channel | None
    kind: ItemKind
    agent_message: AgentMessage | None = field(metadata=_OMITTED)
    body: Body
    call_id: str | None
    produced_by: list[Producer] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Usage:
    input_tokens: int
    cached_input_tokens: int
    cache_write_input_tokens: int = field(metadata=_NEW)
    output_tokens: int
    reasoning_output_tokens: int


@dataclass(slots=True, eq=False)
class Inference:
    """One call of a model."""

    inference_call_id: str
    thread_id: str
    codex_turn_id: str
    execution: Window
    model: str
    provider_name: str
    response_id: str | None
    upstream_request_id: str | None
    request_item_ids: list[str]
    response_item_ids: list[str]
    tool_call_ids_started_by_response: list[str]
    usage: Usage | None
    raw_request_payload_id: str
    raw_response_payload_id: str | None


@dataclass(slots=True, eq=False)
class Cell:
    """A program that the model wrote and a runtime ran."""

    code_cell_id: str
    model_visible_call_id: str
    thread_id: str
    codex_turn_id: str
    source_item_id: str
    output_item_ids: list[str]
    runtime_cell_id: str | None
    execution: Window
    runtime_status: CellStatus
    initial_response_at_unix_ms: int | None
    initial_response_seq: int | None
    initial_response_status: CellStatus | None = field(metadata=_NEW)
    raw_initial_response_payload_id: str | None = field(metadata=_NEW)
    raw_result_payload_id: str | None = field(metadata=_NEW)
    yielded_at_unix_ms: int | None
    yielded_seq: int | None
    source_js: str
    nested_tool_call_ids: list[str]
    wait_tool_call_ids: list[str]


@dataclass(frozen=True, slots=True)
class ExecCommand:
    TAG: ClassVar = "exec_command"
    ENUM: ClassVar = "ToolCallKind"


@dataclass(frozen=True, slots=True)
class WriteStdin:
    TAG: ClassVar = "write_stdin"


@dataclass(frozen=True, slots=True)
class ApplyPatch:
    TAG: ClassVar = "apply_patch"


@dataclass(frozen=True, slots=True)
class Mcp:
    TAG: ClassVar = "mcp"
    server: str
    tool: str


@dataclass(frozen=True, slots=True)
class Web:
    TAG: ClassVar = "web"


@dataclass(frozen=True, slots=True)
class ImageGeneration:
    TAG: ClassVar = "image_generation"


@dataclass(frozen=True, slots=True)
class SpawnAgent:
    TAG: ClassVar = "spawn_agent"


@dataclass(frozen=True, slots=True)
class AssignAgentTask:
    TAG: ClassVar = "assign_agent_task"


@dataclass(frozen=True, slots=True)
class SendMessage:
    TAG: ClassVar = "send_message"


@dataclass(frozen=True, slots=True)
class WaitAgent:
    TAG: ClassVar = "wait_agent"


@dataclass(frozen=True, slots=True)
class CloseAgent:
    TAG: ClassVar = "close_agent"


@dataclass(frozen=True, slots=True)
class Other:
    TAG: ClassVar = "other"
    name: str


ToolKind = (
    ExecCommand
    | WriteStdin
    | ApplyPatch
    | Mcp
    | Web
    | ImageGeneration
    | SpawnAgent
    | AssignAgentTask
    | SendMessage
    | WaitAgent
    | CloseAgent
    | Other
)


@dataclass(frozen=True, slots=True)
class TerminalSummary:
    TAG: ClassVar = "terminal"
    ENUM: ClassVar = "ToolCallSummary"
    operation_id: str


@dataclass(frozen=True, slots=True)
class AgentSummary:
    TAG: ClassVar = "agent"
    target_agent_path: str
    task_name: str | None
    message_preview: str


@dataclass(frozen=True, slots=True)
class WaitSummary:
    TAG: ClassVar = "wait_agent"
    target_agent_path: str | None
    timeout_ms: I64 | None


@dataclass(frozen=True, slots=True)
class GenericSummary:
    TAG: ClassVar = "generic"
    label: str
    input_preview: str | None
    output_preview: str | None


ToolSummary = TerminalSummary | AgentSummary | WaitSummary | GenericSummary


@dataclass(frozen=True, slots=True)
class ModelRequester:
    TAG: ClassVar = "model"


@dataclass(frozen=True, slots=True)
class CellRequester:
    TAG: ClassVar = "code_cell"
    code_cell_id: str


@dataclass(slots=True, eq=False)
class Tool:
    """One tool call, as the runtime ran it."""

    tool_call_id: str
    mcp_call_id: str | None
    model_visible_call_id: str | None
    code_mode_runtime_tool_id: str | None
    thread_id: str
    started_by_codex_turn_id: str | None
    execution: Window
    requester: ModelRequester | CellRequester
    kind: ToolKind
    model_visible_call_item_ids: list[str]
    model_visible_output_item_ids: list[str]
    terminal_operation_id: str | None
    summary: ToolSummary
    raw_invocation_payload_id: str | None
    raw_result_payload_id: str | None
    raw_runtime_payload_ids: list[str]


@dataclass(slots=True, eq=False)
class Session:
    """A terminal that lives on between operations."""

    terminal_id: str
    thread_id: str
    created_by_operation_id: str
    operation_ids: list[str]
    execution: Window


@dataclass(frozen=True, slots=True)
class ExecRequest:
    TAG: ClassVar = "exec_command"
    command: list[str]
    display_command: str
    cwd: str
    yield_time_ms: int | None
    max_output_tokens: int | None


@dataclass(frozen=True, slots=True)
class StdinRequest:
    TAG: ClassVar = "write_stdin"
    stdin: str
    yield_time_ms: int | None
    max_output_tokens: int | None


@dataclass(frozen=True, slots=True)
class TerminalResult:
    exit_code: int | None
    stdout: str
    stderr: str
    formatted_output: str | None
    original_token_count: int | None
    chunk_id: str | None


@dataclass(slots=True, eq=False)
class Observation:
    """What the model was shown of a terminal operation."""

    call_item_ids: list[str]
    output_item_ids: list[str]
    source: str


@dataclass(slots=True, eq=False)
class Operation:
    """One command, or one write to a running one."""

    operation_id: str
    terminal_id: str | None
    tool_call_id: str
    kind: Literal["exec_command", "write_stdin"]
    execution: Window
    request: ExecRequest | StdinRequest
    result: TerminalResult | None
    model_observations: list[Observation]
    raw_payload_ids: list[str]


@dataclass(slots=True, eq=False)
class Compaction:
    compaction_id: str
    thread_id: str
    codex_turn_id: str
    installed_at_unix_ms: int
    marker_item_id: str
    request_ids: list[str]
    input_item_ids: list[str]
    replacement_item_ids: list[str]


@dataclass(slots=True, eq=False)
class CompactionRequest:
    compaction_request_id: str
    compaction_id: str
    thread_id: str
    codex_turn_id: str
    execution: Window
    model: str
    provider_name: str
    raw_request_payload_id: str
    raw_response_payload_id: str | None


@dataclass(frozen=True, slots=True)
class ItemAnchor:
    TAG: ClassVar = "conversation_item"
    item_id: str


@dataclass(frozen=True, slots=True)
class ToolAnchor:
    TAG: ClassVar = "tool_call"
    tool_call_id: str


@dataclass(frozen=True, slots=True)
class ThreadAnchor:
    TAG: ClassVar = "thread"
    thread_id: str


Anchor = ItemAnchor | ToolAnchor | ThreadAnchor


@dataclass(slots=True, eq=False)
class Edge:
    """One agent acted on another."""

    edge_id: str
    kind: EdgeKind
    source: Anchor
    target: Anchor
    started_at_unix_ms: int
    ended_at_unix_ms: int | None
    carried_item_ids: list[str]
    carried_raw_payload_ids: list[str]


PayloadType = Literal[
    "inference_request",
    "inference_response",
    "compaction_request",
    "compaction_checkpoint",
    "compaction_response",
    "tool_invocation",
    "tool_result",
    "tool_runtime_event",
    "terminal_runtime_event",
    "protocol_event",
    "session_metadata",
    "agent_result",
]


@dataclass(frozen=True, slots=True)
class PayloadKind:
    RUST: ClassVar = "adjacently tagged enum RawPayloadKind"
    type: PayloadType


@dataclass(slots=True, eq=False)
class Graph:
    """A whole rollout."""

    schema_version: int
    trace_id: str
    rollout_id: str
    started_at_unix_ms: int
    ended_at_unix_ms: int | None
    status: RolloutStatus
    recording_complete: bool = field(metadata=_NEW)
    root_thread_id: str
    threads: dict[str, Thread] = field(default_factory=dict)
    codex_turns: dict[str, Turn] = field(default_factory=dict)
    conversation_items: dict[str, Item] = field(default_factory=dict)
    inference_calls: dict[str, Inference] = field(default_factory=dict)
    code_cells: dict[str, Cell] = field(default_factory=dict)
    tool_calls: dict[str, Tool] = field(default_factory=dict)
    terminal_sessions: dict[str, Session] = field(default_factory=dict)
    terminal_operations: dict[str, Operation] = field(default_factory=dict)
    compactions: dict[str, Compaction] = field(default_factory=dict)
    compaction_requests: dict[str, CompactionRequest] = field(default_factory=dict)
    interaction_edges: dict[str, Edge] = field(default_factory=dict)
    raw_payloads: dict[str, PayloadRef] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PayloadRef:
    """Where a payload lies: a file of the bundle."""

    raw_payload_id: str
    kind: PayloadKind
    path: str
