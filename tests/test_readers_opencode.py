"""OpenCode's sessions: what the model saw, in its order, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agent_records import (
    OPENCODE,
    OPENCODE_CHILD,
    Object,
    chunks,
    gave,
    opencode_document,
    opencode_session,
    put_opencode,
    said,
    told,
    tool,
)
from rollouts.agents.opencode import reader
from rollouts.agents.session import Message, Session, Usage, views
from rollouts.errors import RolloutsError


def read(*messages: Object, children: Mapping[str, Object] | None = None, **info: Any) -> Session:
    files = {f"{name}.json": chunks(opencode_document(child)) for name, child in (children or {}).items()}
    main = chunks(opencode_document(opencode_session(*messages, **info)))
    record = reader.record_from(OPENCODE, {"main.json": main, **files})
    assert record is not None
    return reader.session(record)


def shape(messages: tuple[Message, ...]) -> list[tuple[str, str, str]]:
    return [(message.role, message.kind, message.text) for message in messages]


def test_a_message_and_the_results_of_its_tools() -> None:
    session = read(
        told("msg_1", said("Go")),
        gave(
            "msg_2",
            {"type": "reasoning", "text": "Hm."},
            said("Trying."),
            tool("call_1", "bash", output="fine"),
            tool("call_2", "bash", status="error", error="no such thing"),
            finish="tool-calls",
        ),
        gave("msg_3", said("Done.")),
    )
    (turn,) = session.turns
    assert (turn.key, turn.status, turn.prompt, turn.model) == ("msg_1", "completed", "Go", "fake-model")
    assert shape(turn.messages) == [
        ("user", "prompt", "Go"),
        ("assistant", "answer", "Trying."),
        ("tool", "result", "fine"),
        ("tool", "result", "no such thing"),
        ("assistant", "answer", "Done."),
    ]
    assert [(call.id, call.status, call.is_error) for call in turn.calls] == [
        ("call_1", "completed", False),
        ("call_2", "failed", True),
    ]
    assert turn.messages[1].reasoning[0].text == "Hm."


def test_usage_has_cost_and_reasoning_is_part_of_the_output() -> None:
    session = read(told("msg_1", said("Go")), gave("msg_2", said("Done.")))
    one = Usage(
        input_tokens=10, output_tokens=10, cache_read_tokens=7, cache_write_tokens=3, reasoning_tokens=5, cost=0.25
    )
    assert session.usage == one
    assert (session.title, session.cwd, session.version) == ("A session", "/work/app", "1.18.33")
    assert (session.started_at, session.ended_at) == ("2026-11-21T19:38:22.122Z", "2026-11-21T19:38:24.385Z")


def test_synthetic_text_is_injected_and_ignored_text_was_never_said() -> None:
    session = read(told("msg_1", said("Go"), said("(a file)") | {"synthetic": True}, said("ui") | {"ignored": True}))
    assert [(message.text, message.is_injected, message.is_visible) for message in session.messages] == [
        ("Go", False, True),
        ("(a file)", True, True),
        ("ui", False, False),
    ]
    assert session.turns[0].prompt == "Go"


def test_a_picture_is_seen_and_a_text_file_by_its_synthetic_text_only() -> None:
    picture = {"type": "file", "mime": "image/png", "url": "data:image/png;base64,AA=="}
    text = {"type": "file", "mime": "text/plain", "filename": "a.txt"}
    (view,) = views(read(told("msg_1", said("Look"), picture, text)))
    assert [part.kind for message in view for part in message.parts] == ["text", "image"]


def compacted(**part: Any) -> Session:
    return read(
        told("msg_1", said("One")),
        gave("msg_2", said("First.")),
        told("msg_3", said("Two")),
        gave("msg_4", tool("call_1", "bash", output="big"), finish="tool-calls"),
        told("msg_5", {"type": "compaction", "auto": True, **part}),
        gave("msg_6", said("In short."), summary=True, mode="compaction"),
        told("msg_7", said("Continue.") | {"synthetic": True}),
        gave("msg_8", said("Second.")),
    )


def test_a_compaction_is_part_of_its_turn_and_the_model_sees_its_summary() -> None:
    session = compacted()
    assert [(turn.key, turn.status) for turn in session.turns] == [("msg_1", "completed"), ("msg_3", "completed")]
    before, after = views(session)
    assert [text for _, _, text in shape(before)] == ["One", "First.", "Two", "", "big"]
    assert shape(after) == [
        ("user", "compaction", "What did we do so far?"),
        ("assistant", "summary", "In short."),
        ("user", "aside", "Continue."),
        ("assistant", "answer", "Second."),
    ]
    assert session.compactions[0].trigger == "auto"


def test_a_compaction_may_keep_the_tail_of_the_old_view() -> None:
    after = list(views(compacted(tail_start_id="msg_3")))[1]
    assert [text for _, _, text in shape(after)] == [
        "What did we do so far?",
        "In short.",
        "Two",
        "",
        "big",
        "Continue.",
        "Second.",
    ]


def test_an_aborted_answer_is_seen_again_only_if_it_had_begun() -> None:
    error = {"name": "MessageAbortedError", "data": {}}
    begun = read(told("msg_1", said("Go")), gave("msg_2", said("I was"), error=error, finish=None))
    assert begun.turns[0].status == "interrupted"
    assert [len(view) for view in views(begun)] == [2]
    nothing = read(told("msg_1", said("Go")), gave("msg_2", error=error, finish=None))
    assert [len(view) for view in views(nothing)] == [1]


def test_a_failed_answer_fails_the_turn_and_is_never_seen_again() -> None:
    error = {"name": "APIError", "data": {"message": "overloaded"}}
    session = read(told("msg_1", said("Go")), gave("msg_2", said("I was"), error=error))
    assert session.turns[0].status == "failed"
    assert [len(view) for view in views(session)] == [1]


def test_a_tool_that_was_stopped_is_interrupted() -> None:
    stopped = tool("call_1", "bash", status="error", error="Tool execution aborted")
    session = read(told("msg_1", said("Go")), gave("msg_2", stopped))
    assert session.turns[0].calls[0].status == "interrupted"


def test_a_pruned_result_is_kept_and_told() -> None:
    pruned = tool("call_1", "bash", output="long", time={"start": 1, "end": 2, "compacted": 3})
    session = read(told("msg_1", said("Go")), gave("msg_2", pruned))
    assert (session.turns[0].calls[0].status, session.turns[0].calls[0].output) == ("pruned", "long")
    assert session.notes == ("an old result is `[Old tool result content cleared]` to the model by now",)


def test_a_subagent_is_a_session_of_its_own() -> None:
    child = opencode_session(told("msg_1", said("Sub")), session=OPENCODE_CHILD, parentID=OPENCODE)
    task = tool("call_1", "task", output="ok", metadata={"sessionId": OPENCODE_CHILD})
    session = read(told("msg_1", said("Go")), gave("msg_2", task), children={OPENCODE_CHILD: child})
    (sub,) = session.subagents
    assert (sub.id, sub.parent_id, sub.relationship, sub.spawned_by) == (
        OPENCODE_CHILD,
        OPENCODE,
        "subagent",
        "call_1",
    )


def test_a_childs_record_is_found_in_its_parents_transcript() -> None:
    child = opencode_document(opencode_session(session=OPENCODE_CHILD, parentID=OPENCODE))
    files = {"main.json": chunks(opencode_document(opencode_session())), f"{OPENCODE_CHILD}.json": chunks(child)}
    found = reader.record_from(OPENCODE_CHILD, files)
    assert found is not None
    assert json.loads(b"".join(found.chunks()))["info"]["parentID"] == OPENCODE
    assert reader.record_from("ses_other", files) is None


def test_unknown_parts_and_roles_are_counted() -> None:
    session = read(
        told("msg_1", said("Go"), {"type": "odd"}), gave("msg_2", {"type": "even"}), {"info": {"role": "ghost"}}
    )
    assert session.unknown == {"part/odd": 1, "part/even": 1, "message/ghost": 1}


@pytest.mark.parametrize("message", [{}, {"info": None}, {"info": {"role": "user"}, "parts": None}, {"parts": [5]}, 5])
def test_messages_of_another_shape_stop_nothing(message: Any) -> None:
    session = read(told("msg_1", said("Go")), message, gave("msg_2", said("Done.")))
    assert session.messages[-1].text == "Done."


def store(sealed: Path, monkeypatch: pytest.MonkeyPatch, **documents: bytes) -> None:
    for name, value in put_opencode(sealed, documents).items():
        monkeypatch.setenv(name, value)


def test_the_program_writes_into_a_file_and_nothing_is_lost(sealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    value = opencode_session(told("msg_1", said("x" * 300_000)))
    store(sealed, monkeypatch, **{OPENCODE: opencode_document(value)})
    record = reader.Store().record(OPENCODE)
    assert record is not None
    assert json.loads(b"".join(record.chunks())) == value
    assert reader.headline(record) == ("A session", 1)


def test_a_session_that_the_program_does_not_know_is_none(sealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(sealed, monkeypatch)
    assert reader.Store().record(OPENCODE) is None
    assert reader.Store().record("--help") is None


@pytest.mark.parametrize("document", [b"", b"{", b"[]", b'{"info": {"id": "ses_other"}, "messages": []}'])
def test_a_document_that_is_no_session_is_refused(
    document: bytes, sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(sealed, monkeypatch, **{OPENCODE: document})
    with pytest.raises(RolloutsError, match=r"opencode export(ed session| returned invalid JSON for session)"):
        reader.Store().record(OPENCODE)


def test_a_missing_program_is_told(sealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(sealed, monkeypatch)
    monkeypatch.setenv("PATH", str(sealed))
    with pytest.raises(RolloutsError, match="opencode executable not found"):
        reader.Store().record(OPENCODE)


def test_nothing_is_asked_where_opencode_never_was(sealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(sealed))
    assert reader.Store().record(OPENCODE) is None
