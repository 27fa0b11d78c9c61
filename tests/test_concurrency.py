"""Many processes at once: each succeeds or fails in one clear line, and the home holds together afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers import ROLLOUTS, SLOW, Result, contents, ok, restored, rows, snapshot

MANY = 16
Words = tuple[str | Path, ...]


def _start(words: Words, env: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*ROLLOUTS, *words],
        env=os.environ | env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def at_once(*commands: Words, env: dict[str, str] | None = None) -> list[Result]:
    """Runs command lines side by side; none of them may end in anything but success or one line that says why."""
    running = [_start(words, env or {}) for words in commands]
    results = []
    for process in running:
        out, err = process.communicate(timeout=SLOW)
        results.append(Result(process.returncode, out.decode(), err.decode()))
    for words, result in zip(commands, results, strict=True):
        clear = result.code == 1 and result.err.startswith("Error: ") and result.err.count("\n") == 1
        assert result.code == 0 or clear, (words, result)
    return results


def capture(workspace: Path, message: object, session: str = "s") -> Words:
    return ("snapshot", workspace, "--session", session, "--message", str(message), "--metadata", "{}", "--json")


def ids(results: list[Result]) -> list[str]:
    """The snapshot ids that captures printed; every one of them must have succeeded."""
    assert {result.code for result in results} == {0}, results
    return [json.loads(result.out)["id"] for result in results]


def assert_well(home: Path, out: Path, *workspaces: Path) -> None:
    """Doctor finds nothing, and each listed row restores to what one of the workspaces holds."""
    assert "all is well" in ok("doctor")
    wanted = [contents(workspace) for workspace in workspaces]
    for row in rows(home):
        assert contents(restored(row, out / row)) in wanted


def workspaces(folder: Path) -> list[Path]:
    roots = [folder / f"workspace {number}" for number in range(MANY)]
    for root in roots:
        root.mkdir()
        (root / "file").write_text(root.name)
    return roots


def test_different_turns_of_one_workspace_are_all_stored(home: Path, repo: Path, tmp_path: Path) -> None:
    created = ids(at_once(*(capture(repo, number) for number in range(MANY))))
    assert len(set(created)) == MANY
    assert set(rows(home)) == set(created)
    assert_well(home, tmp_path / "out", repo)


def test_the_same_turn_is_stored_once_and_everyone_is_told_its_id(home: Path, repo: Path, tmp_path: Path) -> None:
    created = ids(at_once(*[capture(repo, "same")] * MANY))
    assert set(created) == set(rows(home))
    assert len(set(created)) == 1
    assert_well(home, tmp_path / "out", repo)


@pytest.mark.parametrize("attempt", range(3))
def test_many_workspaces_meet_on_a_fresh_home(home: Path, tmp_path: Path, attempt: int) -> None:
    roots = workspaces(tmp_path)
    created = ids(at_once(*(capture(root, attempt, root.name) for root in roots)))
    assert set(rows(home)) == set(created)
    assert len(created) == MANY
    assert "all is well" in ok("doctor")


def test_two_homes_keep_apart(home: Path, repo: Path, tmp_path: Path) -> None:
    other = {"ROLLOUTS_HOME": str(tmp_path / "other home")}
    second = _start(capture(repo, "other"), other)
    ids(at_once(*(capture(repo, number) for number in range(4))))
    assert second.wait(SLOW) == 0
    second.communicate()
    assert len(rows(home)) == 4
    assert json.loads(ok("list", "--json", env=other))["workspaces"][0]["snapshots"] == 1


def _beside(repo: Path, out: Path, disturbance: Words) -> list[Result]:
    """Captures, restores and listings while something else goes on, three times."""
    known = snapshot(repo, "known", "kept")["id"]
    commands: list[Words] = []
    for number in range(5):
        snapshot(repo, f"doomed {number}", "doomed")
        commands += [capture(repo, number), capture(repo, number, "doomed"), ("list", "--json")]
        commands += [("restore", "--snapshot", known, "--dest", out / f"beside {number}"), disturbance]
    return at_once(*commands)


@pytest.mark.parametrize("options", [("--session", "doomed"), (), ("--all",)], ids=["session", "workspace", "all"])
def test_captures_beside_deletions_are_told_the_truth(
    home: Path, repo: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    where = () if options == ("--all",) else (repo,)
    results = _beside(repo, tmp_path / "restored", ("delete", *where, *options, "--yes"))
    captured = [result for number, result in enumerate(results) if number % 5 < 2]
    ids(captured)
    for copy in (tmp_path / "restored").glob("*"):
        assert contents(copy) == contents(repo)
    assert_well(home, tmp_path / "out", repo)


def test_captures_beside_a_doctor_at_work_succeed(home: Path, repo: Path, tmp_path: Path) -> None:
    results = _beside(repo, tmp_path / "restored", ("doctor", "--repair"))
    ids([result for number, result in enumerate(results) if number % 5 < 2])
    assert {result.code for result in results} == {0}, results
    assert len(rows(home)) == 1 + 5 + 5 + 5
    assert_well(home, tmp_path / "out", repo)


def test_first_captures_beside_a_doctor_at_work_succeed(home: Path, tmp_path: Path) -> None:
    roots = workspaces(tmp_path)
    results = at_once(*(words for root in roots for words in (capture(root, 1, root.name), ("doctor", "--repair"))))
    assert set(rows(home)) == set(ids(results[::2]))
    assert {result.code for result in results} == {0}, results
    assert "all is well" in ok("doctor")


@pytest.mark.parametrize("damage", [b"", b"this is no database" * 500], ids=["lost", "damaged"])
def test_many_processes_meet_a_home_without_a_good_catalog(
    home: Path, repo: Path, tmp_path: Path, damage: bytes
) -> None:
    known = snapshot(repo, "known")["id"]
    for path in home.glob("rollouts.sqlite*"):
        path.unlink()
    if damage:
        (home / "rollouts.sqlite").write_bytes(damage)
    running = [_start(capture(repo, number), {}) for number in range(MANY)]
    ended = [process.communicate(timeout=SLOW) for process in running]
    assert {process.returncode for process in running} == {0}, ended
    assert set(rows(home)) == {known, *(json.loads(out)["id"] for out, _ in ended)}
    assert len(list(home.glob("rollouts.sqlite.damaged-*"))) <= 1
    assert_well(home, tmp_path / "out", repo)


def test_many_restores_into_one_directory_all_succeed(repo: Path, tmp_path: Path) -> None:
    row = snapshot(repo)["id"]
    out = tmp_path / "out"
    results = at_once(*(("restore", "--snapshot", row, "--dest", out / str(number)) for number in range(MANY)))
    assert {result.code for result in results} == {0}, results
    assert sorted(path.name for path in out.iterdir()) == sorted(map(str, range(MANY)))
    for copy in out.iterdir():
        assert contents(copy) == contents(repo)


def test_one_of_many_restores_to_the_same_place_wins(repo: Path, tmp_path: Path) -> None:
    row = snapshot(repo)["id"]
    out = tmp_path / "out"
    results = at_once(*[("restore", "--snapshot", row, "--dest", out / "same")] * MANY)
    assert sorted(result.code for result in results) == [0] + [1] * (MANY - 1)
    assert all("destination already exists" in result.err for result in results if result.code), results
    assert [path.name for path in out.iterdir()] == ["same"]
    assert contents(out / "same") == contents(repo)


OVERTAKEN = """
import os, sys
def overtake(event, arguments):
    if event == "os.rename" and arguments[1] == sys.argv[-1]:
        os.mkdir(sys.argv[-1])
        open(sys.argv[-1] + "/theirs", "x").close()
sys.addaudithook(overtake)
from rollouts.cli import main
main()
"""


def test_a_destination_made_in_the_last_instant_is_left_alone(repo: Path, tmp_path: Path) -> None:
    """Between the last look and the rename."""
    out = tmp_path / "out" / "same"
    command = [sys.executable, "-c", OVERTAKEN, "restore", "--snapshot", snapshot(repo)["id"], "--dest", str(out)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=SLOW)
    assert ended.returncode == 1
    assert f"Error: destination already exists: {out}" in ended.stderr, ended
    assert [path.name for path in out.parent.rglob("*")] == ["same", "theirs"]


SCRATCHING = """
import os, sys
from rollouts.storage.scratch import scratch, sweep
for _ in range(100):
    with scratch(sys.argv[1]) as room:
        os.mkdir(room + "/tree")
        sweep(sys.argv[1])
        os.stat(room + "/tree"), os.stat(room + "/lock")
"""


def test_sweepers_take_nothing_from_those_at_work(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRATCHING, str(tmp_path)]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(8)]
    assert [process.communicate(timeout=SLOW)[1].decode() for process in running] == [""] * 8
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".rollouts-restore-")] == []


def test_a_capture_waits_for_a_program_that_writes_the_catalog(home: Path, repo: Path) -> None:
    snapshot(repo, "1")
    with contextlib.closing(sqlite3.connect(home / "rollouts.sqlite", isolation_level=None)) as catalog:
        catalog.execute("BEGIN IMMEDIATE")
        waiting = [_start(capture(repo, number), {}) for number in range(2, 5)]
        time.sleep(2)
        assert {process.poll() for process in waiting} == {None}
        catalog.execute("ROLLBACK")
    assert [process.wait(SLOW) for process in waiting] == [0, 0, 0]
    for process in waiting:
        process.communicate()
    assert len(rows(home)) == 4
