"""Our hooks in Codex's hooks.json (https://developers.openai.com/codex/hooks).

Codex knows a hook by its place in the list of its event, and what it was trusted to run by that: ours come last, and
when they go, those behind them stay where they are.
"""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Iterator

from rollouts.agents import configuration, hook_settings, settings_text, spans
from rollouts.agents.codex import trust
from rollouts.agents.installing import Call, Installed, Retention, Trust
from rollouts.agents.settings_text import BOM
from rollouts.agents.spans import Value
from rollouts.errors import RolloutsError

_AGENT, _NAME = "codex", "Codex"
PROGRAM = "codex"
TRUST: Trust | None = trust

_TURN = {"UserPromptSubmit": 60, "Stop": 60, "SubagentStop": 60, "SessionEnd": 3}
"""Event -> seconds after which Codex ends the hook; it gives SessionEnd 3 at most."""
_TOOLS = {"PostToolUse": 60}
_KNOWN = frozenset(
    (*_TURN, *_TOOLS, "SessionStart", "PreToolUse", "PermissionRequest", "SubagentStart", "PreCompact", "PostCompact")
)
"""The events of Codex; what stands under another name it passes over."""
_FIELDS = {"hooks", "description"}
"""All that Codex takes in the file; any other field makes it ignore the whole."""


def _events(every_tool: bool) -> dict[str, int]:
    return _TURN | _TOOLS if every_tool else _TURN


def folder() -> str:
    """The folder of its configuration."""
    return trust.folder()


def file(project: str | None) -> str:
    """The file that hooks are put in: that of a project's directory, or the user's."""
    return f"{folder()}/hooks.json" if project is None else f"{project}/.codex/hooks.json"


def _refused(root: Value) -> tuple[str, int] | None:
    """What Codex would not take in a file that is JSON."""
    wrong = hook_settings.misshapen(root, _KNOWN)
    if wrong:
        return wrong[0], wrong[1].start
    for member in root.members or ():
        if member.key not in _FIELDS:
            return f"Codex takes no `{member.key}` there, and ignores the whole file because of it", member.start
    for member in spans.repeated(root):
        return f"`{member.key}` stands there twice, and Codex ignores the whole file because of it", member.start
    return None


def _checked(content: bytes, path: str) -> str:
    text = settings_text.decoded(content, path)
    if text.startswith(BOM):
        what = "a byte order mark, because of which Codex ignores the whole file"
        raise settings_text.refusal(text, 0, path, what)
    if text.strip():
        wrong = _refused(settings_text.scanned(text, path, _NAME))
        if wrong:
            raise settings_text.refusal(text, wrong[1], path, wrong[0])
    return text


def found(content: bytes, path: str) -> Installed | None:
    """The hooks of ours in the file; None when there are none."""
    text = _checked(content, path)
    return hook_settings.state(text, _AGENT, _events) if text.strip() else None


def installed(content: bytes | None, call: Call, path: str) -> bytes:
    """The file with our hooks."""
    text = _checked(content or b"", path)
    return hook_settings.installed(text, _AGENT, call, _events(call.every_tool), keep_places=True).encode()


def removed(content: bytes, path: str, *, made: bool) -> bytes | None:
    """The file without our hooks; None when setup made it and nothing is left."""
    text = _checked(content, path)
    if not text.strip():
        return content
    text = hook_settings.removed(text, _AGENT, keep_places=True)
    left = settings_text.scanned(text, path, _NAME).members
    return text.encode() if left or not made else None


def notes(content: bytes | None, project: str | None) -> Iterator[str]:  # noqa: ARG001 - as the protocol has it
    """What keeps hooks from running, or is worth knowing besides."""
    with contextlib.suppress(RolloutsError, ValueError):
        config = tomllib.loads((configuration.read(trust.file()) or b"").decode())
        features = config.get("features")
        if isinstance(features, dict) and features.get("hooks") is False:
            yield f"`hooks = false` under [features] in {trust.file()} keeps Codex from running any hook"


def retention() -> Retention | None:
    """Codex says nothing of deleting transcripts."""
    return None
