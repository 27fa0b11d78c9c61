"""A coding agent's session, whichever agent wrote it down: turns of messages, in the order that the model saw."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Fields = Mapping[str, Any]
"""An object of an agent's record."""

COMPLETED, INTERRUPTED, FAILED, OPEN = "completed", "interrupted", "failed", "open"
"""How a turn can have ended; an open one has not, or its end was not written down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one model request, or of many; None is unknown.

    Attributes:
        input_tokens: read by the model, those from its cache and those written to it aside.
        output_tokens: said by the model, reasoning included.
        reasoning_tokens: the part of them that was reasoning.
        cost: US dollars, where the agent itself knows them.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost: float | None = None

    @property
    def prompt_tokens(self) -> int | None:
        """All that the model read, from wherever."""
        return _sum((self.input_tokens, self.cache_read_tokens, self.cache_write_tokens))


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def total(usages: Iterable[Usage | None]) -> Usage | None:
    """The sum of what is known; None when nothing is."""
    known = [usage for usage in usages if usage is not None]
    if not known:
        return None
    costs = [usage.cost for usage in known if usage.cost is not None]
    return Usage(
        input_tokens=_sum(usage.input_tokens for usage in known),
        output_tokens=_sum(usage.output_tokens for usage in known),
        cache_read_tokens=_sum(usage.cache_read_tokens for usage in known),
        cache_write_tokens=_sum(usage.cache_write_tokens for usage in known),
        reasoning_tokens=_sum(usage.reasoning_tokens for usage in known),
        cost=math.fsum(costs) if costs else None,
    )


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a message's content.

    Attributes:
        kind: `text`, `image`, `file`, or the agent's own word for something else.
        text: of a text; else empty.
        raw: what the agent wrote down, for what is no text.
    """

    kind: str
    text: str = ""
    raw: Fields | None = None


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What the model thought before it spoke.

    Attributes:
        text: readable; empty when only the sealed form is there.
        is_summary: another model's words for it.
        sealed: a signature of the text, or the thought itself in a form that only its maker can read.
    """

    text: str
    is_summary: bool = False
    sealed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A tool call of the model and what became of it.

    Attributes:
        id: under which the result came back; hooks name it too.
        arguments: an object, or the text that the model wrote where it is none.
        result: what the model was given back; None when nothing was.
        is_error: None when the agent did not say.
        status: `completed`, `failed`, `interrupted`, `pruned` (the model no longer sees the result) or `open`.
        kind: `function`, or the agent's word for a tool with input of another form.
        session_id: the session of the subagent that it started.
    """

    id: str
    name: str
    arguments: Fields | str
    result: tuple[Part, ...] | None = None
    is_error: bool | None = None
    status: str = OPEN
    kind: str = "function"
    session_id: str | None = None

    @property
    def output(self) -> str | None:
        """The text of the result."""
        return None if self.result is None else text_of(self.result)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message as the model got or gave it.

    Attributes:
        role: `system`, `user`, `assistant` or `tool`.
        kind: what it is to the agent: `prompt`, `answer`, `result`, `reminder`, `summary`, `command`, ...
        is_injected: neither the person nor the model said it: the agent did.
        is_visible: the model saw it.
        answers: the call whose result this is (role `tool`).
        id: the agent's own id of the message; the ids of snapshots are made of it.
        uuid: what tells copies of one record from others, across a session and its forks.
        at: RFC 3339.
    """

    role: str
    parts: tuple[Part, ...] = ()
    kind: str = ""
    reasoning: tuple[Reasoning, ...] = ()
    calls: tuple[ToolCall, ...] = ()
    answers: str | None = None
    is_injected: bool = False
    is_visible: bool = True
    model: str | None = None
    usage: Usage | None = None
    stop_reason: str | None = None
    at: str | None = None
    id: str | None = None
    uuid: str | None = None

    @property
    def text(self) -> str:
        return text_of(self.parts)


def text_of(parts: Iterable[Part]) -> str:
    """The texts of a content, a line each; what is no text is named in brackets."""
    return "\n".join(part.text if part.raw is None else f"[{part.kind}]" for part in parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What followed one prompt.

    Attributes:
        key: by which hooks name the turn: Claude Code's prompt id, Codex's turn id, OpenCode's user message id; empty
            when the agent gave it none.
        status: `completed`, `interrupted`, `failed` or `open`.
        is_inherited: copied from the session that this one was forked from.
    """

    key: str
    messages: tuple[Message, ...]
    status: str = OPEN
    model: str | None = None
    is_inherited: bool = False

    @property
    def prompt(self) -> str:
        """What the person asked for; empty in a turn that nobody asked for."""
        said = (message.text for message in self.messages if message.role == "user" and not message.is_injected)
        return next(said, "")

    @property
    def usage(self) -> Usage | None:
        return total(message.usage for message in self.messages)

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        return tuple(call for message in self.messages for call in message.calls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compaction:
    """Where the model's view was made smaller.

    Attributes:
        at: the number of messages of the session that the old view ended with.
        resumes: the number of the first message that followed in the new view; what is between made the summary.
        opening: what the new view began with.
        trigger: `auto` or `manual`, where the agent says so.
        pre_tokens: how large the view was, where the agent says so.
    """

    at: int
    resumes: int
    opening: tuple[Message, ...]
    trigger: str | None = None
    pre_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session in full.

    Attributes:
        parent_id: the session that it came from; relationship says how: `subagent` or `fork`.
        spawned_by: the id of the parent's tool call that started it.
        preamble: what the model was told before the first turn.
        tools: the tools that the model could call, as the agent wrote them down; empty when it did not.
        unknown: kinds of records that this reader does not know -> how many there were.
        unreadable_lines: lines that are no JSON object.
        notes: what a reader of the messages should know of their limits.
    """

    agent: str
    id: str
    title: str | None = None
    cwd: str | None = None
    git_branch: str | None = None
    version: str | None = None
    models: tuple[str, ...] = ()
    started_at: str | None = None
    ended_at: str | None = None
    parent_id: str | None = None
    relationship: str | None = None
    spawned_by: str | None = None
    preamble: tuple[Message, ...] = ()
    turns: tuple[Turn, ...] = ()
    tools: tuple[Fields, ...] = ()
    subagents: tuple[Session, ...] = ()
    compactions: tuple[Compaction, ...] = ()
    unknown: Mapping[str, int]
    unreadable_lines: int = 0
    notes: tuple[str, ...] = ()

    @property
    def messages(self) -> tuple[Message, ...]:
        """Those of all turns."""
        return tuple(message for turn in self.turns for message in turn.messages)

    @property
    def usage(self) -> Usage | None:
        """Without what its subagents used, and without what it inherited."""
        return total(turn.usage for turn in self.turns if not turn.is_inherited)


def views(session: Session) -> Iterator[tuple[Message, ...]]:
    """The conversations that the model saw: one, and another one after each compaction; the last is the longest known.

    What the model did not see is left out.
    """
    messages = session.messages
    opening: tuple[Message, ...] = ()
    start = 0
    for compaction in session.compactions:
        yield _visible((*session.preamble, *opening, *messages[start : compaction.at]))
        opening, start = compaction.opening, compaction.resumes
    yield _visible((*session.preamble, *opening, *messages[start:]))


def _visible(messages: Iterable[Message]) -> tuple[Message, ...]:
    return tuple(message for message in messages if message.is_visible)
