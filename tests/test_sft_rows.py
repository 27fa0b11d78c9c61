"""Rows for training, by value: what of a session becomes a message, a tool or a column, and what does not."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from chat_rules import check
from neutral_sessions import answer, call, result, session, some_session, system, text, turn, user
from rollouts.agents.session import Compaction, Message, Part, Reasoning, Session, Usage
from rollouts.export import chat, training
from rollouts.export.tool_schemas import schemas
from rollouts.export.training import COLUMNS, Copies, Exact, Facts, Form, Spot
from rollouts.models import Snapshot
from schemas import problems

GOLDEN = Path(__file__).parent / "data" / "sft-rows.jsonl"
BY_TURN = Form(training.TURN)
Row = dict[str, Any]


def rows(found: Session, form: Form = Form(), facts: Facts = Facts(), copies: Copies | None = None) -> list[Row]:  # noqa: B008 - both are immutable
    return [*training.rows(found, facts, form, copies or Copies(), Counter())]


def notes(found: Session, form: Form = Form()) -> dict[str, int]:  # noqa: B008 - immutable
    counted: Counter[str] = Counter()
    list(training.rows(found, Facts(), form, Copies(), counted))
    return {what: count for what, count in counted.items() if count}


def messages(*said: Message) -> list[Row]:
    """The messages of the only row of a session of one turn."""
    [row] = rows(session(turn("t", *said)))
    found: list[Row] = row["messages"]
    return found


def roles(found: list[Row]) -> list[str]:
    return [one["role"] for one in found]


# Messages


def test_a_message_of_each_role_has_the_keys_of_its_role_in_their_order() -> None:
    run = call("run", {"cmd": "ls"}, "c1")
    found = messages(
        system("Be."), user("Go"), answer("Running.", run, thought="Hm."), result(run, "a"), answer("Done.")
    )
    assert found == [
        {"role": "system", "content": "Be."},
        {"role": "user", "content": "Go"},
        {
            "role": "assistant",
            "content": "Running.",
            "reasoning_content": "Hm.",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "run", "arguments": {"cmd": "ls"}}}],
        },
        {"role": "tool", "tool_call_id": "c1", "name": "run", "content": "a"},
        {"role": "assistant", "content": "Done."},
    ]
    assert [*found[2]] == ["role", "content", "reasoning_content", "tool_calls"]
    assert [*found[3]] == ["role", "tool_call_id", "name", "content"]


def test_results_of_parallel_calls_stand_behind_them_in_the_order_of_the_calls() -> None:
    one, two = call("one"), call("two")
    found = messages(
        user("Go"),
        answer("", one, two),
        user("Look", is_injected=True),
        result(two, "2"),
        result(one, "1"),
        answer("Done"),
    )
    assert roles(found) == ["user", "assistant", "tool", "tool", "user", "assistant"]
    assert [one["content"] for one in found[2:5]] == ["1", "2", "Look"]


def test_a_call_without_a_result_and_a_result_without_a_call_are_left_out_and_counted() -> None:
    lost, kept = call("lost"), call("kept")
    said = (user("Go"), answer("Two.", lost, kept), result(kept), result(call(), "orphan"), answer("Done"))
    [first, *_] = [one for one in messages(*said) if one["role"] == "assistant"]
    assert [one["function"]["name"] for one in first["tool_calls"]] == ["kept"]
    assert notes(session(turn("t", *said))) == {chat.UNANSWERED: 1, chat.ORPHANS: 1}


def test_an_answer_of_unanswered_calls_only_goes_with_them() -> None:
    assert roles(messages(user("Go"), answer("", call()), answer("Done"))) == ["user", "assistant"]


def test_ids_that_are_used_again_find_the_results_of_their_own_calls() -> None:
    first, lost, last = (call("run", {"n": number}, "call_0") for number in range(3))
    said = [user("Go"), answer("", first), result(first, "0"), answer("", lost), answer("", last), result(last, "2")]
    found = messages(*said, answer("Done"))
    assert [one["content"] for one in found if one["role"] == "tool"] == ["0", "2"]
    assert [one["tool_calls"][0]["function"]["arguments"]["n"] for one in found if "tool_calls" in one] == [0, 2]


def test_failed_and_interrupted_calls_are_answered_by_what_the_model_was_told() -> None:
    failed, stopped = call("run", status="failed", is_error=True), call("run", status="interrupted")
    found = messages(
        user("Go"),
        answer("", failed, stopped),
        result(failed, "Exit code 3"),
        result(stopped, "aborted"),
        answer("Done"),
    )
    assert [one["content"] for one in found if one["role"] == "tool"] == ["Exit code 3", "aborted"]


def test_a_pruned_result_is_as_the_model_first_saw_it() -> None:
    old = call("read", status="pruned")
    assert messages(user("Go"), answer("", old), result(old, "long"), answer("Done"))[2]["content"] == "long"


def test_a_row_ends_with_the_last_answer_that_waits_for_nothing() -> None:
    begun = call()
    said = (user("Go"), answer("Done."), user("More"), answer("I look.", begun), result(begun))
    assert messages(*said) == [{"role": "user", "content": "Go"}, {"role": "assistant", "content": "Done."}]


def test_a_turn_without_a_final_answer_is_no_row_and_is_counted() -> None:
    begun = call()
    found = session(turn("a", user("Go"), answer("", begun), result(begun)), turn("b", user("So?"), answer("Done")))
    assert [row["turn"] for row in rows(found, BY_TURN)] == [2]
    assert notes(found, BY_TURN) == {training.UNFINISHED: 1}


def test_words_of_the_agent_in_the_models_place_are_no_answers() -> None:
    said = (user("Go"), answer("Done."), user("More"), answer("API error", is_injected=True))
    assert messages(*said)[-1]["content"] == "Done."
    assert notes(session(turn("t", *said))) == {chat.NOT_SAID: 1}


def test_what_the_model_did_not_see_is_left_out() -> None:
    assert roles(messages(user("Shown"), user("Hidden", is_visible=False), answer("Done"))) == ["user", "assistant"]


def test_what_agents_inject_stands_among_the_users_words() -> None:
    found = messages(user("Reminder", is_injected=True), user("Go"), system("Late"), answer("Done"))
    assert found[0] == {"role": "user", "content": "Reminder\n\nGo\n\nLate"}


def test_words_of_the_system_that_open_a_session_are_one_message() -> None:
    found = session(turn("t", system("Two"), user("Go"), answer("Done")), preamble=(system("One"),))
    assert rows(found)[0]["messages"][0] == {"role": "system", "content": "One\n\nTwo"}


def test_answers_in_a_row_are_one() -> None:
    found = messages(user("Go"), answer("First.", thought="A"), answer("Second.", thought="B"))
    assert found[1:] == [{"role": "assistant", "content": "First.\n\nSecond.", "reasoning_content": "A\nB"}]


def test_pictures_are_named_where_they_were_shown_and_never_said() -> None:
    picture = Part("image", raw={"data": "…"})
    shot = call()
    shown = Message(role="tool", parts=(*text("Here:"), picture), answers=shot.id)
    said = (user("Go"), answer("", shot), shown, Message(role="assistant", parts=(picture, *text("A cat."))))
    found = messages(*said)
    assert [one["content"] for one in found[2:]] == ["Here:\n[image]", "A cat."]
    assert notes(session(turn("t", *said))) == {chat.UNSAYABLE: 1}


def test_a_summary_of_thoughts_stands_in_for_them_only_where_they_are_sealed() -> None:
    both = (Reasoning("In short.", is_summary=True), Reasoning("At length."), Reasoning("", sealed="x"))
    found = messages(user("Go"), Message(role="assistant", parts=text("Done"), reasoning=both))
    assert found[1]["reasoning_content"] == "At length."
    found = messages(user("Go"), Message(role="assistant", parts=text("Done"), reasoning=both[::2]))
    assert found[1]["reasoning_content"] == "In short."


def test_arguments_are_objects_or_json_text_and_free_text_is_the_argument_input() -> None:
    typed, free = call("run", {"cmd": "echo ü"}), call("apply_patch", "*** Begin")
    found = session(turn("t", user("Go"), answer("", typed, free), result(typed), result(free), answer("Done")))
    for form, wanted in (
        (Form(), [{"cmd": "echo ü"}, {"input": "*** Begin"}]),
        (Form(has_text_arguments=True), ['{"cmd": "echo ü"}', '{"input": "*** Begin"}']),
    ):
        [row] = rows(found, form)
        calls = row["messages"][1]["tool_calls"]
        assert [one["function"]["arguments"] for one in calls] == wanted
        assert [*calls[0]] == ["id", "type", "function"]


def test_a_call_names_the_session_of_the_subagent_that_it_started() -> None:
    started = call("task", session_id="child")
    found = messages(user("Go"), answer("", started), result(started), answer("Done"))
    assert found[1]["tool_calls"][0]["session_id"] == "child"


# Tools


def test_tools_are_as_they_were_recorded() -> None:
    parameters = {"type": "object", "properties": {"cmd": {"type": "string"}}}
    recorded: list[Any] = [
        {"type": "function", "name": "run", "description": "Runs.", "parameters": parameters},
        {"type": "custom", "name": "apply_patch", "description": "Patches."},
        {"type": "namespace", "name": "web", "tools": [{"type": "function", "name": "get", "inputSchema": parameters}]},
        {"name": "read", "input_schema": parameters},
        {"type": "function", "function": {"name": "list", "parameters": parameters}},
        {"type": "web_search"},
    ]
    found: list[Any] = schemas(recorded, [])
    assert [one["function"]["name"] for one in found] == ["run", "apply_patch", "web.get", "read", "list"]
    assert {one["type"] for one in found} == {"function"}
    assert found[0]["function"] == {"name": "run", "description": "Runs.", "parameters": parameters}
    assert found[1]["function"]["parameters"]["required"] == ["input"]
    assert all(one["function"]["parameters"] == parameters for one in found[2:])


def test_tools_that_nobody_recorded_are_inferred_from_calls_and_marked() -> None:
    calls = [
        call("run", {"cmd": "ls", "n": 1}),
        call("run", {"cmd": "ls", "n": 1.5, "deep": [None]}),
        call("free", "x"),
    ]
    found: list[Any] = schemas([{"name": "known", "parameters": {"type": "object"}}], [*calls, call("known")])
    assert [one["function"]["name"] for one in found] == ["known", "run", "free"]
    assert "x-inferred" not in found[0]["function"]["parameters"]
    assert found[1]["function"]["parameters"] == {
        "type": "object",
        "properties": {"cmd": {"type": "string"}, "n": {"type": "number"}, "deep": {"type": "array"}},
        "required": ["cmd", "n"],
        "x-inferred": True,
    }
    assert found[2]["function"]["parameters"]["properties"] == {"input": {"type": "string"}}


def test_an_argument_of_several_types_has_them_all() -> None:
    values: list[Any] = ["x", 1, None, True, {}]
    found: list[Any] = schemas([], [call("run", {"a": value}) for value in values])
    assert found[0]["function"]["parameters"]["properties"]["a"]["type"] == [
        *("string", "integer", "null", "boolean", "object"),
    ]


# Units, views and copies


def two_turns(**fields: Any) -> Session:
    return session(
        turn("a", user("One"), answer("First", model="m1", usage=Usage(input_tokens=1, output_tokens=2))),
        turn("b", user("Two"), answer("Second", model="m2", usage=Usage(input_tokens=10, cost=0.5))),
        preamble=(system("Be."),),
        **fields,
    )


def snapshot(message: str) -> Snapshot:
    return Snapshot("1" * 32, "w", "s", message, "c" * 40, "{}", "{}", f"2026-01-01T00:00:00.{message}+00:00")


def test_the_columns_are_all_there_in_their_order_and_fit_the_schema() -> None:
    facts = Facts({"id": "w", "remote_url": None}, [Spot(snapshot("a"), snapshot("a:end"), "diff"), Spot()], None, 3)
    found = [*rows(two_turns(), Form(), facts), *rows(two_turns(), BY_TURN, facts)]
    found += [*rows(two_turns()), *rows(some_session(1), BY_TURN)]
    for row in found:
        assert tuple(row) == COLUMNS
        assert problems("sft-row", row) == []


def test_rows_are_as_the_golden_file_has_them() -> None:
    run, free = call("run", {"cmd": "ls"}, "c1"), call("apply_patch", "*** Begin Patch", "c2", session_id="child")
    said = [user("Go"), answer("Looking.", run, free, thought="Hm.", model="m"), result(run, "a"), result(free)]
    usage = Usage(input_tokens=5, output_tokens=6, cache_read_tokens=7, cost=0.25)
    found = session(
        turn("a", *said, answer("Done.", usage=usage)),
        turn("b", user("More"), answer("No.")),
        preamble=(system("Be."),),
        tools=({"name": "run", "description": "Runs.", "parameters": {"type": "object"}},),
    )
    facts = Facts(
        {"id": "w", "remote_url": "https://example.com/a.git"},
        [Spot(snapshot("a"), snapshot("a:end"), "diff --git a/a b/a\n"), Spot(snapshot("b"), snapshot("b"), "")],
        None,
        2,
    )
    made = [*rows(found, Form(), facts), *rows(found, Form(training.TURN, has_text_arguments=True), facts)]
    assert "".join(json.dumps(row) + "\n" for row in made) == GOLDEN.read_text()


def test_a_session_is_one_row_of_all_its_turns() -> None:
    spots = [Spot(snapshot("a"), snapshot("a:end"), "x"), Spot(snapshot("b"), snapshot("b:end"), "y")]
    [row] = rows(two_turns(), Form(), Facts(spots=spots))
    assert (row["unit"], row["turn"], row["message_id"], row["model"]) == ("session", None, "b", "m2")
    assert roles(row["messages"]) == ["system", "user", "assistant", "user", "assistant"]
    assert (row["snapshot_before"]["message_id"], row["snapshot_after"]["message_id"]) == ("a", "b:end")
    assert row["patch"] is None
    assert (row["usage"]["input_tokens"], row["usage"]["output_tokens"], row["usage"]["cost"]) == (11, 2, 0.5)


def test_a_turn_is_a_row_with_its_context_which_is_not_to_be_learned() -> None:
    spots = [Spot(snapshot("a"), snapshot("a:end"), "x"), Spot(snapshot("b"), None, None)]
    first, second = rows(two_turns(), BY_TURN, Facts(spots=spots))
    assert [(row["turn"], row["message_id"], row["model"], row["patch"]) for row in (first, second)] == [
        (1, "a", "m1", "x"),
        (2, "b", "m2", None),
    ]
    assert [one.get("weight") for one in second["messages"] if one["role"] == "assistant"] == [0, None]
    assert [one.get("weight") for one in first["messages"] if one["role"] == "assistant"] == [None]
    assert (second["snapshot_before"]["message_id"], second["snapshot_after"]) == ("b", None)
    assert second["usage"]["input_tokens"] == 10


def compacted() -> Session:
    summary = user("In short: one.", is_injected=True)
    kept = answer("Kept")
    said = [turn("a", user("One"), answer("First"), kept), turn("b", user("Two"), answer("Second"))]
    return session(
        *said, compactions=(Compaction(at=3, resumes=3, opening=(summary, kept)),), preamble=(system("Be."),)
    )


def test_a_compacted_session_is_its_last_view_and_the_others_are_counted() -> None:
    [row] = rows(compacted())
    assert [one["content"] for one in row["messages"]] == ["Be.", "In short: one.", "Kept", "Two", "Second"]
    assert [one.get("weight") for one in row["messages"]] == [None, None, 0, None, None]
    assert notes(compacted()) == {training.COMPACTED: 1}


def test_turns_before_a_compaction_have_the_view_that_they_were_in() -> None:
    first, second = rows(compacted(), BY_TURN)
    assert [one["content"] for one in first["messages"]] == ["Be.", "One", "First\n\nKept"]
    assert [one["content"] for one in second["messages"]] == ["Be.", "In short: one.", "Kept", "Two", "Second"]


def test_a_session_that_ends_with_its_compaction_is_the_view_before() -> None:
    summary = user("In short.", is_injected=True)
    found = session(
        turn("a", user("One"), answer("First"), user("/compact", is_injected=True)),
        compactions=(Compaction(at=2, resumes=3, opening=(summary,)),),
    )
    for form in (Form(), BY_TURN):
        [row] = rows(found, form)
        assert [one["content"] for one in row["messages"]] == ["One", "First"]


def test_a_turn_that_was_compacted_amid_has_what_the_model_saw_at_its_end() -> None:
    run = call()
    begun = [user("One"), answer("Begun", run), result(run)]
    found = session(
        turn("a", *begun, answer("Ended")),
        compactions=(Compaction(at=3, resumes=3, opening=(user("In short.", is_injected=True),)),),
    )
    [row] = rows(found, BY_TURN)
    assert [one["content"] for one in row["messages"]] == ["In short.", "Ended"]


def test_turns_that_a_fork_copied_are_rows_once() -> None:
    old = two_turns(id="old")
    new = session(*old.turns, turn("c", user("Three"), answer("Third")), id="new", preamble=old.preamble)
    copies = Copies()
    found = rows(old, BY_TURN, copies=copies)
    copies.keep()
    counted: Counter[str] = Counter()
    found += training.rows(new, Facts(), BY_TURN, copies, counted)
    assert [(row["session_id"], row["turn"]) for row in found] == [("old", 1), ("old", 2), ("new", 3)]
    assert counted[training.COPIED] == 2


def test_a_forks_session_has_copied_turns_as_context_and_none_without_turns_of_its_own() -> None:
    old = two_turns(id="old")
    copies = Copies()
    rows(old, copies=copies)
    copies.keep()
    assert rows(session(*old.turns, id="bare"), copies=copies) == []
    [row] = rows(session(*old.turns, turn("c", user("Three"), answer("Third")), id="new"), copies=copies)
    assert [one.get("weight") for one in row["messages"] if one["role"] == "assistant"] == [0, 0, None]
    assert row["usage"] is None


def test_what_was_not_kept_is_no_copy() -> None:
    copies = Copies()
    rows(two_turns(), copies=copies)
    copies.begin()
    copies.keep()
    assert len(rows(two_turns(), BY_TURN, copies=copies)) == 2


# What was really sent


def sent(*said: tuple[str, str]) -> list[chat.Chat]:
    return [{"role": role, "content": words} for role, words in said]


def test_a_recording_gives_the_messages_and_the_tools_that_were_sent() -> None:
    whole = sent(
        ("system", "Exactly."), ("user", "One"), ("assistant", "First"), ("user", "Two"), ("assistant", "Second")
    )
    exact = Exact([{"name": "run", "parameters": {"type": "object"}}], {"b": whole})
    [row] = rows(two_turns(), Form(), Facts(exact=exact))
    assert row["messages"] == whole
    assert row["tools"][0]["function"]["parameters"] == {"type": "object"}
    first, second = rows(two_turns(), BY_TURN, Facts(exact=exact))
    assert first["messages"][0]["content"] == "Be."  # this turn was not recorded
    assert second["messages"][0]["content"] == "Exactly."
    assert [one.get("weight") for one in second["messages"] if one["role"] == "assistant"] == [0, None]


def test_a_recording_that_ended_before_the_session_gives_the_tools_only() -> None:
    told = sent(("system", "Exactly."), ("user", "One"), ("assistant", "First"))
    for by_turn in ({"a": told}, {"a": told, "b": told}):  # later turns were not recorded, or not to their end
        [row] = rows(two_turns(), Form(), Facts(exact=Exact([{"name": "run"}], by_turn)))
        assert row["messages"][0]["content"] == "Be."
        assert [one["function"]["name"] for one in row["tools"]] == ["run"]


def test_a_recorded_call_names_the_session_that_it_started() -> None:
    started = call("task", {}, "c1", session_id="child")
    found = session(turn("t", user("Go"), answer("", started), result(started), answer("Done")))
    function = {"id": "c1", "type": "function", "function": {"name": "task", "arguments": {}}}
    told: list[Any] = [
        {"role": "user", "content": "Go"},
        {"role": "assistant", "content": "", "tool_calls": [function]},
        {"role": "tool", "tool_call_id": "c1", "name": "task", "content": "fine"},
        {"role": "assistant", "content": "Done"},
    ]
    [row] = rows(found, Form(), Facts(exact=Exact([], {"t": told})))
    assert row["messages"][1]["tool_calls"] == [function | {"session_id": "child"}]


# Whatever agents leave


def learned(found: list[Row]) -> list[str]:
    """The texts that rows are to teach; `some_session` has no two alike."""
    texts = [
        one["content"] for row in found for one in row["messages"] if one["role"] == "assistant" and "weight" not in one
    ]
    return [words for text in texts for words in text.split("\n\n") if words]


@pytest.mark.parametrize("unit", [training.SESSION, training.TURN])
@pytest.mark.parametrize("seed", range(60))
def test_rows_of_any_session_are_whole_and_teach_nothing_twice(unit: str, seed: int) -> None:
    found = some_session(seed)
    made = rows(found, Form(unit, has_text_arguments=seed % 2 == 1))
    for row in made:
        check(row["messages"])
        assert problems("sft-row", row) == []
        names = {one["function"]["name"] for one in row["tools"]}
        called = {one["function"]["name"] for said in row["messages"] for one in said.get("tool_calls", ())}
        assert called <= names
    texts = learned(made)
    assert len(texts) == len(set(texts))
    spoken = {
        part.text for one in found.messages for part in one.parts if one.role == "assistant" and not one.is_injected
    }
    assert set(texts) <= spoken


@pytest.mark.parametrize("seed", range(40))
def test_each_turn_of_a_session_that_was_never_compacted_is_learned_whole(seed: int) -> None:
    found = some_session(seed)
    plain = session(*found.turns, preamble=found.preamble)
    for row in rows(plain, BY_TURN):
        own = {part.text for one in plain.turns[row["turn"] - 1].messages for part in one.parts}
        assert set(learned([row])) <= own
        last = row["messages"][-1]["content"].split("\n\n")[-1]
        assert last in own
    done = [one for one in plain.turns if one.messages[-1].text.startswith("done")]
    assert {one.key for one in done} <= {row["message_id"] for row in rows(plain, BY_TURN)}
