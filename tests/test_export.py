"""export: envelopes of sessions, from the agents' own stores or from what was captured."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import planted
from agent_records import (
    CLAUDE,
    CODEX,
    OPENCODE,
    claude_session,
    claude_subagent,
    codex_session,
    jsonl,
    opencode_document,
    opencode_session,
    prompt,
    put_claude,
    put_claude_subagent,
    put_codex,
    put_opencode,
    said,
    told,
    words,
)
from helpers import ROLLOUTS, failure, ok, put, query, run, snapshot
from rollouts import paths
from rollouts.storage import opening
from rollouts.storage.transcripts import Draft, Transcripts

KEYS = ["session_id", "agent", "exported_at", "session", "metadata"]


def exported(out: Path) -> Any:
    return json.loads(out.read_bytes())


def rows(out: Path) -> list[Any]:
    return [json.loads(line) for line in out.read_bytes().splitlines()]


def capture(home: Path, agent: str, session: str, **files: Path) -> None:
    """Keeps a transcript as the hooks do."""
    with opening.opened(paths.Home(str(home))):
        Transcripts(paths.Home(str(home))).keep(
            [Draft(agent, session, {name: str(path) for name, path in files.items()})]
        )


def test_one_session_is_one_document(sealed: Path, tmp_path: Path) -> None:
    main = put_claude(sealed, claude_session())
    put_claude_subagent(main, claude_subagent())
    out = tmp_path / "one.json"
    said_so = ok("export", "--agent", "claude-code", "--session", CLAUDE, "--out", out)
    assert said_so.splitlines() == [
        "Exported session",
        "agent: claude-code",
        f"session: {CLAUDE}",
        "title: Make two files",
        "messages: 6",
        "remote url: none",
        f"output: {out}",
    ]
    document = exported(out)
    assert list(document) == KEYS
    assert (document["session_id"], document["agent"], document["metadata"]) == (CLAUDE, "claude-code", None)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", document["exported_at"])
    assert document["session"]["records"] == [json.loads(line) for line in main.read_bytes().splitlines()]
    assert list(document["session"]["subagents"]) == ["ad8f"]


def test_the_records_text_is_in_the_file_as_the_agent_wrote_it(sealed: Path, tmp_path: Path) -> None:
    line = rb'{"type":"user","n":1.50,"far":1e400,"big":12345678901234567890,"half":"\ud83d","z":1,"z":2}'
    put_claude(sealed, []).write_bytes(line + b"\n")
    out = tmp_path / "one.json"
    ok("export", "--agent", "claude", "--session", CLAUDE, "--out", out)
    assert line in out.read_bytes()


def test_snapshots_of_the_session_are_named_in_its_metadata(sealed: Path, plain: Path, tmp_path: Path) -> None:
    put_claude(sealed, claude_session())
    taken = [snapshot(plain, message, CLAUDE) for message in ("turn-1", "turn-1:end")]
    ok("remote", "set", plain, "--url", "https://me:secret@example.com/a.git")
    out = tmp_path / "one.json"
    said_so = ok("export", "--agent", "claude-code", "--session", CLAUDE, "--out", out)
    assert "remote url: https://example.com/a.git\n" in said_so
    assert b"secret" not in out.read_bytes()
    metadata = exported(out)["metadata"]
    assert list(metadata) == ["remote_url", "workspace_id", "snapshots"]
    assert (metadata["remote_url"], metadata["workspace_id"]) == (
        "https://example.com/a.git",
        taken[0]["workspace_id"],
    )
    assert [list(one) for one in metadata["snapshots"]] == [
        ["message_id", "snapshot_id", "tag", "commit", "captured_at"]
    ] * 2
    assert [one["snapshot_id"] for one in metadata["snapshots"]] == [one["id"] for one in taken]
    assert metadata["snapshots"][0]["commit"] == taken[0]["store_commit_sha"]
    assert re.fullmatch("refs/tags/rollouts/session/[0-9a-f]{64}/message/[0-9a-f]{64}", metadata["snapshots"][0]["tag"])


def test_a_workspace_without_an_archive_has_no_url(sealed: Path, plain: Path, tmp_path: Path) -> None:
    put_claude(sealed, claude_session())
    snapshot(plain, "turn-1", CLAUDE)
    ok("export", "--agent", "claude-code", "--session", CLAUDE, "--out", tmp_path / "out")
    assert exported(tmp_path / "out")["metadata"]["remote_url"] is None


def three_agents(sealed: Path, plain: Path) -> dict[str, str]:
    """A session of each agent, all of them named by snapshots. Returns the environment."""
    put_claude(sealed, claude_session())
    put_codex(sealed, codex_session())
    env = put_opencode(sealed, {OPENCODE: opencode_document(opencode_session(told("msg_1", said("Go"))))})
    for agent, session in (("claude-code", CLAUDE), ("codex", CODEX), (None, OPENCODE)):
        snapshot(plain, "m", session, json.dumps({"agent": agent} if agent else {}))
    return env


def test_all_sessions_are_lines(sealed: Path, plain: Path, tmp_path: Path) -> None:
    env = three_agents(sealed, plain)
    out = tmp_path / "all.jsonl"
    said_so = ok("export", "--agent", "all", "--all", "--out", out, env=env)
    assert said_so.splitlines() == ["Exported sessions 3", "format: jsonl", f"output: {out}"]
    found = rows(out)
    assert [(row["agent"], row["session_id"]) for row in found] == [
        ("claude-code", CLAUDE),
        ("codex", CODEX),
        ("opencode", OPENCODE),
    ]
    assert {tuple(row) for row in found} == {tuple(KEYS)}
    assert found[2]["session"] == opencode_session(told("msg_1", said("Go")))


def test_all_sessions_of_one_agent_leave_the_others_out(sealed: Path, plain: Path, tmp_path: Path) -> None:
    env = three_agents(sealed, plain)
    for agent, session in (("claude-code", CLAUDE), ("codex", CODEX), ("opencode", OPENCODE)):
        ok("export", "--agent", agent, "--all", "--out", tmp_path / agent, env=env)
        assert [row["session_id"] for row in rows(tmp_path / agent)] == [session]


def test_a_session_that_cannot_be_read_is_named_and_the_others_go(sealed: Path, plain: Path, tmp_path: Path) -> None:
    env = three_agents(sealed, plain)
    (sealed / "opencode sessions" / f"{OPENCODE}.json").write_bytes(b'{"info": ')
    out = tmp_path / "all.jsonl"
    result = run("export", "--agent", "all", "--all", "--out", out, env=env)
    assert result.code == 1
    assert result.out.splitlines()[0] == "Exported sessions 2"
    assert result.out.splitlines()[-1] == "not exported: 1"
    assert result.err.startswith(
        f"Not exported: opencode session {OPENCODE}: opencode export returned invalid JSON for session '{OPENCODE}': "
    )
    assert result.err.count("\n") == 1
    assert [row["session_id"] for row in rows(out)] == [CLAUDE, CODEX]


def test_json_says_what_was_done(sealed: Path, plain: Path, tmp_path: Path) -> None:
    env = three_agents(sealed, plain)
    (sealed / "opencode sessions" / f"{OPENCODE}.json").unlink()
    result = run("export", "--agent", "all", "--all", "--out", tmp_path / "out", "--json", env=env)
    assert result.code == 1
    document = json.loads(result.out)
    names = ("schema_version", "format", "output", "exported", "failed", "sessions", "redaction", "failures")
    assert tuple(document) == names
    assert (document["format"], document["exported"], document["failed"]) == ("jsonl", 2, 1)
    assert document["sessions"][0] == {"session_id": CLAUDE, "agent": "claude-code", "unreadable_lines": 0}
    assert [list(one) for one in document["failures"]] == [["session_id", "agent", "error"]]
    one = json.loads(ok("export", "--agent", "codex", "--session", CODEX, "--out", tmp_path / "one", "--json"))
    assert (one["format"], one["sessions"][0]["title"], one["sessions"][0]["messages"]) == ("json", "Make it", 6)


def test_a_captured_transcript_serves_when_the_agents_own_is_gone(sealed: Path, home: Path, tmp_path: Path) -> None:
    main = put_claude(sealed, claude_session())
    put_claude_subagent(main, claude_subagent())
    sub = main.with_suffix("") / "subagents" / "agent-ad8f.jsonl"
    capture(home, "claude-code", CLAUDE, **{"main.jsonl": main, "agent-ad8f.jsonl": sub})
    ok("export", "--agent", "all", "--session", CLAUDE, "--out", tmp_path / "own")
    main.unlink()
    ok("export", "--agent", "all", "--session", CLAUDE, "--out", tmp_path / "kept")
    assert exported(tmp_path / "kept")["session"] == exported(tmp_path / "own")["session"]


def test_a_captured_transcript_serves_when_the_agents_own_cannot_be_read(
    sealed: Path, home: Path, tmp_path: Path
) -> None:
    main = put_claude(sealed, claude_session())
    capture(home, "claude-code", CLAUDE, **{"main.jsonl": main})
    main.unlink()
    main.symlink_to("/proc/self/mem")
    ok("export", "--agent", "claude-code", "--session", CLAUDE, "--out", tmp_path / "out")
    assert len(exported(tmp_path / "out")["session"]["records"]) == len(claude_session())


def test_a_captured_transcript_serves_when_opencode_is_gone(sealed: Path, home: Path, tmp_path: Path) -> None:
    document = tmp_path / "document"
    document.write_bytes(opencode_document(opencode_session()))
    capture(home, "opencode", OPENCODE, **{"main.json": document})
    (sealed / ".local" / "share" / "opencode").mkdir(parents=True)
    programs = tmp_path / "programs"
    programs.mkdir()
    git = subprocess.run(["which", "git"], capture_output=True, text=True, check=True).stdout.strip()
    (programs / "git").symlink_to(git)
    env = {"PATH": str(programs)}
    ok("export", "--agent", "opencode", "--session", OPENCODE, "--out", tmp_path / "out", env=env)
    assert exported(tmp_path / "out")["session"] == opencode_session()
    missing = run("export", "--agent", "opencode", "--session", "ses_x", "--out", tmp_path / "out", env=env)
    assert failure(missing) == "opencode executable not found; install OpenCode, or put it on PATH"


def test_unreadable_lines_are_told(sealed: Path, tmp_path: Path) -> None:
    put_claude(sealed, []).write_bytes(jsonl(claude_session()) + b"broken\n")
    result = run("export", "--agent", "claude", "--session", CLAUDE, "--out", tmp_path / "out")
    assert result.code == 0
    assert result.err == "Warning: 1 lines of 1 sessions could not be read and are left out\n"
    assert exported(tmp_path / "out")["session"]["unreadable_lines"] == 1


def test_nothing_to_export_is_an_error(tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = failure(run("export", "--agent", "opencode", "--all", "--out", out))
    assert words.startswith("no tracked sessions found to export")
    assert not out.exists()


def test_when_nothing_can_be_read_the_old_file_stays(plain: Path, tmp_path: Path) -> None:
    snapshot(plain, "m", CLAUDE)
    out = tmp_path / "out"
    out.write_text("old")
    result = run("export", "--agent", "claude-code", "--all", "--out", out)
    assert result.code == 1
    assert result.out.splitlines() == ["Exported sessions 0", "format: jsonl", "output: none", "not exported: 1"]
    assert out.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".rollouts")] == []


def test_a_session_that_nobody_has_is_an_error(tmp_path: Path) -> None:
    result = run("export", "--agent", "all", "--session", "s1", "--out", tmp_path / "out")
    assert failure(result).endswith("have no session 's1', and no transcript of it was captured")
    result = run("export", "--agent", "codex", "--session", "s1", "--out", tmp_path / "out")
    assert failure(result) == "codex has no session 's1', and no transcript of it was captured"


def test_snapshots_of_restores_never_leave(sealed: Path, plain: Path, tmp_path: Path) -> None:
    put_claude(sealed, claude_session())
    taken = snapshot(plain, "turn-1", CLAUDE)
    (plain / "a.txt").write_text("changed")
    ok("restore", "--snapshot", taken["id"], "--in-place", "--yes")
    safety = f"restore:{taken['workspace_id']}"
    ok("export", "--agent", "claude-code", "--all", "--out", tmp_path / "out")
    assert [row["session_id"] for row in rows(tmp_path / "out")] == [CLAUDE]
    result = run("export", "--agent", "all", "--session", safety, "--out", tmp_path / "one")
    assert "not exported" in failure(result)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--agent", "codex", "--session", "s", "--all", "--out", "o"), "cannot use --session with --all"),
        (("--agent", "codex", "--out", "o"), "--session is required unless --all is set"),
        (("--agent", "codex", "--all"), "Missing option '--out' / '-o'"),
        (("--all", "--out", "o"), "Missing option '--agent'"),
        (("--agent", "codex", "--all", "--out", "-"), "--out needs a FILE"),
    ],
)
def test_wrong_command_lines(words: tuple[str, ...], message: str) -> None:
    assert failure(run("export", *words), code=2).startswith(message)


def test_an_unknown_agent_is_named(tmp_path: Path) -> None:
    result = run("export", "--agent", "hal", "--all", "--out", tmp_path / "out")
    assert failure(result).startswith("unsupported agent: hal")


def test_a_file_needs_a_place(sealed: Path, tmp_path: Path) -> None:
    put_claude(sealed, claude_session())
    words = ("export", "--agent", "claude", "--session", CLAUDE, "--out")
    assert failure(run(*words, tmp_path / "no" / "out")).startswith(f"there is no directory {tmp_path}/no to write in")
    assert failure(run(*words, tmp_path)) == f"{tmp_path} is a directory; name a FILE"
    assert "is no regular file" in failure(run(*words, "/dev/null"))


def test_a_full_disk_leaves_nothing_behind(sealed: Path, tmp_path: Path) -> None:
    put_claude(sealed, []).write_bytes(b'{"text":"%b"}\n' % (b"x" * 3_000_000))
    out = tmp_path / "small" / "out"
    out.parent.mkdir()
    limited = ("sh", "-c", 'ulimit -f 1000; exec "$0" "$@"')
    result = run("export", "--agent", "claude", "--session", CLAUDE, "--out", out, under=limited)
    assert result.code == 1
    assert result.err.startswith("Error: ")
    assert list(out.parent.iterdir()) == []


def test_ctrl_c_leaves_nothing_behind(sealed: Path, tmp_path: Path) -> None:
    env = put_opencode(sealed, {OPENCODE: b"{}"})
    (sealed / "opencode sessions" / "hangs").touch()
    out = tmp_path / "small" / "out"
    out.parent.mkdir()
    words = ["export", "--agent", "opencode", "--session", OPENCODE, "--out", str(out)]
    with subprocess.Popen([*ROLLOUTS, *words], env=os.environ | env, stderr=subprocess.PIPE, text=True) as child:
        deadline = time.monotonic() + 30
        while not list(out.parent.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == 130
        assert child.stderr is not None
        assert child.stderr.read() == "Error: interrupted; nothing was left half done\n"
    assert list(out.parent.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(int((sealed / "opencode sessions" / "pid").read_text()), 0)


def test_the_file_follows_the_umask_and_replaces_the_one_that_is_there(sealed: Path, tmp_path: Path) -> None:
    put_claude(sealed, claude_session())
    out = tmp_path / "out"
    out.write_text("old")
    link = tmp_path / "link"
    link.symlink_to(out)
    under = ("sh", "-c", 'umask 027; exec "$0" "$@"')
    result = run("export", "--agent", "claude", "--session", CLAUDE, "--out", link, under=under)
    assert result.code == 0
    assert link.is_symlink()
    assert exported(out)["session_id"] == CLAUDE
    assert stat.S_IMODE(out.stat().st_mode) == 0o640


def test_a_home_that_cannot_be_written_is_enough(sealed: Path, plain: Path, home: Path, tmp_path: Path) -> None:
    main = put_claude(sealed, claude_session())
    snapshot(plain, "turn-1", CLAUDE)
    capture(home, "claude-code", CLAUDE, **{"main.jsonl": main})
    main.unlink()
    before = query(home, "SELECT count(*) FROM snapshots")
    for folder, _, files in os.walk(home):
        for name in files:
            os.chmod(f"{folder}/{name}", 0o400)
        os.chmod(folder, 0o500)
    ok("export", "--agent", "claude-code", "--all", "--out", tmp_path / "out")
    for folder, _, _ in os.walk(home):
        os.chmod(folder, 0o700)
    assert [row["session_id"] for row in rows(tmp_path / "out")] == [CLAUDE]
    assert query(home, "SELECT count(*) FROM snapshots") == before


def test_a_large_session_is_never_held_whole(sealed: Path, tmp_path: Path) -> None:
    line = b'{"type":"user","text":"%b"}\n' % (b"x" * 1_000_000)
    with put_claude(sealed, []).open("wb") as file:
        file.writelines(line for _ in range(60))
    words = ["export", "--agent", "claude", "--session", CLAUDE, "--out", str(tmp_path / "out")]
    code = (
        f"import tracemalloc\nfrom rollouts import cli\ntracemalloc.start()\nassert cli.exit_code({words!r}) == 0\n"
        "print(tracemalloc.get_traced_memory()[1])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout.splitlines()[-1]) < 40_000_000  # of which the imports take 17
    assert (tmp_path / "out").stat().st_size > 60_000_000


def test_text_of_a_title_cannot_move_the_cursor(sealed: Path, tmp_path: Path) -> None:
    put_claude(sealed, [{"type": "ai-title", "aiTitle": "\x1b[2Jgone [bold]"}])
    said_so = ok("export", "--agent", "claude", "--session", CLAUDE, "--out", tmp_path / "out")
    assert "title:  [2Jgone [bold]\n" in said_so


# Redacted


def secret(kind: str) -> str:
    return planted.made(planted.KINDS[kind][0], 1)


def test_a_redacted_session_has_no_secrets_anywhere(sealed: Path, repo: Path, tmp_path: Path) -> None:
    token, password = secret("github token"), secret("password in .env")
    put(repo, ".env", f"DB_PASSWORD={password}\n".encode())
    records = json.dumps([*claude_session(), prompt(f"push with {token}, as {password} says", "p9")])
    main = put_claude(sealed, json.loads(records.replace("/work/app", f"{sealed}/app")))
    put_claude_subagent(main, [*claude_subagent(), prompt(f"it is {token}", "p8")])
    snapshot(repo, session=CLAUDE, metadata=json.dumps({"prompt": f"push with {token}", "agent": "claude-code"}))
    out = tmp_path / "one.json"
    told_so = ok("export", "--agent", "claude-code", "--session", CLAUDE, "--out", out, "--redact")
    document = exported(out)
    text = json.dumps(document)
    assert not [word for word in (token, password, str(sealed)) if word in text]
    assert list(document) == KEYS
    assert document["session"].keys() == {"format", "records", "subagents", "unreadable_lines"}
    assert len(document["session"]["records"]) == len(main.read_bytes().splitlines())
    assert re.search(r"push with \[REDACTED:github-pat:[0-9a-f]{4}\], as \[REDACTED:secret:[0-9a-f]{4}\] says", text)
    assert "/home/user/app" in text
    assert re.search(r"^redacted: \d+ places \(github-pat 2, home-directory \d+, secret 1\)$", told_so, re.MULTILINE)


def test_all_sessions_are_redacted_and_counted(sealed: Path, tmp_path: Path) -> None:
    token = secret("npm token")
    put_claude(sealed, [*claude_session(), prompt(f"use {token}", "p9")])
    put_codex(sealed, [*codex_session(), words("user", f"use {token}")])
    ok("import")
    out = tmp_path / "all.jsonl"
    plain = json.loads(ok("export", "--agent", "all", "--all", "--out", out, "--json"))
    assert (out.read_text().count(token), plain["redaction"]) == (2, None)
    found = json.loads(ok("export", "--agent", "all", "--all", "--out", out, "--redact", "--json"))
    assert found["redaction"]["counts"]["npm-access-token"] == 2
    assert found["redaction"]["total"] == sum(found["redaction"]["counts"].values())
    assert len(found["redaction"]["engines"]) == 2
    assert token not in out.read_text()
    assert len(set(re.findall(r"\[REDACTED:npm-access-token:....\]", out.read_text()))) == 1


def test_a_damaged_key_is_one_clear_error_and_leaves_no_file(sealed: Path, home: Path, tmp_path: Path) -> None:
    put_claude(sealed, claude_session())
    ok("import")
    (home / "redaction.key").write_bytes(b"short\n")
    said_so = failure(run("export", "--agent", "claude-code", "--session", CLAUDE, "--out", tmp_path / "x", "--redact"))
    assert "redaction.key is damaged; delete it" in said_so
    assert not (tmp_path / "x").exists()
