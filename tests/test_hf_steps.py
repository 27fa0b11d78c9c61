"""hf push step by step: archives, who may see a dataset, dry runs, faults, others at the same time, being stopped."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest

import archives
import planted
from agent_records import CLAUDE, CODEX, codex_session, put_codex
from fake_gh import FakeGh
from fake_hub import ALWAYS, COMMIT, FakeHub
from helpers import ROLLOUTS, SLOW, failure, git, ok, put, query, run, snapshot
from publishing import assert_whole, hub
from publishing_sessions import ALONE, WORDS, grow, one_session, push, pushed, start, three_agents

__all__ = ["hub"]


# Archives


def test_a_workspace_without_an_archive_is_an_obstacle_unless_snapshots_stay(
    hub: FakeHub, sealed: Path, plain: Path
) -> None:
    one_session(sealed, plain)
    for words in ((), ("--dry-run",), ("--no-create-remote",)):
        said = failure(push("--private", *words))
        assert said.startswith(f"workspace has no configured remote: {plain}; `rollouts remote set` gives it one")
    for more in ((), ("--dry-run",)):
        assert "no remote defaults configured" in failure(push("--private", "--create-remote", *more))
    assert hub.storage.datasets == {}
    assert pushed()["workspaces"] == []


def test_a_session_without_snapshots_needs_no_archive(hub: FakeHub, sealed: Path) -> None:
    put_codex(sealed, codex_session())
    ok("import", "codex")
    assert push("--private").code == 0
    assert [row["metadata"] for row in hub.rows()] == [None]


def test_a_missing_archive_is_made_and_named_in_the_rows(
    hub: FakeHub, sealed: Path, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, page = FakeGh(tmp_path / "fake", monkeypatch), "https://github.example/octo"
    git("config", "--global", f"url.{tmp_path}/hosted/.insteadOf", f"{page}/", cwd=tmp_path)
    (tmp_path / "hosted").mkdir()
    one_session(sealed, plain)
    workspace = json.loads(ok("list", "--json"))["workspaces"][0]["id"]
    name = f"rollouts-plain-{workspace[:8]}"
    archive = archives.bare(tmp_path / "hosted" / f"{name}.git")
    fake.answer(repo=f"echo {page}/{name}")
    ok("remote", "defaults", "set", "--owner", "octo")
    asked = len(fake.asked)
    dry = json.loads(run(*WORDS, "--private", "--dry-run", "--json").out)
    assert (dry["pushed_snapshots"], dry["workspaces"][0]["remote_url"], len(fake.asked)) == (1, f"octo/{name}", asked)
    result = push("--private")
    assert result.code == 0
    assert f"Created {page}/{name}.git" in result.err
    assert "created remotes: 1\n" in result.out
    assert hub.rows()[0]["metadata"]["remote_url"] == f"{page}/{name}.git"
    assert len(archives.refs(archive)) == 1


def test_only_workspaces_whose_sessions_go_are_pushed(
    hub: FakeHub, sealed: Path, plain: Path, repo: Path, tmp_path: Path
) -> None:
    one_session(sealed, plain)
    put_codex(sealed, codex_session())
    snapshot(repo, "m", CODEX)
    ok("remote", "set", plain, "--url", str(archives.bare(tmp_path / "a.git")))
    assert push("--private", "--agent", "claude-code").code == 0
    assert [row["session_id"] for row in hub.rows()] == [CLAUDE]


def test_snapshots_that_fail_are_named_and_keep_no_session_back(
    hub: FakeHub, sealed: Path, plain: Path, tmp_path: Path
) -> None:
    one_session(sealed, plain)
    ok("remote", "set", plain, "--url", str(tmp_path / "gone.git"))
    result = push("--private", "--json")
    assert result.code == 1
    assert result.err.startswith(f"Not pushed: snapshots of {plain}: ")
    document = json.loads(result.out)
    assert (document["added"], document["pushed_snapshots"], document["failed"]) == (1, 0, 0)
    assert document["workspaces"][0]["error"]
    archives.bare(tmp_path / "gone.git")
    again = json.loads(run(*WORDS, "--json").out)
    assert (again["unread"], again["pushed_snapshots"]) == (1, 1)
    assert len(hub.rows()) == 1


def test_a_snapshot_whose_tag_holds_another_is_named(hub: FakeHub, sealed: Path, plain: Path, tmp_path: Path) -> None:
    one_session(sealed, plain)
    archive = archives.bare(tmp_path / "a.git")
    other = archives.commit(archive, archives.tree(archive, []))
    archives.put_tag(archive, archives.fields(other, CLAUDE, "turn-1"), other, session=CLAUDE, message="turn-1")
    ok("remote", "set", plain, "--url", str(archive))
    result = push("--private", "--json")
    assert result.code == 1
    assert f"Not pushed: snapshot of session {CLAUDE}, message turn-1 (conflict)" in result.err
    assert json.loads(result.out)["workspaces"][0]["problems"][0]["status"] == "conflict"
    assert len(hub.rows()) == 1


def test_a_snapshot_with_a_key_in_a_file_is_stopped_and_keeps_no_session_back(
    hub: FakeHub, sealed: Path, plain: Path, tmp_path: Path
) -> None:
    put(plain, "id_rsa", planted.made(planted.KINDS["rsa private key"][0], 1).encode())
    one_session(sealed, plain)
    archive = archives.bare(tmp_path / "a.git")
    ok("remote", "set", plain, "--url", str(archive))
    result = push("--private", "--json")
    assert result.code == 1
    assert f"Not pushed: snapshot of session {CLAUDE}, message turn-1 (stopped): " in result.err
    assert "id_rsa, line 1" in result.err
    assert "If it is no secret: --allow-secrets" in result.err
    document = json.loads(result.out)
    assert (document["added"], document["pushed_snapshots"]) == (1, 0)
    assert document["workspaces"][0]["problems"][0]["status"] == "stopped"
    assert git("for-each-ref", cwd=archive) == ""
    assert json.loads(ok(*WORDS, "--allow-secrets", "--json"))["pushed_snapshots"] == 1
    assert len(hub.rows()) == 1


# Who may see it


def on_terminal(answer: bytes, *words: str) -> tuple[int, str]:
    """`hf push` in a terminal where somebody types an answer when asked. Returns exit code and what was shown."""
    terminal, end = pty.openpty()
    command = [*ROLLOUTS, *WORDS, "--sessions-only", *words]
    with subprocess.Popen(command, stdin=end, stdout=end, stderr=end, start_new_session=True) as child:
        os.close(end)
        shown, deadline = b"", time.monotonic() + SLOW
        while time.monotonic() < deadline:
            try:
                shown += os.read(terminal, 1 << 16) if select.select([terminal], [], [], 1)[0] else b""
            except OSError:  # Linux says EIO when the last writer has gone
                break
            if answer and b"[public/private/N]: " in shown:
                os.write(terminal, answer)
                answer = b""
    os.close(terminal)
    return child.returncode, shown.decode()


@pytest.mark.parametrize(("answer", "private"), [(b"public\n", False), (b"Private\n", True)])
def test_a_terminal_asks_before_something_becomes_public(
    answer: bytes, private: bool, hub: FakeHub, sealed: Path, plain: Path
) -> None:
    one_session(sealed, plain)
    code, shown = on_terminal(answer)
    assert code == 0, shown
    assert "alice/turns does not exist yet. If it is public, anybody can read the conversations of 1 session" in shown
    assert hub.dataset().private == private
    grow(one_session(sealed, plain))
    code, shown = on_terminal(b"")
    assert code == 0, shown
    assert "does not exist yet" not in shown
    assert hub.dataset().private == private


def test_another_answer_pushes_nothing(hub: FakeHub, sealed: Path, plain: Path, home: Path) -> None:
    one_session(sealed, plain)
    code, shown = on_terminal(b"\n")
    assert (code, hub.storage.datasets) == (1, {})
    assert "Error: cancelled: nothing was pushed" in shown
    assert query(home, "SELECT * FROM dataset_sessions") == []
    code, shown = on_terminal(b"", "--yes")
    assert (code, hub.dataset().private) == (0, False), shown


def test_off_a_terminal_a_new_dataset_is_public_with_a_loud_line(hub: FakeHub, sealed: Path, plain: Path) -> None:
    one_session(sealed, plain)
    result = push("--sessions-only")
    assert (result.code, hub.dataset().private) == (0, False)
    assert result.err.startswith("Warning: alice/turns is new and becomes PUBLIC: anybody can read the conversations")
    assert result.err.count("\n") == 1
    assert push("--sessions-only").err == ""


def test_an_existing_datasets_visibility_changes_with_a_flag_only(
    hub: FakeHub, sealed: Path, plain: Path, home: Path
) -> None:
    path = one_session(sealed, plain)
    (home / "config.toml").write_text('[hf]\nprivate = true\nlicense = "CC-BY-4.0"\n')
    assert (push("--sessions-only").err, hub.dataset().private) == ("", True)
    assert "license: cc-by-4.0\n" in hub.read("README.md").decode()
    assert (push("--sessions-only", "--public").code, hub.dataset().private) == (0, False)
    grow(path)
    assert (push("--sessions-only", "--license", "MIT").code, hub.dataset().private) == (0, False)
    assert "license: mit\n" in hub.read("README.md").decode()
    assert (push("--sessions-only", "--private").code, hub.dataset().private) == (0, True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("hf = 1", "[hf] must be a table with private or license in it"),
        ("[hf]\nprivate = 1", "[hf] private is 1; it takes true or false"),
        ("[hf]\nlicense = true", "[hf] license is True; give a name that the Hub knows, like cc-by-4.0"),
        ("[hf]\nlicense = 'a b'", "[hf] license is 'a b'; give a name"),
        ("[hf]\npublic = true", "[hf] has 'public', which is not known there; it takes private, license"),
    ],
)
def test_settings_that_are_none_are_told_with_their_place(text: str, told: str, hub: FakeHub, home: Path) -> None:
    put(home, "config.toml", text.encode())
    assert told in failure(run(*ALONE))
    assert hub.seen == []


# Dry runs


def test_a_dry_run_tells_and_changes_nothing(
    hub: FakeHub, sealed: Path, plain: Path, home: Path, tmp_path: Path
) -> None:
    token = next(planted.planted({"x": planted.KINDS["github token"]}, 1)).secret
    one_session(sealed, plain, f"use {token}")
    archive = archives.bare(tmp_path / "a.git")
    ok("remote", "set", plain, "--url", str(archive))
    document = json.loads(ok(*WORDS, "--dry-run", "--json"))
    assert (document["dry_run"], document["batch_id"], document["added"], document["private"]) == (True, 1, 1, None)
    assert (document["pushed_snapshots"], document["redaction"]["replaced"]["github-pat"] > 0) == (1, True)
    assert document["bytes"] > 1000
    assert "Would sync dataset\n" in ok(*WORDS, "--dry-run")
    assert {seen.method for seen in hub.seen} <= {"GET", "HEAD"}
    assert (hub.storage.datasets, archives.refs(archive)) == ({}, {})
    assert query(home, "SELECT * FROM dataset_sessions") == []
    assert [name for name in os.listdir(home) if name.startswith(".rollouts")] == []


# What goes wrong


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--name", "a b"), "'a b' is no name for a dataset"),
        (("--name", ""), "dataset name cannot be empty"),
        (("--agent", "cursor"), "unsupported agent: cursor"),
        (("--name", "bob/turns"), "may not write bob/turns"),
    ],
)
def test_a_wrong_name_is_one_line_and_nothing_changes(
    words: tuple[str, str], told: str, hub: FakeHub, sealed: Path, plain: Path, home: Path
) -> None:
    one_session(sealed, plain)
    assert told in failure(run(*ALONE, *words))
    assert hub.storage.datasets == {}
    assert query(home, "SELECT * FROM dataset_sessions") == []


@pytest.mark.parametrize(
    ("token", "told"),
    [
        ("", "not authenticated with Hugging Face. Run `hf auth login` or set HF_TOKEN."),
        ("hf_expired_alice", "does not accept the token"),
        ("hf_ro_alice", "may not write alice/turns"),
    ],
)
def test_a_token_that_will_not_do_is_one_line(
    token: str, told: str, hub: FakeHub, sealed: Path, plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_session(sealed, plain)
    monkeypatch.setenv("HF_TOKEN", token)
    assert told in failure(run(*ALONE))
    assert hub.storage.datasets == {}


def test_a_hub_that_says_nothing_is_given_up(hub: FakeHub, sealed: Path, plain: Path) -> None:
    one_session(sealed, plain)
    hub.inject(".*", "delay", times=ALWAYS, seconds=10)
    assert "Hugging Face" in failure(run(*ALONE, "--timeout", "0.5"))


def test_a_home_without_sessions_is_told(hub: FakeHub) -> None:
    assert "no tracked sessions found" in failure(run(*ALONE))
    assert "no tracked sessions found" in failure(run(*ALONE, "--dry-run"))
    assert hub.seen == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("hf", "push", "--name", "x"), "Missing option '--agent'"),
        (("hf", "push", "--agent", "all"), "Missing option '--name'"),
        ((*WORDS, "--no-redact", "--verify"), "cannot be combined with --no-redact"),
        ((*WORDS, "--sessions-only", "--create-remote"), "cannot be combined with --sessions-only"),
        ((*WORDS, "--license", "a b"), "--license is 'a b'; give a name that the Hub knows"),
        ((*WORDS, "--license", ""), "--license is ''; give a name"),
        ((*WORDS, "--timeout", "0"), "--timeout takes a number of seconds"),
    ],
)
def test_options_that_make_no_sense_are_usage_errors(words: tuple[str, ...], told: str) -> None:
    assert told in failure(run(*words), 2)


def test_a_push_that_fails_is_not_remembered(hub: FakeHub, sealed: Path, plain: Path, home: Path) -> None:
    one_session(sealed, plain)
    hub.inject(COMMIT, "status", status=402, times=ALWAYS, message="Private repository storage limit reached")
    assert "no more room" in failure(run(*ALONE))
    assert query(home, "SELECT * FROM dataset_sessions") == []
    hub.faults.clear()
    assert pushed()["added"] == 1


# Others, and being stopped


def test_two_pushers_at_once_both_succeed_and_lose_no_row(hub: FakeHub, sealed: Path, plain: Path) -> None:
    three_agents(sealed, plain)
    children = [start("--agent", agent) for agent in ("claude-code", "codex")]
    for child in children:
        _, said = child.communicate(timeout=SLOW)
        assert child.returncode == 0, said
    assert sorted(row["session_id"] for row in assert_whole(hub)) == sorted([CLAUDE, CODEX])


@pytest.mark.parametrize(("kind", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_push_that_is_stopped_leaves_the_dataset_whole_and_the_next_one_clears_up(
    kind: signal.Signals, code: int, hub: FakeHub, sealed: Path, plain: Path, home: Path
) -> None:
    path = one_session(sealed, plain)
    pushed()
    grow(path)
    hub.inject(COMMIT, "delay", seconds=5)
    child = start()
    deadline = time.monotonic() + SLOW
    while not any(fault.times == 0 for fault in hub.faults) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(child.pid, kind)
    _, said = child.communicate(timeout=SLOW)
    assert child.returncode == code, said
    left = [name for name in os.listdir(home) if name.startswith(".rollouts-hub-")]
    assert len(left) == (1 if kind == signal.SIGKILL else 0)
    assert len(query(home, "SELECT * FROM dataset_sessions")) == 1
    document = pushed()
    assert document["total_rows"] == 2
    assert len(assert_whole(hub)) == 2
    assert [name for name in os.listdir(home) if name.startswith(".rollouts-hub-")] == []


def test_upkeep_removes_the_rows_that_a_killed_push_left(home: Path, plain: Path) -> None:
    snapshot(plain)
    put(home, f".rollouts-hub-{'0' * 16}/rollouts-hub-x/rows", b"secret")
    assert [Path(path).name for path in json.loads(ok("gc", "--json"))["staging"]] == [f".rollouts-hub-{'0' * 16}"]
    assert [name for name in os.listdir(home) if name.startswith(".rollouts-hub-")] == []
