"""Messages between agents, as items of a conversation carry them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from rollouts.trace import decode
from rollouts.trace.decode import Anything
from rollouts.trace.jsontext import JsonError, Parser
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
    other_recipients: list[AgentPath] = field(metadata={"lacking": []})
    content: str
    trigger_turn: Anything


@dataclass(frozen=True, slots=True)
class _EncryptedCommunication:
    """The same in schema 2, where what it says may be encrypted."""

    RUST: ClassVar = "struct InterAgentCommunication"
    author: AgentPath
    recipient: AgentPath
    other_recipients: list[AgentPath] = field(metadata={"lacking": []})
    content: str
    encrypted_content: str | None
    trigger_turn: Anything


_parse = Parser(keeps_spelling=False, pairs=decode.Repeated).parse


def from_text(text: str, *, encrypted: bool) -> Mail | None:
    """The message that an assistant's text is, if it is just that; `encrypted` lets what is so be the content."""
    if not text.lstrip().startswith("{" if encrypted else ("{", "[")):
        return None
    found: _Communication | _EncryptedCommunication
    try:
        value = _parse(text)
        found = decode.struct(_EncryptedCommunication)(value) if encrypted else decode.struct(_Communication)(value)
    except JsonError:
        return None
    if not isinstance(found.trigger_turn, bool):
        return None
    inner = found.encrypted_content if isinstance(found, _EncryptedCommunication) else None
    return Mail(found.author, found.recipient, found.content if inner is None else inner)


def from_agent_message(ends: AgentMessage, parts: Sequence[Part]) -> Mail | None:
    """The message that an item of that type is: a text, something encrypted, or a text and then something encrypted."""
    match list(parts):
        case [Text(text)]:
            return Mail(ends.author, ends.recipient, text)
        case [Encoded(_, value)] | [Text(), Encoded(_, value)]:
            return Mail(ends.author, ends.recipient, value)
    return None
