"""Lines of Claude Code's files, as far as a look at them wants to know them."""

from __future__ import annotations

import msgspec

from rollouts.agents.tally import Count


class _Tokens(msgspec.Struct):
    input_tokens: Count = None
    output_tokens: Count = None
    cache_creation_input_tokens: Count = None
    cache_read_input_tokens: Count = None
    reasoning_tokens: Count = None


class Block(msgspec.Struct):
    """A part of a message: a text, a tool's call, its result."""

    type: str | None = None
    text: str | None = None
    name: object = None
    input: object = None
    is_error: bool | None = None


class Message(msgspec.Struct):
    """A message, or as much of it as its line has."""

    id: str | None = None
    model: str | None = None
    content: str | list[Block] | None = None
    usage: _Tokens | None = None


class _Origin(msgspec.Struct):
    session_id: str | None = msgspec.field(default=None, name="sessionId")


class Line(msgspec.Struct):
    """A line of a session's file."""

    type: str | None = None
    uuid: str | None = None
    parent_uuid: str | None = msgspec.field(default=None, name="parentUuid")
    session_id: str | None = msgspec.field(default=None, name="sessionId")
    request_id: str | None = msgspec.field(default=None, name="requestId")
    timestamp: str | None = None
    cwd: str | None = None
    git_branch: str | None = msgspec.field(default=None, name="gitBranch")
    version: str | None = None
    is_meta: bool | None = msgspec.field(default=None, name="isMeta")
    is_summary: bool | None = msgspec.field(default=None, name="isCompactSummary")
    summary: str | None = None
    custom_title: str | None = msgspec.field(default=None, name="customTitle")
    ai_title: str | None = msgspec.field(default=None, name="aiTitle")
    forked_from: _Origin | None = msgspec.field(default=None, name="forkedFrom")
    message: Message | None = None


DECODER = msgspec.json.Decoder(Line)
