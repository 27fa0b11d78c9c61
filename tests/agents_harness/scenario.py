"""What a scripted model says: for each prompt the steps it takes, an answer with its tool calls each.

Nothing is remembered between requests. A tool call's id carries its thread and step, so what comes next is read off the
conversation that a request holds; resumed, forked, compacted and interleaved conversations all find their place.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

_CALL_ID = re.compile(r"t(\d+)s(\d+)c\d+x[0-9a-f]{6}")


@dataclass(frozen=True)
class Write:
    path: str
    content: str


@dataclass(frozen=True)
class Read:
    path: str


@dataclass(frozen=True)
class Edit:
    path: str
    old: str
    new: str


@dataclass(frozen=True)
class Delete:
    path: str


@dataclass(frozen=True)
class Shell:
    command: str


@dataclass(frozen=True)
class Delegate:
    """Starts a subagent."""

    title: str
    prompt: str


@dataclass(frozen=True)
class Wait:
    """Waits for the subagent started last, with agents that do not do so by themselves."""


Op = Write | Read | Edit | Delete | Shell | Delegate | Wait


@dataclass(frozen=True)
class Step:
    """One answer of the model. `tokens` is what it says that the request was long (else: counted)."""

    text: str = ""
    ops: tuple[Op, ...] = ()
    thinking: str = ""
    tokens: int | None = None


@dataclass(frozen=True)
class Thread:
    prompt: str
    steps: tuple[Step, ...]


class Message(NamedTuple):
    """A message of a request, whichever API it came by."""

    role: str
    text: str
    call_ids: tuple[str, ...] = ()
    """Of the tool calls, or of the results, that it holds."""


class Place(NamedTuple):
    """Where in a scenario a conversation stands."""

    thread: int
    step: int


@dataclass(frozen=True)
class Scenario:
    """`turns` are what the user asks in order; `threads` what subagents are asked."""

    turns: tuple[Thread, ...]
    threads: tuple[Thread, ...] = ()

    @property
    def all_threads(self) -> tuple[Thread, ...]:
        return self.turns + self.threads

    def thread_of(self, text: str) -> int | None:
        """The thread whose prompt stands in a text; the longest wins."""
        hits = [(len(thread.prompt), n) for n, thread in enumerate(self.all_threads) if thread.prompt in text]
        return max(hits)[1] if hits else None

    def place(self, messages: Sequence[Message]) -> Place | None:
        """The step to take next in a conversation; None when no user's message in it is scripted."""
        asked = [(n, self.thread_of(message.text)) for n, message in enumerate(messages) if message.role == "user"]
        known = [(n, thread) for n, thread in asked if thread is not None]
        if not known:
            return None
        start, thread = known[-1]
        made = [
            int(found[2])
            for message in messages[start:]
            for call_id in message.call_ids
            if (found := _CALL_ID.search(call_id)) and int(found[1]) == thread
        ]
        return Place(thread, max(made, default=-1) + 1)

    def step(self, place: Place) -> Step:
        """What is said at a place; beyond a thread's end a word to end the turn."""
        steps = self.all_threads[place.thread].steps
        return steps[place.step] if place.step < len(steps) else Step("Done.")


def call_id(place: Place, number: int) -> str:
    """A new id for the tool call so many in its step."""
    return f"t{place.thread}s{place.step}c{number}x{secrets.token_hex(3)}"
