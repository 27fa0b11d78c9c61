"""Rows as they are written: to the letter where every reader takes them, mended where one would not."""

from __future__ import annotations

import json

import msgspec
import pytest

from publishing import line
from rollouts.publish.manifest import Manifest
from rollouts.publish.rows import MAX_DEPTH, UnfitRowError, checked


def envelope(session: str) -> bytes:
    """A row with a session as it is written here."""
    text = f'{{"session_id":"s","agent":"a","exported_at":"x","session":{session},"metadata":null}}'
    return text.encode(errors="surrogatepass")


def session(text: str) -> object:
    """What becomes of a session."""
    return json.loads(b"{" + checked(envelope(text)).fields)["session"]


@pytest.mark.parametrize(
    "text",
    [
        '{"a" : 1.50, "b":1E2, "c":-0.0}',
        "[1.7976931348623157e308,18446744073709551615,-9223372036854775808]",
        '"\\u0000\\ud83d\\ude00\\/"',
        '{"":{}}',
        "[]",
        "null",
        '"\u2028\u0085"',
    ],
)
def test_a_session_that_every_reader_takes_is_kept_to_the_letter(text: str) -> None:
    assert f'"session":{text},"metadata":null}}\n'.encode() in checked(envelope(text)).fields


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"a\\ud83d"', "a\ufffd"),
        ('"\\udc00b"', "\ufffdb"),
        ('{"\\ud83d":"\\ud83d\\ude00"}', {"\ufffd": "\U0001f600"}),
        ("18446744073709551616", "18446744073709551616"),
        ("[-9223372036854775809]", ["-9223372036854775809"]),
        ("[NaN,-Infinity]", [None, None]),
        ('{\r\n "a":\r1}', {"a": 1}),
        ('{"a":1,"a":2}', {"a": 2}),
        ('"\ud83d"', "\ufffd\ufffd\ufffd"),
    ],
)
def test_what_readers_choke_on_is_mended(text: str, value: object) -> None:
    assert session(text) == value
    assert b"\r" not in checked(envelope(text)).fields


def test_nesting_has_an_end() -> None:
    def deep(levels: int) -> str:
        return "[" * levels + "]" * levels

    assert checked(envelope(deep(MAX_DEPTH - 2)))
    for levels in (MAX_DEPTH + 1, 5_000, 200_000):
        with pytest.raises(UnfitRowError, match="nested deeper"):
            checked(envelope(deep(levels)))


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"no", b'{"session_id":1}', line()[:-1] + b',"more":1}', line().replace(b'"s1"', b"7"), b"\xff"],
)
def test_what_is_no_row_is_refused(text: bytes) -> None:
    with pytest.raises(UnfitRowError):
        checked(text)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ('{"b": [1, 2.0], "a": "\\u00e9"}', True),
        ('{"a":"é","b":[1,2.0]}', True),
        ('{"a":"é","b":[2.0,1]}', False),
        ('{"a":"é","b":[1,2.0],"c":null}', False),
    ],
)
def test_rows_are_compared_by_value(other: str, same: bool) -> None:
    first = checked(envelope('{"a":"é","b":[1,2.0]}'))
    assert (checked(envelope(other)).signature == first.signature) is same


def test_the_time_of_export_is_no_part_of_the_comparison_and_all_else_is() -> None:
    one = checked(line("s", 1, {"x": 1}))
    assert checked(line("s", 1, {"x": 1}).replace(b"2026", b"2027")).signature == one.signature
    others = (line("t", 1, {"x": 1}), line("s", 2, {"x": 1}), line("s", 1, None), line("s", 1, {"x": 1}, agent="b"))
    assert len({one.signature, *(checked(other).signature for other in others)}) == 5


def test_a_manifest_is_json_and_comes_back(recwarn: pytest.WarningsRecorder) -> None:
    text = Manifest.empty().encoded()
    assert msgspec.json.decode(text) == {"schema_version": 1, "batches": [], "sessions": {}}
    assert Manifest.parsed(text, "x").encoded() == text
    assert not recwarn.list
