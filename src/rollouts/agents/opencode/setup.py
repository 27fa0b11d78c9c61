"""Our plugin in one of OpenCode's plugin folders (https://opencode.ai/docs/plugins): a file of our own."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from importlib import resources

from rollouts.agents import settings_text
from rollouts.agents.installing import Call, Installed, Retention
from rollouts.errors import RolloutsError

PROGRAM = "opencode"
TRUST = None

_NAME = "rollouts.js"
_OURS = b"// Rollouts: "
"""What a plugin of ours begins with, whatever version wrote it."""
_PROGRAM = re.compile(r"^const PROGRAM = (.*)$", re.MULTILINE)
_EVERY_TOOL = re.compile(r"^const EVERY_TOOL = (true|false)$", re.MULTILINE)
_ORIGINAL = "rollouts.ts"
"""The plugin of agent-rollouts 0.1."""


def folder() -> str:
    """The folder of its configuration. That of OPENCODE_CONFIG_DIR is read besides, in runs that have it."""
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return os.path.abspath(os.path.expanduser(f"{base}/opencode"))


def _plugins(project: str | None) -> str:
    """The folder of plugins. `plugin` is read as well, and is the older name."""
    return f"{folder() if project is None else f'{project}/.opencode'}/plugins"


def file(project: str | None) -> str:
    """The file that the plugin is: that of a project's directory, or the user's."""
    return f"{_plugins(project)}/{_NAME}"


def _plugin(call: Call) -> bytes:
    """The plugin that starts a program."""
    text = resources.files(__package__).joinpath("resources/opencode.js").read_text(encoding="utf-8")
    text = _PROGRAM.sub(lambda _: f"const PROGRAM = {json.dumps(call.program)}", text, count=1)
    return _EVERY_TOOL.sub(f"const EVERY_TOOL = {json.dumps(call.every_tool)}", text, count=1).encode()


def found(content: bytes, path: str) -> Installed | None:
    """The plugin, when it is ours; None when it is somebody else's."""
    if not content.startswith(_OURS):
        return None
    text = settings_text.decoded(content, path)
    program, every_tool = _PROGRAM.search(text), _EVERY_TOOL.search(text)
    try:
        name = json.loads(program[1]) if program else ""
    except ValueError:
        name = ""
    call = Call(str(name), bool(every_tool and every_tool[1] == "true"))
    return Installed(frozenset({call}), is_complete=content == _plugin(call))


def installed(content: bytes | None, call: Call, path: str) -> bytes:
    """The plugin as it is to be."""
    if content is not None and not content.startswith(_OURS):
        raise RolloutsError(f"{path} is a plugin that Rollouts did not make; move it away and try again")
    return _plugin(call)


def removed(content: bytes, path: str, *, made: bool) -> bytes | None:  # noqa: ARG001 - as the protocol has it
    """Nothing, when the plugin is ours."""
    return None if found(content, path) else content


def notes(content: bytes | None, project: str | None) -> Iterator[str]:  # noqa: ARG001 - as the protocol has it
    """What is worth knowing besides."""
    original = f"{_plugins(project)}/{_ORIGINAL}"
    if os.path.exists(original):
        yield f"{original} is the plugin of agent-rollouts 0.1, which captures turns as well; remove it"


def retention() -> Retention | None:
    """OpenCode deletes no sessions by itself."""
    return None
