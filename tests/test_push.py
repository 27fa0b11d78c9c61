"""Snapshots are sent to archives of every kind, each once, and each is told of."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

import git_http
import git_servers
from git_http import GitHttp
from git_servers import bare
from helpers import failure, fingerprint, git, ok, on_a_terminal, put, query, run, snapshot
from pushing import (
    Turns,
    calls,
    nothing_left,
    oids,
    push,
    reasons,
    refs,
    set_remote,
    statuses,
    tag_by_hand,
)
from pushing import many as many  # noqa: PLC0414 - a fixture, for pytest to find here
from pushing import served as served  # noqa: PLC0414 - as above
from pushing import thirty as thirty  # noqa: PLC0414 - as above
from pushing import three as three  # noqa: PLC0414 - as above
from pushing import turns as turns  # noqa: PLC0414 - as above
from rollouts.contracts import tag

PUSHED = {"m0": "pushed", "m1": "pushed", "m2": "pushed"}
SKIPPED = {"m0": "skipped", "m1": "skipped", "m2": "skipped"}
ODD = "odd näme \N{CJK UNIFIED IDEOGRAPH-65E5}'s $HOME %41.git"
Where = tuple[str, Mapping[str, str]]
"""A URL, and what a client's environment needs for it."""


@pytest.fixture
def web(served: Path) -> Iterator[GitHttp]:
    with git_http.serving(served) as server:
        yield server


# Every kind of server


@contextlib.contextmanager
def by_path(served: Path) -> Iterator[Where]:
    yield str(served / "a.git"), {}


@contextlib.contextmanager
def by_relative_path(served: Path) -> Iterator[Where]:
    (served / "a.git").rename(served / ODD)
    yield f"served/../served/{ODD}", {}


@contextlib.contextmanager
def by_file(served: Path) -> Iterator[Where]:
    yield f"file://{served}/a.git", {}


@contextlib.contextmanager
def by_http(served: Path) -> Iterator[Where]:
    with git_http.serving(served) as server:
        yield server.url("a.git"), server.env


@contextlib.contextmanager
def by_http_with_a_password(served: Path) -> Iterator[Where]:
    with git_http.serving(served) as server:
        server.credentials = ("ann", "s3cr3t")
        yield server.url("a.git", userinfo="ann:s3cr3t@"), server.env


@contextlib.contextmanager
def by_daemon(served: Path) -> Iterator[Where]:
    with git_servers.daemon(served) as server:
        yield server.url("a.git"), server.env


@contextlib.contextmanager
def by_ssh(served: Path) -> Iterator[Where]:
    with git_servers.ssh(served, served.parent / "ssh") as server:
        yield server.url("a.git"), server.env


KINDS = (by_path, by_relative_path, by_file, by_http, by_http_with_a_password, by_daemon, by_ssh)


@pytest.mark.parametrize("kind", KINDS)
def test_a_push_and_the_one_after(
    kind: Callable[[Path], contextlib.AbstractContextManager[Where]], turns: Turns, served: Path
) -> None:
    with kind(served) as (url, env):
        set_remote(turns.root, url)
        assert statuses(push(turns.root, env=env)) == PUSHED
        [there] = served.iterdir()
        assert refs(there) == turns.refs
        assert statuses(push(turns.root, env=env)) == SKIPPED
    assert nothing_left(turns)


def test_a_tag_is_what_plain_git_makes_of_it(turns: Turns, served: Path) -> None:
    set_remote(turns.root, served / "a.git")
    push(turns.root)
    there, row = served / "a.git", turns.rows[1]
    text = git("--git-dir", there, "cat-file", "tag", turns.ref(1), cwd=there)
    head, _, body = text.partition("\n\n")
    assert head.splitlines()[:3] == [
        f"object {row['store_commit_sha']}",
        "type commit",
        f"tag {turns.ref(1).removeprefix('refs/tags/')}",
    ]
    assert head.splitlines()[3].startswith("tagger rollouts <rollouts@local> ")
    expected = {key: row[key] for key in ("captured_at", "message_id", "session_id", "store_commit_sha")}
    expected |= {"metadata": {"n": 1, "price": 1.10}, "schema_version": 1, "snapshot_id": row["id"], "vcs": row["vcs"]}
    assert body.replace("1.10", "1.1") == json.dumps(expected, indent=2, sort_keys=True) + "\n"
    assert git("--git-dir", there, "show", f"{turns.ref(1)}:a.txt", cwd=there) == "1\n"
    git("--git-dir", there, "fsck", "--strict", cwd=there)


def test_a_login_of_the_users_git(turns: Turns, web: GitHttp, sealed: Path) -> None:
    web.credentials = ("ann", "s3cr3t")
    (sealed / "logins").write_text(f"http://ann:s3cr3t@127.0.0.1:{web.server_port}\n")
    git("config", "--global", "credential.helper", f"store --file='{sealed}/logins'", cwd=sealed)
    set_remote(turns.root, web.url("a.git"))
    assert statuses(push(turns.root, env=web.env)) == PUSHED


def test_a_url_that_the_users_git_rewrites(turns: Turns, served: Path, sealed: Path) -> None:
    git("config", "--global", f"url.{served}/.insteadOf", "https://turns.example/", cwd=sealed)
    set_remote(turns.root, "https://turns.example/a.git")
    assert statuses(push(turns.root)) == PUSHED
    assert refs(served / "a.git") == turns.refs


# How often the archive is spoken to


def test_a_first_push_is_one_listing_and_one_push(many: Turns, web: GitHttp, served: Path) -> None:
    set_remote(many.root, web.url("a.git"))
    assert push(many.root, env=web.env)["pushed"] == 30
    assert web.commands == ["advertise-fetch", "ls-refs", "advertise-push", "push"]
    assert refs(served / "a.git") == many.refs


def test_nothing_to_do_is_one_listing(many: Turns, web: GitHttp) -> None:
    set_remote(many.root, web.url("a.git"))
    push(many.root, env=web.env)
    web.requests.clear()
    assert push(many.root, env=web.env)["skipped"] == 30
    assert web.commands == ["advertise-fetch", "ls-refs"]
    assert web.listings == 1


def test_few_gits_are_started_whatever_the_number_of_turns(many: Turns, served: Path, tmp_path: Path) -> None:
    set_remote(many.root, served / "a.git")
    env, log = calls(tmp_path)
    push(many.root, env=env)
    lines = log.read_text().splitlines()
    assert [sum(f" {name} " in line for line in lines) for name in ("ls-remote", "fast-import", "push")] == [1, 1, 1]
    assert len(lines) < 10
    log.unlink()
    push(many.root, env=env)
    [listing] = [line for line in log.read_text().splitlines() if "upload-pack" not in line]
    assert " ls-remote " in listing


def test_only_what_is_missing_is_sent(turns: Turns, web: GitHttp, served: Path) -> None:
    set_remote(turns.root, web.url("a.git"))
    assert statuses(push(turns.root, "--session", "s", "--message", "m1", env=web.env)) == {"m1": "pushed"}
    assert refs(served / "a.git") == [turns.ref(1)]
    assert statuses(push(turns.root, env=web.env)) == PUSHED | {"m1": "skipped"}


# What stays as it is


def test_the_store_stays_as_it_is(turns: Turns, served: Path) -> None:
    set_remote(turns.root, served / "a.git")
    before = fingerprint(turns.store)
    push(turns.root)
    push(turns.root, "--replace")
    assert fingerprint(turns.store) == before
    assert nothing_left(turns)


def test_a_dry_run_changes_nothing(turns: Turns, served: Path) -> None:
    set_remote(turns.root, served / "a.git")
    tag_by_hand(turns, 0, served / "a.git", snapshot_id="0" * 32)
    before = fingerprint(served / "a.git"), fingerprint(turns.store)
    found = push(turns.root, "--dry-run", code=1)
    assert found["dry_run"] is True
    assert statuses(found) == PUSHED | {"m0": "conflict"}
    assert statuses(push(turns.root, "--dry-run", "--replace")) == PUSHED
    assert (fingerprint(served / "a.git"), fingerprint(turns.store)) == before
    assert "Would push snapshots 2\n" in run("push", turns.root, "--dry-run").out


# What is told


def test_the_words_of_the_original(turns: Turns, served: Path) -> None:
    set_remote(turns.root, served / "a.git")
    where = f"workspaces: 1\ncreated remotes: 0\narchive: {served}/a.git\n"
    assert ok("push", turns.root) == f"Pushed snapshots 3\nskipped existing: 0\n{where}"
    assert run("push", turns.root) == (0, f"Pushed snapshots 0\nskipped existing: 3\n{where}", "")


def test_on_a_terminal_it_is_told_what_goes_on(turns: Turns, served: Path) -> None:
    set_remote(turns.root, served / "a.git")
    said = on_a_terminal(200, "push", turns.root)
    assert f"Pushing 3 snapshots of {turns.root}" in said
    assert "\x1b[KTotal " in said  # git's own last word; what came before it was written over
    assert "Pushed snapshots 3" in said


def test_the_document(turns: Turns, served: Path) -> None:
    set_remote(turns.root, f"file://{served}/a.git")
    found = push(turns.root, "--session", "s", "--message", "latest")
    counts = {"pushed": 1, "skipped": 0, "conflicts": 0, "failed": 0, "stopped": 0}
    row = turns.rows[2]
    outcome = {"id": row["id"], "session_id": "s", "message_id": "m2", "tag": turns.ref(2)}
    workspace = {"id": row["workspace_id"], "root_path": str(turns.root), "remote_url": f"file://{served}/a.git"}
    assert found == {
        "schema_version": 1,
        "dry_run": False,
        **counts,
        "created_remotes": 0,
        "workspaces": [
            {
                **workspace,
                **counts,
                "error": None,
                "snapshots": [outcome | {"status": "pushed", "reason": None, "findings": []}],
            }
        ],
    }


@pytest.mark.parametrize(
    "words", [("--message", "m0"), ("--all", "--session", "s"), ("--all", "--message", "m0"), ("--nothing",)]
)
def test_options_that_do_not_go_together(words: tuple[str, ...], turns: Turns) -> None:
    result = run("push", turns.root, *words)
    assert (result.code, result.out) == (2, "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--session", "other"), "no snapshots found for session 'other'"),
        (("--session", "s", "--message", "other"), "no snapshot found for session 's' and message 'other'"),
        (("--session", "--upload-pack=touch x"), "no snapshots found for session '--upload-pack=touch x'"),
    ],
)
def test_turns_that_are_not_there(words: tuple[str, ...], said: str, turns: Turns, served: Path) -> None:
    set_remote(turns.root, served / "a.git")
    assert said in failure(run("push", turns.root, *words))


def test_a_workspace_without_an_archive(turns: Turns) -> None:
    assert "workspace has no configured remote" in failure(run("push", turns.root))
    assert "no workspaces with configured remotes" in failure(run("push", "--all"))


def test_an_archive_is_of_one_workspace(turns: Turns, plain: Path, served: Path) -> None:
    set_remote(turns.root, served / "a.git")
    said = failure(run("remote", "set", plain, "--url", "served/../served/a.git"))
    assert str(turns.root) in said
    ok("remote", "clear", turns.root)
    set_remote(plain, "served/a.git")
    assert str(served / "a.git") in ok("remote", "show")


# Which turns


def test_turns_of_safety_are_never_sent(turns: Turns, served: Path) -> None:
    set_remote(turns.root, served / "a.git")
    safety = f"restore:{turns.rows[0]['workspace_id']}"
    query(turns.home, "UPDATE snapshots SET session_id = ? WHERE message_id = 'm2'", safety)
    assert statuses(push(turns.root)) == {"m0": "pushed", "m1": "pushed"}
    assert statuses(push("--all")) == {"m0": "skipped", "m1": "skipped"}
    for words in (("--session", safety), ("--session", safety, "--message", "m2")):
        assert "are for `rollouts undo`, and are not pushed" in failure(run("push", turns.root, *words))
    assert tag.ref(safety, "m2") not in refs(served / "a.git")


def test_ids_that_look_like_options_or_hold_anything(plain: Path, served: Path) -> None:
    odd = ["--upload-pack=touch x", "-x", "a\nb", "..", "\N{SNOWMAN} $(touch x)"]
    for message in odd:
        ok("snapshot", plain, f"--session={odd[0]}", f"--message={message}", "--metadata", "{}")
    set_remote(plain, served / "a.git")
    assert statuses(push(plain)) == dict.fromkeys(odd, "pushed")
    assert refs(served / "a.git") == sorted(tag.ref(odd[0], message) for message in odd)
    assert statuses(push(plain, f"--session={odd[0]}", "--message=-x")) == {"-x": "skipped"}


def test_every_workspace_with_an_archive(turns: Turns, plain: Path, repo: Path, served: Path, tmp_path: Path) -> None:
    set_remote(turns.root, served / "a.git")
    set_remote(plain, bare(served / "b.git"))
    snapshot(plain, "p", session="p")
    snapshot(repo, "r", session="r")
    set_remote(put(tmp_path, "new/file").parent, served / "c.git")  # which has no turns, nor an archive that is there
    found = push("--all")
    assert statuses(found) == PUSHED | {"p": "pushed"}
    assert [len(refs(served / name)) for name in ("a.git", "b.git")] == [3, 1]
    assert "workspaces: 3\n" in ok("push", "--all")


# Conflicts


def test_another_snapshot_under_the_same_name_is_left_alone(turns: Turns, served: Path) -> None:
    there = served / "a.git"
    set_remote(turns.root, there)
    other = tag_by_hand(turns, 1, there, snapshot_id="0" * 32)
    found = push(turns.root, code=1)
    assert statuses(found) == PUSHED | {"m1": "conflict"}
    assert reasons(found) == {"m1": f"snapshot {'0' * 32} is there under the same session and message"}
    assert oids(there)[turns.ref(1)] == other
    result = run("push", turns.root)
    assert result.code == 1
    assert "conflicts: 1\n" in result.out
    assert "m1" in result.out.splitlines()[-1]


def test_a_conflict_is_overwritten_when_that_is_wished(turns: Turns, served: Path) -> None:
    there = served / "a.git"
    set_remote(turns.root, there)
    other = tag_by_hand(turns, 1, there, snapshot_id="0" * 32)
    git("--git-dir", there, "update-ref", "refs/tags/rollouts/session/mine", other, cwd=there)
    git("--git-dir", there, "update-ref", "refs/tags/mine", other, cwd=there)
    assert statuses(push(turns.root, "--replace")) == PUSHED
    assert statuses(push(turns.root)) == SKIPPED
    assert oids(there)["refs/tags/rollouts/session/mine"] == other
    assert oids(there)["refs/tags/mine"] == other


def test_a_branch_with_a_history_under_a_turns_name(turns: Turns, repo: Path, served: Path) -> None:
    git("commit", "-q", "--allow-empty", "-m", "second", cwd=repo)
    git("push", "-q", served / "a.git", f"HEAD:{turns.ref(2)}", cwd=repo)
    set_remote(turns.root, served / "a.git")
    assert statuses(push(turns.root, code=1)) == PUSHED | {"m2": "conflict"}
    assert statuses(push(turns.root, "--replace")) == SKIPPED | {"m2": "pushed"}
    git("--git-dir", served / "a.git", "fsck", "--strict", cwd=served)


def test_a_turn_that_was_deleted_and_taken_again_is_a_conflict(turns: Turns, served: Path) -> None:
    set_remote(turns.root, served / "a.git")
    push(turns.root)
    before = oids(served / "a.git")
    ok("delete", turns.root, "--session", "s", "--message", "m0", "--yes")
    snapshot(turns.root, "m0")
    assert statuses(push(turns.root, code=1)) == SKIPPED | {"m0": "conflict"}
    assert oids(served / "a.git") == before
    assert statuses(push(turns.root, "--replace")) == SKIPPED | {"m0": "pushed"}
    assert oids(served / "a.git") != before


def test_the_same_snapshot_in_a_tag_of_the_user_is_there(turns: Turns, web: GitHttp, served: Path) -> None:
    set_remote(turns.root, web.url("a.git"))
    theirs = tag_by_hand(turns, 0, served / "a.git", metadata={"n": 0, "price": 1.1})
    assert statuses(push(turns.root, "--session", "s", "--message", "m0", env=web.env)) == {"m0": "skipped"}
    assert "fetch" in web.commands
    web.requests.clear()
    assert statuses(push(turns.root, env=web.env)) == PUSHED | {"m0": "skipped"}
    assert "fetch" not in web.commands
    assert oids(served / "a.git")[turns.ref(0)] == theirs


def test_a_workspace_with_a_name_like_an_option(tmp_path: Path, served: Path) -> None:
    root = put(tmp_path, "--upload-pack=touch x/a.txt").parent
    snapshot(root)
    ok("remote", "set", "--url", served / "a.git", "--", root.name)
    result = run("push", "--", root.name)
    assert result.code == 0, result
    assert len(refs(served / "a.git")) == 1
    assert not (tmp_path / "x").exists()
    assert os.listdir(root) == ["a.txt"]
