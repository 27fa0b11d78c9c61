"""A session while it is read: messages grow, calls get their results, and all of it is frozen at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from rollouts.agents.session import (
    INTERRUPTED,
    OPEN,
    Compaction,
    Fields,
    Message,
    Part,
    Reasoning,
    ToolCall,
    Turn,
    Usage,
)


@dataclass(slots=True)
class Draft:
    """A message that may still grow; its fields are those of `Message`."""

    role: str
    parts: list[Part] = field(default_factory=list)
    kind: str = ""
    reasoning: list[Reasoning] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    answers: str | None = None
    is_injected: bool = False
    is_visible: bool = True
    model: str | None = None
    usage: Usage | None = None
    stop_reason: str | None = None
    at: str | None = None
    id: str | None = None
    uuid: str | None = None

    @property
    def text(self) -> str:
        return "\n".join(part.text for part in self.parts if part.raw is None)

    def frozen(self) -> Message:
        return Message(
            role=self.role,
            parts=tuple(self.parts),
            kind=self.kind,
            reasoning=tuple(self.reasoning),
            calls=tuple(self.calls),
            answers=self.answers,
            is_injected=self.is_injected,
            is_visible=self.is_visible,
            model=self.model,
            usage=self.usage,
            stop_reason=self.stop_reason,
            at=self.at,
            id=self.id,
            uuid=self.uuid,
        )


@dataclass(slots=True)
class TurnDraft:
    """A turn that goes on."""

    key: str
    messages: list[Draft] = field(default_factory=list)
    status: str = OPEN
    model: str | None = None
    is_inherited: bool = False

    def frozen(self) -> Turn:
        models = [draft.model for draft in self.messages if draft.model]
        return Turn(
            key=self.key,
            messages=tuple(draft.frozen() for draft in self.messages),
            status=self.status,
            model=models[-1] if models else self.model,
            is_inherited=self.is_inherited,
        )


@dataclass(slots=True)
class Cut:
    """A compaction whose new view may still be growing."""

    at: int
    resumes: int
    opening: list[Draft] = field(default_factory=list)
    trigger: str | None = None
    pre_tokens: int | None = None

    def frozen(self) -> Compaction:
        return Compaction(
            at=self.at,
            resumes=self.resumes,
            opening=tuple(draft.frozen() for draft in self.opening),
            trigger=self.trigger,
            pre_tokens=self.pre_tokens,
        )


class Talk:
    """The turns so far.

    Attributes:
        preamble: what was said before the first turn.
        unknown: kinds of records that the reader does not know -> how many there were.
        notes: what a reader of the messages should know -> how often.
    """

    def __init__(self) -> None:
        self.preamble: list[Draft] = []
        self.turns: list[TurnDraft] = []
        self.cuts: list[Cut] = []
        self.unknown: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self._calls: dict[str, tuple[Draft, int]] = {}
        self._size = 0

    @property
    def size(self) -> int:
        """The number of messages in all turns."""
        return self._size

    @property
    def turn(self) -> TurnDraft | None:
        """The turn that goes on."""
        return self.turns[-1] if self.turns else None

    def begin(self, key: str, *, is_inherited: bool = False) -> TurnDraft:
        self.turns.append(TurnDraft(key, is_inherited=is_inherited))
        return self.turns[-1]

    def add(self, draft: Draft, *, before: int = 0) -> Draft:
        """Adds a message to the turn that goes on, so many messages before its end; without one to the preamble."""
        target = self.turns[-1].messages if self.turns else self.preamble
        target.insert(len(target) - before, draft)
        self._size += 1 if self.turns else 0
        return draft

    def drop(self, draft: Draft) -> None:
        """Takes a message of the turn that goes on back, if it is there still."""
        turn = self.turn
        if turn and draft in turn.messages:
            turn.messages.remove(draft)
            self._size -= 1

    def call(self, draft: Draft, call: ToolCall) -> None:
        """Adds a tool call to a message of the assistant's."""
        self._calls[call.id] = (draft, len(draft.calls))
        draft.calls.append(call)

    def known_call(self, call_id: str) -> ToolCall | None:
        found = self._calls.get(call_id)
        return found[0].calls[found[1]] if found else None

    def settle(self, call_id: str, **fields: object) -> None:
        """Says more of a call that was made; one that was not made here is passed over."""
        found = self._calls.get(call_id)
        if found:
            draft, number = found
            draft.calls[number] = replace(draft.calls[number], **fields)  # type: ignore[arg-type] # ToolCall's own

    def answer(self, result: Draft, *, status: str, is_error: bool | None = None) -> None:
        """Adds the result of a call (`answers` names it), also one of a call that was not written down."""
        self.add(result)
        if result.answers is None or result.answers not in self._calls:
            self.notes["a tool's result has no call"] += 1
            return
        call = self.known_call(result.answers)
        error = is_error if is_error is not None else call.is_error if call else None
        self.settle(result.answers, result=tuple(result.parts), status=status, is_error=error)

    def close_calls(self, turn: TurnDraft) -> None:
        """Calls that got no result before their turn ended were interrupted."""
        for draft in turn.messages:
            draft.calls = [
                replace(call, status=INTERRUPTED) if call.status == OPEN and turn.status != OPEN else call
                for call in draft.calls
            ]

    def cut(self, *, trigger: str | None = None, pre_tokens: int | None = None) -> Cut:
        """Begins a new view of the model's here."""
        self.cuts.append(Cut(self._size, self._size, trigger=trigger, pre_tokens=pre_tokens))
        return self.cuts[-1]

    def frozen_turns(self) -> tuple[Turn, ...]:
        for turn in self.turns:
            self.close_calls(turn)
        return tuple(turn.frozen() for turn in self.turns)

    def frozen_notes(self) -> tuple[str, ...]:
        return tuple(f"{note} ({count} times)" if count > 1 else note for note, count in self.notes.items())


def named(values: Iterable[str | None]) -> tuple[str, ...]:
    """The values that there are, each once, in their order."""
    return tuple(dict.fromkeys(value for value in values if value))


def texts(content: object) -> list[Part]:
    """Parts of a content: a text, or a list of blocks with or without `text`."""
    if content is None:
        return []
    if isinstance(content, str):
        return [Part("text", content)]
    if isinstance(content, Sequence):
        return [_part(block) for block in content]
    return [_part(content)]


def _part(block: object) -> Part:
    if isinstance(block, str):
        return Part("text", block)
    if not isinstance(block, dict):
        return Part("value", raw={"value": block})
    if isinstance(block.get("text"), str) and kind_of(block) in {"text", "input_text", "output_text", ""}:
        return Part("text", block["text"])
    return Part(_KINDS.get(kind_of(block), kind_of(block) or "value"), raw=block)


_KINDS = {"input_image": "image", "input_file": "file", "document": "file", "refusal": "refusal"}


def fields(value: object) -> Fields:
    """An object, or an empty one for what is none."""
    return value if isinstance(value, dict) else {}


def word(value: object) -> str | None:
    """A text that is not empty, or None for what is none."""
    return value if isinstance(value, str) and value else None


def kind_of(found: Fields, key: str = "type") -> str:
    """What an object says that it is; empty when it does not say so in a word."""
    return word(found.get(key)) or ""


def number(value: object) -> int | None:
    """A whole number, or None for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None
