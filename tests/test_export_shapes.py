"""export atif and export traces, as commands: files whole or absent, secrets out, what cannot be read named."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from atif import Trajectory

import agent_logs as logs
from agent_records import (
    CLAUDE,
    CODEX,
    OPENCODE,
    claude_session,
    claude_subagent,
    codex_session,
    gave,
    jsonl,
    opencode_document,
    opencode_session,
    put_claude,
    put_claude_subagent,
    put_codex,
    put_opencode,
    said,
    told,
    tool,
)
from helpers import ROLLOUTS, Result, failure, ok, run, snapshot
from planted import WORD, some
from rollouts import paths
from rollouts.storage import opening
from rollouts.storage.transcripts import Draft, Transcripts

SECRET = "ghp_" + some(WORD, 36)(random.Random())  # noqa: S311 - nobody's


@pytest.fixture
def env(sealed: Path, plain: Path) -> dict[str, str]:
    """A session of each agent, all of them named by snapshots. Gives the environment."""
    records = claude_session()
    records[1]["message"]["content"] += f" with {SECRET}"
    put_claude_subagent(put_claude(sealed, records), claude_subagent())
    put_codex(sealed, codex_session())
    call = tool("call_1", "bash", output="fine", input={"command": "ls", "key": SECRET})
    document = opencode_session(told("msg_1", said("Go")), gave("msg_2", call), gave("msg_3", said("Done.")))
    env = put_opencode(sealed, {OPENCODE: opencode_document(document)})
    for agent, session, message in (
        ("claude-code", CLAUDE, "turn-1"),
        ("codex", CODEX, "m"),
        ("opencode", OPENCODE, "msg_1"),
    ):
        snapshot(plain, message, session, json.dumps({"agent": agent}))
    return env


def export(shape: str, to: Path, *words: str, env: dict[str, str] | None = None, redact: bool = False) -> Result:
    """Runs `export`; without redaction, whose second engine takes seconds to start."""
    option = "--out" if shape == "atif" else "--dir"
    more = words if redact else (*words, "--no-redact")
    return run("export", shape, option, to, *more, env=env)


def trajectories(out: Path) -> list[Any]:
    """The lines of a file, each of which is a trajectory."""
    lines = out.read_bytes().splitlines()
    assert [Trajectory.model_validate_json(line).to_json_dict() for line in lines] == [json.loads(one) for one in lines]
    return [json.loads(line) for line in lines]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


ALL = ("--agent", "all", "--all")
TRACES = {
    f"claude-code/{CLAUDE}.jsonl",
    f"claude-code/{CLAUDE}/ad8f.jsonl",
    f"codex/{CODEX}.jsonl",
    f"opencode/{OPENCODE}.jsonl",
}


def test_all_sessions_are_trajectories_a_line_each(env: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "t.jsonl"
    result = export("atif", out, *ALL, env=env)
    assert result.code == 0
    assert result.out.splitlines() == ["Exported sessions 3", "format: atif", "redacted: no", f"output: {out}"]
    assert result.err == ("Warning: nothing is redacted: secrets and names stand in the output as the agent saw them\n")
    found = trajectories(out)
    assert [(one["agent"]["name"], one["session_id"]) for one in found] == [
        ("claude-code", CLAUDE),
        ("codex", CODEX),
        ("opencode", OPENCODE),
    ]
    assert [sub["trajectory_id"] for sub in found[0]["subagent_trajectories"]] == ["ad8f"]


def test_one_session_is_a_document_whose_steps_name_their_snapshots(
    env: dict[str, str], plain: Path, tmp_path: Path
) -> None:
    taken = snapshot(plain, "turn-1:end", CLAUDE, json.dumps({"agent": "claude-code"}))
    out = tmp_path / "t.json"
    result = export("atif", out, "--agent", "claude", "--session", CLAUDE, "--json", env=env)
    document = json.loads(result.out)
    assert (document["format"], document["exported"], document["redaction"]) == ("atif", 1, None)
    (found,) = trajectories(out)
    named = [one for step in found["steps"] for one in step.get("extra", {}).get("snapshots", [])]
    assert [(one["place"], one["message_id"]) for one in named] == [("before", "turn-1"), ("after", "turn-1:end")]
    assert named[1]["commit"] == taken["store_commit_sha"]
    assert found["extra"]["workspace_id"] == taken["workspace_id"]
    assert found["extra"]["remote_url"] is None


def test_an_answer_that_only_a_hook_was_told_is_there(sealed: Path, plain: Path, tmp_path: Path) -> None:
    put_claude(sealed, claude_session()[:8])
    told_so = {"agent": "claude-code", "last_assistant_message": "All made."}
    snapshot(plain, "turn-1:end", CLAUDE, json.dumps(told_so))
    assert export("atif", tmp_path / "t", "--agent", "claude", "--session", CLAUDE).code == 0
    assert trajectories(tmp_path / "t")[0]["steps"][-1]["message"] == "All made."


def family(sealed: Path, parent: bytes) -> dict[str, str]:
    """Two sessions of OpenCode's, the second started by a tool of the first, taken in. Gives the environment."""
    logs.opencode_database(sealed)
    child = opencode_session(told("msg_8", said("Sub")), session="ses_2", parentID="ses_1")
    env = put_opencode(sealed, {"ses_1": parent, "ses_2": opencode_document(child)})
    ok("import", "opencode", env=env)
    return env


def starting(*children: str) -> bytes:
    """A session whose tools started others."""
    tasks = [tool(f"call_{one}", "task", output="done", metadata={"sessionId": one}) for one in children]
    return opencode_document(opencode_session(told("msg_1", said("Go")), gave("msg_2", *tasks), session="ses_1"))


def test_a_child_session_stands_in_the_trajectory_of_its_parent_only(sealed: Path, tmp_path: Path) -> None:
    env = family(sealed, starting("ses_2", "ses_gone", "ses_1"))
    assert export("atif", tmp_path / "t", *ALL, env=env).code == 0
    (found,) = trajectories(tmp_path / "t")
    (sub,) = found["subagent_trajectories"]
    assert (sub["trajectory_id"], sub["steps"][0]["message"]) == ("ses_2", "Sub")
    results = found["steps"][1]["observation"]["results"]
    assert [one.get("subagent_trajectory_ref") for one in results] == [[{"trajectory_id": "ses_2"}], None, None]


@pytest.mark.parametrize(("parent", "code"), [(starting(), 0), (b"broken", 1)])
def test_a_child_session_that_its_parent_does_not_hold_has_a_trajectory_of_its_own(
    parent: bytes, code: int, sealed: Path, tmp_path: Path
) -> None:
    env = family(sealed, parent)
    assert export("atif", tmp_path / "t", *ALL, env=env).code == code
    assert [one["session_id"] for one in trajectories(tmp_path / "t")] == ["ses_1", "ses_2"][code:]


def test_all_sessions_are_traces_a_file_each(env: dict[str, str], sealed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "traces"
    result = export("traces", folder, *ALL, env=env)
    assert result.out.splitlines() == ["Exported sessions 3", "format: traces", "redacted: no", f"output: {folder}"]
    assert files(folder) == TRACES
    own = next((sealed / ".claude").rglob(f"{CLAUDE}.jsonl")).read_bytes()
    assert (folder / f"claude-code/{CLAUDE}.jsonl").read_bytes() == own


def test_a_second_export_replaces_its_own_files_and_no_other(env: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "traces"
    (folder / "codex").mkdir(parents=True)
    (folder / "codex" / "mine.txt").write_text("mine")
    (folder / "codex" / f"{CODEX}.jsonl").write_text("old")
    for _ in range(2):
        result = export("traces", folder, *ALL, "--json", env=env)
    document = json.loads(result.out)
    assert {name for session in document["sessions"] for name in session["files"]} == TRACES
    assert files(folder) == TRACES | {"codex/mine.txt"}
    assert (folder / "codex" / f"{CODEX}.jsonl").read_bytes() == jsonl(codex_session())


@pytest.mark.parametrize("shape", ["atif", "traces"])
def test_secrets_do_not_leave_unless_asked(shape: str, env: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    document = json.loads(export(shape, out, *ALL, "--json", env=env, redact=True).out)
    assert document["redaction"]["counts"]["github-pat"] == 2
    assert document["redaction"]["engines"]
    paths = [path for path in out.rglob("*") if path.is_file()] if out.is_dir() else [out]
    text = b"".join(path.read_bytes() for path in paths)
    assert SECRET.encode() not in text
    assert text.count(b"[REDACTED:github-pat:") >= 2


def out_in(folder: Path) -> Path:
    """Where an export is to be written: a file, or a folder, in a folder of its own."""
    folder.mkdir()
    return folder / "out"


@pytest.mark.parametrize("shape", ["atif", "traces"])
def test_a_session_that_cannot_be_read_is_named_and_the_others_go(
    shape: str, env: dict[str, str], sealed: Path, tmp_path: Path
) -> None:
    (sealed / "opencode sessions" / f"{OPENCODE}.json").write_bytes(b'{"info": ')
    out = out_in(tmp_path / "small")
    result = export(shape, out, *ALL, "--json", env=env)
    assert result.code == 1
    document = json.loads(result.out)
    assert (document["exported"], document["failed"]) == (2, 1)
    assert [(one["session_id"], one["agent"]) for one in document["failures"]] == [(OPENCODE, "opencode")]
    assert f"Not exported: opencode session {OPENCODE}: opencode export returned invalid JSON" in result.err
    if shape == "atif":
        assert [one["session_id"] for one in trajectories(out)] == [CLAUDE, CODEX]
    else:
        assert files(out) == TRACES - {f"opencode/{OPENCODE}.jsonl"}
    one = export(shape, out, "--agent", "opencode", "--session", OPENCODE, env=env)
    assert "Error: opencode export returned invalid JSON" in one.err
    assert one.code == 1


@pytest.mark.parametrize("shape", ["atif", "traces"])
def test_a_session_that_is_nested_too_deeply_is_named(shape: str, sealed: Path, tmp_path: Path) -> None:
    deep: Any = "x"
    for _ in range(600):
        deep = [deep]
    put_claude(sealed, [claude_session()[1] | {"message": {"role": "user", "content": [{"type": "q", "q": deep}]}}])
    codex = put_codex(sealed, codex_session())
    line = b'{"type":"response_item","payload":{"type":"function_call","call_id":"c","name":"f","arguments":%s}}\n'
    nested = json.dumps('{"a":' * 800 + "1" + "}" * 800).encode()
    codex.write_bytes(codex.read_bytes() + line % nested)
    for agent, session in (("claude", CLAUDE), ("codex", CODEX)):
        result = export(shape, tmp_path / "out", "--agent", agent, "--session", session)
        assert result.code in {0, 1}
        assert "Traceback" not in result.err
        assert result.code == 0 or "nested too deeply" in result.err


def test_a_session_without_any_record_is_named(sealed: Path, tmp_path: Path) -> None:
    put_claude(sealed, []).write_bytes(b"broken\n")
    result = export("traces", tmp_path / "traces", "--agent", "claude", "--session", CLAUDE)
    assert result.code == 1
    assert f"Error: session '{CLAUDE}' has no record that can be read\n" in result.err
    assert files(tmp_path / "traces") == set()


@pytest.mark.parametrize("shape", ["atif", "traces"])
def test_lines_that_cannot_be_read_are_told(shape: str, sealed: Path, tmp_path: Path) -> None:
    put_claude(sealed, []).write_bytes(jsonl(claude_session()) + b"broken\n")
    result = export(shape, tmp_path / "out", "--agent", "claude", "--session", CLAUDE)
    assert result.code == 0
    assert "Warning: 1 lines of 1 sessions could not be read and are left out\n" in result.err


def test_when_nothing_can_be_read_the_old_file_stays(plain: Path, tmp_path: Path) -> None:
    snapshot(plain, "m", CLAUDE)
    out = tmp_path / "out"
    out.write_text("old")
    result = export("atif", out, "--agent", "claude-code", "--all")
    assert (result.code, result.out.splitlines()[-1]) == (1, "not exported: 1")
    assert out.read_text() == "old"


def test_nothing_leaves_the_folder_whatever_a_session_is_called(sealed: Path, home: Path, tmp_path: Path) -> None:
    names = ["../../out", "..", "/etc/x", "a/../../b", ".git", "x.jsonl"]
    base = tmp_path / "base"
    base.mkdir()
    given = put_claude(sealed, claude_session(), session="given")
    for name in names:
        capture(home, name, given)
    before = files(tmp_path)
    for name in names:
        result = export("traces", base / "traces", "--agent", "claude-code", "--session", name)
        assert result.code == 0, result
    assert len(files(base / "traces" / "claude-code")) == len(names)
    made = {name for name in files(tmp_path) - before if not name.startswith(home.name)}
    assert made == {f"base/traces/{name}" for name in files(base / "traces")}


def capture(home: Path, session: str, path: Path) -> None:
    """Keeps a transcript as the hooks do."""
    with opening.opened(paths.Home(str(home))):
        Transcripts(paths.Home(str(home))).keep([Draft("claude-code", session, {"main.jsonl": str(path)})])


def test_a_link_in_the_folder_leads_nowhere(env: dict[str, str], tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "traces", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (elsewhere / "file").write_text("theirs")
    (folder / "claude-code").symlink_to(elsewhere)
    (folder / "codex").mkdir()
    (folder / "codex" / f"{CODEX}.jsonl").symlink_to(elsewhere / "file")
    (folder / "opencode" / f"{OPENCODE}.jsonl").mkdir(parents=True)
    result = export("traces", folder, *ALL, env=env)
    assert result.code == 1
    assert "claude-code is, or stands below, a link to elsewhere" in result.err
    assert f"{OPENCODE}.jsonl is a directory; take it away" in result.err
    assert files(elsewhere) == {"file"}
    assert (elsewhere / "file").read_text() == "theirs"
    assert (folder / "codex" / f"{CODEX}.jsonl").read_bytes() == jsonl(codex_session())


def test_a_folder_needs_a_place(env: dict[str, str], tmp_path: Path) -> None:
    assert "there is no directory" in failure(run("export", "traces", *ALL, "--dir", tmp_path / "no" / "dir", env=env))
    (tmp_path / "file").touch()
    assert failure(run("export", "traces", *ALL, "--dir", tmp_path / "file", env=env)).endswith(
        "is no directory; name a DIR"
    )
    assert failure(run("export", "traces", *ALL, "--dir", "", env=env), code=2) == "--dir needs a DIR"
    assert failure(run("export", "traces", *ALL, env=env), code=2).startswith("Missing option '--dir'")
    assert failure(run("export", "atif", "--agent", "all", "--out", "o", env=env), code=2).startswith(
        "--session is required"
    )


@pytest.mark.parametrize("shape", ["atif", "traces"])
def test_a_full_disk_leaves_nothing_half_written(shape: str, sealed: Path, tmp_path: Path) -> None:
    big = claude_session()[1] | {"message": {"role": "user", "content": "x" * 3_000_000}}
    put_claude(sealed, [big])
    out = out_in(tmp_path / "small")
    option = "--out" if shape == "atif" else "--dir"
    words = ("export", shape, "--agent", "claude", "--session", CLAUDE, option, out, "--no-redact")
    result = run(*words, under=("sh", "-c", 'ulimit -f 1000; exec "$0" "$@"'))
    assert result.code == 1
    assert result.err.splitlines()[-1].startswith("Error: ")
    assert files(out.parent) == set()


@pytest.mark.parametrize("shape", ["atif", "traces"])
def test_ctrl_c_leaves_nothing_half_written(shape: str, env: dict[str, str], sealed: Path, tmp_path: Path) -> None:
    (sealed / "opencode sessions" / "hangs").touch()
    out = out_in(tmp_path / "small")
    words = ["export", shape, *ALL, "--no-redact", "--out" if shape == "atif" else "--dir", str(out)]
    with subprocess.Popen([*ROLLOUTS, *words], env=os.environ | env, stderr=subprocess.PIPE, text=True) as child:
        deadline = time.monotonic() + 30
        while not (sealed / "opencode sessions" / "pid").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == 130
    assert files(out.parent) == (
        set() if shape == "atif" else {f"out/{name}" for name in TRACES if name[:8] != "opencode"}
    )
