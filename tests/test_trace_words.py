"""What the original says of bundles that break more than one rule, or one in a way that no case has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rollouts.trace import reducer
from rollouts.trace.errors import TraceError
from trace_bundles import BEGIN, THREAD, Fields, asked, bundle, event, ref

ENDED = event("rollout_ended", status="completed")
DONE = event("recording_completed")
MISSING = event("protocol_event_observed", event_type="x", event_payload=ref(9, "protocol_event"))
PRESENT = event("protocol_event_observed", event_type="x", event_payload=ref(1, "protocol_event"))
THREAD_AGAIN = event("thread_started", thread_id=THREAD, agent_path="/root", metadata_payload=ref(9))
NO_FILE = "No such file or directory (os error 2)"


def line(seq: int, payload: Fields, schema: int = 2, rollout: str = "r") -> bytes:
    envelope = {"schema_version": schema, "seq": seq, "wall_time_unix_ms": 1, "rollout_id": rollout}
    return json.dumps(envelope | {"payload": payload}).encode()


def said_of(folder: Path) -> list[str]:
    """The message and the causes of the refusal; nothing when there is none."""
    try:
        reducer.reduce(str(folder))
    except TraceError as error:
        return [error.message, *error.causes]
    return []


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([line(2, MISSING)], ["missing or reordered trace event 1"]),
        ([line(5, ENDED, schema=7)], ["unsupported trace event schema 7 at line 1"]),
        ([line(5, ENDED, rollout="z")], ["missing or reordered trace event 1"]),
        ([line(1, ENDED, rollout="z")], ["trace event belongs to another rollout"]),
        ([DONE, line(5, ENDED, schema=7, rollout="z")], ["trace event after recording completed"]),
        ([DONE, b'{"a"'], ["trace event after recording completed"]),
        ([DONE, b"   "], []),
        ([MISSING], ["read payload raw_payload:9", NO_FILE]),
        ([*BEGIN, THREAD_AGAIN], [f"duplicate thread start for {THREAD}"]),
        ([THREAD_AGAIN], ["open payload raw_payload:9", NO_FILE]),
    ],
)
def test_the_first_rule_that_is_broken_is_named(tmp_path: Path, lines: list[Fields | bytes], said: list[str]) -> None:
    assert said_of(bundle(tmp_path / "b", lines)) == said


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b'{"a":}', ["invalid payload raw_payload:1", "expected value at line 1 column 6"]),
        (b'"\xff"', ["read payload raw_payload:1", "stream did not contain valid UTF-8"]),
        (b"", ["invalid payload raw_payload:1", "EOF while parsing a value at line 1 column 0"]),
        (b"1e999", []),
        (b'"\\ud800\\u0041"', []),
        (b"[" * 128 + b"]" * 128, []),
    ],
)
def test_a_payload_that_no_rule_needs_only_has_to_be_json(tmp_path: Path, payload: bytes, said: list[str]) -> None:
    assert said_of(bundle(tmp_path / "b", [PRESENT], {1: payload})) == said


@pytest.mark.parametrize("schema", [1, 2])
@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b'{"input":[{"a":1,]}', ["parse payload raw_payload:1", "key must be a string at line 1 column 18"]),
        (b'{"input":[],"tools":[1e]}', ["parse payload raw_payload:1", "invalid number at line 1 column 24"]),
        (b'{"input":[],"input":5}', ["inference request payload raw_payload:1 had non-array input"]),
        (b'{"input":5,"inp\\u0075t":[]}', []),
        (b"[]", ["inference request payload raw_payload:1 did not contain input"]),
        (
            b'{"input":[{"type":"bogus"},{"type":"message","x":"\\ud800"}]}',
            ["parse payload raw_payload:1", "unexpected end of hex escape at line 1 column 57"],
        ),
    ],
)
def test_a_request_has_to_be_what_a_rule_needs(tmp_path: Path, payload: bytes, said: list[str], schema: int) -> None:
    assert said_of(bundle(tmp_path / "b", [*BEGIN, asked("i", 1)], {1: payload}, schema=schema)) == said


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("seq", 1.5, "invalid type: floating point `1.5`, expected u64"),
        ("seq", -1, "invalid value: integer `-1`, expected u64"),
        ("rollout_id", None, "invalid type: null, expected a string"),
        ("payload", [], "missing field `type`"),
        ("payload", ["thread_started", "T"], "invalid length 1, expected struct variant "),
        ("payload", {"type": "thread_ended", "thread_id": "T", "status": {"x": None}}, "unknown variant `x`"),
    ],
)
def test_a_line_of_the_wrong_shape_is_refused(tmp_path: Path, field: str, value: object, said: str) -> None:
    envelope = json.loads(line(1, ENDED)) | {field: value}
    top, cause = said_of(bundle(tmp_path / "b", [json.dumps(envelope).encode()]))
    assert top == "parse trace event line 1"
    assert cause.startswith(said)


def test_a_field_that_stands_twice_is_refused(tmp_path: Path) -> None:
    twice = line(1, ENDED).replace(b'"seq": 1', b'"seq": 1, "seq": 1')
    assert said_of(bundle(tmp_path / "b", [twice]))[1].startswith("duplicate field `seq`")
