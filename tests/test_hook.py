"""`rollouts hook`: what each agent's events make of a session, and that no fault of ours is ever the agent's."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from helpers import ROLLOUTS, Result, contents, imported_by, ok, put, query, restored, rows, run

CLAUDE_LIKE = {"claude-code": "prompt_id", "codex": "turn_id"}


def told(agent: str, event: dict[str, Any] | bytes, *options: str, env: dict[str, str] | None = None) -> Result:
    """Sends an event, which must end with 0 and nothing on stdout. Returns what else it said."""
    data = event if isinstance(event, bytes) else json.dumps(event).encode()
    result = run("hook", agent, *options, stdin=data, env=env)
    assert (result.code, result.out) == (0, ""), result
    return result


def event(agent: str, name: str, root: Path, turn: str = "t1", **more: object) -> dict[str, object]:
    """An event of Claude Code's or Codex's."""
    return {"hook_event_name": name, "session_id": "s", "cwd": str(root), CLAUDE_LIKE[agent]: turn, **more}


def plugin_event(name: str, root: Path, **more: object) -> dict[str, object]:
    """An event that the plugin passes on from OpenCode."""
    return {"event": name, "sessionID": "ses_1", "rootID": "ses_1", "directory": str(root), **more}


def messages(home: Path) -> list[str]:
    return [row[0] for row in query(home, "SELECT message_id FROM snapshots ORDER BY rowid")]


def missed(home: Path) -> str:
    """What the last miss was."""
    found: str = json.loads((home / "missed").read_text())["error"]
    return found


# Which moments are captured


@pytest.mark.parametrize("agent", CLAUDE_LIKE)
def test_a_turn_is_captured_before_and_after_it(agent: str, repo: Path, home: Path, tmp_path: Path) -> None:
    told(agent, event(agent, "UserPromptSubmit", repo, prompt="do it\nnow", model="m-1"))
    before = contents(repo)
    put(repo, "new.txt")
    assert told(agent, event(agent, "Stop", repo, last_assistant_message="done")).err == ""
    assert messages(home) == ["t1", "t1:end"]
    turns = json.loads(ok("log", repo, "--json"))["turns"]
    assert [(turn["agent"], turn["prompt"], turn["files_changed"]) for turn in turns] == [
        (agent, None, 1),
        (agent, "do it", None),
    ]
    assert contents(restored(turns[1]["id"], tmp_path / "before")) == before
    assert contents(restored(turns[0]["id"], tmp_path / "after")) == contents(repo)
    first, last = (json.loads(row[0]) for row in query(home, "SELECT metadata FROM snapshots ORDER BY rowid"))
    turn = {"agent": agent, CLAUDE_LIKE[agent]: "t1"}
    assert first == {**turn, "event": "UserPromptSubmit", "prompt": "do it\nnow", "model": "m-1"}
    assert last == {**turn, "event": "Stop", "last_assistant_message": "done"}


def test_the_turns_of_opencode(repo: Path, home: Path) -> None:
    told("opencode", plugin_event("chat.message", repo, messageID="msg_1", prompt="do it"))
    put(repo, "new.txt")
    told("opencode", plugin_event("tool.execute.after", repo, messageID="msg_2", callID="c", tool="write"))
    told("opencode", plugin_event("tool.execute.after", repo, messageID="msg_2", callID="c"), "--every-tool")
    told("opencode", plugin_event("session.idle", repo, messageID="msg_3"))
    assert messages(home) == ["msg_1", "msg_2:tool:c", "msg_3"]
    assert query(home, "SELECT DISTINCT session_id, agent FROM snapshots") == [("ses_1", "opencode")]


@pytest.mark.parametrize("name", ["PostToolUse", "PostToolUseFailure"])
def test_a_tool_call_is_captured_when_asked_for_and_when_it_wrote(name: str, repo: Path, home: Path) -> None:
    told("claude-code", event("claude-code", "UserPromptSubmit", repo))
    put(repo, "new.txt")
    told("claude-code", event("claude-code", name, repo, tool_use_id="u1", tool_name="Write"))
    told("claude-code", event("claude-code", name, repo, tool_use_id="u1", tool_name="Write"), "--every-tool")
    told("claude-code", event("claude-code", name, repo, tool_use_id="u2", tool_name="Read"), "--every-tool")
    assert messages(home) == ["t1", "t1:tool:u1"]


def test_a_turn_that_goes_on_after_its_end_is_captured_again_when_it_wrote(repo: Path, home: Path) -> None:
    stop = event("claude-code", "Stop", repo)
    told("claude-code", stop)
    told("claude-code", stop)
    assert messages(home) == ["t1:end"]
    for number in range(2):
        put(repo, f"more {number}.txt")
        told("claude-code", stop)
        told("claude-code", stop)
    assert messages(home) == ["t1:end", "t1:end:2", "t1:end:3"]


@pytest.mark.parametrize("name", ["UserPromptSubmit", "PostToolUse", "Stop", "SubagentStop", "SubagentStart"])
@pytest.mark.parametrize("agent", CLAUDE_LIKE)
def test_a_subagent_takes_no_snapshot_of_its_own(agent: str, name: str, repo: Path, home: Path) -> None:
    sent = event(agent, name, repo, agent_id="a1", agent_type="general", tool_use_id="u1")
    told(agent, sent, "--every-tool")
    assert not (home / "rollouts.sqlite").exists() or messages(home) == []


def test_a_subagent_of_opencode_takes_no_snapshot_of_its_own(repo: Path, home: Path) -> None:
    for name in ("chat.message", "tool.execute.after", "session.idle"):
        told("opencode", plugin_event(name, repo, sessionID="ses_2", messageID="msg_9", callID="c"), "--every-tool")
    assert not (home / "rollouts.sqlite").exists() or messages(home) == []


@pytest.mark.parametrize("name", ["SessionStart", "PreToolUse", "PreCompact", "Notification", "SomethingNew", ""])
def test_other_events_are_no_matter_of_ours(name: str, repo: Path, home: Path) -> None:
    assert told("claude-code", event("claude-code", name, repo)).err == ""
    assert told("codex", {}).err == ""
    assert told("opencode", plugin_event(name, repo)).err == ""
    assert not home.exists()


def test_a_session_stays_with_its_workspace_when_the_agent_goes_elsewhere(repo: Path, plain: Path, home: Path) -> None:
    told("claude-code", event("claude-code", "UserPromptSubmit", repo / "sub"))
    told("claude-code", event("claude-code", "Stop", plain))
    assert messages(home) == ["t1", "t1:end"]
    assert query(home, "SELECT root_path FROM workspaces") == [(str(repo),)]


def test_half_a_character_in_an_event_loses_no_turn(repo: Path) -> None:
    text = json.dumps(event("claude-code", "UserPromptSubmit", repo)).replace('"t1"', '"t1", "prompt": "\\ud83d!"')
    told("claude-code", text.encode())
    assert json.loads(ok("log", repo, "--json"))["turns"][0]["prompt"] == "?!"


def test_an_event_larger_than_metadata_may_be_is_captured(repo: Path, home: Path) -> None:
    told("claude-code", event("claude-code", "UserPromptSubmit", repo, prompt="x" * (3 << 20)))
    (metadata,) = query(home, "SELECT metadata FROM snapshots")
    assert len(json.loads(metadata[0])["prompt"]) == 65536


# What goes wrong


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe", b"null", b'{"session_id": ' + b"[" * 100_000])
def test_an_event_that_cannot_be_read_is_a_miss(data: bytes, home: Path) -> None:
    said = told("claude-code", data).err
    assert said.startswith("Error: the event on stdin is no JSON")
    assert said.count("\n") == 1
    assert missed(home) == said.removeprefix("Error: ").rstrip("\n")


@pytest.mark.parametrize("words", [(), ("nobody",), ("codex", "--frequently"), ("--every-tool",), ("codex", "extra")])
def test_a_wrong_command_line_ends_with_0_all_the_same(words: tuple[str, ...], home: Path) -> None:
    result = run("hook", *words)
    assert (result.code, result.out) == (0, "")
    assert result.err.startswith("Error: ")
    assert missed(home)


def test_a_capture_that_is_refused_is_a_miss(home: Path, sealed: Path) -> None:
    said = told("codex", event("codex", "UserPromptSubmit", sealed)).err
    assert "--force" in said
    assert rows(home) == []
    assert "--force" in missed(home)


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "1e99"])
def test_a_limit_that_is_no_number_of_seconds_is_a_miss(text: str, repo: Path, home: Path) -> None:
    said = told("codex", event("codex", "Stop", repo), env={"ROLLOUTS_HOOK_TIMEOUT": text}).err
    assert f"ROLLOUTS_HOOK_TIMEOUT is '{text}'" in said
    assert messages(home) == [] if (home / "rollouts.sqlite").exists() else True


def slow_git(folder: Path) -> dict[str, str]:
    """An environment whose git does not begin before there is a file `go` beside it."""
    waiting = f'while [ ! -e "{folder}/go" ]; do sleep 0.05; done'
    path = put(folder, "bin/git", f'#!/bin/sh\n{waiting}\nexec {shutil.which("git")} "$@"\n'.encode(), mode=0o755)
    return {"PATH": f"{path.parent}:{os.environ['PATH']}"}


def settled(path: Path) -> None:
    """Waits until a file is gone."""
    deadline = time.monotonic() + 60
    while path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_hook_whose_time_runs_out_stops_and_tells_status(repo: Path, home: Path, tmp_path: Path) -> None:
    told("codex", event("codex", "UserPromptSubmit", repo))
    started = time.monotonic()
    told("codex", event("codex", "Stop", repo), env={**slow_git(tmp_path), "ROLLOUTS_HOOK_TIMEOUT": "1"})
    assert time.monotonic() - started < 20
    assert messages(home) == ["t1"]
    assert "longer than 1 seconds" in missed(home)
    failure = json.loads(ok("status", repo, "--json"))["workspace"]["last_failure"]
    assert (failure["session_id"], failure["message_id"]) == ("s", "t1:end")
    assert "longer than 1 seconds" in failure["error"]
    put(tmp_path, "go")  # for what goes on behind the hook
    (folder,) = (home / "workspaces").iterdir()
    settled(folder / "slow")


def test_after_a_first_capture_that_took_too_long_turns_are_captured_again(
    repo: Path, home: Path, tmp_path: Path
) -> None:
    sent = event("codex", "UserPromptSubmit", repo)
    told("codex", sent, env={**slow_git(tmp_path), "ROLLOUTS_HOOK_TIMEOUT": "2"})
    assert "longer than 2 seconds" in missed(home)
    (folder,) = (home / "workspaces").iterdir()
    put(tmp_path, "go")
    settled(folder / "slow")
    assert not rows(home)
    told("codex", sent)
    assert messages(home) == ["t1"]


def test_turns_are_missed_at_once_while_a_slow_workspace_is_made_ready(repo: Path, home: Path) -> None:
    told("codex", event("codex", "UserPromptSubmit", repo))
    (folder,) = (home / "workspaces").iterdir()
    put(folder, "slow")
    assert "a while ago" in told("codex", event("codex", "Stop", repo)).err
    assert messages(home) == ["t1"]
    hours_ago = time.time() - 7200
    os.utime(folder / "slow", (hours_ago, hours_ago))
    told("codex", event("codex", "Stop", repo))
    assert messages(home) == ["t1", "t1:end"]


def test_a_home_that_is_a_file_is_a_miss_that_is_said(repo: Path, home: Path) -> None:
    home.write_text("in the way")
    assert told("codex", event("codex", "Stop", repo)).err.startswith("Error: ")
    assert home.read_text() == "in the way"


def test_a_damaged_catalog_is_rebuilt_and_the_turn_captured(repo: Path, home: Path) -> None:
    told("codex", event("codex", "UserPromptSubmit", repo))
    for name in ("rollouts.sqlite-wal", "rollouts.sqlite-shm"):
        (home / name).unlink(missing_ok=True)
    (home / "rollouts.sqlite").write_bytes(b"\x00" * 8192)
    put(repo, "new.txt")
    told("codex", event("codex", "Stop", repo))
    assert messages(home) == ["t1", "t1:end"]


def test_hooks_at_once_take_each_turn_once(repo: Path, home: Path) -> None:
    calls = [
        subprocess.Popen([*ROLLOUTS, "hook", "claude-code", "--every-tool"], stdin=subprocess.PIPE) for _ in range(6)
    ]
    for number, call in enumerate(calls):
        sent = event("claude-code", ("Stop", "UserPromptSubmit")[number % 2], repo)
        assert call.stdin
        call.stdin.write(json.dumps(sent).encode())
        call.stdin.close()
    assert [call.wait(60) for call in calls] == [0] * 6
    assert sorted(messages(home)) == ["t1", "t1:end"]


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_hook_that_is_ended_midway_leaves_a_sound_home(sent: int, repo: Path, home: Path, tmp_path: Path) -> None:
    told("codex", event("codex", "UserPromptSubmit", repo))
    slow = put(tmp_path, "bin/git", b"#!/bin/sh\nsleep 2\n", mode=0o755)
    env = os.environ | {"PATH": f"{slow.parent}:{os.environ['PATH']}"}
    with subprocess.Popen([*ROLLOUTS, "hook", "codex"], stdin=subprocess.PIPE, env=env) as call:
        assert call.stdin
        call.stdin.write(json.dumps(event("codex", "Stop", repo)).encode())
        call.stdin.close()
        time.sleep(0.5)
        call.send_signal(sent)
        assert call.wait(30) == (0 if sent == signal.SIGINT else -sent)
    put(repo, "new.txt")
    told("codex", event("codex", "Stop", repo, "t2"))
    assert messages(home) == ["t1", "t2:end"]
    assert run("doctor").code == 0


# What it costs


def test_a_hook_imports_nothing_heavy(repo: Path, tmp_path: Path) -> None:
    put(tmp_path, "event", json.dumps(event("codex", "Stop", repo)).encode())
    heavy = {"typer", "rich", "json", "re", "typing", "dataclasses", "subprocess", "pathlib", "datetime", "signal"}
    with (tmp_path / "event").open("rb") as stdin:
        saved = os.dup(0)
        os.dup2(stdin.fileno(), 0)
        try:
            assert heavy & imported_by("hook", "codex") == set()
        finally:
            os.dup2(saved, 0)
            os.close(saved)


# Where it is told


def test_status_tells_a_miss_until_the_session_is_captured_again(repo: Path, plain: Path) -> None:
    assert "missed" not in ok("status", repo)
    told("codex", event("codex", "UserPromptSubmit", repo))
    told("codex", event("codex", "Stop", repo), env={"PATH": "/nowhere"})
    found = json.loads(ok("status", plain, "--json"))["missed"]
    assert {name: found[name] for name in ("agent", "session_id", "directory")} == {
        "agent": "codex",
        "session_id": "s",
        "directory": str(repo),
    }
    assert "git was not found on PATH" in found["error"]
    assert f"codex in {repo}: git was not found on PATH" in ok("status", plain)
    told("codex", event("codex", "Stop", repo))
    assert json.loads(ok("status", plain, "--json"))["missed"] is None
