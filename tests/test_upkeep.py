"""Upkeep behind captures: it packs, it harms nothing and nobody, it is not tried in vain again and again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers import ROLLOUTS, contents, git, ok, put, restored, rows, run, snapshot, store_of, tree
from test_concurrency import at_once, capture
from test_faults_disk import TMPFS, Mount, take
from test_faults_disk import mount as mount  # noqa: PLC0414 - a fixture, for pytest to find here

PATIENCE = 30


def crowd(store: Path, folder: Path) -> None:
    """Fills one of the 256 folders of objects, by which the others are judged, with eight."""
    folder.mkdir(exist_ok=True)
    texts = (b"%d" % number for number in range(100_000))
    chosen = [text for text in texts if _oid(text).startswith("17")][:8]
    for number, text in enumerate(chosen):
        (folder / str(number)).write_bytes(text)
    paths = "".join(f"{folder}/{number}\n" for number in range(8))
    git("--git-dir", store, "hash-object", "-w", "--stdin-paths", cwd=folder, stdin=paths.encode())


def _oid(text: bytes) -> str:
    return hashlib.sha1(b"blob %d\0%b" % (len(text), text), usedforsecurity=False).hexdigest()


def counts(store: Path) -> dict[str, int]:
    """What git says of a store's objects."""
    lines = git("count-objects", "-v", cwd=store).splitlines()
    return {key: int(value) for key, _, value in (line.partition(": ") for line in lines)}


def processes(home: Path) -> list[int]:
    """The processes that do the upkeep of a home."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if b"_upkeep" in words and os.fsencode(home) in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def wait_for_upkeep(home: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while processes(home) or any(note.read_bytes().startswith(b"started") for note in home.glob("*/*/upkeep")):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def turns(workspace: Path, count: int) -> dict[str, dict[bytes, tuple[str, bool, str]]]:
    """Captures so many turns, each with a change. Returns what the workspace held, by snapshot id."""
    held = {}
    for number in range(count):
        (workspace / "a.txt").write_text(f"turn {number}\n")
        held[snapshot(workspace, f"t{number}")["id"]] = contents(workspace)
    return held


def check_restores(held: dict[str, dict[bytes, tuple[str, bool, str]]], out: Path) -> None:
    for number, (snapshot_id, files) in enumerate(held.items()):
        assert contents(restored(snapshot_id, out / str(number))) == files
    shutil.rmtree(out)


@pytest.fixture
def slow_git(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment whose git takes a minute to repack."""
    yield from _git_that(tmp_path / "slow", "sleep 60")


@pytest.fixture
def failing_git(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment whose git cannot repack."""
    yield from _git_that(tmp_path / "failing", "echo >&2 'fatal: it is broken'; exit 128")


def _git_that(folder: Path, does: str) -> Iterator[dict[str, str]]:
    folder.mkdir()
    wrapper = folder / "git"
    program = shutil.which("git")
    script = f'case "$*" in *repack*) echo . >> {folder}/calls; {does};; *) exec {program} "$@";; esac\n'
    wrapper.write_text(f"#!/bin/sh\n{script}")
    wrapper.chmod(0o755)
    yield {"PATH": f"{folder}:{os.environ['PATH']}", "CALLS": str(folder / "calls")}


def calls(env: dict[str, str]) -> int:
    return Path(env["CALLS"]).read_text().count(".") if Path(env["CALLS"]).exists() else 0


@pytest.fixture
def crowded(repo: Path, home: Path, tmp_path: Path) -> dict[str, Any]:
    """A snapshot in a store that is to be packed."""
    taken = snapshot(repo, "first")
    crowd(store_of(home, taken), tmp_path / "crowd")
    return taken


def test_a_capture_has_a_crowded_store_packed_and_nothing_is_lost(repo: Path, home: Path, tmp_path: Path) -> None:
    held = turns(repo, 5)
    taken = snapshot(repo, "more")
    store = store_of(home, taken)
    crowd(store, tmp_path / "crowd")
    held |= {snapshot(repo, "last")["id"]: contents(repo)}
    wait_for_upkeep(home)
    assert counts(store)["count"] == 0
    assert os.listdir(store / "refs" / "snapshots") == []
    assert (store.parent / "upkeep").read_bytes() == b""
    check_restores(held, tmp_path / "out")
    assert "all is well" in ok("doctor")
    held |= {snapshot(repo, "after")["id"]: contents(repo)}
    check_restores(held, tmp_path / "out")


@pytest.mark.usefixtures("crowded")
def test_nothing_of_the_workspace_is_run(repo: Path, home: Path, tmp_path: Path) -> None:
    for name in ("rollouts/__init__.py", "os.py", "sitecustomize.py"):
        put(repo, name, f"open({str(tmp_path / 'mark')!r}, 'w')\n".encode())
    ok("snapshot", "--session", "s", "--message", "2", "--metadata", "{}", cwd=repo)
    wait_for_upkeep(home)
    assert [path.read_bytes() for path in home.glob("workspaces/*/upkeep")] == [b""]
    assert not (tmp_path / "mark").exists()


def test_many_loose_refs_are_reason_enough(repo: Path, home: Path) -> None:
    taken = snapshot(repo)
    store = store_of(home, taken)
    for number in range(256):
        (store / "refs" / "snapshots" / f"{number:032x}").write_text(taken["store_commit_sha"] + "\n")
    snapshot(repo, "2")
    wait_for_upkeep(home)
    assert os.listdir(store / "refs" / "snapshots") == []
    assert len(git("for-each-ref", cwd=store).splitlines()) == 258


def test_a_store_that_needs_nothing_is_left_alone(repo: Path, home: Path) -> None:
    turns(repo, 2)
    assert not processes(home)
    assert not list(home.glob("workspaces/*/upkeep"))


@pytest.mark.usefixtures("crowded")
def test_the_caller_returns_at_once_and_its_pipes_are_closed(repo: Path, home: Path, slow_git: dict[str, str]) -> None:
    reading, writing = os.pipe()
    words = [*ROLLOUTS, *map(str, capture(repo, "2"))]
    started = time.monotonic()
    with subprocess.Popen(words, env=os.environ | slow_git, pass_fds=(writing,), stdout=subprocess.PIPE) as caller:
        os.close(writing)
        out, _ = caller.communicate(timeout=10)
    assert b'"id"' in out
    assert os.read(reading, 1) == b""  # nobody holds the other end
    os.close(reading)
    assert time.monotonic() - started < 10
    [pid] = processes(home)
    assert os.getsid(pid) == pid
    assert {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)} == {"/dev/null"}
    _wait_for(lambda: os.readlink(f"/proc/{pid}/cwd") == "/")
    os.kill(pid, signal.SIGKILL)


def test_captures_and_restores_go_on_beside_a_packing(
    repo: Path, home: Path, tmp_path: Path, crowded: dict[str, Any], slow_git: dict[str, str]
) -> None:
    snapshot(repo, "2", env=slow_git)
    _wait_for(lambda: calls(slow_git) == 1)
    (repo / "a.txt").write_text("changed")
    started = time.monotonic()
    later = snapshot(repo, "3", env={"ROLLOUTS_LOCK_TIMEOUT": "2"})
    restored(later["id"], tmp_path / "out")
    assert len(processes(home)) == 1
    ok("delete", repo, "--session", "s", "--message", "first", "--yes")  # asks it to stop
    assert time.monotonic() - started < PATIENCE
    wait_for_upkeep(home)
    assert counts(store_of(home, crowded))["count"] == 0
    assert "all is well" in ok("doctor")
    assert crowded["id"] not in rows(home)


def _wait_for(holds: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("words", [("delete", "--all"), ("workspace", "forget", "{repo}")], ids=["all", "forget"])
def test_a_packing_stands_in_the_way_of_no_deletion(
    words: tuple[str, ...], repo: Path, home: Path, crowded: dict[str, Any], slow_git: dict[str, str]
) -> None:
    snapshot(repo, "2", env=slow_git)
    _wait_for(lambda: calls(slow_git) == 1)
    ok(*(word.format(repo=repo) for word in words), "--yes")
    wait_for_upkeep(home)
    assert not store_of(home, crowded).exists()
    assert not list(home.glob("workspaces/*"))


@pytest.mark.usefixtures("crowded")
def test_a_failure_is_told_and_not_tried_again_and_again(repo: Path, home: Path, failing_git: dict[str, str]) -> None:
    for number in range(3):
        snapshot(repo, f"n{number}", env=failing_git)
        wait_for_upkeep(home)
    assert calls(failing_git) == 1
    assert "upkeep failed: git failed: fatal: it is broken" in ok("status", repo)
    found = run("doctor")
    assert found.code == 1
    assert "the upkeep of" in found.out
    assert "it is broken" in found.out
    ok("gc")
    assert "upkeep: not due" in ok("status", repo)
    assert "all is well" in ok("doctor")


def test_a_day_later_it_is_tried_again(
    repo: Path, home: Path, crowded: dict[str, Any], failing_git: dict[str, str]
) -> None:
    note = store_of(home, crowded).parent / "upkeep"
    note.write_text(f"failed {time.time() - 80_000:.0f} 0 early")
    snapshot(repo, "2", env=failing_git)
    note.write_text(f"packing {time.time() - 80:.0f} 0 ")
    snapshot(repo, "3", env=failing_git)
    assert not processes(home)
    assert calls(failing_git) == 0
    note.write_text(f"failed {time.time() - 90_000:.0f} 0 long ago")
    snapshot(repo, "4")
    wait_for_upkeep(home)
    assert counts(store_of(home, crowded))["count"] == 0


def upkeep_words(taken: dict[str, Any]) -> list[str]:
    return [sys.executable, "-m", "rollouts", "_upkeep", taken["workspace_id"]]


def kill_gits(store: Path) -> None:
    """Ends the git processes that work in one store."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            if f"GIT_DIR={store}\0".encode() in (entry / "environ").read_bytes():
                os.kill(int(entry.name), signal.SIGKILL)


@pytest.mark.parametrize("with_git", [True, False], ids=["git as well", "alone"])
def test_a_killed_upkeep_costs_nothing(repo: Path, home: Path, tmp_path: Path, with_git: bool) -> None:
    held = turns(repo, 12)
    taken = snapshot(repo, "more")
    store = store_of(home, taken)
    instants = random.Random(7)  # noqa: S311 - no secret
    for _ in range(8):
        with subprocess.Popen(upkeep_words(taken), stderr=subprocess.PIPE) as process:
            time.sleep(instants.uniform(0.05, 0.35))
            process.kill()
            if with_git:
                kill_gits(store)
            process.communicate()
        number = len(held)
        (repo / "a.txt").write_text(f"after {number}")
        held[snapshot(repo, f"a{number}")["id"]] = contents(repo)
    check_restores(held, tmp_path / "out")
    ok("doctor", "--repair")
    assert "all is well" in ok("doctor")
    check_restores(held, tmp_path / "out")
    assert set(rows(home)) == {*held, taken["id"]}
    ok("gc")
    assert counts(store)["count"] == 0
    assert [path for path in store.rglob("*") if path.name.startswith(("tmp_", ".tmp-"))] == []
    assert list(store.rglob("*.lock")) == []


def test_upkeep_beside_everything_else(repo: Path, home: Path, tmp_path: Path) -> None:
    held = turns(repo, 3)
    known = next(iter(held))
    store = store_of(home, snapshot(repo, "doomed", "doomed"))
    crowd(store, tmp_path / "crowd")
    commands: list[tuple[str | Path, ...]] = [("gc",), ("delete", repo, "--session", "doomed", "--yes"), ("gc",)]
    for number in range(8):
        commands += [capture(repo, number), ("restore", "--snapshot", known, "--dest", tmp_path / f"beside {number}")]
    results = at_once(*commands)
    assert [result for result in results[3:] if result.code] == []
    wait_for_upkeep(home)
    for number in range(8):
        assert contents(tmp_path / f"beside {number}") == held[known]
    ok("gc")
    assert "all is well" in ok("doctor")
    assert len(rows(home)) == 3 + 8
    for number, row in enumerate(rows(home)):
        assert contents(restored(row, tmp_path / "out" / str(number))) == held.get(row, contents(repo))


def test_a_disk_without_room_is_told_and_tried_again_when_there_is_some(
    plain: Path, mount: Mount, tmp_path: Path
) -> None:
    disk = mount(TMPFS, tmp_path / "disk", "8m")
    env = {"ROLLOUTS_HOME": str(disk.path / "home")}
    (plain / "large").write_bytes(os.urandom(3_000_000))
    assert take(plain, "first", disk.under, **env).code == 0
    [store] = (disk.seen / "home").glob("workspaces/*/store.git")
    crowd(store, tmp_path / "crowd")
    (disk.seen / "filler").write_bytes(os.urandom(2_000_000))
    (plain / "a.txt").write_bytes(b"two\n")
    assert take(plain, "second", disk.under, **env).code == 0
    _wait_for(lambda: (store.parent / "upkeep").read_bytes().startswith(b"failed"))
    said = run("status", plain, under=disk.under, env=env).out
    assert "of free disk; free some space and try again" in said
    noted = (store.parent / "upkeep").read_bytes()
    assert take(plain, "third", disk.under, **env).code == 0
    assert (store.parent / "upkeep").read_bytes() == noted
    (disk.seen / "filler").unlink()
    assert take(plain, "fourth", disk.under, **env).code == 0
    _wait_for(lambda: (store.parent / "upkeep").read_bytes() == b"")
    assert not list(store.glob("objects/??/*"))
    assert "all is well" in run("doctor", under=disk.under, env=env).out


# gc


def gc(*words: str) -> dict[str, Any]:
    """What gc says of the one workspace."""
    document = json.loads(ok("gc", "--json", *words))
    assert document.keys() == {"schema_version", "dry_run", "workspaces", "transcripts", "staging"}
    [found] = document["workspaces"]
    return dict(found)


def on_disk(home: Path) -> int:
    return sum(path.lstat().st_blocks * 512 for path in home.rglob("*") if not path.is_dir())


def test_gc_says_and_gives_back_what_nothing_reaches(repo: Path, home: Path, tmp_path: Path) -> None:
    held = turns(repo, 3)
    store = store_of(home, snapshot(repo, "more"))
    (tmp_path / "garbage").write_bytes(os.urandom(3_000_000))
    git("--git-dir", store, "hash-object", "-w", tmp_path / "garbage", cwd=tmp_path)
    git("--git-dir", store, "repack", "-q", "-d", "--geometric=2", cwd=tmp_path)  # a dropped object may be packed
    (store / "objects" / "pack" / "tmp_pack_x").write_bytes(b"x" * 500_000)
    before, size = tree(home), on_disk(home)
    planned = gc("--dry-run")
    assert {path: entry for path, entry in tree(home).items() if not path.endswith(b"reading.lock")} == before
    assert (planned["unreachable_objects"], planned["leftovers"], planned["bytes_after"]) == (1, 1, None)
    assert planned["unreachable_bytes"] > 2_900_000
    done = gc()
    assert done["problem"] is None
    assert done["bytes_before"] - done["bytes_after"] > 3_400_000
    assert size - on_disk(home) > 3_400_000
    assert gc("--dry-run")["unreachable_objects"] == 0
    check_restores(held, tmp_path / "out")
    assert "all is well" in ok("doctor")


def test_gc_names_a_store_that_it_cannot_tidy_and_goes_on(repo: Path, plain: Path, home: Path) -> None:
    turns(repo, 2)
    (plain / "a.txt").write_bytes(b"lost\n")
    lost = store_of(home, snapshot(plain, "m", "t"))
    for path in (lost / "objects").glob("??/*"):
        path.unlink()
    result = run("gc")
    assert result.code == 1
    assert sorted(line.split()[0] for line in result.out.splitlines()) == ["failed:", "freed"]


def test_gc_removes_halves_that_killed_processes_left(repo: Path, home: Path) -> None:
    store = store_of(home, snapshot(repo))
    halves = [home / "workspaces" / f"{'a' * 32}.{'b' * 8}.deleted", store.with_name(f"store.git.{'c' * 8}.new")]
    for half in halves:
        (half / "objects").mkdir(parents=True)
    assert sorted(json.loads(ok("gc", "--dry-run", "--json"))["staging"]) == sorted(map(str, halves))
    ok("gc")
    assert not any(half.exists() for half in halves)
    ok("gc")


def test_gc_of_an_empty_home_does_nothing(home: Path) -> None:
    assert ok("gc", "--dry-run") == "nothing to do\n"
    assert not home.exists()


def test_deleted_turns_are_gone_from_packs_too(repo: Path, home: Path) -> None:
    secret = os.urandom(2_000_000)
    (repo / "secret").write_bytes(secret)
    taken = snapshot(repo, "secret")
    (repo / "secret").unlink()
    snapshot(repo, "later")
    ok("gc")
    size = on_disk(home)
    ok("delete", "--snapshot", taken["id"], "--yes")
    assert size - on_disk(home) > 1_900_000
    oid = hashlib.sha1(b"blob %d\0%b" % (len(secret), secret), usedforsecurity=False).hexdigest()
    listed = git("cat-file", "--batch-all-objects", "--batch-check", cwd=store_of(home, taken))
    assert oid not in listed
