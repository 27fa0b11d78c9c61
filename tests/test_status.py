"""`rollouts status`, `rollouts workspace list` and `forget`, and sizes that are told without a walk."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from helpers import failure, git, ok, query, run, snapshot, store_of
from rollouts.storage import sizes


def status(path: Path) -> dict[str, Any]:
    """What status says of a path that is a workspace."""
    document = json.loads(ok("status", path, "--json"))
    assert document.keys() == {"schema_version", "home", "agents", "missed", "workspace"}
    found: dict[str, Any] = document["workspace"]
    return found


def refused(repo: Path, message: str = "lost") -> str:
    """A capture that fails, for want of git. Returns what it said."""
    words = ("--session", "s", "--message", message, "--metadata", "{}")
    return failure(run("snapshot", repo, *words, env={"PATH": "/nowhere"}))


# status


def test_a_directory_that_is_no_workspace_yet_is_no_error(plain: Path, home: Path) -> None:
    first, _, last = ok("status", plain).splitlines()
    assert (first, last) == (f"home: {home}", f"workspace: none yet; `rollouts snapshot` makes one of {plain}")
    found = json.loads(ok("status", plain, "--json"))
    del found["agents"]
    assert found == {"schema_version": 1, "home": str(home), "missed": None, "workspace": None}
    assert not home.exists()


def test_status_of_a_workspace_from_a_directory_in_it(repo: Path, home: Path) -> None:
    snapshot(repo, "1", "old")
    taken = snapshot(repo, "2")
    found = status(repo / "sub")
    assert found.keys() == {
        *("id", "root_path", "exists", "sessions", "snapshots", "bytes", "last_success", "last_failure", "upkeep"),
    }
    assert (found["id"], found["root_path"], found["exists"]) == (taken["workspace_id"], str(repo), True)
    assert (found["sessions"], found["snapshots"]) == (2, 2)
    assert found["last_success"] == {key: taken[key] for key in ("id", "session_id", "message_id", "captured_at")}
    assert found["last_failure"] is None
    assert found["upkeep"] == {"due": False, "under_way": False, "failed": None}
    lines = [line for line in ok("status", cwd=repo).splitlines() if not line.startswith("hooks: ")]
    second = taken["captured_at"][:19].replace("T", " ")
    assert lines[:6] == [
        *(f"home: {home}", f"workspace: {repo}", f"id: {taken['workspace_id']}", "sessions: 2", "snapshots: 2"),
        f"last success: {second} UTC, session s, message 2",
    ]
    assert lines[6] == "last failure: none since"
    assert lines[8:] == ["upkeep: not due"]


def test_a_failed_capture_is_told_until_the_next_success(repo: Path) -> None:
    snapshot(repo, "1")
    said = refused(repo)
    found = status(repo)["last_failure"]
    assert (found["session_id"], found["message_id"], found["error"]) == ("s", "lost", said)
    assert status(repo)["last_success"]["message_id"] == "1"
    assert f"session s, message lost: {said}" in ok("status", repo)
    snapshot(repo, "2")
    assert status(repo)["last_failure"] is None
    refused(repo, "again")
    assert status(repo)["last_failure"]["message_id"] == "again"


def test_a_first_capture_that_failed_is_told_as_well(repo: Path) -> None:
    said = refused(repo)
    found = status(repo)
    assert (found["snapshots"], found["last_success"], found["last_failure"]["error"]) == (0, None, said)


def test_a_note_of_a_failure_that_was_cut_short_still_tells_its_time(repo: Path, home: Path) -> None:
    note = store_of(home, snapshot(repo, "1")).parent / "failure"
    for text in ("", '{"at": "20', "{}", "[]"):
        note.write_text(text)
        found = status(repo)["last_failure"]
        assert found["session_id"] is None
        assert "could not be written down" in found["error"]


def test_captures_that_go_well_write_no_note(repo: Path, home: Path) -> None:
    snapshot(repo, "1")
    snapshot(repo, "2")
    [folder] = (home / "workspaces").iterdir()
    assert sorted(os.listdir(folder)) == ["kept", "lock", "store.git"]


def test_safety_snapshots_are_no_turns(repo: Path) -> None:
    taken = snapshot(repo, "1")
    snapshot(repo, "safety", f"restore:{taken['workspace_id']}")
    found = status(repo)
    assert (found["sessions"], found["snapshots"], found["last_success"]["id"]) == (1, 1, taken["id"])


def test_status_of_a_workspace_that_is_gone(repo: Path) -> None:
    snapshot(repo)
    shutil.rmtree(repo)
    assert status(repo)["exists"] is False
    assert f"workspace: {repo} (the directory is gone)\n" in ok("status", repo)


# workspace list, forget


def listed() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(ok("workspace", "list", "--json"))["workspaces"]
    assert all(row.keys() == {"id", "root_path", "exists", "snapshots", "bytes"} for row in found)
    return found


def test_workspaces_are_listed_also_those_that_are_gone(repo: Path, plain: Path, home: Path) -> None:
    assert listed() == []
    assert not home.exists()
    snapshot(repo, "1")
    snapshot(repo, "2")
    gone = snapshot(plain, session="t")
    shutil.rmtree(plain)
    assert [(row["root_path"], row["exists"], row["snapshots"]) for row in listed()] == [
        (str(plain), False, 1),
        (str(repo), True, 2),
    ]
    assert all(row["bytes"] > 0 for row in listed())
    lines = ok("workspace", "list").splitlines()
    assert lines[0].split() == ["Id", "Workspace", "(2)", "Directory", "Snapshots", "Disk"]
    assert lines[1].split()[:4] == [gone["workspace_id"], str(plain), "gone", "1"]


@pytest.mark.parametrize("by", ["root", "id", "gone"])
def test_a_workspace_is_forgotten_by_root_or_id_also_when_it_is_gone(
    by: str, repo: Path, plain: Path, home: Path
) -> None:
    taken, kept = snapshot(repo), snapshot(plain, session="t")
    if by == "gone":
        shutil.rmtree(repo)
    out = ok("workspace", "forget", taken["workspace_id"] if by == "id" else repo, "--yes", "--json")
    assert json.loads(out) == {
        "schema_version": 1,
        "id": taken["workspace_id"],
        "root_path": str(repo),
        "deleted_snapshots": 1,
    }
    assert os.listdir(home / "workspaces") == [kept["workspace_id"]]
    assert query(home, "SELECT id FROM snapshots") == [(kept["id"],)]
    assert repo.exists() == (by != "gone")
    assert "all is well" in ok("doctor")


def test_forgetting_asks_first(repo: Path) -> None:
    snapshot(repo)
    no = run("workspace", "forget", repo, stdin=b"n\n")
    assert (no.code, no.out) == (1, "Cancelled.\n")
    assert f"Forget workspace {repo}: 1 snapshots? This cannot be undone." in no.err
    assert "--yes" in run("workspace", "forget", repo).err
    assert len(listed()) == 1
    done = run("workspace", "forget", repo, stdin=b"y\n")
    assert done.out.startswith(f"Forgot workspace {repo}\nid: ")
    assert listed() == []


def test_a_directory_in_a_workspace_is_not_enough_to_forget_it(repo: Path, tmp_path: Path) -> None:
    taken = snapshot(repo)
    said = failure(run("workspace", "forget", repo / "sub", "--yes"))
    assert said == f"{repo}/sub lies in the workspace {repo}; name that, or its id {taken['workspace_id']}"
    assert "not initialized" in failure(run("workspace", "forget", tmp_path / "elsewhere", "--yes"))
    assert len(listed()) == 1


# Sizes


def test_sizes_are_told_to_a_few_percent(plain: Path, home: Path, tmp_path: Path) -> None:
    folder = store_of(home, snapshot(plain)).parent
    for number in range(3000):
        (tmp_path / f"{number}").write_text(f"{number}" * 200)
    paths = "".join(f"{tmp_path}/{number}\n" for number in range(3000))
    few, many = paths.splitlines(keepends=True)[:100], paths
    for asked in ("".join(few), many):
        git("hash-object", "-w", "--stdin-paths", cwd=folder / "store.git", stdin=asked.encode())
        assert sizes.estimated(str(folder)) == pytest.approx(sizes.measured(str(folder)), rel=0.05)
    git("repack", "-q", "-d", "--geometric=2", cwd=folder / "store.git")
    assert sizes.estimated(str(folder)) == pytest.approx(sizes.measured(str(folder)), rel=0.05)


@pytest.mark.skipif(not shutil.which("strace"), reason="what a program looks at is counted with strace")
def test_listing_walks_no_store(repo: Path, home: Path, tmp_path: Path) -> None:
    folder = store_of(home, snapshot(repo)).parent
    for number in range(6000):  # more than are looked at
        place = folder / "store.git" / "objects" / f"{number % 256:02x}"
        place.mkdir(exist_ok=True)
        (place / f"{number:038x}").touch()
    trace = tmp_path / "trace"
    watched = ("strace", "-f", "--seccomp-bpf", "-o", str(trace), "-e", "trace=%stat,%lstat,newfstatat")
    for words in (("list",), ("status", repo), ("workspace", "list")):
        assert run(*words, under=watched).code == 0
        looked = trace.read_text()
        assert "rollouts.sqlite" in looked
        assert looked.count("/objects/") < 1000


def test_status_of_what_is_no_directory_is_a_slip(plain: Path, home: Path) -> None:
    assert failure(run("status", plain / "none"), 2) == f"Directory '{plain / 'none'}' does not exist."
    assert failure(run("status", plain / "a.txt", "--json"), 2) == f"Directory '{plain / 'a.txt'}' is a file."
    assert not home.exists()


def test_status_of_a_workspace_whose_directory_is_gone(plain: Path) -> None:
    snapshot(plain)
    shutil.rmtree(plain)
    assert (status(plain)["exists"], status(plain)["snapshots"]) == (False, 1)


# the agents that call Rollouts


def hooks_line(*words: str | Path) -> str:
    (line,) = (line for line in ok("status", *words).splitlines() if line.startswith("hooks: "))
    return line


def test_status_and_doctor_say_which_agents_call_rollouts(plain: Path, sealed: Path) -> None:
    assert hooks_line(plain) == "hooks: no coding agent was found"
    (sealed / ".claude").mkdir()
    assert hooks_line(plain) == "hooks: claude-code (none; `rollouts setup claude-code` installs them)"
    ok("setup", "claude-code")
    assert hooks_line(plain) == "hooks: claude-code (user)"
    notes = json.loads(ok("doctor", "--json"))["notes"]
    assert notes[0] == "hooks: claude-code (user)"
    assert notes[1].startswith("claude-code deletes its own transcripts after 30 days (its default)")
    (sealed / ".claude" / "settings.json").write_text("{ // mine\n}")
    assert "claude-code (user: unreadable, cannot be read: " in hooks_line(plain)
    assert run("doctor").code == 0
