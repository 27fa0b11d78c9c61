"""Archives that refuse, break off, are silent, full or wrong: a clear word, and the next push finishes the work."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

import pytest

import git_http
import git_servers
from git_http import ALWAYS, Fault, GitHttp
from git_servers import bare
from helpers import failure, git, ok, put, query, run, snapshot
from pushing import (
    Turns,
    nothing_left,
    oids,
    push,
    reasons,
    refs,
    result_of,
    set_remote,
    start,
    statuses,
    tag_by_hand,
)
from pushing import many as many  # noqa: PLC0414 - a fixture, for pytest to find here
from pushing import served as served  # noqa: PLC0414 - as above
from pushing import thirty as thirty  # noqa: PLC0414 - as above
from pushing import three as three  # noqa: PLC0414 - as above
from pushing import turns as turns  # noqa: PLC0414 - as above
from test_faults_disk import NO_OVERRIDE, READ_ONLY, TMPFS, Mount
from test_faults_disk import mount as mount  # noqa: PLC0414 - as above

TURN = ("--session", "s", "--message", "m0")
PUSHED = {"m0": "pushed", "m1": "pushed", "m2": "pushed"}


@pytest.fixture
def web(turns: Turns, served: Path) -> Iterator[GitHttp]:
    """A server whose `a.git` is the workspace's archive."""
    with git_http.serving(served) as server:
        set_remote(turns.root, server.url("a.git"))
        yield server


def pushed_later(turns: Turns, there: Path) -> None:
    """What is missing is sent by the next push, and nothing was left behind."""
    assert push(turns.root, env=git_http.CLIENT)["failed"] == 0
    assert refs(there) == turns.refs
    assert nothing_left(turns)


def one_line(turns: Turns, web: GitHttp) -> str:
    """A push fails altogether, in one line. Returns what it said."""
    return failure(run("push", turns.root, env=web.env))


# Servers that refuse


def test_a_hook_that_refuses_one(turns: Turns, web: GitHttp, served: Path) -> None:
    git_servers.refuse_one(served / "a.git", turns.ref(1))
    found = push(turns.root, code=1, env=web.env)
    assert statuses(found) == PUSHED | {"m1": "failed"}
    assert reasons(found) == {"m1": f"hook declined: no {turns.ref(1)} here"}
    assert web.commands.count("push") == 1
    result = run("push", turns.root, env=web.env)
    assert result.code == 1
    assert "skipped existing: 2\nfailed: 1\n" in result.out
    assert "hook declined" in result.out
    (served / "a.git" / "hooks" / "update").unlink()
    pushed_later(turns, served / "a.git")


def test_a_hook_that_refuses_all_for_the_sake_of_one(many: Turns, served: Path) -> None:
    set_remote(many.root, served / "a.git")
    git_servers.refuse_all(served / "a.git", many.ref(17))
    found = push(many.root, code=1)
    assert (found["pushed"], found["failed"]) == (29, 1)
    assert "here" in reasons(found)["m17"]
    assert refs(served / "a.git") == sorted(set(many.refs) - {many.ref(17)})
    (served / "a.git" / "hooks" / "pre-receive").unlink()
    pushed_later(many, served / "a.git")


@pytest.mark.parametrize("at", ["", "push", "advertise-push"])
def test_a_server_that_reads_only(at: str, turns: Turns, web: GitHttp, served: Path) -> None:
    web.faults.append(Fault(at, ALWAYS, status=403))
    assert "403" in one_line(turns, web)
    assert len(web.requests) <= 12
    web.faults.clear()
    pushed_later(turns, served / "a.git")


@pytest.mark.parametrize(("at", "status"), [("advertise-fetch", 429), ("advertise-push", 503), ("push", 503)])
def test_a_server_that_is_busy(at: str, status: int, turns: Turns, web: GitHttp, served: Path) -> None:
    web.faults.append(Fault(at, ALWAYS, status=status))
    assert str(status) in one_line(turns, web)
    web.faults.clear()
    pushed_later(turns, served / "a.git")


def test_a_server_that_is_busy_once(turns: Turns, web: GitHttp, served: Path) -> None:
    web.faults.append(Fault("push", status=503))
    assert statuses(push(turns.root, env=web.env)) == PUSHED
    assert refs(served / "a.git") == turns.refs


@pytest.mark.parametrize("userinfo", ["", "ann:wr0ng@"])
def test_a_login_that_is_missing_or_wrong(userinfo: str, turns: Turns, web: GitHttp, served: Path) -> None:
    web.credentials = ("ann", "s3cr3t")
    set_remote(turns.root, web.url("a.git", userinfo=userinfo))
    said = one_line(turns, web)
    assert "login" in said
    assert "wr0ng" not in said
    assert refs(served / "a.git") == []


def test_nobody_is_asked_for_a_login_off_a_terminal(turns: Turns, web: GitHttp, tmp_path: Path) -> None:
    web.credentials = ("ann", "s3cr3t")
    process = start("push", turns.root, env=web.env)
    began = time.monotonic()
    assert result_of(process).code == 1
    assert time.monotonic() - began < 10
    put(tmp_path, "ask", b"#!/bin/sh\ncase $1 in User*) echo ann;; *) echo s3cr3t;; esac\n", mode=0o755)
    assert push(turns.root, env={**web.env, "GIT_ASKPASS": str(tmp_path / "ask")})["pushed"] == 3


# Servers that break off or say nothing


@pytest.mark.parametrize("fault", [Fault("push", 2, take=200), Fault("push", 2, give=0), Fault("push", 2, give=30)])
def test_a_connection_that_breaks_for_a_while(fault: Fault, turns: Turns, web: GitHttp, served: Path) -> None:
    web.faults.append(Fault(**vars(fault)))
    assert statuses(push(turns.root, env=web.env)) == PUSHED
    assert refs(served / "a.git") == turns.refs
    assert nothing_left(turns)


def test_a_connection_that_breaks_while_a_tag_is_replaced(turns: Turns, web: GitHttp, served: Path) -> None:
    tag_by_hand(turns, 1, served / "a.git", snapshot_id="0" * 32)
    web.faults.append(Fault("push", 2, take=200))
    assert statuses(push(turns.root, "--replace", env=web.env)) == PUSHED
    assert statuses(push(turns.root, env=web.env))["m1"] == "skipped"


@pytest.mark.parametrize("at", ["advertise-fetch", "ls-refs", "advertise-push", "push"])
def test_a_connection_that_always_breaks(at: str, turns: Turns, web: GitHttp, served: Path) -> None:
    web.faults.append(Fault(at, ALWAYS, take=10) if at == "push" else Fault(at, ALWAYS, give=2))
    one_line(turns, web)
    web.faults.clear()
    pushed_later(turns, served / "a.git")


def test_a_connection_that_always_breaks_is_left_alone_after_a_while(many: Turns, served: Path) -> None:
    with git_http.serving(served) as web:
        set_remote(many.root, web.url("a.git"))
        web.faults.append(Fault("push", ALWAYS, take=10))
        said = failure(run("push", many.root, env=web.env))
        assert said.count("http://") <= 2
        assert web.commands.count("advertise-push") <= 14
        web.faults.clear()
        pushed_later(many, served / "a.git")


@pytest.mark.parametrize("at", ["advertise-fetch", "ls-refs", "advertise-push", "push"])
def test_a_server_that_never_answers(at: str, turns: Turns, web: GitHttp, served: Path) -> None:
    web.faults.append(Fault(at, ALWAYS, hang=True))
    began = time.monotonic()
    said = failure(run("push", turns.root, env={**web.env, "ROLLOUTS_NETWORK_TIMEOUT": "1"}))
    assert "no answer for 1 second" in said
    assert "`--timeout SECONDS` waits longer" in said
    assert time.monotonic() - began < 5
    assert nothing_left(turns)
    web.faults.clear()
    pushed_later(turns, served / "a.git")


def test_a_port_that_never_answers(turns: Turns) -> None:
    with git_servers.silent() as port:
        set_remote(turns.root, f"git://127.0.0.1:{port}/a.git")
        assert "no answer" in failure(run("push", turns.root, env={"ROLLOUTS_NETWORK_TIMEOUT": "0.5"}))
        long = {"ROLLOUTS_NETWORK_TIMEOUT": "600"}
        for command in ("push", "pull"):
            assert "no answer" in failure(run(command, turns.root, "--timeout", "0.5", env=long))


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "nan"])
def test_a_time_limit_that_is_none(seconds: str, turns: Turns, served: Path) -> None:
    set_remote(turns.root, served / "a.git")
    assert "ROLLOUTS_NETWORK_TIMEOUT" in failure(run("push", turns.root, env={"ROLLOUTS_NETWORK_TIMEOUT": seconds}))
    for command in ("push", "pull"):
        assert "--timeout takes a number" in failure(run(command, turns.root, f"--timeout={seconds}"), 2)


def test_a_push_that_takes_long_is_waited_for(turns: Turns, served: Path) -> None:
    set_remote(turns.root, served / "a.git")
    git_servers.stall(served / "a.git", 1.2)
    assert "no answer" in failure(run("push", turns.root, env={"ROLLOUTS_NETWORK_TIMEOUT": "0.3"}))
    assert statuses(push(turns.root, env={"ROLLOUTS_NETWORK_TIMEOUT": "30"})) == PUSHED


# Nothing there


def test_nobody_listens(turns: Turns, served: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    for url in (f"git://127.0.0.1:{port}/a.git", f"http://127.0.0.1:{port}/a.git"):
        set_remote(turns.root, url)
        for words in ((), ("--json",), ("--dry-run",)):
            assert "check the network" in failure(run("push", turns.root, *words, env=git_http.CLIENT))
    set_remote(turns.root, served / "a.git")
    pushed_later(turns, served / "a.git")


def test_no_repository_there(turns: Turns, web: GitHttp, served: Path) -> None:
    for url in (served / "none.git", web.url("none.git"), served):
        set_remote(turns.root, url)
        assert "`rollouts remote show`" in failure(run("push", turns.root, env=web.env))


# Places that cannot be written


def test_an_archive_that_may_not_be_written(turns: Turns, served: Path) -> None:
    set_remote(turns.root, served / "a.git")
    for path in (served / "a.git" / "objects", served / "a.git" / "refs", served / "a.git"):
        path.chmod(0o555)
    under = NO_OVERRIDE if os.geteuid() == 0 else ()
    failure(run("push", turns.root, under=under))
    for path in (served / "a.git" / "objects", served / "a.git" / "refs", served / "a.git"):
        path.chmod(0o755)
    pushed_later(turns, served / "a.git")


def test_an_archive_on_a_disk_that_is_read_only(turns: Turns, served: Path, mount: Mount) -> None:
    set_remote(turns.root, served / "a.git")
    disk = mount(READ_ONLY, served)
    failure(run("push", turns.root, under=disk.under))
    pushed_later(turns, served / "a.git")


def test_an_archive_on_a_full_disk(plain: Path, mount: Mount, tmp_path: Path) -> None:
    (plain / "large").write_bytes(os.urandom(600_000))
    snapshot(plain, "large")
    (plain / "large").unlink()
    snapshot(plain, "small")
    disk = mount(TMPFS, tmp_path / "disk", "400k")
    bare(disk.path / "a.git", under=disk.under)
    set_remote(plain, disk.path / "a.git")
    found = push(plain, code=1, under=disk.under)
    assert statuses(found) == {"large": "failed", "small": "pushed"}
    assert "No space left" in reasons(found)["large"]
    ok("remote", "clear", plain)
    set_remote(plain, bare(tmp_path / "roomy.git"))
    assert push(plain)["pushed"] == 2


@pytest.mark.parametrize("lost", ["commit", "tree", "file"])
def test_a_store_that_has_lost_part_of_a_turn(lost: str, turns: Turns, served: Path) -> None:
    set_remote(turns.root, served / "a.git")
    commit = turns.rows[1]["store_commit_sha"]
    name = {"commit": commit, "tree": f"{commit}^{{tree}}", "file": f"{commit}:a.txt"}[lost]
    oid = git("--git-dir", turns.store, "rev-parse", name, cwd=turns.root).strip()
    (turns.store / "objects" / oid[:2] / oid[2:]).unlink()
    found = push(turns.root, code=1)
    assert statuses(found) == PUSHED | {"m1": "failed"}
    assert "rollouts doctor" in reasons(found)["m1"]
    assert refs(served / "a.git") == sorted({turns.ref(0), turns.ref(2)})
    git("--git-dir", served / "a.git", "fsck", "--strict", cwd=served)


def test_an_archive_that_has_lost_what_is_in_the_way(turns: Turns, served: Path, repo: Path) -> None:
    there = served / "a.git"
    set_remote(turns.root, there)
    git("push", "-q", there, f"HEAD:{turns.ref(1)}", cwd=repo)
    lost = git("rev-parse", "HEAD^{tree}", cwd=repo).strip()
    (there / "objects" / lost[:2] / lost[2:]).unlink()
    found = push(turns.root, code=1)
    assert statuses(found) == PUSHED | {"m1": "failed"}
    assert "cannot be read" in reasons(found)["m1"]
    assert statuses(push(turns.root, "--replace")) == {"m0": "skipped", "m1": "pushed", "m2": "skipped"}
    git("--git-dir", there, "fsck", "--strict", cwd=there)


def test_an_archive_that_is_broken(turns: Turns, served: Path) -> None:
    set_remote(turns.root, served / "a.git")
    lost = tag_by_hand(turns, 1, served / "a.git", snapshot_id="0" * 32)
    (served / "a.git" / "objects" / lost[:2] / lost[2:]).unlink()
    found = push(turns.root, code=1)  # git takes nothing for a repository whose refs lead nowhere
    assert set(statuses(found).values()) == {"failed"}
    assert reasons(found)["m0"].startswith("missing necessary objects: fatal: bad object")


def test_an_archive_with_no_room_for_the_names_of_tags(turns: Turns, web: GitHttp, served: Path, repo: Path) -> None:
    git("push", "-q", served / "a.git", "HEAD:refs/tags/rollouts/session", cwd=repo)
    found = push(turns.root, code=1, env=web.env)
    assert set(statuses(found).values()) == {"failed"}
    assert "'refs/tags/rollouts/session' exists" in reasons(found)["m0"]
    assert web.commands.count("push") < 15


def test_an_archive_of_another_object_format(turns: Turns, served: Path) -> None:
    git("init", "-q", "--bare", "--object-format=sha256", served / "b.git", cwd=served)
    set_remote(turns.root, served / "b.git")
    assert "hash algorithm" in failure(run("push", turns.root))


def test_a_home_on_a_full_disk(turns: Turns, served: Path, mount: Mount, tmp_path: Path) -> None:
    set_remote(turns.root, served / "a.git")
    disk = mount(TMPFS, tmp_path / "disk", "1m")
    shutil.copytree(turns.home, disk.seen / "home")
    with contextlib.suppress(OSError), (disk.seen / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    env = {"ROLLOUTS_HOME": str(disk.path / "home")}
    assert "free some space" in failure(run("push", turns.root, env=env, under=disk.under))
    assert len(list((disk.seen / "home" / "workspaces").iterdir())) == 1
    (disk.seen / "filler").unlink()
    assert statuses(push(turns.root, env=env, under=disk.under)) == PUSHED


def test_a_turn_whose_moment_is_none(turns: Turns, served: Path) -> None:
    set_remote(turns.root, served / "a.git")
    query(turns.home, "UPDATE snapshots SET captured_at = 'soon' WHERE message_id = 'm1'")
    found = push(turns.root, code=1)
    assert statuses(found) == PUSHED | {"m1": "failed"}
    assert "captured_at is no moment" in reasons(found)["m1"]


def test_the_words_of_a_server_do_nothing_to_a_terminal(turns: Turns, served: Path) -> None:
    set_remote(turns.root, served / "a.git")
    put(served / "a.git", "hooks/update", b"#!/bin/sh\nprintf '\\033[2Jno\\tway\\n' >&2\nexit 1\n", mode=0o755)
    result = run("push", turns.root)
    assert result.code == 1
    assert "\\x1b[2Jno\\tway" in result.out
    assert "\x1b" not in result.out + result.err


def test_a_store_that_is_lost(turns: Turns, served: Path) -> None:
    set_remote(turns.root, served / "a.git")
    shutil.rmtree(turns.store)
    assert "rollouts doctor" in failure(run("push", turns.root))


# The user's git configuration


SETTINGS = {
    "push.gpgSign": "true",
    "tag.gpgSign": "true",
    "commit.gpgSign": "true",
    "tag.forceSignAnnotated": "true",
    "gpg.program": "/bin/false",
    "push.followTags": "true",
    "push.default": "nothing",
    "push.negotiate": "true",
    "push.pushOption": "no such option",
    "push.recurseSubmodules": "on-demand",
    "push.useForceIfIncludes": "true",
    "submodule.recurse": "true",
    "color.ui": "always",
    "color.push": "always",
    "color.transport": "always",
    "color.remote": "always",
    "transfer.fsckObjects": "true",
    "fetch.prune": "true",
    "fetch.recurseSubmodules": "true",
    "remote.pushDefault": "nowhere",
    "protocol.version": "0",
    "i18n.commitEncoding": "latin1",
}


def test_hooks_and_settings_of_the_users_git_do_no_harm(
    turns: Turns, sealed: Path, tmp_path: Path, served: Path
) -> None:
    for name in ("pre-push", "reference-transaction"):
        put(tmp_path, f"hooks/{name}", f"#!/bin/sh\ntouch '{tmp_path}/ran'\nexit 1\n".encode(), mode=0o755)
    other = tag_by_hand(turns, 1, served / "a.git", snapshot_id="0" * 32)
    git_servers.refuse_one(served / "a.git", turns.ref(2))
    with git_http.serving(served, under=("env", "GIT_CONFIG_GLOBAL=/dev/null")) as web:  # only the user has these
        set_remote(turns.root, web.url("a.git"))
        for name, value in (SETTINGS | {"core.hooksPath": str(tmp_path / "hooks")}).items():
            git("config", "--global", name, value, cwd=sealed)
        found = push(turns.root, code=1, env=web.env)
        assert statuses(found) == {"m0": "pushed", "m1": "conflict", "m2": "failed"}
        assert reasons(found)["m2"] == f"hook declined: no {turns.ref(2)} here"
        found = push(turns.root, "--replace", code=1, env=web.env)
        assert statuses(found) == {"m0": "skipped", "m1": "pushed", "m2": "failed"}
    assert oids(served / "a.git")[turns.ref(1)] != other
    assert not (tmp_path / "ran").exists()


def test_git_variables_of_another_repository_do_no_harm(turns: Turns, repo: Path, served: Path, tmp_path: Path) -> None:
    set_remote(turns.root, served / "a.git")
    before = oids(repo / ".git")
    env = {
        "GIT_DIR": str(repo / ".git"),
        "GIT_WORK_TREE": str(repo),
        "GIT_INDEX_FILE": str(tmp_path / "index"),
        "GIT_OBJECT_DIRECTORY": str(repo / ".git" / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(tmp_path),
        "GIT_NAMESPACE": "elsewhere",
        "GIT_ALLOW_PROTOCOL": "ext",
        "GIT_PROTOCOL_FROM_USER": "0",
        "GIT_TRACE": str(tmp_path / "trace"),
        "GIT_CONFIG_PARAMETERS": "'core.bare'='maybe'",
        "GIT_EXEC_PATH": str(tmp_path),
        "GIT_CEILING_DIRECTORIES": "/",
        "GIT_REF_PARANOIA": "0",
        "GIT_PUSH_OPTION_COUNT": "1",
    }
    assert statuses(push(turns.root, env=env)) == PUSHED
    assert refs(served / "a.git") == turns.refs
    assert oids(repo / ".git") == before
    assert not (tmp_path / "index").exists()
    assert not (tmp_path / "trace").exists()


# Values that would be options, commands or transports

BAD = ["--upload-pack=touch x", "ext::sh -c 'touch x'", "fd::17", "git@-oProxyCommand=touch x:a.git", "a\nb"]


@pytest.mark.parametrize("url", BAD)
def test_a_url_that_is_refused(url: str, turns: Turns, tmp_path: Path) -> None:
    failure(run("remote", "set", turns.root, f"--url={url}"))
    failure(run("pull", turns.root, f"--url={url}"))
    failure(run("restore", f"--repo={url}", *TURN, "--dest", "out"))
    assert '"remote_url": null' in ok("remote", "show", "--json")
    assert not (tmp_path / "x").exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("url", ["ext::touch x", "--upload-pack=touch x"])
def test_a_url_that_got_into_the_catalog_some_other_way(url: str, turns: Turns, tmp_path: Path) -> None:
    query(turns.home, "UPDATE workspaces SET remote_url = ?", url)
    failure(run("push", turns.root))
    failure(run("pull", turns.root))
    assert not (tmp_path / "x").exists()


def test_a_rewritten_url_starts_no_program(turns: Turns, sealed: Path, tmp_path: Path) -> None:
    git("config", "--global", "url.ext::touch x .insteadOf", "https://turns.example/", cwd=sealed)
    git("config", "--global", "protocol.ext.allow", "always", cwd=sealed)
    set_remote(turns.root, "https://turns.example/a.git")
    assert "not allowed" in failure(run("push", turns.root))
    assert not (tmp_path / "x").exists()


# Killed, interrupted, two at once


def test_a_push_that_is_killed_at_any_time(many: Turns, served: Path) -> None:
    chance = random.Random(4)  # noqa: S311 - chance, not a secret
    set_remote(many.root, served / "a.git")
    for _ in range(8):
        process = start("push", many.root)
        time.sleep(chance.uniform(0.05, 0.5))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        with contextlib.suppress(FileNotFoundError):  # so that there is something to do for the next one
            shutil.rmtree(served / "a.git" / "refs" / "tags" / "rollouts")
    found = push(many.root)
    assert found["failed"] == 0
    assert refs(served / "a.git") == many.refs
    run("gc")
    assert nothing_left(many)
    assert "all is well" in ok("doctor")


@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGKILL])
def test_a_push_that_is_ended_while_the_archive_thinks(name: signal.Signals, turns: Turns, served: Path) -> None:
    set_remote(turns.root, served / "a.git")
    git_servers.stall(served / "a.git", 1)
    process = start("push", turns.root)
    for _ in range(200):
        if list((served / "a.git" / "objects").glob("*incoming*")):
            break
        time.sleep(0.02)
    os.kill(process.pid, name)
    result = result_of(process)
    if name == signal.SIGINT:
        assert failure(result, 130)
        assert nothing_left(turns)
    (served / "a.git" / "hooks" / "pre-receive").unlink()
    time.sleep(1.2)  # a git that was orphaned may still finish
    assert push(turns.root)["failed"] == 0
    assert refs(served / "a.git") == turns.refs
    ok("gc")
    assert nothing_left(turns)


def other_machine(turns: Turns, folder: Path) -> dict[str, str]:
    """A home with the same workspace on another machine, as it was copied there."""
    shutil.copytree(turns.home, folder)
    return {"ROLLOUTS_HOME": str(folder)}


def test_two_machines_with_different_turns(turns: Turns, served: Path, tmp_path: Path) -> None:
    set_remote(turns.root, served / "a.git")
    other = other_machine(turns, tmp_path / "other home")
    snapshot(turns.root, "here", session="h")
    snapshot(turns.root, "there", session="t", env=other)
    running = [start("push", turns.root, "--json"), start("push", turns.root, "--json", env=other)]
    results = [result_of(process) for process in running]
    assert [result.code for result in results] == [0, 0], results
    assert len(refs(served / "a.git")) == 5
    git("--git-dir", served / "a.git", "fsck", "--strict", cwd=served)


def test_two_machines_with_the_same_turn(turns: Turns, served: Path, tmp_path: Path) -> None:
    set_remote(turns.root, served / "a.git")
    other = other_machine(turns, tmp_path / "other home")
    taken = [snapshot(turns.root, "same", session="x", env=env) for env in ({}, other)]
    running = [start("push", turns.root), start("push", turns.root, env=other)]
    results = [result_of(process) for process in running]
    assert sorted(result.code for result in results) == [0, 1], results
    loser = next(result for result in results if result.code)
    assert "conflicts: 1\n" in loser.out
    winner = taken[results.index(loser) - 1]
    there = served / "a.git"
    assert winner["id"] in "".join(git("--git-dir", there, "cat-file", "tag", ref, cwd=there) for ref in refs(there))
    assert len(refs(there)) == 4


def test_two_pushes_of_one_home(many: Turns, served: Path) -> None:
    set_remote(many.root, served / "a.git")
    results = [result_of(process) for process in [start("push", many.root) for _ in range(3)]]
    assert [result.code for result in results] == [0, 0, 0], results
    assert refs(served / "a.git") == many.refs
    assert nothing_left(many)


# Many workspaces


def test_all_goes_on_past_one_that_fails(turns: Turns, plain: Path, repo: Path, served: Path, home: Path) -> None:
    snapshot(plain, "p", session="p")
    taken = snapshot(repo, "r", session="r")
    set_remote(turns.root, served / "none.git")
    set_remote(plain, bare(served / "b.git"))
    set_remote(repo, bare(served / "c.git"))
    shutil.rmtree(home / "workspaces" / taken["workspace_id"] / "store.git")
    result = run("push", "--all")
    assert (result.code, result.err) == (1, "")
    assert result.out.startswith("Pushed snapshots 1\nskipped existing: 0\nfailed: 4\nworkspaces: 3\n")
    table = result.out.partition("Why\n")[2].splitlines()
    assert len(table) == 2
    assert f"{served}/none.git" in next(line for line in table if str(turns.root) in line)
    assert "is missing" in next(line for line in table if str(repo) in line)
    found = push("--all", code=1)
    assert statuses(found) == {"m0": "failed", "m1": "failed", "m2": "failed", "p": "skipped", "r": "failed"}
    assert [row["error"] is None for row in found["workspaces"]].count(True) == 1


# Credentials

EVERY = (("remote", "show"), ("list",), ("show", "s:m0"), ("push", "{root}"), ("pull", "{root}"))
BESIDES = (("workspace", "list"), ("status", "{root}"), ("doctor",))
TALKS = (("push", "{root}"), ("pull", "{root}"), ("restore", "--repo", "{url}", *TURN, "--dest", "two"))


def told(turns: Turns, url: str, words: Sequence[str], env: Mapping[str, str]) -> str:
    """All that a command says, which must end as commands do."""
    result = run(*(word.format(root=turns.root, url=url) for word in words), env=env)
    assert result.code in {0, 1}, result
    return result.out + result.err


def test_a_password_is_never_told(turns: Turns, served: Path, tmp_path: Path) -> None:
    said = ""
    with git_http.serving(served) as web:
        web.credentials = ("user", "s3cr3t")
        url = web.url("a.git", userinfo="user:s3cr3t@")
        env = {**web.env, "ROLLOUTS_NETWORK_TIMEOUT": "0.3"}
        said += told(turns, url, ("remote", "set", "{root}", "--url", "{url}"), env)
        said += told(turns, url, ("remote", "set", str(tmp_path / "served"), "--url", "{url}"), env)
        said += "".join(told(turns, url, words, env) for words in BESIDES)
        for words in EVERY:
            said += told(turns, url, words, env) + told(turns, url, (*words, "--json"), env)
        assert refs(served / "a.git") == turns.refs
        said += told(turns, url, ("restore", "--repo", "{url}", *TURN, "--dest", "one", "--json"), env)
        said += told(turns, url, ("restore", "--repo", "{url}", *TURN[:3], "none", "--dest", "none"), env)
        for fault in (Fault("", ALWAYS, status=401), Fault("", ALWAYS, status=404), Fault("", ALWAYS, hang=True)):
            web.faults[:] = [fault]
            said += "".join(told(turns, url, words, env) for words in TALKS)
    said += "".join(told(turns, url, (*words, "--json"), git_http.CLIENT) for words in TALKS)  # nobody listens
    assert "127.0.0.1" in said
    assert "s3cr3t" not in said
    there = served / "a.git"
    assert "s3cr3t" not in "".join(git("--git-dir", there, "cat-file", "-p", ref, cwd=there) for ref in turns.refs)
    holders = {path.name for path in turns.home.rglob("*") if path.is_file() and b"s3cr3t" in path.read_bytes()}
    assert {name.partition("-")[0] for name in holders} == {"rollouts.sqlite"}


@pytest.mark.parametrize("password", ["s3cr3t%40x", "s3cr3t'x", "x@s3cr3t", "s3cr3t:s3cr3t"])
def test_an_odd_password_is_not_told_either(password: str, turns: Turns, served: Path) -> None:
    with git_http.serving(served) as web:
        web.credentials = ("user", unquote(password))
        set_remote(turns.root, web.url("a.git", userinfo=f"user:{password}@"))
        said = told(turns, "", ("push", "{root}"), web.env)
        assert refs(served / "a.git") == (turns.refs if "@" not in password else [])  # which no git understands
        web.faults.append(Fault("", ALWAYS, status=500))
        said += told(turns, "", ("push", "{root}"), web.env)
    said += told(turns, "", ("push", "{root}", "--json"), git_http.CLIENT)
    assert "127.0.0.1" in said
    assert "s3cr3t" not in said
