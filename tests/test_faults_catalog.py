"""A catalog that is lost, damaged, locked, too new or out of reach."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers import contents, failure, ok, query, rows, run, snapshot

METADATA = '{ "verbatim" :  1.50, "text": "\\u00e9 ü" }'


@pytest.fixture
def taken(repo: Path, plain: Path) -> list[dict[str, Any]]:
    """Three turns in two workspaces."""
    first = snapshot(repo, "1", metadata=METADATA)
    (repo / "a.txt").write_bytes(b"two\n")
    return [first, snapshot(repo, "2", metadata=METADATA), snapshot(plain, session="t", metadata=METADATA)]


def damage(home: Path, content: bytes | None) -> None:
    """Puts `content`, or nothing, in the place of the catalog."""
    for suffix in ("-wal", "-shm"):
        (home / f"rollouts.sqlite{suffix}").unlink(missing_ok=True)
    (home / "rollouts.sqlite").unlink()
    if content is not None:
        (home / "rollouts.sqlite").write_bytes(content)
        (home / "rollouts.sqlite").chmod(0o600)


def many_pages(workspace: Path, folder: Path) -> list[dict[str, Any]]:
    """Turns with metadata that fills many pages of the catalog."""
    (folder / "large").write_text('{"x": "' + "y" * 200_000 + '"}')
    return [snapshot(workspace, f"large {number}", metadata=f"@{folder}/large") for number in range(6)]


def check_rebuilt(home: Path, taken: list[dict[str, Any]], said: str, tmp_path: Path) -> None:
    """The next command has rebuilt the catalog: it says so, and everything is there as it was."""
    assert said.count("made anew from the stores") == 1, said
    keys = "id, workspace_id, session_id, message_id, store_commit_sha, captured_at, tree, files, bytes_new, metadata"
    told = [(*(turn[key] for key in keys.split(", ")[:-1]), METADATA) for turn in taken]
    assert query(home, f"SELECT {keys} FROM snapshots ORDER BY captured_at") == told  # noqa: S608 - a constant
    for turn in taken:
        ok("restore", "--snapshot", turn["id"], "--dest", tmp_path / "out" / turn["id"], "--verify")
    assert "all is well" in ok("doctor")


CONTENT = {"missing": None, "empty": b"", "garbage": b"garbage " * 1000, "header only": b"SQLite format 3\0"}


@pytest.mark.parametrize("content", CONTENT.values(), ids=CONTENT)
def test_a_lost_catalog_is_rebuilt_by_the_next_command(
    content: bytes | None, taken: list[dict[str, Any]], home: Path, tmp_path: Path
) -> None:
    damage(home, content)
    result = run("list", "--json")
    assert result.code == 0, result
    assert result.err.startswith("Warning: the catalog ")
    check_rebuilt(home, taken, result.err, tmp_path)
    aside = [name for name in os.listdir(home) if name.startswith("rollouts.sqlite.damaged-")]
    assert [(home / name).read_bytes() for name in aside] == [content] * (content is not None)


@pytest.mark.parametrize(
    "words",
    [
        ("show", "--session", "s", "--message", "1", "--workspace", "repo"),
        ("restore", "repo", "--session", "s", "--message", "1", "--dest", "restored"),
        ("delete", "repo", "--session", "s", "--message", "1", "--yes"),
        ("snapshot", "repo", "--session", "s", "--message", "1", "--metadata", "{}"),
        ("snapshot", "repo", "--session", "s", "--message", "new", "--metadata", "{}"),
        ("doctor", "--repair"),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("taken")
def test_each_command_rebuilds_and_goes_on(words: tuple[str, ...], home: Path) -> None:
    damage(home, b"garbage " * 1000)
    result = run(*words)
    assert result.code == 0, result
    assert "made anew from the stores" in result.out + result.err
    assert len(rows(home)) == {"delete": 2}.get(words[0], 4 if "new" in words else 3)


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_catalog_is_rebuilt(
    share: float, taken: list[dict[str, Any]], repo: Path, home: Path, tmp_path: Path
) -> None:
    large = many_pages(repo, tmp_path)
    whole = (home / "rollouts.sqlite").read_bytes()
    damage(home, whole[: int(len(whole) * share)])
    new = snapshot(repo, "3")
    assert {row[0] for row in query(home, "SELECT id FROM snapshots")} == {turn["id"] for turn in [*taken, *large, new]}
    assert query(home, "SELECT DISTINCT metadata FROM snapshots WHERE length(metadata) > 100") == [
        ((tmp_path / "large").read_text(),)
    ]
    assert "all is well" in ok("doctor")


@pytest.mark.parametrize("at", [100, 4096, 4096 * 40 + 8])
def test_a_catalog_with_garbage_in_the_middle_is_found_and_rebuilt(
    at: int, taken: list[dict[str, Any]], repo: Path, home: Path, tmp_path: Path
) -> None:
    large = many_pages(repo, tmp_path)
    whole = (home / "rollouts.sqlite").read_bytes()
    damage(home, whole[:at] + b"\xa5" * 3000 + whole[at + 3000 :])
    result = run("doctor", "--repair")
    assert "made anew from the stores" in result.out + result.err, result
    assert {turn["id"] for turn in [*taken, *large]} == set(rows(home))


def test_a_catalog_that_lacks_part_of_its_last_page_is_found_and_rebuilt(
    repo: Path, home: Path, tmp_path: Path
) -> None:
    large = many_pages(repo, tmp_path)
    damage(home, (home / "rollouts.sqlite").read_bytes()[:-1000])
    assert run("doctor").code == 1
    assert "made anew from the stores" in ok("doctor", "--repair")
    assert rows(home) == [turn["id"] for turn in large]


def test_a_newer_catalog_is_refused_and_left_as_it_is(taken: list[dict[str, Any]], repo: Path, home: Path) -> None:
    query(home, "PRAGMA user_version = 99")
    before = {name: (home / name).read_bytes() for name in os.listdir(home) if name.startswith("rollouts.sqlite")}
    for words in (
        ("list",),
        ("show", taken[0]["id"]),
        ("restore", "--snapshot", taken[0]["id"], "--dest", "out"),
        ("snapshot", str(repo), "--session", "s", "--message", "n", "--metadata", "{}"),
        ("delete", "--all", "--yes"),
        ("doctor", "--repair"),
    ):
        assert "was written by a newer Rollouts (schema 99" in failure(run(*words))
    after = {name: (home / name).read_bytes() for name in os.listdir(home) if name.startswith("rollouts.sqlite")}
    assert after == before


@contextlib.contextmanager
def held(home: Path, seconds: float) -> Iterator[None]:
    """Another program has the catalog for writing, and lets go after some time."""
    connection = sqlite3.connect(home / "rollouts.sqlite", isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN EXCLUSIVE")
    timer = threading.Timer(seconds, connection.rollback)
    timer.start()
    try:
        yield
    finally:
        timer.join()
        connection.close()


@pytest.mark.parametrize(
    "words",
    [
        ("show", "zz"),
        ("restore", "--snapshot", "zz", "--dest", "restored"),
        ("delete", "--snapshot", "zz", "--yes"),
        ("list", "--session", "zz"),
        ("snapshot", "plain", "--session", "s", "--message", "of another workspace", "--metadata", "{}"),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("taken")
def test_a_rebuild_is_told_of_also_when_the_command_fails(words: tuple[str, ...], home: Path) -> None:
    damage(home, None)
    result = run(*words)
    assert (result.code, result.out) == (1, "")
    warning, error = result.err.splitlines()
    assert "made anew from the stores" in warning
    assert error.startswith("Error: ")


def test_a_locked_catalog_is_waited_for_and_can_be_read(taken: list[dict[str, Any]], repo: Path, home: Path) -> None:
    with held(home, 1.5):
        assert taken[0]["id"] in ok("list", "--session", "s")
        assert snapshot(repo, "3")["id"] not in {turn["id"] for turn in taken}


def test_a_catalog_of_another_program_is_not_taken_for_ours(repo: Path, home: Path) -> None:
    home.mkdir()
    with contextlib.closing(sqlite3.connect(home / "rollouts.sqlite")) as connection, connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
        connection.execute("INSERT INTO bookmarks VALUES ('x')")
    snapshot(repo)
    assert query(home, "SELECT url FROM bookmarks") == [("x",)]


@pytest.mark.usefixtures("taken")
def test_text_in_the_catalog_that_is_not_utf8_is_no_traceback(home: Path) -> None:
    query(home, "UPDATE snapshots SET message_id = CAST(x'ff' AS TEXT) WHERE message_id = '1'")
    result = run("list", "--session", "s")
    assert result.code in {0, 1}, result


def test_a_workspace_of_the_rebuilt_catalog_goes_on(
    taken: list[dict[str, Any]], repo: Path, home: Path, tmp_path: Path
) -> None:
    damage(home, None)
    new = snapshot(repo, "3")
    assert new["workspace_id"] == taken[0]["workspace_id"]
    ok("restore", "--snapshot", new["id"], "--dest", tmp_path / "out")
    assert contents(tmp_path / "out") == contents(repo)
