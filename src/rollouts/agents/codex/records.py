"""Lines of Codex's files, as far as a look at them wants to know them."""

from __future__ import annotations

import msgspec

from rollouts.agents.lines import parsed
from rollouts.agents.tally import Count


class Amounts(msgspec.Struct):
    """Tokens of a request, or of all until then."""

    input_tokens: Count = None
    cached_input_tokens: Count = None
    cache_write_input_tokens: Count = None
    output_tokens: Count = None
    reasoning_output_tokens: Count = None
    total_tokens: Count = None


class _Info(msgspec.Struct):
    total_token_usage: Amounts | None = None
    last_token_usage: Amounts | None = None


class _Git(msgspec.Struct):
    branch: str | None = None


class Part(msgspec.Struct):
    text: str | None = None


class _Passed(msgspec.Struct):
    content_item_kinds: list[str] | None = None


class Payload(msgspec.Struct):
    """What a line holds, of whatever kind it is."""

    type: str | None = None
    id: str | None = None
    session_id: str | None = None
    parent_thread_id: str | None = None
    forked_from_id: str | None = None
    timestamp: str | None = None
    cwd: str | None = None
    cli_version: str | None = None
    source: str | dict[str, msgspec.Raw] | None = None
    git: _Git | None = None
    model: str | None = None
    role: str | None = None
    content: list[Part] | str | None = None
    info: _Info | None = None
    usage: Amounts | None = None
    response_id: str | None = None
    turn_id: str | None = None
    thread_name: str | None = None
    name: object = None
    """Of a call, as the next three; other kinds may have anything by these names."""
    arguments: object = None
    input: object = None
    action: object = None
    exit_code: Count = None
    success: bool | None = None
    passed: _Passed | None = msgspec.field(default=None, name="internal_chat_message_metadata_passthrough")


class Line(msgspec.Struct):
    """A line of a thread's file."""

    type: str | None = None
    timestamp: str | None = None
    payload: Payload | None = None
    id: str | None = None
    """The fields from here on stand in lines of the oldest form, which are items themselves."""
    role: str | None = None
    content: list[Part] | str | None = None
    git: _Git | None = None
    record_type: str | None = None


class _Spawn(msgspec.Struct):
    parent_thread_id: str | None = None


class _Subagent(msgspec.Struct):
    thread_spawn: _Spawn | None = None


DECODER = msgspec.json.Decoder(Line)
_SPAWN = msgspec.json.Decoder(_Subagent)


def said(item: Payload) -> str:
    """The text of a message."""
    parts = [Part(item.content)] if isinstance(item.content, str) else item.content or []
    return "\n".join(part.text for part in parts if part.text)


def parent_of(meta: Payload) -> str | None:
    """The thread that started this one as a subagent."""
    if meta.parent_thread_id:
        return meta.parent_thread_id
    spawned = meta.source.get("subagent") if isinstance(meta.source, dict) else None
    if spawned is None:
        return None
    subagent = parsed(bytes(spawned), _SPAWN)
    return subagent.thread_spawn.parent_thread_id if subagent and subagent.thread_spawn else None
