"""Agents change their formats without notice: records of any shape stop no reader, and lose no line of an export."""

from __future__ import annotations

import json
import random
from types import ModuleType
from typing import Any

import pytest

from agent_records import (
    CLAUDE,
    CODEX,
    OPENCODE,
    chunks,
    claude_session,
    claude_subagent,
    codex_session,
    gave,
    jsonl,
    opencode_document,
    opencode_session,
    said,
    told,
    tool,
)
from rollouts.agents.attach import attach
from rollouts.agents.claude_code import reader as claude_code
from rollouts.agents.codex import reader as codex
from rollouts.agents.opencode import reader as opencode
from rollouts.agents.session import Session, views

ODD: list[Any] = [None, True, -1, 1.5, 10**30, "", "x", "user", [], {}, [None], [[]], {"a": 1}, [{"type": "text"}]]


def mutated(value: Any, random_: random.Random, share: float) -> Any:
    """A value in which some are odd ones, and some keys are gone."""
    if random_.random() < share:
        return random_.choice(ODD)
    if isinstance(value, dict):
        return {key: mutated(one, random_, share) for key, one in value.items() if random_.random() > share / 2}
    return [mutated(one, random_, share) for one in value] if isinstance(value, list) else value


def check(session: Session) -> None:
    """What holds of every session."""
    list(views(session))
    attach(session, [])
    for one in (session, *session.subagents):
        json.dumps([one.title, one.usage and one.usage.cost, *(message.text for message in one.messages)])
        for compaction in one.compactions:
            assert 0 <= compaction.at <= compaction.resumes <= len(one.messages)


@pytest.mark.parametrize(
    ("reader", "name", "records"),
    [(claude_code, CLAUDE, [*claude_session(), *claude_subagent()]), (codex, CODEX, codex_session())],
)
@pytest.mark.parametrize("seed", range(40))
def test_lines_of_any_shape_are_read(reader: ModuleType, name: str, records: list[Any], seed: int) -> None:
    random_ = random.Random(seed)  # noqa: S311 - chance, not a secret
    odd = [mutated(record, random_, 10 ** random_.uniform(-3, -1)) for record in records]
    random_.shuffle(odd)
    data = jsonl(odd)
    record = reader.record_from(
        name, {"main.jsonl": chunks(data), "agent-a.jsonl": chunks(data), "b.jsonl": chunks(data)}
    )
    found = json.loads(b"".join(record.chunks()))
    assert found["records"] == [one for one in odd if isinstance(one, dict)]
    reader.headline(record)
    check(reader.session(record))


@pytest.mark.parametrize("seed", range(40))
def test_documents_of_any_shape_are_read(seed: int) -> None:
    random_ = random.Random(seed)  # noqa: S311 - chance, not a secret
    messages = [
        told("msg_1", said("Go"), {"type": "compaction"}),
        gave("msg_2", {"type": "reasoning", "text": "Hm."}, tool("call_1", "bash", output="fine")),
        gave("msg_3", said("In short."), summary=True, error={"name": "MessageAbortedError"}),
    ]
    odd = [mutated(message, random_, 10 ** random_.uniform(-3, -1)) for message in messages * 3]
    value = opencode_session(*odd)
    record = opencode.record_from(OPENCODE, {"main.json": chunks(opencode_document(value))})
    assert record is not None
    assert json.loads(b"".join(record.chunks())) == value
    check(opencode.session(record))
