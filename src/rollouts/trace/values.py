"""The small values of a graph: statuses, parts of an item, kinds of tools, what points at what.

A value with a `TAG` is one of several; the tag is written, and read, under `type`. A field marked `omitted` is left
out when it has no value, one marked `since` exists from that schema on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from rollouts.trace.decode import U64

NEW: dict[str, Any] = {"since": 2}
OMITTED: dict[str, Any] = {"since": 2, "omitted": True}

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
    content_sha256: str | None = field(default=None, metadata=OMITTED)


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
    timeout_ms: U64 | None


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


@dataclass(frozen=True, slots=True)
class PayloadRef:
    """Where a payload lies: a file of the bundle."""

    RUST: ClassVar = "struct RawPayloadRef"
    raw_payload_id: str
    kind: PayloadKind
    path: str
