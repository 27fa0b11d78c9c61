"""hf push --include: sessions in other shapes beside their rows, as the exports of these shapes write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent_records import CLAUDE, CODEX, OPENCODE
from fake_hub import FakeHub
from helpers import failure, ok, snapshot
from publishing import assert_whole, hub
from publishing_sessions import grow, one_session, push, pushed, three_agents
from test_hub_loads import loaded, python

__all__ = ["hub", "python"]
ALL = ("--include", "sft,atif,traces")


def lines(text: bytes) -> list[dict[str, Any]]:
    return [json.loads(one) for one in text.splitlines()]


def paths(hub: FakeHub, folder: str) -> list[str]:
    return sorted(path for path in hub.dataset().head.tree if path.startswith(f"{folder}/"))


def rows(hub: FakeHub, shape: str) -> list[dict[str, Any]]:
    return [row for path in paths(hub, shape) for row in lines(hub.read(path))]


def exported(shape: str, out: Path, env: dict[str, str]) -> list[dict[str, Any]]:
    ok("export", shape, "--agent", "all", "--all", "--out", out, env=env)
    return lines(out.read_bytes())


def test_the_shapes_are_those_that_the_exports_write(hub: FakeHub, sealed: Path, plain: Path, tmp_path: Path) -> None:
    env = three_agents(sealed, plain)
    assert pushed(*ALL, env=env)["added"] == 3
    assert_whole(hub)
    written = exported("sft", tmp_path / "sft.jsonl", env)
    assert rows(hub, "sft") == [{"batch_id": 1, **row} for row in written]
    trajectories = {one["session_id"]: one for one in exported("atif", tmp_path / "atif.jsonl", env)}
    there = rows(hub, "atif")
    assert {row["session_id"]: row["trajectory"] for row in there} == trajectories
    assert {(row["batch_id"], row["agent"]) for row in there} == {
        (1, one) for one in ("claude-code", "codex", "opencode")
    }
    ok("export", "traces", "--agent", "all", "--all", "--dir", tmp_path / "traces", env=env)
    found = {path: hub.read(path) for path in paths(hub, "traces")}
    files = [path for path in (tmp_path / "traces").rglob("*") if path.is_file()]
    assert found == {str(path.relative_to(tmp_path)): path.read_bytes() for path in files}
    assert sorted(found) == [
        f"traces/{name}.jsonl" for name in (f"claude-code/{CLAUDE}", f"codex/{CODEX}", f"opencode/{OPENCODE}")
    ]


def test_they_go_with_new_rows_and_newer_files_take_the_place_of_older_ones(
    hub: FakeHub, sealed: Path, plain: Path
) -> None:
    path = one_session(sealed, plain)
    pushed()
    assert paths(hub, "sft") == []
    said = push("--sessions-only", *ALL)
    assert "1 session is in the dataset already, and not added in other shapes" in said.err
    grow(path)
    snapshot(plain, "turn-2", CLAUDE)
    for batch in (2, 3):
        assert pushed(*ALL)["batch_id"] == batch
        grow(path, f"And {batch}")
    assert [row["batch_id"] for row in rows(hub, "atif")] == [2, 3]
    assert paths(hub, "traces") == [f"traces/claude-code/{CLAUDE}.jsonl"]
    assert b"And 2" in hub.read(f"traces/claude-code/{CLAUDE}.jsonl")
    assert_whole(hub)


def test_secrets_are_in_no_shape(hub: FakeHub, sealed: Path, plain: Path) -> None:
    token = "ghp_" + "A1b2C3d4E5f6" * 3
    one_session(sealed, plain, f"Use {token}")
    assert pushed(*ALL)["redaction"]["replaced"]
    for path in hub.dataset().head.tree:
        assert token.encode() not in hub.read(path), path


def test_datasets_loads_each_configuration(hub: FakeHub, sealed: Path, plain: Path, python: str) -> None:
    pushed("--include", "atif,sft", env=three_agents(sealed, plain))
    for config in ("sft", "atif"):
        assert loaded(python, config=config) == rows(hub, config)
    assert len(loaded(python)) == 3


@pytest.mark.parametrize("words", ["", "sft,", "rl", "sft atif"])
def test_a_shape_that_is_none_is_refused(hub: FakeHub, sealed: Path, plain: Path, words: str) -> None:
    one_session(sealed, plain)
    said = failure(push("--include", words), 2)
    assert "it takes sft, atif, traces, with commas between them" in said
    assert hub.storage.datasets == {}


def test_a_dry_run_makes_them_and_sends_nothing(hub: FakeHub, sealed: Path, plain: Path) -> None:
    one_session(sealed, plain)
    assert pushed(*ALL, "--dry-run")["added"] == 1
    assert hub.storage.datasets == {}
