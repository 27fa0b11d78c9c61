"""Disks that are full, homes that cannot be written, missing tools, large files."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from helpers import Result, contents, failure, git, ok, put, rows, run, snapshot, store_of

TURN = ("--session", "s", "--message", "m", "--metadata", "{}")
NO_OVERRIDE = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--")
TMPFS = 'mount -t tmpfs -o size="$1" none "$0"'
READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0"'


class Mounted(NamedTuple):
    """A mount that only processes started `under` it see; `seen` is the same place for this process."""

    path: Path
    under: tuple[str, ...]
    seen: Path


Mount = Callable[..., Mounted]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mounts something over a directory, in a name space of its own: nothing is left on the machine."""
    with contextlib.ExitStack() as stack:

        def mounted(script: str, path: Path, *words: str) -> Mounted:
            path.mkdir(exist_ok=True)
            holding = ("unshare", "-rm", "sh", "-c", f"{script} && echo ready && exec sleep 300", str(path), *words)
            holder = subprocess.Popen(holding, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            stack.enter_context(holder)
            stack.callback(holder.kill)
            assert holder.stdout is not None
            if holder.stdout.readline() != b"ready\n":
                pytest.skip("this machine lets nobody mount in a name space of their own")
            enter = ("nsenter", "-t", str(holder.pid), "-U", "-m", "--preserve-credentials", f"--wd={tmp_path}", "--")
            return Mounted(path, enter, Path(f"/proc/{holder.pid}/root{path}"))

        yield mounted


def take(workspace: Path, message: str, under: tuple[str, ...] = (), **env: str) -> Result:
    words = ("--session", "s", "--message", message, "--metadata", "{}", "--json")
    return run("snapshot", workspace, *words, under=under, env=env)


def rows_in(catalog: bytes) -> int:
    """The number of snapshots that a catalog lists; one without tables lists none."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(catalog[:18] + b"\1\1" + catalog[20:])  # without its log, which memory has no room for
        tables = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'snapshots'").fetchone()[0]
        found: int = connection.execute("SELECT count(*) FROM snapshots").fetchone()[0] if tables else 0
    return found


# Full disks


@pytest.mark.parametrize(("kind", "files"), [("repo", 300), ("plain", 300), ("plain", 1)])
def test_a_full_disk_at_the_home_records_nothing_and_a_small_turn_works_later(
    kind: str, files: int, request: pytest.FixtureRequest, mount: Mount, tmp_path: Path
) -> None:
    workspace: Path = request.getfixturevalue(kind)
    disk = mount(TMPFS, tmp_path / "disk", "2m")
    home = {"ROLLOUTS_HOME": str(disk.path / "home")}
    first = take(workspace, "first", disk.under, **home)
    assert first.code == 0, first
    for number in range(files):
        (workspace / f"large{number}").write_bytes(os.urandom(6_000_000 // files))
    said = failure(take(workspace, "large", disk.under, **home))
    assert "free some space and try again" in said
    listed = json.loads(run("list", "--session", "s", "--json", under=disk.under, env=home).out)
    assert listed["snapshots"] == [json.loads(first.out)]
    for path in workspace.glob("large*"):
        path.unlink()
    (workspace / "a.txt").write_bytes(b"two\n")
    second = take(workspace, "second", disk.under, **home)
    assert second.code == 0, second
    assert "all is well" in run("doctor", under=disk.under, env=home).out
    left = [path for path in disk.seen.rglob("*") if path.name.startswith(("tmp_", ".tmp-")) or path.suffix == ".lock"]
    assert [path.name for path in left if path.stat().st_size] == []
    words = ("restore", "--snapshot", json.loads(second.out)["id"], "--dest", tmp_path / "out", "--verify")
    assert run(*words, under=disk.under, env=home).code == 0
    assert contents(tmp_path / "out") == contents(workspace)


def test_a_disk_too_full_for_the_first_turn(plain: Path, mount: Mount, tmp_path: Path) -> None:
    disk = mount(TMPFS, tmp_path / "disk", "64k")
    home = {"ROLLOUTS_HOME": str(disk.path / "home")}
    assert "free some space" in failure(take(plain, "m", disk.under, **home))
    assert [rows_in(path.read_bytes()) for path in disk.seen.rglob("*.sqlite") if path.stat().st_size] in ([], [0])


def test_a_catalog_that_does_not_fit_records_nothing(plain: Path, mount: Mount, tmp_path: Path) -> None:
    disk = mount(TMPFS, tmp_path / "disk", "2m")
    home = {"ROLLOUTS_HOME": str(disk.path / "home")}
    assert take(plain, "first", disk.under, **home).code == 0
    (tmp_path / "data").write_text(json.dumps({"x": os.urandom(1_000_000).hex()[:1_900_000]}))
    words = ("--session", "s", "--message", "large", "--metadata", f"@{tmp_path}/data")
    assert "free some space" in failure(run("snapshot", plain, *words, under=disk.under, env=home))
    assert take(plain, "second", disk.under, **home).code == 0
    listed = json.loads(run("list", "--session", "s", "--json", under=disk.under, env=home).out)["snapshots"]
    assert [row["message_id"] for row in listed] == ["first", "second"]


def test_a_full_disk_at_the_destination_leaves_nothing_there(plain: Path, mount: Mount, tmp_path: Path) -> None:
    for number in range(200):
        (plain / str(number)).write_bytes(os.urandom(20_000))
    taken = snapshot(plain)
    disk = mount(TMPFS, tmp_path / "disk", "1m")
    words = ("restore", "--snapshot", taken["id"], "--dest", disk.path / "sub" / "out")
    for more in ((), ("--path", "1*"), ("--verify",)):
        said = failure(run(*words, *more, under=disk.under))
        assert "the disk is full" in said
        assert os.listdir(disk.seen / "sub") == []
    assert run(*words, "--path", "7", under=disk.under).code == 0
    assert os.listdir(disk.seen / "sub" / "out") == ["7"]


def test_a_full_disk_at_the_workspace_changes_nothing_in_place(mount: Mount, tmp_path: Path) -> None:
    disk = mount(TMPFS, tmp_path / "disk", "5m")
    root = disk.path / "w"
    (disk.seen / "w").mkdir()
    (disk.seen / "w" / "big.bin").write_bytes(os.urandom(3 << 20))
    turn = json.loads(take(root, "1", disk.under).out)
    (disk.seen / "w" / "big.bin").write_bytes(b"small now")
    (disk.seen / "w" / "a.txt").write_bytes(b"new")
    (disk.seen / "filler").write_bytes(b"x" * (3 << 20))
    before = contents(disk.seen / "w")
    words = ("restore", "--snapshot", turn["id"], "--in-place", "--yes")
    assert "the disk is full" in failure(run(*words, under=disk.under))
    assert contents(disk.seen / "w") == before
    (disk.seen / "filler").unlink()
    assert run(*words, under=disk.under).code == 0
    assert (disk.seen / "w" / "big.bin").stat().st_size == 3 << 20


def test_a_full_temporary_directory_does_not_matter(repo: Path, mount: Mount, tmp_path: Path) -> None:
    disk = mount(TMPFS, tmp_path / "disk", "4k")
    (disk.seen / "filler").write_bytes(b"x" * 4096)
    env = {"TMPDIR": str(disk.path)}
    for number in range(300):
        (repo / f"{number}").touch()
    taken = json.loads(take(repo, "1", disk.under, **env).out)
    words = ("restore", "--snapshot", taken["id"], "--dest", tmp_path / "out", "--verify", "--path", "**")
    assert run(*words, under=disk.under, env=env).code == 0
    assert contents(tmp_path / "out") == contents(repo)
    assert run("doctor", "--repair", under=disk.under, env=env).code == 0


def test_a_limit_on_the_size_of_files_is_one_line(plain: Path, home: Path, tmp_path: Path) -> None:
    snapshot(plain, "first")
    (plain / "large").write_bytes(os.urandom(1_000_000))
    limited = ("bash", "-c", 'ulimit -f 300; exec "$@"', "bash")
    failure(take(plain, "large", limited))
    assert len(rows(home)) == 1
    taken = snapshot(plain, "large")
    failure(run("restore", "--snapshot", taken["id"], "--dest", tmp_path / "a" / "out", under=limited))
    assert os.listdir(tmp_path / "a") == []
    assert "all is well" in ok("doctor")


# Homes that cannot be written, or are none


def check_reading_works(taken: dict[str, object], workspace: Path, out: Path, under: tuple[str, ...]) -> None:
    """Everything that only reads works, and a capture and a deletion fail in one line."""
    assert str(taken["id"]) in run("list", "--session", "s", "--json", under=under).out
    assert run("list", under=under).code == 0
    assert run("show", str(taken["id"]), "--files", under=under).code == 0
    assert run("show", "s:latest", "--path", "a.txt", "--cat", under=under).out == "two\n"
    assert run("log", workspace, under=under).out.count("\n") == 3
    assert "a.txt" in run("diff", "s@1", "s@2", under=under).out
    words = ("restore", workspace, "--session", "s", "--message", "latest", "--dest", out, "--verify")
    assert run(*words, under=under).code == 0
    assert contents(out) == contents(workspace)
    failure(take(workspace, "new", under))
    failure(run("delete", workspace, "--yes", under=under))
    result = run("doctor", under=under)
    assert result.code == 0 or failure(result)


def test_a_read_only_home_can_be_read(plain: Path, home: Path, mount: Mount, tmp_path: Path) -> None:
    first = snapshot(plain, "1")
    put(plain, "a.txt", b"two\n")
    taken = snapshot(plain)
    disk = mount(READ_ONLY, home)
    check_reading_works(taken, plain, tmp_path / "out", disk.under)
    assert rows(home) == [first["id"], taken["id"]]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take its own rights away")
def test_a_home_without_write_permission_can_be_read(plain: Path, home: Path, tmp_path: Path) -> None:
    first = snapshot(plain, "1")
    put(plain, "a.txt", b"two\n")
    taken = snapshot(plain)
    for path in [home, *home.rglob("*")]:
        path.chmod(path.stat().st_mode & 0o555)
    check_reading_works(taken, plain, tmp_path / "out", NO_OVERRIDE)
    assert rows(home) == [first["id"], taken["id"]]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_home_of_someone_else_is_named(plain: Path, home: Path) -> None:
    taken = snapshot(plain)
    for path in [home, *home.rglob("*")]:
        os.chown(path, 12345, 12345)
    for words in (
        ("snapshot", str(plain), *TURN[:3], "new", *TURN[4:]),
        ("snapshot", str(plain), *TURN),
        ("list",),
        ("show", taken["id"]),
        ("delete", "--all", "--yes"),
        ("doctor",),
    ):
        assert str(home) in failure(run(*words, under=NO_OVERRIDE)), words


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take its own rights away")
def test_a_destination_that_cannot_be_written_is_named(plain: Path, tmp_path: Path) -> None:
    taken = snapshot(plain)
    (tmp_path / "closed").mkdir(0o500)
    for destination in (tmp_path / "closed" / "out", tmp_path / "closed" / "new" / "out", plain / "a.txt" / "out"):
        said = failure(run("restore", "--snapshot", taken["id"], "--dest", destination, under=NO_OVERRIDE))
        assert str(tmp_path) in said


def test_a_home_that_is_a_file_is_named(plain: Path, home: Path) -> None:
    home.touch()
    assert str(home) in failure(run("snapshot", plain, *TURN))
    home.unlink()
    assert f"{plain}/a.txt" in failure(run("snapshot", plain, *TURN, env={"ROLLOUTS_HOME": f"{plain}/a.txt/home"}))


def test_a_relative_home_is_taken_from_here(plain: Path, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    ok("snapshot", plain, *TURN, env={"ROLLOUTS_HOME": "some/home"}, cwd=tmp_path / "here")
    assert (tmp_path / "here" / "some" / "home" / "rollouts.sqlite").exists()
    assert "plain" in ok("list", env={"ROLLOUTS_HOME": str(tmp_path / "here" / "some" / "home")})


def test_an_empty_home_variable_means_the_usual_place(plain: Path, sealed: Path) -> None:
    ok("snapshot", plain, *TURN, env={"ROLLOUTS_HOME": ""})
    assert (sealed / ".rollouts" / "rollouts.sqlite").exists()
    ok("list", env={"ROLLOUTS_HOME": "~/.rollouts"})


# Missing tools


def test_without_git_it_is_one_line(repo: Path, tmp_path: Path) -> None:
    taken = snapshot(repo)
    env = {"PATH": str(tmp_path)}
    for words in (
        ("snapshot", str(repo), "--session", "s", "--message", "new", "--metadata", "{}"),
        ("restore", "--snapshot", taken["id"], "--dest", "out"),
        ("show", taken["id"], "--files"),
        ("doctor",),
    ):
        assert "git was not found on PATH" in failure(run(*words, env=env))
    assert taken["id"] in ok("list", "--session", "s", env=env)
    assert not (tmp_path / "out").exists()


def test_a_git_that_fails_at_every_call_is_one_line(repo: Path, home: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").write_text("#!/bin/sh\necho 'fatal: no luck today' >&2\nexit 128\n")
    (tmp_path / "bin" / "git").chmod(0o755)
    env = {"PATH": f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}"}
    assert "no luck today" in failure(run("snapshot", repo, *TURN, env=env))
    assert rows(home) == []
    taken = snapshot(repo)
    git("rev-parse", taken["store_commit_sha"], cwd=store_of(home, taken))
    failure(run("snapshot", repo, *TURN[:3], "new", *TURN[4:], env=env))
    failure(run("restore", "--snapshot", taken["id"], "--dest", tmp_path / "out", env=env))
    assert rows(home) == [taken["id"]]
    assert not (tmp_path / "out").exists()


# Large files

LARGE = 300 << 20
PEAK = """
import sys
from rollouts import cli
code = cli.exit_code(sys.argv[1:])
with open("/proc/self/status") as status:
    print(next(line for line in status if line.startswith("VmHWM:")).split()[1], file=sys.stderr)
sys.exit(code)
"""


def peak(*words: str | Path) -> int:
    """The most memory (KiB) that the program itself took for a command line."""
    done = subprocess.run([sys.executable, "-c", PEAK, *words], capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done
    return int(done.stderr.split()[-1])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak of one process")
def test_memory_stays_flat_with_a_large_file(plain: Path, home: Path, tmp_path: Path) -> None:
    with (plain / "large").open("wb") as file:
        file.truncate(LARGE)
        file.seek(LARGE // 2)
        file.write(b"in the middle")
    assert peak("snapshot", plain, *TURN) < 60 * 1024
    [taken] = rows(home)
    assert peak("restore", "--snapshot", taken, "--dest", tmp_path / "out") < 60 * 1024
    assert (tmp_path / "out" / "large").stat().st_size == LARGE
    with (tmp_path / "out" / "large").open("rb") as file:
        file.seek(LARGE // 2)
        assert file.read(14) == b"in the middle\0"
    (tmp_path / "out" / "large").unlink()
