"""Sessions as files for a trace viewer: records as they are, others in the format of Pi, under harmless names."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from typing import Any

import pytest

from agent_records import (
    CLAUDE,
    CODEX,
    OPENCODE,
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
from rollouts import agents
from rollouts.agents.attach import attach
from rollouts.errors import RolloutsError
from rollouts.export import traces
from rollouts.export.neutral import Neutral
from test_readers_random import mutated

PNG = "iVBORw0KGgo="


def written(agent: str, session_id: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of a session: name -> content."""
    reader = agents.reader(agent)
    record = reader.record_from(session_id, {name: chunks(data) for name, data in files.items()})
    assert record is not None
    session = reader.session(record)
    found = Neutral(record, session, attach(session, []), None, None)
    return {trace.name: b"".join(trace.lines) for trace in traces.lines(session_id, found)}


def of_opencode(*messages: Object, **info: Any) -> list[Any]:
    """The lines of a session of OpenCode's."""
    document = opencode_document(opencode_session(*messages, **info))
    (content,) = written("opencode", OPENCODE, {"main.json": document}).values()
    return [json.loads(line) for line in content.splitlines()]


def test_records_go_as_they_are_with_a_file_for_each_subagent() -> None:
    main, sub = jsonl(claude_session()), jsonl(claude_subagent())
    found = written("claude-code", CLAUDE, {"main.jsonl": main, "agent-ad8f.jsonl": sub})
    assert found == {f"{CLAUDE}.jsonl": main, f"{CLAUDE}/ad8f.jsonl": sub}
    data = jsonl(codex_session())
    assert written("codex", CODEX, {"main.jsonl": data}) == {f"{CODEX}.jsonl": data}


def test_lines_that_hold_nothing_are_left_out() -> None:
    data = b'{"type":"user","n":1.50}\r\nbroken\n\n[1]\n'
    found = written("claude-code", CLAUDE, {"main.jsonl": data, "agent-a.jsonl": b"broken\n"})
    assert found == {f"{CLAUDE}.jsonl": b'{"type":"user","n":1.50}\n'}


def test_a_session_without_a_line_is_none() -> None:
    with pytest.raises(RolloutsError, match="has no record that can be read"):
        written("claude-code", CLAUDE, {"main.jsonl": b"broken\n"})


def test_lines_that_readers_would_cut_or_refuse_are_written_anew() -> None:
    lines = ['{"text":"one\u2028two\x85"}', '{"half":"\\ud83d"}', '{"big":123456789012345678901234567890}']
    (content,) = written("claude-code", CLAUDE, {"main.jsonl": "\n".join(lines).encode() + b"\n"}).values()
    text = content.decode()
    assert len(text.splitlines()) == 3
    assert [json.loads(line) for line in text.splitlines()] == [
        {"text": "one\u2028two\x85"},
        {"half": "\ufffd"},
        {"big": "123456789012345678901234567890"},
    ]


def test_a_session_of_opencode_is_one_of_pis_to_the_letter() -> None:
    first = gave(
        "msg_2",
        {"type": "reasoning", "text": "Hm."},
        said("Looking."),
        tool("call_1", "bash", status="error", error="no", input={"command": "ls", "deep": [None, 1.5]}),
        finish="tool-calls",
    )
    found = of_opencode(told("msg_1", said("Go")), first, gave("msg_3", said("Done.")))
    assert found[0] == {
        "type": "session",
        "version": 3,
        "id": OPENCODE,
        "timestamp": "2026-11-21T19:38:22.122Z",
        "cwd": "/work/app",
        "harness": "opencode",
    }
    assert [(line["type"], line["id"], line["parentId"]) for line in found[1:]] == [
        ("session_info", "00000001", None),
        ("model_change", "00000002", "00000001"),
        ("message", "00000003", "00000002"),
        ("message", "00000004", "00000003"),
        ("message", "00000005", "00000004"),
        ("message", "00000006", "00000005"),
    ]
    assert found[3]["timestamp"] == "2026-11-21T19:38:22.199Z"
    asked = {"role": "user", "content": [{"type": "text", "text": "Go"}], "timestamp": 1795289902199}
    usage = {"input": 10, "output": 10, "cacheRead": 7, "cacheWrite": 3, "totalTokens": 30}
    cost = {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0, "total": 0.25}
    call = {"type": "toolCall", "id": "call_1", "name": "bash", "arguments": {"command": "ls", "deep": [None, 1.5]}}
    answered = {
        "role": "assistant",
        "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Looking."}, call],
        "api": "unknown",
        "provider": "unknown",
        "model": "fake-model",
        "usage": usage | {"cost": cost},
        "stopReason": "toolUse",
        "timestamp": 1795289903120,
    }
    result = {
        "role": "toolResult",
        "toolCallId": "call_1",
        "toolName": "bash",
        "content": [{"type": "text", "text": "no"}],
        "isError": True,
        "timestamp": 1795289903120,
    }
    assert [line["message"] for line in found[3:6]] == [asked, answered, result]
    assert found[6]["message"]["stopReason"] == "stop"


def test_a_picture_goes_with_its_bytes() -> None:
    shown = {"type": "file", "mime": "image/png", "url": f"data:image/png;base64,{PNG}"}
    linked = {"type": "file", "mime": "image/png", "url": "https://example.com/a.png"}
    found = of_opencode(told("msg_1", said("See"), shown, linked))
    assert found[-1]["message"]["content"] == [
        {"type": "text", "text": "See"},
        {"type": "image", "data": PNG, "mimeType": "image/png"},
        {"type": "text", "text": "[image]"},
    ]


def test_what_the_model_did_not_see_is_left_out() -> None:
    found = of_opencode(told("msg_1", said("Go")), gave("msg_2", said("Half"), error={"name": "APIError"}))
    assert [line["message"]["role"] for line in found if line["type"] == "message"] == ["user"]


@pytest.mark.parametrize(("tail", "kept"), [(None, "One, last"), ("msg_2", "First.")])
def test_a_compaction_says_what_was_kept(tail: str | None, kept: str) -> None:
    asked = {"type": "compaction", "auto": True} | ({"tail_start_id": tail} if tail else {})
    found = of_opencode(
        told("msg_1", said("One")),
        gave("msg_2", said("First.")),
        told("msg_3", asked),
        gave("msg_4", said("In short."), summary=True),
        told("msg_5", said("One, last")),
    )
    (cut,) = [line for line in found if line["type"] == "compaction"]
    assert cut["summary"] == "In short."
    (first,) = [line for line in found if line.get("id") == cut["firstKeptEntryId"]]
    assert first["message"]["content"][0]["text"] == kept


@pytest.mark.parametrize("seed", range(30))
def test_documents_of_any_shape_become_a_chain_of_entries(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - chance, not a secret
    messages = [
        told("msg_1", said("Go"), {"type": "compaction"}),
        gave("msg_2", {"type": "reasoning", "text": "Hm."}, tool("call_1", "bash", output="half \ud83d")),
        gave("msg_3", said("In short."), summary=True, error={"name": "MessageAbortedError"}),
    ]
    head, *entries = of_opencode(*(mutated(one, chance, 10 ** chance.uniform(-3, -1)) for one in messages * 3))
    assert head["type"] == "session"
    assert [one["parentId"] for one in entries] == [None, *(one["id"] for one in entries)][: len(entries)]
    assert len({one["id"] for one in entries}) == len(entries)
    said_so = [one["message"] for one in entries if one["type"] == "message"]
    for one in said_so:
        assert one["role"] in {"user", "assistant", "toolResult"}
        assert {block["type"] for block in one["content"]} <= {"text", "thinking", "toolCall", "image"}


ODD_NAMES = [
    "../../etc/passwd",
    "/etc/passwd",
    "..",
    ".",
    ".hidden",
    "a/b",
    "a\\b",
    "a b",
    "a\nb",
    "-rf",
    "ü",
    "x" * 101,
    "x" * 4096,
    "a~b",
    "a.jsonl",
    "a.JSONL",
    "[2 shards]",
    "con\u202etxt",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_odd_id_becomes_a_name_that_does_no_harm(name: str) -> None:
    found = traces.safe(name)
    assert re.fullmatch(r"[A-Za-z0-9_.-]{0,60}~[0-9a-f]{16}", found)
    assert not found.startswith(".")


def test_ids_that_look_alike_have_names_of_their_own() -> None:
    names = [*ODD_NAMES, CLAUDE, CODEX, OPENCODE, "a-b", "a_b", "a.b", traces.safe("a/b")]
    assert len({traces.safe(name) for name in names}) == len(names)
    assert [traces.safe(name) for name in (CLAUDE, CODEX, OPENCODE)] == [CLAUDE, CODEX, OPENCODE]
