"""A session in the format of Pi, version 3, for sessions whose own form the Hub's trace viewer does not know.

https://github.com/badlogic/pi-mono/blob/main/packages/coding-agent/docs/session.md; `harness` in the header is an
addition of the Hub's (https://huggingface.co/docs/hub/session-traces-format). Of the formats that the viewer reads, it
is the one that says which tool a result is of, and that `teich` gives back with all calls and their arguments.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from rollouts.agents.pictures import picture
from rollouts.agents.session import FAILED, INTERRUPTED, Compaction, Message, Part, Session, ToolCall, Usage, text_of

Object = dict[str, Any]

VERSION = 3
_UNKNOWN = "unknown"
_STOPS = {"tool-calls": "toolUse", "tool_use": "toolUse", "length": "length", "max_tokens": "length"}


def _milliseconds(at: str | None) -> int:
    try:
        return round(datetime.fromisoformat(at or "").timestamp() * 1000)
    except (ValueError, OverflowError):
        return 0


def _blocks(parts: tuple[Part, ...]) -> list[Object]:
    """Content: texts, and pictures that stand in the record; what is neither is named in brackets."""
    found: list[Object] = []
    for part in parts:
        shown = picture(part)
        if shown and shown.base64 is not None:
            found.append({"type": "image", "data": shown.base64, "mimeType": shown.media_type})
        else:
            found.append({"type": "text", "text": text_of((part,))})
    return found


def _usage(usage: Usage | None) -> Object:
    found = usage or Usage()
    counts = {
        "input": found.input_tokens or 0,
        "output": found.output_tokens or 0,
        "cacheRead": found.cache_read_tokens or 0,
        "cacheWrite": found.cache_write_tokens or 0,
    }
    cost = {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0, "total": found.cost or 0}
    return {**counts, "totalTokens": sum(counts.values()), "cost": cost}


def _call(call: ToolCall) -> Object:
    """A call; text in the place of an object of arguments stands under `input`."""
    arguments = {"input": call.arguments} if isinstance(call.arguments, str) else dict(call.arguments)
    return {"type": "toolCall", "id": call.id, "name": call.name, "arguments": arguments}


def _answer(message: Message) -> Object:
    thoughts: list[Object] = [{"type": "thinking", "thinking": one.text} for one in message.reasoning if one.text]
    calls = [_call(call) for call in message.calls]
    stop = "toolUse" if calls else _STOPS.get(message.stop_reason or "", "stop")
    return {
        "role": "assistant",
        "content": [*thoughts, *_blocks(message.parts), *calls],
        "api": _UNKNOWN,
        "provider": _UNKNOWN,
        "model": message.model or _UNKNOWN,
        "usage": _usage(message.usage),
        "stopReason": stop,
    }


class _Thread:
    """Entries, each of which names the one before."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.entries: list[Object] = []
        self._calls: dict[str, ToolCall] = {}
        self._of_message: dict[str, str] = {}
        """A message's own id -> its entry."""

    def _next(self) -> str:
        return f"{len(self.entries) + 1:08x}"

    def _add(self, kind: str, at: str | None, **fields: Any) -> str:
        """Adds an entry, of the moment of the one before where nobody noted its own. Returns its id."""
        last = self.entries[-1] if self.entries else {"id": None, "timestamp": self.session.started_at or ""}
        head = {"type": kind, "id": self._next(), "parentId": last["id"], "timestamp": at or last["timestamp"]}
        self.entries.append(head | fields)
        return str(head["id"])

    def _body(self, message: Message) -> Object:
        if message.role == "assistant":
            self._calls |= {call.id: call for call in message.calls}
            return _answer(message)
        if message.role != "tool":
            return {"role": "user", "content": _blocks(message.parts)}
        call = self._calls.get(message.answers or "")
        return {
            "role": "toolResult",
            "toolCallId": message.answers or "",
            "toolName": call.name if call else _UNKNOWN,
            "content": _blocks(message.parts),
            "isError": call is not None and call.status in {FAILED, INTERRUPTED},
        }

    def say(self, message: Message) -> None:
        """Adds a message that the model saw."""
        if not message.is_visible:
            return
        name = self._add("message", message.at, message=self._body(message))
        own = self.entries[-1]
        own["message"]["timestamp"] = _milliseconds(own["timestamp"])
        if message.id and message.role != "tool":
            self._of_message.setdefault(message.id, name)

    def compact(self, cut: Compaction) -> None:
        """Adds a compaction: its summary, and the first message that the new view kept; else the next one."""
        summary = next((one.text for one in cut.opening if one.kind == "summary"), "")
        behind = cut.opening[next((n + 1 for n, one in enumerate(cut.opening) if one.kind == "summary"), 0) :]
        kept = (self._of_message[one.id] for one in behind if one.id in self._of_message)
        after = f"{len(self.entries) + 2:08x}"
        facts = {"summary": summary, "firstKeptEntryId": next(kept, after), "tokensBefore": cut.pre_tokens or 0}
        self._add("compaction", None, **facts)

    def describe(self) -> None:
        """Adds what the session is called, and which model it began with."""
        if self.session.title:
            self._add("session_info", None, name=self.session.title)
        if self.session.models:
            self._add("model_change", None, provider=_UNKNOWN, modelId=self.session.models[0])


def entries(session: Session, *, session_id: str) -> Iterator[Object]:
    """A session's header and entries, an object a line.

    Args:
        session: in the neutral form; what its model did not see is left out.
        session_id: under which it was asked for.
    """
    yield {
        "type": "session",
        "version": VERSION,
        "id": session_id,
        "timestamp": session.started_at or "",
        "cwd": session.cwd or "",
        "harness": session.agent,
    }
    thread = _Thread(session)
    thread.describe()
    cuts = list(session.compactions)
    for number, message in enumerate((*session.messages, None)):
        while cuts and cuts[0].resumes <= number:
            thread.compact(cuts.pop(0))
        if message:
            thread.say(message)
    yield from thread.entries
