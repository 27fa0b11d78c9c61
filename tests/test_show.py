"""show: one turn in full, what it changed, and single files of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from helpers import ROLLOUTS, commit_all, failure, git, ok, on_a_terminal, put, run, snapshot, store_of


def cat(path: str | bytes, name: str = "s:latest") -> bytes:
    """What `show --cat` prints of a file."""
    command = (*ROLLOUTS, "show", name, "--path", path, "--cat")
    return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout


@pytest.fixture
def turns(plain: Path) -> Path:
    """A directory with two turns of session `s`, which are commits as well."""
    commit_all(plain)
    snapshot(plain, "1")
    put(plain, "a.txt", b"two\n")
    (plain / "sub" / "b.bin").rename(plain / "moved.bin")
    commit_all(plain)
    snapshot(plain, "2")
    return plain


def test_a_patch_is_since_the_turn_before_it(turns: Path) -> None:
    facts = ok("show", "s:2")
    assert ok("show", "s:2", "--patch") == facts + "\n" + git("diff", "-M", "HEAD~1", "HEAD", cwd=turns)
    assert ok("show", "s:2", "--stat") == facts + "\n" + git("diff", "-M", "--stat=100000", "HEAD~1", "HEAD", cwd=turns)


def test_the_first_turns_changes_are_all_of_its_files(turns: Path) -> None:
    snapshot(turns, "between", "another session")
    empty = git("hash-object", "-t", "tree", "/dev/null", cwd=turns).strip()
    assert ok("show", "s@1", "--patch").endswith("\n\n" + git("diff", empty, "HEAD~1", cwd=turns))
    assert " 2 files changed" in ok("show", "s@1", "--stat")


def test_a_turn_that_changed_nothing_shows_no_patch(turns: Path) -> None:
    snapshot(turns, "3")
    assert ok("show", "s@3", "--patch") == ok("show", "s@3", "--stat") == ok("show", "s@3") + "\n"


def test_all_that_is_asked_for_is_shown(turns: Path) -> None:
    words = ("show", "--session", "s", "--message", "latest", "--workspace", turns, "--files", "--stat")
    lines = ok(*words).splitlines()
    assert lines.index("session: s") < lines.index("100644 moved.bin") < lines.index("")
    assert lines[-1] == " 2 files changed, 1 insertion(+), 1 deletion(-)"


ODD = {
    b"binary": bytes(range(256)) * 1000,
    b"empty": b"",
    b"new\nline": b"1",
    b"not \xff utf-8": b"\r\n",
    b"-leading dash": b"-",
    b":(glob)*": b"glob",
    b"*": b"star",
    b"deep/er/file": b"deep",
    b'quoted "\t\\': b"q",
}


def test_cat_prints_the_exact_bytes_of_any_file(plain: Path) -> None:
    for path, data in ODD.items():
        put(plain, path, data)
    os.symlink(b"nowhere \xff", plain / "link")
    snapshot(plain)
    shutil.rmtree(plain)
    assert {path: cat(path) for path in ODD} == ODD
    assert cat("link") == b"nowhere \xff"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("none", "'none' is not a path of the snapshot"),
        ("sub", "'sub' is a directory in the snapshot"),
        ("sub/", "'sub/' is a directory in the snapshot"),
        ("sub/*", "is not a path of the snapshot"),
        ("a.txt/", "is not a path of the snapshot"),
        ("../a.txt", "is not a path of the snapshot"),
        ("/a.txt", "is not a path of the snapshot"),
        (".", "is not a path of the snapshot"),
    ],
)
def test_cat_of_what_is_no_file_says_so(path: str, reason: str, plain: Path) -> None:
    snapshot(plain)
    said = failure(run("show", "s:latest", "--path", path, "--cat"))
    assert reason in said
    assert "`rollouts show --files` lists its files" in said


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("s@1", "--stat", "--patch"), "exclude each other"),
        (("s@1", "--json", "--patch"), "exclude each other"),
        (("s@1", "--json", "--stat"), "exclude each other"),
        (("s@1", "--path", "x"), "--path and --cat go together"),
        (("s@1", "--cat"), "--path and --cat go together"),
        (("s@1", "--path", "x", "--cat", "--json"), "exclude each other"),
        (("s@1", "--path", "x", "--cat", "--files"), "exclude each other"),
        (("s@1", "--path", "", "--cat"), "--path needs the path of a file"),
        (("s@1", "--session", "s"), "cannot be combined"),
    ],
)
def test_wrong_usage_is_told(words: tuple[str, ...], reason: str, home: Path) -> None:
    assert reason in failure(run("show", *words), 2)
    assert not home.exists()


@pytest.mark.parametrize("what", ["blob", "tree", "store"])
@pytest.mark.parametrize("form", [("--patch",), ("--stat",), ("--path", "a.txt", "--cat"), ("--files",)])
def test_a_store_that_lacks_something_is_told(what: str, form: tuple[str, ...], plain: Path, home: Path) -> None:
    taken = snapshot(plain)
    store = store_of(home, taken)
    if what == "store":
        shutil.rmtree(store)
    else:
        oid = git("rev-parse", f"{taken['tree']}{':a.txt' if what == 'blob' else ''}", cwd=store).strip()
        (store / "objects" / oid[:2] / oid[2:]).unlink()
    result = run("show", "s@1", *form)
    if (what, form) == ("blob", ("--files",)):
        assert result.code == 0
        return
    assert result.code == 1
    assert "`rollouts doctor" in result.err
    assert result.err.count("\n") == 1


def test_json_stays_the_document_of_the_turn(turns: Path) -> None:
    document = json.loads(ok("show", "s@-1", "--json"))
    assert (document["message_id"], document["root_path"]) == ("2", str(turns))


def test_a_terminal_gets_colour(turns: Path) -> None:
    assert turns.is_dir()
    assert "\x1b[32m" in on_a_terminal(80, "show", "s:2", "--patch")
    assert "\x1b" not in on_a_terminal(80, "show", "s:2", "--patch", env={"NO_COLOR": "1"})
