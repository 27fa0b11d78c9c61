"""A snapshot's name: the beginning of its id, SESSION:MESSAGE, SESSION:latest, SESSION@N, whatever the ids hold."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import contents, failure, imported_by, ok, query, rows, run, snapshot


def named(name: str) -> str:
    """The id of the snapshot that a name means."""
    shown: str = json.loads(ok("show", "--json", "--", name))["id"]
    return shown


def refused(name: str) -> str:
    return failure(run("show", "--", name))


@pytest.fixture
def turns(plain: Path) -> list[str]:
    """The ids of three turns of session `s`: messages 1, 2 and 3."""
    return [snapshot(plain, message)["id"] for message in ("1", "2", "3")]


def test_each_way_to_name_a_turn_works_from_anywhere(turns: list[str]) -> None:
    assert [named(name) for name in (turns[0], turns[0][:12], "s:1", "s@1", "s@-3")] == [turns[0]] * 5
    assert [named(name) for name in ("s:latest", "s@3", "s@-1", "s@003")] == [turns[2]] * 4


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("s@0", "session 's' has 3 turns and no number 0; @1 is its first turn, @-1 its last"),
        ("s@4", "session 's' has 3 turns and no number 4"),
        ("s@-4", "has 3 turns and no number -4"),
        ("s:4", "session 's' has no message '4'; `rollouts list --session S` shows those"),
        ("x@1", "no snapshot is named 'x@1'; say SESSION:MESSAGE"),
        ("x:latest", "no snapshot is named 'x:latest'"),
        ("s@", "no snapshot is named 's@'"),
        ("s@+1", "no snapshot is named 's@+1'"),
        ("s@\u0661", "no snapshot is named"),
        ("s@" + "9" * 5000, "no snapshot is named"),
        ("s@" + "9" * 20, "no snapshot is named"),
        ("@1", "no snapshot is named"),
        (":", "no snapshot is named"),
        ("s:", "no snapshot is named"),
        (":1", "no snapshot is named"),
        ("zz", "no snapshot id begins with 'zz'"),
        (":" * 9000, "a snapshot's name is at most two ids"),
    ],
)
def test_a_name_of_nothing_says_what_would_be_one(name: str, reason: str, turns: list[str]) -> None:
    assert len(turns) == 3
    assert reason in refused(name)


def test_ids_may_hold_what_names_are_made_of(plain: Path) -> None:
    ids = [("a:b", "c:d"), ("-dash", "@1"), ("x@2", "y"), ("p", "latest"), ("p", "newer"), ("\u00fc \n", ":")]
    taken = [snapshot(plain, message, session)["id"] for session, message in ids]
    assert [named(f"{session}:{message}") for session, message in ids] == taken
    assert [named(name) for name in ("a:b:latest", "a:b@1", "-dash@-1", "x@2@1")] == [*taken[:1] * 2, *taken[1:3]]
    assert named("p:latest") == taken[3]
    assert named("p@-1") == taken[4]


def test_what_a_name_says_to_the_letter_wins(plain: Path, turns: list[str]) -> None:
    letter = snapshot(plain, "m@2", "q")["id"]
    for message in ("1", "2"):
        snapshot(plain, message, "q:m")
    assert named("q:m@2") == letter
    wins = snapshot(plain, "latest", "s")["id"]
    snapshot(plain, "after", "s")
    assert named("s:latest") == wins
    assert named(turns[0]) == turns[0]


def test_a_name_with_two_meanings_is_refused_and_says_both(plain: Path) -> None:
    snapshot(plain, "b:c", "a")
    snapshot(plain, "c", "a:b")
    said = refused("a:b:c")
    assert "'a:b:c' may be message 'b:c' of session 'a' or message 'c' of session 'a:b'" in said
    assert "name it by its id" in said


def test_a_beginning_that_two_ids_share_is_refused(turns: list[str], home: Path) -> None:
    query(home, "UPDATE snapshots SET id = ? WHERE id = ?", turns[0][:6] + turns[1][6:], turns[1])
    assert "more than one snapshot id begins with" in refused(turns[0][:6])


def test_ids_of_4096_bytes_can_be_named(plain: Path) -> None:
    session, message = "\u00e9" * 2048, "m" * 4096
    taken = snapshot(plain, message, session)["id"]
    assert named(f"{session}:{message}") == named(f"{session}@1") == taken


def test_restore_takes_a_name_without_what_costs_time_to_import(turns: list[str], plain: Path, tmp_path: Path) -> None:
    assert turns
    imported = imported_by("restore", "--snapshot", "s@-1", "--dest", tmp_path / "o")
    assert contents(tmp_path / "o") == contents(plain)
    assert {"typer", "click", "rich", "pydantic", "typing", "subprocess"} & imported == set()


def test_delete_takes_a_name_and_only_that_turn(turns: list[str], home: Path) -> None:
    ok("delete", "--snapshot", "s@2", "--yes")
    assert rows(home) == [turns[0], turns[2]]


def test_delete_of_the_latest_deletes_the_one_that_was_asked_about(turns: list[str], plain: Path, home: Path) -> None:
    """A turn that is captured while the question stands is not the one that goes."""
    script = (
        f'exec 3< <(sleep 1.5; {Path(sys.executable).parent}/rollouts snapshot "$1" --session s --message 4'
        " --metadata {} -q; echo y); "
        f"{Path(sys.executable).parent}/rollouts delete --snapshot s:latest <&3"
    )
    done = subprocess.run(["bash", "-c", script, "bash", plain], capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done
    assert set(turns) & set(rows(home)) == set(turns[:2])
    assert len(rows(home)) == 3
