"""Projects: remotes and paths that mean the same, and those that do not."""

from __future__ import annotations

import random
from typing import Any

import pytest

from rollouts.contracts.git_remote import chosen, normalised, sanitised
from rollouts.contracts.identity import (
    AMBIGUOUS,
    UNKNOWN,
    Found,
    Identity,
    Observation,
    cleaned_path,
    found,
    path_key,
    project_json,
    project_label,
    projects,
    remote_key,
)
from session_summary import vectors

HERE = "52bc5e60-40aa-4427-98cf-5db38bd6ada5"
GITHUB = "github.com/acme/widget"
KEY = "sha256:26130469f9771b5cab8802d5b209bf9a1c68367a9d3be228db9271c8884c3c18"
SAME = [
    "https://user@github.com/acme/./widget.git",
    "git@[github.com]:acme/widget",
    "ssh://git@github.com:0022/acme/widget/",
    "github.com:/acme/widget.git#readme",
    "bob:p@ss@github.com:acme/widget.git",
    "https://github.com:/acme/%77idget",
    "https://github.com/acme\\widget.git/",
]
NAMES = {
    "[git.example.com:2222]:acme/widget": "git.example.com:2222/acme/widget",
    "git@[2001:0DB8:0::1]:acme/widget": "[2001:db8::1]/acme/widget",
    "https://host:22/a": "host:22/a",
    "git@host:a@b/c": "host/a@b/c",
    "https://host/%ff/a": "host/%ff/a",
    "https://host/a b.git": "host/a b",
    "host:widget": "host/widget",
    "https://b\u00fccher.example/a": "b\u00fccher.example/a",
}
UNUSABLE = [
    "",
    " ",
    ".",
    "widget",
    "../a:b",
    "./host:path",
    "ext::ssh host path",
    "fd::17",
    "FILE:///srv/a",
    "\\\\server\\share",
    "c:\\git\\a",
    "git+ssh://host/a",
    "https:///acme",
    "https://./a",
    "https://host:port/a",
    "https://host:99999/a",
    "https://host:0/a",
    "https://host/.git",
    "https://host?x=1",
    "https://[2001:zz]/a",
    "https://[::1/a",
    "git@host:",
    "@:a",
    "git@host:\n/a",
    "https://ho st/a",
]


@pytest.mark.parametrize("vector", vectors("remotes"), ids=lambda vector: vector["name"])
def test_remotes_mean_what_the_vectors_say(vector: dict[str, Any]) -> None:
    choice = chosen(vector["remotes"])
    assert choice.resolution == vector["resolution"].replace("no usable remote", "unknown")
    assert choice.normalised == vector["normalized_remote"]
    assert (choice.normalised and remote_key(choice.normalised)) == vector["key"]


@pytest.mark.parametrize("url", SAME)
def test_one_repository_has_one_name_however_it_is_written(url: str) -> None:
    assert normalised(url) == GITHUB
    assert remote_key(GITHUB) == KEY


@pytest.mark.parametrize(("url", "name"), NAMES.items())
def test_odd_remotes_have_a_name(url: str, name: str) -> None:
    assert normalised(url) == name


@pytest.mark.parametrize("url", UNUSABLE)
def test_a_place_that_means_nothing_elsewhere_has_no_name(url: str) -> None:
    assert normalised(url) is None
    assert sanitised(url) == ""


def all_urls() -> list[str]:
    return [*SAME, *NAMES, *(url for vector in vectors("remotes") for url in vector["remotes"].values())]


@pytest.mark.parametrize("url", all_urls())
def test_removing_credentials_keeps_the_name(url: str) -> None:
    clean = sanitised(url)
    assert normalised(clean) == normalised(url)
    assert sanitised(clean) == clean
    for secret in ("ghp_", "pw", "token", "bob", "p@ss", "git@", "x=1", "#"):
        assert secret not in clean


def test_random_texts_keep_their_name_too() -> None:
    random_ = random.Random(3)  # noqa: S311 - no secret
    parts = ["git", "@", ":", "/", "//", "host", "a.b", ".git", "?", "#", "%41", "%", "[", "]", "::1", "ssh", "22", "."]
    for _ in range(20_000):
        url = "".join(random_.choices([*parts, "https://", "ssh://"], k=random_.randint(1, 9)))
        clean = sanitised(url)
        assert normalised(clean) == normalised(url), url
        assert sanitised(clean) == clean, url


def test_origin_comes_first_then_what_all_others_say() -> None:
    one, other = "https://a.example.com/x.git", "https://b.example.com/x.git"
    assert chosen({"a": one, "origin": other}).normalised == "b.example.com/x"
    assert chosen({"zed": one, "b": "git@a.example.com:x"})[:2] == ("resolved", "b")
    assert chosen({"origin": "/srv/x", "b": one}).remote == "b"
    assert chosen({"origin": "/srv/x", "a": one, "b": other}).resolution == "ambiguous"


def seen(**changes: Any) -> Observation:
    facts = {"project": "widget", "machine": "local", "root_path": "/home/alice/code/widget", "remotes": {}}
    return Observation(**(facts | changes))


def test_a_path_is_an_identity_of_this_archive_alone() -> None:
    here, there = (found(seen(), database_id=name).identity for name in (HERE, "another"))
    assert here is not None
    assert there is not None
    assert here.key == path_key("/home/alice/code/widget", database_id=HERE) != there.key
    assert (here.key_source, here.root_path) == ("root_path", "/home/alice/code/widget")


@pytest.mark.parametrize(
    ("path", "clean"),
    {
        "/home/a/../b//c/.": "/home/b/c",
        "//srv/a": "/srv/a",
        "/": "/",
        "c:\\x\\..\\y": "C:/y",
        "d:/": "D:/",
        "": None,
        "relative/a": None,
        "https://host/a": None,
        "host:/path": None,
        "/a\0b": None,
        "C:relative": None,
    }.items(),
)
def test_a_path_has_one_form(path: str, clean: str | None) -> None:
    assert cleaned_path(path) == clean
    assert (found(seen(root_path=path), database_id=HERE) == UNKNOWN) == (clean is None)


def test_a_linked_worktree_is_its_repository_when_that_has_a_remote() -> None:
    remote = {"origin": "git@github.com:acme/widget.git"}
    main = seen(remotes=remote)
    linked = seen(root_path="/srv/w", worktree_root_path="/srv/w", worktree_name="w", remotes=remote)
    assert found(main, database_id=HERE) == found(linked, database_id=HERE)
    assert projects([main, linked], database_id=HERE)["widget"].resolution == "resolved"
    alone = linked._replace(remotes={})
    assert found(alone, database_id=HERE).identity == Identity(
        path_key("/srv/w", database_id=HERE), "root_path", None, "/srv/w"
    )


def test_a_label_is_resolved_only_when_all_under_it_are_one() -> None:
    remote = {"origin": "git@github.com:acme/widget.git"}
    same = seen(root_path="/elsewhere", remotes={"origin": "https://github.com/acme/widget"})
    other = seen(root_path="/third", remotes={"origin": "https://github.com/acme/other"})
    several = seen(remotes={"a": "https://a.example.com/x", "b": "https://b.example.com/x"})
    nothing = seen(root_path="", project="nothing")
    of = projects([seen(remotes=remote), same, nothing], database_id=HERE)
    assert list(of) == ["nothing", "widget"]
    assert of["widget"].identity == Identity(KEY, "git_remote", GITHUB)
    assert of["nothing"] == UNKNOWN
    for together in ([same, other], [same, seen()], [several], [several, same]):
        assert projects(together, database_id=HERE)["widget"] == AMBIGUOUS
    assert projects([], database_id=HERE) == {}


def test_what_was_seen_before_the_remote_was_added_gives_way() -> None:
    later = seen(remotes={"origin": "https://github.com/acme/widget"})
    assert projects([seen(), later], database_id=HERE)["widget"].identity == Identity(KEY, "git_remote", GITHUB)


def test_the_json_of_an_identity() -> None:
    remote = Found("resolved", Identity(KEY, "git_remote", GITHUB))
    local = Found("resolved", Identity("sha256:0", "root_path", None, "/home/a"))
    assert project_json(UNKNOWN) == {"resolution": "unknown", "identity": None}
    assert project_json(remote, redact_paths=True) == project_json(remote)
    assert project_json(remote)["identity"] == {
        "key": KEY,
        "key_source": "git_remote",
        "normalized_remote": GITHUB,
    }
    path = {"key": "sha256:0", "key_source": "root_path", "machine_local": True}
    assert project_json(local)["identity"] == path | {"root_path": "/home/a"}
    assert project_json(local, redact_paths=True)["identity"] == path


@pytest.mark.parametrize(
    ("label", "facts"),
    [
        ("my_app", {"cwd": "/x/my-app/src", "repository": "/x/my-app"}),
        ("src", {"cwd": "/x/my-app/src/"}),
        ("app", {"cwd": "/x/app-feat-login", "branch": "feat/login"}),
        ("app", {"cwd": "/x/app-login", "branch": "feat/login"}),
        ("_login", {"cwd": "/x/-login", "branch": "login"}),
        ("app", {"cwd": "/h/.superset/worktrees/app/branch/src"}),
        ("app", {"cwd": "/h/conductor/workspaces/app/paris", "repository": "/h/conductor/workspaces/app/paris"}),
        ("app", {"cwd": "/h/.codex/worktrees/44be/app/src"}),
        ("app", {"cwd": "/h/code/app.worktrees/feat/login"}),
        ("app", {"cwd": "/h/worktrees/github.com/acme/app/branch"}),
        ("app", {"cwd": "/home/a/app/.claude/worktrees/quiet-fox"}),
        ("other", {"cwd": "/home/a/app/.worktrees/x", "repository": "/home/a/other"}),
        ("quiet_fox", {"cwd": "/home/alice/.worktrees/quiet-fox"}),
        ("app", {"cwd": "C:\\Users\\a\\app"}),
        ("", {"cwd": "/"}),
        ("", {"cwd": ""}),
    ],
)
def test_a_label_is_the_name_of_the_repository(label: str, facts: dict[str, str]) -> None:
    assert project_label(**facts) == label
