"""Codex's sessions: what the model saw, in its order, and nothing else."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from agent_records import (
    CODEX,
    CODEX_CHILD,
    Object,
    chunks,
    codex,
    codex_session,
    event,
    item,
    jsonl,
    meta,
    put_codex,
    spent,
    words,
)
from rollouts.agents.codex import reader
from rollouts.agents.session import Message, Session, Usage, views
from rollouts.errors import RolloutsError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TURN = "01a1ff9d-d989-7752-bd04-eb3a5324b004"
LATER = "01a1ffa0-0000-7000-8000-000000000000"


def read(records: list[Object], **last_words: str) -> Session:
    record = reader.record_from(CODEX, {"main.jsonl": chunks(jsonl(records))})
    assert record is not None
    return reader.session(record, last_words)


def shape(messages: tuple[Message, ...]) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in messages]


def test_items_between_two_outputs_are_one_answer() -> None:
    (view,) = views(read(codex_session()))
    assert shape(view) == [
        ("system", "You are an agent."),
        ("system", "<permissions>"),
        ("user", "<environment_context>here</environment_context>"),
        ("user", "Make it"),
        ("assistant", "Making."),
        ("tool", "exited with code 3"),
        ("tool", "patched"),
        ("assistant", "Made."),
    ]


def test_calls_have_their_results_and_the_events_say_which_failed() -> None:
    turn = read(codex_session()).turns[0]
    first, second = turn.calls
    assert (first.name, first.arguments, first.status, first.is_error) == (
        "exec_command",
        {"cmd": "exit 3", "n": 1.5},
        "failed",
        True,
    )
    assert (second.name, second.arguments, second.kind, second.output) == (
        "apply_patch",
        "*** Begin Patch",
        "custom",
        "patched",
    )
    assert second.status == "completed"


def test_arguments_that_are_no_object_stay_the_models_text() -> None:
    records = [meta(), words("user", "Go", TURN)]
    records += [item("function_call", TURN, name="f", arguments=text, call_id=text) for text in ('{"a":', "[1]", "")]
    assert [call.arguments for call in read(records).turns[0].calls] == ['{"a":', "[1]", ""]


def test_usage_belongs_to_the_answer_and_cached_tokens_are_no_input() -> None:
    session = read(codex_session())
    usages = [message.usage for message in session.messages if message.role == "assistant"]
    assert usages[0] == Usage(input_tokens=93, output_tokens=20, cache_read_tokens=7, reasoning_tokens=3)
    assert usages[1] is not None
    assert usages[1].prompt_tokens == 200


def test_older_files_tell_usage_in_events_which_may_repeat() -> None:
    records = [record for record in codex_session() if record["type"] != "token_usage_record"]
    counted = {"last_token_usage": {"input_tokens": 100, "output_tokens": 20}}
    session = read([*records[:-1], event("token_count", info=counted), event("token_count", info=counted), records[-1]])
    assert session.usage == Usage(input_tokens=200, output_tokens=40)


def test_reasoning_is_a_summary_and_a_sealed_text_unless_the_model_gave_it() -> None:
    thoughts = read(codex_session()).turns[0].messages[3].reasoning
    assert [(thought.text, thought.is_summary, thought.sealed) for thought in thoughts] == [
        ("Think.", True, None),
        ("", False, "c2VhbGVk"),
    ]
    plain = item("reasoning", TURN, content=[{"type": "reasoning_text", "text": "Aloud."}], summary=[])
    answer = read([meta(), words("user", "Go", TURN), plain, words("assistant", "So.", TURN)]).turns[0].messages[1]
    assert [(thought.text, thought.is_summary) for thought in answer.reasoning] == [("Aloud.", False)]


def test_what_the_agent_put_in_is_told_from_what_was_typed() -> None:
    turn = read(codex_session()).turns[0]
    assert [(message.role, message.is_injected) for message in turn.messages[:3]] == [
        ("system", True),
        ("user", True),
        ("user", False),
    ]
    assert (turn.prompt, turn.key, turn.status, turn.model) == ("Make it", TURN, "completed", "gpt-5.5")


def test_the_kinds_that_codex_writes_decide_what_was_typed() -> None:
    record = words("user", "<environment_context> is my question", TURN)
    passed = record["payload"]["internal_chat_message_metadata_passthrough"]
    passed["content_item_kinds"] = ["user.text"]
    note = words("user", "plain words", TURN)
    note["payload"]["internal_chat_message_metadata_passthrough"]["content_item_kinds"] = ["compaction.summary"]
    messages = read([meta(), record, note]).turns[0].messages
    assert [(message.is_injected, message.kind) for message in messages] == [
        (False, "prompt"),
        (True, "compaction.summary"),
    ]


def test_base_instructions_that_are_an_item_too_are_told_once() -> None:
    session = read([meta(), words("developer", "You are an agent.", TURN), words("user", "Go", TURN)])
    assert shape(next(iter(views(session)))) == [("system", "You are an agent."), ("user", "Go")]


def test_tools_are_kept_where_the_record_has_them() -> None:
    given = [{"type": "custom", "name": "exec"}]
    session = read([meta(), item("additional_tools", TURN, tools=given), words("user", "Go", TURN)])
    assert session.tools == tuple(given)


def compacted() -> list[Object]:
    history = [words("user", "One", TURN)["payload"], words("user", "Another model said: In short.", TURN)["payload"]]
    return [
        meta(),
        event("task_started", turn_id=TURN),
        words("user", "One", TURN),
        words("assistant", "First.", TURN),
        words("assistant", "In short.", TURN),
        codex("compacted", {"message": "Another model said: In short.", "replacement_history": history}),
        words("assistant", "Second.", TURN),
        event("task_complete", turn_id=TURN),
    ]


def test_after_a_compaction_the_model_sees_the_history_that_replaced_the_old_one() -> None:
    records = compacted()
    records.insert(4, spent(TURN))
    before, after = views(read(records))
    assert shape(before) == [("system", "You are an agent."), ("user", "One"), ("assistant", "First.")]
    assert shape(after) == [
        ("system", "You are an agent."),
        ("user", "One"),
        ("user", "Another model said: In short."),
        ("assistant", "Second."),
    ]
    assert len(read(records).turns) == 1


def test_older_compactions_have_a_summary_only_and_say_so() -> None:
    session = read([meta(), words("user", "One", TURN), codex("compacted", {"message": "In short."})])
    assert session.compactions[0].opening[0].text == "In short."
    assert session.notes == ("a compaction kept prompts that the record does not name",)


def test_an_aborted_turn_is_interrupted_and_its_open_calls_told_as_aborted() -> None:
    call = item("function_call", TURN, name="f", arguments="{}", call_id="c")
    session = read([meta(), words("user", "Go", TURN), call, event("turn_aborted", turn_id=TURN)])
    turn = session.turns[0]
    assert (turn.status, turn.calls[0].status, turn.calls[0].output) == ("interrupted", "interrupted", "aborted")
    assert (turn.messages[-1].role, turn.messages[-1].text, turn.messages[-1].is_injected) == ("tool", "aborted", True)


def test_a_result_that_comes_after_the_abortion_is_the_only_one() -> None:
    call = item("function_call", TURN, name="f", arguments="{}", call_id="c")
    output = item("function_call_output", TURN, call_id="c", output="aborted by user after 2.0s")
    session = read([meta(), words("user", "Go", TURN), call, event("turn_aborted", turn_id=TURN), output])
    assert [message.text for message in session.turns[0].messages if message.role == "tool"] == [
        "aborted by user after 2.0s"
    ]


def child(**fields: Any) -> list[Object]:
    source = {"subagent": {"thread_spawn": {"parent_thread_id": CODEX, "depth": 1, "agent_path": "/root/sub"}}}
    facts = {"parent_thread_id": CODEX, "source": source, "thread_source": "subagent", "agent_path": "/root/sub"}
    return [meta(CODEX_CHILD, **facts, **fields), words("user", "Sub", LATER), words("assistant", "Sub done.", LATER)]


def spawning() -> list[Object]:
    call = item("function_call", TURN, namespace="multi", name="spawn_agent", arguments="{}", call_id="call_9")
    spawned = {"type": "CollabAgentToolCall", "id": "call_9", "tool": "spawn_agent"}
    return [
        *codex_session()[:-1],
        call,
        event("item_completed", item=spawned | {"receiver_thread_ids": [CODEX_CHILD]}),
        item("function_call_output", TURN, call_id="call_9", output="{}"),
    ]


def test_subagents_are_threads_of_their_own_in_the_record_of_the_root(sealed: Path) -> None:
    put_codex(sealed, spawning())
    put_codex(sealed, child(), thread=CODEX_CHILD)
    record = reader.Store().record(CODEX)
    assert record is not None
    found = json.loads(b"".join(record.chunks()))
    assert (found["format"], list(found["subagents"])) == ("codex-jsonl", [CODEX_CHILD])
    session = reader.session(record)
    (sub,) = session.subagents
    assert (sub.id, sub.parent_id, sub.relationship, sub.spawned_by) == (CODEX_CHILD, CODEX, "subagent", "call_9")
    assert session.turns[0].calls[-1].session_id == CODEX_CHILD
    assert session.turns[0].calls[-1].name == "multi.spawn_agent"


def test_grandchildren_are_in_the_record_too_and_strangers_are_not(sealed: Path) -> None:
    grandchild, stranger = CODEX_CHILD[:-1] + "5", CODEX_CHILD[:-1] + "6"
    put_codex(sealed, codex_session())
    put_codex(sealed, child(), thread=CODEX_CHILD)
    put_codex(sealed, [meta(grandchild, parent_thread_id=CODEX_CHILD)], thread=grandchild)
    put_codex(sealed, [meta(stranger)], thread=stranger)
    record = reader.Store().record(CODEX)
    assert record is not None
    assert list(record.subagents) == [CODEX_CHILD, grandchild]


def test_a_fork_copies_turns_that_are_told_from_its_own() -> None:
    older = "01a1ff9c-0000-7000-8000-000000000000"
    records = [meta(forked_from_id=older), meta(older), words("user", "Old", older), words("user", "New", LATER)]
    session = read(records)
    assert (session.id, session.parent_id, session.relationship) == (CODEX, older, "fork")
    assert [(turn.prompt, turn.is_inherited) for turn in session.turns] == [("Old", True), ("New", False)]
    assert session.title == "New"
    assert session.usage is None


def test_files_without_turn_ids_have_a_turn_for_each_bracket() -> None:
    records = [meta()]
    for text in ("One", "Two"):
        records += [event("task_started"), words("user", text), words("assistant", f"{text}."), event("task_complete")]
    assert [(turn.key, turn.prompt, turn.status) for turn in read(records).turns] == [
        ("", "One", "completed"),
        ("", "Two", "completed"),
    ]


def test_files_without_brackets_have_a_turn_for_each_prompt() -> None:
    records = [meta(), words("user", "One"), words("assistant", "1."), words("user", "Two"), words("assistant", "2.")]
    assert [turn.prompt for turn in read(records).turns] == ["One", "Two"]


def test_mail_of_another_agent_is_no_prompt_and_what_is_sealed_is_named() -> None:
    parts = [{"type": "input_text", "text": "Payload:"}, {"type": "encrypted_content", "encrypted_content": "x"}]
    session = read([meta(), item("agent_message", TURN, author="/root", content=parts)])
    (message,) = session.turns[0].messages
    assert (message.role, message.kind, message.is_injected, message.text) == (
        "user",
        "agent",
        True,
        "Payload:\n[encrypted_content]",
    )


def test_the_last_answer_comes_from_the_hook_when_the_file_lacks_it() -> None:
    records = codex_session()[:-4]
    turn = read(records, **{TURN: "Made."}).turns[0]
    assert (turn.messages[-1].text, turn.status) == ("Made.", "completed")
    assert len(read(codex_session(), **{TURN: "Made."}).messages) == 7


def test_unknown_records_and_items_are_counted() -> None:
    session = read([meta(), codex("news", {}), item("dream", TURN), item("ghost_snapshot", TURN)])
    assert session.unknown == {"news": 1, "response_item/dream": 1}


@pytest.mark.parametrize("payload", [None, 5, [], {"type": 5}, {"type": "message", "content": {"a": 1}}, {"item": 5}])
@pytest.mark.parametrize("kind", ["response_item", "event_msg", "compacted", "session_meta", "turn_context", "x", None])
def test_records_of_another_shape_stop_nothing(kind: Any, payload: Any) -> None:
    odd = {"timestamp": 5, "type": kind, "payload": payload}
    session = read([meta(), words("user", "Go", TURN), odd, words("assistant", "Done.", TURN)])
    assert session.messages[-1].text == "Done."


def test_a_title_is_the_first_prompt_and_messages_are_counted() -> None:
    record = reader.record_from(CODEX, {"main.jsonl": chunks(jsonl(codex_session()))})
    assert record is not None
    assert reader.headline(record) == ("Make it", 6)


def test_the_store_knows_its_sessions_only(sealed: Path) -> None:
    assert reader.Store().record(CODEX) is None
    put_codex(sealed, codex_session())
    assert reader.Store().record("another") is None
    assert reader.record_from(CODEX, {f"{CODEX}.jsonl": chunks(b"")}) is None


def test_an_archived_session_is_found(sealed: Path) -> None:
    path = put_codex(sealed, codex_session())
    archive = sealed / ".codex" / "archived_sessions"
    archive.mkdir()
    path.rename(archive / path.name)
    assert reader.Store().record(CODEX) is not None


def test_a_session_that_codex_has_compressed_since_is_read(sealed: Path) -> None:
    path = put_codex(sealed, codex_session())
    whole = path.read_bytes()
    path.with_name(f"{path.name}.zst").write_bytes(zstd.compress(whole))
    path.unlink()
    found = reader.Store().record(CODEX)
    assert found
    assert b"".join(found.main()) == whole


def test_half_of_a_compressed_session_is_told(sealed: Path) -> None:
    path = put_codex(sealed, codex_session())
    path.with_name(f"{path.name}.zst").write_bytes(zstd.compress(path.read_bytes())[:-9])
    path.unlink()
    found = reader.Store().record(CODEX)
    assert found
    with pytest.raises(RolloutsError, match="no whole file of Zstandard"):
        list(found.main())
