"""One thread of Codex's, record by record.

Its `response_item` records are the model's input and output, in their order; `event_msg` records tell the same to a
person, and say where turns begin and end.
"""

from __future__ import annotations

from rollouts.agents.codex import items
from rollouts.agents.drafting import Draft, Talk, TurnDraft, fields, kind_of, named, number, texts, word
from rollouts.agents.session import COMPLETED, FAILED, INTERRUPTED, OPEN, Fields, Part, Session, Usage

_AGENT = "codex"
_KEPT_TEXT = 65536
"""Characters that the hook keeps of a last answer (`agents.moment.MAX_TEXT`)."""
_ASIDE = {"world_state", "inter_agent_communication_metadata", "rollback", "ghost_snapshot"}
_ABORTED = "aborted"
_ASIDE_ITEMS = {"ghost_snapshot"}
_ENDED = {"exec_command_end": "exit_code", "patch_apply_end": "success", "mcp_tool_call_end": "result"}


def _usage(found: Fields) -> Usage | None:
    """Codex counts what was read from the cache as input, too."""
    read, given = number(found.get("cached_input_tokens")), number(found.get("input_tokens"))
    wrote = number(found.get("cache_write_input_tokens"))
    if given is None:
        return None
    return Usage(
        input_tokens=max(given - (read or 0) - (wrote or 0), 0),
        output_tokens=number(found.get("output_tokens")),
        cache_read_tokens=read,
        cache_write_tokens=wrote,
        reasoning_tokens=number(found.get("reasoning_output_tokens")),
    )


def _failed(item: Fields) -> bool | None:
    """Whether a command or a change of files went wrong, as the event of its end tells it."""
    code, status, success = number(item.get("exit_code")), item.get("status"), item.get("success")
    if code is not None:
        return code != 0
    if isinstance(success, bool):
        return not success
    return {"completed": False, "failed": True, "declined": True}.get(str(status))


class Thread:
    """What is known of a thread so far."""

    def __init__(self, thread_id: str) -> None:
        self.callers: dict[str, str] = {}
        """Thread or path of a subagent -> the call that started it."""
        self.agent_path = ""
        self._id = thread_id
        self._talk = Talk()
        self._meta: Fields | None = None
        self._answer: Draft | None = None
        self._last: Draft | None = None
        self._model: str | None = None
        self._models: list[str | None] = []
        self._tools: list[Fields] = []
        self._errors: dict[str, bool] = {}
        self._aborted: dict[str, Draft] = {}
        self._first_prompt = ""
        self._times: list[str] = []
        self._has_usage_records = False
        self._unreadable = 0

    def take(self, found: Fields | None) -> None:
        """Takes in the next record of the file; None stands for a line that is none."""
        if found is None:
            self._unreadable += 1
            return
        at = word(found.get("timestamp"))
        self._times = [*self._times[:1], *([at] if at else [])]
        payload = fields(found.get("payload"))
        kind = kind_of(found)
        if kind == "session_meta":
            self._describe(payload)
        elif kind == "turn_context":
            self._context(payload)
        elif kind == "response_item":
            self._item(payload, found)
        elif kind == "event_msg":
            self._event(payload)
        elif kind == "token_usage_record":
            self._has_usage_records = True
            self._count(fields(payload.get("usage")))
        elif kind == "compacted":
            self._compact(payload, found)
        elif not kind and "type" not in found and "id" in found and "timestamp" in found:
            self._describe(found)  # the first line of files before 0.30
        elif kind not in _ASIDE:
            self._talk.unknown[kind] += 1

    # What the thread is

    def _describe(self, meta: Fields) -> None:
        if self._meta is not None:
            return  # of the thread that this one was forked from
        self._meta = meta
        self.agent_path = str(meta.get("agent_path") or "")
        told = meta.get("base_instructions")
        text = word(told) or word(fields(told).get("text")) or word(meta.get("instructions"))
        if text:
            self._talk.preamble.append(Draft("system", [Part("text", text)], "base_instructions", is_injected=True))
        given = meta.get("dynamic_tools")
        self._tools += [tool for tool in given if isinstance(tool, dict)] if isinstance(given, list) else []

    def _context(self, payload: Fields) -> None:
        self._model = word(payload.get("model")) or self._model
        self._turn(word(payload.get("turn_id")))

    def _turn(self, key: str | None, *, is_new: bool = False) -> TurnDraft | None:
        """The turn of this name, which begins here if it has not; without a name the one that goes on."""
        turn = self._talk.turn
        if turn and not is_new and (key is None or turn.key in {key, ""}):
            turn.key = key or turn.key
        elif key is not None or is_new:
            self._answer = None
            turn = self._talk.begin(key or "", is_inherited=self._is_inherited(key))
        if turn:
            turn.model = self._model or turn.model
        return turn

    def _is_inherited(self, key: str | None) -> bool:
        """Whether a turn was copied from the thread that this one was forked from: its id, a UUIDv7, is the older."""
        meta = self._meta or {}
        return bool(key and word(meta.get("forked_from_id")) and key < str(meta.get("id")))

    # What the model was told, and said

    def _item(self, item: Fields, found: Fields) -> None:
        kind = kind_of(item)
        self._turn(items.turn_of(item))
        if kind == "additional_tools":
            given = item.get("tools")
            self._tools += [tool for tool in given if isinstance(tool, dict)] if isinstance(given, list) else []
        elif kind in items.OUTPUTS:
            self._output(item, found)
        elif kind == "message" and item.get("role") == "assistant":
            answer = self._answering(item, found)
            answer.parts += texts(item.get("content"))
            answer.id = word(item.get("id")) or answer.id
        elif kind in {"message", "agent_message"}:
            self._said(item, found)
        elif kind == "reasoning":
            self._answering(item, found).reasoning += items.reasoning(item)
        elif items.is_call(item):
            self._talk.call(self._answering(item, found), items.call(item))
        elif kind in {"compaction", "compaction_summary", "context_compaction"}:
            self._said({**item, "type": "message", "role": "system", "content": [item]}, found)
        elif kind not in _ASIDE_ITEMS:
            self._talk.unknown[f"response_item/{kind}"] += 1

    def _answering(self, item: Fields, found: Fields) -> Draft:
        """The answer that the model is giving: what it thinks, says and calls before anyone else speaks."""
        if self._answer is None:
            self._answer = self._add(Draft("assistant", kind="answer", id=word(item.get("id"))), found)
            self._answer.model = self._model
            self._models.append(self._model)
            self._last = self._answer
        return self._answer

    def _said(self, item: Fields, found: Fields) -> None:
        self._answer = None
        draft = items.said(item)
        turn = self._talk.turn
        if draft.kind == "prompt" and turn and not turn.key and any(one.role == "assistant" for one in turn.messages):
            self._turn(None, is_new=True)  # files before 0.40 say nothing of turns
        elif draft.kind == "prompt" and turn is None:
            self._turn(None, is_new=True)
        if draft.kind == "prompt" and not self._first_prompt and not (self._talk.turn or TurnDraft("")).is_inherited:
            self._first_prompt = draft.text
        if draft.role == "system" and draft.text in {one.text for one in self._talk.preamble}:
            self._talk.preamble = [one for one in self._talk.preamble if one.text != draft.text]  # it stands here
        self._add(draft, found)

    def _add(self, draft: Draft, found: Fields) -> Draft:
        draft.at = word(found.get("timestamp"))
        draft.uuid = draft.id
        return self._talk.add(draft)

    def _output(self, item: Fields, found: Fields) -> None:
        self._answer = None
        draft, is_error = items.output(item)
        if draft.answers in self._aborted:
            self._talk.drop(self._aborted.pop(draft.answers))
        draft.at, draft.uuid = word(found.get("timestamp")), draft.id
        known = self._errors.get(draft.answers or "", is_error)
        aborted = draft.text.strip() in {_ABORTED, "aborted by user"} or draft.text.startswith("aborted by user after")
        status = INTERRUPTED if aborted else FAILED if known else COMPLETED
        self._talk.answer(draft, status=status, is_error=known)

    # What happened

    def _event(self, payload: Fields) -> None:
        kind = kind_of(payload)
        if kind in {"task_started", "turn_started"}:
            self._turn(word(payload.get("turn_id")), is_new=True)
        elif kind in {"task_complete", "turn_complete"}:
            self._end(payload, COMPLETED)
        elif kind == "turn_aborted":
            self._break_off()
            self._end(payload, INTERRUPTED)
        elif kind in {"error", "stream_error"} and self._talk.turn and kind == "error":
            self._talk.turn.status = FAILED
        elif kind == "token_count" and not self._has_usage_records:
            self._count(fields(fields(payload.get("info")).get("last_token_usage")))
        elif kind == "item_completed":
            self._done(fields(payload.get("item")))
        elif kind in _ENDED:
            self._judge(str(payload.get("call_id")), _failed(payload))
        elif kind == "collab_agent_spawn_end":
            self.callers[str(payload.get("new_thread_id"))] = str(payload.get("call_id"))

    def _end(self, payload: Fields, status: str) -> None:
        turn = self._talk.turn
        if turn and turn.status == OPEN and turn.key == (word(payload.get("turn_id")) or turn.key):
            turn.status = status
        self._answer = None

    def _break_off(self) -> None:
        """Calls that have no result now never get one; the model is told that they were aborted."""
        for draft in [*self._talk.turn.messages] if self._talk.turn else []:
            for call in [call for call in draft.calls if call.status == OPEN]:
                result = Draft("tool", [Part("text", _ABORTED)], "aborted", answers=call.id, is_injected=True)
                self._talk.answer(result, status=INTERRUPTED)
                self._aborted[call.id] = result

    def _count(self, found: Fields) -> None:
        """Tokens of the request whose answer was written down last; nothing more belongs to that answer."""
        usage = _usage(found)
        if self._last and self._last.usage is None and usage:
            self._last.usage = usage
        self._answer = None

    def _done(self, item: Fields) -> None:
        call_id = str(item.get("id"))
        if item.get("type") == "CollabAgentToolCall" and item.get("tool") == "spawn_agent":
            started = item.get("receiver_thread_ids")
            for thread in started if isinstance(started, list) else ():
                self.callers[str(thread)] = call_id
                self._talk.settle(call_id, session_id=str(thread))
        elif item.get("type") == "SubAgentActivity" and word(item.get("agent_thread_id")):
            if item.get("kind") == "started":
                self.callers[str(item["agent_thread_id"])] = call_id
                self._talk.settle(call_id, session_id=str(item["agent_thread_id"]))
        elif kind_of(item) in {"CommandExecution", "FileChange", "McpToolCall"}:
            self._judge(call_id, _failed(item))

    def _judge(self, call_id: str, failed: bool | None) -> None:
        """Whether a call went wrong; its result may come before or after."""
        if failed is None:
            return
        self._errors[call_id] = failed
        call = self._talk.known_call(call_id)
        if call and call.result is not None and call.status != INTERRUPTED:
            self._talk.settle(call_id, is_error=failed, status=FAILED if failed else COMPLETED)

    def _compact(self, payload: Fields, found: Fields) -> None:
        self._answer = None
        cut = self._talk.cut()
        last = self._talk.turn.messages[-1] if self._talk.turn and self._talk.turn.messages else None
        if last and last.role == "assistant" and last.text and last.text in str(payload.get("message")):
            last.kind, cut.at = "summary", cut.at - 1  # the answer to a request that was not written down
        history = payload.get("replacement_history")
        if isinstance(history, list):
            scratch = Thread(self._id)
            scratch._meta = {}
            for item in history:
                scratch.take({"type": "response_item", "payload": _without_turn(fields(item)), **_moment(found)})
            cut.opening = [*scratch._talk.preamble, *(d for turn in scratch._talk.turns for d in turn.messages)]
        elif word(payload.get("message")):
            cut.opening = [Draft("user", [Part("text", str(payload["message"]))], "summary", is_injected=True)]
            self._talk.notes["a compaction kept prompts that the record does not name"] += 1

    # The whole

    def session(self, last_words: Fields) -> Session:
        """What was taken in, as a session."""
        meta = self._meta or {}
        self._supply(last_words)
        self._mark_inherited()
        turns = self._talk.frozen_turns()
        above = word(meta.get("parent_thread_id")) or _spawner(meta)
        origin = word(meta.get("forked_from_id"))
        return Session(
            agent=_AGENT,
            id=word(meta.get("id")) or self._id,
            title=self._first_prompt.strip().partition("\n")[0] or self.agent_path or None,
            cwd=word(meta.get("cwd")),
            git_branch=word(fields(meta.get("git")).get("branch")),
            version=word(meta.get("cli_version")),
            models=named(self._models),
            started_at=word(meta.get("timestamp")) or (self._times[0] if self._times else None),
            ended_at=self._times[-1] if self._times else None,
            parent_id=above or origin,
            relationship="subagent" if above else "fork" if origin else None,
            preamble=tuple(draft.frozen() for draft in self._talk.preamble),
            turns=turns,
            tools=tuple(self._tools),
            compactions=tuple(cut.frozen() for cut in self._talk.cuts),
            unknown=dict(self._talk.unknown),
            unreadable_lines=self._unreadable,
            notes=self._talk.frozen_notes(),
        )

    def _supply(self, last_words: Fields) -> None:
        """Adds the answer of the last turn if only the hook at its end knew it."""
        turn = self._talk.turn
        text = word(last_words.get(turn.key)) if turn else None
        spoken = [draft for draft in turn.messages if draft.role in {"assistant", "tool"}] if turn else []
        if turn and text and not (spoken and spoken[-1].role == "assistant" and spoken[-1].text):
            self._talk.add(Draft("assistant", [Part("text", text)], "answer", model=turn.model))
            turn.status = COMPLETED
            if len(text) >= _KEPT_TEXT:
                self._talk.notes["a last answer is cut, as the hook kept it"] += 1

    def _mark_inherited(self) -> None:
        """A fork's file may say how far its copy of the other thread goes, and copies end as if interrupted."""
        for turn in self._talk.turns:
            if turn.is_inherited and turn.status == OPEN:
                turn.status = INTERRUPTED


def _moment(found: Fields) -> Fields:
    return {"timestamp": found.get("timestamp")}


def _without_turn(item: Fields) -> Fields:
    """An item of a replacement history, whose turns are those of the session."""
    passed = fields(item.get("internal_chat_message_metadata_passthrough"))
    kept = {key: value for key, value in passed.items() if key != "turn_id"}
    return {**item, "internal_chat_message_metadata_passthrough": kept}


def _spawner(meta: Fields) -> str | None:
    spawn = fields(fields(fields(meta.get("source")).get("subagent")).get("thread_spawn"))
    return word(spawn.get("parent_thread_id"))
