"""Sessions are cleaned of what this machine knows to be secret, under a key that the home makes once."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

import planted
from agent_records import CLAUDE, chunks, claude_session, jsonl, prompt, put_claude
from helpers import failure, git, ok, put, run, snapshot
from rollouts import paths
from rollouts.agents.decoded import decoded
from rollouts.agents.raw import Lines
from rollouts.errors import RolloutsError
from rollouts.export import cleaning
from rollouts.export.library import Job
from rollouts.redact.second import LeakError
from rollouts.storage import opening
from test_faults_disk import READ_ONLY, Mount
from test_faults_disk import mount as mount  # noqa: PLC0414 - a fixture, for pytest to find here

HAS_SECOND = importlib.util.find_spec("kingfisher_sdk") is not None


def secret(seed: int) -> str:
    return planted.made(planted.some(planted.WORD, 20), seed)


def known(home: Path, *sessions: str) -> frozenset[str]:
    """The secrets that are known for some sessions."""
    with opening.opened(paths.Home(str(home))) as archive:
        return cleaning.secrets_of(archive, [Job(session, ("codex",)) for session in sessions])


# What is known to be secret here


def test_secrets_of_a_sessions_workspace_are_known_and_no_others(home: Path, repo: Path, plain: Path) -> None:
    put(repo, ".env", f"DB_PASSWORD={secret(1)}\n".encode())
    put(plain, ".env", f"DB_PASSWORD={secret(2)}\n".encode())
    snapshot(repo, session="in repo")
    snapshot(plain, session="in plain")
    assert known(home, "in repo") == {secret(1)}
    assert known(home, "in repo", "in plain") == {secret(1), secret(2)}
    assert known(home, "nowhere") == set()


def test_credentials_of_all_remotes_are_known(home: Path, repo: Path) -> None:
    git("remote", "add", "origin", f"https://ann:{secret(1)}@git.example.com/a.git", cwd=repo)
    git("remote", "set-url", "--push", "origin", f"https://ann:{secret(2)}@git.example.com/a.git", cwd=repo)
    git("config", "--global", f"url.https://ann:{secret(3)}@x.example/.insteadOf", "https://x.example/", cwd=repo)
    git("config", "include.path", "../more", cwd=repo)
    put(repo, "more", f'[remote "Far \\"away\\""]\n\tURL = https://ann:{secret(4)}@far.example/b.git\n'.encode())
    snapshot(repo)
    ok("remote", "set", repo, "--url", f"https://ann:{secret(5)}@archive.example/c.git")
    assert known(home, "s") == {secret(number) for number in range(1, 6)}


def test_a_session_without_snapshots_has_the_secrets_of_where_it_worked(sealed: Path, home: Path, repo: Path) -> None:
    put(repo, ".env", f"DB_PASSWORD={secret(1)}\n".encode())
    put(repo, "sub/.env.local", f"API_TOKEN={secret(2)}\n".encode())
    put(repo, "a/b/c/d/.env", f"DB_PASSWORD={secret(3)}\n".encode())
    records = json.dumps(claude_session()).replace("/work/app", str(repo / "sub"))
    put_claude(sealed, json.loads(records))
    ok("import", "claude-code")
    assert known(home, CLAUDE) == {secret(1), secret(2)}


def test_a_workspace_that_is_gone_has_the_secrets_of_its_archive(home: Path, repo: Path) -> None:
    snapshot(repo)
    ok("remote", "set", repo, "--url", f"https://ann:{secret(1)}@archive.example/c.git")
    repo.rename(repo.with_name("elsewhere"))
    assert known(home, "s") == {secret(1)}


def test_settings_lie_three_levels_down_and_in_nobody_elses_code(plain: Path) -> None:
    for number, place in enumerate([".env", "a/.env.local", "a/b/prod.env", "a/b/c/.env"]):
        put(plain, place, f"DB_PASSWORD={secret(number)}\n".encode())
    for place in ("node_modules/.env", "a/vendor/.env", ".git/.env", ".venv/.env", ".env.example"):
        put(plain, place, f"DB_PASSWORD={secret(9)}\n".encode())
    (plain / "up").symlink_to("..")
    assert cleaning.secrets([str(plain)], []) == {secret(number) for number in range(3)}


def test_very_many_folders_are_not_all_looked_into(plain: Path) -> None:
    for number in range(600):
        (plain / f"{number:04}").mkdir()
    put(plain, "0000/.env", f"DB_PASSWORD={secret(1)}\n".encode())
    put(plain, "0599/.env", f"DB_PASSWORD={secret(2)}\n".encode())
    assert cleaning.secrets([str(plain)], []) == {secret(1)}


def test_the_environment_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SOME_TOKEN", secret(1))
    assert cleaning.secrets([str(tmp_path / "gone")], [f"https://ann:{secret(2)}@x.example/a"]) == {
        secret(1),
        secret(2),
    }


def test_whose_account_it_is(sealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cleaning.person() == (str(sealed), "user home")
    monkeypatch.setenv("HOME", "/")
    assert cleaning.person() == ("/", "")


# The key


def test_a_key_that_many_processes_make_at_once_is_one(home: Path) -> None:
    code = (
        "from rollouts import paths; from rollouts.export.cleaning import home_key; print(home_key(paths.home()).hex())"
    )
    started = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(8)]
    keys = {process.communicate()[0] for process in started}
    assert len(keys) == 1
    assert keys == {(home / "redaction.key").read_bytes()}
    assert [path.name for path in home.iterdir()] == ["redaction.key"]
    assert (home / "redaction.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", [b"", b"\n", b"00", b"z" * 64, b"\xff" * 64, b"0" * 66])
def test_a_damaged_key_is_told_and_left_alone(text: bytes, home: Path) -> None:
    home.mkdir()
    (home / "redaction.key").write_bytes(text)
    with pytest.raises(RolloutsError, match="is damaged; delete it"):
        cleaning.home_key(paths.Home(str(home)))
    assert (home / "redaction.key").read_bytes() == text


def test_a_home_that_cannot_be_written_is_one_clear_error(
    sealed: Path, home: Path, mount: Mount, tmp_path: Path
) -> None:
    put_claude(sealed, claude_session())
    ok("import")
    words = ("export", "--agent", "claude-code", "--session", CLAUDE, "--out", tmp_path / "out", "--redact")
    disk = mount(READ_ONLY, home)
    assert str(home) in failure(run(*words, under=disk.under))
    assert not (tmp_path / "out").exists()


def test_each_dataset_has_its_own_salt_and_files_share_one(home: Path, tmp_path: Path) -> None:
    here, there = paths.Home(str(home)), paths.Home(str(tmp_path / "other"))
    salts = [cleaning.salt(at, dataset) for at in (here, there) for dataset in ("", "me/a", "me/b")]
    assert len(set(salts)) == 6
    assert [cleaning.salt(here, dataset) for dataset in ("", "me/a", "me/b")] == salts[:3]


# What is left


def record(*texts: str) -> Lines:
    main = chunks(jsonl([prompt(text, "p") for text in texts[1:]]) + b"no JSON\n")
    return Lines("s", "claude-code-jsonl", main, {"a1": chunks(jsonl([prompt(texts[0], "p")]))})


def test_a_secret_that_is_given_away_once_is_replaced_in_all_that_goes(home: Path) -> None:
    one, other = secret(1), secret(2)
    cleaner = cleaning.cleaner(paths.Home(str(home)), known_secrets=[other], verify=False)
    before = record(f"export API_TOKEN={one}", f"it is {one}, they say")
    clean = cleaning.cleaned(before, {"patch": f"+{one}\n-{other}", one: [None, 1]}, cleaner, what="session s")
    whole = json.dumps([decoded(clean.record), clean.more])
    assert one not in whole
    assert other not in whole
    assert clean.report is not None
    assert dict(clean.report.counts) == {"secret": 5}
    assert json.loads(b"".join(clean.record.chunks()))["unreadable_lines"] == 1
    again = cleaning.cleaned(before, {"patch": f"+{one}\n-{other}", one: [None, 1]}, cleaner, what="session s")
    assert json.dumps([decoded(again.record), again.more]) == whole


def test_without_a_cleaner_all_stays_as_it_is() -> None:
    before = record("a", f"export API_TOKEN={secret(1)}")
    assert cleaning.cleaned(before, {"a": secret(1)}, None, what="session s") == (before, {"a": secret(1)}, None)


@pytest.mark.skipif(not HAS_SECOND, reason="the second engine is not installed (the extra `verify`)")
def test_what_the_second_engine_still_finds_does_not_go(home: Path) -> None:
    cleaner = cleaning.cleaner(paths.Home(str(home)))
    assert cleaner.verifier is not None
    token = planted.made(planted.KINDS["github token"][0], 1)
    cleaning.cleaned(record("a", f"use {token}"), None, cleaner, what="session s")
    blind = cleaner._replace(redactor=Blind())  # type: ignore[arg-type] # the first engine, finding nothing
    with pytest.raises(LeakError, match="in session s after redaction"):
        cleaning.cleaned(record("a", f"use {token}"), None, blind, what="session s")


class Blind:
    """Looks for nothing."""

    def value(self, value: object) -> tuple[object, None]:
        return value, None
