"""A catalog of schema 5, as an earlier release left it, with what it lacks filled up by the next import."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest

from class_sessions import NAMES
from helpers import failure, ok, query, run
from rollouts.price_data import installed
from rollouts.storage import migrations
from summary_home import CLASSES

OLD = Path(__file__).parent / "data" / "catalog-5.sqlite.gz"
EVERYTHING = ("--all", "--include-one-shot", "--include-automated", "--include-children")


@pytest.fixture
def old(home: Path) -> Path:
    """A home with that catalog; the logs that were read into it lay in /home/ann, and are there no more."""
    home.mkdir()
    (home / "rollouts.sqlite").write_bytes(gzip.decompress(OLD.read_bytes()))
    return home


def exported() -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(ok("export", "sessions", *EVERYTHING))["sessions"]
    return found


def test_an_export_leaves_an_old_catalog_alone_and_an_import_brings_it_up_to_date(old: Path) -> None:
    before = (old / "rollouts.sqlite").read_bytes()
    assert "older Rollouts; run `rollouts import`" in failure(run("export", "sessions"))
    assert (old / "rollouts.sqlite").read_bytes() == before
    (secret,) = query(old, "SELECT count(*) FROM archive_facts WHERE name = 'database_id'")
    assert secret == (1,)
    ok("import")
    assert query(old, "PRAGMA user_version") == [(migrations.VERSION,)]
    assert (old / "rollouts.sqlite.v5-backup").exists()
    assert {NAMES[str(row["id"])] for row in exported()} == set(NAMES.values())
    assert query(old, "SELECT length(value) FROM archive_facts WHERE name = 'cursor_secret'") == [(64,)]
    facts = dict(query(old, "SELECT name, value FROM archive_facts"))
    assert (facts["price_version"], facts["price_stamp"]) == (installed.version(), installed.stamp())


def test_logs_that_are_still_there_are_read_once_more_and_keep_when_they_came(old: Path, sealed: Path) -> None:
    shutil.copytree(CLASSES / "dot-claude", sealed / ".claude")
    shutil.copytree(CLASSES / "dot-codex", sealed / ".codex")
    ok("list")  # migrates
    query(old, "UPDATE sources SET key = replace(key, '/home/ann', ?)", str(sealed))
    entered = query(old, "SELECT agent, session_id, created_at FROM sessions ORDER BY 1, 2")
    assert query(old, "SELECT count(*) FROM moments") == [(0,)]
    assert query(old, "SELECT count(*) FROM sessions WHERE ending IS NOT NULL") == [(0,)]
    counts = {agent["agent"]: agent for agent in json.loads(ok("import", "--json"))["agents"]}
    assert (counts["claude-code"]["changed"], counts["codex"]["changed"]) == (19, 5)
    assert query(old, "SELECT agent, session_id, created_at FROM sessions ORDER BY 1, 2") == entered
    assert query(old, "SELECT count(*) FROM sessions WHERE ending IS NULL") == [(0,)]
    assert query(old, "SELECT count(DISTINCT session_id) FROM moments") == [(len(NAMES),)]
    again = {agent["agent"]: agent for agent in json.loads(ok("import", "--json"))["agents"]}
    assert (again["claude-code"]["changed"], again["claude-code"]["unchanged"]) == (0, 19)


def test_prices_of_another_release_give_way_to_the_installed_ones(old: Path) -> None:
    ok("import")
    query(old, "UPDATE archive_facts SET value = 'another' WHERE name IN ('price_stamp', 'price_version')")
    query(old, "DELETE FROM prices WHERE pattern >= 'b'")
    assert json.loads(ok("export", "sessions"))["pricing"]["table_version"] == "another"
    ok("import")
    pricing = json.loads(ok("export", "sessions"))["pricing"]
    assert pricing["table_version"] == installed.version()
    assert query(old, "SELECT count(*) FROM prices") == [(pricing["effective_row_count"],)]


def test_a_catalog_that_is_rebuilt_from_an_old_one_keeps_its_sessions_and_has_them_read_again(old: Path) -> None:
    damaged = old / "rollouts.sqlite"
    damaged.rename(old / "rollouts.sqlite.damaged-20261122T000000.000000000Z")
    damaged.write_bytes(b"no database" * 1000)
    ok("doctor", "--repair")
    assert query(old, "SELECT count(*) FROM sessions") == [(len(NAMES),)]
    assert query(old, "SELECT DISTINCT size, offset FROM sources") == [(-1, 0)]
