"""`rollouts export sessions` on a home of real logs: which sessions, page by page, and nothing written on the way."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent_logs import claude_answer, claude_user, put_claude
from class_sessions import NAMES
from helpers import ROLLOUTS, Result, failure, fingerprint, git, ok, query, run
from planted import KINDS, planted
from schemas import problems
from session_summary import vectors
from summary_home import HERE, imported, settled_home
from test_contracts_selection import EXPECTED, FLAGS, OTHERWISE

EVERYTHING = ("--all", "--include-one-shot", "--include-automated", "--include-children")
STEPS = vectors("cursor_steps")


def exported(*words: str) -> dict[str, Any]:
    """The document of an export, which follows its schema."""
    document: dict[str, Any] = json.loads(ok("export", "sessions", *words))
    assert problems("session-export", document) == []
    return document


def ids(*words: str) -> list[str]:
    return [session["id"] for session in exported(*words)["sessions"]]


def test_each_set_of_options_exports_its_sessions_from_a_home_of_logs(sealed: Path) -> None:
    imported(sealed)
    for name, words in FLAGS.items():
        if name == "bad-active":
            assert "--active-since 'foo' is no moment" in failure(run("export", "sessions", *words))
        else:
            expected = OTHERWISE[name].split() if name in OTHERWISE else EXPECTED[name]
            assert [NAMES[one] for one in ids(*words)] == expected, name


# Pages


@pytest.fixture
def five(sealed: Path, home: Path) -> Path:
    """A home with the sessions s0 to s4, one after the other."""
    for number in range(5):
        at = number * 100
        lines = [claude_user("One", at), claude_answer(f"m{number}", at + 1), claude_user("Two", at + 2)]
        put_claude(sealed, [line | {"sessionId": f"s{number}"} for line in lines], f"s{number}")
    ok("import")
    return home


def seen(result: Result) -> tuple[list[str], bool]:
    """The ids of a page, and whether another one follows."""
    if '"type":"meta"' in result.out:
        head, *rows = map(json.loads, result.out.splitlines())
    else:
        head = json.loads(result.out)
        rows = head["sessions"]
    return [row["id"] for row in rows], bool(head["cursor"]["next"])


def cursor(limit: int = 2) -> str:
    text: str = exported("--limit", str(limit))["cursor"]["next"]
    return text


def tampered(step: str, text: str) -> str:
    payload, _, signature = text.partition(".")
    return f"{payload[:-2]}AA.{signature}" if "payload" in step else f"{payload}.{signature[:-4]}AAAA"


ELSEWHERE = ("mutation", "orphan", "active-since")
DIFFERENTLY = {
    # Decision 0.10: the limit is replayed from the cursor.
    "page2 w/o --limit (default 500, not cursor limit?)": (0, ["s2", "s1"], True),
    # Decision 0.14: what Typer refuses exits with 2.
    "positional arg": (2, None, False),
    "unknown flag": (2, None, False),
}


def test_pages_and_wrong_command_lines_are_answered_as_the_vectors_say(five: Path) -> None:
    first = cursor()
    second = exported("--limit", "2", "--cursor", first)["cursor"]["next"]
    for step in STEPS:
        name = step["step"]
        if "argv" not in step or name.startswith(ELSEWHERE) or name.endswith(("at all", "empty archive")):
            continue  # tests below have these
        text = second if name == "page3" else tampered(name, first) if name.startswith("tampered") else first
        result = run(*[word.replace("<cursor>", text) for word in step["argv"]])
        code, expected, follows = DIFFERENTLY.get(name, (step["exit"], step["ids"], step["has_next"]))
        assert result.code == code, (name, result)
        if code:
            assert result.out == "", name
            assert result.err.count("\n") == 1, name
        elif name == "page2 ndjson":
            assert seen(result) == (["s2", "s1"], True)
        else:
            assert seen(result) == (expected, follows), name
        if code == 4:
            assert problems("cursor-reset", json.loads(result.err)) == []
    assert query(five, "SELECT count(*) FROM sessions") == [(5,)]


TO = "UPDATE sessions SET {} WHERE session_id = '{}'"
AT = "ended_at = '2026-11-21T{}.000Z', last_activity_at = '2026-11-21T{}.000Z'"
_ALIKE = (
    "agent, source, parent_id, relationship, title, cwd, git_branch, version, model, started_at, created_at,"
    " message_count, user_message_count, assistant_message_count, tool_call_count, total_output_tokens, first_prompt"
)
NEW = (
    f"INSERT INTO sessions (session_id, ended_at, last_activity_at, {_ALIKE})"  # noqa: S608 - names of columns
    f" SELECT 's9', '2026-11-21T{{}}.000Z', '', {_ALIKE} FROM sessions WHERE session_id = 's0'"
)
CHANGES = {
    "new session newer than watermark": NEW.format("11:00:00"),
    "new session below watermark (backfill)": NEW.format("10:03:00"),
    "new session equal to watermark second": NEW.format("10:06:42"),
    "unemitted row gets newer activity": TO.format(AT.format("11:00:00", "11:00:00"), "s2"),
    "emitted row gets newer activity": TO.format(AT.format("11:00:00", "11:00:00"), "s3"),
    "unemitted row deleted (soft)": "DELETE FROM sessions WHERE session_id = 's1'",
    "token-only change on unemitted row": "UPDATE usage SET output_tokens = 99 WHERE session_id = 's2'",
    "row becomes one-shot (leaves filter)": TO.format("user_message_count = 1", "s0"),
    "database id changed": "UPDATE archive_facts SET value = '11111111-2222-4333-8444-555555555555'"
    " WHERE name = 'database_id'",
    "database id missing": "DELETE FROM archive_facts WHERE name = 'database_id'",
    "cursor secret rotated": "UPDATE archive_facts SET value = '00' WHERE name = 'cursor_secret'",
    "cursor secret missing": "DELETE FROM archive_facts WHERE name = 'cursor_secret'",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_between_pages_resets_or_goes_on_as_the_vectors_say(five: Path, change: str) -> None:
    step = next(step for step in STEPS if step["step"] == f"mutation: {change}")
    text = cursor()
    query(five, CHANGES[change])
    result = run("export", "sessions", "--limit", "2", "--cursor", text)
    assert result.code == step["exit"], result
    if step["exit"] == 0:
        assert seen(result) == (step["ids"], step["has_next"])
        return
    assert result.out == ""
    if step["exit"] == 4:
        (current,) = query(five, "SELECT value FROM archive_facts WHERE name = 'database_id'")[0]
        expected = json.loads(step["stderr"]) | {"database_id": current}
        assert json.loads(result.err) == expected
    else:
        assert "run `rollouts import`" in failure(result)


@pytest.mark.parametrize("table", ["project_observations", "archive_facts", "sessions", "usage"])
def test_a_catalog_that_lacks_a_table_is_an_error_and_no_reset(five: Path, table: str) -> None:
    text = cursor()
    query(five, f"DROP TABLE {table}")
    before = fingerprint(five)
    assert f"no such table: {table}" in failure(run("export", "sessions", "--limit", "2", "--cursor", text))
    assert fingerprint(five) == before


def test_a_continuation_of_what_is_not_here_stays_with_children(five: Path) -> None:
    query(five, TO.format("relationship = 'continuation', parent_id = 'gone'", "s1"))
    assert ids() == ids("--include-children") == ["s4", "s3", "s2", "s1", "s0"]


def test_a_session_is_active_by_the_moment_and_not_by_its_text(five: Path) -> None:
    assert ids("--active-since", "2026-11-21T11:05:02+01:00") == ["s4", "s3"]
    assert len(ids("--active-since", "2026-11-21")) == len(query(five, "SELECT 1 FROM sessions"))
    assert ids("--active-since", "2026-11-22") == []


def test_an_archive_without_a_secret_says_what_gives_it_one_and_all_in_one_needs_none(five: Path) -> None:
    query(five, "DELETE FROM archive_facts WHERE name = 'cursor_secret'")
    assert "run `rollouts import`" in failure(run("export", "sessions", "--limit", "2"))
    assert len(ids("--all")) == 5


@pytest.mark.usefixtures("five")
def test_what_is_redacted_on_the_first_page_stays_so_on_the_next() -> None:
    first = exported("--limit", "2", "--redact-paths")
    second = exported("--cursor", first["cursor"]["next"])
    assert "/srv" not in json.dumps([first, second])
    assert "/srv" in json.dumps(exported("--limit", "2"))
    assert "/srv" not in json.dumps(exported("--redact-paths", "--cursor", cursor()))


# What is written, and where


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--min-messages", "x"), "--min-messages 'x' is no whole number"),
        (("--out", ""), "--out needs a FILE"),
        (("--out", "nowhere/x.json"), "there is no directory"),
        (("--git-branch", "mian"), "no session ran on this branch"),
        (("--date", "2026-13-01"), "is no day"),
        (("--agent", "emacs"), "--agent 'emacs' is not known"),
    ],
)
def test_a_value_that_means_nothing_is_one_line_and_nothing_else(
    five: Path, words: tuple[str, ...], reason: str
) -> None:
    before = fingerprint(five)
    assert reason in failure(run("export", "sessions", *words))
    assert fingerprint(five) == before


@pytest.mark.usefixtures("five")
def test_a_file_holds_what_would_be_printed_and_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "sessions.ndjson"
    target.write_text("old")
    words = ("export", "sessions", "--format", "ndjson", "--all")
    assert ok(*words, "--out", target) == ""
    assert target.read_text() == ok(*words)
    assert failure(run(*words, "--git-branch", "none", "--out", target))
    assert target.read_text() == ok(*words)
    assert not list(tmp_path.glob(".rollouts-*"))


@pytest.mark.usefixtures("five")
def test_both_ways_to_read_the_command_line_come_to_the_same() -> None:
    plainly = run("export", "sessions", "--agent", "claude-code", "--include-one-shot")
    by_typer = ("--exclude-project", "-x")  # which is read there alone
    assert run("export", "sessions", "--include-one-shot", "--agent", "claude-code", *by_typer) == plainly
    assert plainly.code == 0
    for words in (("--cursor", "x", "--include-children=false"), ("--cursor", "x", *by_typer)):
        assert "--cursor cannot be combined with" in failure(run("export", "sessions", *words))
    assert "--json cannot be combined" in failure(run("export", "sessions", *by_typer, "--json", "--format", "ndjson"))


def test_an_export_changes_nothing_in_the_home_nor_makes_one(five: Path, tmp_path: Path) -> None:
    before = fingerprint(five)
    ok("export", "sessions", "--all")
    ok("export", "sessions", "--limit", "1")
    assert fingerprint(five) == before
    missing = tmp_path / "no" / "home"
    assert "there is no catalog" in failure(run("export", "sessions", env={"ROLLOUTS_HOME": str(missing)}))
    assert not missing.parent.exists()


def test_a_home_that_cannot_be_written_is_read_all_the_same(five: Path) -> None:
    before = ok("export", "sessions", "--all")
    five.chmod(0o500)
    try:
        mark = fingerprint(five)
        under = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if shutil.which("setpriv") else ()
        assert run("export", "sessions", "--all", under=under).out == before
        assert fingerprint(five) == mark
    finally:
        five.chmod(0o700)


def test_one_who_writes_meanwhile_is_neither_waited_for_nor_seen_half(five: Path) -> None:
    with sqlite3.connect(five / "rollouts.sqlite", isolation_level=None) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM sessions WHERE session_id = 's1'")
        assert len(ids("--all")) == 5
        writer.execute("COMMIT")
        assert len(ids("--all")) == 4  # which stands in the log only
    writer.close()


def retitle(home: Path) -> None:
    query(home, "UPDATE sessions SET title = title || '!'")


def test_a_page_of_a_catalog_that_is_written_meanwhile_is_read_once_more(five: Path) -> None:
    expected = ok("export", "sessions")
    settings = five / "config.toml"
    os.mkfifo(settings)  # it is read when the catalog is open already
    with subprocess.Popen([*ROLLOUTS, "export", "sessions"], stdout=subprocess.PIPE) as export:
        with settings.open("w"):
            retitle(five)
        while export.poll() is None:
            with contextlib.suppress(OSError):
                os.close(os.open(settings, os.O_WRONLY | os.O_NONBLOCK))
        assert export.stdout is not None
        assert export.stdout.read().decode() == expected
    assert export.returncode == 0


def test_what_was_printed_before_the_catalog_was_written_is_said_to_be_of_no_use(sealed: Path, home: Path) -> None:
    for number in range(120):
        lines = [claude_user("One", 0), claude_answer(f"m{number}", 1), claude_user("Two", 2)]
        put_claude(sealed, [line | {"sessionId": f"s{number}"} for line in lines], f"s{number}")
    ok("import")
    words = ("export", "sessions", "--all", "--format", "ndjson")
    with subprocess.Popen([*ROLLOUTS, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as export:
        assert export.stdout is not None
        assert export.stdout.read(10)  # the pipe is full when the rest has not been read
        retitle(home)
        _, said = export.communicate()
    assert export.returncode == 1
    assert b"was written while it was read; try again" in said


def test_a_catalog_of_an_older_release_and_a_damaged_one_are_left_as_they_are(five: Path) -> None:
    query(five, "PRAGMA user_version = 5")
    before = fingerprint(five)
    assert "older Rollouts; run `rollouts import`" in failure(run("export", "sessions"))
    assert fingerprint(five) == before
    (five / "rollouts.sqlite").write_bytes(b"no database at all, and long enough to be looked at" * 100)
    before = fingerprint(five)
    assert "is damaged" in failure(run("export", "sessions"))
    assert fingerprint(five) == before


@pytest.mark.usefixtures("five")
def test_who_reads_only_the_first_line_ends_the_export() -> None:
    command = f"{sys.executable} -m rollouts export sessions --all --format ndjson | head -c 10"
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=False)
    assert done.stderr == b""


# What rows say


def test_projects_are_known_by_their_repositories_and_worktrees_stand_on_the_row(sealed: Path, tmp_path: Path) -> None:
    main, linked, plain = tmp_path / "acme-widget", tmp_path / "side", tmp_path / "plain-one"
    for folder in (main, plain):
        folder.mkdir()
    git("init", "-q", cwd=main)
    git("commit", "-q", "--allow-empty", "-m", "x", cwd=main)
    git("remote", "add", "origin", "https://user:secret@github.com/acme/widget.git?x=1", cwd=main)
    git("worktree", "add", "-q", str(linked), cwd=main)
    for number, folder in enumerate((main, linked, plain)):
        lines = [claude_user("One", 0), claude_answer(f"m{number}", 1), claude_user("Two", 2)]
        put_claude(sealed, [line | {"sessionId": f"s{number}", "cwd": str(folder)} for line in lines], f"s{number}")
    ok("import")
    document = exported()
    rows = {row["id"]: row for row in document["sessions"]}
    assert [rows[f"s{number}"]["project"] for number in range(3)] == ["acme_widget", "acme_widget", "plain_one"]
    identity = rows["s0"]["project_identity"]["identity"]
    assert identity["normalized_remote"] == "github.com/acme/widget"
    assert rows["s1"]["project_identity"] == rows["s0"]["project_identity"] == document["projects"]["acme_widget"]
    assert rows["s1"]["worktree"] == {"name": "side", "root_path": str(linked)}
    assert rows["s0"]["worktree"] is rows["s2"]["worktree"] is None
    assert rows["s2"]["project_identity"]["identity"]["root_path"] == str(plain)
    assert "secret" not in json.dumps(document)
    assert str(tmp_path) not in json.dumps(exported("--redact-paths"))


def test_a_request_that_two_sessions_hold_is_the_earlier_ones(sealed: Path, home: Path) -> None:
    settled_home(sealed, home)
    document = exported(*EVERYTHING)
    owner, fork = (
        next(row for row in document["sessions"] if row["id"].endswith(end)) for end in ("000000000001", "00000000000f")
    )
    assert fork["relationship_type"] == "fork"
    assert fork["model_usage"]["output_tokens"] == 10
    assert owner["model_usage"]["models"] == ["claude-of-tomorrow", "claude-sonnet-4-5"]
    assert owner["model_usage"]["output_tokens"] == 50
    assert not owner["model_usage"]["has_cost"]
    assert document["pricing"]["unpriced_models"] == ["claude-of-tomorrow"]


def test_no_word_of_a_session_leaves(sealed: Path, home: Path) -> None:
    secrets = [one.secret for one in planted(KINDS, 7)]
    said = " and ".join(["the whole prompt", *secrets])
    lines = [claude_user(said, 0), claude_answer("m", 1), claude_user(said, 2)]
    lines[1]["message"]["content"][0]["text"] = said
    put_claude(sealed, [*lines, {"type": "custom-title", "customTitle": said, "sessionId": "x"}])
    ok("import")
    assert query(home, "SELECT count(*) FROM sessions WHERE first_prompt LIKE '%the whole prompt%'") == [(1,)]
    text = ok("export", "sessions", *EVERYTHING)
    assert [word for word in ["the whole prompt", *secrets] if word in text] == []


def test_the_users_own_prices_and_patterns_count(five: Path) -> None:
    (five / "config.toml").write_text(
        '[[prices]]\nmodel = "claude-sonnet-4-5"\ninput_per_mtok = 1000\n[automation]\nprefixes = ["One"]\n'
    )
    query(five, "UPDATE sessions SET user_message_count = 1")
    document = exported("--include-automated")
    assert document["pricing"]["source"] == "custom+embedded"
    assert document["pricing"]["custom_override_count"] == 1
    assert {row["classification"] for row in document["sessions"]} == {"automated"}
    assert {row["model_usage"]["cost_microusd"] for row in document["sessions"]} == {100_000}
    assert exported()["excluded"]["automated"] == {
        "sessions": 5,
        "input_tokens": 500,
        "output_tokens": 50,
        "cost_microusd": 500_000,
    }
    (five / "config.toml").write_text("[[prices]]\nmodel = 1\n")
    assert "has no model" in failure(run("export", "sessions"))


def test_an_archive_without_prices_takes_the_packages_own_and_keeps_none(five: Path) -> None:
    before = exported()["pricing"]
    query(five, "DELETE FROM prices")
    mark = fingerprint(five)
    assert exported()["pricing"] == before
    assert fingerprint(five) == mark
    assert before["table_version"].startswith("genai-prices-")
    assert before["fallback"] == {"used": True, "models": ["claude-sonnet-4-5"]}


@pytest.mark.parametrize("form", ["json", "ndjson"])
def test_an_export_is_the_golden_one(sealed: Path, home: Path, form: str) -> None:
    settled_home(sealed, home)
    golden = Path(__file__).parent / "golden" / f"session-export.{form}"
    assert ok("export", "sessions", *EVERYTHING, "--format", form) == golden.read_text()
    assert HERE in golden.read_text()
