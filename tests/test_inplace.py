"""`rollouts restore --in-place` and `rollouts undo`: what changes, what stays, what is reported."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from helpers import (
    ROLLOUTS,
    SLOW,
    contents,
    failure,
    fingerprint,
    git,
    new_repository,
    ok,
    put,
    query,
    run,
    snapshot,
    tree,
)

NO_OVERRIDE = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--") if os.geteuid() == 0 else ()
both = pytest.mark.parametrize("workspace", ["repo", "plain"])


@pytest.fixture
def root(workspace: str, request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(workspace)
    return found


def in_place(turn: dict[str, Any], *words: str, code: int = 0) -> dict[str, Any]:
    """Restores a snapshot in its workspace. Returns the JSON document."""
    result = run("restore", "--snapshot", turn["id"], "--in-place", "--yes", "--json", *words)
    assert result.code == code, result
    document: dict[str, Any] = json.loads(result.out)
    return document


def undo(root: Path, code: int = 0) -> dict[str, Any]:
    result = run("undo", root, "--yes", "--json")
    assert result.code == code, result
    document: dict[str, Any] = json.loads(result.out)
    return document


def actions(document: dict[str, Any]) -> dict[str, str]:
    return {change["path"]: change["action"] for change in document["changes"]}


def skips(document: dict[str, Any]) -> dict[str, str]:
    return {skip["path"]: skip["reason"] for skip in document["skipped"]}


# What changes


@both
def test_the_differing_paths_change_and_no_other(root: Path) -> None:
    put(root, "same.txt")
    old = snapshot(root, "old")
    put(root, "a.txt", b"new\n")
    (root / "sub" / "b.bin").unlink()
    put(root, "unknown.txt", b"stays\n")
    before = fingerprint(root)
    done = in_place(old)
    assert actions(done) == {"a.txt": "replaced", "sub/b.bin": "created"}
    assert (done["files"], done["skipped"], done["snapshot_id"]) == (2, [], old["id"])
    assert (root / "a.txt").read_bytes() == b"one\n"
    assert (root / "unknown.txt").read_bytes() == b"stays\n"
    after = fingerprint(root)
    touched = {os.fsencode(root) + name for name in (b"/a.txt", b"/sub", b"/sub/b.bin", b"/.", b"/sub/.")}
    assert {path: after[path] for path in before if path not in touched} == {
        path: found for path, found in before.items() if path not in touched
    }


def test_the_lines_of_the_original_and_each_path_are_printed(repo: Path) -> None:
    old = snapshot(repo, "old", session="S")
    put(repo, "a.txt", b"new\n")
    out = ok("restore", repo, "--session", "S", "--message", "old", "--in-place", "--yes").splitlines()
    assert out[:4] == [
        f"Restored snapshot {old['id']}",
        "session: S",
        "message: old",
        f"store commit: {old['store_commit_sha']}",
    ]
    assert out[4:6] == [f"destination: {repo}", "replaced: a.txt"]
    assert out[6].startswith("safety snapshot: ")
    undone = ok("undo", repo, "--yes").splitlines()
    assert undone[5] == "replaced: a.txt"
    assert (repo / "a.txt").read_bytes() == b"new\n"


def test_the_users_git_sees_changed_files_and_nothing_else(repo: Path) -> None:
    old = snapshot(repo, "old")
    put(repo, "a.txt", b"new\n")
    git("add", "a.txt", cwd=repo)
    git("commit", "-qm", "second", cwd=repo)
    put(repo, "staged.txt")
    git("add", "staged.txt", cwd=repo)
    git("status", cwd=repo)
    before = fingerprint(repo / ".git")
    in_place(old)
    assert fingerprint(repo / ".git") == before
    assert git("status", "--porcelain", cwd=repo).splitlines() == [" M a.txt", "A  staged.txt"]


@both
def test_types_change_both_ways_and_back(root: Path) -> None:
    put(root, "file")
    put(root, "folder/inside/deep.txt")
    (root / "link").symlink_to("a.txt")
    (root / "empty").mkdir()
    old, before = snapshot(root, "old"), tree(root)
    (root / "file").unlink()
    put(root, "file/now/a/folder.txt")
    shutil.rmtree(root / "folder")
    put(root, "folder", b"now a file\n")
    (root / "link").unlink()
    put(root, "link/now.txt")
    (root / "empty").rmdir()
    (root / "empty").symlink_to("..")
    new, after = snapshot(root, "new"), tree(root)
    for turn, expected in ((old, before), (new, after), (old, before)):
        assert skips(in_place(turn, "--verify")) == {}
        assert {path: found for path, found in tree(root).items() if path in expected} == expected
    undo(root)
    assert tree(root) == after
    undo(root)
    assert {path: found for path, found in tree(root).items() if path in before} == before


def test_odd_names_come_and_go(plain: Path) -> None:
    names = [b"\xff\xfe", b"new\nline", b"-dash", b" ", b"*", "é".encode(), b"[x]", b"a'b"]
    for name in names:
        Path(os.fsdecode(os.fsencode(plain) + b"/" + name)).write_bytes(name)
    old, before = snapshot(plain, "old"), tree(plain)
    for name in names:
        os.unlink(os.fsencode(plain) + b"/" + name)
    done = in_place(old)
    assert len(done["changes"]) == len(names)
    assert {"path_b64": "//4=", "action": "created"} in done["changes"]
    assert tree(plain) == before
    undo(plain)
    assert sorted(os.listdir(plain)) == ["a.txt", "sub"]


def test_the_exec_bit_comes_back_and_other_permissions_stay(repo: Path) -> None:
    put(repo, "run.sh")
    (repo / "run.sh").chmod(0o700)
    put(repo, "secret", b"1")
    (repo / "secret").chmod(0o600)
    old = snapshot(repo, "old")
    (repo / "run.sh").chmod(0o640)
    put(repo, "secret", b"2")
    mtime = (repo / "run.sh").stat().st_mtime_ns
    assert actions(in_place(old)) == {"run.sh": "mode", "secret": "replaced"}
    assert stat.S_IMODE((repo / "run.sh").stat().st_mode) == 0o750
    assert (repo / "run.sh").stat().st_mtime_ns == mtime
    assert stat.S_IMODE((repo / "secret").stat().st_mode) == 0o600
    undo(repo)
    assert stat.S_IMODE((repo / "run.sh").stat().st_mode) == 0o640


def test_every_permission_bit_of_a_plain_directory_comes_back(plain: Path) -> None:
    put(plain, "deep/er/x")
    (plain / "deep" / "er" / "x").chmod(0o604)
    (plain / "deep" / "er").chmod(0o711)
    (plain / "deep").chmod(0o705)
    old, before = snapshot(plain, "old"), tree(plain)
    (plain / "deep").chmod(0o755)
    (plain / "a.txt").chmod(0o666)
    after = tree(plain)
    assert actions(in_place(old)) == {"deep": "mode", "a.txt": "mode"}
    assert tree(plain) == before
    undo(plain)
    assert tree(plain) == after
    shutil.rmtree(plain / "deep")
    in_place(old)
    assert tree(plain) == before


# What stays


def test_ignored_and_unknown_files_are_never_touched(repo: Path) -> None:
    put(repo, "build.log", b"once captured\n")
    put(repo, "out", b"a file once\n")
    put(repo, "nest", b"a file once\n")
    old = snapshot(repo, "old")
    put(repo, ".gitignore", b"*.log\n")
    put(repo, "build.log", b"precious and in no snapshot\n")
    (repo / "out").unlink()
    put(repo, "out/result.log", b"precious as well\n")
    (repo / "nest").unlink()
    new_repository(repo / "nest")
    before = contents(repo, without=())
    done = in_place(old, code=1)
    assert actions(done) == {}
    assert skips(done).keys() == {"build.log", "out", "nest"}
    assert "no snapshot" in skips(done)["build.log"]
    assert "out/result.log" in skips(done)["out"]
    assert contents(repo, without=()) == before
    result = run("restore", "--snapshot", old["id"], "--in-place", "--yes")
    assert result.code == 1
    assert "skipped: build.log (" in result.out
    assert result.err.startswith("Error: 3 paths could not be restored")


def test_an_ignored_file_with_the_same_content_is_no_matter(repo: Path) -> None:
    put(repo, "build.log", b"the same\n")
    old = snapshot(repo, "old")
    put(repo, ".gitignore", b"*.log\n")
    put(repo, "a.txt", b"new\n")
    assert actions(in_place(old)) == {"a.txt": "replaced"}


def test_nothing_is_written_through_a_link(repo: Path, tmp_path: Path) -> None:
    put(repo, "dir/file", b"inside\n")
    old = snapshot(repo, "old")
    shutil.rmtree(repo / "dir")
    (tmp_path / "elsewhere").mkdir()
    put(tmp_path / "elsewhere", "file", b"foreign\n")
    (repo / "dir").symlink_to(tmp_path / "elsewhere")
    in_place(old)
    assert (tmp_path / "elsewhere" / "file").read_bytes() == b"foreign\n"
    assert not (repo / "dir").is_symlink()
    undo(repo)
    assert (repo / "dir").readlink() == tmp_path / "elsewhere"
    put(repo, ".gitignore", b"dir\n")
    done = in_place(old, code=1)
    assert "dir is in the way" in skips(done)["dir/file"]
    assert (repo / "dir").is_symlink()


def test_a_home_inside_the_workspace_is_left_alone(tmp_path: Path) -> None:
    root = tmp_path / "around"
    put(root, "h/file.txt", b"where the home comes later\n")
    env = {"ROLLOUTS_HOME": str(tmp_path / "first")}
    ok("snapshot", root, "--session", "s", "--message", "m", "--metadata", "{}", env=env)
    shutil.rmtree(root / "h")
    shutil.copytree(tmp_path / "first", root / "h")
    env = {"ROLLOUTS_HOME": str(root / "h")}
    result = run("restore", root, "--session", "s", "--message", "m", "--in-place", "--yes", "--json", env=env)
    assert result.code == 1
    assert "Rollouts home" in skips(json.loads(result.out))["h/file.txt"]
    assert ok("list", env=env)


# Before it begins


@both
def test_a_dry_run_and_a_no_change_nothing(root: Path, home: Path) -> None:
    old = snapshot(root, "old")
    put(root, "a.txt", b"new\n")
    before = fingerprint(root)
    done = in_place(old, "--dry-run")
    assert (actions(done), done["dry_run"], done["safety_snapshot_id"]) == ({"a.txt": "replaced"}, True, None)
    result = run("restore", "--snapshot", old["id"], "--in-place", stdin=b"n\n")
    assert (result.code, result.out) == (1, "Cancelled.\n")
    assert "1 replaced" in result.err
    assert "`rollouts undo` takes it back" in result.err
    unanswered = run("restore", "--snapshot", old["id"], "--in-place")
    assert (unanswered.code, unanswered.out) == (2, "")
    assert "--yes" in unanswered.err
    assert fingerprint(root) == before
    assert query(home, "SELECT count(*) FROM snapshots") == [(1,)]


@both
def test_nothing_to_change_takes_no_safety_snapshot(root: Path, home: Path) -> None:
    old = snapshot(root, "old")
    done = in_place(old)
    assert (done["changes"], done["safety_snapshot_id"]) == ([], None)
    assert "nothing to change" in ok("restore", "--snapshot", old["id"], "--in-place")
    assert query(home, "SELECT count(*) FROM snapshots") == [(1,)]


def test_nothing_to_undo_is_an_error(plain: Path, tmp_path: Path) -> None:
    assert "not initialized" in failure(run("undo", tmp_path, "--yes"))
    snapshot(plain)
    assert failure(run("undo", plain, "--yes")).startswith("nothing to undo in ")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--in-place", "--dest", "d"), "--in-place cannot be combined with --dest"),
        ((), "Missing option '--dest', or --in-place"),
        (("--dest", "d", "--dry-run"), "go with --in-place"),
        (("--dest", "d", "--yes"), "go with --in-place"),
        (("--in-place", "--path", "/"), "--path needs a GLOB"),
    ],
)
def test_options_that_exclude_each_other(words: tuple[str, ...], reason: str, plain: Path) -> None:
    snapshot(plain)
    turn = ("restore", plain, "--session", "s", "--message", "m")
    assert reason in failure(run(*turn, *words), 2)
    assert reason in failure(run("restore", plain, "--session=s", "--message=m", *words), 2)


def test_a_workspace_that_is_gone_is_an_error_that_names_dest(plain: Path) -> None:
    turn = snapshot(plain)
    shutil.rmtree(plain)
    assert "--dest DIR" in failure(run("restore", "--snapshot", turn["id"], "--in-place", "--yes"))


# Part of it


def test_globs_limit_a_restore_and_its_undo(plain: Path) -> None:
    put(plain, "sub/c.txt", b"c\n")
    put(plain, "sub/gone.txt")
    old = snapshot(plain, "old")
    for name in ("a.txt", "sub/b.bin", "sub/c.txt"):
        put(plain, name, b"new\n")
    (plain / "sub" / "gone.txt").unlink()
    before = tree(plain)
    assert actions(in_place(old, "--path", "sub/*.txt")) == {"sub/c.txt": "replaced", "sub/gone.txt": "created"}
    put(plain, "a.txt", b"newer\n")
    assert actions(undo(plain)) == {"sub/c.txt": "replaced", "sub/gone.txt": "deleted"}
    put(plain, "a.txt", b"new\n")
    assert tree(plain) == before
    assert "matches" in failure(run("restore", "--snapshot", old["id"], "--in-place", "--yes", "--path", "no/**"))


# Undo


@both
def test_undo_takes_away_what_the_restore_brought_and_leaves_what_came_since(root: Path) -> None:
    put(root, "only/then/x.txt")
    (root / "then empty").mkdir()
    old = snapshot(root, "old")
    shutil.rmtree(root / "only")
    (root / "then empty").rmdir()
    put(root, "a.txt", b"new\n")
    before = tree(root)
    in_place(old)
    put(root, "came since.txt")
    undo(root)
    now = tree(root)
    assert now.pop(b"came since.txt")
    assert now == before


def test_undo_of_undo_and_again(repo: Path) -> None:
    old = snapshot(repo, "old")
    put(repo, "a.txt", b"new\n")
    before = tree(repo)
    in_place(old)
    after = tree(repo)
    for expected in (before, after, before, after):
        undo(repo)
        assert tree(repo) == expected


def test_undo_after_the_restored_turn_was_deleted_brings_all_content_back(repo: Path) -> None:
    put(repo, "brought.txt")
    old = snapshot(repo, "old")
    (repo / "brought.txt").unlink()
    put(repo, "a.txt", b"new\n")
    snapshot(repo, "new")
    in_place(old)
    ok("delete", "--snapshot", old["id"], "--yes")
    result = run("undo", repo, "--yes")
    assert result.code == 0
    assert "is deleted since" in result.err
    assert (repo / "a.txt").read_bytes() == b"new\n"
    assert (repo / "brought.txt").exists()


def test_undo_from_a_sub_directory_and_in_one_workspace_only(repo: Path, plain: Path) -> None:
    turns = [snapshot(root, "old", session=root.name) for root in (repo, plain)]
    for root, turn in zip((repo, plain), turns, strict=True):
        put(root, "a.txt", b"new\n")
        in_place(turn)
    ok("undo", "--yes", cwd=repo / "sub")
    assert (repo / "a.txt").read_bytes() == b"new\n"
    assert (plain / "a.txt").read_bytes() == b"one\n"


# Faults


def test_what_cannot_be_written_is_reported_and_the_rest_is_done(repo: Path) -> None:
    old = snapshot(repo, "old")
    put(repo, "a.txt", b"new\n")
    put(repo, "sub/b.bin", b"new\n")
    (repo / "sub").chmod(0o555)
    words = ("restore", "--snapshot", old["id"], "--in-place", "--yes", "--json")
    result = run(*words, under=NO_OVERRIDE)
    (repo / "sub").chmod(0o755)
    assert result.code == 1, result
    done = json.loads(result.out)
    assert actions(done) == {"a.txt": "replaced"}
    assert skips(done) == {"sub/b.bin": "Permission denied"}
    assert (repo / "sub" / "b.bin").read_bytes() == b"new\n"
    undo(repo)
    assert (repo / "a.txt").read_bytes() == b"new\n"


def test_a_directory_that_cannot_be_searched_is_skipped_and_the_rest_is_done(repo: Path) -> None:
    (repo / "empty").mkdir()
    put(repo, "closed/inside/x")
    put(repo, "was a file")
    old = snapshot(repo, "old")
    put(repo, "a.txt", b"new\n")
    (repo / "was a file").unlink()
    put(repo, "was a file/now")
    for name in ("closed", "was a file"):
        (repo / name).chmod(0o000)
    result = run("restore", "--snapshot", old["id"], "--in-place", "--yes", "--json", under=NO_OVERRIDE)
    for name in ("closed", "was a file"):
        (repo / name).chmod(0o755)
    assert result.code == 1, result
    done = json.loads(result.out)
    assert actions(done) == {"a.txt": "replaced"}
    assert skips(done) == dict.fromkeys(("closed/inside/x", "was a file"), "Permission denied")
    assert (repo / "was a file" / "now").exists()


def test_two_restores_and_captures_at_once_leave_one_of_the_two(repo: Path) -> None:
    turns = []
    for text in (b"x\n", b"y\n"):
        for number in range(30):
            put(repo, f"f{number}", text)
        turns.append(snapshot(repo, text.decode().strip()))
    takes = [("snapshot", str(repo), "--session", "s", "--message", f"c{n}", "--metadata", "{}") for n in range(4)]
    restores = [("restore", "--snapshot", str(turn["id"]), "--in-place", "--yes") for turn in turns * 3]
    commands: tuple[tuple[str, ...], ...] = (*restores, *takes)
    running = [subprocess.Popen([*ROLLOUTS, *words], stdout=subprocess.DEVNULL) for words in commands]
    assert [process.wait(60) for process in running] == [0] * len(running)
    assert {(repo / f"f{number}").read_bytes() for number in range(30)} in ({b"x\n"}, {b"y\n"})
    for number in range(4):
        ok("restore", repo, "--session", "s", "--message", f"c{number}", "--dest", repo.parent / f"c{number}")
        assert len({(repo.parent / f"c{number}" / f"f{n}").read_bytes() for n in range(30)}) == 1


def test_a_damaged_store_is_one_line_and_changes_nothing(repo: Path, home: Path) -> None:
    old = snapshot(repo, "old")
    put(repo, "a.txt", b"new\n")
    (store,) = home.glob("workspaces/*/store.git")
    oid = git("hash-object", "--stdin", stdin=b"one\n", cwd=repo).strip()
    for path in store.glob("objects/pack/pack-*"):
        path.unlink()
    (store / "objects" / oid[:2] / oid[2:]).unlink(missing_ok=True)
    before = contents(repo)
    failure(run("restore", "--snapshot", old["id"], "--in-place", "--yes"))
    assert contents(repo) == before


STOPPED_WHILE_CLEARING_UP = """
import os, sys
def stop(event, arguments):
    if event == "os.rmdir" and os.fsdecode(arguments[0]).startswith(f"{os.getcwd()}/.rollouts-restore-"):
        raise KeyboardInterrupt
sys.addaudithook(stop)
from rollouts.cli import main
main()
"""


def test_what_ctrl_c_left_of_a_restore_is_gone_with_the_next_command(repo: Path) -> None:
    """In the instant in which its own directory is being removed."""
    turn = snapshot(repo, "old")
    put(repo, "a.txt", b"new\n")
    before = tree(repo)
    words = ("restore", "--snapshot", turn["id"], "--in-place", "--yes")
    command = [sys.executable, "-c", STOPPED_WHILE_CLEARING_UP, *words]
    ended = subprocess.run(command, check=False, cwd=repo, capture_output=True, text=True, timeout=SLOW)
    assert ended.returncode == 130, ended
    assert [*repo.glob(".rollouts-restore-*")]
    undo(repo)
    assert tree(repo) == before
