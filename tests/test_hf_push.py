"""hf push: which sessions become rows, when again, without which secrets, and what is said of it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from random import Random

import pytest

import archives
import planted
from agent_records import CLAUDE, CODEX, OPENCODE, claude, claude_session, jsonl, put_claude
from fake_hub import FakeHub
from helpers import git, ok, query, run, snapshot
from publishing import assert_whole, hub, line
from publishing_sessions import ALONE, grow, one_session, push, pushed, three_agents

__all__ = ["hub"]


def secret(kind: str = "github token") -> str:
    return next(planted.planted({kind: planted.KINDS[kind]}, 1)).secret


# Rows


def test_sessions_of_three_agents_become_rows_behind_their_snapshots(
    hub: FakeHub, sealed: Path, repo: Path, tmp_path: Path
) -> None:
    (repo / "main.py").write_text("print()\n")
    env = three_agents(sealed, repo)
    archive = archives.bare(tmp_path / "a.git")
    ok("remote", "set", repo, "--url", str(archive))
    result = push("--public", env=env)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "Synced dataset",
        "repo: alice/turns",
        "pushed snapshots: 3",
        "skipped snapshots: 0",
        "created remotes: 0",
        "batch: 1",
        "added sessions: 3",
        "updated sessions: 0",
        "total rows: 3",
        result.out.splitlines()[9],
        "visibility: public",
        "unchanged sessions: 0",
        "redacted: nothing was found",
        f"archive: {archive}",
        f"{hub.url}/datasets/alice/turns",
    ]
    rows = assert_whole(hub)
    assert [(row["agent"], row["session_id"]) for row in rows] == [
        ("claude-code", CLAUDE),
        ("codex", CODEX),
        ("opencode", OPENCODE),
    ]
    ok("export", "--agent", "all", "--all", "--out", tmp_path / "out", env=env)
    exported = [json.loads(one) for one in (tmp_path / "out").read_text().splitlines()]
    for row, one in zip(rows, exported, strict=True):
        assert (row["session"], row["metadata"]) == (one["session"], one["metadata"])
    (batch,) = hub.batches()
    assert batch["models"] == {"claude-sonnet-4-5": 1, "gpt-5.5": 1}
    assert batch["languages"] == {"Python": 3}
    assert batch["started"] == "2026-11-21T19:38:12.068Z"
    assert {one["tag"] for row in rows for one in row["metadata"]["snapshots"]} == set(archives.refs(archive))


def test_a_row_is_all_it_takes_to_get_the_code_back(hub: FakeHub, sealed: Path, repo: Path, tmp_path: Path) -> None:
    one_session(sealed, repo)
    ok("remote", "set", repo, "--url", str(archives.bare(tmp_path / "a.git")))
    assert push("--public").code == 0
    (row,) = hub.rows()
    turn = row["metadata"]["snapshots"][-1]
    named = ("--session", row["session_id"], "--message", turn["message_id"])
    elsewhere = {"ROLLOUTS_HOME": str(tmp_path / "nothing here")}
    ok("restore", "--repo", row["metadata"]["remote_url"], *named, "--dest", tmp_path / "code", env=elsewhere)
    assert (tmp_path / "code" / "a.txt").read_bytes() == b"one\n"


def test_only_the_asked_agents_sessions_go(hub: FakeHub, sealed: Path, plain: Path) -> None:
    env = three_agents(sealed, plain)
    document = json.loads(ok(*ALONE, "--agent", "codex", "--json", env=env))
    assert (document["added"], [row["session_id"] for row in hub.rows()]) == (1, [CODEX])


def test_a_session_that_cannot_be_read_is_named_and_the_others_go(hub: FakeHub, sealed: Path, plain: Path) -> None:
    env = three_agents(sealed, plain)
    (sealed / "opencode sessions" / f"{OPENCODE}.json").unlink()
    result = run(*ALONE, "--json", env=env)
    assert result.code == 1
    document = json.loads(result.out)
    assert (document["added"], document["failed"]) == (2, 1)
    assert [(one["agent"], one["session_id"]) for one in document["failures"]] == [("opencode", OPENCODE)]
    assert result.err.startswith(f"Not exported: opencode session {OPENCODE}: ")
    assert len(assert_whole(hub)) == 2


def test_a_session_that_no_dataset_can_hold_is_named_and_the_others_go(hub: FakeHub, sealed: Path, plain: Path) -> None:
    env = three_agents(sealed, plain)
    deep: object = "x"
    for _ in range(600):
        deep = [deep]
    put_claude(sealed, [*claude_session(), claude("user", message={"role": "user", "content": deep})])
    result = run(*ALONE, "--no-redact", "--json", env=env)
    assert (result.code, json.loads(result.out)["failed"]) == (1, 1)
    assert f"claude-code session {CLAUDE}: no dataset can hold it: it is nested deeper than 512 levels" in result.err
    assert len(assert_whole(hub)) == 2


# When again


def test_nothing_new_makes_no_commit_reads_no_session_and_says_so(hub: FakeHub, sealed: Path, plain: Path) -> None:
    path = one_session(sealed, plain)
    assert pushed()["batch_id"] == 1
    commits, before = len(hub.dataset().commits), path.stat()
    path.write_bytes(b"x" * before.st_size)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    document = pushed()
    assert (document["batch_id"], document["unchanged"], document["unread"], document["bytes"]) == (None, 1, 1, 0)
    assert len(hub.dataset().commits) == commits
    said = ok(*ALONE).splitlines()
    assert "batch: none" in said
    assert "nothing new" in said


def test_a_session_that_went_on_is_appended(hub: FakeHub, sealed: Path, plain: Path) -> None:
    path = one_session(sealed, plain)
    pushed()
    grow(path)
    document = pushed()
    assert (document["batch_id"], document["added"], document["updated"], document["total_rows"]) == (2, 0, 1, 2)
    assert [len(row["session"]["records"]) for row in assert_whole(hub)] == [len(claude_session()) + n for n in (0, 1)]


def test_a_new_snapshot_is_a_change(hub: FakeHub, sealed: Path, plain: Path) -> None:
    one_session(sealed, plain)
    pushed()
    snapshot(plain, "turn-1:end", CLAUDE)
    assert pushed()["updated"] == 1
    assert [len(row["metadata"]["snapshots"]) for row in assert_whole(hub)] == [1, 2]


def test_what_is_remembered_counts_only_while_the_dataset_has_it(hub: FakeHub, sealed: Path, plain: Path) -> None:
    one_session(sealed, plain)
    pushed()
    del hub.storage.datasets["alice/turns"]
    document = pushed()
    assert (document["created"], document["batch_id"], document["unread"]) == (True, 1, 0)
    assert pushed()["unread"] == 1
    assert pushed("--name", "others")["added"] == 1


def test_switching_redaction_off_has_sessions_read_again(hub: FakeHub, sealed: Path, plain: Path) -> None:
    one_session(sealed, plain, f"use {secret()}")
    assert pushed()["added"] == 1
    assert pushed("--no-redact")["updated"] == 1
    assert pushed("--no-redact")["unread"] == 1
    first, second = hub.rows()
    assert (secret() in json.dumps(first), secret() in json.dumps(second)) == (False, True)


def test_a_captured_transcript_is_read_once_when_the_agent_has_lost_its_own(
    hub: FakeHub, sealed: Path, plain: Path
) -> None:
    path = one_session(sealed, plain)
    ok("import", "claude-code")
    path.unlink()
    assert pushed()["added"] == 1
    assert pushed()["unread"] == 1
    assert len(hub.rows()) == 1


def test_a_subagents_file_is_part_of_how_its_session_looks(hub: FakeHub, sealed: Path, plain: Path) -> None:
    path = one_session(sealed, plain)
    pushed()
    folder = path.with_suffix("") / "subagents"
    folder.mkdir(parents=True)
    (folder / "agent-ad8f.jsonl").write_bytes(jsonl(claude_session()[:2]))
    assert pushed()["updated"] == 1
    assert list(hub.rows()[-1]["session"]["subagents"]) == ["ad8f"]


def test_deleted_sessions_are_forgotten_here_and_stay_in_the_dataset(
    hub: FakeHub, sealed: Path, plain: Path, home: Path
) -> None:
    one_session(sealed, plain)
    pushed()
    ok("delete", plain, "--session", CLAUDE, "--yes")
    assert query(home, "SELECT * FROM dataset_sessions") == []
    assert len(hub.rows()) == 1


# Without its secrets


def test_secrets_are_replaced_counted_and_told(hub: FakeHub, sealed: Path, repo: Path) -> None:
    token, known = secret(), "correct-Horse7-battery"
    one_session(sealed, repo, f"use {token} and {known} in {sealed}/code")
    (repo / ".env").write_text(f"DB_PASSWORD={known}\n")
    git("remote", "add", "origin", "https://me:Xk82jfPq0wLm@example.com/r.git", cwd=repo)
    document = pushed()
    assert document["redaction"]["replaced"]["github-pat"] > 0
    assert document["redaction"]["verified_by"] is None
    data = hub.read("train.jsonl").decode()
    assert not [one for one in (token, known, str(sealed)) if one in data]
    assert "[REDACTED:github-pat:" in data
    assert "/home/user/code" in data
    assert hub.batches()[0]["redaction"]["replaced"] == document["redaction"]["replaced"]
    assert "| github-pat |" in hub.read("README.md").decode()


def test_rows_that_go_as_they_are_are_told_of_in_the_card(hub: FakeHub, sealed: Path, plain: Path) -> None:
    one_session(sealed, plain, f"use {secret()}")
    assert pushed("--no-redact")["redaction"] is None
    assert secret() in hub.read("train.jsonl").decode()
    assert "**1 row went out without redaction.**" in hub.read("README.md").decode()


def test_a_secret_has_one_placeholder_in_a_dataset_and_another_in_the_next(
    hub: FakeHub, sealed: Path, plain: Path
) -> None:
    path = one_session(sealed, plain, f"use {secret()}")
    pushed()
    grow(path, f"again {secret()}")
    pushed()
    pushed("--name", "others")
    one, two = (set(planted_tags(hub, name)) for name in ("alice/turns", "alice/others"))
    assert (len(one), len(two), one & two) == (1, 1, set())


def planted_tags(hub: FakeHub, name: str) -> list[str]:
    return [part.partition("]")[0] for part in json.dumps(hub.rows(name)).split("[REDACTED:github-pat:")[1:]]


def test_what_the_second_engine_still_finds_stops_the_push_before_anything_goes(
    hub: FakeHub, sealed: Path, repo: Path, tmp_path: Path
) -> None:
    pytest.importorskip("kingfisher_sdk", reason="kingfisher-secret-scanner has no wheel here")
    missed = "fio-u-" + "".join(planted.some(planted.WORD, 64)(Random(1)))  # noqa: S311 - no secret
    one_session(sealed, repo, f"use {missed}")
    archive = archives.bare(tmp_path / "a.git")
    ok("remote", "set", repo, "--url", str(archive))
    result = run("hf", "push", "--agent", "all", "--name", "turns", "--verify", "--public")
    assert (result.code, result.out) == (1, "")
    assert f"still finds betterleaks.frameio-api-token in claude-code session '{CLAUDE}'" in result.err
    assert missed not in result.err
    assert (hub.storage.datasets, archives.refs(archive)) == ({}, {})
    assert push("--public").code == 0
    assert len(hub.rows()) == 1


def test_a_dataset_of_the_older_tool_is_adopted(hub: FakeHub, sealed: Path, plain: Path) -> None:
    env = three_agents(sealed, plain)
    older = line(OPENCODE, {"info": {}}, {"remote_url": None}, agent="opencode") + b"\n"
    hub.put({"train.jsonl": older, "README.md": b"# mine\n"})
    document = json.loads(ok(*ALONE[:-1], "--json", env=env))
    assert (document["batch_id"], document["added"], document["updated"], document["private"]) == (2, 2, 1, False)
    assert hub.read("train.jsonl") == older
    assert b"# mine\n" in hub.read("README.md")
