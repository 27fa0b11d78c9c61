"""A capture only reads: nothing in the workspace, its repository or the user's home is written or locked."""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import captured, commit_all, contents, fingerprint, git, new_repository, ok, put, run, snapshot, store_of

WORDS = ("--session", "s", "--metadata", "{}", "--message")


def _ordinary(repo: Path) -> Path:
    put(repo, "untracked.txt")
    put(repo, "a.txt", b"changed\n")
    (repo / "sub" / "b.bin").unlink()
    return repo


def _worktree(repo: Path) -> Path:
    git("worktree", "add", "-q", "../linked", cwd=repo)
    return _ordinary(repo.parent / "linked")


def _submodule(repo: Path) -> Path:
    source = new_repository(repo.parent / "library")
    git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", source, "lib", cwd=repo)
    new_repository(repo / "nested" / "deeper")
    return _ordinary(repo)


def _merging(repo: Path) -> Path:
    git("checkout", "-qb", "theirs", cwd=repo)
    put(repo, "a.txt", b"theirs\n")
    git("commit", "-qam", "theirs", cwd=repo)
    git("checkout", "-q", "main", cwd=repo)
    put(repo, "a.txt", b"ours\n")
    git("commit", "-qam", "ours", cwd=repo)
    git("-c", "alias.try=!git merge -q theirs || true", "try", cwd=repo)
    return repo


def _stale(repo: Path) -> Path:
    for path in (repo / "a.txt", repo / "sub" / "b.bin"):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    return repo


def _untracked_cache(repo: Path) -> Path:
    git("config", "core.untrackedCache", "true", cwd=repo)
    git("update-index", "--force-untracked-cache", cwd=repo)
    git("status", cwd=repo)
    return _ordinary(repo)


def _fsmonitor(repo: Path) -> Path:
    script = put(repo.parent, "monitor", b"#!/bin/sh\nexit 1\n", mode=0o755)
    git("config", "core.fsmonitor", script, cwd=repo)
    return _stale(repo)


def _maintained(repo: Path) -> Path:
    git("gc", "-q", cwd=repo)
    git("commit-graph", "write", cwd=repo)
    git("config", "gc.auto", "1", cwd=repo)
    git("config", "core.commitGraph", "true", cwd=repo)
    return _ordinary(repo)


def _unborn(repo: Path) -> Path:
    git("checkout", "-q", "--orphan", "fresh", cwd=repo)
    return repo


STATES = [_ordinary, _worktree, _submodule, _merging, _stale, _untracked_cache, _fsmonitor, _maintained, _unborn]
each_state = pytest.mark.parametrize("state", STATES, ids=[state.__name__.strip("_") for state in STATES])


@each_state
def test_first_and_later_captures_change_nothing(repo: Path, sealed: Path, state: Callable[[Path], Path]) -> None:
    workspace = state(repo)
    for number in range(3):
        put(workspace, "later.txt", b"%d\n" % number)
        before = fingerprint(repo), fingerprint(workspace), fingerprint(sealed)
        snapshot(workspace, message=f"{number}")
        assert (fingerprint(repo), fingerprint(workspace), fingerprint(sealed)) == before


def test_a_split_index_changes_in_nothing_but_its_time_of_use(repo: Path) -> None:
    git("update-index", "--split-index", cwd=repo)
    _ordinary(repo)
    shared = {path for path in fingerprint(repo) if b"/sharedindex." in path}
    assert shared
    for message in ("1", "2"):
        before = fingerprint(repo)
        snapshot(repo, message=message)
        after = fingerprint(repo)
        assert after.keys() == before.keys()
        # git itself marks a shared index as used, whoever reads it, so that it does not expire
        assert {path for path in after if after[path] != before[path]} <= shared
        assert all(after[path][4] == before[path][4] for path in shared)


def test_a_plain_directory_is_not_changed(plain: Path) -> None:
    (plain / "empty").mkdir(mode=0o500)
    new_repository(plain / "nested")
    for message in ("1", "2"):
        put(plain, "a.txt", message.encode())
        before = fingerprint(plain)
        snapshot(plain, message=message)
        assert fingerprint(plain) == before


def test_a_read_only_workspace_is_captured(repo: Path) -> None:
    for folder, dirs, files in os.walk(repo):
        for name in [*dirs, *files]:
            path = Path(folder, name)
            path.chmod(stat.S_IMODE(path.lstat().st_mode) & 0o555)
    repo.chmod(0o555)
    before = fingerprint(repo)
    assert contents(captured(repo).files) == contents(repo)
    assert fingerprint(repo) == before


_MADE_OR_WRITTEN = 0x2 | 0x4 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400  # and attributes, names


class _Watch:
    """Everything that happens in the directories of a tree, by inotify."""

    def __init__(self, root: Path) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.inotify_init1(os.O_NONBLOCK)
        self._dirs: dict[int, str] = {}
        for folder, _, _ in os.walk(root):
            watch = self._libc.inotify_add_watch(self._fd, os.fsencode(folder), _MADE_OR_WRITTEN)
            assert watch > 0, os.strerror(ctypes.get_errno())
            self._dirs[watch] = folder

    def seen(self) -> list[str]:
        """What happened so far."""
        try:
            data = os.read(self._fd, 1 << 20)
        except BlockingIOError:
            return []
        found = []
        while data:
            watch, _, _, size = struct.unpack_from("iIII", data)
            found.append(f"{self._dirs[watch]}/{data[16 : 16 + size].rstrip(bytes(1)).decode()}")
            data = data[16 + size :]
        return found

    def close(self) -> None:
        os.close(self._fd)


@each_state
def test_no_lock_and_no_temporary_file_is_ever_made(repo: Path, state: Callable[[Path], Path]) -> None:
    if not hasattr(ctypes.CDLL(None), "inotify_init1"):
        pytest.skip("no inotify on this system")
    workspace = state(repo)
    watches = [_Watch(repo), _Watch(workspace)]
    for message in ("1", "2"):
        snapshot(workspace, message=message)
    put(workspace, "the watch works")
    assert [watch.seen() for watch in watches[1:]] == [[f"{workspace}/the watch works"] * 2]
    assert [path for path in watches[0].seen() if "the watch works" not in path] == []
    for watch in watches:
        watch.close()


def test_the_store_shares_nothing_with_the_repository(repo: Path, home: Path) -> None:
    for number in range(300):
        put(repo, f"many/{number}", b"%d\n" % number)
    commit_all(repo)
    store = store_of(home, snapshot(repo))
    assert not (store / "objects" / "info" / "alternates").exists()
    files = [Path(folder, name) for top in (store, repo) for folder, _, names in os.walk(top) for name in names]
    assert {path.lstat().st_nlink for path in files} == {1}
    git("fsck", "--full", cwd=store)


def test_a_snapshot_outlives_its_repository(repo: Path, tmp_path: Path) -> None:
    for number in range(300):
        put(repo, f"many/{number}", b"%d\n" % number)
    commit_all(repo)
    before, taken = contents(repo), snapshot(repo)
    (tmp_path / "gone").mkdir()
    repo.rename(tmp_path / "gone" / "repo")
    for path in (tmp_path / "gone" / "repo" / ".git" / "objects").glob("??"):
        path.rename(tmp_path / "gone" / path.name)
    ok("restore", "--snapshot", taken["id"], "--dest", tmp_path / "r", "--verify")
    assert contents(tmp_path / "r") == before


def test_a_failed_capture_changes_nothing(repo: Path, home: Path) -> None:
    before = fingerprint(repo)
    assert run("snapshot", repo, *WORDS, "m", env={"ROLLOUTS_MAX_FILE_SIZE": "nonsense"}).code == 1
    assert run("snapshot", repo / "none", *WORDS, "m").code == 2
    put(home.parent, "no home")
    assert run("snapshot", repo, *WORDS, "m", env={"ROLLOUTS_HOME": str(home.parent / "no home")}).code == 1
    assert fingerprint(repo) == before


def test_a_capture_beside_a_running_git_leaves_its_lock(repo: Path) -> None:
    lock = put(repo, ".git/index.lock", b"held by another git\n")
    put(repo, "a.txt", b"changed\n")
    before = fingerprint(repo)
    snapshot(repo)
    assert fingerprint(repo) == before
    assert lock.read_bytes() == b"held by another git\n"
