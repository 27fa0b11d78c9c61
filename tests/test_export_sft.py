"""export sft: rows for training, in a file; the code around turns, secrets, forks, subagents, recordings, faults."""

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

from agent_records import (
    CLAUDE,
    CODEX,
    OPENCODE,
    OPENCODE_CHILD,
    answer,
    claude_session,
    claude_subagent,
    codex_session,
    event,
    gave,
    item,
    opencode_document,
    opencode_session,
    prompt,
    put_claude,
    put_claude_subagent,
    put_codex,
    put_opencode,
    said,
    spent,
    told,
    tool,
    words,
)
from chat_rules import check
from helpers import ROLLOUTS, failure, ok, put, run, snapshot, store_of
from planted import KINDS, made
from rollouts.export.training import COLUMNS
from rollouts.trace import TraceWriter, events
from schemas import problems

FORK = "c2118f65-8038-466a-9846-b17b44f15053"
Row = dict[str, Any]


def rows(out: Path) -> list[Row]:
    """The rows of a file, each of which is as it must be."""
    found = [json.loads(line) for line in out.read_bytes().splitlines()]
    for row in found:
        assert tuple(row) == COLUMNS
        assert problems("sft-row", row) == []
        check(row["messages"])
    return found


PLAIN = ("--no-redact",)  # which spares the time that looking for secrets needs to begin
SAID = "Warning: nothing is redacted: secrets and names stand in the output as the agent saw them\n"


def export(
    out: Path, *args: str | Path, agent: str = "all", env: dict[str, str] | None = None, cleaned: bool = False
) -> list[Row]:
    """Exports all sessions. Returns their rows."""
    ok("export", "sft", "--agent", agent, "--all", "--out", out, *args, *(() if cleaned else PLAIN), env=env)
    return rows(out)


def opencode_parent() -> bytes:
    started = tool("call_1", "task", output="Sub is done.", metadata={"sessionId": OPENCODE_CHILD})
    asked = gave("msg_2", started, finish="tool-calls")
    return opencode_document(opencode_session(told("msg_1", said("Go")), asked, gave("msg_3", said("Did it."))))


def opencode_child() -> bytes:
    talk = (told("msg_8", said("Sub")), gave("msg_9", said("Sub is done.")))
    return opencode_document(opencode_session(*talk, session=OPENCODE_CHILD, parentID=OPENCODE))


def three_agents(sealed: Path, plain: Path) -> dict[str, str]:
    """A session of each agent, known by a snapshot. Returns the environment."""
    put_claude_subagent(put_claude(sealed, claude_session()), claude_subagent())
    put_codex(sealed, codex_session())
    env = put_opencode(sealed, {OPENCODE: opencode_parent(), OPENCODE_CHILD: opencode_child()})
    for agent, session in (("claude-code", CLAUDE), ("codex", CODEX), ("opencode", OPENCODE)):
        snapshot(plain, "m", session, json.dumps({"agent": agent}))
    return env


def test_sessions_of_all_agents_are_rows_and_their_subagents_follow_them(
    sealed: Path, plain: Path, tmp_path: Path
) -> None:
    env = three_agents(sealed, plain)
    out = tmp_path / "sft.jsonl"
    said_so = ok("export", "sft", "--agent", "all", "--all", "--out", out, *PLAIN, env=env)
    assert said_so.splitlines() == [
        "Exported sessions 3",
        "format: sft",
        "unit: session",
        "rows: 4",
        "redacted: no",
        f"output: {out}",
    ]
    found = rows(out)
    assert [(row["agent"], row["session_id"]) for row in found] == [
        ("claude-code", CLAUDE),
        ("claude-code", "ad8f"),
        ("codex", CODEX),
        ("opencode", OPENCODE),
    ]
    called = [one for row in found for said_ in row["messages"] for one in said_.get("tool_calls", ())]
    assert [one["session_id"] for one in called if "session_id" in one] == ["ad8f", OPENCODE_CHILD]
    assert {row["workspace"]["id"] for row in found} == {found[0]["workspace"]["id"]}


def test_rows_go_by_the_start_of_sessions(sealed: Path, tmp_path: Path) -> None:
    put_codex(sealed, codex_session())
    late = [record | {"timestamp": "2026-11-22T00:00:00.000Z"} for record in claude_session()]
    put_claude(sealed, late)
    env = put_opencode(sealed, {})
    ok("import", env=env)
    assert [row["session_id"] for row in export(tmp_path / "out", env=env)] == [CODEX, CLAUDE]


def test_subagents_of_opencode_are_rows_once_in_their_parents_workspace(
    sealed: Path, plain: Path, tmp_path: Path
) -> None:
    env = three_agents(sealed, plain)
    snapshot(plain, "m", OPENCODE_CHILD, '{"agent": "opencode"}')
    found = export(tmp_path / "out", agent="opencode", env=env)
    assert [row["session_id"] for row in found] == [OPENCODE, OPENCODE_CHILD]


def test_one_session_is_asked_for_by_its_id(sealed: Path, tmp_path: Path) -> None:
    put_codex(sealed, codex_session())
    out = tmp_path / "out"
    words_ = ("--agent", "codex", "--session", CODEX, "--out", out, "--json")
    document = json.loads(ok("export", "sft", *PLAIN, *words_))
    assert document == {
        "schema_version": 1,
        "format": "sft",
        "unit": "session",
        "output": str(out),
        "exported": 1,
        "failed": 0,
        "rows": 1,
        "redaction": None,
        "left_out": {},
        "sessions": [{"session_id": CODEX, "agent": "codex", "rows": 1}],
        "failures": [],
    }
    [row] = rows(out)
    assert (row["workspace"], row["snapshot_before"], row["message_id"]) == (
        None,
        None,
        "01a1ff9d-d989-7752-bd04-eb3a5324b004",
    )


# The code around a turn


def changed(plain: Path, session: str = CLAUDE) -> list[Row]:
    """A turn that changed files of each kind. Returns the documents of its snapshots."""
    put(plain, "old name.py", b"".join(b"line %d\n" % number for number in range(30)))
    put(plain, "picture.bin", b"\x00\x01\x02")
    before = snapshot(plain, "turn-1", session)
    (plain / "a.txt").write_bytes(b"two \xff\n")
    (plain / "old name.py").rename(plain / "new name.py")
    (plain / "picture.bin").write_bytes(b"\x00\x02\x03")
    return [before, snapshot(plain, "turn-1:end", session), snapshot(plain, "turn-2", session)]


def test_a_turns_row_has_its_snapshots_and_what_it_changed(sealed: Path, plain: Path, tmp_path: Path) -> None:
    put_claude(sealed, claude_session())
    before, after, _ = changed(plain)
    snapshot(plain, "turn-2:end", CLAUDE)
    first, second = export(tmp_path / "out", "--unit", "turn")
    assert [(row["unit"], row["turn"], row["message_id"]) for row in (first, second)] == [
        ("turn", 1, "turn-1"),
        ("turn", 2, "turn-2"),
    ]
    assert first["snapshot_before"]["commit"] == before["store_commit_sha"]
    assert first["snapshot_after"]["commit"] == after["store_commit_sha"]
    assert first["snapshot_after"]["message_id"] == "turn-1:end"
    patch = first["patch"]
    assert "-one\n+two \ufffd\n" in patch
    assert "rename from old name.py\nrename to new name.py\n" in patch
    assert "Binary files a/picture.bin and b/picture.bin differ\n" in patch
    assert second["patch"] == ""


def test_a_row_is_turned_back_into_files_from_its_archive_alone(sealed: Path, plain: Path, tmp_path: Path) -> None:
    put_claude(sealed, claude_session())
    changed(plain)
    archive = tmp_path / "archive.git"
    subprocess.run(["git", "init", "-q", "--bare", archive], check=True)
    ok("remote", "set", plain, "--url", str(archive))
    ok("push", plain)
    [row, _] = export(tmp_path / "out", "--unit", "turn")
    where = ("--repo", row["workspace"]["remote_url"], "--session", row["session_id"])
    for name, content in (("snapshot_before", b"one\n"), ("snapshot_after", b"two \xff\n")):
        ok("restore", *where, "--message", row[name]["message_id"], "--dest", tmp_path / name)
        assert (tmp_path / name / "a.txt").read_bytes() == content
        found = subprocess.run(
            ["git", "-C", archive, "rev-parse", row[name]["tag"] + "^{}"], capture_output=True, check=True
        )
        assert found.stdout.decode().strip() == row[name]["commit"]


def test_a_patch_applies_to_the_code_before(sealed: Path, repo: Path, tmp_path: Path) -> None:
    put_claude(sealed, claude_session())
    put(repo, "src/ü.py", b"x = 1\n")
    snapshot(repo, "turn-1", CLAUDE)
    put(repo, "src/ü.py", b"x = 2\n")
    put(repo, "src/new.py", b"no end")
    (repo / "a.txt").unlink()
    snapshot(repo, "turn-1:end", CLAUDE)
    [row, _] = export(tmp_path / "out", "--unit", "turn")
    ok("restore", repo, "--session", CLAUDE, "--message", "turn-1", "--dest", tmp_path / "code")
    subprocess.run(["git", "apply", "-"], cwd=tmp_path / "code", input=row["patch"].encode(), check=True)
    assert (tmp_path / "code/src/ü.py").read_bytes() == b"x = 2\n"
    assert (tmp_path / "code/src/new.py").read_bytes() == b"no end"
    assert not (tmp_path / "code/a.txt").exists()


def test_a_turn_that_lacks_a_snapshot_has_no_patch(sealed: Path, plain: Path, tmp_path: Path) -> None:
    put_claude(sealed, claude_session())
    snapshot(plain, "turn-1", CLAUDE)
    snapshot(plain, "turn-2:end", CLAUDE)
    first, second = export(tmp_path / "out", "--unit", "turn")
    assert (first["snapshot_after"], first["patch"]) == (None, None)
    assert (second["snapshot_before"], second["patch"]) == (None, None)
    assert first["snapshot_before"]
    assert second["snapshot_after"]


def test_a_patch_beyond_a_megabyte_is_cut_and_says_so(sealed: Path, plain: Path, tmp_path: Path) -> None:
    put_claude(sealed, claude_session())
    snapshot(plain, "turn-1", CLAUDE)
    put(plain, "long.txt", b"a line of a long file\n" * 100_000)
    snapshot(plain, "turn-1:end", CLAUDE)
    [row, _] = export(tmp_path / "out", "--unit", "turn")
    assert len(row["patch"]) < (1 << 20) + 200
    assert row["patch"].endswith(
        "+a line of a long file\n[rollouts: the rest of this patch is left out; it is longer than 1048576 bytes]\n"
    )


def test_a_damaged_store_costs_patches_and_no_rows(sealed: Path, plain: Path, home: Path, tmp_path: Path) -> None:
    put_claude(sealed, claude_session())
    [taken, *_] = changed(plain)
    shutil.rmtree(store_of(home, taken))
    out = tmp_path / "out"
    result = run("export", "sft", *PLAIN, "--agent", "all", "--all", "--out", out, "--unit", "turn")
    assert result.code == 0
    assert "patches whose snapshots are damaged: 1" in result.err
    assert [row["patch"] for row in rows(out)] == [None, None]


# Secrets


def test_a_secret_has_one_placeholder_in_what_was_said_and_in_the_patch(
    sealed: Path, plain: Path, tmp_path: Path
) -> None:
    secret = made(KINDS["github token"][0], 1)
    put_claude(
        sealed,
        [prompt(f"Use the token {secret} of {sealed}/app", "turn-1"), *answer("m", said("Used."), stop="end_turn")],
    )
    snapshot(plain, "turn-1", CLAUDE)
    put(plain, "config.py", f"TOKEN = '{secret}'\n".encode())
    snapshot(plain, "turn-1:end", CLAUDE)
    out = tmp_path / "out"
    [row] = export(out, "--unit", "turn", cleaned=True)
    assert secret.encode() not in out.read_bytes()
    assert str(sealed).encode() not in out.read_bytes()
    mark = row["patch"].partition("TOKEN = '")[2].partition("'")[0]
    assert mark.startswith("[REDACTED:")
    assert row["messages"][0]["content"] == f"Use the token {mark} of /home/user/app"
    assert row["redacted"] == 3
    [row] = export(out, "--unit", "turn")
    assert row["messages"][0]["content"] == f"Use the token {secret} of {sealed}/app"
    assert secret in row["patch"]
    assert row["redacted"] is None


def test_a_secret_of_an_env_file_and_of_a_remote_never_leaves(sealed: Path, plain: Path, tmp_path: Path) -> None:
    put(plain, ".env", b"SERVICE_PASSWORD=ordinary-words-in-a-row\n")
    put_claude(
        sealed,
        [
            prompt("It is ordinary-words-in-a-row, or kangaroo77x", "turn-1"),
            *answer("m", said("Yes."), stop="end_turn"),
        ],
    )
    snapshot(plain, "turn-1", CLAUDE)
    ok("remote", "set", plain, "--url", "https://me:kangaroo77x@example.com/a.git")
    out = tmp_path / "out"
    [row] = export(out, cleaned=True)
    assert b"ordinary-words" not in out.read_bytes()
    assert b"kangaroo" not in out.read_bytes()
    assert row["workspace"]["remote_url"] == "https://example.com/a.git"
    assert row["redacted"] == 2


# Forks, and what the record lacks


def test_turns_that_a_fork_copied_are_rows_once_in_a_run(sealed: Path, tmp_path: Path) -> None:
    old = claude_session()
    put_claude(sealed, old)
    more = [prompt("Further", "turn-3"), *answer("msg_7", said("Went further."), stop="end_turn")]
    copied = [record | {"sessionId": FORK} for record in [*old, *more] if record["type"] != "last-prompt"]
    put_claude(sealed, copied, session=FORK)
    env = put_opencode(sealed, {})
    ok("import", env=env)
    out = tmp_path / "out"
    found = export(out, "--unit", "turn", env=env)
    turns = sorted((row["message_id"], row["messages"][-1]["content"]) for row in found)
    assert turns == [("turn-1", "Made one."), ("turn-2", "Done."), ("turn-3", "Went further.")]
    [alone] = [row for row in export(out, env=env) if row["messages"][-1]["content"] == "Went further."]
    assert [one.get("weight") for one in alone["messages"] if one["role"] == "assistant"] == [0, 0, 0, 0, None]
    ok("export", "sft", *PLAIN, "--agent", "claude", "--session", FORK, "--unit", "turn", "--out", out)
    assert len(rows(out)) == 3


def test_a_last_answer_that_only_the_hook_knew_is_in_the_row(sealed: Path, plain: Path, tmp_path: Path) -> None:
    put_claude(sealed, [prompt("Go", "turn-1")])
    snapshot(plain, "turn-1", CLAUDE)
    snapshot(plain, "turn-1:end", CLAUDE, json.dumps({"agent": "claude-code", "last_assistant_message": "Went."}))
    [row] = export(tmp_path / "out")
    assert row["messages"][-1] == {"role": "assistant", "content": "Went."}


def test_what_is_left_out_is_counted(sealed: Path, plain: Path, tmp_path: Path) -> None:
    put_claude(sealed, []).write_bytes(
        b"broken\n"
        + b"".join(json.dumps(one).encode() + b"\n" for one in [*claude_session(), prompt("More", "turn-3")])
    )
    snapshot(plain, "turn-1", CLAUDE)
    result = run("export", "sft", *PLAIN, "--agent", "all", "--all", "--out", tmp_path / "out", "--unit", "turn")
    assert result.code == 0
    assert result.err == (
        SAID + "Warning: left out: lines of records that could not be read: 1; turns without a final answer: 1\n"
    )


# Recordings of codex


def recorded(
    folder: Path, turn: str, *, told_: str = "Exactly this.", final: str = "Made.", thread: str = CODEX
) -> Path:
    """A bundle of a session's turn as codex records it. Returns its folder."""
    tools = [{"type": "function", "name": "exec_command", "description": "Runs.", "parameters": {"type": "object"}}]
    asked: Row = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Make it"}]}
    spoken = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": final}]}
    with TraceWriter(str(folder), thread) as trace:
        trace.record(events.ThreadStarted(thread, "/root"))
        trace.record(events.TurnStarted(turn, thread), thread_id=thread, turn_id=turn)
        body = {"model": "gpt-5.5", "instructions": told_, "input": [asked], "tools": tools}
        request = trace.payload("inference_request", body)
        response = trace.payload("inference_response", {"response_id": "r1", "output_items": [spoken]})
        assert request
        assert response
        started = events.InferenceStarted("call-1", thread, turn, "gpt-5.5", "p", request)
        trace.record(started, thread_id=thread, turn_id=turn)
        ended = events.InferenceCompleted("call-1", "r1", None, response)
        trace.record(ended, thread_id=thread, turn_id=turn)
        trace.record(events.TurnEnded(turn, "completed"), thread_id=thread, turn_id=turn)
    assert trace.failures == 0
    assert trace.folder
    return Path(trace.folder)


TURN = "01a1ff9d-d989-7752-bd04-eb3a5324b004"


@pytest.mark.parametrize("unit", ["session", "turn"])
def test_a_session_that_was_recorded_has_what_was_sent_and_the_tools_that_were_offered(
    unit: str, sealed: Path, plain: Path, tmp_path: Path
) -> None:
    put_codex(sealed, codex_session())
    snapshot(plain, "m", CODEX, '{"agent": "codex"}')
    traces = tmp_path / "traces"
    recorded(traces, "another", thread="01a1ff9d-d973-77f0-9c4a-ca5e03544bb9")
    recorded(traces, TURN, told_="password: Xk93jd0fJ2mLq8Zt")
    named: tuple[tuple[str | Path, ...], dict[str, str]] = (("--bundles", traces), {})
    for given, env in (named, ((), {"CODEX_ROLLOUT_TRACE_ROOT": str(traces)})):
        is_clean = unit == "session" and not env
        [row] = export(tmp_path / "out", "--unit", unit, *given, env=env, cleaned=is_clean)
        assert [one["role"] for one in row["messages"]] == ["system", "user", "assistant"]
        assert ("Xk93jd0fJ2mLq8Zt" in row["messages"][0]["content"]) != is_clean
        assert row["messages"][0]["content"].startswith("password: ")
        first, second = row["tools"]
        assert first["function"]["description"] == "Runs."
        assert (second["function"]["name"], second["function"]["parameters"]["x-inferred"]) == ("apply_patch", True)
    [row] = export(tmp_path / "out", "--unit", unit)
    assert row["messages"][0]["content"] == "You are an agent.\n\n<permissions>"


def test_of_a_session_that_went_on_unrecorded_the_record_is_taken_with_the_tools_that_were_offered(
    sealed: Path, tmp_path: Path
) -> None:
    later = "01a1ff9d-e989-7752-bd04-eb3a5324b005"
    more = [event("task_started", turn_id=later), words("user", "On", later), words("assistant", "Went on.", later)]
    put_codex(sealed, [*codex_session(), *more, spent(later), event("task_complete", turn_id=later)])
    recorded(tmp_path / "traces", TURN)
    out = tmp_path / "out"
    ok("export", "sft", *PLAIN, "--agent", "codex", "--session", CODEX, "--bundles", tmp_path / "traces", "--out", out)
    [row] = rows(out)
    assert row["messages"][-1]["content"] == "Went on."
    assert row["messages"][0]["content"] == "You are an agent.\n\n<permissions>"
    assert row["tools"][0]["function"]["description"] == "Runs."
    words_ = ("--unit", "turn", "--bundles", tmp_path / "traces", "--out", out)
    ok("export", "sft", *PLAIN, "--agent", "codex", "--session", CODEX, *words_)
    first, second = rows(out)
    assert first["messages"][0]["content"] == "Exactly this."
    assert second["messages"][0]["content"] == "You are an agent.\n\n<permissions>"


def test_a_recording_that_cannot_be_read_is_told_and_the_record_is_taken(sealed: Path, tmp_path: Path) -> None:
    put_codex(sealed, codex_session())
    bundle = recorded(tmp_path / "traces", TURN)
    (bundle / "manifest.json").write_text("{")
    out = tmp_path / "out"
    given = ("--bundles", tmp_path / "traces", "--out", out)
    result = run("export", "sft", *PLAIN, "--agent", "codex", "--session", CODEX, *given)
    assert result.code == 0
    assert result.err == SAID + "Warning: 1 trace bundles could not be read; `rollouts trace show` says why\n"
    assert rows(out)[0]["messages"][0]["content"] == "You are an agent.\n\n<permissions>"


def test_a_folder_of_recordings_that_is_not_there_is_an_error(sealed: Path, tmp_path: Path) -> None:
    put_codex(sealed, codex_session())
    given = ("--bundles", tmp_path / "none", "--out", tmp_path / "out")
    words_ = failure(run("export", "sft", *PLAIN, "--agent", "codex", "--session", CODEX, *given))
    assert words_.endswith("none: No such file or directory; name a folder with --bundles")


# Tools that records have


def test_tools_in_codexs_own_record_are_taken_as_they_stand(sealed: Path, tmp_path: Path) -> None:
    given = [{"type": "custom", "name": "apply_patch", "description": "Patches."}]
    put_codex(sealed, [*codex_session()[:5], item("additional_tools", TURN, tools=given), *codex_session()[5:]])
    out = tmp_path / "out"
    ok("export", "sft", *PLAIN, "--agent", "codex", "--session", CODEX, "--out", out, "--tool-args", "string")
    [row] = rows(out)
    assert [one["function"]["description"] for one in row["tools"]] == ["Patches.", ""]
    [called] = [one["tool_calls"] for one in row["messages"] if "tool_calls" in one]
    assert [one["function"]["arguments"] for one in called] == [
        '{"cmd": "exit 3", "n": 1.5}',
        '{"input": "*** Begin Patch"}',
    ]


def test_values_that_no_reader_of_datasets_takes_become_the_nearest_that_they_take(
    sealed: Path, tmp_path: Path
) -> None:
    odd = {"n": 10**30, "half": "\ud83d", "far": [1e300]}
    use = {"type": "tool_use", "id": "t", "name": "Odd", "input": odd}
    result_ = {"type": "tool_result", "tool_use_id": "t", "content": "ok"}
    back = prompt("", "turn-1") | {"message": {"role": "user", "content": [result_]}}
    put_claude(sealed, [prompt("Go", "turn-1"), *answer("m1", use), back, *answer("m2", said("Done"), stop="end_turn")])
    out = tmp_path / "out"
    ok("export", "sft", *PLAIN, "--agent", "claude", "--session", CLAUDE, "--out", out)
    [row] = rows(out)
    assert row["messages"][1]["tool_calls"][0]["function"]["arguments"] == {
        "n": str(10**30),
        "half": "\ufffd",
        "far": [1e300],
    }


# Faults


def test_a_session_that_cannot_be_read_is_named_and_the_others_go(sealed: Path, plain: Path, tmp_path: Path) -> None:
    env = three_agents(sealed, plain)
    (sealed / "opencode sessions" / f"{OPENCODE}.json").write_bytes(b'{"info": ')
    out = tmp_path / "out"
    result = run("export", "sft", *PLAIN, "--agent", "all", "--all", "--out", out, env=env)
    assert result.code == 1
    assert result.out.splitlines()[-1] == "not exported: 1"
    assert result.err.startswith(f"Not exported: opencode session {OPENCODE}: opencode export returned invalid JSON")
    assert [row["session_id"] for row in rows(out)] == [CLAUDE, "ad8f", CODEX]
    document = json.loads(run("export", "sft", *PLAIN, "--agent", "all", "--all", "--out", out, "--json", env=env).out)
    assert (document["exported"], document["failed"], document["rows"]) == (2, 1, 3)
    assert [one["session_id"] for one in document["failures"]] == [OPENCODE]


def test_when_nothing_can_be_read_the_old_file_stays(plain: Path, tmp_path: Path) -> None:
    snapshot(plain, "m", CLAUDE)
    out = tmp_path / "out"
    out.write_text("old")
    result = run("export", "sft", *PLAIN, "--agent", "claude-code", "--all", "--out", out)
    assert result.code == 1
    assert "output: none" in result.out.splitlines()
    assert out.read_text() == "old"


def test_sessions_without_an_answer_are_an_error_and_no_file(sealed: Path, plain: Path, tmp_path: Path) -> None:
    put_claude(sealed, [prompt("Go", "turn-1")])
    snapshot(plain, "turn-1", CLAUDE)
    out = tmp_path / "small" / "out"
    out.parent.mkdir()
    for which in (("--all",), ("--session", CLAUDE)):
        result = run("export", "sft", *PLAIN, "--agent", "claude", *which, "--out", out)
        assert failure(result) == "there is nothing to train on: no turn has a final answer; no file was written"
        assert list(out.parent.iterdir()) == []


def test_a_file_needs_a_place(sealed: Path, tmp_path: Path) -> None:
    put_claude(sealed, claude_session())
    given = ("export", "sft", *PLAIN, "--agent", "claude", "--session", CLAUDE, "--out")
    assert failure(run(*given, tmp_path / "no" / "out")).startswith(f"there is no directory {tmp_path}/no to write in")
    assert failure(run(*given, tmp_path)) == f"{tmp_path} is a directory; name a FILE"


def test_a_full_disk_leaves_nothing_behind(sealed: Path, tmp_path: Path) -> None:
    said_ = answer("m", said("x y " * 800_000), stop="end_turn")
    put_claude(sealed, [prompt("Go", "turn-1"), *said_])
    out = tmp_path / "small" / "out"
    out.parent.mkdir()
    limited = ("sh", "-c", 'ulimit -f 1000; exec "$0" "$@"')
    result = run("export", "sft", "--agent", "claude", "--session", CLAUDE, "--out", out, "--no-redact", under=limited)
    assert result.code == 1
    assert result.err.startswith("Error: ")
    assert list(out.parent.iterdir()) == []


def test_ctrl_c_leaves_nothing_behind(sealed: Path, plain: Path, tmp_path: Path) -> None:
    env = three_agents(sealed, plain)
    (sealed / "opencode sessions" / "hangs").touch()
    out = tmp_path / "small" / "out"
    out.parent.mkdir()
    given = ["export", "sft", *PLAIN, "--agent", "all", "--all", "--out", str(out)]
    with subprocess.Popen([*ROLLOUTS, *given], env=os.environ | env, stderr=subprocess.PIPE, text=True) as child:
        deadline = time.monotonic() + 60
        while not (sealed / "opencode sessions" / "pid").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        assert child.wait(60) == 130
        assert child.stderr is not None
        assert child.stderr.read() == "Error: interrupted; nothing was left half done\n"
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--agent", "codex", "--session", "s", "--all", "--out", "o"), "cannot use --session with --all"),
        (("--agent", "codex", "--out", "o"), "--session is required unless --all is set"),
        (("--agent", "codex", "--all"), "Missing option '--out' / '-o'"),
        (("--all", "--out", "o"), "Missing option '--agent'"),
        (("--agent", "codex", "--all", "--out", "o", "--unit", "word"), "Invalid value for '--unit'"),
        (("--agent", "codex", "--all", "--out", "o", "--tool-args", "yaml"), "Invalid value for '--tool-args'"),
    ],
)
def test_wrong_command_lines(given: tuple[str, ...], message: str) -> None:
    assert failure(run("export", "sft", *given), code=2).startswith(message)


def test_options_of_the_command_go_behind_its_name() -> None:
    words_ = failure(run("export", "--agent", "codex", "sft", "--all", "--out", "o"), code=2)
    assert words_.startswith("the options of `export sft` go behind its name")


def test_a_session_that_nobody_has_is_an_error(tmp_path: Path) -> None:
    result = run("export", "sft", *PLAIN, "--agent", "codex", "--session", "s1", "--out", tmp_path / "out")
    assert failure(result) == "codex has no session 's1', and no transcript of it was captured"
