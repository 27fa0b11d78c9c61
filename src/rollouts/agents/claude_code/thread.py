"""One thread of Claude Code's, record by record: the main one of a session, or a subagent's.

A model's message stands in several records, one a content block, which share `message.id`. The order of the file is
that of the conversation; the tree of `parentUuid` is not followed, as results of parallel calls hang beside each other.
"""

from __future__ import annotations

from rollouts.agents.claude_code import attachments
from rollouts.agents.drafting import Cut, Draft, Talk, fields, kind_of, named, number, texts, word
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

_AGENT = "claude-code"
_KEPT_TEXT = 65536
"""Characters that the hook keeps of a last answer (`agents.moment.MAX_TEXT`)."""
_ASIDE = {
    *("queue-operation", "last-prompt", "mode", "permission-mode", "progress", "file-history-snapshot"),
    *("summary", "custom-title", "ai-title", "agent-name", "agent-color", "agent-setting", "tag", "pr-link"),
    *("worktree-state", "attribution-snapshot", "frame-link", "file-history-delta"),
}
"""Records of the program itself, which the model never saw."""
_SYSTEM_ASIDE = {
    *("api_error", "away_summary", "bridge_status", "informational", "microcompact_boundary", "stop_hook_summary"),
    *("turn_duration", "memory_saved", "thinking", "agents_killed", "permission_retry", "scheduled_task_fire"),
}
_STOPPED = "[Request interrupted by user"
_COMMANDS = ("<command-name>", "<command-message>", "<local-command-stdout>", "<local-command-stderr>", "<bash-")
_SYNTHETIC = "<synthetic>"


def _usage(found: Fields) -> Usage | None:
    if not found:
        return None
    return Usage(
        input_tokens=number(found.get("input_tokens")),
        output_tokens=number(found.get("output_tokens")),
        cache_read_tokens=number(found.get("cache_read_input_tokens")),
        cache_write_tokens=number(found.get("cache_creation_input_tokens")),
    )


class Thread:
    """What is known of a thread so far."""

    def __init__(self, thread_id: str, parent: str | None = None) -> None:
        self.callers: dict[str, str] = {}
        """Subagent -> the call that started it."""
        self.sidechains: dict[str, Thread] = {}
        self._id = thread_id
        self._parent = parent
        self._talk = Talk()
        self._answers: dict[str, Draft] = {}
        self._seen: set[str] = set()
        self._keys: set[str] = set()
        self._chain_of: dict[str, str] = {}
        self._by_uuid: dict[str, Draft] = {}
        self._cut: Cut | None = None
        self._kept: list[str] = []
        self._facts: dict[str, str] = {}
        self._forked_from: str | None = None
        self._unreadable = 0

    def take(self, found: Fields | None) -> None:
        """Takes in the next record of the file; None stands for a line that is none."""
        if found is None:
            self._unreadable += 1
            return
        uuid = word(found.get("uuid"))
        if uuid in self._seen:
            self._talk.notes["a record stands twice in the file"] += 1
            return
        if uuid:
            self._seen.add(uuid)
        if found.get("isSidechain") and self._parent is None:
            self._sidechain(found).take({**found, "isSidechain": False})
            return
        self._note_facts(found)
        self._take(found)

    def _sidechain(self, found: Fields) -> Thread:
        """The thread of a subagent whose records stand among those of the session."""
        above = str(found.get("parentUuid"))
        chain = word(found.get("agentId")) or self._chain_of.get(above) or str(found.get("uuid"))
        self._chain_of[str(found.get("uuid"))] = chain
        if chain not in self.sidechains:
            self.sidechains[chain] = Thread(chain, parent=self._id)
        return self.sidechains[chain]

    def _note_facts(self, found: Fields) -> None:
        for name in ("cwd", "gitBranch", "version", "timestamp"):
            value = word(found.get(name))
            if value:
                self._facts.setdefault(f"first {name}", value)
                self._facts[name] = value
        title = found.get("customTitle") or found.get("aiTitle")
        if isinstance(title, str) or found.get("type") == "summary":
            self._facts["title"] = str(title or found.get("summary"))
        origin = word(fields(found.get("forkedFrom")).get("sessionId"))
        if origin and origin != self._id:
            self._forked_from = origin

    def _take(self, found: Fields) -> None:
        kind = kind_of(found)
        if kind == "user":
            self._user(found)
        elif kind == "assistant":
            self._assistant(found)
        elif kind == "attachment":
            self._attachment(found)
        elif kind == "system":
            self._system(found)
        elif kind == "content-replacement":
            self._talk.notes["results of tools were replaced in the model's view later"] += 1
        elif kind not in _ASIDE:
            self._talk.unknown[kind] += 1

    # What was said to the model

    def _begin(self, found: Fields, *, is_prompt: bool) -> None:
        """Begins a turn where this record does: with a new prompt id, or, before there were any, with each prompt."""
        key = word(found.get("promptId"))
        if key in self._keys or (key is None and not is_prompt):
            return
        turn = self._talk.begin(key or str(found.get("uuid") or ""), is_inherited="forkedFrom" in found)
        self._keys.add(turn.key)

    def _user(self, found: Fields) -> None:
        content = fields(found.get("message")).get("content")
        blocks = content if isinstance(content, list) else [content]
        results = [block for block in blocks if isinstance(block, dict) and block.get("type") == "tool_result"]
        said = texts([block for block in blocks if block not in results and block is not None])
        self._begin(found, is_prompt=_is_prompt(found, said))
        for block in results:
            self._result(found, block)
        if said:
            self._said(found, said)

    def _result(self, found: Fields, block: Fields) -> None:
        draft = Draft("tool", texts(block.get("content")), "result", answers=str(block.get("tool_use_id")))
        self._add(found, draft)
        is_error = block.get("is_error")
        failed = bool(is_error)
        stopped = failed and draft.text.startswith((_STOPPED, "The user doesn't want to"))
        status = INTERRUPTED if stopped else FAILED if failed else COMPLETED
        self._talk.answer(draft, status=status, is_error=is_error if isinstance(is_error, bool) else None)
        started = word(fields(found.get("toolUseResult")).get("agentId"))
        if started and draft.answers:
            self.callers[started] = draft.answers
            self._talk.settle(draft.answers, session_id=started)

    def _said(self, found: Fields, said: list[Part]) -> None:
        draft = Draft("user", said, "prompt")
        text = draft.text
        if found.get("isCompactSummary"):
            draft.kind, draft.is_injected = "summary", True
        elif text.startswith(_STOPPED):
            draft.kind, draft.is_injected = "interruption", True
            self._end(INTERRUPTED)
        elif text.startswith(_COMMANDS) or found.get("isMeta"):
            draft.kind = "command" if text.startswith(_COMMANDS) else "aside"
            draft.is_injected = True
        draft.is_visible = not found.get("isVisibleInTranscriptOnly") or draft.kind == "summary"
        self._add(found, draft)
        self._talk.add(draft)
        if draft.kind == "summary":
            self._reopen(draft)

    def _attachment(self, found: Fields) -> None:
        draft = attachments.draft(fields(found.get("attachment")), self._talk)
        self._add(found, draft)
        messages = self._talk.turn.messages if self._talk.turn else []
        before = 0  # the model is given it ahead of the prompt that it was written down behind
        while before < len(messages) and _is_passed(messages[-1 - before]):
            before += 1
        self._talk.add(draft, before=before)

    def _system(self, found: Fields) -> None:
        kind = kind_of(found, "subtype")
        if kind == "compact_boundary":
            facts = fields(found.get("compactMetadata"))
            trigger, size = word(facts.get("trigger")), number(facts.get("preTokens"))
            self._cut = self._talk.cut(trigger=trigger, pre_tokens=size)
            kept = fields(facts.get("preservedMessages")).get("uuids")
            self._kept = [str(uuid) for uuid in kept] if isinstance(kept, list) else []
        elif kind == "local_command":
            draft = Draft("user", texts(found.get("content")), "command", is_injected=True)
            self._add(found, draft)
            self._talk.add(draft)
        elif kind not in _SYSTEM_ASIDE:
            self._talk.unknown[f"system/{kind}"] += 1

    def _reopen(self, summary: Draft) -> None:
        """A compaction's new view: the summary, then what was kept of the old one."""
        cut = self._cut or self._talk.cut()
        if self._cut is None:  # a summary without its boundary: the old view ended before it
            cut.at -= 1
        kept = [self._by_uuid[uuid] for uuid in self._kept if uuid in self._by_uuid]
        cut.opening = [summary, *kept]
        cut.resumes = self._talk.size
        self._cut, self._kept = None, []

    # What the model said

    def _assistant(self, found: Fields) -> None:
        message = fields(found.get("message"))
        name = word(message.get("id")) or str(found.get("uuid"))
        draft = self._answers.get(name)
        if draft is None:
            draft = Draft("assistant", kind="answer", id=name, model=word(message.get("model")))
            self._answers[name] = draft
            self._add(found, draft)
            self._talk.add(draft)
        elif word(found.get("uuid")):
            self._by_uuid[str(found["uuid"])] = draft
        draft.usage = _usage(fields(message.get("usage"))) or draft.usage
        draft.stop_reason = word(message.get("stop_reason")) or draft.stop_reason
        content = message.get("content")
        for block in content if isinstance(content, list) else [{"type": "text", "text": content}]:
            self._block(draft, fields(block))
        self._judge(found, draft)

    def _block(self, draft: Draft, block: Fields) -> None:
        kind = kind_of(block)
        if kind in {"thinking", "redacted_thinking"}:
            sealed = word(block.get("signature")) or word(block.get("data"))
            draft.reasoning.append(Reasoning(word(block.get("thinking")) or "", sealed=sealed))
        elif kind == "tool_use":
            given = block.get("input")
            arguments = given if isinstance(given, dict | str) else {"input": given}
            call = ToolCall(id=str(block.get("id")), name=str(block.get("name")), arguments=arguments)
            self._talk.call(draft, call)
        elif kind == "text" and block.get("text") is None:
            return
        else:
            draft.parts += texts([block])

    def _judge(self, found: Fields, draft: Draft) -> None:
        """What an answer says of its turn."""
        if draft.model == _SYNTHETIC:  # the program's own words in the model's place
            draft.model, draft.usage, draft.is_injected = None, None, True
            if found.get("isApiErrorMessage"):
                draft.kind, draft.is_visible = "error", False
                self._end(FAILED)
        elif draft.stop_reason in {"end_turn", "stop_sequence", "max_tokens", "refusal"}:
            self._end(COMPLETED)
        elif self._talk.turn and self._talk.turn.status in {FAILED, COMPLETED}:
            self._end(OPEN)  # it went on

    def _end(self, status: str) -> None:
        if self._talk.turn:
            self._talk.turn.status = status

    def _add(self, found: Fields, draft: Draft) -> None:
        """Notes where a message was written down."""
        draft.at = word(found.get("timestamp"))
        draft.uuid = word(found.get("uuid"))
        if draft.uuid:
            self._by_uuid[draft.uuid] = draft

    # The whole

    def session(self, last_words: dict[str, str] | Fields) -> Session:
        """What was taken in, as a session."""
        for turn in self._talk.turns:
            text = last_words.get(turn.key)
            spoken = [draft for draft in turn.messages if draft.role in {"assistant", "tool"}]
            if isinstance(text, str) and text and not (spoken and spoken[-1].role == "assistant" and spoken[-1].text):
                self._supply(turn.key, text)
        turns = self._talk.frozen_turns()
        facts = self._facts
        return Session(
            agent=_AGENT,
            id=self._id,
            title=facts.get("title") or next((turn.prompt.strip().partition("\n")[0] for turn in turns), None),
            cwd=facts.get("first cwd"),
            git_branch=facts.get("first gitBranch"),
            version=facts.get("version"),
            models=named(draft.model for draft in self._answers.values()),
            started_at=facts.get("first timestamp"),
            ended_at=facts.get("timestamp"),
            parent_id=self._parent or self._forked_from,
            relationship="subagent" if self._parent else "fork" if self._forked_from else None,
            preamble=tuple(draft.frozen() for draft in self._talk.preamble),
            turns=turns,
            compactions=tuple(cut.frozen() for cut in self._talk.cuts),
            unknown=dict(self._talk.unknown),
            unreadable_lines=self._unreadable,
            notes=self._talk.frozen_notes(),
        )

    def _supply(self, key: str, text: str) -> None:
        """Adds an answer that only the hook at the turn's end knew."""
        turn = next(turn for turn in self._talk.turns if turn.key == key)
        if turn is not self._talk.turn and any(cut.at for cut in self._talk.cuts):
            self._talk.notes["an answer that only a hook knew is left out, as the session was compacted since"] += 1
            return
        turn.messages.append(Draft("assistant", [Part("text", text)], "answer"))
        turn.status = COMPLETED
        if len(text) >= _KEPT_TEXT:
            self._talk.notes["a last answer is cut, as the hook kept it"] += 1


def _is_prompt(found: Fields, said: list[Part]) -> bool:
    """Whether a turn begins with a record, in files that have no prompt ids."""
    if not said or found.get("isMeta") or found.get("isCompactSummary"):
        return False
    return not said[0].text.startswith((_STOPPED, "<local-command-", "<bash-stdout>"))


def _is_passed(draft: Draft) -> bool:
    """Whether an attachment that was written down behind a message is given to the model ahead of it."""
    return draft.role == "user" and draft.kind in {"prompt", "command", "aside", "interruption"}
