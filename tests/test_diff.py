"""diff: git's own words for what differs between two turns, or a turn and the files as they are."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers import (
    commit_all,
    failure,
    fingerprint,
    git,
    new_repository,
    ok,
    on_a_terminal,
    put,
    query,
    restored,
    run,
    snapshot,
    store_of,
)

LINES = b"".join(b"line %d\n" % number for number in range(40))


def document(*words: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ok("diff", *words, "--json"))
    return found


def statuses(*words: str | Path) -> list[tuple[str, str]]:
    return [(file["status"], file["path"]) for file in document(*words)["files"]]


def _before(root: Path) -> None:
    put(root, "kept.txt")
    put(root, "edited.txt", LINES)
    put(root, "moved.txt", LINES[::-1] + b"\n")
    put(root, "gone.txt", b"gone\n")
    put(root, "no line end", b"a")
    put(root, "image.bin", b"\0\1\2")
    put(root, "run.sh", b"#!/bin/sh\n")
    put(root, "becomes a link", b"file\n")
    put(root, "becomes/a file", b"below\n")
    put(root, b"not \xff utf-8", b"1\n")
    put(root, "new\nline", b"1\n")
    put(root, "-leading dash", b"1\n")
    put(root, '\u2603 "quoted" \\ \t', b"1\n")
    os.symlink("kept.txt", root / "link")


def _after(root: Path) -> None:
    put(root, "edited.txt", LINES + b"more\n")
    (root / "moved.txt").rename(root / "moved away.txt")
    put(root, "moved away.txt", LINES[::-1] + b"\nx\n")
    (root / "gone.txt").unlink()
    put(root, "no line end", b"b")
    put(root, "image.bin", b"\0\1\3")
    (root / "run.sh").chmod(0o755)
    (root / "becomes a link").unlink()
    os.symlink("nowhere", root / "becomes a link")
    shutil.rmtree(root / "becomes")
    put(root, "becomes")
    put(root, b"not \xff utf-8", b"2\n")
    put(root, "new\nline", b"2\n")
    put(root, "-leading dash", b"2\n")
    put(root, '\u2603 "quoted" \\ \t', b"2\n")
    (root / "link").unlink()
    os.symlink("edited.txt", root / "link")
    put(root, "sub/-new", b"new\n")


@pytest.fixture
def both(plain: Path) -> Path:
    """A directory with two turns of session `s` that differ in every way, and the same as commits."""
    _before(plain)
    commit_all(plain)
    snapshot(plain, "1")
    _after(plain)
    commit_all(plain)
    snapshot(plain, "2")
    return plain


# What is printed


@pytest.mark.parametrize("form", [(), ("--name-status",)], ids=["patch", "name-status"])
def test_a_diff_is_byte_for_byte_what_git_says(form: tuple[str, ...], both: Path) -> None:
    theirs = git("diff", "-M", *form, "HEAD~1", "HEAD", cwd=both)
    assert ok("diff", "s@1", "s@2", *form) == theirs
    assert theirs.count("moved") >= 2


def test_a_summary_is_gits_and_cuts_no_name(both: Path) -> None:
    long = "deep/" * 40 + "file"
    put(both, long)
    snapshot(both, "3")
    commit_all(both)
    theirs = git("diff", "-M", "--stat=100000", "--stat-graph-width=40", "HEAD~2", "HEAD", cwd=both)
    assert ok("diff", "s@1", "s@3", "--stat") == theirs
    assert f" {long} | 1 +\n" in ok("diff", "s@2", "s@3", "--stat", env={"COLUMNS": "40"})


def test_a_patch_turns_the_one_turn_into_the_other(plain: Path, tmp_path: Path) -> None:
    _before(plain)
    taken = snapshot(plain, "1")
    _after(plain)
    put(plain, "image.bin", b"\0\1\2")  # git's own patch says only that binary files differ
    snapshot(plain, "2")
    work = restored(taken["id"], tmp_path / "work")
    patch = put(tmp_path, "patch", os.fsencode(ok("diff", "s:1", "s:2")))
    git("apply", patch, cwd=work)
    assert document("s:1", "s:2")["files"]
    snapshot(work, "3", "other")
    assert ok("diff", "s:2", "other:3") == ""


def test_json_names_each_file_with_status_and_counts(both: Path) -> None:
    assert both.is_dir()
    first, second = (json.loads(ok("show", name, "--json"))["id"] for name in ("s@1", "s@2"))
    found = document("s@1", "s@2")
    assert (found["schema_version"], found["from"], found["to"]) == (1, first, second)
    files = {file.get("path", "?"): file for file in found["files"]}
    assert files["moved away.txt"] == {
        "path": "moved away.txt",
        "old_path": "moved.txt",
        "status": "R",
        "old_mode": "100644",
        "mode": "100644",
        "insertions": 1,
        "deletions": 0,
    }
    assert files["?"]["path_b64"] == "bm90IP8gdXRmLTg="
    counts = {path: (file["status"], file["insertions"], file["deletions"]) for path, file in files.items()}
    assert counts == {
        "-leading dash": ("M", 1, 1),
        "becomes": ("A", 1, 0),
        "becomes a link": ("T", 1, 1),
        "becomes/a file": ("D", 0, 1),
        "edited.txt": ("M", 1, 0),
        "gone.txt": ("D", 0, 1),
        "image.bin": ("M", None, None),
        "link": ("M", 1, 1),
        "moved away.txt": ("R", 1, 0),
        "new\nline": ("M", 1, 1),
        "no line end": ("M", 1, 1),
        "?": ("M", 1, 1),
        "run.sh": ("M", 0, 0),
        "sub/-new": ("A", 1, 0),
        '\u2603 "quoted" \\ \t': ("M", 1, 1),
    }
    assert (files["run.sh"]["old_mode"], files["run.sh"]["mode"]) == ("100644", "100755")
    assert (files["becomes"]["old_mode"], files["gone.txt"]["mode"]) == (None, None)
    assert (found["files_changed"], found["insertions"], found["deletions"]) == (15, 11, 9)


def test_two_turns_with_the_same_files_differ_in_nothing(plain: Path) -> None:
    for message in ("1", "2"):
        snapshot(plain, message)
    for form in ((), ("--stat",), ("--name-status",)):
        assert ok("diff", "s@1", "s@2", *form) == ok("diff", "s@1", "s@1", *form) == ""
    found = document("s@1", "s@2")
    assert (found["files"], found["files_changed"], found["insertions"], found["deletions"]) == ([], 0, 0, 0)


@pytest.mark.parametrize(
    ("globs", "paths"),
    [
        (("*.txt",), ["a.txt"]),
        (("**/*.txt",), ["a.txt", "sub/c.txt", "sub/deep/d.txt"]),
        (("sub",), ["sub/c.txt", "sub/deep/d.txt"]),
        (("sub/",), ["sub/c.txt", "sub/deep/d.txt"]),
        (("sub/*.txt", "-x"), ["-x", "sub/c.txt"]),
        ((":(exclude)sub",), [":(exclude)sub"]),
        (("nothing",), []),
    ],
    ids=str,
)
def test_globs_are_gits_and_nothing_in_them_is_an_option(globs: tuple[str, ...], paths: list[str], plain: Path) -> None:
    snapshot(plain, "1")
    for path in ("a.txt", "sub/c.txt", "sub/deep/d.txt", "-x", ":(exclude)sub"):
        put(plain, path, b"changed\n")
    snapshot(plain, "2")
    words = [word for glob in globs for word in ("--path", glob)]
    assert sorted(path for _, path in statuses("s@1", "s@2", *words)) == paths


def test_turns_of_two_workspaces_can_be_compared(plain: Path, tmp_path: Path) -> None:
    other = tmp_path / 'a "copy"\n\\ of it'
    shutil.copytree(plain, other)
    put(other, "a.txt", b"two\n")
    put(other, "only here", LINES)
    for root, session in ((plain, "one"), (other, "two")):
        snapshot(root, "m", session)
    assert statuses("one:m", "two:m") == [("M", "a.txt"), ("A", "only here")]
    assert statuses("two:m", "one:m") == [("M", "a.txt"), ("D", "only here")]
    assert "-one\n+two\n" in ok("diff", "one:m", "two:m")


def test_what_the_user_has_configured_does_not_change_a_diff(both: Path, sealed: Path) -> None:
    before = ok("diff", "s@1", "s@2")
    marker = sealed / "ran"
    script = put(sealed, "tool", b'#!/bin/sh\ntouch "$HOME/ran"\n', mode=0o755)
    put(sealed, ".config/git/attributes", b"* diff=tool\n")
    with (sealed / ".gitconfig").open("a") as file:
        file.write(
            f'[diff]\n\texternal = {script}\n\tnoprefix = true\n[diff "tool"]\n\ttextconv = {script}\n'
            f"[color]\n\tui = always\n[core]\n\tpager = {script}\n"
        )
    put(both, ".gitattributes", b"* diff=tool -text\n")
    env = {"GIT_EXTERNAL_DIFF": str(script), "GIT_PAGER": str(script), "GIT_DIFF_OPTS": "-u0", "FORCE_COLOR": "1"}
    assert ok("diff", "s@1", "s@2", env=env) == before
    assert not marker.exists()


# The files as they are


def _edited(repo: Path) -> Path:
    put(repo, "a.txt", b"two\n")
    put(repo, "untracked.txt")
    (repo / "sub" / "b.bin").unlink()
    return repo


def _merging(repo: Path) -> Path:
    git("checkout", "-qb", "theirs", cwd=repo)
    put(repo, "a.txt", b"theirs\n")
    git("commit", "-qam", "theirs", cwd=repo)
    git("checkout", "-q", "main", cwd=repo)
    put(repo, "a.txt", b"ours\n")
    git("commit", "-qam", "ours", cwd=repo)
    git("-c", "alias.try=!git merge -q theirs || true", "try", cwd=repo)
    return repo


def _nested(repo: Path) -> Path:
    new_repository(repo / "nested")
    return _edited(repo)


@pytest.mark.parametrize("change", [_edited, _merging, _nested])
def test_a_diff_with_the_files_now_leaves_the_repository_alone(
    change: Callable[[Path], Path], repo: Path, sealed: Path, home: Path
) -> None:
    taken = snapshot(repo)
    change(repo)
    before = fingerprint(repo), fingerprint(sealed), query(home, "SELECT * FROM snapshots")
    refs = git("for-each-ref", cwd=store_of(home, taken))
    found = statuses("s:latest", "--worktree")
    assert ("M", "a.txt") in found
    assert "a.txt" in ok("diff", "s:latest", "--worktree", "--stat", cwd=repo / "sub" if change is _merging else repo)
    assert (fingerprint(repo), fingerprint(sealed), query(home, "SELECT * FROM snapshots")) == before
    assert git("for-each-ref", cwd=store_of(home, taken)) == refs
    assert "all is well" in ok("doctor")
    snapshot(repo, "next")
    assert statuses("s@1", "s@2") == found


def test_a_diff_with_the_files_now_sees_what_a_snapshot_would(plain: Path) -> None:
    put(plain, ".gitignore", b"*.log\n")
    commit_all(plain)
    taken = snapshot(plain)
    assert ok("diff", taken["id"], "--worktree") == ""
    put(plain, "x.log")
    (plain / "empty").mkdir()
    assert document(taken["id"], "--worktree")["files"] == []
    put(plain, "new.txt", b"1\n2\n")
    found = document(taken["id"], "--worktree")
    assert (found["from"], found["to"], found["insertions"]) == (taken["id"], None, 2)


def test_what_was_only_looked_at_stays_news_to_the_next_snapshot(repo: Path) -> None:
    snapshot(repo, "1")
    put(repo, "new.txt", b"x" * 1000)
    for _ in range(2):
        ok("diff", "s:1", "--worktree")
    put(repo, "newer.txt", b"x" * 10)
    assert snapshot(repo, "2")["bytes_new"] == 1010
    ok("diff", "s:1", "--worktree")
    assert snapshot(repo, "3")["bytes_new"] == 0


def test_a_turn_of_a_workspace_that_is_gone_has_nothing_to_compare_with(plain: Path, tmp_path: Path) -> None:
    taken = snapshot(plain)
    plain.rename(tmp_path / "away")
    assert "rollouts workspace move" in failure(run("diff", taken["id"], "--worktree"))
    assert ok("diff", taken["id"], taken["id"]) == ""
    put(tmp_path, "plain")
    failure(run("diff", taken["id"], "--worktree"))


# What is refused, and what fails


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("s@1",), "name two turns, A and B, or one and --worktree"),
        (("s@1", "s@2", "--worktree"), "name two turns"),
        (("s@1", "s@2", "--stat", "--name-status"), "exclude each other"),
        (("s@1", "s@2", "--stat", "--json"), "exclude each other"),
        (("s@1", "s@2", "--name-status", "--json"), "exclude each other"),
        (("s@1", "s@2", "--path", ""), "--path needs a GLOB"),
        (("s@1", ""), "needs a name"),
        ((), "Missing argument 'A'"),
        (("s@1", "--output=x", "s@2"), "No such option"),
    ],
)
def test_wrong_usage_is_told(words: tuple[str, ...], reason: str, home: Path) -> None:
    assert reason in failure(run("diff", *words), 2)
    assert not home.exists()


def test_a_turn_that_is_not_there_is_told(plain: Path) -> None:
    snapshot(plain)
    assert "has 1 turn and no number 2" in failure(run("diff", "s@1", "s@2"))
    assert "no snapshot is named '--output=x@1'" in failure(run("diff", "--", "--output=x@1", "s@1"))
    failure(run("diff", b"\xff", "s@1"))


@pytest.mark.parametrize("what", ["blob", "tree", "store"])
@pytest.mark.parametrize("form", [(), ("--json",), ("--stat",), ("--worktree",)])
def test_a_store_that_lacks_something_is_one_line(what: str, form: tuple[str, ...], plain: Path, home: Path) -> None:
    taken = [snapshot(plain, "1")]
    put(plain, "a.txt", b"two\n")
    taken.append(snapshot(plain, "2"))
    store = store_of(home, taken[0])
    if what == "store":
        shutil.rmtree(store)
    else:
        oid = git("rev-parse", f"{taken[0]['store_commit_sha']}:{'a.txt' if what == 'blob' else ''}", cwd=store).strip()
        (store / "objects" / oid[:2] / oid[2:]).unlink()
    before = fingerprint(home)
    second = () if form == ("--worktree",) else ("s@2",)
    assert "`rollouts doctor" in failure(run("diff", "s@1", *second, *form))
    assert what != "store" or fingerprint(home).keys() == before.keys()


def test_a_reader_that_leaves_early_ends_the_diff(plain: Path) -> None:
    snapshot(plain, "1")
    put(plain, "many", b"line\n" * 500_000)
    snapshot(plain, "2")
    command = ("sh", "-c", '"$@" | head -1; exit 0', "sh")
    result = run("diff", "s@1", "s@2", under=command)
    assert (result.out, result.err) == ("diff --git a/many b/many\n", "")
    full = run("diff", "s@1", "s@2", under=("sh", "-c", '"$@" > /dev/full', "sh"))
    assert full.code == 1
    assert full.err.startswith("Error: ")
    assert full.err.count("\n") == 1


# On a terminal


def test_a_terminal_gets_colour_and_the_users_pager_and_a_pipe_neither(both: Path, tmp_path: Path) -> None:
    pager = put(tmp_path, "pager", b'#!/bin/sh\nprintf "paged %s\\n" "$LC_ALL"\ncat\n', mode=0o755)
    env = {"PAGER": str(pager), "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    assert both.is_dir()
    shown = on_a_terminal(80, "diff", "s@1", "s@2", env=env)
    assert shown.startswith("paged C.UTF-8\r\n")
    assert "\x1b[32m" in shown
    assert "paged" in on_a_terminal(80, "diff", "s@1", "s@2", env=env | {"GIT_PAGER": str(pager), "PAGER": "false"})
    plain_words = on_a_terminal(80, "diff", "s@1", "s@2", env=env | {"NO_COLOR": "1"})
    assert "\x1b" not in plain_words
    assert "paged" not in ok("diff", "s@1", "s@2", env=env)


def test_a_summary_keeps_to_the_width_of_the_terminal(both: Path) -> None:
    put(both, "deep/" * 40 + "file", b"line\n" * 500)
    snapshot(both, "3")
    for width in (80, 200):
        shown = on_a_terminal(width, "diff", "s@1", "s@3", "--stat", env={"PAGER": "cat", "NO_COLOR": "1"})
        assert max(map(len, shown.splitlines())) in range(width - 10, width + 1)


def test_a_pager_that_is_left_early_is_no_error(plain: Path) -> None:
    snapshot(plain, "1")
    put(plain, "many", b"line\n" * 500_000)
    snapshot(plain, "2")
    assert on_a_terminal(80, "diff", "s@1", "s@2", env={"PAGER": "head -1", "NO_COLOR": "1"}).splitlines() == [
        "diff --git a/many b/many"
    ]


def test_an_interrupt_is_the_pagers_to_answer(plain: Path, tmp_path: Path) -> None:
    snapshot(plain)
    pager = put(tmp_path, "pager", b"#!/bin/sh\nkill -INT $ROLLOUTS\nsleep 0.3\necho still here\n", mode=0o755)
    under = ("sh", "-c", 'ROLLOUTS=$$ exec "$@"', "sh")
    shown = on_a_terminal(80, "diff", "s@1", "s@1", env={"PAGER": str(pager)}, under=under)
    assert "still here" in shown
