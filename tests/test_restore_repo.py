"""A turn straight from an archive: one tag is fetched, whatever else is there, and checked before it is written."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import git_http
import git_servers
from git_http import ALWAYS, Fault, GitHttp
from git_servers import bare
from helpers import contents, failure, git, ok, put, run, snapshot, tree
from pushing import Turns, document, oids, push, refs, result_of, set_remote, start, tag_by_hand
from pushing import served as served  # noqa: PLC0414 - a fixture, for pytest to find here
from pushing import three as three  # noqa: PLC0414 - as above
from pushing import turns as turns  # noqa: PLC0414 - as above
from rollouts.contracts import tag
from test_faults_disk import TMPFS, Mount
from test_faults_disk import mount as mount  # noqa: PLC0414 - as above

TURN = ("--session", "s", "--message", "m1")
SIZE = 200_000


class Archive(NamedTuple):
    """A bare repository that some turns were pushed to."""

    root: Path
    path: Path
    turns: Turns


@pytest.fixture(scope="session")
def heavy(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """An archive of 20 turns, of 200 kB each that do not compress; not to be changed."""
    folder = tmp_path_factory.mktemp("heavy")
    env = {"ROLLOUTS_HOME": str(folder / "home")}
    rows = []
    for number in range(20):
        put(folder, "work/a.bin", os.urandom(SIZE))
        rows.append(snapshot(folder / "work", f"m{number}", env=env))
    (folder / "served").mkdir()
    there = bare(folder / "served" / "a.git")
    set_remote(folder / "work", there, env=env)
    push(folder / "work", env=env)
    return Archive(folder / "served", there, Turns(folder / "home", folder / "work", rows))


@pytest.fixture
def web(heavy: Archive) -> Iterator[GitHttp]:
    with git_http.serving(heavy.root) as server:
        yield server


@pytest.fixture
def there(turns: Turns, served: Path) -> Path:
    """An archive with three turns, for this test alone."""
    set_remote(turns.root, served / "a.git")
    push(turns.root)
    return served / "a.git"


def restore(url: str | Path, *more: str | Path, dest: str | Path = "out") -> tuple[str | Path, ...]:
    return ("restore", "--repo", url, *TURN, "--dest", dest, *more)


def refused(url: str | Path, *more: str) -> str:
    """A restore fails in one line, and leaves nothing. Returns what it said."""
    before = sorted(os.listdir())
    said = failure(run(*restore(url, *more), env=git_http.CLIENT))
    assert sorted(os.listdir()) == before
    return said


# What arrives


def test_one_tag_is_fetched_and_nothing_else(heavy: Archive, web: GitHttp, home: Path, tmp_path: Path) -> None:
    result = run(*restore(web.url("a.git"), "--verify"), env=web.env)
    assert result.code == 0, result
    assert result.err == ""
    assert web.commands == ["advertise-fetch", "ls-refs", "fetch"]
    listed, fetched = web.requests[1:]
    assert listed.sent < 1000
    assert SIZE < fetched.sent < 2 * SIZE
    git("--git-dir", heavy.path, "archive", "-o", tmp_path / "out.tar", heavy.turns.ref(1), cwd=tmp_path)
    git("--git-dir", heavy.path, "--work-tree", tmp_path, "show", f"{heavy.turns.ref(1)}:a.bin", cwd=tmp_path)
    assert (tmp_path / "out" / "a.bin").stat().st_size == SIZE
    assert not home.exists()


def test_what_was_captured_is_what_arrives(tmp_path: Path, plain: Path, served: Path) -> None:
    (plain / "empty" / "er").mkdir(parents=True)
    put(plain, "run", b"#!/bin/sh\n", mode=0o750)
    (plain / "link").symlink_to("/nowhere")
    (plain / "sub").chmod(0o711)
    snapshot(plain, "m1")
    set_remote(plain, served / "a.git")
    push(plain)
    ok(*restore("served/a.git", "--verify", dest="new/deep/out"))
    assert tree(tmp_path / "new" / "deep" / "out") == tree(plain)


def test_the_document(turns: Turns, there: Path) -> None:
    url = f"file://{there}"
    assert document(run(*restore(url, "--json"))) == {
        "schema_version": 1,
        "snapshot_id": turns.rows[1]["id"],
        "session_id": "s",
        "message_id": "m1",
        "store_commit_sha": turns.rows[1]["store_commit_sha"],
        "repo": url,
        "tag": turns.ref(1),
        "destination": str(Path.cwd() / "out"),
        "files": 1,
    }
    assert Path("out/a.txt").read_bytes() == b"1\n"


def test_the_words(turns: Turns, there: Path) -> None:
    said = ok(*restore(there))
    assert said.startswith("Restored snapshot")
    assert f"repo: {there}\ntag: {turns.ref(1)}\ndestination: {Path.cwd()}/out\nfiles: 1\n" in said


def test_a_password_is_used_and_not_told(turns: Turns, there: Path) -> None:
    with git_http.serving(there.parent) as web:
        web.credentials = ("ann", "s3cr3t")
        assert "login" in refused(web.url("a.git"))
        url = web.url("a.git", userinfo="ann:s3cr3t@")
        found = document(run(*restore(url, "--json"), env=web.env))
    assert found["repo"] == web.url("a.git")
    assert turns.ref(1) == found["tag"]


def test_part_of_a_turn(tmp_path: Path, plain: Path, served: Path) -> None:
    snapshot(plain, "m1")
    set_remote(plain, served / "a.git")
    push(plain)
    ok(*restore(served / "a.git", "--path", "sub/**", "--verify"))
    assert list(contents(tmp_path / "out")) == [b"sub/b.bin"]
    said = failure(run(*restore(served / "a.git", "--path", "none", dest="other")))
    assert "no path of the snapshot matches 'none'" in said
    assert not (tmp_path / "other").exists()


def test_git_daemon_and_a_home_that_is_none(turns: Turns, there: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with git_servers.daemon(there.parent) as server:
        result = run(*restore(server.url("a.git")), env={**server.env, "ROLLOUTS_HOME": str(tmp_path / "file")})
    assert result.code == 0, result
    assert turns.rows[1]["id"] in result.out


# What is not there


def test_a_turn_that_is_not_there(there: Path) -> None:
    words = ("restore", "--repo", there, "--session", "s", "--dest", "out", "--message")
    said = failure(run(*words, "none"))
    assert f"no remote snapshot found for session 's' and message 'none' in {there}" in said
    assert "an archive does not know which is the latest" in failure(run(*words, "latest"))
    assert not Path("out").exists()


def test_an_archive_that_is_not_there(tmp_path: Path, web: GitHttp) -> None:
    for url in (tmp_path / "none.git", web.url("none.git"), "git://127.0.0.1:1/a.git"):
        refused(url)


@pytest.mark.parametrize("dest", ["file", "folder", "dangling"])
def test_a_destination_that_exists_is_told_before_anybody_is_asked(dest: str, web: GitHttp, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    said = failure(run(*restore(web.url("a.git"), dest=dest), env=web.env))
    assert "destination already exists" in said
    assert web.requests == []


@pytest.mark.parametrize(
    "words",
    [
        ("--in-place", *TURN),
        ("--dest", "out", "--snapshot", "abc"),
        ("--dest", "out", "--session", "s"),
        ("--dest", "out", "--message", "m1"),
        ("--dest", "out", "--dry-run", *TURN),
        TURN,
    ],
)
def test_options_that_do_not_go_together(words: tuple[str, ...], web: GitHttp) -> None:
    result = run("restore", "--repo", web.url("a.git"), *words, env=web.env)
    assert (result.code, result.out) == (2, "")
    assert web.requests == []


# What goes wrong on the way


def test_a_download_that_is_cut_leaves_nothing(web: GitHttp, tmp_path: Path) -> None:
    web.faults.append(Fault("fetch", give=100_000))
    refused(web.url("a.git"))
    ok(*restore(web.url("a.git"), "--verify"), env=web.env)
    assert (tmp_path / "out" / "a.bin").stat().st_size == SIZE


@pytest.mark.parametrize("at", ["advertise-fetch", "fetch"])
def test_an_archive_that_never_answers(at: str, web: GitHttp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLOUTS_NETWORK_TIMEOUT", "0.5")
    web.faults.append(Fault(at, ALWAYS, hang=True))
    assert "no answer" in refused(web.url("a.git"))
    monkeypatch.setenv("ROLLOUTS_NETWORK_TIMEOUT", "600")
    assert "no answer" in refused(web.url("a.git"), "--timeout", "0.5")


@pytest.mark.parametrize("size", ["16k", "150k", "300k"])
def test_a_disk_that_is_full(size: str, web: GitHttp, mount: Mount, tmp_path: Path) -> None:
    disk = mount(TMPFS, tmp_path / "disk", size)
    said = failure(run(*restore(web.url("a.git"), dest=disk.path / "out"), env=web.env, under=disk.under))
    assert "the disk is full" in said
    assert "the archive is full" not in said
    assert os.listdir(disk.seen) == []


def test_what_a_killed_restore_left_is_swept_by_the_next(web: GitHttp, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    web.faults.append(Fault("fetch", hang=True))
    process = start(*restore(web.url("a.git"), dest=tmp_path / "here" / "out"), env=web.env)
    while web.faults[0].times:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    web.closed.set()  # which ends the git that was orphaned
    process.communicate()
    [left] = os.listdir(tmp_path / "here")
    assert left != "out"
    time.sleep(0.3)
    ok(*restore(web.url("a.git"), dest=tmp_path / "here" / "out"), env=web.env)
    assert os.listdir(tmp_path / "here") == ["out"]


def test_ctrl_c_leaves_nothing(web: GitHttp, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    web.faults.append(Fault("fetch", hang=True))
    process = start(*restore(web.url("a.git"), dest=tmp_path / "here" / "out"), env=web.env)
    while web.faults[0].times:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    failure(result_of(process), 130)
    assert os.listdir(tmp_path / "here") == []


# What is not to be trusted


def test_a_tag_that_names_another_turn(turns: Turns, there: Path) -> None:
    lies: tuple[dict[str, object], ...] = (
        {"session_id": "other"},
        {"message_id": "m2"},
        {"store_commit_sha": turns.rows[0]["store_commit_sha"]},
        {"schema_version": 2},
        {"snapshot_id": "../x"},
        {"captured_at": "soon"},
        {"vcs": "none"},
    )
    for lie in lies:
        tag_by_hand(turns, 1, there, **lie)
        assert "not to be trusted" in refused(there), lie
    tag_by_hand(turns, 1, there)
    ok(*restore(there, "--verify"))


def test_a_tag_that_is_another_turns(turns: Turns, there: Path) -> None:
    git("--git-dir", there, "update-ref", turns.ref(1), oids(there)[turns.ref(2)], cwd=there)
    assert "not to be trusted" in refused(there)
    git("--git-dir", there, "update-ref", turns.ref(1), turns.rows[1]["store_commit_sha"], cwd=there)
    assert "not to be trusted" in refused(there)


def by_hand(repository: Path, commit: str) -> None:
    """Puts a tag for the turn into a repository that names a commit there."""
    name = tag.ref("s", "m1").removeprefix("refs/tags/")
    body = (
        f'{{"captured_at": "2026-01-01T00:00:00+00:00", "message_id": "m1", "metadata": {{}}, "schema_version": 1,'
        f' "session_id": "s", "snapshot_id": "{"0" * 32}", "store_commit_sha": "{commit}", "vcs": {{"vcs": null}}}}'
    )
    git("--git-dir", repository, "tag", "-f", "-a", "-m", body, name, commit, cwd=repository)


def committed(repository: Path, *entries: tuple[str, str, str], parents: tuple[str, ...] = ()) -> str:
    """A commit, with a tree of such modes, object ids and names."""
    raw = b"".join(f"{mode} {name}\0".encode() + bytes.fromhex(oid) for mode, oid, name in entries)
    words = ("hash-object", "-t", "tree", "--literally", "-w", "--stdin")
    made = git("--git-dir", repository, *words, cwd=repository, stdin=raw).strip()
    more = [word for parent in parents for word in ("-p", parent)]
    return git("--git-dir", repository, "commit-tree", *more, "-m", "snapshot", made, cwd=repository).strip()


def stored(repository: Path, data: bytes) -> str:
    return git("--git-dir", repository, "hash-object", "-w", "--stdin", cwd=repository, stdin=data).strip()


def test_a_tag_of_the_original_is_good(served: Path) -> None:
    there = served / "a.git"
    by_hand(there, committed(there, ("100644", stored(there, b"hello"), "a")))
    ok(*restore(there, "--verify"))
    assert Path("out/a").read_bytes() == b"hello"


def test_a_commit_with_a_history(served: Path) -> None:
    there = served / "a.git"
    first = committed(there, ("100644", stored(there, b"hello"), "a"))
    by_hand(there, committed(there, ("100644", stored(there, b"more"), "a"), parents=(first,)))
    assert "parent" in refused(there)


def test_trees_that_would_write_elsewhere(served: Path, tmp_path: Path) -> None:
    there = served / "a.git"
    outside = tmp_path / "outside"
    outside.mkdir()
    link, file = stored(there, str(outside).encode()), stored(there, b"gotcha")
    inner = committed(there, ("100644", file, "b"))
    below = git("--git-dir", there, "rev-parse", f"{inner}^{{tree}}", cwd=there).strip()
    hostile = (
        (("120000", link, "a"), ("40000", below, "a")),
        (("40000", below, ".."),),
        (("40000", below, ".git"),),
        (("40000", below, ".GiT"),),
        (("40000", below, "a/../.."),),
        (("100644", file, "../b"),),
        (("100644", file, "/b"),),
        (("160000", inner, "module"),),
        (("100644", "0" * 39 + "1", "missing"),),
    )
    for entries in hostile:
        by_hand(there, committed(there, *entries))
        refused(there)
        assert os.listdir(outside) == [], entries


def test_the_user_and_the_archive_are_left_as_they_are(turns: Turns, there: Path, sealed: Path) -> None:
    before = refs(there), tree(turns.home, without=()), tree(sealed)
    ok(*restore(there))
    assert (refs(there), tree(turns.home, without=()), tree(sealed)) == before
