"""Bundles that are wrong on purpose: an error or a diagnostic, never a crash, and no file read outside."""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path
from types import FrameType

import pytest

import trace_cases
from helpers import run
from rollouts.trace import reducer, render
from rollouts.trace.errors import TraceError
from trace_bundles import BEGIN, THREAD, TURN, Fields, answered, asked, bundle, event, ref, said

HIDDEN = "what lies outside"
PLACES = ("../outside.json", "payloads/../../outside.json", "{outside}", "link.json", "up/outside.json")


def outcome(folder: Path) -> str:
    """The error of a strict reduction; empty when there was none. Both ways must end in a graph or an error."""
    reducer.reduce_tolerantly(str(folder))
    try:
        render.text(reducer.reduce(str(folder)))
    except TraceError as error:
        return error.report()
    return ""


def seen(path: str) -> Fields:
    return event("protocol_event_observed", event_type="error", event_payload=ref(1, "protocol_event", path))


@pytest.mark.parametrize("schema", [1, 2])
@pytest.mark.parametrize(
    "path", ["../outside.json", "payloads/../../outside.json", "{outside}", "link.json", "up/outside.json"]
)
def test_payload_outside_of_the_bundle_is_never_read(tmp_path: Path, path: str, schema: int) -> None:
    outside = tmp_path / "outside.json"
    outside.write_text(json.dumps({"input": [said(HIDDEN)]}))
    place = path.replace("{outside}", str(outside))
    line = asked("i", 1, place)
    folder = bundle(tmp_path / "b", [*BEGIN, line], schema=schema)
    (folder / "link.json").symlink_to(outside)
    (folder / "up").symlink_to(tmp_path)
    assert f"path {place} leads outside the bundle" in outcome(folder)
    graph, left_out = reducer.reduce_tolerantly(str(folder))
    assert HIDDEN not in render.text(graph)
    assert len(left_out) == 1


@pytest.mark.parametrize("name", ["manifest.json", "trace.jsonl"])
def test_log_and_manifest_outside_of_the_bundle_are_never_read(tmp_path: Path, name: str) -> None:
    folder = bundle(tmp_path / "b", BEGIN)
    (folder / name).rename(tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    result = run("trace", "reduce", folder)
    assert (result.code, result.out) == (1, "")
    assert f"path {name} leads outside the bundle" in result.err


def test_payload_inside_by_a_detour_is_read(tmp_path: Path) -> None:
    lines = [*BEGIN, seen("payloads/../payloads/1.json")]
    assert outcome(bundle(tmp_path / "b", lines, {1: {}})) == ""


@pytest.mark.parametrize("kind", ["fifo", "folder", "device", "nul"])
def test_payload_that_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    folder = bundle(tmp_path / "b", [*BEGIN, seen({"nul": "a\0b", "device": "/dev/zero"}.get(kind, "payloads/1.json"))])
    if kind == "fifo":
        os.mkfifo(folder / "payloads" / "1.json")
    elif kind == "folder":
        (folder / "payloads" / "1.json").mkdir()
    assert outcome(folder).startswith("Error: read payload raw_payload:1\n\nCaused by:\n")


@pytest.mark.parametrize("schema", [1, 2])
@pytest.mark.parametrize("depth", [128, 5_000, 200_000])
def test_deep_json_is_an_error(tmp_path: Path, depth: int, schema: int) -> None:
    deep = b"[" * depth + b"]" * depth
    request = b'{"input": [{"type": "message", "role": "user", "x": ' + deep + b"}]}"
    folder = bundle(tmp_path / "a", [*BEGIN, asked("i", 1)], {1: request}, schema=schema)
    assert "recursion limit exceeded" in outcome(folder)
    tools = b'{"input": [], "tools": ' + deep + b"}"
    aside = bundle(tmp_path / "b", [*BEGIN, asked("i", 1)], {1: tools}, schema=schema)
    assert "recursion limit exceeded" in outcome(aside)
    assert "recursion limit exceeded" in outcome(bundle(tmp_path / "c", [*BEGIN, deep], schema=schema))


def test_json_as_deep_as_the_original_takes_is_no_error(tmp_path: Path) -> None:
    value: object = 1
    for _ in range(124):
        value = [value]
    item = {"type": "function_call", "arguments": value, "call_id": "c"}
    assert outcome(bundle(tmp_path / "b", [*BEGIN, asked("i", 1)], {1: {"input": [item]}})) == ""


def test_enormous_numbers_are_read_or_refused(tmp_path: Path) -> None:
    for number in (b"9" * 10_000, b"1e" + b"9" * 10_000, b"-0." + b"1" * 10_000, b"1e-" + b"9" * 500):
        item = b'{"type": "function_call", "arguments": ' + number + b', "call_id": "c"}'
        for schema in (1, 2):
            folder = tmp_path / f"{schema}-{hash(number)}"
            outcome(bundle(folder, [*BEGIN, asked("i", 1)], {1: b'{"input": [' + item + b"]}"}, schema=schema))


def test_duplicate_ids_are_refused_strictly_and_kept_once_tolerantly(tmp_path: Path) -> None:
    folder = bundle(tmp_path / "b", [*BEGIN, *BEGIN, asked("i", 1), asked("i", 1)], {1: {"input": []}})
    assert outcome(folder) == f"Error: duplicate thread start for {THREAD}"
    graph, left_out = reducer.reduce_tolerantly(str(folder))
    assert [one.message for one in left_out] == [
        f"duplicate thread start for {THREAD}",
        f"duplicate codex turn start for {TURN}",
        "duplicate inference start for i",
    ]
    assert (len(graph.threads), len(graph.inference_calls)) == (1, 1)


def test_requests_that_go_on_from_each_other_end(tmp_path: Path) -> None:
    following = {"input": [said("a")], "previous_response_id": "r"}
    lines = [*BEGIN, asked("i", 1), answered("i", 2, "r"), asked("j", 3), answered("j", 2, "r"), asked("k", 3)]
    payloads = {1: following | {"previous_response_id": 5}, 2: {"output_items": []}, 3: following}
    folder = bundle(tmp_path / "b", lines, payloads)
    outcome(folder)
    result = run("trace", "conversation", folder)
    assert result.code == 0, result


def test_missing_payloads_cost_no_more_than_what_they_held(tmp_path: Path) -> None:
    lines = [*BEGIN, asked("i", 1), answered("i", 2), asked("j", 3), answered("j", 4)]
    folder = bundle(tmp_path / "b", lines, {3: {"input": [said("b")]}, 4: b"\x00\xff"})
    graph, left_out = reducer.reduce_tolerantly(str(folder))
    assert {call.execution.status for call in graph.inference_calls.values()} == {"completed"}
    assert len(graph.conversation_items) == 1
    assert [one.line for one in left_out] == [3, 4, 6]


def test_a_gap_and_a_foreign_line_are_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    whole = bundle(tmp_path / "b", [*BEGIN, event("rollout_ended", status="completed")])
    log = whole / "trace.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    foreign = lines[1].replace(b'"rollout_id": "r"', b'"rollout_id": "other"')
    log.write_bytes(lines[0] + foreign + lines[2])
    graph, left_out = reducer.reduce_tolerantly(str(whole))
    assert [one.message for one in left_out] == [
        "trace event belongs to another rollout",
        "missing or reordered trace event 2",
    ]
    assert (graph.status, graph.codex_turns) == ("completed", {})


NAMES = [name for name in trace_cases.names() if "story" in name or "messages" in name or "exec" in name]


@pytest.mark.parametrize("seed", range(60))
def test_noise_in_any_file_is_an_error_or_a_diagnostic(seed: int, tmp_path: Path) -> None:
    choose = random.Random(seed)  # noqa: S311 - it shall be predictable
    folder = trace_cases.bundle(choose.choice(NAMES), tmp_path)
    files = [folder / "trace.jsonl"] * 3 + sorted((folder / "payloads").iterdir())
    for _ in range(choose.randrange(1, 6)):
        file = choose.choice(files)
        data = bytearray(file.read_bytes())
        place = choose.randrange(len(data))
        noise = choose.choice([b"", choose.randbytes(3), b'"', b"null", b"[", b"5", b"}", data[place : place + 40]])
        data[place : place + choose.choice([0, 1, 9])] = noise
        file.write_bytes(data[: choose.choice([None, None, None, place])])
    outcome(folder)


@pytest.mark.parametrize("seed", range(30))
def test_lines_in_any_order_are_an_error_or_a_diagnostic(seed: int, tmp_path: Path) -> None:
    choose = random.Random(seed)  # noqa: S311 - it shall be predictable
    folder = trace_cases.bundle(choose.choice(NAMES), tmp_path)
    log = folder / "trace.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    choose.shuffle(lines)
    log.write_bytes(b"".join(lines + choose.sample(lines, len(lines) // 2)))
    outcome(folder)


def _calls(folder: Path) -> int:
    """The calls of functions, in Python and in C, that reducing a bundle takes; unlike time it is always the same."""
    count = 0

    def note(_frame: FrameType, event: str, _what: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(note)
    try:
        reducer.reduce(str(folder))
    finally:
        sys.setprofile(None)
    return count


def _session(turns: int) -> list[Fields]:
    lines = list(BEGIN[:1])
    for number in range(turns):
        turn = {"codex_turn_id": f"turn-{number}"}
        lines += [
            event("codex_turn_started", thread_id=THREAD, **turn),
            event("codex_turn_ended", status="completed", **turn),
            event("protocol_event_observed", event_type="e", event_payload=ref(number, "protocol_event")),
        ]
    return lines


def test_work_grows_with_the_length_of_a_log(tmp_path: Path) -> None:
    short, long = (bundle(tmp_path / str(turns), _session(turns), schema=1) for turns in (200, 2_000))
    _calls(short)  # what is imported or cached at first use
    assert _calls(long) < 11 * _calls(short)
