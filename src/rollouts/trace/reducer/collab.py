"""The payloads of agent tools, as the runtime writes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from rollouts.trace import decode
from rollouts.trace.decode import I64
from rollouts.trace.errors import TraceError
from rollouts.trace.jsontext import Json, JsonError, quote
from rollouts.trace.reducer.agent_path import AgentPath
from rollouts.trace.reducer.thread_id import ThreadId
from rollouts.trace.serde import explained

_STATES = ("pending_init", "running", "interrupted", "completed", "errored", "shutdown", "not_found")
_Efforts = Literal["none", "minimal", "low", "medium", "high", "xhigh"]


def _agent_status(value: object) -> object:
    """How an agent stands: a name; `completed` may hold its last message, and `errored` holds why."""
    name, held = decode.variant(value)
    if name not in _STATES:
        raise decode.unknown_variant(name, _STATES)
    if held is not None and not isinstance(held, str):
        raise decode.WrongTypeError(held, "a string")
    return value


AgentStatus = Annotated[object, _agent_status]


@dataclass(frozen=True, slots=True)
class InteractionBegin:
    RUST: ClassVar = "struct CollabAgentInteractionBeginEvent"
    call_id: str
    sender_thread_id: ThreadId
    receiver_thread_id: ThreadId
    prompt: str


@dataclass(frozen=True, slots=True)
class InteractionEnd:
    RUST: ClassVar = "struct CollabAgentInteractionEndEvent"
    call_id: str
    sender_thread_id: ThreadId
    receiver_thread_id: ThreadId
    receiver_agent_nickname: str | None
    receiver_agent_role: str | None
    prompt: str
    status: AgentStatus


@dataclass(frozen=True, slots=True)
class SpawnEnd:
    RUST: ClassVar = "struct CollabAgentSpawnEndEvent"
    call_id: str
    sender_thread_id: ThreadId
    new_thread_id: ThreadId | None
    new_agent_nickname: str | None
    new_agent_role: str | None
    prompt: str
    model: str
    reasoning_effort: _Efforts
    status: AgentStatus


@dataclass(frozen=True, slots=True)
class OpenSpawnEnd(SpawnEnd):
    """The same in schema 2, where an effort may have any name."""

    reasoning_effort: str  # type: ignore[assignment] # the set was opened


@dataclass(frozen=True, slots=True)
class CloseBegin:
    RUST: ClassVar = "struct CollabCloseBeginEvent"
    call_id: str
    sender_thread_id: ThreadId
    receiver_thread_id: ThreadId


@dataclass(frozen=True, slots=True)
class CloseEnd:
    RUST: ClassVar = "struct CollabCloseEndEvent"
    call_id: str
    sender_thread_id: ThreadId
    receiver_thread_id: ThreadId
    receiver_agent_nickname: str | None
    receiver_agent_role: str | None
    status: AgentStatus


@dataclass(frozen=True, slots=True)
class Activity:
    RUST: ClassVar = "struct SubAgentActivityEvent"
    event_id: str
    agent_thread_id: ThreadId
    agent_path: AgentPath
    kind: Literal["started", "interacted", "interrupted", "completed"]
    occurred_at_ms: I64 = 0


@dataclass(frozen=True, slots=True)
class _Arguments:
    RUST: ClassVar = "struct AgentMessageArgs"
    message: str


def debug(text: str) -> str:
    """A text as Rust prints it for programmers."""
    return quote(text)


def message(invocation: Json, tool_call_id: str, parse: Callable[[str], Json]) -> str:
    """The message that an agent tool was called with.

    Raises:
        TraceError: its arguments hold none.
    """
    context = f"parse agent activity tool call {tool_call_id} arguments"
    payload = invocation.get("payload") if isinstance(invocation, dict) else None
    arguments = payload.get("arguments") if isinstance(payload, dict) else None
    if not isinstance(arguments, str):
        raise TraceError(f"agent activity tool call {tool_call_id} missing function arguments")
    try:
        return decode.struct(_Arguments)(parse(arguments)).message
    except JsonError as error:
        raise TraceError(context, (explained(arguments.encode(), error),)) from None
