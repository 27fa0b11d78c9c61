"""What a killed process left behind, planted by hand where a kill would rarely come at the right instant."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from helpers import ROLLOUTS, contents, ok, restored, rows, run, snapshot


def _store(home: Path, row: dict[str, str]) -> Path:
    return home / "workspaces" / row["workspace_id"] / "store.git"


def _note(home: Path, row: dict[str, str], note: str) -> None:
    """What the lock file of a workspace says while its holder works."""
    (home / "workspaces" / row["workspace_id"] / "lock").write_text(note)


def _without_row(home: Path, row: dict[str, str]) -> None:
    """Makes a capture one that was killed between its ref and its row."""
    with contextlib.closing(sqlite3.connect(home / "rollouts.sqlite")) as catalog, catalog:
        catalog.execute("DELETE FROM snapshots WHERE id = ?", (row["id"],))
    _note(home, row, row["id"])


def test_a_capture_killed_before_its_row_is_found_by_the_next_one(home: Path, repo: Path, tmp_path: Path) -> None:
    row = snapshot(repo, "1")
    _without_row(home, row)
    assert snapshot(repo, "1")["id"] == row["id"]
    assert contents(restored(row["id"], tmp_path / "out")) == contents(repo)


def test_a_killed_capture_gives_way_when_its_session_went_on_elsewhere(home: Path, repo: Path, plain: Path) -> None:
    row = snapshot(repo, "1", session="wanders")
    _without_row(home, row)
    elsewhere = snapshot(plain, "1", session="wanders")
    here = snapshot(repo, "1", session="another")
    assert set(rows(home)) == {elsewhere["id"], here["id"]}
    assert "all is well" in ok("doctor")


def test_a_note_of_a_ref_without_its_commit_stops_no_capture(home: Path, repo: Path) -> None:
    row = snapshot(repo, "1")
    lost = "a" * 32
    (_store(home, row) / "refs" / "snapshots" / lost).write_text("b" * 40 + "\n")
    _note(home, row, lost)
    assert snapshot(repo, "2")["id"] in rows(home)
    assert "all is well" in ok("doctor")


def test_a_ref_lock_of_a_killed_git_stops_no_deletion(home: Path, repo: Path) -> None:
    row = snapshot(repo, "1")
    lock = _store(home, row) / "refs" / "snapshots" / f"{row['id']}.lock"
    lock.write_text("")
    _note(home, row, "delete")
    ok("delete", repo, "--session", "s", "--message", "1", "--yes")
    later = snapshot(repo, "2")
    assert rows(home) == [later["id"]]
    assert not lock.exists()


def test_a_workspace_killed_in_its_deletion_is_removed_by_doctor(home: Path, repo: Path, plain: Path) -> None:
    row = snapshot(repo, "1")
    other = snapshot(plain, "1", session="other")
    with contextlib.closing(sqlite3.connect(home / "rollouts.sqlite")) as catalog, catalog:
        catalog.execute("DELETE FROM snapshots WHERE id = ?", (row["id"],))
        catalog.execute("DELETE FROM workspaces WHERE id = ?", (row["workspace_id"],))
        catalog.execute("INSERT INTO deletions VALUES (?, ?)", (row["id"], row["workspace_id"]))
    ok("doctor", "--repair")
    assert not _store(home, row).exists()
    assert rows(home) == [other["id"]]
    assert "all is well" in ok("doctor")


def test_a_rebuild_that_was_killed_keeps_the_archive_urls(home: Path, repo: Path) -> None:
    snapshot(repo, "1")
    url = "https://git.example.com/a.git"
    with contextlib.closing(sqlite3.connect(home / "rollouts.sqlite")) as catalog, catalog:
        catalog.execute("UPDATE workspaces SET remote_url = ?", (url,))
    (home / "rollouts.sqlite").rename(home / "rollouts.sqlite.damaged-20260101T000000.000000001Z")
    (home / "rollouts.sqlite.new").write_bytes(b"half of a new one")
    snapshot(repo, "2")
    assert url in ok("list", "--json")


def _date_ahead(root: Path) -> None:
    """Makes files newer than any index, as those are that change within the second: git reads them each time."""
    for path in (root / "a.txt", root / "sub" / "b.bin"):
        os.utime(path, (time.time() + 3600,) * 2)


def test_the_same_files_are_captured_again_after_all_their_turns_were_deleted(plain: Path, tmp_path: Path) -> None:
    _date_ahead(plain)
    for message in ("1", "2"):
        snapshot(plain, message)
    for message in ("1", "2"):
        ok("delete", plain, "--session", "s", "--message", message, "--yes")
    row = snapshot(plain, "3")
    assert contents(restored(row["id"], tmp_path / "out")) == contents(plain)


def test_files_that_were_only_compared_are_captured_after_gc(plain: Path, tmp_path: Path) -> None:
    row = snapshot(plain, "1")
    (plain / "a.txt").write_bytes(b"two\n")
    _date_ahead(plain)
    for _ in range(2):
        ok("diff", row["id"], "--worktree")
    ok("gc")
    row = snapshot(plain, "2")
    assert contents(restored(row["id"], tmp_path / "out")) == contents(plain)


def test_the_same_files_are_captured_again_after_their_turn_was_deleted(repo: Path, tmp_path: Path) -> None:
    snapshot(repo, "1")
    ok("delete", repo, "--session", "s", "--message", "1", "--yes")
    row = snapshot(repo, "2")
    assert contents(restored(row["id"], tmp_path / "out")) == contents(repo)


def test_git_that_outlives_its_killed_parent_keeps_the_lock_until_it_ends(
    home: Path, repo: Path, tmp_path: Path
) -> None:
    row = snapshot(repo, "1")
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    wrapper = bin_folder / "git"  # a git whose write-tree takes its time
    wrapper.write_text(
        '#!/bin/sh\ncase "$*" in *write-tree*) echo $$ > "$SLOW"; sleep 3;; esac\nPATH="${PATH#*:}" exec git "$@"\n'
    )
    wrapper.chmod(0o755)
    mark = tmp_path / "slow"
    (repo / "a.txt").write_text("changed")
    env = os.environ | {"PATH": f"{bin_folder}:{os.environ['PATH']}", "SLOW": str(mark)}
    words = [*ROLLOUTS, "snapshot", str(repo), "--session", "s", "--message", "2", "--metadata", "{}"]
    with subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL) as killed:
        while not mark.exists():
            time.sleep(0.01)
        killed.send_signal(signal.SIGKILL)
    held = (home / "workspaces" / row["workspace_id"] / "lock").open("r+")
    with held as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    started = time.monotonic()
    later = snapshot(repo, "2")
    assert time.monotonic() - started > 1
    assert contents(restored(later["id"], tmp_path / "out")) == contents(repo)


def test_a_locked_workspace_is_waited_for_only_so_long(home: Path, repo: Path) -> None:
    row = snapshot(repo, "1")
    with (home / "workspaces" / row["workspace_id"] / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        words = ("snapshot", repo, "--session", "s", "--message", "2", "--metadata", "{}")
        busy = run(*words, env={"ROLLOUTS_LOCK_TIMEOUT": "0.3"})
    assert busy.code == 1
    assert busy.err == f"Error: workspace {repo} is busy: another rollouts process works on it; try again\n"
    assert run(*words).code == 0


def test_a_lock_timeout_that_is_no_number_is_one_clear_line(repo: Path) -> None:
    words = ("snapshot", repo, "--session", "s", "--message", "1", "--metadata", "{}")
    for wrong in ("soon", "nan", "-1", "inf"):
        refused = run(*words, env={"ROLLOUTS_LOCK_TIMEOUT": wrong})
        assert (refused.code, refused.err) == (
            1,
            f"Error: ROLLOUTS_LOCK_TIMEOUT is {wrong!r}; give a number of seconds\n",
        )
