"""Sessions in the neutral form, by hand and by chance."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import Any

from rollouts.agents.session import Compaction, Message, Part, Reasoning, Session, ToolCall, Turn, Usage

_numbers = itertools.count(1)


def _id() -> str:
    return f"id-{next(_numbers)}"


def text(words: str) -> tuple[Part, ...]:
    return (Part("text", words),)


def user(words: str, **fields: Any) -> Message:
    return Message(role="user", parts=text(words), uuid=_id(), **fields)


def system(words: str) -> Message:
    return Message(role="system", parts=text(words), is_injected=True)


def call(name: str = "run", arguments: Any = None, call_id: str | None = None, **fields: Any) -> ToolCall:
    return ToolCall(id=call_id or _id(), name=name, arguments={"n": 1} if arguments is None else arguments, **fields)


def answer(words: str = "", *calls: ToolCall, thought: str = "", **fields: Any) -> Message:
    reasoning = (Reasoning(thought),) if thought else ()
    parts = text(words) if words else ()
    return Message(role="assistant", parts=parts, reasoning=reasoning, calls=calls, uuid=_id(), **fields)


def result(of: ToolCall, words: str = "fine") -> Message:
    return Message(role="tool", parts=text(words), answers=of.id)


def turn(key: str, *messages: Message, **fields: Any) -> Turn:
    return Turn(key=key, messages=messages, **fields)


def session(*turns: Turn, **fields: Any) -> Session:
    return Session(**{"agent": "codex", "id": "s", "unknown": {}, "turns": turns, **fields})


# By chance


def _some_calls(chance: random.Random) -> list[ToolCall]:
    inputs: list[Any] = [{"path": "a", "n": 1}, {"n": None, "deep": [1, {"x": 1.5}]}, {}, "*** Begin Patch"]
    names = ("run", "edit", "space.read")
    ids = ("call_0", "call_1", None, None)  # some providers count anew in each answer
    return [
        call(chance.choice(names), chance.choice(inputs), chance.choice(ids))
        for _ in range(chance.choice((0, 0, 1, 2, 3)))
    ]


def _step(chance: random.Random) -> list[Message]:
    """An answer with its calls, and results of some of them, in some order, with what comes between."""
    calls = _some_calls(chance)
    words = chance.choice(("", f"said {_id()}")) if calls else chance.choice((f"said {_id()}", ""))
    usage = Usage(input_tokens=1, output_tokens=2)
    spoken = answer(words, *calls, thought=chance.choice(("", "Hm.")), usage=usage, model=chance.choice(("m", None)))
    results = [result(one, chance.choice(("", "out"))) for one in calls if chance.random() < 0.9]
    chance.shuffle(results)
    odd: list[Message] = [
        user("a reminder", is_injected=True),
        system("a late word"),
        result(call(), "an orphan"),
        answer("not the model's", is_injected=True),
        user("not shown", is_visible=False),
        Message(role="user", parts=(Part("image", raw={}),)),
        Message(role="assistant", parts=(Part("image", raw={}), *text(f"said {_id()}")), uuid=_id()),
    ]
    between = [chance.choice(odd) for _ in range(chance.choice((0, 0, 0, 1, 2)))]
    mixed = [*results, *between]
    if chance.random() < 0.3:
        chance.shuffle(mixed)
    return [spoken, *mixed]


def _turn(chance: random.Random, key: str) -> Turn:
    steps = [message for _ in range(chance.randrange(5)) for message in _step(chance)]
    end = [answer(f"done {_id()}")] if chance.random() < 0.8 else []
    return turn(key, user(f"do {key}"), *steps, *end)


def _compactions(chance: random.Random, messages: Sequence[Message]) -> tuple[Compaction, ...]:
    places = sorted(chance.sample(range(len(messages) + 1), min(len(messages), 2 * chance.choice((0, 0, 1, 2)))))
    found = []
    for at, resumes in zip(places[::2], places[1::2], strict=False):
        kept = tuple(messages[max(0, at - 2) : at]) if chance.random() < 0.5 else ()
        found.append(Compaction(at=at, resumes=resumes, opening=(user("a summary", is_injected=True), *kept)))
    return tuple(found)


def some_session(seed: int) -> Session:
    """A session of a few turns, with all that agents leave in one."""
    chance = random.Random(seed)  # noqa: S311 - chance, not a secret
    turns = [_turn(chance, f"turn-{number}") for number in range(chance.randrange(1, 5))]
    preamble = (system("You are an agent."), system("Be kind."))[: chance.randrange(3)]
    messages = [message for one in turns for message in one.messages]
    return session(*turns, id=f"s{seed}", preamble=preamble, compactions=_compactions(chance, messages))
