"""One session of OpenCode's, message by message: a message has parts, and its tools' results are among them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from rollouts.agents.drafting import Cut, Draft, Talk, fields, kind_of, named, number, word
from rollouts.agents.session import (
    COMPLETED,
    FAILED,
    INTERRUPTED,
    OPEN,
    Fields,
    Part,
    Reasoning,
    Session,
    ToolCall,
    Usage,
)

_AGENT = "opencode"
_ASIDE = {"step-start", "step-finish", "patch", "snapshot", "retry", "agent"}
"""Parts of the program's own, which the model does not see."""
_ASKED_TO_SUM_UP = "What did we do so far?"
_RAN_BY_USER = "The following tool was executed by the user"
"""The texts that the program gives to the model for a compaction and for a subagent that the person started."""
_PRUNED = "[Old tool result content cleared]"
_YEAR_10000 = 253402300800_000
"""Milliseconds; no moment that RFC 3339 can write is later."""
_STATES = {"completed": COMPLETED, "error": FAILED}


def _moment(milliseconds: object) -> str | None:
    """RFC 3339 of a time of OpenCode's."""
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return None
    if not 0 <= milliseconds < _YEAR_10000:
        return None
    seconds, rest = divmod(int(milliseconds), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:03d}Z"


def _usage(info: Fields) -> Usage | None:
    """Reasoning stands beside the output, where the sum says so."""
    found = fields(info.get("tokens"))
    cost = info.get("cost")
    if not found:
        return None
    cache = fields(found.get("cache"))
    read, wrote = number(cache.get("read")), number(cache.get("write"))
    given, output, thought = (number(found.get(key)) for key in ("input", "output", "reasoning"))
    beside = (given or 0) + (output or 0) + (thought or 0) + (read or 0) + (wrote or 0)
    if output is not None and thought and number(found.get("total")) == beside:
        output += thought
    return Usage(
        input_tokens=given,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=wrote,
        reasoning_tokens=thought,
        cost=float(cost) if isinstance(cost, int | float) and not isinstance(cost, bool) else None,
    )


def _file(part: Fields) -> Part:
    kind = "image" if str(part.get("mime") or "").startswith("image/") else "file"
    return Part(kind, raw=part)


class Thread:
    """What is known of a session so far."""

    def __init__(self, info: Fields) -> None:
        self.children: list[str] = []
        """Sessions that its tools started."""
        self._callers: dict[str, str] = {}
        self._info = info
        self._talk = Talk()
        self._keys: set[str] = set()
        self._models: list[str | None] = []
        self._cut: Cut | None = None
        self._tail: str | None = None
        self._ended_at: str | None = None

    def take(self, message: Fields) -> None:
        """Takes in the next message."""
        info = fields(message.get("info"))
        given = message.get("parts")
        parts = [part for part in given if isinstance(part, dict)] if isinstance(given, list) else []
        clock = fields(info.get("time"))
        self._ended_at = _moment(clock.get("completed") or clock.get("created")) or self._ended_at
        if info.get("role") == "user":
            self._user(info, parts)
        elif info.get("role") == "assistant":
            self._assistant(info, parts)
        else:
            self._talk.unknown[f"message/{info.get('role')}"] += 1

    def _draft(self, role: str, info: Fields, kind: str) -> Draft:
        name = word(info.get("id"))
        return Draft(role, kind=kind, id=name, uuid=name, at=_moment(fields(info.get("time")).get("created")))

    # What was said to the model

    def _user(self, info: Fields, parts: Sequence[Fields]) -> None:
        drafts = [self._said(info, part) for part in parts]
        seen = [draft for draft in drafts if draft]
        is_prompt = not seen or not all(draft.is_injected for draft in seen)
        if is_prompt or self._talk.turn is None:
            key = str(info.get("id") or "")
            self._talk.begin(key)
            self._keys.add(key)
        if any(part.get("type") == "compaction" for part in parts):
            self._compact(parts)
        for draft in _joined(seen):
            self._talk.add(draft)
            if draft.kind == "compaction" and self._cut:
                self._cut.opening.append(draft)

    def _said(self, info: Fields, part: Fields) -> Draft | None:
        """A part of the person's message; None for what says nothing."""
        kind = kind_of(part)
        draft = self._draft("user", info, "prompt")
        if kind == "text":
            draft.parts = [Part("text", str(part.get("text") or ""))]
            draft.is_injected = bool(part.get("synthetic"))
            draft.is_visible = not part.get("ignored")
            draft.kind = "aside" if draft.is_injected else "prompt"
        elif kind == "file":
            draft.parts = [_file(part)]
            # a text file's or a directory's content stands in a synthetic text beside it
            draft.is_visible = kind_of(part, "mime") not in {"text/plain", "application/x-directory"}
        elif kind == "compaction":
            draft.parts, draft.kind, draft.is_injected = [Part("text", _ASKED_TO_SUM_UP)], "compaction", True
        elif kind == "subtask":
            draft.parts, draft.kind = [Part("text", _RAN_BY_USER)], "subtask"
        elif kind in _ASIDE:
            return None
        else:
            self._talk.unknown[f"part/{kind}"] += 1
            return None
        return draft

    def _compact(self, parts: Sequence[Fields]) -> None:
        part = next(part for part in parts if part.get("type") == "compaction")
        self._cut = self._talk.cut(trigger="auto" if part.get("auto") else "manual")
        self._tail = word(part.get("tail_start_id"))

    # What the model said

    def _assistant(self, info: Fields, parts: Sequence[Fields]) -> None:
        if self._talk.turn is None:
            self._talk.begin(str(info.get("parentID") or ""))
        draft = self._draft("assistant", info, "summary" if info.get("summary") is True else "answer")
        draft.model = word(info.get("modelID"))
        draft.usage = _usage(info)
        draft.stop_reason = word(info.get("finish"))
        self._models.append(draft.model)
        self._talk.add(draft)
        results = [found for part in parts if (found := self._part(draft, part))]
        for result, status in results:
            self._talk.answer(result, status=status, is_error=status in {FAILED, INTERRUPTED})
            if status == COMPLETED and result.kind == "pruned":
                self._talk.settle(str(result.answers), status="pruned")
        self._judge(info, draft, results=[result for result, _ in results])
        if draft.kind == "summary" and self._cut:
            self._reopen(draft)

    def _part(self, draft: Draft, part: Fields) -> tuple[Draft, str] | None:
        kind = kind_of(part)
        if kind == "text" and not part.get("ignored"):
            draft.parts.append(Part("text", str(part.get("text") or "")))
        elif kind == "reasoning":
            sealed = word(fields(fields(part.get("metadata")).get("anthropic")).get("signature"))
            draft.reasoning.append(Reasoning(str(part.get("text") or ""), sealed=sealed))
        elif kind == "file":
            draft.parts.append(_file(part))
        elif kind == "tool":
            return self._tool(draft, part)
        elif kind not in _ASIDE and kind != "text":
            self._talk.unknown[f"part/{kind}"] += 1
        return None

    def _tool(self, draft: Draft, part: Fields) -> tuple[Draft, str] | None:
        """A call; with it its result, when there is one."""
        state = fields(part.get("state"))
        call_id = str(part.get("callID"))
        given = state.get("input")
        arguments = given if isinstance(given, dict | str) else {}
        child = word(fields(state.get("metadata")).get("sessionId"))
        call = ToolCall(id=call_id, name=str(part.get("tool")), arguments=arguments, session_id=child)
        self._talk.call(draft, call)
        if child:
            self.children.append(child)
            self._callers[child] = call_id
        status = _STATES.get(str(state.get("status")))
        if status is None:
            return None
        result = Draft("tool", _output(state), "result", answers=call_id)
        result.at = _moment(fields(state.get("time")).get("end"))
        if status == FAILED and "aborted" in result.text.lower():
            status = INTERRUPTED
        if fields(state.get("time")).get("compacted"):
            result.kind = "pruned"
            self._talk.notes[f"an old result is `{_PRUNED}` to the model by now"] += 1
        return result, status

    def _judge(self, info: Fields, draft: Draft, results: list[Draft]) -> None:
        """What an answer says of its turn, and whether the model is shown it again."""
        turn = self._talk.turn
        error = fields(info.get("error"))
        if error and turn:
            aborted = error.get("name") == "MessageAbortedError"
            turn.status = INTERRUPTED if aborted else FAILED
            draft.kind = "error" if not aborted else draft.kind
            shown = aborted and bool(draft.parts or draft.calls)
            for one in (draft, *results):
                one.is_visible = shown
        elif turn:
            is_end = bool(draft.stop_reason) and draft.stop_reason not in {"tool-calls", "unknown"}
            turn.status = COMPLETED if is_end and draft.kind != "summary" else OPEN

    def _reopen(self, summary: Draft) -> None:
        """A compaction's new view: the question, the summary, then what was kept of the old one."""
        cut = self._cut
        self._cut = None
        if cut is None:
            return
        before = [draft for turn in self._talk.turns for draft in turn.messages][: cut.at]
        names = [draft.id for draft in before]
        kept = before[names.index(self._tail) :] if self._tail and self._tail in names else []
        cut.opening += [summary, *kept]
        cut.resumes = self._talk.size

    # The whole

    def session(self, children: tuple[Session, ...]) -> Session:
        """What was taken in, as a session."""
        info = self._info
        clock = fields(info.get("time"))
        above = word(info.get("parentID"))
        if fields(info.get("revert")):
            self._talk.notes["the last messages were taken back, and go when the session goes on"] += 1
        turns = self._talk.frozen_turns()
        return Session(
            agent=_AGENT,
            id=str(info.get("id")),
            title=word(info.get("title")),
            cwd=word(info.get("directory")),
            version=word(info.get("version")),
            models=named(self._models),
            started_at=_moment(clock.get("created")),
            ended_at=self._ended_at or _moment(clock.get("updated")),
            parent_id=above,
            relationship="subagent" if above else None,
            turns=turns,
            subagents=tuple(replace(child, spawned_by=self._callers.get(child.id)) for child in children),
            compactions=tuple(cut.frozen() for cut in self._talk.cuts),
            unknown=dict(self._talk.unknown),
            notes=self._talk.frozen_notes(),
        )


def _output(state: Fields) -> list[Part]:
    """What a tool gave back: its output or its error, and files."""
    text = state.get("output") if state.get("status") == "completed" else state.get("error")
    given = state.get("attachments")
    files = [_file(part) for part in given if isinstance(part, dict)] if isinstance(given, list) else []
    return [Part("text", str(text if text is not None else "")), *files]


def _joined(drafts: list[Draft]) -> list[Draft]:
    """Parts of one message that are of one sort, as one; a sort is who said it, and whether the model saw it."""
    found: list[Draft] = []
    for draft in drafts:
        last = found[-1] if found else None
        if last and (last.kind, last.is_injected, last.is_visible) == (draft.kind, draft.is_injected, draft.is_visible):
            last.parts += draft.parts
        else:
            found.append(draft)
    return found
