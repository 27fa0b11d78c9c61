"""Machines with agents on them, as `rollouts setup` finds them, and what it left there."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from helpers import ROLLOUTS, Result, run

NAMES = ("claude-code", "codex", "opencode")
PROGRAM = ROLLOUTS[0]


def programs(folder: Path, *names: str) -> dict[str, str]:
    """An environment whose PATH has nothing but these programs, none of which does anything."""
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text("#!/bin/sh\nexit 0\n")
        (folder / name).chmod(0o755)
    return {"PATH": str(folder)}


def files(sealed: Path) -> dict[str, Path]:
    """Each agent's file of the user."""
    return {
        "claude-code": sealed / ".claude" / "settings.json",
        "codex": sealed / ".codex" / "hooks.json",
        "opencode": sealed / ".config" / "opencode" / "plugins" / "rollouts.js",
    }


def setup(*words: str | Path, env: Mapping[str, str], cwd: Path | None = None) -> Result:
    """Runs `rollouts setup`."""
    return run("setup", *words, env=env, cwd=cwd)


def report(*words: str | Path, env: Mapping[str, str], cwd: Path | None = None) -> dict[str, Any]:
    """Runs `rollouts setup --json`, which must exit 0. Returns what it says, by agent."""
    done = run("setup", *words, "--json", env=env, cwd=cwd)
    assert done.code == 0, done
    document = json.loads(done.out)
    assert document["schema_version"] == 1
    return {agent["agent"]: agent for agent in document["agents"]}


def commands(path: Path) -> dict[str, list[tuple[str, int]]]:
    """Event -> command and time limit of each of its hooks."""
    hooks = json.loads(path.read_text())["hooks"]
    return {
        event: [(hook["command"], hook["timeout"]) for group in groups for hook in group["hooks"]]
        for event, groups in hooks.items()
    }


def everything(root: Path) -> dict[str, bytes | str | None]:
    """Each path below a directory: content, target, or None for a directory."""
    found: dict[str, bytes | str | None] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        found[name] = os.readlink(path) if path.is_symlink() else None if path.is_dir() else path.read_bytes()
    return found
