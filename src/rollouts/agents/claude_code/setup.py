"""Our hooks in Claude Code's settings.json (https://code.claude.com/docs/en/hooks, .../settings)."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator

from rollouts.agents import configuration, hook_settings, settings_text
from rollouts.agents.installing import Call, Installed, Retention
from rollouts.agents.settings_text import BOM
from rollouts.agents.spans import Value
from rollouts.errors import RolloutsError

_AGENT, _NAME = "claude-code", "Claude Code"
PROGRAM = "claude"
TRUST = None

_TURN = {"UserPromptSubmit": 60, "Stop": 60, "SubagentStop": 60, "SessionEnd": 10}
"""Event -> seconds after which Claude Code ends the hook; without a limit it gives SessionEnd 1.5."""
_TOOLS = {"PostToolUse": 60, "PostToolUseFailure": 60}
_DAYS = 30
"""After which Claude Code deletes a transcript when its settings say nothing."""


def _events(every_tool: bool) -> dict[str, int]:
    return _TURN | _TOOLS if every_tool else _TURN


def folder() -> str:
    """The folder of its configuration."""
    return os.path.abspath(os.path.expanduser(os.environ.get("CLAUDE_CONFIG_DIR") or "~/.claude"))


def file(project: str | None) -> str:
    """The file that hooks are put in: that of a project's directory, or the user's."""
    return f"{folder()}/settings.json" if project is None else f"{project}/.claude/settings.json"


def _parted(content: bytes, path: str) -> tuple[str, str]:
    """A byte order mark, which Claude Code passes over, and the text after it."""
    text = settings_text.decoded(content, path)
    rest = text.removeprefix(BOM)
    return text[: len(text) - len(rest)], rest


def _scanned(text: str, path: str) -> Value:
    root = settings_text.scanned(text, path, _NAME)
    wrong = hook_settings.misshapen(root, _events(every_tool=True))
    if wrong:
        raise settings_text.refusal(text, wrong[1].start, path, wrong[0])
    return root


def found(content: bytes, path: str) -> Installed | None:
    """The hooks of ours in the file; None when there are none."""
    text = _parted(content, path)[1]
    if not text.strip():
        return None
    _scanned(text, path)
    return hook_settings.state(text, _AGENT, _events)


def installed(content: bytes | None, call: Call, path: str) -> bytes:
    """The file with our hooks."""
    mark, text = _parted(content or b"", path)
    if text.strip():
        _scanned(text, path)
    events = _events(call.every_tool)
    return (mark + hook_settings.installed(text, _AGENT, call, events, keep_places=False)).encode()


def removed(content: bytes, path: str, *, made: bool) -> bytes | None:
    """The file without our hooks; None when setup made it and nothing is left."""
    mark, text = _parted(content, path)
    if not text.strip():
        return content
    _scanned(text, path)
    text = hook_settings.removed(text, _AGENT, keep_places=False)
    left = settings_text.scanned(text, path, _NAME).members
    return (mark + text).encode() if left or not made else None


def notes(content: bytes | None, project: str | None) -> Iterator[str]:
    """What keeps hooks from running, or is worth knowing besides."""
    settings: object = None
    with contextlib.suppress(ValueError, RecursionError):
        settings = json.loads((content or b"").decode("utf-8-sig"))
    if isinstance(settings, dict) and settings.get("disableAllHooks") is True:
        yield f"`disableAllHooks` in {file(project)} keeps Claude Code from running any hook"


def retention() -> Retention | None:
    """For how long it keeps transcripts: `cleanupPeriodDays` of the user's settings. Never raises."""
    path = file(None)
    try:
        settings = json.loads((configuration.read(path) or b"{}").decode("utf-8-sig"))
        days = settings["cleanupPeriodDays"]
    except (RolloutsError, ValueError, LookupError, TypeError, RecursionError):
        return Retention(_DAYS, path, is_default=True)
    if not isinstance(days, int) or isinstance(days, bool):
        return Retention(_DAYS, path, is_default=True)
    return Retention(days, path, is_default=False)
