"""A session's messages as steps of an ATIF trajectory: results in the step of their call, copies marked as such.

ATIF (https://github.com/harbor-framework/harbor/blob/main/rfcs/0001-trajectory-format.md): a step is a prompt, or an
answer of the model's with the calls in it and what they gave. After a compaction stands a system step with
`extra.context_management` whose boundary is `replace` (section VII): the steps behind it are what the model saw from
then on, those it had seen before marked `is_copied_context`, which no one trains on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from rollouts.agents.pictures import picture
from rollouts.agents.session import COMPLETED, Compaction, Message, Part, Session, ToolCall, Usage
from rollouts.record import Record

Object = dict[str, Any]

_SOURCES = {"system": "system", "user": "user", "assistant": "agent"}
_MEDIA = {"image/jpeg", "image/png", "image/gif", "image/webp"}
"""Kinds of pictures that ATIF knows."""
_PLAIN_KINDS = {"prompt", "answer", "result", ""}
_TOKENS = range(1 << 63)


class Placed(Record):
    """A message at its place in what the model saw."""

    message: Message
    turn: int | None = None
    """The number of its turn from 0 on; None before the first turn, and for what a compaction kept."""
    is_copied: bool = False


# In which order


def _key(message: Message) -> tuple[str, str, tuple[str, ...], str | None]:
    """What tells a message that is kept in a new view from others."""
    return message.role, message.text, tuple(call.id for call in message.calls), message.answers


def course(session: Session) -> Iterator[Placed | Compaction]:
    """What the model saw, in order; each compaction is followed by what the new view began with.

    What made a summary goes before the compaction if the model was asked for it in the session itself; a summary that
    only appears in the new view goes there.
    """
    own = [
        Placed(message, number, turn.is_inherited)
        for number, turn in enumerate(session.turns)
        for message in turn.messages
    ]
    preamble = [Placed(message) for message in session.preamble]
    yield from preamble
    start, seen = 0, set[Any]()
    for cut in session.compactions:
        made = own[cut.at : cut.resumes]
        before = [*own[start : cut.at], *(made if any(one.message.role == "assistant" for one in made) else [])]
        seen |= {_key(one.message) for one in before}
        yield from before
        yield cut
        yield from (Placed(one.message, is_copied=True) for one in preamble)
        yield from _opening(cut, made, seen)
        start = cut.resumes
    yield from own[start:]


def _opening(cut: Compaction, made: list[Placed], seen: set[Any]) -> Iterator[Placed]:
    turns = {_key(one.message): one.turn for one in made}
    for message in cut.opening:
        key = _key(message)
        yield Placed(message, is_copied=True) if key in seen else Placed(message, turns.get(key))
        seen.add(key)  # a later view may keep it


# What is said


def _part(part: Part) -> Object:
    """A piece of content; what is neither text nor a picture that ATIF knows is named in brackets."""
    found = picture(part)
    if found and found.media_type in _MEDIA:
        return {"type": "image", "source": {"media_type": found.media_type, "path": found.url}}
    return {"type": "text", "text": part.text if part.raw is None else f"[{part.kind}]"}


def content(parts: Iterable[Part]) -> str | list[Object]:
    """Text, or a list of parts where there are pictures."""
    found = [_part(part) for part in parts]
    if any(part["type"] != "text" for part in found):
        return found
    return "\n".join(part["text"] for part in found)


def _timestamp(at: str | None) -> Object:
    """ISO 8601 as ATIF takes it; agents' records may hold anything in its place."""
    try:
        datetime.fromisoformat(at or "")
    except ValueError:
        return {}
    return {"timestamp": at}


def _present(**fields: object) -> Object:
    """The fields that say something."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {}, False)}


def metrics(usage: Usage | None) -> Object:
    """Tokens and cost of one request. `prompt_tokens` include those from the cache; a cost of 0 is an unknown one."""
    if usage is None:
        return {}
    counts = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.output_tokens,
        "cached_tokens": usage.cache_read_tokens,
    }
    more = {"reasoning_tokens": usage.reasoning_tokens, "cache_write_tokens": usage.cache_write_tokens}
    return _counted(counts) | _present(cost_usd=usage.cost, extra=_counted(more))


def _counted(counts: Mapping[str, int | None]) -> Object:
    return {name: count for name, count in counts.items() if count is not None and count in _TOKENS}


def _call(call: ToolCall) -> Object:
    """A call; text in the place of an object of arguments stands under `input`."""
    is_text = isinstance(call.arguments, str)
    extra = _present(
        kind=call.kind if call.kind != "function" else None,
        status=call.status if call.status != COMPLETED else None,
        text_arguments=is_text,
    )
    return {
        "tool_call_id": call.id,
        "function_name": call.name,
        "arguments": {"input": call.arguments} if is_text else dict(call.arguments),  # type: ignore[arg-type] # no text
        **_present(extra=extra),
    }


def _answer(message: Message, *, is_copied: bool) -> Object:
    """What only a step of the model's may hold. What the program said in its place was no request."""
    if message.is_injected:
        return {"llm_call_count": 0} | _present(tool_calls=[_call(call) for call in message.calls])
    thoughts = [one.text for one in message.reasoning if one.text]
    return _present(
        model_name=message.model,
        reasoning_content="\n\n".join(thoughts),
        tool_calls=[_call(call) for call in message.calls],
        metrics=None if is_copied else metrics(message.usage),
        llm_call_count=None if is_copied else 1,
    )


def _facts(placed: Placed) -> Object:
    """What ATIF has no field for."""
    message = placed.message
    reasoning = message.reasoning
    return _present(
        turn=None if placed.turn is None else placed.turn + 1,
        message_id=message.id,
        kind=None if message.kind in _PLAIN_KINDS else message.kind,
        injected=message.is_injected and message.role != "system",
        stop_reason=message.stop_reason,
        reasoning_is_summary=any(one.is_summary for one in reasoning),
        reasoning_is_sealed=bool(reasoning) and not any(one.text for one in reasoning),
    )


# Steps


class Step(Record):
    """A step, and the message that it is made of; a compaction has none."""

    fields: Object
    placed: Placed | None


class Steps:
    """The steps of a session, one after the other."""

    def __init__(self) -> None:
        self.all: list[Step] = []
        self.unseen = 0
        """Messages that the model did not see."""
        self._asked: dict[str, tuple[Object, ToolCall]] = {}
        """Call -> the step that it is in last."""

    def _add(self, source: str, fields: Object, placed: Placed | None) -> Object:
        step = {"step_id": len(self.all) + 1, "source": source, **fields}
        self.all.append(Step(step, placed))
        return step

    def take(self, found: Placed | Compaction) -> None:
        """Takes in what comes next."""
        if isinstance(found, Compaction):
            self._compact(found)
        elif not found.message.is_visible:
            self.unseen += 1
        elif found.message.role == "tool":
            self._result(found)
        else:
            self._said(found)

    def _compact(self, cut: Compaction) -> None:
        sizes = _counted({"tokens_before": cut.pre_tokens})
        how = {"type": "compaction", "boundary": "replace", **_present(trigger=cut.trigger), **sizes}
        self._add("system", {"message": "Context compacted.", "extra": {"context_management": how}}, None)

    def _said(self, placed: Placed) -> None:
        message = placed.message
        source = _SOURCES.get(message.role, "system")
        fields = _timestamp(message.at) | {"message": content(message.parts)}
        if source == "agent":
            fields |= _answer(message, is_copied=placed.is_copied)
        marks = _present(is_copied_context=placed.is_copied, extra=_facts(placed))
        step = self._add(source, fields | marks, placed)
        if source == "agent":
            self._asked |= {call.id: (step, call) for call in message.calls}

    def _result(self, placed: Placed) -> None:
        """A result goes into the step of its call; without one it is a step of the system's."""
        message = placed.message
        asked = self._asked.get(message.answers or "")
        told = {"content": content(message.parts)}
        if asked is None:
            lost = _present(tool_call_id=message.answers)
            fields = {"message": "", "observation": {"results": [told | _present(extra=lost)]}}
            marks = _present(is_copied_context=placed.is_copied, extra=_facts(placed))
            self._add("system", _timestamp(message.at) | fields | marks, placed)
            return
        step, call = asked
        extra = _timestamp(message.at) | _present(kind=None if message.kind in _PLAIN_KINDS else message.kind)
        extra |= {} if call.is_error is None else {"is_error": call.is_error}
        results = step.setdefault("observation", {"results": []})["results"]
        results.append({"source_call_id": call.id, **told, **_present(extra=extra)})


def steps(session: Session) -> Steps:
    """All steps of a session, numbered from 1 on."""
    found = Steps()
    for one in course(session):
        found.take(one)
    return found
