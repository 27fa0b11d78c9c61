"""A catalog of schema 5 (tests/data/catalog-v5.sql), before datasets were remembered: all of it is there afterwards."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

from agent_records import CLAUDE
from helpers import ok, query

DUMP = (Path(__file__).parent / "data" / "catalog-v5.sql").read_text()
READ_AGAIN = {"size", "offset", "marks", "state"}
"""How far a source was read: the next import begins anew, for what schema 8 has besides."""


def test_a_catalog_of_schema_5_is_migrated_after_a_backup(home: Path) -> None:
    home.mkdir(mode=0o700)
    asked: dict[str, str] = {}
    with contextlib.closing(sqlite3.connect(home / "rollouts.sqlite", isolation_level=None)) as connection:
        connection.executescript(DUMP)
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            names = ", ".join(name for name in columns if table != "sources" or name not in READ_AGAIN)
            asked[table] = f"SELECT {names} FROM {table}"  # noqa: S608 - names of our own
        before = {table: connection.execute(sql).fetchall() for table, sql in asked.items()}
    (listed,) = json.loads(ok("list", "--json"))["workspaces"]
    assert (listed["root_path"], listed["sessions"][0]["session_id"]) == ("/home/ann/w", CLAUDE)
    after = {table: query(home, sql) for table, sql in asked.items()}
    assert {table: [row for row in after[table] if row in rows] for table, rows in before.items()} == before
    assert {row[0] for row in after["archive_facts"]} - {row[0] for row in before["archive_facts"]} == {"cursor_secret"}
    assert {table for table, rows in before.items() if len(after[table]) > len(rows)} == {"archive_facts"}
    assert query(home, "SELECT * FROM dataset_sessions") == []
    with contextlib.closing(sqlite3.connect(home / "rollouts.sqlite.v5-backup")) as backup:
        assert backup.execute("PRAGMA user_version").fetchone() == (5,)
