"""An answer of a model as each API streams it: server-sent events (the pages that requests.py names)."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
Event = tuple[str | None, Json]
"""Its name, if the API names them, and its data."""

CACHED_TOKENS = 7
REASONING_TOKENS = 3


@dataclass(frozen=True)
class ToolCall:
    id: str
    tool: str
    arguments: Json | str
    namespace: str = ""


@dataclass(frozen=True)
class Answer:
    """What the model says to one request."""

    model: str
    thinking: str
    text: str
    calls: tuple[ToolCall, ...]
    tokens_in: int
    tokens_out: int = 20
    id: str = field(default_factory=lambda: secrets.token_hex(12))


def _pieces(text: str, size: int = 48) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def _anthropic_blocks(answer: Answer) -> Iterator[tuple[Json, list[Json]]]:
    """Each content block as it starts, and what is added to it."""
    if answer.thinking:
        signature = {"type": "signature_delta", "signature": "ZmFrZS1zaWduYXR1cmU="}
        deltas = [{"type": "thinking_delta", "thinking": answer.thinking}, signature]
        yield {"type": "thinking", "thinking": "", "signature": ""}, deltas
    if answer.text:
        yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in _pieces(answer.text)]
    for call in answer.calls:
        pieces = _pieces(json.dumps(call.arguments))
        start = {"type": "tool_use", "id": f"toolu_{call.id}", "name": call.tool, "input": {}}
        yield start, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]


def _anthropic_events(answer: Answer) -> Iterator[Json]:
    usage = {"input_tokens": answer.tokens_in, "output_tokens": 1}
    usage |= {"cache_creation_input_tokens": 0, "cache_read_input_tokens": CACHED_TOKENS}
    message = {"id": f"msg_{answer.id}", "type": "message", "role": "assistant", "model": answer.model, "content": []}
    yield {"type": "message_start", "message": {**message, "stop_reason": None, "stop_sequence": None, "usage": usage}}
    for index, (start, deltas) in enumerate(_anthropic_blocks(answer)):
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    end = {"stop_reason": "tool_use" if answer.calls else "end_turn", "stop_sequence": None}
    yield {"type": "message_delta", "delta": end, "usage": {"output_tokens": answer.tokens_out}}
    yield {"type": "message_stop"}


def messages(answer: Answer) -> Iterator[Event]:
    """For Anthropic Messages."""
    for event in _anthropic_events(answer):
        yield event["type"], event


def _deltas(answer: Answer) -> Iterator[Json]:
    yield {"role": "assistant", "content": ""}
    if answer.thinking:
        yield {"reasoning_content": answer.thinking}
    for piece in _pieces(answer.text):
        yield {"content": piece}
    for index, call in enumerate(answer.calls):
        function = {"name": call.tool, "arguments": json.dumps(call.arguments)}
        yield {"tool_calls": [{"index": index, "id": f"call_{call.id}", "type": "function", "function": function}]}


def completions(answer: Answer) -> Iterator[Event]:
    """For OpenAI Chat Completions."""
    frame = {"id": f"chatcmpl-{answer.id}", "object": "chat.completion.chunk", "created": int(time.time())}
    frame["model"] = answer.model
    for delta in _deltas(answer):
        yield None, {**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    end = {"index": 0, "delta": {}, "finish_reason": "tool_calls" if answer.calls else "stop"}
    usage = {"prompt_tokens": answer.tokens_in, "completion_tokens": answer.tokens_out}
    usage["total_tokens"] = answer.tokens_in + answer.tokens_out
    yield None, {**frame, "choices": [end], "usage": usage}


def _call_item(call: ToolCall) -> Json:
    shared = {"status": "completed", "call_id": f"call_{call.id}", "name": call.tool}
    if isinstance(call.arguments, str):
        return {"type": "custom_tool_call", "id": f"ctc_{call.id}", **shared, "input": call.arguments}
    space = {"namespace": call.namespace} if call.namespace else {}
    return {
        "type": "function_call",
        "id": f"fc_{call.id}",
        **shared,
        **space,
        "arguments": json.dumps(call.arguments),
    }


def _items(answer: Answer) -> Iterator[Json]:
    if answer.thinking:
        summary = [{"type": "summary_text", "text": answer.thinking}]
        yield {"type": "reasoning", "id": f"rs_{answer.id}", "summary": summary, "encrypted_content": "ZmFrZQ=="}
    if answer.text:
        content = [{"type": "output_text", "text": answer.text, "annotations": []}]
        message = {"type": "message", "id": f"msg_{answer.id}", "role": "assistant", "status": "completed"}
        yield {**message, "content": content}
    yield from (_call_item(call) for call in answer.calls)


def _response_usage(answer: Answer) -> Json:
    return {
        "input_tokens": answer.tokens_in,
        "input_tokens_details": {"cached_tokens": CACHED_TOKENS},
        "output_tokens": answer.tokens_out,
        "output_tokens_details": {"reasoning_tokens": REASONING_TOKENS if answer.thinking else 0},
        "total_tokens": answer.tokens_in + answer.tokens_out,
    }


def _response_events(answer: Answer) -> Iterator[Json]:
    """Codex takes whole items; the pieces of one are for a terminal to show."""
    response: Json = {"id": f"resp_{answer.id}", "object": "response", "model": answer.model}
    yield {"type": "response.created", "response": {**response, "status": "in_progress", "output": []}}
    items = list(_items(answer))
    for index, item in enumerate(items):
        yield {"type": "response.output_item.added", "output_index": index, "item": item}
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    done = {**response, "status": "completed", "output": items, "usage": _response_usage(answer)}
    yield {"type": "response.completed", "response": done}


def responses(answer: Answer) -> Iterator[Event]:
    """For OpenAI Responses."""
    for number, event in enumerate(_response_events(answer)):
        yield event["type"], {**event, "sequence_number": number}


APIS: dict[str, Callable[[Answer], Iterator[Event]]] = {
    "messages": messages,
    "completions": completions,
    "responses": responses,
}
"""By the last word of the API's path."""
