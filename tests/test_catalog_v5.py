"""A catalog of schema 5 (tests/data/catalog-v5.sql), before datasets were remembered: all of it is there afterwards."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

from agent_records import CLAUDE
from helpers import ok, query

DUMP = (Path(__file__).parent / "data" / "catalog-v5.sql").read_text()


def test_a_catalog_of_schema_5_is_migrated_after_a_backup(home: Path) -> None:
    home.mkdir(mode=0o700)
    with contextlib.closing(sqlite3.connect(home / "rollouts.sqlite", isolation_level=None)) as connection:
        connection.executescript(DUMP)
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        before = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in tables}  # noqa: S608 - ours
    (listed,) = json.loads(ok("list", "--json"))["workspaces"]
    assert (listed["root_path"], listed["sessions"][0]["session_id"]) == ("/home/ann/w", CLAUDE)
    assert {name: query(home, f"SELECT * FROM {name}") for name in tables} == before  # noqa: S608 - ours
    assert query(home, "SELECT * FROM dataset_sessions") == []
    with contextlib.closing(sqlite3.connect(home / "rollouts.sqlite.v5-backup")) as backup:
        assert backup.execute("PRAGMA user_version").fetchone() == (5,)
