"""log: turns, the newest first, and what each changed; and how it and list look in a terminal and in a pipe."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from helpers import failure, git, imported_by, ok, on_a_terminal, put, query, run, snapshot, store_of

UUID = "0197f0a2-3c4d-7e5f-8a9b-0c1d2e3f4a5b"


def turns(*words: str | Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(ok("log", *words, "--json"))["turns"]
    return found


def figures(*words: str | Path) -> list[tuple[str, int | None, int | None, int | None]]:
    return [
        (turn["message_id"], turn["files_changed"], turn["insertions"], turn["deletions"]) for turn in turns(*words)
    ]


def safety_snapshot(workspace: Path, message: str = "safe") -> str:
    """What a restore in place takes of a workspace first."""
    workspace_id = json.loads(ok("list", workspace, "--json"))["workspaces"][0]["id"]
    return str(snapshot(workspace, message, f"restore:{workspace_id}")["id"])


@pytest.fixture
def session(plain: Path) -> Path:
    """A directory with five turns of session `s`: first, edited, renamed, removed, same."""
    put(plain, "b.txt", b"".join(b"line %d\n" % number for number in range(20)))
    snapshot(plain, "first")
    put(plain, "a.txt", b"two\nthree\n")
    put(plain, "new.bin", b"\0\1")
    snapshot(plain, "edited")
    (plain / "b.txt").rename(plain / "c.txt")
    snapshot(plain, "renamed")
    (plain / "a.txt").unlink()
    (plain / "c.txt").chmod(0o755)
    snapshot(plain, "removed")
    snapshot(plain, "same")
    return plain


# What is told


def test_each_turn_says_what_it_changed_since_the_one_before(session: Path) -> None:
    assert figures(session) == [
        ("same", 0, 0, 0),
        ("removed", 2, 0, 2),
        ("renamed", 1, 0, 0),
        ("edited", 2, 2, 1),
        ("first", None, None, None),
    ]


def test_the_figures_are_those_of_diff(session: Path) -> None:
    for turn, number in zip(figures(session)[:-1], (5, 4, 3, 2), strict=True):
        found = json.loads(ok("diff", f"s@{number - 1}", f"s@{number}", "--json"))
        assert turn[1:] == (found["files_changed"], found["insertions"], found["deletions"])


def test_json_has_the_fields_of_the_contract(plain: Path) -> None:
    taken = snapshot(plain, metadata='{"prompt": "  \\n Fix it\\r\\nand more"}')
    assert turns(plain) == [
        {
            **{key: taken[key] for key in ("id", "session_id", "message_id", "captured_at", "agent")},
            "prompt": "Fix it",
            "files_changed": None,
            "insertions": None,
            "deletions": None,
        }
    ]


@pytest.mark.parametrize("metadata", ["{}", '{"prompt": 1}', '{"prompt": null}', '{"prompt": ["x"]}'])
def test_metadata_without_a_prompt_is_no_prompt(metadata: str, plain: Path) -> None:
    snapshot(plain, metadata=metadata)
    assert turns(plain)[0]["prompt"] is None


@pytest.mark.parametrize("metadata", ["NaN", "[1]", "not json", '{"prompt": "\\ud800"}', '{"prompt": NaN}'])
def test_metadata_that_only_the_original_took_is_no_obstacle(metadata: str, plain: Path, home: Path) -> None:
    snapshot(plain)
    query(home, "UPDATE snapshots SET metadata = ?, tree = NULL", metadata)
    assert turns(plain)[0]["prompt"] in {None, "?"}
    assert ok("log", plain).count("\n") == 2


def test_turns_of_sessions_that_alternate_are_compared_within_each(plain: Path) -> None:
    for number in range(3):
        for session in ("one", "two"):
            put(plain, f"{session} {number}")
            snapshot(plain, f"{session} {number}", session)
    assert figures(plain)[:3] == [("two 2", 2, 2, 0), ("one 2", 2, 2, 0), ("two 1", 2, 2, 0)]
    assert [turn[0] for turn in figures(plain, "--session", "one")] == ["one 2", "one 1", "one 0"]
    heading, *lines = ok("log", plain).splitlines()
    assert heading.split() == ["Session", "Message", "Time", "Agent", "Files", "+/-", "Snapshot", "Prompt"]
    assert [line.split()[0] for line in lines] == ["two", "one"] * 3
    assert "Session" not in ok("log", "--session", "one")


def test_a_session_is_found_from_anywhere(session: Path, repo: Path) -> None:
    snapshot(repo, session="other")
    assert len(turns("--session", "s")) == 5
    assert len(turns(session / "sub")) == 5
    assert "no turns found for session 's'" in failure(run("log", repo, "--session", "s"))


def test_a_row_of_the_original_is_compared_by_its_commit(session: Path, home: Path) -> None:
    before = figures(session)
    query(home, "DELETE FROM changes")
    query(home, "UPDATE snapshots SET tree = NULL, files = NULL, bytes_new = NULL, skipped = NULL")
    assert figures(session) == before
    lines = ok("list", "--session", "s").splitlines()
    assert [line.split()[-2:] for line in lines[1:]] == [["-", "-"]] * 5


def test_safety_snapshots_are_shown_on_demand_only(session: Path) -> None:
    safe = safety_snapshot(session)
    for hidden in (ok("log", session), ok("log", session, "--json"), ok("list"), ok("list", "--json")):
        assert "restore:" not in hidden
    assert json.loads(ok("list", "--json"))["workspaces"][0]["snapshots"] == 5
    assert turns(session, "--safety")[0]["id"] == safe
    assert "restore:" in ok("list", "--safety")
    assert len(json.loads(ok("list", "--safety", "--json"))["workspaces"][0]["sessions"]) == 2
    [turn] = turns("--session", f"restore:{json.loads(ok('show', safe, '--json'))['workspace_id']}")
    assert turn["id"] == safe
    snapshot(session, "not ours", "restore:something")
    assert turns(session)[0]["message_id"] == "not ours"


# What is kept


def test_what_git_counted_is_kept_and_goes_with_the_turns(session: Path, home: Path) -> None:
    before = figures(session)
    kept = query(home, "SELECT files, insertions, deletions FROM changes ORDER BY files, insertions")
    assert kept == [(1, 0, 0), (2, 0, 2), (2, 2, 1)]
    query(home, "UPDATE changes SET insertions = 77 WHERE insertions = 2")
    assert ("edited", 2, 77, 1) in figures(session)
    ok("delete", "--snapshot", "s:edited", "--yes")
    assert len(query(home, "SELECT * FROM changes")) == 1
    assert figures(session)[2] == ("renamed", 3, 2, 1)
    query(home, "DELETE FROM changes")
    snapshot(session, "later")
    assert figures(session)[1:3] == before[:2]
    ok("delete", session, "--yes")
    assert query(home, "SELECT * FROM changes") == []


def test_one_git_counts_all_turns_and_none_what_is_known(session: Path, tmp_path: Path) -> None:
    real = shutil.which("git")
    put(tmp_path, "bin/git", f'#!/bin/sh\necho "$*" >> {tmp_path}/calls\nexec {real} "$@"\n'.encode(), mode=0o755)
    env = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    for expected in (1, 0):
        put(tmp_path, "calls", b"")
        ok("log", "--session", "s", env=env)
        assert (tmp_path / "calls").read_text().count("diff-tree") == expected
        assert len((tmp_path / "calls").read_text().splitlines()) == expected
    assert session.is_dir()


def test_a_catalog_that_is_busy_or_cannot_be_written_is_only_read(session: Path, home: Path) -> None:
    query(
        home, "CREATE TRIGGER full BEFORE INSERT ON changes BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
    )
    assert figures(session)[1] == ("removed", 2, 0, 2)
    assert query(home, "SELECT * FROM changes") == []


def test_a_catalog_of_the_schema_before_is_migrated_after_a_backup(session: Path, home: Path) -> None:
    before = figures(session)
    query(home, "DROP TABLE changes")
    query(home, "PRAGMA user_version = 2")
    assert figures(session) == before
    with sqlite3.connect(home / "rollouts.sqlite.v2-backup") as backup:
        assert backup.execute("SELECT count(*) FROM snapshots").fetchone() == (5,)


# What is refused, and what fails


def test_a_workspace_or_session_that_is_not_there_is_told(plain: Path, home: Path) -> None:
    assert "workspace is not initialized" in failure(run("log", plain))
    assert "no turns found for session 'x'" in failure(run("log", "--session", "x"))
    failure(run("log", "--session", b"\xff"))
    assert "No such option" in failure(run("log", "--nonsense"), 2)
    assert not home.exists()
    snapshot(plain)
    assert "no turns found for session 'x'" in failure(run("log", plain, "--session", "x"))


@pytest.mark.parametrize("what", ["commit", "tree", "blob", "store"])
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_store_that_lacks_something_is_one_line(what: str, form: tuple[str, ...], plain: Path, home: Path) -> None:
    taken = [snapshot(plain, "1")]
    put(plain, "a.txt", b"two\n")
    taken.append(snapshot(plain, "2"))
    store = store_of(home, taken[0])
    if what == "store":
        shutil.rmtree(store)
    else:
        path = {"commit": "", "tree": ":", "blob": ":a.txt"}[what]
        oid = git("rev-parse", taken[0]["store_commit_sha"] + path, cwd=store).strip()
        (store / "objects" / oid[:2] / oid[2:]).unlink()
        query(home, "UPDATE snapshots SET tree = NULL" if what == "commit" else "SELECT 1")
    assert "`rollouts doctor" in failure(run("log", plain, *form))


# How it looks


def _a_busy_home(plain: Path, tmp_path: Path) -> Path:
    root = tmp_path / "a directory with a rather long path" / "in which the project lies" / "project"
    root.parent.mkdir(parents=True)
    shutil.copytree(plain, root)
    for number in range(3):
        put(root, "a.txt", b"line\n" * number)
        prompt = json.dumps({"prompt": "Make the parser accept what it refused so far, " * 5 + "please"})
        words = ("--session", UUID, "--message", f"{UUID[:-1]}{number}", "--metadata", prompt, "--agent", "claude-code")
        ok("snapshot", root, *words)
    return root


@pytest.mark.parametrize("width", [80, 200])
def test_in_a_terminal_no_line_is_wider_and_each_turn_is_one(width: int, plain: Path, tmp_path: Path) -> None:
    root = _a_busy_home(plain, tmp_path)
    for words in (("list",), ("list", "--session", UUID), ("log", root)):
        shown = on_a_terminal(width, *words).splitlines()
        assert max(len(line) for line in shown if not line.startswith("/")) <= width, shown  # a path stays whole
        assert any(UUID[:8] in line for line in shown)
    assert len(on_a_terminal(width, "log", root).splitlines()) == 4
    assert len(on_a_terminal(width, "list", "--session", UUID).splitlines()) == 4
    assert f"{UUID} (claude-code)" in on_a_terminal(width, "list")
    last = on_a_terminal(width, "log", root).splitlines()[1]
    assert last.endswith("\N{HORIZONTAL ELLIPSIS}")
    assert ("Make the parser" in last) == (width == 200)
    turn = turns(root)[0]["id"]
    assert (turn if width == 200 else turn[:8]) in last


def test_a_pipe_gets_everything_whole(plain: Path, tmp_path: Path) -> None:
    root = _a_busy_home(plain, tmp_path)
    for words in (("list",), ("list", "--session", UUID), ("log", root)):
        out = ok(*words, env={"COLUMNS": "20", "FORCE_COLOR": "1"})
        assert out == ok(*words)
        assert "\N{HORIZONTAL ELLIPSIS}" not in out
        assert "\x1b" not in out
    prompts = [line.partition("Make")[2] for line in ok("log", root).splitlines()[1:]]
    assert [len(prompt) for prompt in prompts] == [len("Make the parser accept what it refused so far, " * 5) + 2] * 3


def test_a_very_long_prompt_widens_no_other_line(plain: Path) -> None:
    snapshot(plain, "1", metadata=json.dumps({"prompt": "x" * 100_000}))
    snapshot(plain, "2")
    lines = ok("log", plain).splitlines()
    assert [len(line) > 100_000 for line in lines] == [False, False, True]
    assert max(map(len, on_a_terminal(80, "log", plain).splitlines())) <= 80


def test_wide_characters_and_controls_keep_the_columns(plain: Path) -> None:
    snapshot(plain, "\u65e5\u672c\u8a9e", metadata='{"prompt": "\\u001b[31mred\\ttab"}')
    snapshot(plain, "ascii")
    out = ok("log", plain)
    assert "\\x1b[31mred\\ttab" in out
    _, narrow, wide = out.splitlines()
    assert narrow.index(" 20") == wide.index(" 20") + 3


@pytest.mark.parametrize(
    ("plain_words", "for_typer"),
    [
        (("--session", "s"), ("--session=s",)),
        (("--safety", "--json"), ("--json", "--safety", "--")),
        (("--session", "none"), ("--session=none",)),
    ],
)
def test_both_routes_of_log_say_the_same(
    plain_words: tuple[str, ...], for_typer: tuple[str, ...], session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(session)
    assert run("log", *plain_words) == run("log", *for_typer)


def test_the_plain_route_of_log_imports_no_typer(session: Path) -> None:
    heavy = {"typer", "click", "rich", "pydantic", "typing", "json", "subprocess"}
    assert heavy & imported_by("log", session) == set()
