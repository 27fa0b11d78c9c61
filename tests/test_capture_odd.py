"""Capture of what cannot be stored, of what changes meanwhile, of big, empty and many things."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from helpers import (
    captured,
    commit_all,
    contents,
    failure,
    git,
    new_repository,
    ok,
    put,
    restored,
    run,
    skipped,
    snapshot,
    store_of,
    tree,
)

SMALL = {"ROLLOUTS_MAX_FILE_SIZE": "10K"}
WORDS = ("--session", "s", "--metadata", "{}", "--json", "--message")
both = pytest.mark.parametrize("workspace", ["repo", "plain"])


@pytest.fixture
def root(workspace: str, request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(workspace)
    return found


@pytest.fixture
def unprivileged() -> tuple[str, ...]:
    """A command prefix under which file permissions count, also for root."""
    if os.geteuid() != 0:
        return ()
    if not shutil.which("setpriv"):
        pytest.skip("root reads everything, and there is no setpriv to prevent that")
    return ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--")


def _taken(root: Path, under: tuple[str, ...], message: str) -> dict[str, Any]:
    result = run("snapshot", root, *WORDS, message, under=under)
    assert result.code == 0, result
    found: dict[str, Any] = json.loads(result.out)
    return found


# Pipes, sockets, devices


@both
def test_pipes_sockets_and_links_to_them(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    os.mkfifo("sub/pipe")
    (root / "link").symlink_to("sub/pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("sock")
    for _ in range(2):
        turn = captured(root)
        assert skipped(turn.snapshot) == {"sock": "socket", "sub/pipe": "fifo"}
        assert contents(turn.files).keys() == {b"a.txt", b"sub/b.bin", b"link"}


@both
def test_a_device_is_skipped_and_told(root: Path) -> None:
    try:
        os.mknod(root / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root may make a device")
    assert skipped(captured(root).snapshot) == {"null": "device"}


@both
def test_a_skip_is_told_on_stderr(root: Path) -> None:
    os.mkfifo(root / "pipe")
    result = run("snapshot", root, "--session", "s", "--message", "m", "--metadata", "{}")
    assert result.err == "Warning: 1 path was skipped; `rollouts show` says which and why\n"


def test_a_pipe_that_a_rule_ignores_is_not_told(repo: Path) -> None:
    put(repo, ".gitignore", b"*.pipe\n/run\n")
    nested = new_repository(repo / "nested")
    put(nested, ".gitignore", b"here\n")
    (repo / "run").mkdir()
    for path in ("a.pipe", "sub/b.pipe", "run/c", "nested/here"):
        os.mkfifo(repo / path)
    os.mkfifo(nested / "d.pipe")
    assert skipped(captured(repo).snapshot) == {"nested/d.pipe": "fifo"}


def test_a_pipe_in_a_directory_without_files_is_told(repo: Path) -> None:
    (repo / "run" / "deep" / "empty").mkdir(parents=True)
    os.mkfifo(repo / "run" / "deep" / "pipe")
    turn = captured(repo)
    assert skipped(turn.snapshot) == {"run/deep/pipe": "fifo"}
    assert (turn.files / "run" / "deep" / "empty").is_dir()


@both
def test_a_file_becomes_a_pipe_and_a_file_again(root: Path) -> None:
    captured(root)
    (root / "a.txt").unlink()
    os.mkfifo(root / "a.txt")
    for _ in range(2):
        turn = captured(root)
        assert skipped(turn.snapshot) == {"a.txt": "fifo"}
        assert contents(turn.files).keys() == {b"sub/b.bin"}
    (root / "a.txt").unlink()
    put(root, "a.txt", b"back\n")
    assert tree(captured(root).files) == tree(root)


# What may not be read


@both
def test_an_unreadable_file_is_skipped_until_it_can_be_read(root: Path, tmp_path: Path, unprivileged: Any) -> None:
    put(root, "secret", b"one\n", mode=0o000)
    for message in ("1", "2"):
        assert skipped(_taken(root, unprivileged, message)) == {"secret": "unreadable"}
    (root / "secret").chmod(0o600)
    taken = _taken(root, unprivileged, "3")
    assert taken["skipped"] == []
    assert contents(restored(taken["id"], tmp_path / "r")) == contents(root)


@both
def test_a_file_that_becomes_unreadable_is_never_stored_stale(root: Path, tmp_path: Path, unprivileged: Any) -> None:
    _taken(root, unprivileged, "1")
    put(root, "a.txt", b"newer\n", mode=0o000)
    for message in ("2", "3"):
        taken = _taken(root, unprivileged, message)
        assert skipped(taken) == {"a.txt": "unreadable"}
        assert contents(restored(taken["id"], tmp_path / message)).keys() == {b"sub/b.bin"}
    (root / "a.txt").chmod(0o644)
    taken = _taken(root, unprivileged, "4")
    assert contents(restored(taken["id"], tmp_path / "4")) == contents(root)


@both
@pytest.mark.parametrize("mode", [0o000, 0o600])
def test_an_unreadable_directory_is_never_stored_stale(
    root: Path, tmp_path: Path, unprivileged: Any, mode: int
) -> None:
    _taken(root, unprivileged, "1")
    put(root, "sub/b.bin", b"newer\n")
    (root / "sub").chmod(mode)
    for message in ("2", "3"):
        taken = _taken(root, unprivileged, message)
        assert set(skipped(taken).values()) == {"unreadable"}
        assert all(path in {"sub", "sub/b.bin"} for path in skipped(taken))
        assert contents(restored(taken["id"], tmp_path / message)).keys() == {b"a.txt"}
    (root / "sub").chmod(0o755)
    taken = _taken(root, unprivileged, "4")
    assert taken["skipped"] == []
    assert contents(restored(taken["id"], tmp_path / "4")) == contents(root)


@both
def test_an_unreadable_directory_is_skipped_at_the_first_capture(root: Path, tmp_path: Path, unprivileged: Any) -> None:
    put(root, "new/deep/f")
    (root / "new" / "deep").chmod(0o000)
    taken = _taken(root, unprivileged, "1")
    assert skipped(taken) == {"new/deep": "unreadable"}
    (root / "new" / "deep").chmod(0o755)
    taken = _taken(root, unprivileged, "2")
    assert contents(restored(taken["id"], tmp_path / "r")) == contents(root)


def test_an_unreadable_directory_that_a_rule_ignores_is_not_told(repo: Path, unprivileged: Any) -> None:
    put(repo, ".gitignore", b"/hidden/\n")
    (repo / "hidden").mkdir(mode=0o000)
    assert _taken(repo, unprivileged, "1")["skipped"] == []


def test_a_directory_that_can_be_searched_but_not_listed_keeps_its_tracked_files(
    repo: Path, tmp_path: Path, unprivileged: Any
) -> None:
    (repo / "sub").chmod(0o300)
    for message in ("1", "2"):
        put(repo, "sub/b.bin", message.encode())
        taken = _taken(repo, unprivileged, message)
        assert contents(restored(taken["id"], tmp_path / message)) == {
            b"a.txt": contents(repo)[b"a.txt"],
            b"sub/b.bin": contents(repo)[b"sub/b.bin"],
        }
        assert skipped(taken) == {"sub": "unreadable"}
    (repo / "sub").chmod(0o700)


def test_unreadable_attributes_and_ignore_rules_do_not_stop_a_capture(repo: Path, unprivileged: Any) -> None:
    put(repo, ".gitattributes", b"* text\n", mode=0o000)
    put(repo, "sub/.gitignore", b"*\n", mode=0o000)
    for message in ("1", "2", "3"):
        put(repo, "a.txt", message.encode())
        assert set(skipped(_taken(repo, unprivileged, message))) == {".gitattributes", "sub/.gitignore"}


def test_a_nested_repository_whose_git_file_is_unreadable_is_captured(
    repo: Path, tmp_path: Path, unprivileged: Any
) -> None:
    git("init", "-q", f"--separate-git-dir={tmp_path / 'elsewhere'}", "nested", cwd=repo)
    put(repo, "nested/f.txt")
    (repo / "nested" / ".git").chmod(0o000)
    taken = _taken(repo, unprivileged, "1")
    assert contents(restored(taken["id"], tmp_path / "r")) == contents(repo)


# While files change

CHURN = """
import os, sys
os.chdir(sys.argv[1])
number = 0
while True:
    number += 1
    n = number % 23
    open(f"new{n}", "w").write("x" * number)
    open("grows", "a").write("y" * 100)
    with open("steady", "r+") as file:
        file.truncate(number % 5000)
        file.write("z" * (number % 9000))
    os.makedirs(f"d{n}/e", exist_ok=True)
    open(f"d{n}/e/f", "w").write(str(number))
    os.replace(f"d{n}/e/f", f"d{n}/g")
    for gone in (f"new{(n + 11) % 23}", f"d{(n + 7) % 23}/g"):
        if os.path.exists(gone):
            os.unlink(gone)
    if number % 10 == 0 and os.path.isdir(f"d{n}/e"):
        os.rmdir(f"d{n}/e")
        os.symlink("/nowhere", f"d{n}/e") if number % 20 else os.mkdir(f"d{n}/e")
        os.rename(f"d{n}", f"d{n}.aside")
        os.unlink(f"d{n}.aside/e") if os.path.islink(f"d{n}.aside/e") else os.rmdir(f"d{n}.aside/e")
        os.rename(f"d{n}.aside", f"d{n}")
"""


@contextmanager
def _churn(root: Path, script: str) -> Iterator[None]:
    put(root, "steady")
    put(root, "grows")
    writer = subprocess.Popen([sys.executable, "-c", script, str(root)])
    try:
        yield
        assert writer.poll() is None
    finally:
        writer.kill()
        writer.wait()


@both
def test_captures_succeed_while_files_come_go_and_change(root: Path, tmp_path: Path) -> None:
    with _churn(root, CHURN):
        taken = [snapshot(root, message=f"{number}") for number in range(10)]
    for number, turn in enumerate(taken):
        files = restored(turn["id"], tmp_path / "restored" / f"{number}")
        assert (files / "a.txt").read_bytes() == b"one\n"
        assert (files / "sub" / "b.bin").read_bytes() == (root / "sub" / "b.bin").read_bytes()
    assert tree(captured(root).files) == tree(root)


SHRINK = """
import os, sys
while True:
    for size in (3_000_000, 10):
        with open(sys.argv[1] + "/steady", "r+b") as file:
            file.truncate(size)
"""


@both
def test_captures_succeed_while_a_file_is_truncated(root: Path, tmp_path: Path) -> None:
    with _churn(root, SHRINK):
        taken = [snapshot(root, message=f"{number}") for number in range(6)]
    for number, turn in enumerate(taken):
        files = restored(turn["id"], tmp_path / "restored" / f"{number}")
        assert b"a.txt" in contents(files)
        reasons = skipped(turn)
        assert (files / "steady").exists() is ("steady" not in reasons)
        assert set(reasons.values()) <= {"unreadable", "changing while it was read"}
    assert tree(captured(root).files) == tree(root)


VANISHING_GIT = """#!/bin/sh
case "$*" in
*"update-index --add"*)
    if [ "$(cat "{folder}/calls" 2>/dev/null | wc -l)" -lt {times} ]; then
        echo >> "{folder}/calls"
        echo "error: open(\\"new.txt\\"): No such file or directory" >&2
        echo "error: unable to index file 'new.txt'" >&2
        echo "fatal: Unable to process path new.txt" >&2
        exit 128
    fi ;;
esac
exec "{git}" "$@"
"""


@pytest.mark.parametrize(("times", "reason"), [(3, None), (100, "changing while it was read")])
def test_a_file_that_is_gone_whenever_git_opens_it_fails_no_capture(
    times: int, reason: str | None, repo: Path, tmp_path: Path
) -> None:
    snapshot(repo, "before")
    put(repo, "new.txt")
    (tmp_path / "bin").mkdir()
    wrapper = tmp_path / "bin" / "git"
    wrapper.write_text(VANISHING_GIT.format(folder=tmp_path / "bin", times=times, git=shutil.which("git")))
    wrapper.chmod(0o755)
    turn = snapshot(repo, "after", env={"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"})
    assert skipped(turn) == ({"new.txt": reason} if reason else {})
    assert contents(captured(repo).files) == contents(repo)


# Size limits


def test_an_untracked_file_above_the_limit_is_skipped_with_its_size(repo: Path) -> None:
    put(repo, "big.bin", b"x" * 10241)
    put(repo, "fits.bin", b"x" * 10240)
    for _ in range(2):
        turn = captured(repo, env=SMALL)
        assert turn.snapshot["skipped"] == [{"path": "big.bin", "reason": "larger than the limit", "size": 10241}]
        assert contents(turn.files).keys() == {b"a.txt", b"sub/b.bin", b"fits.bin"}


def test_a_tracked_file_above_the_limit_is_captured(repo: Path) -> None:
    put(repo, "big.bin", b"x" * 20_000)
    git("add", "big.bin", cwd=repo)
    assert contents(captured(repo, env=SMALL).files) == contents(repo)
    put(repo, "big.bin", b"y" * 30_000)
    assert contents(captured(repo, env=SMALL).files) == contents(repo)


@both
def test_a_file_that_grows_over_the_limit_leaves_and_returns(root: Path) -> None:
    for size in (10, 20_000, 30_000, 20, 20_000, 10):
        put(root, "grows.log", b"x" * size)
        turn = captured(root, env=SMALL)
        expected = {"grows.log": "larger than the limit"} if size > 10_240 else {}
        assert skipped(turn.snapshot) == expected
        assert (turn.files / "grows.log").exists() is (not expected)
        if not expected:
            assert tree(turn.files) == tree(root)


def test_a_skipped_big_file_that_is_tracked_later_is_captured(repo: Path) -> None:
    put(repo, "big.bin", b"x" * 20_000)
    captured(repo, env=SMALL)
    git("add", "big.bin", cwd=repo)
    assert contents(captured(repo, env=SMALL).files) == contents(repo)
    git("rm", "-q", "--cached", "big.bin", cwd=repo)
    assert skipped(captured(repo, env=SMALL).snapshot) == {"big.bin": "larger than the limit"}


@both
def test_another_limit_counts_from_the_next_turn(root: Path) -> None:
    put(root, "big.bin", b"x" * 20_000)
    assert skipped(captured(root, env=SMALL).snapshot) != {}
    assert tree(captured(root).files) == tree(root)
    assert skipped(captured(root, env=SMALL).snapshot) != {}


@both
def test_the_limit_can_be_set_in_the_config_file(root: Path, home: Path) -> None:
    put(home, "config.toml", b'[capture]\nmax_file_size = "10K"\n')
    put(root, "big.bin", b"x" * 10_241)
    assert skipped(captured(root).snapshot) == {"big.bin": "larger than the limit"}
    assert tree(captured(root, env={"ROLLOUTS_MAX_FILE_SIZE": "1G"}).files) == tree(root)


@pytest.mark.parametrize("value", ["lots", "-1", "1.5M", "10 apples", "M"])
def test_a_limit_that_is_no_size_is_told_in_one_line(plain: Path, value: str) -> None:
    words = ("snapshot", plain, *WORDS, "m")
    assert "ROLLOUTS_MAX_FILE_SIZE" in failure(run(*words, env={"ROLLOUTS_MAX_FILE_SIZE": value}))


@pytest.mark.parametrize("text", [b"[capture", b"[capture]\nmax_file_size = true\n", b"capture = 1\n", b"\xff = 1\n"])
def test_a_config_file_with_an_error_is_told_in_one_line(plain: Path, home: Path, text: bytes) -> None:
    put(home, "config.toml", text)
    assert "config.toml" in failure(run("snapshot", plain, *WORDS, "m"))


# Empty, and many


@both
def test_empty_directories_are_kept(root: Path) -> None:
    for path in ("e", "sub/e", "deep/er/est", "deep/two"):
        (root / path).mkdir(parents=True)
    assert tree(captured(root).files) == tree(root)
    (root / "e").rmdir()
    put(root, "deep/two/file")
    assert tree(captured(root).files) == tree(root)


def test_changes_in_directories_that_rested_for_seconds_are_seen(repo: Path) -> None:
    for path in ("one/f", "two/f", "three/deep/f", "four/deep/f", "five/f"):
        put(repo, path)
    git("add", "one", "two", "three", cwd=repo)
    time.sleep(2.2)
    captured(repo)
    os.mkfifo(repo / "one" / "pipe")
    (repo / "two" / "empty").mkdir()
    (repo / "three" / "deep" / "f").unlink()
    (repo / "four" / "deep" / "f").unlink()
    (repo / "five").rename(repo / "six")
    for _ in range(2):
        turn = captured(repo)
        assert skipped(turn.snapshot) == {"one/pipe": "fifo"}
        (repo / "one" / "pipe").unlink()
        assert tree(turn.files) == tree(repo)
        os.mkfifo(repo / "one" / "pipe")


def test_a_directory_with_only_ignored_files_is_not_an_empty_one(repo: Path) -> None:
    put(repo, ".gitignore", b"*.log\n/build/\n")
    put(repo, "logs/a.log")
    put(repo, "deep/logs/a.log")
    put(repo, "build/x/y")
    turn = captured(repo)
    assert turn.facts["empty_dirs"] == []
    assert tree(turn.files).keys() == {b".gitignore", b"a.txt", b"sub", b"sub/b.bin"}


@pytest.mark.parametrize("is_git", [True, False])
def test_an_empty_workspace_is_captured_and_restored(tmp_path: Path, *, is_git: bool) -> None:
    root = tmp_path / "nothing"
    root.mkdir()
    git("init", "-q", root if is_git else tmp_path / "elsewhere", cwd=tmp_path)
    for _ in range(2):
        turn = captured(root)
        assert tree(turn.files) == {}
        assert turn.snapshot["files"] == 0
    put(root, "first.txt")
    assert tree(captured(root).files) == tree(root)
    (root / "first.txt").unlink()
    assert tree(captured(root).files) == {}


def test_a_plain_directory_is_captured_whatever_its_ignore_rules_say(plain: Path, sealed: Path) -> None:
    put(sealed, ".config/git/ignore", b"*\n")
    put(plain, ".gitignore", b"*\n")
    put(plain, "sub/.gitignore", b"b.bin\n")
    put(plain, "node_modules/x/index.js")
    assert tree(captured(plain).files) == tree(plain)


def test_a_plain_directory_leaves_out_git_directories_only(plain: Path) -> None:
    nested = new_repository(plain / "nested")
    put(nested, ".gitignore", b"*.log\n")
    put(nested, "a.log")
    (plain / "fake" / ".git").mkdir(parents=True)
    put(plain, ".git/config")
    turn = captured(plain)
    assert tree(turn.files) == tree(plain)
    assert [entry["path"] for entry in turn.facts["nested"]] == ["nested"]
    assert not (turn.files / "nested" / ".git").exists()


def _objects(home: Path, taken: dict[str, Any]) -> dict[str, int]:
    lines = git("count-objects", "-v", cwd=store_of(home, taken)).splitlines()
    return {name: int(number) for name, number in (line.split(": ") for line in lines)}


@both
def test_a_first_capture_of_many_files_makes_packs_not_loose_objects(root: Path, home: Path) -> None:
    for number in range(5000):
        put(root, f"many/{number % 50}/{number}", b"%d\n" % number)
    turn = captured(root)
    assert tree(turn.files) == tree(root)
    counts = _objects(home, turn.snapshot)
    assert counts["count"] < 200
    assert 1 <= counts["packs"] <= 3


def test_a_first_capture_of_many_committed_files_is_seeded(repo: Path, home: Path) -> None:
    for number in range(1000):
        put(repo, f"many/{number % 50}/{number}", b"%d\n" % number)
    commit_all(repo)
    put(repo, "many/0/0", b"changed\n")
    (repo / "many/1/1").unlink()
    turn = captured(repo)
    assert tree(turn.files) == tree(repo)
    counts = _objects(home, turn.snapshot)
    assert counts["count"] < 20


@both
def test_a_doctor_finds_nothing_after_odd_captures(root: Path) -> None:
    put(root, "new\nline")
    os.mkfifo(root / "pipe")
    (root / "empty").mkdir()
    snapshot(root)
    (root / "a.txt").unlink()
    snapshot(root, message="2")
    ok("doctor")
