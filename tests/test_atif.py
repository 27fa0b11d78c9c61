"""Sessions as ATIF trajectories: what stands in which step, and that the `atif` package takes every one."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from types import ModuleType
from typing import Any

import pytest
from atif import Trajectory

from agent_records import (
    CLAUDE,
    CODEX,
    OPENCODE,
    OPENCODE_CHILD,
    Object,
    answer,
    chunks,
    claude,
    claude_session,
    claude_subagent,
    codex,
    codex_session,
    event,
    gave,
    item,
    jsonl,
    meta,
    opencode_document,
    opencode_session,
    prompt,
    result,
    said,
    spent,
    told,
    tool,
    use,
    words,
)
from rollouts.agents.attach import attach
from rollouts.agents.claude_code import reader as claude_code
from rollouts.agents.codex import reader as codex_reader
from rollouts.agents.opencode import reader as opencode
from rollouts.agents.session import Session, views
from rollouts.export import atif
from rollouts.export.atif_steps import Placed, course
from rollouts.models import Snapshot
from test_readers_random import mutated

TURN = "01a1ff9d-d989-7752-bd04-eb3a5324b004"
PNG = "iVBORw0KGgo="


def snapshot(message: str, at: int = 0) -> Snapshot:
    moment = f"2026-11-21T19:38:{at:02d}.000Z"
    return Snapshot(f"id-{message}", "w", "s", message, f"commit-{message}", "git", "{}", moment)


def made(session: Session, *snapshots: Snapshot) -> Object:
    """The session's trajectory, which the package takes as it stands."""
    found = atif.trajectory(session, attach(session, snapshots), {}, session_id=session.id)
    text = json.dumps(found)
    taken = Trajectory.model_validate_json(text)
    assert taken.to_json_dict() == json.loads(text)
    return found


def of_claude(records: Iterable[Object], **subagents: Iterable[Object]) -> Session:
    files = {"main.jsonl": chunks(jsonl(records))}
    files |= {f"agent-{name}.jsonl": chunks(jsonl(lines)) for name, lines in subagents.items()}
    record = claude_code.record_from(CLAUDE, files)
    assert record is not None
    return claude_code.session(record)


def of_codex(records: Iterable[Object], **subagents: Iterable[Object]) -> Session:
    files = {"main.jsonl": chunks(jsonl(records))}
    files |= {f"{name}.jsonl": chunks(jsonl(lines)) for name, lines in subagents.items()}
    record = codex_reader.record_from(CODEX, files)
    assert record is not None
    return codex_reader.session(record)


def of_opencode(*messages: Object, **children: Object) -> Session:
    files = {f"{name}.json": chunks(opencode_document(value)) for name, value in children.items()}
    main = opencode_document(opencode_session(*messages))
    record = opencode.record_from(OPENCODE, {"main.json": chunks(main), **files})
    assert record is not None
    return opencode.session(record)


def outline(found: Object) -> list[tuple[str, str]]:
    return [(step["source"], step["message"]) for step in found["steps"]]


def test_a_session_of_claude_code_is_a_trajectory_to_the_letter() -> None:
    found = made(of_claude(claude_session()[:8]))
    assert {key: value for key, value in found.items() if key != "steps"} == {
        "schema_version": "ATIF-v1.8",
        "session_id": CLAUDE,
        "trajectory_id": CLAUDE,
        "agent": {"name": "claude-code", "version": "2.1.197", "model_name": "claude-sonnet-4-5"},
        "final_metrics": {
            "total_prompt_tokens": 20,
            "total_completion_tokens": 20,
            "total_cached_tokens": 7,
            "total_steps": 3,
        },
        "extra": {
            "title": "Make two files",
            "cwd": "/work/app",
            "git_branch": "main",
            "started_at": "2026-11-21T19:38:12.068Z",
            "ended_at": "2026-11-21T19:38:12.086Z",
        },
    }
    at = {"timestamp": "2026-11-21T19:38:12.086Z"}
    assert found["steps"][1:] == [
        {"step_id": 2, "source": "user", **at, "message": "Make two files", "extra": {"turn": 1}},
        {
            "step_id": 3,
            "source": "agent",
            **at,
            "message": "Creating.",
            "model_name": "claude-sonnet-4-5",
            "reasoning_content": "Two files.",
            "tool_calls": [
                {
                    "tool_call_id": "toolu_1",
                    "function_name": "Write",
                    "arguments": {"file_path": "a.py", "content": "a"},
                },
                {
                    "tool_call_id": "toolu_2",
                    "function_name": "Write",
                    "arguments": {"file_path": "b.py", "content": "b"},
                    "extra": {"status": "open"},
                },
            ],
            "metrics": {
                "prompt_tokens": 20,
                "completion_tokens": 20,
                "cached_tokens": 7,
                "extra": {"cache_write_tokens": 3},
            },
            "llm_call_count": 1,
            "extra": {"turn": 1, "message_id": "msg_1", "stop_reason": "tool_use", "turn_status": "open"},
            "observation": {"results": [{"source_call_id": "toolu_1", "content": "made a", "extra": at}]},
        },
    ]


def test_results_stand_in_the_step_of_their_call_with_how_they_ended() -> None:
    found = made(of_codex(codex_session()))
    step = next(step for step in found["steps"] if step.get("tool_calls"))
    assert [(call["tool_call_id"], call["arguments"], call.get("extra")) for call in step["tool_calls"]] == [
        ("call_1", {"cmd": "exit 3", "n": 1.5}, {"status": "failed"}),
        ("call_2", {"input": "*** Begin Patch"}, {"kind": "custom", "text_arguments": True}),
    ]
    results = step["observation"]["results"]
    assert [(one["source_call_id"], one["content"], one["extra"].get("is_error")) for one in results] == [
        ("call_1", "exited with code 3", True),
        ("call_2", "patched", None),
    ]
    assert [name for name, _ in outline(found)] == ["system", "system", "user", "user", "agent", "agent"]
    assert step["reasoning_content"] == "Think."
    assert step["extra"]["reasoning_is_summary"]


def test_prompt_tokens_include_the_cache_and_costs_are_told_where_they_are_known() -> None:
    found = made(of_opencode(told("msg_1", said("Go")), gave("msg_2", said("Gone.")), gave("msg_3", said("!"), cost=0)))
    first, second = (step["metrics"] for step in found["steps"][1:])
    assert (first["prompt_tokens"], first["cached_tokens"], first["completion_tokens"]) == (20, 7, 10)
    assert first["extra"] == {"reasoning_tokens": 5, "cache_write_tokens": 3}
    assert (first["cost_usd"], "cost_usd" in second) == (0.25, False)
    assert found["final_metrics"] == {
        "total_prompt_tokens": 40,
        "total_completion_tokens": 20,
        "total_cached_tokens": 14,
        "total_cost_usd": 0.25,
        "total_steps": 3,
    }


def test_a_result_without_its_call_is_no_step_of_the_models() -> None:
    found = made(of_claude([prompt("Go", "t"), result("toolu_x", "what?", "t")]))
    assert found["steps"][1]["source"] == "system"
    assert found["steps"][1]["observation"] == {"results": [{"content": "what?", "extra": {"tool_call_id": "toolu_x"}}]}
    assert found["notes"] == "a tool's result has no call"


def test_a_reused_call_id_gets_each_result_where_it_was_called() -> None:
    turns = [
        [*answer(f"msg_{n}", use("call_0", "Bash", {"n": n})), result("call_0", f"result {n}", "t")] for n in range(2)
    ]
    steps = made(of_claude([prompt("Go", "t"), *turns[0], *turns[1]]))["steps"]
    assert [step["observation"]["results"][0]["content"] for step in steps[1:]] == ["result 0", "result 1"]


def test_what_the_program_said_in_the_models_place_is_no_request() -> None:
    records = [prompt("Go", "t"), *answer("msg_1", said("No response requested."), stop="stop_sequence")]
    records[1]["message"]["model"] = "<synthetic>"
    step = made(of_claude(records))["steps"][1]
    assert (step["source"], step["llm_call_count"], "metrics" in step) == ("agent", 0, False)


def test_what_the_model_did_not_see_is_left_out_and_counted() -> None:
    failed = gave("msg_2", said("Half"), error={"name": "APIError"})
    found = made(of_opencode(told("msg_1", said("Go")), failed))
    assert outline(found) == [("user", "Go")]
    assert found["notes"] == "1 messages that the model did not see are left out"


def test_pictures_are_parts() -> None:
    anthropic = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    content = [said("See:"), anthropic, {"type": "image", "source": {"media_type": "image/tiff", "data": PNG}}]
    shown = claude("user", promptId="t", message={"role": "user", "content": content})
    part = {"type": "image", "source": {"media_type": "image/png", "path": f"data:image/png;base64,{PNG}"}}
    text = [{"type": "text", "text": "See:"}, part, {"type": "text", "text": "[image]"}]
    assert made(of_claude([shown]))["steps"][0]["message"] == text
    url = f"data:image/png;base64,{PNG}"
    shown = item("message", TURN, role="user", content=[{"type": "input_image", "image_url": url}])
    assert made(of_codex([meta(), shown]))["steps"][1]["message"] == [part]
    shown = told("msg_1", {"type": "file", "mime": "image/png", "url": url})
    assert made(of_opencode(shown))["steps"][0]["message"] == [part]
    linked = item("message", TURN, role="user", content=[{"type": "input_image", "image_url": "https://a/b.webp?c"}])
    source = {"media_type": "image/webp", "path": "https://a/b.webp?c"}
    assert made(of_codex([meta(), linked]))["steps"][1]["message"] == [{"type": "image", "source": source}]


def test_tools_are_defined_where_the_record_has_them() -> None:
    parameters = {"type": "object", "properties": {}}
    given = [
        {"type": "function", "name": "wait", "description": "Waits.", "parameters": parameters},
        {"type": "namespace", "name": "multi", "tools": [{"type": "function", "name": "spawn", "strict": False}]},
        {"type": "custom", "name": "exec", "format": {"type": "grammar"}},
    ]
    session = of_codex([meta(), item("additional_tools", TURN, tools=given), words("user", "Go", TURN)])
    wait = {"name": "wait", "description": "Waits.", "parameters": parameters}
    assert made(session)["agent"]["tool_definitions"] == [
        {"type": "function", "function": wait},
        {"type": "function", "function": {"name": "multi.spawn", "strict": False}},
        {"type": "custom", "name": "exec", "format": {"type": "grammar"}},
    ]


# Snapshots


def places(found: Object) -> list[tuple[int, str, str]]:
    """(step, place, commit) of each snapshot."""
    return [
        (step["step_id"], one["place"], one["commit"])
        for step in found["steps"]
        for one in step.get("extra", {}).get("snapshots", [])
    ]


def test_snapshots_stand_where_they_were_taken() -> None:
    names = ("turn-1", "turn-1:tool:toolu_2", "turn-1:end", "turn-2", "msg_3", "nowhere")
    found = made(of_claude(claude_session()), *(snapshot(name) for name in names))
    assert outline(found)[1:4] == [("user", "Make two files"), ("agent", "Creating."), ("agent", "Made one.")]
    assert places(found) == [
        (1, "before", "commit-turn-1"),
        (3, "call", "commit-turn-1:tool:toolu_2"),
        (4, "after", "commit-turn-1:end"),
        (5, "before", "commit-turn-2"),
        (6, "message", "commit-msg_3"),
    ]
    assert [one["commit"] for one in found["extra"]["snapshots"]] == ["commit-nowhere"]
    called = found["steps"][2]["extra"]["snapshots"][0]
    assert list(called) == [
        *("place", "tool_call_id", "message_id", "snapshot_id", "tag", "commit", "captured_at"),
    ]
    assert called["tag"].startswith("refs/tags/rollouts/session/")


def test_a_snapshot_that_was_taken_again_stays_on_record() -> None:
    found = made(of_claude(claude_session()), snapshot("turn-1:end", 1), snapshot("turn-1:end:2", 2))
    assert places(found) == [(4, "after", "commit-turn-1:end:2")]
    assert [(one["place"], one["commit"]) for one in found["extra"]["snapshots"]] == [
        ("superseded", "commit-turn-1:end")
    ]


# Subagents


def references(found: Object) -> dict[str, list[str]]:
    """Call -> the trajectories that its result names."""
    return {
        one["source_call_id"]: [ref["trajectory_id"] for ref in one["subagent_trajectory_ref"]]
        for step in found["steps"]
        for one in step.get("observation", {}).get("results", [])
        if "subagent_trajectory_ref" in one
    }


def test_subagents_are_embedded_and_named_by_the_result_of_their_call() -> None:
    found = made(of_claude(claude_session(), ad8f=claude_subagent()))
    assert references(found) == {"toolu_3": ["ad8f"]}
    (sub,) = found["subagent_trajectories"]
    assert ("session_id" in sub, sub["trajectory_id"]) == (False, "ad8f")
    assert outline(sub) == [("user", "Sub"), ("agent", "Sub is done.")]
    assert found["final_metrics"]["total_completion_tokens"] == 80


def test_a_subagents_subagent_stands_in_it() -> None:
    def thread(name: str, above: str, call: str) -> list[Object]:
        source = {"subagent": {"thread_spawn": {"parent_thread_id": above}}}
        own = event("collab_agent_spawn_end", new_thread_id=call, call_id=f"call {call}") if call else event("none")
        spawn = [item("function_call", TURN, name="spawn", arguments="{}", call_id=f"call {call}"), own]
        return [meta(name, source=source), words("user", name, TURN), *(spawn if call else [])]

    subs = {"a": thread("a", CODEX, "b"), "b": thread("b", "a", ""), "c": thread("c", "b", "")}
    main = [meta(), words("user", "Go", TURN), *thread("", "", "a")[2:]]
    found = made(of_codex(main, **subs))
    assert references(found) == {"call a": ["a"]}
    first, stray = found["subagent_trajectories"]
    assert (first["trajectory_id"], references(first), stray["trajectory_id"]) == ("a", {"call b": ["b"]}, "c")
    assert [sub["trajectory_id"] for sub in first["subagent_trajectories"]] == ["b"]


def test_a_child_session_that_was_captured_is_embedded() -> None:
    child = opencode_session(told("msg_8", said("Sub")), session=OPENCODE_CHILD, parentID=OPENCODE)
    call = tool("call_1", "task", output="done", metadata={"sessionId": OPENCODE_CHILD})
    found = made(of_opencode(told("msg_1", said("Go")), gave("msg_2", call), **{OPENCODE_CHILD: child}))
    assert references(found) == {"call_1": [OPENCODE_CHILD]}


# Forks and compactions


def test_turns_of_the_session_that_it_was_forked_from_are_copied_context_without_metrics() -> None:
    mark = {"forkedFrom": {"sessionId": "another", "messageUuid": "u"}}
    records = [
        prompt("Old", "t1", **mark),
        *answer("msg_1", said("Done."), stop="end_turn", **mark),
        prompt("New", "t2"),
        *answer("msg_2", said("Done, too."), stop="end_turn"),
    ]
    found = made(of_claude(records))
    assert [step.get("is_copied_context", False) for step in found["steps"]] == [True, True, False, False]
    assert ["metrics" in step for step in found["steps"]] == [False, False, False, True]
    assert found["final_metrics"]["total_completion_tokens"] == 20
    assert found["extra"]["parent_session_id"] == "another"


def compacted_claude() -> Session:
    boundary = claude("system", subtype="compact_boundary", compactMetadata={"trigger": "auto", "preTokens": 900})
    summary = claude("user", isCompactSummary=True, message={"role": "user", "content": "In short."})
    return of_claude(
        [
            prompt("One", "t1"),
            *answer("msg_1", said("First."), stop="end_turn"),
            boundary,
            summary,
            prompt("Two", "t2"),
            *answer("msg_2", said("Second."), stop="end_turn"),
        ]
    )


def test_after_a_compaction_the_new_view_follows_in_the_same_trajectory() -> None:
    found = made(compacted_claude())
    assert outline(found) == [
        ("user", "One"),
        ("agent", "First."),
        ("system", "Context compacted."),
        ("user", "In short."),
        ("user", "Two"),
        ("agent", "Second."),
    ]
    how = {"type": "compaction", "boundary": "replace", "trigger": "auto", "tokens_before": 900}
    assert found["steps"][2]["extra"] == {"context_management": how}
    assert [step["step_id"] for step in found["steps"] if "is_copied_context" in step] == []


def test_what_a_compaction_kept_is_copied_context() -> None:
    history = [words("user", "One", TURN)["payload"], words("user", "In short.", TURN)["payload"]]
    records = [
        meta(),
        event("task_started", turn_id=TURN),
        words("user", "One", TURN),
        words("assistant", "First.", TURN),
        spent(TURN),
        codex("compacted", {"message": "In short.", "replacement_history": history}),
        words("assistant", "Second.", TURN),
    ]
    found = made(of_codex(records))
    assert [(step["message"], "is_copied_context" in step) for step in found["steps"]] == [
        ("You are an agent.", False),
        ("One", False),
        ("First.", False),
        ("Context compacted.", False),
        ("You are an agent.", True),
        ("One", True),
        ("In short.", False),
        ("Second.", False),
    ]


def test_what_a_second_compaction_kept_of_the_first_ones_view_is_copied_context() -> None:
    first, second = (words("user", text, TURN)["payload"] for text in ("In short.", "Shorter."))
    records = [
        meta(base_instructions=None),
        words("user", "One", TURN),
        codex("compacted", {"message": "In short.", "replacement_history": [first]}),
        words("assistant", "Second.", TURN),
        codex("compacted", {"message": "Shorter.", "replacement_history": [first, second]}),
        words("assistant", "Third.", TURN),
    ]
    found = made(of_codex(records))
    assert [(step["message"], "is_copied_context" in step) for step in found["steps"][4:]] == [
        ("Context compacted.", False),
        ("In short.", True),
        ("Shorter.", False),
        ("Third.", False),
    ]


def test_a_summary_that_the_model_was_asked_for_stands_where_it_was_given_and_is_copied_behind_the_cut() -> None:
    messages = [
        told("msg_1", said("One")),
        gave("msg_2", said("First.")),
        told("msg_3", {"type": "compaction", "auto": True}),
        gave("msg_4", said("In short."), summary=True),
        told("msg_5", {"type": "text", "text": "Continue", "synthetic": True}),
        gave("msg_6", said("Second.")),
    ]
    found = made(of_opencode(*messages))
    asked = "What did we do so far?"
    assert [(step["message"], "is_copied_context" in step, "metrics" in step) for step in found["steps"]] == [
        ("One", False, False),
        ("First.", False, True),
        (asked, False, False),
        ("In short.", False, True),
        ("Context compacted.", False, False),
        (asked, True, False),
        ("In short.", True, False),
        ("Continue", False, False),
        ("Second.", False, True),
    ]


def seen(session: Session) -> list[list[tuple[str, str]]]:
    """What stands between the cuts of a trajectory, as the model saw it."""
    found: list[list[tuple[str, str]]] = [[]]
    for one in course(session):
        if not isinstance(one, Placed):
            found.append([])
        elif one.message.is_visible:
            found[-1].append((one.message.role, one.message.text))
    return found


def assert_views_are_in(session: Session) -> None:
    """Each view is what stands between two cuts, but for what made the summary at its end."""
    for view, steps in zip(views(session), seen(session), strict=True):
        assert steps[: len(view)] == [(message.role, message.text) for message in view]


def test_what_stands_between_cuts_is_what_the_model_saw() -> None:
    assert_views_are_in(compacted_claude())


# Any session


def read(reader: ModuleType, name: str, records: list[Any]) -> Session:
    data = jsonl(records)
    record = reader.record_from(
        name, {"main.jsonl": chunks(data), "agent-a.jsonl": chunks(data), "b.jsonl": chunks(data)}
    )
    session: Session = reader.session(record)
    return session


SHAPES = [
    (claude_code, CLAUDE, [*claude_session(), *claude_subagent()]),
    (codex_reader, CODEX, codex_session()),
]


@pytest.mark.parametrize(("reader", "name", "records"), SHAPES)
@pytest.mark.parametrize("seed", range(40))
def test_lines_of_any_shape_are_trajectories(reader: ModuleType, name: str, records: list[Any], seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - chance, not a secret
    odd = [mutated(record, chance, 10 ** chance.uniform(-3, -1)) for record in records * 2]
    chance.shuffle(odd)
    session = read(reader, name, odd)
    found = made(session, *(snapshot(name) for name in ("turn-1", "turn-1:end", "turn-2:tool:toolu_3", TURN, "msg_2")))
    assert_views_are_in(session)
    taken = len(places(found)) + len(found["extra"].get("snapshots", []))
    assert taken == 5


@pytest.mark.parametrize("seed", range(40))
def test_documents_of_any_shape_are_trajectories(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - chance, not a secret
    messages = [
        told("msg_1", said("Go"), {"type": "compaction"}),
        gave("msg_2", {"type": "reasoning", "text": "Hm."}, tool("call_1", "bash", output="half \ud83d")),
        gave("msg_3", said("In short."), summary=True, error={"name": "MessageAbortedError"}),
    ]
    odd = [mutated(message, chance, 10 ** chance.uniform(-3, -1)) for message in messages * 3]
    session = of_opencode(*odd)
    made(session)
    assert_views_are_in(session)
