"""The real agents read what setup writes, and refuse what setup refuses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from helpers import new_repository
from rollouts.agents.claude_code import setup as claude_setup
from rollouts.agents.codex import setup as codex_setup
from rollouts.agents.codex import trust
from rollouts.agents.installing import Call
from rollouts.errors import RolloutsError
from setting_up import PROGRAM, report, setup

CLAUDE, CODEX = shutil.which("claude"), shutil.which("codex")
pytestmark = pytest.mark.agents
needs_claude = pytest.mark.skipif(CLAUDE is None, reason="claude is not installed (@anthropic-ai/claude-code 2.1.197)")
needs_codex = pytest.mark.skipif(CODEX is None, reason="codex is not installed (@openai/codex 0.169.0)")
CALL = Call("/opt/rollouts", every_tool=False)


def asked_claude(workspace: Path) -> Mapping[str, object]:
    """Starts Claude Code with a prompt. Its model is nowhere, so it gives up, unless a hook blocks the prompt."""
    assert CLAUDE
    env = {
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:9",
        "ANTHROPIC_API_KEY": "none",
        "IS_SANDBOX": "1",
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_MAX_RETRIES": "0",
    }
    command = (CLAUDE, "-p", "hello", "--output-format", "json", "--model", "claude-sonnet-4-5")
    whole = os.environ | env
    done = subprocess.run(command, cwd=workspace, env=whole, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    found: Mapping[str, object] = json.loads(done.stdout)
    return found


@needs_claude
def test_claude_code_calls_the_hook_and_never_sees_it_fail(tmp_path: Path, sealed: Path) -> None:
    workspace = new_repository(tmp_path / "work space")
    place = tmp_path / "it's here"
    place.mkdir()
    (place / "rollouts").symlink_to(PROGRAM)
    subprocess.run([place / "rollouts", "setup", "claude-code"], check=True, capture_output=True)
    (place / "rollouts").unlink()
    (place / "rollouts").write_text(f'#!/bin/sh\n(echo "$@"; cat; echo) >> "{tmp_path}/called"\nexit 2\n')
    (place / "rollouts").chmod(0o755)
    asked_claude(workspace)
    words, event, *_ = (tmp_path / "called").read_text().splitlines()
    assert (words, json.loads(event)["hook_event_name"]) == ("hook claude-code", "UserPromptSubmit")
    (place / "rollouts").unlink()
    asked_claude(workspace)
    transcript = b"".join(path.read_bytes() for path in (sealed / ".claude" / "projects").rglob("*.jsonl"))
    assert b"hook_non_blocking_error" not in transcript


@needs_claude
@pytest.mark.parametrize(
    ("edit", "is_read"),
    [
        (("{", "\ufeff{"), True),
        (("{", "// why\n{"), False),
        (("}", "/* why */}"), False),
        (("}", ",}"), False),
    ],
)
def test_claude_code_reads_what_setup_takes_and_ignores_what_it_refuses(
    edit: tuple[str, str], is_read: bool, tmp_path: Path, sealed: Path
) -> None:
    hook = {"type": "command", "command": f"touch '{tmp_path}/called'; exit 2"}
    text = json.dumps({"hooks": {"UserPromptSubmit": [{"hooks": [hook]}]}})
    text = text.replace(*edit, 1) if edit[0] == "{" else text[:-1] + edit[1]
    path = sealed / ".claude" / "settings.json"
    path.parent.mkdir()
    path.write_text(text)
    asked_claude(new_repository(tmp_path / "workspace"))
    assert (tmp_path / "called").exists() == is_read
    try:
        claude_setup.installed(text.encode(), CALL, str(path))
    except RolloutsError:
        assert not is_read
    else:
        assert is_read


@needs_codex
def test_codex_trusts_the_hooks_once_setup_has_recorded_it(tmp_path: Path, sealed: Path) -> None:
    (sealed / ".codex").mkdir()
    config = sealed / ".codex" / "config.toml"
    config.write_text('model = "x"\n')
    hooks = sealed / ".codex" / "hooks.json"
    hooks.write_text(json.dumps({"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "true"}]}]}}))
    before = hooks.read_bytes()
    assert report("codex", "--every-tool", "--trust", env={})["codex"]["notes"] == ["the hooks are trusted"]
    assert CODEX
    statuses = {hook["key"].partition("hooks.json:")[2]: hook["trustStatus"] for hook in codex_lists(tmp_path)}
    assert statuses == {
        "session_end:0:0": "trusted",
        "user_prompt_submit:0:0": "trusted",
        "post_tool_use:0:0": "trusted",
        "subagent_stop:0:0": "trusted",
        "stop:0:0": "untrusted",
        "stop:1:0": "trusted",
    }
    assert report("--status", "codex", env={})["codex"]["scopes"][0]["trusted"] is True
    setup("--remove", "codex", env={})
    assert (config.read_text(), hooks.read_bytes()) == ('model = "x"\n', before)


def codex_lists(directory: Path) -> list[dict[str, str]]:
    """The hooks that codex finds, as it lists them."""
    assert CODEX
    answer = trust._asked(CODEX, str(directory))
    assert isinstance(answer, dict)
    hooks: list[dict[str, str]] = answer["data"][0]["hooks"]
    return hooks


@needs_codex
def test_codex_reads_a_projects_hooks_where_the_project_is_trusted(tmp_path: Path, sealed: Path) -> None:
    workspace = new_repository(tmp_path / "workspace")
    (sealed / ".codex").mkdir()
    config = sealed / ".codex" / "config.toml"
    words = ("codex", "--scope", "project", "--workspace", workspace, "--trust")
    refused = setup(*words, env={})
    assert refused.code == 1
    assert "only when the project is trusted" in refused.err
    config.write_text(f'[projects."{workspace}"]\ntrust_level = "trusted"\n')
    assert report(*words, env={})["codex"]["notes"] == ["the hooks are trusted"]
    assert {hook["trustStatus"] for hook in codex_lists(workspace)} == {"trusted"}


@needs_codex
@pytest.mark.parametrize(
    "edit",
    [
        ("{", "{"),
        ("{", "// why\n{"),
        ("{", "\ufeff{"),
        ('"hooks"', '"version": 1, "hooks"'),
        ('"hooks"', '"description": "mine", "hooks"'),
        ('"Stop"', '"Stop": [], "Stop"'),
        ('"Stop"', '"Later": [], "Stop"'),
        ('"Stop"', '"Later": {}, "Stop"'),
        ('"Stop"', '"PreToolUse": {}, "Stop"'),
        ('"true"}', '"true"},'),
    ],
)
def test_codex_reads_what_setup_takes_and_ignores_what_it_refuses(
    edit: tuple[str, str], tmp_path: Path, sealed: Path
) -> None:
    text = json.dumps({"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "true"}]}]}}).replace(*edit, 1)
    path = sealed / ".codex" / "hooks.json"
    path.parent.mkdir()
    path.write_text(text)
    is_read = bool(codex_lists(tmp_path))
    try:
        codex_setup.installed(text.encode(), CALL, str(path))
    except RolloutsError:
        assert not is_read
    else:
        assert is_read
