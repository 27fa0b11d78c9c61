"""Messages between agents, as items of a conversation carry them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rollouts.trace import decode
from rollouts.trace.decode import Anything
from rollouts.trace.jsontext import Json, JsonError
from rollouts.trace.reducer.agent_path import AgentPath
from rollouts.trace.values import AgentMessage, Encoded, Part, Text


@dataclass(frozen=True, slots=True)
class Mail:
    """A delivered message: agent paths of its ends, and what it says (encrypted, where it is)."""

    author: str
    recipient: str
    content: str


@dataclass(frozen=True, slots=True)
class _Communication:
    RUST: ClassVar = "struct InterAgentCommunication"
    author: AgentPath
    recipient: AgentPath
    other_recipients: list[AgentPath]
    content: str
    trigger_turn: Anything
    encrypted_content: str | None = None


def from_text(text: str, parse: Callable[[str], Json], *, encrypted: bool) -> Mail | None:
    """The message that an assistant's text is, if it is just that; `encrypted` lets what is so be the content."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        found = decode.struct(_Communication)(parse(text))
    except JsonError:
        return None
    if not isinstance(found.trigger_turn, bool):
        return None
    content = found.encrypted_content if encrypted else None
    return Mail(found.author, found.recipient, found.content if content is None else content)


def from_agent_message(ends: AgentMessage, parts: Sequence[Part]) -> Mail | None:
    """The message that an item of that type is: a text, something encrypted, or a text and then something encrypted."""
    match list(parts):
        case [Text(text)]:
            return Mail(ends.author, ends.recipient, text)
        case [Encoded(_, value)] | [Text(), Encoded(_, value)]:
            return Mail(ends.author, ends.recipient, value)
    return None
