"""Secrets known by value are replaced anywhere, and what is no secret of a setting stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import planted
from rollouts.redact import known
from rollouts.redact.redactor import Redactor

PASSWORD = planted.made(planted.PASSWORD, 1)
RANDOM = planted.made(planted.some(planted.WORD, 40), 2)


@pytest.mark.parametrize(
    "value",
    [
        "true",
        "1",
        "8080",
        "production",
        "localhost",
        "/usr/bin",
        "./x/y.pem",
        "https://example.com/a1b2c3",
        "3.11.7-1",
        "secret",
        "${DB_PASSWORD}",
        "your-key-here",
        "changeme",
        "xxxxxxxxxxxx",
        "2026-01-02",
        "Production",
    ],
)
@pytest.mark.parametrize("name", ["PORT", "DB_PASSWORD", "API_TOKEN"])
def test_words_numbers_paths_and_stand_ins_are_never_replaced(name: str, value: str) -> None:
    assert known.environment({name: value}) == frozenset()


@pytest.mark.parametrize(
    "name", ["DB_PASSWORD", "githubToken", "API_KEY", "AWS_SECRET_ACCESS_KEY", "db.password", "PGPASSWORD"]
)
def test_a_settings_name_tells_that_its_value_is_a_secret(name: str) -> None:
    assert known.environment({name: "hunter2hunter"}) == {"hunter2hunter"}
    assert known.environment({"GREETING": "hunter2hunter"}) == frozenset()


def test_a_long_word_is_a_secret_when_its_name_says_so() -> None:
    assert known.environment({"DB_PASSWORD": "correcthorsebatterystaple"}) == {"correcthorsebatterystaple"}


def test_a_value_without_any_order_is_a_secret_whatever_its_name() -> None:
    assert known.environment({"FOO": RANDOM}) == {RANDOM}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GIT_COMMIT", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        ("SESSION", "0189c2a4-7d3e-7cc1-9f4b-2a6f3c1d5e77"),
        ("LS_COLORS", "rs=0:di=01;34:ln=01;36:mh=00:pi=40;33"),
        ("GPG_KEY", "A035C8C19219BA821ECEA86B64E628F8D684696D"),
        ("SSH_AUTH_SOCK", "/tmp/ssh-XXXXab12/agent.1"),  # noqa: S108 - a path, not a file
        ("PUBLIC_KEY", RANDOM[:19]),
        ("AWS_ACCESS_KEY_FILE", "aws1-credentials-file"),
    ],
)
def test_ids_hashes_and_public_values_of_an_environment_stay(name: str, value: str) -> None:
    assert known.environment({name: value}) == frozenset()


def test_credentials_in_urls_are_secrets() -> None:
    token = planted.made(planted.KINDS["github token"][0], 3)
    urls = [
        f"https://ann:{PASSWORD}@example.com/a.git",
        f"https://{token}@example.com/b.git",
        "git@example.com:a/b.git",
    ]
    assert known.remotes([*urls, "https://ann@example.com/c.git", "ssh://git@example.com/d.git", ""]) == {
        PASSWORD,
        token,
    }
    assert known.environment({"DATABASE_URL": f"postgres://app:{PASSWORD}@db/app"}) == {PASSWORD}


def test_a_password_with_escapes_in_a_url_is_known_both_ways() -> None:
    assert known.remotes(["https://ann:p%40ss-w0rd9@example.com/"]) == {"p%40ss-w0rd9", "p@ss-w0rd9"}


def test_env_files_are_read_as_their_readers_do() -> None:
    text = (
        "# a comment\nexport API_TOKEN=plain-token-1 # why\nDB_PASSWORD='single $quoted 1'\n"
        'SMTP_PASSWORD="with \\"quotes\\" 1"\nSIGNING_KEY="line one\nline two 2"\nYAML_SECRET: yaml-secret-3\n'
        "EMPTY=\nPORT=8080\n"
    )
    assert known.settings(text) == {
        "API_TOKEN": "plain-token-1",
        "DB_PASSWORD": "single $quoted 1",
        "SMTP_PASSWORD": 'with "quotes" 1',
        "SIGNING_KEY": "line one\nline two 2",
        "YAML_SECRET": "yaml-secret-3",
        "EMPTY": "",
        "PORT": "8080",
    }


def test_the_env_files_of_a_directory_are_found_and_templates_left_out(tmp_path: Path) -> None:
    for number, name in enumerate(
        (".env", ".env.local", "prod.env", ".env.example", ".env.sample", "env", "notes.txt")
    ):
        (tmp_path / name).write_text(f"DB_PASSWORD=pass{number}-of-file{number}\n")
    (tmp_path / "x.env").mkdir()
    os.mkfifo(tmp_path / "y.env")
    (tmp_path / "z.env").symlink_to("nowhere")
    expected = {f"pass{number}-of-file{number}" for number in range(3)}
    assert known.env_files([str(tmp_path), str(tmp_path / "gone")]) == expected


def test_known_values_go_wherever_they_stand() -> None:
    ours = Redactor(salt=b"test", known=["hunter2hunter", "hunter2hunter-long"])
    redacted = str(ours.value({"x hunter2hunter": ["hunter2hunter-long", "prehunter2hunterpost", "hunter2"]}).value)
    assert "hunter2hunter" not in redacted
    assert redacted.count("[REDACTED:secret:") == 3
    assert "pre[REDACTED" in redacted
    assert "'hunter2'" in redacted


def test_a_known_token_keeps_its_own_kind() -> None:
    token = planted.made(planted.KINDS["github token"][0], 3)
    ours = Redactor(salt=b"test", known=[token])
    assert "[REDACTED:github-pat:" in str(ours.text(f"x{token}x").value)
    assert ours.text(f"x{token}x").value == f"x{ours.text(token).value}x"
