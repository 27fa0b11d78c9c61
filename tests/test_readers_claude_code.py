"""Claude Code's sessions: what the model saw, in its order, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent_records import (
    CLAUDE,
    Object,
    answer,
    chunks,
    claude,
    claude_session,
    claude_subagent,
    jsonl,
    prompt,
    put_claude,
    put_claude_subagent,
    result,
    said,
    use,
    uuid,
)
from rollouts.agents.claude_code import reader
from rollouts.agents.session import Message, Session, ToolCall, Turn, Usage, views


def read(records: list[Object], **last_words: str) -> Session:
    record = reader.record_from(CLAUDE, {"main.jsonl": chunks(jsonl(records))})
    assert record is not None
    return reader.session(record, last_words)


def shape(messages: tuple[Message, ...]) -> list[tuple[str, str, str]]:
    return [(message.role, message.kind, message.text) for message in messages]


def test_blocks_of_one_message_are_one_message_and_parallel_results_follow_it() -> None:
    turn = read(claude_session()).turns[0]
    assert shape(turn.messages) == [
        ("user", "skill_listing", "- dance: Dances."),
        ("user", "prompt", "Make two files"),
        ("assistant", "answer", "Creating."),
        ("tool", "result", "made a"),
        ("tool", "result", "Exit code 3"),
        ("assistant", "answer", "Made one."),
    ]
    spoken = turn.messages[2]
    assert [(thought.text, thought.sealed) for thought in spoken.reasoning] == [("Two files.", "c2lnbmVk")]
    assert [(call.id, call.name, call.status, call.is_error, call.output) for call in spoken.calls] == [
        ("toolu_1", "Write", "completed", None, "made a"),
        ("toolu_2", "Write", "failed", True, "Exit code 3"),
    ]
    assert spoken.calls[0].arguments == {"file_path": "a.py", "content": "a"}


def test_usage_that_every_block_repeats_is_counted_once() -> None:
    session = read(claude_session())
    one = Usage(input_tokens=10, output_tokens=20, cache_read_tokens=7, cache_write_tokens=3)
    assert session.turns[0].messages[2].usage == one
    assert one.prompt_tokens == 20
    assert session.turns[0].usage == Usage(
        input_tokens=20, output_tokens=40, cache_read_tokens=14, cache_write_tokens=6
    )


def test_a_session_knows_its_facts_and_turns_their_prompt_ids() -> None:
    session = read(claude_session())
    assert (session.agent, session.id, session.title) == ("claude-code", CLAUDE, "Make two files")
    assert (session.cwd, session.git_branch, session.version) == ("/work/app", "main", "2.1.197")
    assert session.models == ("claude-sonnet-4-5",)
    assert [(turn.key, turn.status, turn.prompt) for turn in session.turns] == [
        ("turn-1", "completed", "Make two files"),
        ("turn-2", "completed", "Delegate"),
    ]
    assert (session.unknown, session.notes, session.compactions) == ({}, (), ())


def test_subagents_are_sessions_of_their_own_that_know_who_called_them(sealed: Path) -> None:
    main = put_claude(sealed, claude_session())
    put_claude_subagent(main, claude_subagent())
    record = reader.Store().record(CLAUDE)
    assert record is not None
    session = reader.session(record)
    (sub,) = session.subagents
    assert (sub.id, sub.parent_id, sub.relationship, sub.spawned_by) == ("ad8f", CLAUDE, "subagent", "toolu_3")
    assert shape(sub.messages) == [("user", "prompt", "Sub"), ("assistant", "answer", "Sub is done.")]
    assert session.turns[1].calls[0].session_id == "ad8f"


def test_the_record_holds_each_line_and_the_subagents(sealed: Path) -> None:
    main = put_claude(sealed, claude_session())
    put_claude_subagent(main, claude_subagent())
    record = reader.Store().record(CLAUDE)
    assert record is not None
    found = json.loads(b"".join(record.chunks()))
    assert list(found) == ["format", "records", "subagents", "unreadable_lines"]
    assert found["format"] == "claude-code-jsonl"
    assert found["records"] == [json.loads(line) for line in main.read_bytes().splitlines()]
    assert list(found["subagents"]) == ["ad8f"]
    assert len(found["subagents"]["ad8f"]) == len(claude_subagent())


def test_older_subagents_lie_beside_the_session(sealed: Path) -> None:
    main = put_claude(sealed, claude_session())
    (main.parent / "agent-ad8f.jsonl").write_bytes(jsonl(claude_subagent()))
    (main.parent / "agent-other.jsonl").write_bytes(jsonl([{"sessionId": "another"}]))
    record = reader.Store().record(CLAUDE)
    assert record is not None
    assert list(record.subagents) == ["ad8f"]


def test_still_older_ones_stand_in_its_own_file() -> None:
    head, *rest = claude_subagent()
    inner = [head, *(record | {"parentUuid": head["uuid"]} for record in rest)]
    session = read([*claude_session()[:-2], *inner, *claude_session()[-2:]])
    assert [turn.key for turn in session.turns] == ["turn-1", "turn-2"]
    assert [(sub.id, shape(sub.messages)[-1][2]) for sub in session.subagents] == [("ad8f", "Sub is done.")]
    assert session.subagents[0].spawned_by == "toolu_3"


def compacted() -> list[Object]:
    kept = answer("msg_2", said("Second."), stop="end_turn")
    facts = {"trigger": "manual", "preTokens": 900, "preservedMessages": {"uuids": [kept[0]["uuid"]]}}
    return [
        prompt("One", "turn-1"),
        *answer("msg_1", said("First."), stop="end_turn"),
        prompt("Two", "turn-2"),
        *kept,
        claude("system", subtype="compact_boundary", content="Conversation compacted", compactMetadata=facts),
        prompt("In short: ...", "turn-3", isCompactSummary=True, isVisibleInTranscriptOnly=True),
        prompt("<local-command-caveat>Caveat", "turn-3", isMeta=True),
        prompt("<command-name>/compact</command-name>", "turn-3"),
        claude("attachment", attachment={"type": "skill_listing", "content": "- dance: Dances."}),
        prompt("Go on", "turn-4"),
        *answer("msg_3", said("Third."), stop="end_turn"),
    ]


def test_after_a_compaction_the_model_sees_the_summary_and_what_was_kept() -> None:
    before, after = views(read(compacted()))
    assert [text for _, _, text in shape(before)] == ["One", "First.", "Two", "Second."]
    assert shape(after) == [
        ("user", "summary", "In short: ..."),
        ("assistant", "answer", "Second."),
        ("user", "skill_listing", "- dance: Dances."),
        ("user", "aside", "<local-command-caveat>Caveat"),
        ("user", "command", "<command-name>/compact</command-name>"),
        ("user", "prompt", "Go on"),
        ("assistant", "answer", "Third."),
    ]


def test_a_compaction_says_how_it_came_and_its_messages_are_nobodys_prompt() -> None:
    session = read(compacted())
    (compaction,) = session.compactions
    assert (compaction.trigger, compaction.pre_tokens, compaction.at, compaction.resumes) == ("manual", 900, 4, 5)
    assert [turn.prompt for turn in session.turns] == ["One", "Two", "", "Go on"]


@pytest.mark.parametrize(
    ("attachment", "text"),
    [
        ({"type": "hook_success", "hookEvent": "UserPromptSubmit", "content": "be kind"}, "be kind"),
        ({"type": "hook_additional_context", "content": ["one", "two"]}, "one\ntwo"),
        ({"type": "agent_listing_delta", "addedLines": ["- a", "- b"], "addedTypes": ["a", "b"]}, "- a\n- b"),
        ({"type": "file", "content": {"type": "text", "file": {"content": "print()"}}}, "print()"),
        ({"type": "hook_blocking_error", "blockingError": {"blockingError": "no"}}, "no"),
    ],
)
def test_what_was_put_beside_a_prompt_is_kept_as_injected(attachment: Object, text: str) -> None:
    session = read([prompt("Hi", "t"), claude("attachment", attachment=attachment)])
    message = session.turns[0].messages[0]
    assert (message.text, message.is_injected, message.is_visible) == (text, True, True)
    assert session.turns[0].prompt == "Hi"


@pytest.mark.parametrize(
    "attachment",
    [
        {"type": "hook_success", "hookEvent": "Stop", "content": "fine"},
        {"type": "hook_success", "hookEvent": "UserPromptSubmit", "content": ""},
        {"type": "hook_non_blocking_error", "stderr": "not found"},
        {"type": "hook_cancelled"},
    ],
)
def test_what_only_the_person_saw_is_in_no_view(attachment: Object) -> None:
    session = read([prompt("Hi", "t"), claude("attachment", attachment=attachment)])
    (view,) = views(session)
    assert [message.text for message in view] == ["Hi"]
    assert len(session.messages) == 2


def test_a_prompt_that_was_typed_meanwhile_is_the_persons() -> None:
    queued = claude("attachment", attachment={"type": "queued_command", "prompt": "Faster", "commandMode": "prompt"})
    records = [prompt("Go", "t"), *answer("m", use("c", "Bash", {})), result("c", "ok", "t"), queued]
    last = read(records).turns[0].messages[-1]
    assert (last.role, last.kind, last.text, last.is_injected) == ("user", "queued_command", "Faster", False)


def test_a_reminder_without_its_text_is_told() -> None:
    session = read([prompt("Hi", "t"), claude("attachment", attachment={"type": "task_reminder", "content": []})])
    assert session.notes == ("of a task_reminder the model saw a text that the transcript does not hold",)


def test_an_interrupted_turn_is_one_and_its_open_call_too() -> None:
    stopped = "[Request interrupted by user for tool use]"
    records = [prompt("Go", "t"), *answer("m", use("c", "Bash", {}), use("d", "Bash", {}))]
    records += [result("c", stopped, "t", is_error=True), prompt(stopped, "t")]
    session = read([*records, prompt("Again", "u")])
    turn = session.turns[0]
    assert turn.status == "interrupted"
    assert [call.status for call in turn.calls] == ["interrupted", "interrupted"]
    assert (turn.messages[-1].kind, turn.messages[-1].is_injected) == ("interruption", True)
    assert session.turns[1].status == "open"


def test_an_error_of_the_api_fails_the_turn_and_was_never_said_to_the_model() -> None:
    error = answer("e", said("API Error: 529"), stop="stop_sequence", isApiErrorMessage=True)
    for record in error:
        record["message"]["model"] = "<synthetic>"
    session = read([prompt("Go", "t"), *error])
    assert (session.turns[0].status, session.models) == ("failed", ())
    assert [[message.text for message in view] for view in views(session)] == [["Go"]]


def test_the_last_answer_comes_from_the_hook_when_the_file_lacks_it() -> None:
    records = [prompt("Go", "t"), *answer("m", use("c", "Bash", {})), result("c", "ok", "t")]
    turn = read(records, t="All done.").turns[0]
    assert (turn.messages[-1].role, turn.messages[-1].text, turn.status) == ("assistant", "All done.", "completed")


def test_the_hooks_answer_is_not_added_to_the_files_own() -> None:
    records = [prompt("Go", "t"), *answer("m", said("All done."), stop="end_turn")]
    assert len(read(records, t="All done.").messages) == 2


def test_a_fork_knows_where_it_came_from_and_what_it_copied() -> None:
    origin = {"sessionId": "older", "messageUuid": uuid()}
    session = read([prompt("Go", "t", forkedFrom=origin), prompt("More", "u")])
    assert (session.parent_id, session.relationship) == ("older", "fork")
    assert [turn.is_inherited for turn in session.turns] == [True, False]


def test_a_record_that_stands_twice_counts_once() -> None:
    record = prompt("Go", "t")
    session = read([record, record])
    assert len(session.messages) == 1
    assert session.notes == ("a record stands twice in the file",)


def test_files_without_prompt_ids_have_a_turn_for_each_prompt() -> None:
    records = [{key: value for key, value in one.items() if key != "promptId"} for one in claude_session()]
    session = read([*records, prompt("<local-command-stdout>ok", "x") | {"promptId": None}])
    assert [turn.prompt for turn in session.turns] == ["Make two files", "Delegate"]
    assert session.turns[0].key == records[1]["uuid"]


def test_unknown_records_and_broken_lines_are_counted() -> None:
    records = jsonl([prompt("Go", "t"), claude("news"), claude("news"), claude("system", subtype="odd")])
    record = reader.record_from(CLAUDE, {"main.jsonl": chunks(records + b"broken\n")})
    assert record is not None
    session = reader.session(record)
    assert session.unknown == {"news": 2, "system/odd": 1}
    assert session.unreadable_lines == 1


@pytest.mark.parametrize(
    "change",
    [
        {"message": None},
        {"message": {"content": None}},
        {"message": {"content": [None, 1, "x", {}]}},
        {"message": {"content": {"type": "text"}}},
        {"attachment": None},
        {"uuid": 5, "timestamp": 5, "promptId": 5},
        {"toolUseResult": [1]},
        {"forkedFrom": "x"},
    ],
)
@pytest.mark.parametrize("kind", ["user", "assistant", "attachment", "system"])
def test_records_of_another_shape_stop_nothing(kind: str, change: Any) -> None:
    session = read([prompt("Go", "t"), claude(kind, **change), *answer("m", said("Done."), stop="end_turn")])
    assert session.messages[-1].text == "Done."


def test_what_was_said_before_the_first_prompt_is_the_preamble() -> None:
    hook = claude("attachment", attachment={"type": "hook_success", "hookEvent": "SessionStart", "content": "Hello"})
    session = read([hook, prompt("Go", "t")])
    assert [message.text for message in session.preamble] == ["Hello"]
    assert [[message.text for message in view] for view in views(session)] == [["Hello", "Go"]]


def test_the_store_knows_its_sessions_only(sealed: Path) -> None:
    assert reader.Store().record(CLAUDE) is None
    put_claude(sealed, claude_session())
    assert reader.Store().record("../-work-app/" + CLAUDE) is None
    assert reader.Store().record("another") is None
    assert reader.record_from(CLAUDE, {"agent-x.jsonl": chunks(b"")}) is None


def test_a_title_is_the_persons_then_the_agents_then_the_first_prompt() -> None:
    records = [*claude_session(), {"type": "ai-title", "aiTitle": "Two files"}]
    record = reader.record_from(CLAUDE, {"main.jsonl": chunks(jsonl(records))})
    assert record is not None
    assert reader.headline(record) == ("Two files", 6)
    assert reader.session(record).title == "Two files"
    first = reader.record_from(CLAUDE, {"main.jsonl": chunks(jsonl(claude_session()))})
    assert first is not None
    assert reader.headline(first) == ("Make two files", 6)


def test_a_turn_without_a_call_has_none() -> None:
    turn = Turn(key="k", messages=(Message(role="user"),))
    assert (turn.calls, turn.usage, turn.prompt) == ((), None, "")
    assert ToolCall(id="c", name="n", arguments={}).output is None
