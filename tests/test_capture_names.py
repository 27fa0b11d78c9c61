"""Capture of names that other tools stumble over, and of links."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from helpers import captured, commit_all, contents, git, put, skipped, tree

NAMES = [
    b"\xff\xfe latin-\xe9",
    b"new\nline",
    b"\nleading and trailing\n",
    b"-rf",
    b"--exclude=x",
    b"tab\there",
    b"\x01\x7f control",
    "emoji 🦀 and ümläut".encode(),
    b"\"double\" 'single' `back`",
    b"back\\slash\\n",
    b"*.txt",
    b"[a-z]?",
    b"{a,b}",
    b":(top)x",
    b":colon:",
    b"!bang",
    b"#hash",
    b"~tilde",
    b"$HOME",
    b"%s%d",
    b"trailing space ",
    b" ",
    b"...",
    b".dot",
    b"trailing.",
    b"a'\nremove 'b",
    b"a'\nadd 'b",
    b"remove 'x'",
    b"add 'x'",
    b"@",
    b"HEAD",
    b"git~1",
    b".git~1",
    b"gitmodules~1",
    b".gitx",
    b"x.git",
    b"CON",
    b"nul.txt",
    ".g\u200cit".encode(),
    unicodedata.normalize("NFC", "é").encode(),
    unicodedata.normalize("NFD", "é").encode(),
    b"case",
    b"CASE",
    b"n" * 255,
    "ü".encode() * 127,
]


@pytest.mark.parametrize("tracked", [True, False])
def test_odd_file_names_survive_several_turns(repo: Path, *, tracked: bool) -> None:
    for name in NAMES:
        put(repo, name, b"content of " + name)
    if tracked:
        git("config", "core.protectNTFS", "false", cwd=repo)
        commit_all(repo)
    assert tree(captured(repo).files) == tree(repo)
    for name in NAMES:
        put(repo, name, b"changed " + name)
    assert tree(captured(repo).files) == tree(repo)
    for name in NAMES[::2]:
        os.unlink(os.fsencode(repo) + b"/" + name)
    assert tree(captured(repo).files) == tree(repo)


def test_odd_names_of_directories_survive_in_git(repo: Path) -> None:
    for name in NAMES:
        put(repo, name + b"/inside", name)
    (repo / "empty\n" / os.fsdecode(b"\xff")).mkdir(parents=True)
    turn = captured(repo)
    assert tree(turn.files) == tree(repo)
    assert turn.facts["empty_dirs"] == [{"path_b64": "ZW1wdHkKL/8="}]


def test_odd_names_survive_in_a_plain_directory(plain: Path) -> None:
    for number, name in enumerate(NAMES):
        put(plain, b"d/" + name, name, mode=0o600 if number % 2 else 0o755)
        put(plain, b"in/" + name + b"/inside", name)
        (plain / "e" / os.fsdecode(name)).mkdir(parents=True)
    assert tree(captured(plain).files) == tree(plain)
    for name in NAMES[::2]:
        os.unlink(os.fsencode(plain) + b"/d/" + name)
    assert tree(captured(plain).files) == tree(plain)


@pytest.mark.parametrize("name", [b"\xff \n", b"-C", b"*[?", b"back\\slash:"])
def test_the_workspace_itself_may_have_an_odd_name(tmp_path: Path, name: bytes) -> None:
    root = tmp_path / os.fsdecode(name)
    put(root, "f.txt")
    commit_all(root)
    assert tree(captured(root).files) == tree(root)
    put(root, "f.txt", b"later\n")
    assert tree(captured(root).files) == tree(root)


def test_names_that_tell_of_a_removal_are_only_names(repo: Path) -> None:
    for name in (b"x'\nremove 'y", b"x", b"y", b"remove 'x'\nadd 'y'"):
        put(repo, name)
    captured(repo)
    for round_ in (b"1", b"2"):
        put(repo, b"x'\nremove 'y", round_)
        put(repo, b"remove 'x'\nadd 'y'", round_)
        assert tree(captured(repo).files) == tree(repo)


def test_a_path_almost_as_long_as_the_system_allows_is_captured(repo: Path) -> None:
    put(repo, "/".join(["d" * 200] * 18) + "/f")
    assert tree(captured(repo).files) == tree(repo)


def _beyond_the_system_limit(root: Path) -> None:
    here = os.open(root, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=here)
        deeper = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


@pytest.mark.parametrize("is_git", [True, False])
def test_a_path_longer_than_the_system_allows_is_skipped(tmp_path: Path, *, is_git: bool) -> None:
    root = put(tmp_path, "w" * 150 + "/a.txt").parent
    git("init", "-q", root if is_git else tmp_path / "elsewhere", cwd=tmp_path)
    _beyond_the_system_limit(root)
    for data in (b"one\n", b"two\n"):
        put(root, "a.txt", data)
        turn = captured(root)
        assert contents(turn.files).keys() == {b"a.txt"}
        assert (turn.files / "a.txt").read_bytes() == data
        assert list(skipped(turn.snapshot).values()) == ["unreadable"]


@pytest.mark.parametrize("workspace", ["repo", "plain"])
def test_a_foreign_git_directory_is_skipped_and_told_once(workspace: str, request: pytest.FixtureRequest) -> None:
    root: Path = request.getfixturevalue(workspace)
    for path in (".GIT/a", ".GIT/deep/b", "sub/.Git"):
        put(root, path)
    for empty in (".GIT/empty", "sub/deeper/.gIT"):
        (root / empty).mkdir(parents=True)
    for _ in range(2):
        turn = captured(root)
        assert contents(turn.files).keys() == {b"a.txt", b"sub/b.bin"}
        assert [entry["path"] for entry in turn.snapshot["skipped"]] == [".GIT", "sub/.Git", "sub/deeper/.gIT"]
        assert set(skipped(turn.snapshot).values()) == {"a name that git cannot store"}
        put(root, ".GIT/later")


@pytest.mark.parametrize("workspace", ["repo", "plain"])
@pytest.mark.parametrize("name", [".gitmodules", "sub/.GITMODULES"])
def test_a_gitmodules_link_is_skipped_and_told(workspace: str, name: str, request: pytest.FixtureRequest) -> None:
    root: Path = request.getfixturevalue(workspace)
    (root / name).symlink_to("a.txt")
    (root / ".gitattributes").symlink_to("a.txt")
    (root / ".gitignore").symlink_to("none")
    (root / ".mailmap").symlink_to("a.txt")
    for _ in range(2):
        turn = captured(root)
        assert contents(turn.files).keys() == contents(root).keys() - {name.encode()}
        assert skipped(turn.snapshot) == {name: "a name that git cannot store"}


@pytest.mark.parametrize("workspace", ["repo", "plain"])
def test_links_of_every_kind_are_kept_as_links(workspace: str, request: pytest.FixtureRequest, home: Path) -> None:
    root: Path = request.getfixturevalue(workspace)
    put(root, ".gitmodules", b'[submodule "no"]\n')
    targets = ["a.txt", "sub", "nowhere", "/etc/passwd", "../..", "..", ".", "loop", "x" * 1000, ".git", str(home)]
    for number, target in enumerate([*targets, f"{home}/rollouts.sqlite", "new\nline", os.fsdecode(b"\xff")]):
        (root / f"link{number}").symlink_to(target)
    (root / "loop").symlink_to("loop")
    (root / "sub" / "up").symlink_to("../a.txt")
    (root / "ping").symlink_to("pong")
    (root / "pong").symlink_to("ping")
    turn = captured(root)
    assert tree(turn.files) == tree(root)
    assert turn.snapshot["skipped"] == []


def test_a_link_that_changes_its_target_is_seen(repo: Path) -> None:
    for target in ("a.txt", "b.txt", "a.txt"):
        (repo / "link").unlink(missing_ok=True)
        (repo / "link").symlink_to(target)
        assert tree(captured(repo).files) == tree(repo)


def test_committed_links_are_seeded_and_exact(repo: Path) -> None:
    for number in range(230):
        put(repo, f"many/{number}")
    (repo / "link").symlink_to("many")
    (repo / "dangling").symlink_to("../nowhere")
    commit_all(repo)
    assert tree(captured(repo).files) == tree(repo)


def test_quoted_names_in_a_nested_repository_survive(repo: Path) -> None:
    nested = repo / os.fsdecode(b"n\xff\n*")
    put(nested, b"-\xfe\n'", b"odd\n")
    commit_all(nested)
    put(nested, b"?\xfd")
    assert tree(captured(repo).files) == tree(repo)
    put(nested, b"?\xfd", b"later\n")
    turn = captured(repo)
    assert tree(turn.files) == tree(repo)
    assert turn.facts["nested"] == [{"path_b64": "bv8KKg==", "head": git("rev-parse", "HEAD", cwd=nested).strip()}]
