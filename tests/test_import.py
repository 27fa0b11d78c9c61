"""`rollouts import`: what it takes in, again and again, beside others, and from a disk in any state."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import agent_logs as logs
from helpers import ROLLOUTS, failure, git, ok, on_a_terminal, put, query, run, snapshot
from rollouts import importing, paths
from rollouts.storage import opening, preparing, sessions
from rollouts.storage.sessions import Tracked
from rollouts.storage.transcripts import Transcripts

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def imported(*args: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    """What `import --json` says of each agent."""
    document = json.loads(ok("import", *args, "--json", env=env))
    return {row["agent"]: row for row in document["agents"]}


def counts(row: dict[str, Any]) -> tuple[int, int, int, int]:
    return row["found"], row["new"], row["changed"], row["unchanged"]


def skips(row: dict[str, Any]) -> tuple[int, int]:
    return row["skipped_lines"], row["skipped_files"]


def kept(agent: str, session: str) -> dict[str, bytes] | None:
    found = Transcripts(paths.home()).files(agent, session)
    return None if found is None else {name: content.read() for name, content in found.items()}


def tracked() -> dict[str, Tracked]:
    with opening.opened_for_reading(paths.home()) as archive:
        return {row.session_id: row for row in sessions.tracked(archive.catalog)}


def test_sessions_are_taken_in_once_and_read_on_after_that(sealed: Path) -> None:
    path = logs.put_claude(sealed, logs.claude_session())
    logs.put_codex(sealed, logs.codex_session())
    found = imported()
    assert [counts(found[name]) for name in ("claude-code", "codex", "opencode")] == [
        (1, 1, 0, 0),
        (1, 1, 0, 0),
        (0, 0, 0, 0),
    ]
    assert counts(imported()["claude-code"]) == (1, 0, 0, 1)
    with path.open("ab") as file:
        file.write(logs.text([logs.claude_user("More", 10)]))
    assert counts(imported()["claude-code"]) == (1, 0, 1, 0)
    assert kept("claude-code", logs.SESSION) == {"main.jsonl": path.read_bytes()}
    assert query(Path(paths.home().path), "SELECT message_count, user_message_count FROM sessions ORDER BY agent") == [
        (6, 3),
        (3, 1),
    ]


def test_nothing_on_this_machine_is_no_error_and_mints_an_id(home: Path) -> None:
    first = json.loads(ok("import", "--json"))["database_id"]
    assert first[14] == "4"
    assert json.loads(ok("import", "--json"))["database_id"] == first
    assert query(home, "SELECT value FROM archive_facts WHERE name = 'database_id'") == [(first,)]


def test_only_the_agents_that_are_named_are_imported(sealed: Path) -> None:
    logs.put_claude(sealed, logs.claude_session())
    logs.put_codex(sealed, logs.codex_session())
    assert list(imported("claude")) == ["claude-code"]
    assert "unsupported agent: emacs" in failure(run("import", "emacs"))


def test_a_dry_run_writes_nothing(sealed: Path, home: Path) -> None:
    logs.put_claude(sealed, logs.claude_session())
    assert counts(imported("--dry-run")["claude-code"]) == (1, 1, 0, 0)
    assert not home.exists()


def test_since_leaves_what_is_older(sealed: Path) -> None:
    old = logs.put_claude(sealed, logs.claude_session())
    logs.put_claude(sealed, logs.claude_session("s2"), "s2")
    os.utime(old, (1_700_000_000, 1_700_000_000))
    assert imported("claude", "--since", "2d")["claude-code"]["found"] == 1
    assert imported("claude", "--since", "2023-11-01")["claude-code"]["found"] == 2
    assert "--since" in failure(run("import", "--since", "soon"), 2)


def test_broken_lines_and_files_are_skipped_counted_and_named(sealed: Path) -> None:
    good = logs.put_claude(sealed, logs.claude_session())
    good.write_bytes(good.read_bytes() + b"{broken\n")
    (good.parent / "folder.jsonl").mkdir()
    (good.parent / "nowhere.jsonl").symlink_to("gone")
    os.mkfifo(good.parent / "pipe.jsonl")
    put(good.parent, "empty.jsonl", b"")
    put(good.parent, "nuls.jsonl", b"\0" * 5000)
    put(good.parent, b"od\xffd \n.jsonl", logs.text(logs.claude_session("odd")))
    row = imported("claude")["claude-code"]
    assert counts(row) == (4, 4, 0, 0)
    assert skips(row) == (1, 3)
    named = {entry.get("path", "").rpartition("/")[2] for entry in row["skipped"]}
    assert named == {good.name, "folder.jsonl", "nowhere.jsonl", "pipe.jsonl"}
    row = imported("claude")["claude-code"]
    assert (counts(row), skips(row)) == ((4, 0, 0, 4), (0, 3))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_file_that_may_not_be_read_is_named(sealed: Path) -> None:
    logs.put_claude(sealed, logs.claude_session()).chmod(0)
    assert skips(imported("claude")["claude-code"]) == (0, 1)


def test_a_session_stands_once_and_follows_its_file(sealed: Path) -> None:
    first = logs.put_codex(sealed, logs.codex_session())
    imported("codex")
    first.unlink()
    logs.put_codex(sealed, logs.codex_session(), top="archived_sessions")
    assert counts(imported("codex")["codex"]) == (1, 1, 0, 0)
    assert query(Path(paths.home().path), "SELECT count(*) FROM sessions") == [(1,)]
    assert query(Path(paths.home().path), "SELECT count(*) FROM usage") == [(2,)]
    logs.put_codex(sealed, logs.codex_session())
    assert "same session" in imported("codex")["codex"]["skipped"][0]["reason"]


def test_a_log_that_codex_has_compressed_is_the_one_it_was(sealed: Path) -> None:
    path = logs.put_codex(sealed, logs.codex_session())
    data = path.read_bytes()
    imported("codex")
    path.unlink()
    packed = path.with_name(path.name + ".zst")
    packed.write_bytes(zstd.compress(data))
    for agent_sessions in ((1, 1, 0, 0), (1, 0, 0, 1)):
        assert counts(imported("codex")["codex"]) == agent_sessions
        assert kept("codex", logs.THREAD) == {"main.jsonl": data}
    importing.take(paths.home(), "codex", logs.THREAD)
    assert query(Path(paths.home().path), "SELECT message_count FROM sessions") == [(3,)]
    packed.write_bytes(zstd.compress(data * 50)[:-9])
    row = imported("codex")["codex"]
    assert skips(row) == (0, 1)
    assert "Zstandard" in row["skipped"][0]["reason"]


def test_transcripts_stay_when_the_agent_deletes_its_own(sealed: Path) -> None:
    path = logs.put_claude(sealed, logs.claude_session())
    data = path.read_bytes()
    imported()
    path.unlink()
    imported()
    assert kept("claude-code", logs.SESSION) == {"main.jsonl": data}
    assert logs.SESSION in tracked()


def test_a_rewritten_log_replaces_its_facts_and_stays_beside_the_new_one(sealed: Path) -> None:
    path = logs.put_claude(sealed, logs.claude_session())
    before = path.read_bytes()
    imported()
    path.write_bytes(logs.text([logs.claude_user("Anew", 0), logs.claude_answer("msg_x", 1)]))
    imported()
    home = Path(paths.home().path)
    assert query(home, "SELECT title, first_prompt, message_count FROM sessions") == [("Anew", "Anew", 2)]
    assert query(home, "SELECT count(*) FROM usage") == [(1,)]
    assert kept("claude-code", logs.SESSION) == {"main.jsonl": path.read_bytes(), "main.jsonl~1": before}


def test_a_log_that_begins_as_another_one_does_is_its_fork(sealed: Path) -> None:
    first = logs.put_claude(sealed, logs.claude_session())
    os.utime(first, (1_795_000_000, 1_795_000_000))
    logs.put_claude(sealed, [*logs.claude_session("copy"), logs.claude_answer("msg_9", 9, sessionId="copy")], "copy")
    imported()
    found = tracked()
    assert (found["copy"].parent_id, found["copy"].relationship) == (logs.SESSION, "fork")
    assert found[logs.SESSION].relationship is None


def test_subagents_are_kept_with_their_session(sealed: Path) -> None:
    logs.put_codex(sealed, logs.codex_session())
    logs.put_codex(
        sealed, logs.codex_session(logs.CHILD, session_id=logs.THREAD, parent_thread_id=logs.THREAD), logs.CHILD
    )
    imported()
    found = kept("codex", logs.THREAD)
    assert found
    assert sorted(found) == [f"{logs.CHILD}.jsonl", "main.jsonl"]
    assert kept("codex", logs.CHILD) is None


def test_a_hook_takes_one_session_with_its_subagents(sealed: Path) -> None:
    logs.put_codex(sealed, logs.codex_session())
    logs.put_codex(
        sealed, logs.codex_session(logs.CHILD, session_id=logs.THREAD, parent_thread_id=logs.THREAD), logs.CHILD
    )
    logs.put_codex(
        sealed, logs.codex_session("01a1ff9d-0000-7000-8000-00000000000a"), "01a1ff9d-0000-7000-8000-00000000000a"
    )
    importing.take(paths.home(), "codex", logs.THREAD)
    assert tracked().keys() == {logs.THREAD, logs.CHILD}
    importing.take(paths.home(), "codex", "no such session")
    importing.take(paths.home(), "claude-code", "../../etc/passwd")


def test_opencode_is_asked_for_transcripts_where_it_is_installed(sealed: Path, tmp_path: Path) -> None:
    logs.opencode_database(sealed)
    row = imported("opencode")["opencode"]
    assert counts(row) == (2, 2, 0, 0)
    assert [entry["reason"] for entry in row["skipped"]] == [
        "its transcript is not kept: opencode was not found on PATH; install it and try again"
    ]
    put(
        tmp_path / "bin",
        "opencode",
        b'#!/bin/sh\n[ -p /dev/stdout ] && exit 9\nprintf \'{"info": {"id": "%s"}, "messages": []}\' "$2"\n',
        mode=0o755,
    )
    env = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    assert imported("opencode", env=env)["opencode"]["skipped"] == []
    found = kept("opencode", "ses_1")
    assert found
    assert json.loads(found["main.json"])["info"] == {"id": "ses_1"}
    assert json.loads(found["ses_2.json"])["info"] == {"id": "ses_2"}
    assert imported("opencode", env=env)["opencode"]["unchanged"] == 2


@pytest.mark.parametrize("script", [b"#!/bin/sh\nexit 3\n", b"#!/bin/sh\necho '{\"info\": {'\n"], ids=["fails", "torn"])
def test_an_export_that_is_not_whole_is_not_kept(sealed: Path, tmp_path: Path, script: bytes) -> None:
    logs.opencode_database(sealed)
    put(tmp_path / "bin", "opencode", script, mode=0o755)
    row = imported("opencode", env={"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"})["opencode"]
    assert "its transcript is not kept" in row["skipped"][0]["reason"]
    assert kept("opencode", "ses_1") is None


def test_list_shows_agent_and_title(sealed: Path, plain: Path) -> None:
    logs.put_claude(sealed, logs.claude_session())
    snapshot(plain, session=logs.SESSION)
    imported()
    (session,) = json.loads(ok("list", "--json"))["workspaces"][0]["sessions"]
    assert (session["agent"], session["title"]) == ("claude-code", "Make the file")
    assert "Make the file" in ok("list")


def test_deleting_a_session_leaves_nothing_of_it(sealed: Path, plain: Path, home: Path) -> None:
    word = "xyzzy-the-word"
    path = logs.put_claude(sealed, [logs.claude_user(word, 0), logs.claude_answer("msg_1", 1)])
    subagent = path.with_suffix("") / "subagents" / "agent-a.jsonl"
    subagent.parent.mkdir(parents=True)
    subagent.write_bytes(logs.text([logs.claude_user(word, 2, isSidechain=True)]))
    logs.put_claude(sealed, logs.claude_session("other"), "other")
    snapshot(plain, session=logs.SESSION)
    imported()
    ok("delete", plain, "--session", logs.SESSION, "--yes")
    assert tracked().keys() == {"other"}
    assert kept("claude-code", logs.SESSION) is None
    assert kept("claude-code", "other") is not None
    store = home / "transcripts" / "store.git"
    everything = git("--git-dir", store, "cat-file", "--batch-all-objects", "--batch", cwd=home)
    assert word not in everything
    assert query(home, "SELECT count(*) FROM sources") == [(1,)]


def test_a_session_without_snapshots_can_be_deleted(sealed: Path) -> None:
    logs.put_claude(sealed, logs.claude_session())
    imported()
    assert "no snapshots" in run("delete", "--session", logs.SESSION, stdin=b"n\n").err
    ok("delete", "--session", logs.SESSION, "--yes")
    assert tracked() == {}
    assert kept("claude-code", logs.SESSION) is None
    failure(run("delete", "--session", logs.SESSION, "--yes"))


def test_deleting_a_workspace_forgets_its_sessions_and_all_forgets_all(sealed: Path, plain: Path, home: Path) -> None:
    logs.put_claude(sealed, logs.claude_session())
    logs.put_codex(sealed, logs.codex_session())
    snapshot(plain, session=logs.SESSION)
    imported()
    ok("delete", plain, "--yes")
    assert tracked().keys() == {logs.THREAD}
    ok("delete", "--all", "--yes")
    assert not home.exists()


def test_projects_are_looked_at_with_git(sealed: Path, tmp_path: Path) -> None:
    root = tmp_path / "repo"
    (root / "sub").mkdir(parents=True)
    git("init", "-q", cwd=root)
    git("commit", "-q", "--allow-empty", "-m", "x", cwd=root)
    git("config", "url.https://git.example.com/.insteadOf", "ex:", cwd=root)
    git("config", "remote.origin.url", "ex:acme/widget", cwd=root)
    git("config", "remote.fork.url", "https://me:secret@git.example.com/me/widget", cwd=root)
    git("worktree", "add", "-q", tmp_path / "linked", cwd=root)
    lines = [logs.claude_user("x", 0, cwd=str(tmp_path / "linked")), logs.claude_answer("m", 1)]
    logs.put_claude(sealed, lines)
    logs.put_codex(
        sealed, [line | {"payload": line["payload"] | {"cwd": str(root / "sub")}} for line in logs.codex_session()]
    )
    imported()
    with opening.opened_for_reading(paths.home()) as archive:
        found = sessions.observations(archive.catalog)
    remotes = {"origin": "https://git.example.com/acme/widget", "fork": "https://git.example.com/me/widget"}
    linked, inside = found[str(tmp_path / "linked")], found[str(root / "sub")]
    assert (linked.root_path, linked.repository_path, linked.remotes) == (str(tmp_path / "linked"), str(root), remotes)
    assert (inside.root_path, inside.repository_path, inside.worktree_name) == (str(root), str(root), "repo")


def test_an_import_that_is_killed_or_doubled_ends_as_one_that_was_not(sealed: Path) -> None:
    for number in range(400):
        logs.put_claude(sealed, logs.claude_session(f"s{number}"), f"s{number}")
    for pause in (0.05, 0.2, 0.3, 0.4, 0.6):
        with subprocess.Popen([*ROLLOUTS, "import"], stdout=subprocess.DEVNULL, start_new_session=True) as child:
            time.sleep(pause)
            os.killpg(child.pid, signal.SIGKILL)
    both = [subprocess.Popen([*ROLLOUTS, "import"], stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [child.wait(60) for child in both] == [0, 0]
    assert counts(imported("claude")["claude-code"]) == (400, 0, 0, 400)
    home = Path(paths.home().path)
    assert query(home, "SELECT count(*), sum(message_count) FROM sessions") == [(400, 2000)]
    assert query(home, "SELECT count(*) FROM usage") == [(1200,)]
    assert len(list(Transcripts(paths.home()).sessions())) == 400
    ok("doctor", "--repair")  # the last packing may have been killed
    ok("doctor")


def test_what_a_killed_import_left_goes_with_the_next(sealed: Path, home: Path) -> None:
    logs.put_claude(sealed, logs.claude_session())
    imported()
    put(home, "transcripts/scratch-abc/0/main.json", b"half")
    put(home, "transcripts/store.git.0123abcd.new/HEAD", b"half")
    assert run("doctor").code == 1
    logs.put_codex(sealed, logs.codex_session())
    imported()
    left = {path.name for path in (home / "transcripts").iterdir()}
    assert left == {"ingest", "lock", "reading.lock", "upkeep", "store.git"}
    ok("doctor")


def test_interrupted_by_the_user_it_says_so(sealed: Path) -> None:
    for number in range(300):
        logs.put_claude(sealed, logs.claude_session(f"s{number}"), f"s{number}")
    with subprocess.Popen([*ROLLOUTS, "import"], stderr=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        time.sleep(0.35)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    assert (child.returncode, err) in {(130, b"Error: interrupted; nothing was left half done\n"), (0, b"")}
    assert child.returncode == 130 or out


def test_on_a_terminal_progress_is_shown(sealed: Path) -> None:
    logs.put_claude(sealed, logs.claude_session())
    shown = on_a_terminal(100, "import")
    assert "Importing" in shown
    assert "claude-code: 1 sessions: 1 new" in shown


def test_the_doctor_finds_lost_transcripts_and_an_import_keeps_them_again(sealed: Path) -> None:
    logs.put_claude(sealed, logs.claude_session())
    imported()
    store = Transcripts(paths.home()).store.path
    for path in Path(store, "objects").glob("??/*"):
        path.chmod(0o600)
        path.write_bytes(b"damage")
    assert run("doctor").code == 1
    ok("doctor", "--repair")
    imported()
    assert kept("claude-code", logs.SESSION)
    ok("doctor")


def everything_known(home: Path) -> list[Any]:
    return query(
        home,
        "SELECT agent, session_id, parent_id, relationship, title, first_prompt, cwd, model, message_count,"
        " tool_call_count, total_output_tokens FROM sessions ORDER BY agent, session_id",
    ) + query(home, "SELECT agent, session_id, model, output_tokens, dedup_key FROM usage ORDER BY 1, 2, 4, 5")


def test_a_lost_catalog_is_filled_from_the_kept_transcripts(sealed: Path, tmp_path: Path, home: Path) -> None:
    claude = logs.put_claude(sealed, logs.claude_session())
    codex = logs.put_codex(sealed, logs.codex_session())
    child = logs.codex_session(logs.CHILD, session_id=logs.THREAD, parent_thread_id=logs.THREAD)
    logs.put_codex(sealed, child, logs.CHILD)
    database = logs.opencode_database(sealed)
    put(tmp_path / "bin", "opencode", logs.opencode_program(database), mode=0o755)
    env = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    imported(env=env)
    before = everything_known(home)
    assert len(before) == 5 + 3 + 2 * 2 + 2 * 2
    for path in (claude, codex, codex.with_name(codex.name.replace(logs.THREAD, logs.CHILD)), database):
        path.unlink()
    for name in ("rollouts.sqlite", "rollouts.sqlite-wal", "rollouts.sqlite-shm"):
        (home / name).unlink(missing_ok=True)
    imported()
    assert everything_known(home) == before
    imported()
    assert everything_known(home) == before
    logs.put_claude(sealed, logs.claude_session())
    imported()
    assert everything_known(home) == before


def test_a_damaged_catalog_keeps_its_id_where_it_can(sealed: Path, home: Path) -> None:
    logs.put_claude(sealed, logs.claude_session())
    first = json.loads(ok("import", "--json"))["database_id"]
    query(home, "DROP INDEX snapshots_session_id_idx")
    query(home, "PRAGMA wal_checkpoint(TRUNCATE)")
    before = everything_known(home)
    with opening.opened(paths.home()):
        pass
    notes = preparing.rebuilt(paths.home(), "as told")
    assert "as told" in notes
    assert everything_known(home) == before
    assert json.loads(ok("import", "--json"))["database_id"] == first


def test_a_snapshot_imports_nothing_of_this(plain: Path) -> None:
    snapshot(plain, "first")
    code = (
        "import sys\nfrom rollouts import cli\n"
        f"cli.exit_code(['snapshot', {str(plain)!r}, '--session', 's', '--message', 'm', '--metadata', '{{}}'])\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert not loaded & {"rollouts.storage.sessions", "rollouts.storage.transcripts", "rollouts.importing", "msgspec"}
