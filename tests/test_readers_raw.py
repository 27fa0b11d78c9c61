"""The record of an export is what the agent wrote, to the letter."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_records import chunks
from rollouts.agents import raw
from rollouts.agents.raw import Document, Lines

ODD = [
    b'{"n":1.50,"big":12345678901234567890,"far":1e400,"neg":-0.0}',
    b'{"z":1,"a":2,"z":3}',
    rb'{"half":"\ud83d","pair":"\ud83d\ude00","slash":"\/"}',
    b'{ "spaced" : [ 1 , 2 ] }',
    '{"é":"\u2028"}'.encode(),
]


def record(data: bytes, **subagents: bytes) -> Lines:
    return Lines("s", "codex-jsonl", chunks(data), {name: chunks(text) for name, text in subagents.items()})


def text(lines: Lines) -> bytes:
    return b"".join(lines.chunks())


def test_lines_are_passed_on_byte_for_byte() -> None:
    found = text(record(b"\n".join(ODD) + b"\n"))
    assert (
        found
        == b'{"format": "codex-jsonl", "records": [' + b", ".join(ODD) + b'], "subagents": {}, "unreadable_lines": 0}'
    )
    assert len(json.loads(found)["records"]) == len(ODD)


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[1]",
        b"null",
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"tab\there"}',
        b'{"a":1}{"b":2}',
        b"\x00\x00\x00",
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_a_line_that_is_no_json_object_is_counted_and_left_out(line: bytes) -> None:
    lines = record(b'{"a":1}\n' + line + b'\n{"b":2}\n')
    found = json.loads(text(lines))
    assert found["records"] == [{"a": 1}, {"b": 2}]
    assert (found["unreadable_lines"], lines.unreadable_lines) == (1, 1)


def test_unreadable_lines_of_subagents_count_too() -> None:
    lines = record(b"broken\n", one=b'broken\n{"a":1}\n', two=b"")
    assert json.loads(text(lines)) == {
        "format": "codex-jsonl",
        "records": [],
        "subagents": {"one": [{"a": 1}], "two": []},
        "unreadable_lines": 2,
    }


def test_a_torn_last_line_is_still_being_written() -> None:
    assert json.loads(text(record(b'{"a":1}\n{"b":')))["unreadable_lines"] == 0
    assert json.loads(text(record(b'{"a":1}\n{"b":2}')))["records"] == [{"a": 1}, {"b": 2}]


def test_line_ends_of_other_systems_and_a_byte_order_mark_are_no_part_of_a_record() -> None:
    found = text(record(b'\xef\xbb\xbf{"a":1}\r\n\r\n{"b":\r2}\r\n'))
    assert json.loads(found)["records"] == [{"a": 1}, {"b": 2}]
    assert b"\r" not in found


def test_reading_it_twice_gives_the_same() -> None:
    lines = record(b'broken\n{"a":1}\n')
    assert text(lines) == text(lines)


def test_a_document_loses_its_line_breaks_and_nothing_else() -> None:
    document = rb"""{
  "info": {
    "id": "s",   "n": 1.50,
    "text": "line\nbreak  and \ud83d"
  },
  "messages": []
}
"""
    found = b"".join(Document("s", document, {}).chunks())
    assert found == rb'{"info": {"id": "s",   "n": 1.50,"text": "line\nbreak  and \ud83d"},"messages": []}'


def test_numbers_that_python_cannot_hold_are_read_as_they_were_written() -> None:
    digits = "9" * 5000
    found = raw.parsed(f'{{"far": 1e400, "long": {digits}, "n": 1.5}}'.encode())
    assert found == {"far": "1e400", "long": digits, "n": 1.5}


def test_a_large_record_is_never_held_whole() -> None:
    line = b'{"text":"' + b"x" * 100_000 + b'"}\n'

    def many() -> Iterator[bytes]:
        return (line for _ in range(300))

    tracemalloc.start()
    length = sum(len(piece) for piece in Lines("s", "codex-jsonl", many).chunks())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert length > 30_000_000
    assert peak < 3_000_000


def test_a_file_is_read_anew_each_time(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one")
    read = raw.of_file(str(path))
    assert b"".join(read()) == b"one"
    path.write_bytes(b"two")
    assert b"".join(read()) == b"two"
