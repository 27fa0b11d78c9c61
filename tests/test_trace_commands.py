"""trace reduce, show and conversation: files, words, exit codes and JSON."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

import trace_cases
from helpers import failure, ok, on_a_terminal, run
from trace_bundles import BEGIN, TURN, answered, asked, bundle, event, ref, said

USAGE = {"input_tokens": 9, "cached_input_tokens": 4, "output_tokens": 2, "reasoning_output_tokens": 0}
CALL = {"type": "function_call", "name": "shell", "arguments": '{"cmd": "ls"}', "call_id": "c1", "id": "f1"}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "a.py\nb.py"}
TOOLS = [
    {
        "type": "function",
        "name": "shell",
        "description": "Runs it.",
        "parameters": {"type": "object", "properties": {}},
    },
    {"type": "custom", "name": "patch"},
    {"type": "web_search"},
]


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """A bundle of two calls of a model, with a command between them."""
    ids = {"model_visible_call_id": "c1", "requester": {"type": "model"}, "kind": {"type": "exec_command"}}
    summary = {"type": "generic", "label": "ls"}
    begun = {"command": ["ls", "\x1b[31m"], "cwd": "/src"}
    lines = [
        *BEGIN,
        asked("i1", 1),
        answered("i1", 2, "r1"),
        event("tool_call_started", tool_call_id="t1", summary=summary, **ids),
        event("tool_call_runtime_started", tool_call_id="t1", kind=ids["kind"], runtime_payload=ref(3)),
        event("tool_call_runtime_ended", tool_call_id="t1", status="completed", runtime_payload=ref(4)),
        event("tool_call_ended", tool_call_id="t1", status="completed"),
        asked("i2", 5),
        answered("i2", 6, "r2"),
        event("codex_turn_ended", codex_turn_id=TURN, status="completed"),
    ]
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "I look."}]}
    payloads = {
        1: {"model": "m", "instructions": "Be brief.", "input": [said("what is here?")], "tools": TOOLS},
        2: {"output_items": [thought, CALL], "token_usage": USAGE},
        3: begun,
        4: {"exit_code": 3, "aggregated_output": "\na.py\nb.py\n"},
        5: {"model": "m", "instructions": "Be brief.", "input": [OUTPUT], "tools": TOOLS, "previous_response_id": "r1"},
        6: {"output_items": [said("Two files.", "assistant")]},
    }
    return bundle(tmp_path / "bundle", lines, payloads)


def document(*words: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ok("trace", *words))
    assert found["schema_version"] == 1
    return found


def test_reduce_writes_state_into_the_bundle_and_prints_its_path(tmp_path: Path) -> None:
    case = trace_cases.bundle("s2-story-10", tmp_path)
    assert ok("trace", "reduce", case) == f"{case}/state.json\n"
    assert (case / "state.json").read_bytes() == trace_cases.expected("s2-story-10").state
    assert not [path for path in case.iterdir() if path.name.startswith(".")]


def test_reduce_writes_where_it_is_told_to(tmp_path: Path) -> None:
    case = trace_cases.bundle("s1-story-01", tmp_path)
    assert ok("trace", "reduce", case, "--out", "out.json", cwd=tmp_path) == "out.json\n"
    assert (tmp_path / "out.json").read_bytes() == trace_cases.expected("s1-story-01").state
    assert not (case / "state.json").exists()


def test_reduce_into_a_directory_that_is_not_there(tmp_path: Path) -> None:
    case = trace_cases.bundle("s1-story-01", tmp_path)
    said = failure(run("trace", "reduce", case, "--out", tmp_path / "none" / "out.json"))
    assert said == f"there is no directory {tmp_path / 'none'} to write in; make it, or name another FILE"


def test_a_state_takes_the_place_of_no_device(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    case = trace_cases.bundle("s1-story-01", tmp_path)
    said = failure(run("trace", "reduce", case, "--out", tmp_path / "pipe"))
    assert said == f"{tmp_path / 'pipe'} is no regular file, and would be replaced; name another FILE"
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_reduce_refuses_in_the_words_of_the_original_and_writes_nothing(tmp_path: Path) -> None:
    case = trace_cases.bundle("s1-stdin-no-session", tmp_path)
    result = run("trace", "reduce", case)
    assert (result.code, result.out) == (1, "")
    assert result.err == trace_cases.expected("s1-stdin-no-session").error + "\n"
    assert not (case / "state.json").exists()


def test_reduce_tolerantly_says_what_it_left_out_and_lists_it(tmp_path: Path) -> None:
    torn = trace_cases.bundle("s2-err-torn-line", tmp_path)
    result = run("trace", "reduce", torn, "--tolerant")
    assert (result.code, result.out) == (0, f"{torn}/state.json\n")
    assert result.err.startswith("Warning: one thing was left out, for instance: line 3: parse trace event line 3")
    state = json.loads((torn / "state.json").read_text())
    assert [(found["line"], found["event"]) for found in state["diagnostics"]] == [(3, None)]
    assert list(state["threads"]) == ["thread-root"]


@pytest.mark.parametrize("content", [None, "{}", '{"schema_version": 3}', "\x00\x01"])
def test_reduce_tolerantly_refuses_what_is_no_bundle(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    result = run("trace", "reduce", tmp_path, "--tolerant")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("Error: ")


def test_show_tells_calls_tools_and_output(told: Path) -> None:
    lines = ok("trace", "show", told).splitlines()
    assert lines[0] == "rollout r: running"
    text = "\n".join(lines)
    assert "m  in 9 (4 cached), out 2" in text
    assert "$ ls \\x1b[31m  exit 3  > a.py" in text
    assert "\x1b" not in text


def test_show_keeps_to_the_width_of_a_terminal(told: Path) -> None:
    shown = on_a_terminal(80, "trace", "show", told)
    assert max(len(line) for line in shown.splitlines()) <= 80


def test_show_as_json_is_one_document_and_the_same_from_a_state(told: Path) -> None:
    found = document("show", told, "--json")
    assert [moment["kind"] for moment in found["moments"]] == ["thread", "turn", "model", "terminal", "model"]
    terminal = found["moments"][3]
    assert (terminal["status"], terminal["duration_ms"], terminal["details"]["exit_code"]) == ("completed", 30, 3)
    ok("trace", "reduce", told)
    assert document("show", told / "state.json", "--json")["moments"] == found["moments"]


def test_show_reads_a_torn_bundle_and_says_so(told: Path) -> None:
    log = told / "trace.jsonl"
    log.write_bytes(log.read_bytes()[:-40])
    result = run("trace", "show", told)
    assert result.code == 0
    assert "left out" in result.err
    assert len(document("show", told, "--json")["diagnostics"]) == 1


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff\xfe", b'{"threads": {"a": 1}}'])
def test_show_refuses_a_file_that_is_no_state(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state.json").write_bytes(content)
    failure(run("trace", "show", tmp_path / "state.json"))


def test_conversation_is_what_the_model_saw_with_what_an_incremental_request_left_out(told: Path) -> None:
    [found] = document("conversation", told)["conversations"]
    assert (found["agent_path"], found["inference_call_id"]) == ("/root", "i2")
    assert found["tools"] == TOOLS
    assert [item["type"] for item in found["request"]["input"]] == [
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
    ]
    assert found["request"]["previous_response_id"] == "r1"
    assert found["response"] == [said("Two files.", "assistant")]


def test_conversation_for_training_has_messages_and_tools_of_chat_templates(told: Path) -> None:
    [row] = [json.loads(line) for line in ok("trace", "conversation", told, "--format", "sft").splitlines()]
    function = {"name": "shell", "arguments": {"cmd": "ls"}}
    assert row["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "what is here?"},
        {
            "role": "assistant",
            "content": "",
            "reasoning_content": "I look.",
            "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "c1", "name": "shell", "content": "a.py\nb.py"},
        {"role": "assistant", "content": "Two files."},
    ]
    assert [tool["function"]["name"] for tool in row["tools"]] == ["shell", "patch"]


def test_conversation_leaves_out_a_call_without_an_output(tmp_path: Path) -> None:
    payloads = {1: {"input": [said("go")]}, 2: {"output_items": [said("I try.", "assistant"), CALL]}}
    unanswered = bundle(tmp_path / "b", [*BEGIN, asked("i1", 1), answered("i1", 2)], payloads)
    [found] = document("conversation", unanswered)["conversations"]
    assert found["messages"] == [{"role": "user", "content": "go"}, {"role": "assistant", "content": "I try."}]


def test_conversation_of_one_thread(told: Path) -> None:
    assert len(document("conversation", told, "--thread", "thread-1")["conversations"]) == 1
    assert "there is no thread nobody" in failure(run("trace", "conversation", told, "--thread", "nobody"))
