"""`rollouts setup codex --trust`: recorded for our hooks only, and cleared with them."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

import pytest

from setting_up import programs, report, setup

CONFIG = 'model = "x" # mine\n\n[projects."/x"]\ntrust_level = "trusted"'


@pytest.fixture
def codex(tmp_path: Path) -> dict[str, str]:
    """A PATH with a codex that answers as the real one does."""
    env = programs(tmp_path / "bin", "codex")
    server = Path(__file__).parent / "fake_codex.py"
    (tmp_path / "bin" / "codex").write_text(f'#!/bin/sh\nexec "{sys.executable}" "{server}" "$@"\n')
    return env


@pytest.fixture
def config(sealed: Path) -> Path:
    """The user's config.toml, with something in it."""
    (sealed / ".codex").mkdir()
    path = sealed / ".codex" / "config.toml"
    path.write_text(CONFIG)
    return path


def trusted(config: Path) -> set[str]:
    """The keys of the hooks that config.toml trusts, without the file that they are in."""
    state = tomllib.loads(config.read_text()).get("hooks", {}).get("state", {})
    return {key.partition("hooks.json:")[2] for key in state}


def standing(env: dict[str, str]) -> tuple[str, bool]:
    """What `--status` says of the user's hooks."""
    scope = report("--status", env=env)["codex"]["scopes"][0]
    return scope["state"], scope["trusted"]


def test_trust_is_recorded_and_cleared_to_the_byte(codex: dict[str, str], config: Path) -> None:
    assert report("--trust", env=codex)["codex"]["notes"] == ["the hooks are trusted"]
    assert trusted(config) == {"user_prompt_submit:0:0", "stop:0:0", "subagent_stop:0:0", "session_end:0:0"}
    assert config.read_text().startswith(CONFIG)
    assert standing(codex) == ("installed", True)
    before = config.stat().st_mtime_ns
    assert report("--trust", env=codex)["codex"]["action"] == "already"
    assert config.stat().st_mtime_ns == before
    setup("--remove", env=codex)
    assert config.read_text() == CONFIG
    assert not (config.parent / "hooks.json").exists()


def test_hooks_that_changed_need_trust_anew(codex: dict[str, str], config: Path) -> None:
    setup("--trust", env=codex)
    notes = report("--every-tool", env=codex)["codex"]["notes"]
    assert "--trust" in notes[0]
    assert standing(codex) == ("installed", False)
    setup("--every-tool", "--trust", env=codex)
    assert standing(codex) == ("installed", True)
    assert "post_tool_use:0:0" in trusted(config)
    setup("--remove", env=codex)
    assert config.read_text() == CONFIG


def test_trust_in_hooks_of_others_is_neither_given_nor_taken(codex: dict[str, str], config: Path) -> None:
    hooks = config.parent / "hooks.json"
    hooks.write_text(json.dumps({"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "mine"}]}]}}))
    setup("--trust", env=codex)
    assert trusted(config) == {"user_prompt_submit:0:0", "stop:1:0", "subagent_stop:0:0", "session_end:0:0"}
    theirs = f'\n[hooks.state."{hooks}:stop:0:0"]\ntrusted_hash = "sha256:theirs"\n\n[tui]\nx = 1\n'
    config.write_text(config.read_text() + theirs)
    setup("--remove", env=codex)
    assert config.read_text() == CONFIG + "\n" + theirs
    assert json.loads(hooks.read_text()) == {"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "mine"}]}]}}


def test_trust_that_was_given_in_codex_itself_counts_and_stays(codex: dict[str, str], config: Path) -> None:
    setup("--trust", env=codex)
    given = config.read_text()
    setup("--remove", env=codex)
    config.write_text(given)
    assert report(env=codex)["codex"]["notes"] == []
    assert standing(codex) == ("installed", True)
    config.write_text(given.replace("trusted_hash", "enabled = false\ntrusted_hash", 1))
    assert standing(codex) == ("installed", False)
    config.write_text(given)
    setup("--remove", env=codex)
    assert config.read_text() == given


def test_config_toml_that_setup_made_is_deleted_again(codex: dict[str, str], sealed: Path) -> None:
    setup("--trust", env=codex)
    assert trusted(sealed / ".codex" / "config.toml")
    setup("--remove", env=codex)
    assert not (sealed / ".codex").exists()


def test_dry_run_with_trust_asks_nobody(codex: dict[str, str], config: Path) -> None:
    done = setup("--trust", "--dry-run", env=codex | {"FAKE_CODEX": "garbage"})
    assert done.code == 0
    assert "codex would be asked for the hashes" in done.out
    assert config.read_text() == CONFIG


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("garbage", "did not list its hooks: it ended without an answer"),
        ("stranger", "does not show the hooks in"),
    ],
)
def test_codex_that_does_not_tell_leaves_the_hooks_installed(
    way: str, said: str, codex: dict[str, str], config: Path
) -> None:
    done = setup("--trust", env=codex | {"FAKE_CODEX": way})
    assert done.code == 1
    assert said in done.err
    assert standing(codex) == ("installed", False)
    assert config.read_text() == CONFIG


def test_config_toml_that_cannot_be_read_is_left(codex: dict[str, str], config: Path) -> None:
    config.write_text("a = \n")
    assert "cannot be read: Invalid value" in report(env=codex)["codex"]["notes"][0]
    done = setup("--trust", env=codex)
    assert done.code == 1
    assert f"{config} cannot be read: Invalid value (at line 1, column 5)" in done.err
    assert config.read_text() == "a = \n"
    assert report("--status", env=codex)["codex"]["scopes"][0]["state"] == "unreadable"
