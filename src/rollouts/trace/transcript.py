"""The conversation that a model saw: the exact request of a thread's last call, also as messages and tools."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rollouts.trace.bundle import Bundle
from rollouts.trace.errors import TraceError
from rollouts.trace.model import Graph, Inference

Fields = dict[str, Any]
"""An object of the Responses API, as it was sent."""
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Conversation:
    """What the model of a thread saw last, and said to it.

    Attributes:
        request: the request as it was sent, with what an incremental one left out put back into its `input`.
        response: the items that came back; empty when none did.
    """

    thread_id: str
    agent_path: str
    inference: Inference
    request: Fields
    response: list[Fields]

    @property
    def tools(self) -> list[Fields]:
        """The tools that the model could call, as they were sent: with the request, or in an item of it."""
        given = [self.request.get("tools"), *(item.get("tools") for item in _objects(self.request.get("input")))]
        return [tool for tools in given for tool in _objects(tools)]

    def messages(self) -> list[Fields]:
        """The conversation in the roles of chat templates, the answer included."""
        return messages(self.request, self.response)


def conversations(folder: str, graph: Graph, thread_id: str | None = None) -> list[Conversation]:
    """The conversations of a bundle's threads, in the order in which the threads were started.

    Args:
        folder: the bundle.
        graph: its reduction.
        thread_id: only that thread's; None for all that had an inference.

    Raises:
        TraceError: there is no such thread, or it had no inference that can be read.
    """
    if thread_id is not None and thread_id not in graph.threads:
        raise TraceError(f"there is no thread {thread_id} in this bundle")
    last = _last_inferences(graph)
    if thread_id is not None and thread_id not in last:
        raise TraceError(f"the model of thread {thread_id} was never called")
    reader = _Reader(Bundle(folder), graph)
    wanted = last if thread_id is None else {thread_id: last[thread_id]}
    return [
        reader.conversation(inference)
        for name, inference in sorted(wanted.items(), key=lambda pair: graph.threads[pair[0]].execution.started_seq)
    ]


def turns(folder: str, graph: Graph) -> Iterator[Conversation]:
    """The conversation at the end of each turn of each thread, in the order in which they ended.

    Args:
        folder: the bundle.
        graph: its reduction.

    Raises:
        TraceError: a payload cannot be read.
    """
    reader = _Reader(Bundle(folder), graph)
    last = _last(graph, lambda one: (one.thread_id, one.codex_turn_id))
    for inference in sorted(last.values(), key=lambda one: one.execution.started_seq):
        yield reader.conversation(inference)


def _last_inferences(graph: Graph) -> dict[str, Inference]:
    """Thread -> its last inference that was answered, or else its last."""
    return _last(graph, lambda one: one.thread_id)


def _last(graph: Graph, key: Callable[[Inference], Key]) -> dict[Key, Inference]:
    """Of the inferences with the same key the last that was answered, or else the last."""
    found: dict[Key, Inference] = {}
    for inference in sorted(graph.inference_calls.values(), key=lambda one: one.execution.started_seq):
        before = found.get(key(inference))
        if before is None or inference.raw_response_payload_id or not before.raw_response_payload_id:
            found[key(inference)] = inference
    return found


class _Reader:
    """Reads requests and responses of a bundle."""

    def __init__(self, bundle: Bundle, graph: Graph) -> None:
        self._bundle = bundle
        self._graph = graph
        self._by_response: dict[tuple[str, str], Inference] = {}
        for inference in sorted(graph.inference_calls.values(), key=lambda one: one.inference_call_id):
            if inference.response_id is not None:
                self._by_response.setdefault((inference.thread_id, inference.response_id), inference)

    def _payload(self, payload_id: str) -> Fields:
        ref = self._graph.raw_payloads.get(payload_id)
        if ref is None:
            raise TraceError(f"payload {payload_id} is not in the bundle")
        try:
            found = json.loads(self._bundle.read(ref.path))
        except TraceError as error:
            raise error.within(f"read payload {payload_id}") from None
        except (ValueError, RecursionError) as error:
            raise TraceError(f"invalid payload {payload_id}", (str(error),)) from None
        return found if isinstance(found, dict) else {}

    def conversation(self, inference: Inference) -> Conversation:
        """What the model was shown in an inference, and its answer."""
        path = self._graph.threads[inference.thread_id].agent_path
        return Conversation(inference.thread_id, path, inference, self.request(inference), self.answer(inference))

    def answer(self, inference: Inference) -> list[Fields]:
        """The items of a response; those that are no objects are none."""
        payload_id = inference.raw_response_payload_id
        return _objects(self._payload(payload_id).get("output_items")) if payload_id else []

    def request(self, inference: Inference) -> Fields:
        """A request, whole: what incremental ones left out comes from the calls that they go on from."""
        request = self._payload(inference.raw_request_payload_id)
        parts = [_objects(request.get("input"))]
        seen = {inference.inference_call_id}
        going = request
        while before := self._by_response.get((inference.thread_id, str(going.get("previous_response_id")))):
            if before.inference_call_id in seen:
                break
            seen.add(before.inference_call_id)
            going = self._payload(before.raw_request_payload_id)
            parts += [self.answer(before), _objects(going.get("input"))]
        return {**request, "input": [item for part in reversed(parts) for item in part]}


def _objects(values: object) -> list[Fields]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


@dataclass(slots=True)
class _Assistant:
    """A turn of the assistant's: what it thought, said and called before anyone else spoke."""

    thoughts: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    calls: list[Fields] = field(default_factory=list)

    def message(self) -> Fields | None:
        if not self.texts and not self.calls:
            return None
        found: Fields = {"role": "assistant", "content": "\n".join(self.texts)}
        if self.thoughts:
            found["reasoning_content"] = "\n".join(self.thoughts)
        if self.calls:
            found["tool_calls"] = self.calls
        return found


_ROLES = {"system": "system", "developer": "system", "user": "user", "tool": "tool"}
_CALLS = {"function_call", "custom_tool_call"}
_OUTPUTS = {"function_call_output", "custom_tool_call_output"}


def messages(request: Fields, response: Sequence[Fields]) -> list[Fields]:
    """A request and its response as messages of the roles system, user, assistant and tool.

    A call that has no output, and an output that has no call, is left out: no chat template knows what to do with one.
    """
    items = [*_objects(request.get("input")), *response]
    calls = {item.get("call_id"): _name(item) for item in items if item.get("type") in _CALLS}
    answered = {item.get("call_id") for item in items if item.get("type") in _OUTPUTS} & calls.keys()
    found: list[Fields] = []
    instructions = request.get("instructions")
    if isinstance(instructions, str) and instructions:
        found.append({"role": "system", "content": instructions})
    turn = _Assistant()
    for item in items:
        said = _by_another(item, calls, answered)
        if said is None:
            _take(turn, item, answered)
            continue
        found += filter(None, [turn.message()])
        turn = _Assistant()
        found.append(said)
    return [*found, *filter(None, [turn.message()])]


def _by_another(item: Fields, calls: dict[Any, str], answered: Iterable[Any]) -> Fields | None:
    """What somebody else than the assistant said."""
    kind, role = item.get("type"), item.get("role")
    if kind == "message" and role in _ROLES:
        return {"role": _ROLES[str(role)], "content": _text(item.get("content"))}
    if kind in _OUTPUTS and item.get("call_id") in answered:
        call_id = item.get("call_id")
        content = _text(item.get("output"))
        return {"role": "tool", "tool_call_id": call_id, "name": calls[call_id], "content": content}
    if kind == "agent_message":
        return {"role": "user", "content": _text(item.get("content"))}
    return None


def _take(turn: _Assistant, item: Fields, answered: Iterable[Any]) -> None:
    kind = item.get("type")
    if kind == "reasoning":
        turn.thoughts += [text for name in ("content", "summary") if (text := _text(item.get(name)))]
    elif kind == "message":
        turn.texts += [text for text in [_text(item.get("content"))] if text]
    elif kind in _CALLS and item.get("call_id") in answered:
        function = {"name": _name(item), "arguments": _arguments(item)}
        turn.calls.append({"id": item.get("call_id"), "type": "function", "function": function})


def _name(item: Fields) -> str:
    space = item.get("namespace")
    name = str(item.get("name") or "")
    return f"{space}.{name}" if isinstance(space, str) and space else name


def _arguments(item: Fields) -> Fields:
    """What a tool was called with; a text that is no JSON object is the argument `input`."""
    text = item.get("arguments", item.get("input"))
    try:
        found = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {"input": text}


def _text(content: object) -> str:
    """The text of an item's content; what is no text is named in brackets."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return "" if content is None else json.dumps(content, ensure_ascii=False)
    return "\n".join(_part(part) for part in content)


def _part(part: object) -> str:
    if isinstance(part, dict) and isinstance(part.get("text"), str):
        return str(part["text"])
    return f"[{part.get('type', 'content')}]" if isinstance(part, dict) else str(part)


def function_schemas(tools: Sequence[Fields]) -> list[Fields]:
    """Tools as chat templates take them. One of free text has the argument `input`; what has no name is no function."""
    found = []
    for tool in tools:
        if tool.get("type") == "namespace":
            inner = function_schemas(_objects(tool.get("tools")))
            for schema in inner:
                schema["function"]["name"] = f"{tool.get('name')}.{schema['function']['name']}"
            found += inner
        elif isinstance(tool.get("name"), str):
            found.append({"type": "function", "function": _schema(tool)})
    return found


_FREE_TEXT: Fields = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}


def _schema(tool: Fields) -> Fields:
    given = tool.get("parameters")
    parameters = given if isinstance(given, dict) else _FREE_TEXT
    description = tool.get("description")
    return {
        "name": tool["name"],
        "description": description if isinstance(description, str) else "",
        "parameters": parameters,
    }
