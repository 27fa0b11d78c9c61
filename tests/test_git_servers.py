"""The servers that other tests push to and fetch from do what plain git expects of them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import git_http
import git_servers
from git_http import ALWAYS, Fault, GitHttp
from git_servers import bare
from helpers import git, new_repository, put
from test_faults_disk import NO_OVERRIDE, READ_ONLY, TMPFS, Mount
from test_faults_disk import mount as mount  # noqa: PLC0414 - a fixture, for pytest to find here

REF = "refs/tags/one"
SMALL = "http.postBuffer=70000"
"""A push that is larger is sent in chunks, after a probe. (Below 65,520 git itself aborts a listing.)"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory with one bare repository, `a.git`."""
    (tmp_path / "served").mkdir()
    bare(tmp_path / "served" / "a.git")
    return tmp_path / "served"


@pytest.fixture
def web(root: Path) -> Iterator[GitHttp]:
    with git_http.serving(root) as server:
        yield server


@pytest.fixture
def heavy(repo: Path) -> Path:
    """A repository with 300 kB that do not compress, and the tags `one` and `two`."""
    put(repo, "heavy", os.urandom(300_000))
    git("add", "-A", cwd=repo)
    git("commit", "-qm", "heavy", cwd=repo)
    git("tag", "one", cwd=repo)
    git("tag", "two", cwd=repo)
    return repo


def fails(*args: str | Path, cwd: Path, env: Mapping[str, str], under: tuple[str, ...] = ()) -> str:
    """Runs git, which must fail by itself. Returns what it said."""
    words = [*under, "git", "-C", cwd, *args]
    done = subprocess.run(words, env=os.environ | env, capture_output=True, timeout=30, check=False)
    assert done.returncode > 0, done
    return done.stderr.decode()


def refs(repository: Path) -> list[str]:
    return git("for-each-ref", "--format=%(refname)", cwd=repository).split()


def round_trip(heavy: Path, url: str, env: Mapping[str, str]) -> None:
    """Pushes, lists and fetches over a URL."""
    git("push", url, REF, cwd=heavy, env=env)
    assert git("ls-remote", url, cwd=heavy, env=env).split()[1::2] == [REF]
    other = heavy.parent / "other"
    git("init", "-q", other, cwd=heavy)
    git("fetch", "--depth=1", url, f"+{REF}:{REF}", cwd=other, env=env)
    assert git("rev-parse", REF, cwd=other) == git("rev-parse", REF, cwd=heavy)


# What works


def test_http_in_chunks_with_protocol_2_and_a_log(heavy: Path, root: Path, web: GitHttp) -> None:
    git("config", *SMALL.split("="), cwd=heavy)
    round_trip(heavy, web.url("a.git"), web.env)
    assert web.commands == [
        *("advertise-push", "probe", "push"),
        *("advertise-fetch", "ls-refs"),
        *("advertise-fetch", "ls-refs", "fetch"),
    ]
    assert web.listings == 3
    assert web.requests[2].received > 300_000
    assert web.requests[-1].sent > 300_000
    assert {request.protocol for request in web.requests[3:]} == {"version=2"}
    assert refs(root / "a.git") == [REF]


@pytest.mark.parametrize("version", ["0", "1"])
def test_http_with_an_older_protocol(version: str, heavy: Path, web: GitHttp) -> None:
    git("push", web.url("a.git"), REF, cwd=heavy, env=web.env)
    git("-c", f"protocol.version={version}", "ls-remote", web.url("a.git"), cwd=heavy, env=web.env)
    assert web.commands == ["advertise-push", "push", "advertise-fetch"]
    assert web.listings == 2


def test_http_with_a_compressed_negotiation(repo: Path, root: Path, web: GitHttp, tmp_path: Path) -> None:
    for number in range(60):
        git("commit", "-q", "--allow-empty", "-m", f"{number}", cwd=repo)
    theirs = new_repository(tmp_path / "theirs")
    git("push", "-q", root / "a.git", "HEAD:refs/heads/main", cwd=theirs)
    git("fetch", "-q", web.url("a.git"), "refs/heads/main", cwd=repo, env=web.env)
    assert "gzip" in {request.encoding for request in web.requests if request.command == "fetch"}
    assert git("rev-parse", "FETCH_HEAD", cwd=repo) == git("rev-parse", "HEAD", cwd=theirs)


def test_http_asks_for_a_password(heavy: Path, root: Path, web: GitHttp) -> None:
    web.credentials = ("ann", "s3cr3t")
    fails("push", web.url("a.git"), REF, cwd=heavy, env=web.env)
    said = fails("push", web.url("a.git", userinfo="ann:wrong@"), REF, cwd=heavy, env=web.env)
    assert "Authentication failed" in said
    assert refs(root / "a.git") == []
    assert {request.status for request in web.requests} == {401}
    git("config", *SMALL.split("="), cwd=heavy)
    round_trip(heavy, web.url("a.git", userinfo="ann:s3cr3t@"), web.env)


def test_git_daemon(heavy: Path, root: Path) -> None:
    with git_servers.daemon(root) as server:
        round_trip(heavy, server.url("a.git"), server.env)


def test_ssh(heavy: Path, root: Path, tmp_path: Path) -> None:
    with git_servers.ssh(root, tmp_path / "ssh") as server:
        round_trip(heavy, server.url("a.git"), server.env)


# What does not


@pytest.mark.parametrize("at", ["advertise-push", "push"])
def test_http_that_reads_only(at: str, heavy: Path, root: Path, web: GitHttp) -> None:
    web.faults.append(Fault(at, ALWAYS, status=403))
    assert "403" in fails("push", web.url("a.git"), REF, cwd=heavy, env=web.env)
    git("ls-remote", web.url("a.git"), cwd=heavy, env=web.env)
    assert refs(root / "a.git") == []


@pytest.mark.parametrize("status", [429, 503])
def test_http_that_is_busy_for_a_while(status: int, heavy: Path, web: GitHttp) -> None:
    web.faults.append(Fault("", 2, status=status))
    for _ in range(2):
        assert str(status) in fails("push", web.url("a.git"), REF, cwd=heavy, env=web.env)
    git("push", web.url("a.git"), REF, cwd=heavy, env=web.env)


@pytest.mark.parametrize("settings", ["http.postBuffer=1000000", SMALL])
def test_an_upload_that_is_cut(settings: str, heavy: Path, root: Path, web: GitHttp) -> None:
    web.faults.append(Fault("push", ALWAYS, take=100_000))  # curl tries a body that it still holds once more
    fails("-c", settings, "push", web.url("a.git"), REF, cwd=heavy, env=web.env)
    assert {request.received for request in web.requests if request.command == "push"} == {100_000}
    assert refs(root / "a.git") == []
    web.faults.clear()
    git("-c", settings, "push", web.url("a.git"), REF, cwd=heavy, env=web.env)
    assert refs(root / "a.git") == [REF]


def test_a_push_whose_answer_is_lost_has_worked(heavy: Path, root: Path, web: GitHttp) -> None:
    web.faults.append(Fault("push", give=0))
    fails("push", web.url("a.git"), REF, cwd=heavy, env=web.env)
    assert refs(root / "a.git") == [REF]


def test_a_download_that_is_cut(heavy: Path, root: Path, web: GitHttp, tmp_path: Path) -> None:
    git("push", "-q", root / "a.git", REF, cwd=heavy)
    other = bare(tmp_path / "other.git")
    web.faults.append(Fault("fetch", give=100_000))
    fails("fetch", web.url("a.git"), f"{REF}:{REF}", cwd=other, env=web.env)
    assert refs(other) == []
    git("fetch", web.url("a.git"), f"{REF}:{REF}", cwd=other, env=web.env)
    assert refs(other) == [REF]


@pytest.mark.parametrize("at", ["advertise-push", "push"])
def test_http_that_never_answers(at: str, heavy: Path, root: Path, web: GitHttp) -> None:
    web.faults.append(Fault(at, ALWAYS, hang=True))
    slow = ("-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=1")
    assert "too slow" in fails(*slow, "push", web.url("a.git"), REF, cwd=heavy, env=web.env)
    assert refs(root / "a.git") == []


def test_a_port_that_never_answers(repo: Path) -> None:
    with git_servers.silent() as port, pytest.raises(subprocess.TimeoutExpired):
        subprocess.run(["git", "ls-remote", f"git://127.0.0.1:{port}/a"], cwd=repo, timeout=0.5, check=False)


def test_a_hook_that_refuses_one_ref(heavy: Path, root: Path, web: GitHttp) -> None:
    git_servers.refuse_one(root / "a.git", "refs/tags/two")
    said = fails("push", web.url("a.git"), "--tags", cwd=heavy, env=web.env)
    assert "no refs/tags/two here" in said
    assert refs(root / "a.git") == [REF]


def test_a_hook_that_refuses_the_whole_push(heavy: Path, root: Path, web: GitHttp) -> None:
    git_servers.refuse_all(root / "a.git", "refs/tags/two")
    fails("push", web.url("a.git"), "--tags", cwd=heavy, env=web.env)
    assert refs(root / "a.git") == []
    git("push", web.url("a.git"), REF, cwd=heavy, env=web.env)
    assert refs(root / "a.git") == [REF]


def test_a_push_that_takes_its_time(heavy: Path, root: Path) -> None:
    git_servers.stall(root / "a.git", 30)
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run(["git", "push", "-q", root / "a.git", REF], cwd=heavy, timeout=1, check=False)


def test_a_full_disk(heavy: Path, mount: Mount, tmp_path: Path) -> None:
    disk = mount(TMPFS, tmp_path / "disk", "200k")
    bare(disk.path / "a.git", under=disk.under)
    assert "No space left" in fails("push", disk.path / "a.git", REF, cwd=heavy, env={}, under=disk.under)
    with git_http.serving(disk.path, under=disk.under) as web:
        fails("push", web.url("a.git"), REF, cwd=heavy, env=web.env)
    assert fails("rev-parse", REF, cwd=disk.path / "a.git", env={}, under=disk.under)


def test_a_disk_that_is_read_only(heavy: Path, root: Path, mount: Mount) -> None:
    disk = mount(READ_ONLY, root)
    assert "unable to create" in fails("push", root / "a.git", REF, cwd=heavy, env={}, under=disk.under)
    with git_http.serving(root, under=disk.under) as web:
        fails("push", web.url("a.git"), REF, cwd=heavy, env=web.env)
        git("ls-remote", web.url("a.git"), cwd=heavy, env=web.env)


def test_a_repository_that_may_not_be_written(heavy: Path, root: Path) -> None:
    for path in (root / "a.git" / "objects", root / "a.git" / "refs", root / "a.git"):
        path.chmod(0o555)
    under = NO_OVERRIDE if os.geteuid() == 0 else ()
    assert "unable to create" in fails("push", root / "a.git", REF, cwd=heavy, env={}, under=under)
