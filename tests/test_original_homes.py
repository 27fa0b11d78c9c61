"""Homes that agent-rollouts 0.1.0 and 0.1.5 wrote (tests/data/README.md): all of it comes back, and they go on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import stat
import tarfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from helpers import failure, ok, query, rows, run, snapshot
from rollouts.storage import migrations

DATA = Path(__file__).parent / "data"
TABLES = {
    "workspaces": ["id", "root_path", "store_path", "remote_url", "created_at"],
    "snapshots": [
        *("id", "workspace_id", "session_id", "message_id", "store_commit_sha", "vcs", "metadata", "captured_at"),
    ],
    "remote_defaults": ["id", "owner", "repo_prefix", "visibility"],
}
# What an original does at each start, in words of our own: tables and the guard, each only when it is not there.
ORIGINAL_START = """
CREATE TABLE IF NOT EXISTS workspaces (id TEXT PRIMARY KEY, root_path TEXT NOT NULL UNIQUE,
    store_path TEXT NOT NULL, remote_url TEXT UNIQUE, created_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS snapshots (id TEXT PRIMARY KEY, workspace_id TEXT NOT NULL, session_id TEXT NOT NULL,
    message_id TEXT NOT NULL, store_commit_sha TEXT NOT NULL, vcs TEXT NOT NULL, metadata TEXT NOT NULL,
    captured_at TEXT NOT NULL, UNIQUE (workspace_id, session_id, message_id),
    FOREIGN KEY (workspace_id) REFERENCES workspaces (id));
CREATE INDEX IF NOT EXISTS snapshots_session_id_idx ON snapshots (session_id);
CREATE TRIGGER IF NOT EXISTS snapshots_session_workspace_guard BEFORE INSERT ON snapshots
    WHEN EXISTS (SELECT 1 FROM snapshots WHERE session_id = NEW.session_id AND workspace_id <> NEW.workspace_id)
    BEGIN SELECT RAISE(ABORT, 'session is already associated with a different workspace'); END;
CREATE TABLE IF NOT EXISTS remote_defaults (id INTEGER PRIMARY KEY CHECK (id = 1), owner TEXT NOT NULL,
    repo_prefix TEXT NOT NULL, visibility TEXT NOT NULL CHECK (visibility IN ('private', 'public', 'internal')));
CREATE TABLE IF NOT EXISTS learn_sessions (id TEXT PRIMARY KEY, session_name TEXT UNIQUE, dataset_repo TEXT,
    prime_config TEXT, created_at TEXT, updated_at TEXT);
"""


class Original(NamedTuple):
    home: Path
    snapshots: list[dict[str, Any]]
    remotes: dict[str, str | None]


@pytest.fixture(params=["original-0.1.0", "original-0.1.5"])
def original(request: pytest.FixtureRequest, tmp_path: Path, home: Path) -> Original:
    """A home of an original release, at another place than where it was written."""
    with tarfile.open(DATA / f"{request.param}.tar.gz") as tar:
        tar.extractall(tmp_path / "unpacked", filter="data")
    (tmp_path / "unpacked" / "home").rename(home)
    said = json.loads((DATA / f"{request.param}.json").read_text())
    return Original(home, said["snapshots"], said["remotes"])


def found(root: Path) -> dict[str, dict[str, str]]:
    """The files below a directory as the json beside an original's home tells them."""
    files = {}
    for path in root.rglob("*"):
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode):
            is_link = stat.S_ISLNK(status.st_mode)
            data = os.fsencode(path.readlink()) if is_link else path.read_bytes()
            kind = "link" if is_link else "exec" if status.st_mode & 0o100 else "file"
            files[str(path.relative_to(root))] = {"type": kind, "sha256": hashlib.sha256(data).hexdigest()}
    return files


def columns(home: Path, table: str) -> list[str]:
    return [row[1] for row in query(home, f"PRAGMA table_info({table})")]


def check_all_restore(original: Original, out: Path) -> None:
    for turn in original.snapshots:
        ok("restore", "--snapshot", turn["id"], "--dest", out / turn["id"], "--verify")
        assert found(out / turn["id"]) == turn["files"], turn["message_id"]


def test_every_snapshot_of_an_original_restores_byte_exactly(original: Original, tmp_path: Path) -> None:
    check_all_restore(original, tmp_path / "out")


def test_everything_the_original_recorded_is_listed(original: Original) -> None:
    listed = json.loads(ok("list", "--json"))["workspaces"]
    assert {workspace["root_path"]: workspace["remote_url"] for workspace in listed} == original.remotes
    sessions = {session["session_id"] for workspace in listed for session in workspace["sessions"]}
    assert sessions == {turn["session_id"] for turn in original.snapshots}
    kept = ("id", "session_id", "message_id", "store_commit_sha", "captured_at")
    for turn in original.snapshots:
        document = json.loads(ok("show", turn["id"], "--json"))
        assert {key: document[key] for key in kept} == {key: turn[key] for key in kept}
        assert document["metadata"] == json.loads(turn["metadata"])
        assert (document["files"], document["tree"], document["skipped"]) == (None, None, [])
    first = original.snapshots[0]
    assert f"Snapshot {first['id']}" in ok("show", first["id"], "--files")
    assert first["id"] in ok("list", "--session", first["session_id"])


def test_a_turn_is_found_by_the_workspace_that_is_no_longer_there(original: Original, tmp_path: Path) -> None:
    turn = original.snapshots[-1]
    words = ("--session", turn["session_id"], "--message", "latest", "--dest", tmp_path / "out")
    ok("restore", turn["root_path"], *words)
    assert found(tmp_path / "out") == turn["files"]


def test_turns_of_an_original_can_be_compared(original: Original) -> None:
    for session in {turn["session_id"] for turn in original.snapshots}:
        turns = [turn for turn in original.snapshots if turn["session_id"] == session]
        logged = json.loads(ok("log", "--session", session, "--json"))["turns"]
        assert {turn["id"] for turn in logged} == {turn["id"] for turn in turns}
        paths = turns[0]["files"].keys() ^ turns[-1]["files"].keys()
        told = json.loads(ok("diff", turns[0]["id"], turns[-1]["id"], "--json"))["files"]
        assert paths <= {file[key] for file in told for key in ("path", "old_path") if key in file}
        assert ok("show", turns[-1]["id"], "--stat").endswith(("(+)\n", "(-)\n"))


def test_migration_adds_and_keeps_a_copy_of_the_old_catalog(original: Original, home: Path) -> None:
    before = (home / "rollouts.sqlite").read_bytes()
    ok("list")
    with contextlib.closing(sqlite3.connect(home / "rollouts.sqlite.v0-backup")) as backup:
        assert backup.execute("SELECT count(*) FROM snapshots").fetchone() == (len(original.snapshots),)
        assert backup.execute("PRAGMA user_version").fetchone() == (0,)
    with (
        contextlib.closing(sqlite3.connect(":memory:")) as old,
        contextlib.closing(sqlite3.connect(":memory:")) as kept,
    ):
        old.deserialize(before)
        kept.deserialize((home / "rollouts.sqlite.v0-backup").read_bytes())
        assert list(old.iterdump()) == list(kept.iterdump())
    assert query(home, "PRAGMA user_version") == [(migrations.VERSION,)]
    for table, names in TABLES.items():
        assert columns(home, table)[: len(names)] == names
    for name in ("rollouts.sqlite", "rollouts.sqlite.v0-backup"):  # an archive's URL may hold a password
        assert (home / name).stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(home)) == ["rollouts.lock", "rollouts.sqlite", "rollouts.sqlite.v0-backup", "workspaces"]


def test_the_original_can_go_on_with_a_migrated_home(original: Original, home: Path) -> None:
    ok("list")
    first = original.snapshots[0]
    with contextlib.closing(sqlite3.connect(home / "rollouts.sqlite")) as connection, connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.executescript(ORIGINAL_START)
        [workspace] = connection.execute("SELECT workspace_id FROM snapshots WHERE id = ?", (first["id"],)).fetchone()
        values = ("f" * 32, workspace, "ses_new", "m", first["store_commit_sha"], '{"vcs": null}', "{}", "2030-01-01")
        insert = f"INSERT INTO snapshots ({', '.join(TABLES['snapshots'])}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - a constant
        connection.execute(insert, values)
        with pytest.raises(sqlite3.IntegrityError, match="already associated"):
            connection.execute(insert, ("e" * 32, "another", "ses_new", "m", *values[4:]))
        insert = f"INSERT INTO workspaces ({', '.join(TABLES['workspaces'])}) VALUES ('w', '/', '/', NULL, '')"  # noqa: S608 - a constant
        connection.execute(insert)
        connection.execute("DELETE FROM workspaces WHERE id = 'w'")
    assert "f" * 32 in rows(home)


def test_new_turns_go_on_in_a_workspace_of_the_original(original: Original, tmp_path: Path) -> None:
    turn = original.snapshots[0]
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / "new.txt").write_text("new\n")
    ok("workspace", "move", turn["root_path"], tmp_path / "ws")
    again = run("snapshot", tmp_path / "ws", "--session", turn["session_id"], "--message", turn["message_id"], *META)
    assert again.out.splitlines()[0] == f"Snapshot already exists {turn['id']}"
    taken = snapshot(tmp_path / "ws", "new", turn["session_id"])
    [owner] = query(original.home, "SELECT workspace_id FROM snapshots WHERE id = ?", turn["id"])
    assert (taken["workspace_id"],) == owner
    ok("restore", "--snapshot", taken["id"], "--dest", tmp_path / "new", "--verify")
    assert list(found(tmp_path / "new")) == ["new.txt"]
    check_all_restore(original._replace(snapshots=[turn]), tmp_path / "out")
    assert run("doctor", "--repair").code == 0
    assert "all is well" in ok("doctor")


META = ("--metadata", "{}")


def test_turns_of_the_original_are_deleted_like_others(original: Original, home: Path, tmp_path: Path) -> None:
    first, *others = original.snapshots
    ok("delete", "--snapshot", first["id"], "--yes")
    assert "no snapshot id" in failure(run("show", first["id"]))
    check_all_restore(original._replace(snapshots=others[:2]), tmp_path / "out")
    ok("delete", others[-1]["root_path"], "--yes")
    left = {turn["id"] for turn in others if turn["root_path"] != others[-1]["root_path"]}
    assert set(rows(home)) == left
    ok("delete", "--all", "--yes")
    assert not home.exists()


def test_doctor_finds_only_what_the_original_left_open_and_that_its_home_has_moved(
    original: Original, home: Path
) -> None:
    home.chmod(0o755)
    problems = [finding["problem"] for finding in json.loads(run("doctor", "--json").out)["findings"]]
    moved = [words for words in problems if words.startswith("the catalog says that the store of")]
    assert len(moved) == len(list((home / "workspaces").iterdir()))
    assert len(problems) > len(moved)
    assert all("can be read by others" in words for words in problems if words not in moved)
    assert run("doctor", "--repair").code == 0
    assert ok("doctor").endswith("all is well\n")
    assert len(rows(home)) == len(original.snapshots)


@pytest.mark.parametrize("loss", ["missing", "garbage"])
def test_a_lost_catalog_of_a_migrated_home_comes_back_with_the_originals_metadata(
    loss: str, original: Original, home: Path, tmp_path: Path
) -> None:
    ok("list")
    if loss == "missing":
        (home / "rollouts.sqlite").unlink()
    else:
        (home / "rollouts.sqlite").write_bytes(b"garbage" * 1000)
    result = run("list", "--json")
    assert "made anew from the stores: 2 workspaces, 6 snapshots" in result.err
    listed = json.loads(result.out)["workspaces"]
    assert {workspace["root_path"]: workspace["remote_url"] for workspace in listed} == original.remotes
    kept = "id, session_id, message_id, store_commit_sha, captured_at, metadata"
    told = [tuple(turn[key] for key in kept.split(", ")) for turn in original.snapshots]
    assert query(home, f"SELECT {kept} FROM snapshots ORDER BY captured_at") == told  # noqa: S608 - a constant
    check_all_restore(original._replace(snapshots=original.snapshots[::4]), tmp_path / "out")


def test_metadata_that_only_the_original_took_for_json_goes_out_as_text(original: Original, home: Path) -> None:
    turn = original.snapshots[0]
    query(home, "UPDATE snapshots SET metadata = ? WHERE id = ?", '{"a": NaN}', turn["id"])
    for words in (("show", turn["id"], "--json"), ("list", "--session", turn["session_id"], "--json")):
        out = ok(*words)
        json.loads(out, parse_constant=pytest.fail)
        assert '"metadata":"{\\"a\\": NaN}"' in out
