"""A record that is taken apart and put together again is the record."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from agent_records import (
    CLAUDE,
    CODEX,
    OPENCODE,
    OPENCODE_CHILD,
    Object,
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
from rollouts.agents.claude_code import reader as claude_code
from rollouts.agents.codex import reader as codex
from rollouts.agents.decoded import decoded, encoded
from rollouts.agents.opencode import reader as opencode
from rollouts.agents.raw import Record
from rollouts.agents.session import Session

ODD: Object = {
    "half": "\ud83d",
    "nul": "\0\u2028",
    "big": 10**3000,
    "exact": 0.1,
    "deep": [[{"": None}]],
    "far": -0.0,
    "true": True,
}


def of_claude() -> Record:
    note = json.dumps({"agentType": "general", "toolUseId": "toolu_3"}).encode()
    files = {
        "main.jsonl": jsonl(claude_session()) + b"no JSON\n[1]\n\xff\n" + jsonl([ODD]) + b'{"breaks off',
        "agent-ad8f.jsonl": b"\xef\xbb\xbf" + jsonl(claude_subagent()) + b"{\n",
        "agent-ad8f.meta.json": note,
        "agent-0.meta.json": b"torn {",
    }
    return found(claude_code.record_from(CLAUDE, {name: chunks(data) for name, data in files.items()}))


def of_codex() -> Record:
    files = {"main.jsonl": jsonl([*codex_session(), ODD]) + b"\r\n?\r\n"}
    return found(codex.record_from(CODEX, {name: chunks(data) for name, data in files.items()}))


def of_opencode() -> Record:
    call = tool("call_1", "task", output="done", metadata={"sessionId": OPENCODE_CHILD})
    main = opencode_session(told("msg_1", said("Go")), gave("msg_2", call), odd=ODD)
    child = opencode_session(told("msg_3", said("Sub")), gave("msg_4", said("Done.")), session=OPENCODE_CHILD)
    files = {"main.json": main, f"{OPENCODE_CHILD}.json": child}
    torn = {"ses_torn.json": chunks(b"{")}
    return found(
        opencode.record_from(OPENCODE, {name: chunks(opencode_document(value)) for name, value in files.items()} | torn)
    )


def found(record: Record | None) -> Record:
    assert record is not None
    return record


def value(record: Record) -> Any:
    return json.loads(b"".join(record.chunks()))


def spoken(session: Session) -> list[str]:
    """The texts of a session's messages, and of its subagents'."""
    return [message.text for one in (session, *session.subagents) for message in one.messages]


EACH = pytest.mark.parametrize(
    ("make", "reader"),
    [(of_claude, claude_code), (of_codex, codex), (of_opencode, opencode)],
    ids=["claude-code", "codex", "opencode"],
)
Make = Callable[[], Record]


@EACH
def test_a_record_put_together_again_is_the_same(make: Make, reader: ModuleType) -> None:
    record = make()
    again = encoded(record, decoded(record))
    assert value(again) == value(record)
    assert again.unreadable_lines == record.unreadable_lines
    assert decoded(again) == decoded(record)
    assert reader.session(again) == reader.session(record)
    assert reader.headline(again) == reader.headline(record)


def test_unreadable_lines_of_all_files_are_counted_as_before() -> None:
    record = of_claude()
    again = encoded(record, decoded(record))
    assert value(again)["unreadable_lines"] == again.unreadable_lines == 4


@EACH
def test_what_is_changed_in_the_value_is_changed_in_the_record(make: Make, reader: ModuleType) -> None:
    record = make()
    text = json.dumps(decoded(record)).replace("Done", "Gone").replace("Sub", "Pub")
    again = encoded(record, json.loads(text))
    assert json.dumps(value(again)) == json.dumps(value(record)).replace("Done", "Gone").replace("Sub", "Pub")
    before = spoken(reader.session(record))
    assert spoken(reader.session(again)) == [text.replace("Done", "Gone").replace("Sub", "Pub") for text in before]


def test_a_subagent_stays_at_the_call_that_started_it() -> None:
    for record, reader in ((of_claude(), claude_code), (of_opencode(), opencode)):
        (child,) = reader.session(encoded(record, decoded(record))).subagents
        assert child.spawned_by in {"toolu_3", "call_1"}
        assert child.messages


def test_numbers_that_python_does_not_hold_become_their_digits_as_text() -> None:
    record = found(codex.record_from(CODEX, {"main.jsonl": chunks(b'{"far":1e400,"big":%s}\n' % (b"9" * 5000))}))
    assert value(encoded(record, decoded(record)))["records"] == [{"far": "1e400", "big": "9" * 5000}]


def test_the_first_record_is_left_as_it_was() -> None:
    record = of_codex()
    before = dataclasses.replace(record)
    encoded(record, {"main": [], "subagents": {}, "asides": {}})
    assert value(record) == value(before)
