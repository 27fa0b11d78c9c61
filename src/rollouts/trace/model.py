"""The reduced graph of a rollout: what `state.json` holds, field by field in its order.

Shapes: ids are text; times are milliseconds since 1970 (`*_unix_ms`); `seq` is the number of an event in the log.
Maps go from an id to its object and are written sorted by id. A field marked `since` exists from that schema on, one
marked `omitted` is left out when it has no value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from rollouts.trace.values import (
    NEW,
    OMITTED,
    AgentMessage,
    Anchor,
    CellRequester,
    CellStatus,
    Channel,
    EdgeKind,
    ExecutionStatus,
    ItemKind,
    ModelRequester,
    Part,
    PayloadRef,
    Producer,
    Role,
    RolloutStatus,
    Root,
    Spawned,
    ToolKind,
    ToolSummary,
)


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


@dataclass(slots=True, eq=False)
class Body:
    parts: list[Part]


@dataclass(slots=True, eq=False)
class Item:
    """One entry of a conversation, as the model saw or made it."""

    item_id: str
    responses_item_id: str | None = field(metadata=OMITTED)
    accepted_at_unix_ms: int | None = field(metadata=OMITTED)
    accepted_seq: int | None = field(metadata=OMITTED)
    thread_id: str
    codex_turn_id: str | None
    first_seen_at_unix_ms: int
    role: Role
    channel: Channel | None
    kind: ItemKind
    agent_message: AgentMessage | None = field(metadata=OMITTED)
    body: Body
    call_id: str | None
    produced_by: list[Producer] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Usage:
    input_tokens: int
    cached_input_tokens: int
    cache_write_input_tokens: int = field(metadata=NEW)
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
    initial_response_status: CellStatus | None = field(metadata=NEW)
    raw_initial_response_payload_id: str | None = field(metadata=NEW)
    raw_result_payload_id: str | None = field(metadata=NEW)
    yielded_at_unix_ms: int | None
    yielded_seq: int | None
    source_js: str
    nested_tool_call_ids: list[str]
    wait_tool_call_ids: list[str]


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


@dataclass(slots=True, eq=False)
class Graph:
    """A whole rollout."""

    schema_version: int
    trace_id: str
    rollout_id: str
    started_at_unix_ms: int
    ended_at_unix_ms: int | None
    status: RolloutStatus
    recording_complete: bool = field(metadata=NEW)
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
