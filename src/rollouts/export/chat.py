"""Messages as chat templates take them: alternating roles, each call with its result behind it, the answer last.

The shape is that of TRL's conversational datasets (https://huggingface.co/docs/trl/dataset_formats#tool-calling), which
is OpenAI's with the arguments as an object.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence

from rollouts.agents.session import Fields, Message, Reasoning, ToolCall, text_of
from rollouts.contracts.strict_json import Json

Chat = dict[str, Json]
"""One message: role, content, and what its role has besides."""
Notes = Counter[str]
"""What was left out -> how often."""

UNANSWERED = "calls without a result"
ORPHANS = "results without a call"
NOT_SAID = "answers that the agent gave in the model's place"
UNSAYABLE = "parts of answers that are no text"
_BETWEEN = "\n\n"


# A message of a session


def _reasoning(found: Iterable[Reasoning]) -> str:
    """What the model thought in its own words; another model's summary where these are not there."""
    readable = [one for one in found if one.text]
    own = [one.text for one in readable if not one.is_summary]
    return "\n".join(own or [one.text for one in readable])


def _arguments(given: Fields | str) -> Json:
    """Arguments are an object in every template; a tool of free text has one that is called `input`."""
    return {"input": given} if isinstance(given, str) else dict(given)


def _call(call: ToolCall) -> Json:
    function: Json = {"name": call.name, "arguments": _arguments(call.arguments)}
    found: Chat = {"id": call.id, "type": "function", "function": function}
    return found | ({"session_id": call.session_id} if call.session_id else {})


def _answer(message: Message, notes: Notes, *, is_context: bool) -> Chat | None:
    if message.is_injected:
        notes[NOT_SAID] += 1
        return None
    texts = [part for part in message.parts if part.raw is None]
    notes[UNSAYABLE] += len(message.parts) - len(texts)
    found: Chat = {"role": "assistant", "content": text_of(texts)}
    thought = _reasoning(message.reasoning)
    if thought:
        found["reasoning_content"] = thought
    if message.calls:
        found["tool_calls"] = [_call(call) for call in message.calls]
    return found | ({"weight": 0} if is_context else {})


def said(message: Message, notes: Notes, *, is_context: bool) -> Chat | None:
    """A message by itself; None for one that no model is to learn from, or that says nothing.

    Args:
        message: of a session; the model saw it.
        notes: counts what is left out.
        is_context: the model said it elsewhere; a trainer that knows `weight` passes it over.
    """
    if message.role == "assistant":
        return _answer(message, notes, is_context=is_context)
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.answers, "content": message.text}
    return {"role": message.role, "content": message.text} if message.text.strip() else None


# Messages in their order


def _listed(value: Json) -> list[Chat]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


class _Results:
    """The results of a conversation, each for the nearest call before it that has its id."""

    def __init__(self, messages: Sequence[Chat]) -> None:
        self._waiting: dict[Json, list[tuple[int, Chat]]] = {}
        for place, message in enumerate(messages):
            if message["role"] == "tool":
                self._waiting.setdefault(str(message.get("tool_call_id")), []).append((place, message))

    def take(self, call: Chat, place: int, before: int) -> Chat | None:
        """The result of a call that stands at a place, ahead of the next call of the same id at `before`."""
        waiting = self._waiting.get(str(call["id"]), [])
        found = next((one for one in waiting if place < one[0] < before), None)
        if found is None:
            return None
        waiting.remove(found)
        function = call["function"]
        name = function["name"] if isinstance(function, dict) else ""
        return {"role": "tool", "tool_call_id": call["id"], "name": name, "content": found[1]["content"]}

    @property
    def left(self) -> int:
        return sum(map(len, self._waiting.values()))


def _next_of_each(messages: Sequence[Chat]) -> dict[tuple[int, str], int]:
    """Place and id of a call -> the place of the next call of that id; some providers count anew in each answer."""
    later: dict[str, int] = {}
    found = {}
    for place in range(len(messages) - 1, -1, -1):
        ids = [str(call["id"]) for call in _listed(messages[place].get("tool_calls"))]
        for name in ids:
            found[place, name] = later.get(name, len(messages))
        later |= dict.fromkeys(ids, place)
    return found


def _paired(messages: Sequence[Chat], notes: Notes) -> list[Chat]:
    """Each call with its result right behind the message that made it; neither without the other."""
    results, following = _Results(messages), _next_of_each(messages)
    found: list[Chat] = []
    for place, message in enumerate(messages):
        if message["role"] == "tool":
            continue
        calls = _listed(message.get("tool_calls"))
        answered = [
            (call, result)
            for call in calls
            if (result := results.take(call, place, following[place, str(call["id"])])) is not None
        ]
        notes[UNANSWERED] += len(calls) - len(answered)
        kept = {key: value for key, value in message.items() if key not in {"tool_calls", "weight"}}
        if answered:
            kept["tool_calls"] = [call for call, _ in answered]
        if "weight" in message:
            kept["weight"] = message["weight"]
        if kept["content"] or answered:
            found += [kept, *(result for _, result in answered)]
    notes[ORPHANS] += results.left
    return found


def _with_one_system(messages: Iterable[Chat]) -> list[Chat]:
    """What opens the conversation is the system's; what agents put in later comes to the model among the user's words.

    Templates refuse a system message that is not the first, or drop it.
    """
    found: list[Chat] = []
    for message in messages:
        is_late = message["role"] == "system" and any(one["role"] != "system" for one in found)
        found.append(message | {"role": "user"} if is_late else message)
    return found


def _as_one(first: Chat, second: Chat) -> Chat:
    whole = first | second
    for key, between in (("content", _BETWEEN), ("reasoning_content", "\n")):
        texts = [text for one in (first, second) if isinstance(text := one.get(key), str) and text]
        if texts or key == "content":
            whole[key] = between.join(texts)
    return whole


def _alternating(messages: Iterable[Chat]) -> list[Chat]:
    """Messages of one role in a row as one, as servers of models take them; results part answers that have calls."""
    found: list[Chat] = []
    for message in messages:
        last = found[-1] if found else None
        is_more = last is not None and last["role"] == message["role"] != "tool"
        if last is not None and is_more and last.get("weight") == message.get("weight"):
            found[-1] = _as_one(last, message)
        else:
            found.append(message)
    return found


def is_end(message: Chat) -> bool:
    """Whether a conversation may end with a message: an answer, which waits for nothing."""
    return message["role"] == "assistant" and not message.get("tool_calls") and message.get("weight") != 0


def shaped(messages: Iterable[Chat], notes: Notes) -> list[Chat]:
    """A conversation that each chat template takes; empty when the model gave no answer in it that is its own.

    It ends with the last such answer: calls at an end that never came are left out, for a model that learns to stop
    behind its own announcement of a call learns something wrong.

    Args:
        messages: as `said` gives them, system messages anywhere, results anywhere behind their calls.
        notes: counts what is left out.
    """
    found = _alternating(_paired(_with_one_system(messages), notes))
    while found and not is_end(found[-1]):
        found.pop()
    return found


def answers(messages: Iterable[Chat]) -> int:
    """How many of the assistant's messages a model is to learn."""
    return sum(one["role"] == "assistant" and one.get("weight") != 0 for one in messages)


def with_text_arguments(messages: Iterable[Chat]) -> list[Chat]:
    """The same with the arguments of calls as JSON text, as OpenAI's API and templates made for it have them."""
    return [
        message | {"tool_calls": [_texted(call) for call in _listed(message["tool_calls"])]}
        if "tool_calls" in message
        else message
        for message in messages
    ]


def _texted(call: Chat) -> Json:
    function = call["function"]
    assert isinstance(function, dict)  # noqa: S101 - for the type checker: made above
    return call | {"function": function | {"arguments": json.dumps(function["arguments"], ensure_ascii=False)}}
