"""What is JSON here and what is not, by value."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from rollouts.contracts.strict_json import MAX_BYTES, MAX_DEPTH, dump, one_line, parse, parse_object
from rollouts.errors import RolloutsError

GOOD = ["{}", " [ ] ", '"\\u00e9\\ud83d\\ude00"', "-0", "1E+2", "0.10", "true", "null", '{"a":{"a":1}}', '"\x7f"']
BAD = {
    **dict.fromkeys(("", " ", "{", "[1,", "[,]", "1 2", "nul", "True", "-"), ""),
    **dict.fromkeys(("NaN", "[-Infinity]", "Infinity"), "is not JSON"),
    **dict.fromkeys(("01", "+1", ".5", "1.", "0x1", "'a'", "{a:1}", '{"a":1,}', "[1,]", '"\n"', '"\\x"'), ""),
    **dict.fromkeys(('{"a":1,"a":2}', '[{"b":{"a":1,"\\u0061":1}}]'), "a key stands twice"),
    **dict.fromkeys(('"\\ud800"', '{"\\udfff":1}', '"\udcff"'), "surrogates not allowed"),
    "\ufeff{}": "",
    "\u00a0{}": "",
    "{}\u00a0": "text after",
}


@pytest.mark.parametrize("text", GOOD)
def test_json_is_what_the_standard_library_reads(text: str) -> None:
    assert parse(text) == json.loads(text)


@pytest.mark.parametrize(("text", "reason"), BAD.items(), ids=ascii)
def test_anything_else_is_a_value_error(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason or None):
        parse(text)


def test_depth_is_bounded_at_both_kinds_of_brackets() -> None:
    assert parse("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    for open_, close in (("[", "]"), ('{"a":', "}")):
        for depth in (MAX_DEPTH + 2, 100_000):
            with pytest.raises(ValueError, match="nested deeper than 200 levels"):
                parse(open_ * depth + "0" + close * depth)


@pytest.mark.parametrize("text", ["{'a':1}", '{"a":1,}', '{"a":01}', '{"a":"\\x"}', '{"a'])
def test_errors_are_words_also_while_the_json_package_is_not_imported(text: str) -> None:
    code = "import sys; from rollouts.contracts import strict_json\nassert 'json' not in sys.modules\n"
    code += "try: strict_json.parse(sys.argv[1])\nexcept ValueError as error: print(type(error).__name__)"
    done = subprocess.run([sys.executable, "-c", code, text], capture_output=True, text=True, check=True)
    assert done.stdout == "JSONDecodeError\n"


def test_an_object_of_2_mib_is_the_largest() -> None:
    text = '{"a":"' + "é" * ((MAX_BYTES - 8) // 2) + '"}'
    assert len(text.encode()) == MAX_BYTES
    assert parse_object(text, "metadata")["a"]
    with pytest.raises(RolloutsError, match="metadata is larger than 2 MiB"):
        parse_object(text + " ", "metadata")


@pytest.mark.parametrize("text", ["[]", "1", '"{}"', "null"])
def test_only_an_object_is_an_object(text: str) -> None:
    with pytest.raises(RolloutsError, match="invalid metadata JSON: it must be an object"):
        parse_object(text, "metadata")


def test_one_line_is_the_same_value() -> None:
    text = '{\r\n "a" :\n[1,\r2] }'
    assert "\n" not in one_line(text)
    assert "\r" not in one_line(text)
    assert json.loads(one_line(text)) == json.loads(text)


def test_dump_is_compact_ascii_json() -> None:
    value = {"a": [1, -2, None, True, False, 'é\n"\\\x00\U0001f600'], "b": {}, "c": (), "d": "\udcff"}
    text = dump(value)
    assert text == json.dumps(value, separators=(",", ":"))
    assert text.isascii()


def test_dump_refuses_what_json_has_no_word_for() -> None:
    with pytest.raises(TypeError):
        dump({"a": b"bytes"})
