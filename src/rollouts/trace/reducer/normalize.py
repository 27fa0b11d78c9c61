"""One item of a model's input or output, brought into the form in which items are told apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from rollouts.trace.errors import TraceError
from rollouts.trace.jsontext import Json, JsonError, compact, fingerprint
from rollouts.trace.reducer.mail import Mail, from_agent_message, from_text
from rollouts.trace.reducer.rules import Rules
from rollouts.trace.values import (
    AgentMessage,
    Channel,
    Code,
    Encoded,
    ItemKind,
    JsonPart,
    Part,
    PayloadPart,
    Role,
    Summary,
    Text,
)

Key = tuple[object, ...]
"""What two sightings of one item have in common; equal keys are one item's."""

_SUMMARY_BYTES = 240
_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
_CHANNELS: dict[str, Channel] = {"commentary": "commentary", "final_answer": "final", "summary": "summary"}
_TEXTS = {"input_text", "output_text", "text"}


@dataclass(frozen=True, slots=True)
class Normalized:
    """An item as it was seen.

    Attributes:
        response_id: its id in the Responses API.
        parts: its content; parts that refer to a payload name the one it was first seen in.
        key: what it is matched by, within a payload when `local`.
        local: it matches nothing that was seen in another payload.
        mail: what it says when it carries a message between agents.
        inert: seeing it once more where it was seen before changes nothing.
    """

    role: Role
    channel: Channel | None
    kind: ItemKind
    call_id: str | None
    response_id: str | None
    agent_message: AgentMessage | None
    parts: tuple[Part, ...]
    key: Key
    local: bool
    mail: Mail | None
    inert: bool

    def key_in(self, payload_id: str) -> Key:
        return (*self.key, payload_id) if self.local else self.key

    def parts_in(self, payload_id: str) -> list[Part]:
        """The parts, as seen in a payload."""
        return [
            replace(part, raw_payload_id=payload_id) if isinstance(part, JsonPart | PayloadPart) else part
            for part in self.parts
        ]


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a type of item comes to, before its key is made."""

    role: Role
    channel: Channel | None
    kind: ItemKind
    parts: list[Part]
    agent_message: AgentMessage | None = None


class Normalizer:
    """Normalizes items by the rules of a schema; `text` parses JSON inside of them."""

    def __init__(self, rules: Rules, text: Callable[[str], Json]) -> None:
        self._rules = rules
        self._text = text

    def item(self, value: Json, payload_id: str) -> Normalized | None:
        """Normalizes an item that was seen in a payload. Returns None for one that takes no place.

        Raises:
            TraceError: it is none that a conversation holds.
        """
        fields = value if isinstance(value, dict) else {}
        kind = fields.get("type")
        if not isinstance(kind, str):
            raise TraceError(f"model item in payload {payload_id} did not contain a string type")
        if kind == "additional_tools" and self._rules.has_agent_messages:
            return None
        return self._keyed(self._shape(kind, fields, payload_id), fields)

    def _keyed(self, shape: _Shape, fields: dict[str, Json]) -> Normalized:
        has_call = shape.kind not in {"message", "reasoning"}
        call_id = _string(fields.get("call_id")) if has_call else None
        body = _body_key(shape)
        key: Key = (shape.kind, shape.role, shape.channel, call_id, shape.agent_message, body)
        local = any(isinstance(part, PayloadPart) and part.content_sha256 is None for part in shape.parts)
        mail = self._mail(shape)
        return Normalized(
            shape.role,
            shape.channel,
            shape.kind,
            call_id,
            _string(fields.get("id")) if self._rules.accepts_history else None,
            shape.agent_message,
            tuple(shape.parts),
            key,
            local,
            mail,
            call_id is None and mail is None and not local,
        )

    def _mail(self, shape: _Shape) -> Mail | None:
        if shape.agent_message:
            return from_agent_message(shape.agent_message, shape.parts)
        if shape.role == "assistant" and shape.kind == "message" and len(shape.parts) == 1:
            part = shape.parts[0]
            encrypted = self._rules.has_agent_messages
            return from_text(part.text, encrypted=encrypted) if isinstance(part, Text) else None
        return None

    def _shape(self, kind: str, fields: dict[str, Json], payload_id: str) -> _Shape:  # noqa: PLR0911 - one a type
        match kind:
            case "message":
                return self._message(fields, payload_id)
            case "reasoning":
                return _Shape("assistant", "analysis", "reasoning", _reasoning(fields, payload_id))
            case "function_call":
                return _Shape("assistant", "commentary", "function_call", self._arguments(fields, payload_id))
            case "function_call_output" | "custom_tool_call_output":
                return _Shape("tool", "commentary", _output_kind(kind), self._output(fields, payload_id))
            case "custom_tool_call":
                return _Shape("assistant", "commentary", "custom_tool_call", self._program(fields, payload_id))
            case "tool_search_call" | "web_search_call" | "image_generation_call" | "local_shell_call":
                return _Shape("assistant", "commentary", "function_call", [self._json(fields, payload_id)])
            case "tool_search_output" | "mcp_tool_call_output":
                return _Shape("tool", "commentary", "function_call_output", [self._json(fields, payload_id)])
            case "compaction" | "compaction_summary" | "context_compaction":
                return _Shape("assistant", "summary", "message", [_compacted(fields, payload_id)])
            case "agent_message" if self._rules.has_agent_messages:
                return _agent_message(fields, payload_id)
        raise TraceError(f"unsupported model item type {kind} in payload {payload_id}")

    def _message(self, fields: dict[str, Json], payload_id: str) -> _Shape:
        given = fields.get("role")
        if not isinstance(given, str):
            raise TraceError(f"message item in payload {payload_id} did not contain a string role")
        role = _ROLES.get(given)
        if role is None:
            raise TraceError(f"unsupported message role {given} in payload {payload_id}")
        phase = fields.get("phase")
        channel = _CHANNELS.get(phase) if isinstance(phase, str) else None
        return _Shape(role, channel, "message", self._content(fields.get("content"), payload_id))

    def _content(self, content: Json, payload_id: str) -> list[Part]:
        if not isinstance(content, list):
            return [self._ref("content", None, payload_id, given=False)]
        parts: list[Part] = []
        for entry in content:
            kind = entry.get("type") if isinstance(entry, dict) else None
            if isinstance(entry, dict) and kind in _TEXTS:
                text = entry.get("text")
                parts += [Text(text)] if isinstance(text, str) else []
            else:
                parts.append(self._ref(kind if isinstance(kind, str) else "content", entry, payload_id))
        if not parts and not self._rules.hashes_content:
            return [self._ref("empty_content", None, payload_id)]
        return parts

    def _arguments(self, fields: dict[str, Json], payload_id: str) -> list[Part]:
        if "arguments" not in fields:
            return [self._ref("payload", None, payload_id, given=False)]
        arguments = fields["arguments"]
        if not isinstance(arguments, str):
            return [self._json(arguments, payload_id)]
        try:
            return [self._json(self._text(arguments), payload_id)]
        except JsonError:
            return [Text(arguments)]

    def _output(self, fields: dict[str, Json], payload_id: str) -> list[Part]:
        if "output" not in fields:
            return [self._ref("tool_output", None, payload_id, given=False)]
        output = fields["output"]
        if isinstance(output, str):
            return [Text(output)]
        return self._content(output, payload_id) if isinstance(output, list) else [self._json(output, payload_id)]

    def _program(self, fields: dict[str, Json], payload_id: str) -> list[Part]:
        source = fields.get("input")
        if not isinstance(source, str):
            return [self._json(fields, payload_id)]
        return [Code("javascript", source) if fields.get("name") == "exec" else Text(source)]

    def _json(self, value: Json, payload_id: str) -> Part:
        summary = compact(value)
        data = summary.encode()
        if len(data) > _SUMMARY_BYTES:
            summary = data[:_SUMMARY_BYTES].decode(errors="ignore") + "..."
        return JsonPart(summary, payload_id)

    def _ref(self, label: str, content: Json, payload_id: str, *, given: bool = True) -> Part:
        """What has no text: a pointer to the payload and, where the schema has it, what tells contents apart."""
        known_by = fingerprint(content) if self._rules.hashes_content and given else None
        return PayloadPart(label, payload_id, known_by)


def _string(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _output_kind(kind: str) -> ItemKind:
    return "function_call_output" if kind == "function_call_output" else "custom_tool_call_output"


def _body_key(shape: _Shape) -> Key:
    """Parts without where they were seen. Reasoning is known by what is encoded of it, where something is."""
    encoded = [part for part in shape.parts if isinstance(part, Encoded)]
    if shape.kind == "reasoning" and encoded:
        return (encoded[0],)
    return tuple(_part_key(part) for part in shape.parts)


def _part_key(part: Part) -> object:
    if isinstance(part, JsonPart):
        return ("json", part.summary)
    if isinstance(part, PayloadPart):
        return ("payload", part.label, part.content_sha256)
    return part


def _reasoning(fields: dict[str, Json], payload_id: str) -> list[Part]:
    parts: list[Part] = []
    if fields.get("content") is not None:
        parts += (Text(text) for text in _thoughts(fields["content"], "content", payload_id))
    if "summary" in fields:
        parts += (Summary(text) for text in _thoughts(fields["summary"], "summary", payload_id))
    encoded = fields.get("encrypted_content")
    if encoded is not None:
        if not isinstance(encoded, str):
            raise TraceError(f"reasoning item in payload {payload_id} had non-string encrypted_content")
        parts.append(Encoded("encrypted_content", encoded))
    if not parts:
        raise TraceError(f"reasoning item in payload {payload_id} contained no content, summary, or encrypted_content")
    return parts


_THOUGHTS = {"content": {"reasoning_text", "text"}, "summary": {"summary_text"}}


def _thoughts(entries: Json, name: str, payload_id: str) -> list[str]:
    item = f"reasoning item in payload {payload_id} had"
    if not isinstance(entries, list):
        raise TraceError(f"{item} non-array {name}")
    texts = []
    for entry in entries:
        fields = entry if isinstance(entry, dict) else {}
        kind, text = fields.get("type"), fields.get("text")
        if not isinstance(kind, str):
            raise TraceError(f"{item} {name} entry without string type")
        if kind not in _THOUGHTS[name]:
            raise TraceError(f"{item} unsupported {name} type {kind}")
        if not isinstance(text, str):
            raise TraceError(f"{item} {name} entry without string text")
        texts.append(text)
    return texts


def _compacted(fields: dict[str, Json], payload_id: str) -> Part:
    encoded = fields.get("encrypted_content")
    if not isinstance(encoded, str):
        raise TraceError(f"compaction item in payload {payload_id} did not contain string encrypted_content")
    return Encoded("encrypted_content", encoded)


def _agent_message(fields: dict[str, Json], payload_id: str) -> _Shape:
    item = f"agent_message item in payload {payload_id}"
    author, recipient, content = (fields.get(name) for name in ("author", "recipient", "content"))
    if not isinstance(author, str):
        raise TraceError(f"{item} did not contain a string author")
    if not isinstance(recipient, str):
        raise TraceError(f"{item} did not contain a string recipient")
    if not isinstance(content, list):
        raise TraceError(f"{item} did not contain array content")
    parts = [_letter(entry, item) for entry in content]
    if not parts:
        raise TraceError(f"{item} contained no content")
    return _Shape("assistant", "analysis", "message", parts, AgentMessage(author, recipient))


def _letter(entry: Json, item: str) -> Part:
    fields = entry if isinstance(entry, dict) else {}
    kind = fields.get("type")
    if not isinstance(kind, str):
        raise TraceError(f"{item} had content without a string type")
    if kind == "input_text":
        text = fields.get("text")
        if not isinstance(text, str):
            raise TraceError(f"{item} had input_text without string text")
        return Text(text)
    if kind == "encrypted_content":
        encoded = fields.get("encrypted_content")
        if not isinstance(encoded, str):
            raise TraceError(f"{item} had encrypted_content without a string payload")
        return Encoded("encrypted_content", encoded)
    raise TraceError(f"{item} had unsupported content type {kind}")
