"""The payloads of agent tools, as the runtime writes them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from rollouts.trace import decode
from rollouts.trace.decode import I64, Anything
from rollouts.trace.errors import TraceError
from rollouts.trace.jsontext import Json, JsonError, quote
from rollouts.trace.serde import explained


def _thread_id(value: object) -> str:
    """A thread's id, which is a UUID.

    Raises:
        JsonError: it is none.
    """
    if not isinstance(value, str):
        raise decode.WrongTypeError(value, "a string")
    try:
        return str(uuid.UUID(value))
    except ValueError:
        raise JsonError(f"invalid thread id: {value}") from None


ThreadId = Annotated[str, _thread_id]
AgentStatus = Annotated[object, "anything"]


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
    prompt: str
    status: AgentStatus


@dataclass(frozen=True, slots=True)
class SpawnEnd:
    RUST: ClassVar = "struct CollabAgentSpawnEndEvent"
    call_id: str
    sender_thread_id: ThreadId
    new_thread_id: ThreadId | None
    prompt: str
    model: str
    reasoning_effort: Anything
    status: AgentStatus


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
    status: AgentStatus


@dataclass(frozen=True, slots=True)
class Activity:
    RUST: ClassVar = "struct SubAgentActivityEvent"
    event_id: str
    occurred_at_ms: I64
    agent_thread_id: ThreadId
    agent_path: str
    kind: Literal["started", "interacted", "interrupted", "completed"]


@dataclass(frozen=True, slots=True)
class _Arguments:
    RUST: ClassVar = "struct AgentMessageArgs"
    message: str


def debug(text: str) -> str:
    """A text as Rust prints it for programmers."""
    return quote(text)


def message(invocation: Json, tool_call_id: str, parse: Callable[[str], Json], keeps_spelling: bool) -> str:
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
        raise TraceError(context, (explained(arguments.encode(), error, keeps_spelling=keeps_spelling),)) from None
