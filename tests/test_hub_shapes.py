"""Sessions in other shapes beside their rows: same batch, same commit, a configuration each."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
import yaml

from fake_hub import COMMIT, FakeHub
from publishing import SECONDS, assert_whole, hub, line, push
from rollouts.publish import hub as publishing
from rollouts.publish.card_header import SHAPES, TRACE_FEATURES
from rollouts.publish.manifest import Redaction
from rollouts.publish.rows import Row, UnfitRowError

__all__ = ["hub"]


def sft(session: str = "s1", text: str = "hello", *, turn: int | None = None) -> bytes:
    """A row as SFTTrainer takes it: all columns, whatever is in them."""
    fields: dict[str, Any] = dict.fromkeys(name for name, _ in SHAPES["sft"][1:])
    said = [{"role": "user", "content": text}, {"role": "assistant", "content": "", "tool_calls": [{"id": "c"}]}]
    known = {"session_id": session, "agent": "codex", "unit": "turn" if turn else "session", "turn": turn}
    return json.dumps(fields | known | {"messages": said, "tools": []}).encode()


def atif(session: str = "s1") -> bytes:
    steps = [{"step_id": 1, "source": "user", "message": "go"}]
    return json.dumps({"agent": "codex", "session_id": session, "trajectory": {"steps": steps}}).encode()


def shaped(session: str = "s1", body: object = None, text: str = "hello") -> Row:
    shapes = {"sft": (sft(session, text, turn=1), sft(session, text, turn=2)), "atif": (atif(session),)}
    return Row(
        line(session, body),
        shapes=shapes,
        files={f"traces/codex/{session}.jsonl": f"{text}\n".encode(errors="replace")},
    )


def header(hub: FakeHub) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(hub.read("README.md").decode().split("---\n")[1])
    return found


def lines(hub: FakeHub, path: str) -> list[dict[str, Any]]:
    return [json.loads(one) for one in hub.read(path).splitlines()]


def test_other_shapes_go_with_their_rows_in_one_commit(hub: FakeHub) -> None:
    push([shaped("s1"), shaped("s2")])
    assert len([seen for seen in hub.seen if "/commit/" in seen.path]) == 1
    (batch,) = hub.batches()
    assert {name: part["rows"] for name, part in batch["shapes"].items()} == {"atif": 2, "sft": 4}
    for name, part in batch["shapes"].items():
        data = hub.read(part["file"])
        assert part["file"] == f"{name}/train-00001-{hashlib.sha256(data).hexdigest()[:12]}.jsonl"
        assert (part["sha256"], part["bytes"]) == (hashlib.sha256(data).hexdigest(), len(data))
        assert [row["batch_id"] for row in lines(hub, part["file"])] == [1] * part["rows"]
    assert lines(hub, batch["shapes"]["sft"]["file"])[1] == {"batch_id": 1} | json.loads(sft("s1", turn=2))
    assert batch["files"] == ["traces/codex/s1.jsonl", "traces/codex/s2.jsonl"]
    assert hub.read("traces/codex/s2.jsonl") == b"hello\n"
    assert_whole(hub)


def test_only_what_is_new_goes_out_in_other_shapes_too_and_a_file_takes_the_place_of_an_older_one(hub: FakeHub) -> None:
    push([shaped("s1"), shaped("s2")])
    first = set(hub.dataset().head.tree)
    push([shaped("s1"), shaped("s2", 1, "later")])
    batch = hub.batches()[1]
    assert [row["session_id"] for row in lines(hub, batch["shapes"]["sft"]["file"])] == ["s2", "s2"]
    assert batch["files"] == ["traces/codex/s2.jsonl"]
    assert hub.read("traces/codex/s2.jsonl") == b"later\n"
    assert set(hub.dataset().head.tree) - first == {
        f"train-00002-{batch['sha256'][:12]}.jsonl",
        *(part["file"] for part in batch["shapes"].values()),
    }


def test_the_card_has_a_configuration_a_shape_and_says_what_they_are(hub: FakeHub) -> None:
    push([Row(line("s0"))])
    assert [config["config_name"] for config in header(hub)["configs"]] == ["default"]
    assert "Other shapes" not in hub.read("README.md").decode()
    push([shaped()])
    found = header(hub)
    assert [(one["config_name"], one["data_files"][0]["path"]) for one in found["configs"]] == [
        ("default", ["train.jsonl", "train-*.jsonl"]),
        ("atif", ["atif/train-*.jsonl"]),
        ("sft", ["sft/train-*.jsonl"]),
        ("traces", ["traces/**/*.jsonl"]),
    ]
    declared = {
        info["config_name"]: [(one["name"], one.get("dtype") or f"[{one['list']}]") for one in info["features"]]
        for info in found["dataset_info"]
    }
    assert declared["traces"] == list(TRACE_FEATURES)
    assert (declared["sft"], declared["atif"]) == (list(SHAPES["sft"]), list(SHAPES["atif"]))
    text = hub.read("README.md").decode()
    for told in (
        'load_dataset("alice/turns", "sft", split="train")`: messages and tools as `SFTTrainer` of TRL takes',
        "them (2 rows)",
        'load_dataset("alice/turns", "atif", split="train")`',
        "`traces/<agent>/<session>.jsonl`; the configuration",
        "`pip install teich` (1 file)",
    ):
        assert told in text, told


def test_a_push_without_other_shapes_keeps_those_that_are_there(hub: FakeHub) -> None:
    push([shaped("s1")])
    push([Row(line("s2"))])
    assert [config["config_name"] for config in header(hub)["configs"]] == ["default", "atif", "sft", "traces"]
    assert "shapes" not in hub.batches()[1]
    assert "(2 rows)" in hub.read("README.md").decode()


def test_an_answer_that_got_lost_doubles_no_shape(hub: FakeHub) -> None:
    hub.inject(COMMIT, "drop_after")
    push([shaped("s1")])
    assert len(hub.batches()) == 1
    assert len([path for path in hub.dataset().head.tree if path.startswith("sft/")]) == 1


@pytest.mark.parametrize(
    "row",
    [
        Row(line(), shapes={"default": (sft(),)}),
        Row(line(), shapes={"../up": (sft(),)}),
        Row(line(), shapes={"sft": (b"[]",)}),
        Row(line(), shapes={"sft": (b"{}",)}),
        Row(line(), shapes={"sft": (b'{"batch_id": 1}',)}),
        Row(line(), shapes={"sft": (b"{",)}),
        Row(line(), shapes={"sft": (b'{"a":' + b"[" * 600 + b"]" * 600 + b"}",)}),
        Row(line(), files={"README.md": b""}),
        Row(line(), files={"traces/../README.md": b""}),
        Row(line(), files={"/traces/a": b""}),
        Row(line(), files={"traces/a\n": b""}),
    ],
)
def test_a_row_that_brings_what_no_dataset_can_hold_is_refused_whole(row: Row, hub: FakeHub) -> None:
    with publishing.opened("turns", seconds=SECONDS) as pushing:
        with pytest.raises(UnfitRowError):
            pushing.add(row)
        pushing.add(shaped("s9"))
        assert (pushing.plan().added, pushing.append().total_rows) == (1, 1)
    assert [row["session_id"] for row in hub.rows()] == ["s9"]


def test_what_redaction_took_out_is_counted_for_the_rows_that_go(hub: FakeHub) -> None:
    looked = Redaction(("rules 1",), {}, "other 2")
    rows = [Row(line(f"s{n}"), replaced={"github-pat": n, "secret": 1}) for n in (1, 2)]
    assert push(rows, redaction=looked).replaced == {"github-pat": 3, "secret": 2}
    assert hub.batches()[0]["redaction"] == {
        "engines": ["rules 1"],
        "replaced": {"github-pat": 3, "secret": 2},
        "verified_by": "other 2",
    }
    assert push([*rows, Row(line("s3"), replaced={"jwt": 1})], redaction=looked).replaced == {"jwt": 1}
    assert "(rules 1): 6 secrets replaced, and other 2 found none in what was left" in hub.read("README.md").decode()
