"""A push looks at new files for private keys and live tokens, each once, and holds back the snapshots that have one."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

import planted
from helpers import git, ok, on_a_terminal, put, query, run, snapshot, store_of
from pushing import Document, Turns, calls, document, push, reasons, refs, result_of, set_remote, start, statuses
from pushing import many as many  # noqa: PLC0414 - a fixture, for pytest to find here
from pushing import served as served  # noqa: PLC0414 - as above
from pushing import thirty as thirty  # noqa: PLC0414 - as above
from rollouts.contracts import tag
from rollouts.redact import blobs

KEY = planted.made(planted.KINDS["rsa private key"][0], 1)
TOKEN = planted.made(planted.KINDS["github token"][0], 1)


@pytest.fixture
def work(plain: Path, served: Path) -> Path:
    """A workspace with an archive."""
    snapshot(plain, "m0")
    set_remote(plain, served / "a.git")
    return plain


def take(root: Path, message: str, **files: bytes) -> None:
    """Takes a snapshot with further files."""
    for name, data in files.items():
        put(root, name, data)
    snapshot(root, message)


def findings(pushed: Document) -> dict[str, list[Any]]:
    """Message -> what was found, of those in which something was."""
    rows = [row for found in pushed["workspaces"] for row in found["snapshots"]]
    return {row["message_id"]: row["findings"] for row in rows if row["findings"]}


def messages(repository: Path) -> set[str]:
    """The messages that have arrived, of `m0` to `m9`."""
    names = {tag.ref("s", f"m{number}"): f"m{number}" for number in range(10)}
    return {names[ref] for ref in refs(repository)}


class Looked:
    """What git was asked to read, from the log of `calls`."""

    def __init__(self, tmp_path: Path) -> None:
        self.env, self._log = calls(tmp_path)

    def gits(self) -> list[str]:
        """The git commands since the last look, of those that a scan starts."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        self._log.unlink(missing_ok=True)
        names = ("rev-list", "cat-file --batch --buffer", "cat-file blob", "diff-tree")
        return [name for line in lines for name in names if f" {name}" in line]


# What is stopped


def test_a_key_in_a_file_stops_its_snapshot_and_no_other(work: Path, served: Path) -> None:
    take(work, "m1", **{"sub/id_rsa": f"mine:\n{KEY}\n".encode()})
    os.unlink(work / "sub" / "id_rsa")
    snapshot(work, "m2")
    found = push(work, code=1)
    assert statuses(found) == {"m0": "pushed", "m1": "stopped", "m2": "pushed"}
    assert (found["pushed"], found["stopped"], found["failed"]) == (2, 1, 0)
    assert findings(found) == {"m1": [{"path": "sub/id_rsa", "kind": "private-key", "line": 2}]}
    assert reasons(found) == {"m1": "private-key in sub/id_rsa, line 2"}
    assert messages(served / "a.git") == {"m0", "m2"}
    objects = git("cat-file", "--batch-all-objects", "--batch-check", "--unordered", cwd=served / "a.git")
    assert git("hash-object", "--stdin", cwd=work, stdin=f"mine:\n{KEY}\n".encode()).strip() not in objects


def test_what_is_said_names_the_place_and_what_to_do_and_never_the_secret(work: Path) -> None:
    take(work, "m1", a=TOKEN.encode(), b=TOKEN.encode(), c=f"{TOKEN}\n{KEY}".encode(), d=b"\n" + TOKEN.encode())
    result = run("push", work)
    assert result.code == 1
    assert "Pushed snapshots 1\nskipped existing: 0\nstopped: 1\nworkspaces: 1\n" in result.out
    assert "github-pat in a, line 1; github-pat in b, line 1; github-pat in c, line 1; and 2 more" in result.out
    assert "If it is no secret: --allow-secrets" in result.err
    assert ".gitignore" in result.err
    assert result.err.count("\n") == 1
    spoken = result.out + result.err + json.dumps(push(work, code=1))
    assert TOKEN not in spoken
    assert KEY.splitlines()[1] not in spoken


def test_a_file_that_is_found_bad_stops_later_snapshots_too_and_is_read_once(work: Path, tmp_path: Path) -> None:
    look = Looked(tmp_path)
    take(work, "m1", secret=TOKEN.encode())
    assert statuses(push(work, code=1, env=look.env)) == {"m0": "pushed", "m1": "stopped"}
    look.gits()
    (work / "secret").rename(work / "moved")
    snapshot(work, "m2")
    found = push(work, code=1, env=look.env)
    assert statuses(found) == {"m0": "skipped", "m1": "stopped", "m2": "stopped"}
    assert findings(found)["m2"] == [{"path": "moved", "kind": "github-pat", "line": 1}]
    assert look.gits() == ["rev-list", "diff-tree"]
    assert statuses(push(work, code=1, env=look.env))["m2"] == "stopped"
    assert look.gits() == ["diff-tree"]


def test_a_link_whose_target_is_a_token_and_odd_names(work: Path, served: Path) -> None:
    (work / "link").symlink_to(TOKEN)
    put(work, b"new\nline \xff", TOKEN.encode())
    put(work, "-x\t'", TOKEN.encode())
    snapshot(work, "m1")
    found = push(work, code=1)
    places = [{"path": "-x\t'"}, {"path": "link"}, {"path_b64": "bmV3CmxpbmUg/w=="}]
    assert findings(found) == {"m1": [{**place, "kind": "github-pat", "line": 1} for place in places]}
    assert run("push", work).code == 1
    assert messages(served / "a.git") == {"m0"}


def test_files_of_nested_repositories_are_looked_at(repo: Path, served: Path) -> None:
    inner = repo / "inner"
    put(inner, "key", KEY.encode())
    git("init", "-q", cwd=inner)
    snapshot(repo, "m0")
    set_remote(repo, served / "a.git")
    assert findings(push(repo, code=1)) == {"m0": [{"path": "inner/key", "kind": "private-key", "line": 1}]}


def test_a_tracked_file_is_stopped_until_it_is_tracked_no_more(repo: Path, served: Path) -> None:
    put(repo, "id_rsa", KEY.encode())
    put(repo, ".gitignore", b"id_rsa\n")
    git("add", "-f", "id_rsa", cwd=repo)
    snapshot(repo, "m0")
    git("rm", "-q", "--cached", "id_rsa", cwd=repo)
    snapshot(repo, "m1")
    set_remote(repo, served / "a.git")
    assert statuses(push(repo, code=1)) == {"m0": "stopped", "m1": "pushed"}
    ok("delete", repo, "--session", "s", "--message", "m0", "--yes")
    assert statuses(push(repo)) == {"m1": "skipped"}


def test_binary_files_and_what_is_harmless_pass(work: Path) -> None:
    binary = b"\x7fELF\0" + TOKEN.encode()
    harmless = "".join(text for _, text in planted.near_misses(1)).encode()
    take(work, "m1", program=binary, harmless=harmless, empty=b"")
    assert statuses(push(work)) == {"m0": "pushed", "m1": "pushed"}


@pytest.mark.parametrize(("before", "status"), [(blobs.LIMIT - 100, "stopped"), (blobs.LIMIT, "pushed")])
def test_of_a_large_file_the_beginning_is_looked_at(before: int, status: str, work: Path) -> None:
    take(work, "m1", dump=b"x = 1;\n" * (before // 7) + TOKEN.encode() + b"\n" + b"-\n" * 2_000_000)
    assert statuses(push(work, code=int(status == "stopped")))["m1"] == status


def test_a_workspace_without_files(tmp_path: Path, served: Path) -> None:
    (tmp_path / "none").mkdir()
    snapshot(tmp_path / "none", "m0")
    set_remote(tmp_path / "none", served / "a.git")
    assert statuses(push(tmp_path / "none")) == {"m0": "pushed"}


def test_a_dry_run_says_what_would_be_stopped(work: Path, served: Path) -> None:
    take(work, "m1", key=KEY.encode())
    found = push(work, "--dry-run", code=1)
    assert statuses(found) == {"m0": "pushed", "m1": "stopped"}
    assert findings(found)["m1"][0]["path"] == "key"
    assert statuses(push(work, "--dry-run", "--allow-secrets")) == {"m0": "pushed", "m1": "pushed"}
    assert statuses(push(work, "--dry-run", code=1))["m1"] == "stopped"  # nothing was let go yet
    assert messages(served / "a.git") == set()


def test_what_the_archive_has_already_is_not_stopped(work: Path) -> None:
    take(work, "m1", key=KEY.encode())
    push(work, "--allow-secrets")
    query(Path(os.environ["ROLLOUTS_HOME"]), "DELETE FROM allowed_blobs")
    assert statuses(push(work)) == {"m0": "skipped", "m1": "skipped"}


# What is let go


def test_what_is_let_go_is_told_and_goes_from_then_on(work: Path, served: Path) -> None:
    take(work, "m1", key=KEY.encode())
    found = push(work, "--allow-secrets")
    assert statuses(found) == {"m0": "pushed", "m1": "pushed"}
    assert findings(found) == {"m1": [{"path": "key", "kind": "private-key", "line": 1}]}
    take(work, "m2", other=b"1")
    assert (statuses(later := push(work)), findings(later)) == ({"m0": "skipped", "m1": "skipped", "m2": "pushed"}, {})
    take(work, "m3", key=f"{KEY}\n{TOKEN}".encode())
    assert statuses(push(work, code=1))["m3"] == "stopped"
    assert messages(served / "a.git") == {"m0", "m1", "m2"}


def test_what_is_let_go_to_one_archive_is_not_let_go_to_another(work: Path, served: Path) -> None:
    take(work, "m1", key=KEY.encode())
    push(work, "--allow-secrets")
    set_remote(work, served / "a.git")
    assert statuses(push(work))["m1"] == "skipped"
    git("init", "-q", "--bare", served / "b.git", cwd=served)
    set_remote(work, served / "b.git")
    assert statuses(push(work, code=1)) == {"m0": "pushed", "m1": "stopped"}


def test_a_new_password_makes_no_other_archive_of_it(plain: Path, home: Path) -> None:
    taken = snapshot(plain)
    set_remote(plain, "https://ann:first@archive.example/a.git")
    query(home, "INSERT INTO allowed_blobs VALUES (?, 'x')", taken["workspace_id"])
    set_remote(plain, "https://ann:second@archive.example/a.git")
    assert query(home, "SELECT oid FROM allowed_blobs") == [("x",)]
    ok("remote", "clear", plain)
    assert query(home, "SELECT oid FROM allowed_blobs") == []


def test_an_archive_that_is_to_be_made_is_looked_at_in_advance(plain: Path) -> None:
    snapshot(plain, "m0")
    take(plain, "m1", key=KEY.encode())
    ok("remote", "defaults", "set", "--owner", "octo")
    assert statuses(push(plain, "--create-remote", "--dry-run", code=1)) == {"m0": "pushed", "m1": "stopped"}
    found = push(plain, "--create-remote", "--dry-run", "--allow-secrets")
    assert (statuses(found), list(findings(found))) == ({"m0": "pushed", "m1": "pushed"}, ["m1"])


# What is remembered


def test_nothing_new_to_look_at_starts_no_git(many: Turns, served: Path, tmp_path: Path) -> None:
    look = Looked(tmp_path)
    set_remote(many.root, served / "a.git")
    assert push(many.root, "--dry-run", env=look.env)["pushed"] == 30
    assert look.gits() == ["rev-list", "cat-file --batch --buffer"]
    assert push(many.root, env=look.env)["pushed"] == 30
    assert look.gits() == []
    assert push(many.root, env=look.env)["skipped"] == 30
    assert look.gits() == []


def test_an_older_catalog_is_brought_up_to_it(home: Path) -> None:
    home.mkdir()
    with contextlib.closing(sqlite3.connect(home / "rollouts.sqlite")) as older:
        older.executescript((Path(__file__).parent / "data" / "catalog-v5.sql").read_text())
    before = query(home, "SELECT id, store_commit_sha FROM snapshots")
    ok("list")
    assert query(home, "SELECT id, store_commit_sha FROM snapshots") == before
    assert query(home, "SELECT oid FROM scanned_commits UNION SELECT oid FROM leaking_blobs") == []
    assert query(home, "SELECT oid FROM allowed_blobs") == []
    assert (home / "rollouts.sqlite.v5-backup").exists()


def test_what_is_remembered_does_not_grow_with_files(work: Path, home: Path) -> None:
    for number in range(300):
        put(work, f"many/{number}", b"%d" % number)
    take(work, "m1")
    take(work, "m2", key=KEY.encode())
    push(work, code=1)
    assert query(home, "SELECT count(*) FROM scanned_commits") == [(3,)]
    assert query(home, "SELECT count(*) FROM leaking_blobs") == [(1,)]
    assert query(home, "SELECT count(*) FROM allowed_blobs") == [(0,)]


@pytest.mark.parametrize("message", ["m1", "m2"])
def test_a_blob_is_read_once_whichever_snapshots_are_pushed_first(message: str, work: Path, tmp_path: Path) -> None:
    look = Looked(tmp_path)
    take(work, "m1", a=b"1")
    take(work, "m2", b=b"1")
    push(work, "--session", "s", "--message", message, env=look.env)
    assert look.gits() == ["rev-list", "cat-file --batch --buffer"]
    push(work, env=look.env)
    assert look.gits() == ["rev-list"]


def test_another_engine_or_other_rules_look_anew(work: Path, home: Path, tmp_path: Path) -> None:
    look = Looked(tmp_path)
    take(work, "m1", key=KEY.encode())
    push(work, code=1)
    query(home, "UPDATE scanned_commits SET looked = 'older'")
    query(home, "UPDATE leaking_blobs SET looked = 'older', findings = '[[\"other\", 9]]'")
    found = push(work, code=1, env=look.env)
    assert look.gits() == ["rev-list", "cat-file --batch --buffer", "diff-tree"]
    assert findings(found) == {"m1": [{"path": "key", "kind": "private-key", "line": 1}]}
    assert query(home, "SELECT DISTINCT looked FROM scanned_commits") == [(blobs.looks(),)]


def test_a_lost_catalog_is_looked_for_again(work: Path, home: Path, served: Path) -> None:
    take(work, "m1", key=KEY.encode())
    push(work, code=1)
    for path in home.glob("rollouts.sqlite*"):
        path.unlink()
    ok("list")
    set_remote(work, served / "a.git")
    assert statuses(push(work, code=1)) == {"m0": "skipped", "m1": "stopped"}


def test_deleted_snapshots_are_forgotten_and_a_file_of_theirs_is_found_again(work: Path, home: Path) -> None:
    take(work, "m1", key=KEY.encode())
    push(work, code=1)
    ok("delete", work, "--session", "s", "--yes")
    assert query(home, "SELECT oid FROM scanned_commits UNION SELECT oid FROM leaking_blobs") == []
    snapshot(work, "m2")
    assert statuses(push(work, code=1)) == {"m2": "stopped"}
    push(work, "--allow-secrets")
    ok("delete", work, "--yes")
    assert query(home, "SELECT oid FROM allowed_blobs") == []


def test_a_bad_file_stays_known_when_the_snapshot_that_brought_it_is_deleted(work: Path) -> None:
    take(work, "m1", key=KEY.encode())
    take(work, "m2", other=b"1")
    push(work, code=1)
    ok("delete", work, "--session", "s", "--message", "m1", "--yes")
    ok("gc")
    assert statuses(push(work, code=1)) == {"m0": "skipped", "m2": "stopped"}


# What goes wrong


def _spoil(store: Path, oid: str) -> None:
    path = store / "objects" / oid[:2] / oid[2:]
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\0")


@pytest.mark.parametrize("how", ["gone", "spoilt"])
def test_a_damaged_file_costs_its_snapshots_only(how: str, plain: Path, home: Path, served: Path) -> None:
    taken = snapshot(plain, "m0")
    take(plain, "m1", bad=b"bad\n")
    take(plain, "m2", key=KEY.encode())
    (plain / "bad").unlink()
    take(plain, "m3")
    set_remote(plain, served / "a.git")
    oid = git("hash-object", "--stdin", cwd=plain, stdin=b"bad\n").strip()
    store = store_of(home, taken)
    if how == "gone":
        (store / "objects" / oid[:2] / oid[2:]).unlink()
    else:
        _spoil(store, oid)
    found = push(plain, code=1)
    assert statuses(found) == {"m0": "pushed", "m1": "failed", "m2": "failed", "m3": "stopped"}
    assert "has lost part of it" in reasons(found)["m1"]
    assert messages(served / "a.git") == {"m0"}


def test_a_lost_commit_is_told_of_and_not_taken_for_looked_at(work: Path, home: Path, served: Path) -> None:
    take(work, "m1", key=KEY.encode())
    [(commit, workspace_id)] = query(
        home, "SELECT store_commit_sha, workspace_id FROM snapshots WHERE message_id = 'm1'"
    )
    path = store_of(home, {"workspace_id": workspace_id}) / "objects" / commit[:2] / commit[2:]
    path.rename(path.with_name("aside"))
    assert statuses(push(work, code=1)) == {"m0": "pushed", "m1": "failed"}
    path.with_name("aside").rename(path)
    assert statuses(push(work, code=1)) == {"m0": "skipped", "m1": "stopped"}
    assert messages(served / "a.git") == {"m0"}


def test_a_push_that_is_killed_while_it_looks_remembers_nothing(work: Path, home: Path, tmp_path: Path) -> None:
    take(work, "m1", key=KEY.encode())
    script = f"""#!/bin/sh
case "$*" in *"cat-file --batch --buffer"*) kill -9 $PPID ;; esac
exec "{shutil.which("git")}" "$@"
"""
    put(tmp_path, "bin/git", script.encode(), mode=0o755)
    killed = run("push", work, env={"PATH": f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}"})
    assert killed.code == -signal.SIGKILL
    assert query(home, "SELECT oid FROM scanned_commits UNION SELECT oid FROM leaking_blobs") == []
    assert statuses(push(work, code=1)) == {"m0": "pushed", "m1": "stopped"}


def test_two_pushes_at_once_stop_the_same(work: Path, served: Path) -> None:
    take(work, "m1", key=KEY.encode())
    for result in [result_of(one) for one in [start("push", work, "--json") for _ in range(2)]]:
        assert statuses(document(result, 1))["m1"] == "stopped"
    assert messages(served / "a.git") == {"m0"}


def test_on_a_terminal_it_is_told_how_far_it_is(work: Path) -> None:
    assert "Looking for secrets: 0 of 2 files" in on_a_terminal(200, "push", work)
