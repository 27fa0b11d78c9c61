"""Sessions of real agents' shapes in a sealed home, and `hf push` of them to a Hub on loopback."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent_records import (
    CLAUDE,
    CODEX,
    OPENCODE,
    claude_session,
    codex_session,
    jsonl,
    opencode_document,
    opencode_session,
    put_claude,
    put_codex,
    put_opencode,
    said,
    told,
)
from helpers import ROLLOUTS, Result, run, snapshot

WORDS = ("hf", "push", "--agent", "all", "--name", "turns", "--no-verify")
ALONE = (*WORDS, "--sessions-only", "--private")
"""Sessions only, and nothing to ask."""


def three_agents(home: Path, workspace: Path) -> dict[str, str]:
    """A session of each agent with a snapshot in one workspace. Returns the environment."""
    put_claude(home, claude_session())
    put_codex(home, codex_session())
    env = put_opencode(home, {OPENCODE: opencode_document(opencode_session(told("msg_1", said("Go"))))})
    for agent, session in (("claude-code", CLAUDE), ("codex", CODEX), (None, OPENCODE)):
        snapshot(workspace, "m", session, json.dumps({"agent": agent} if agent else {}))
    return env


def one_session(home: Path, workspace: Path, text: str = "Make two files") -> Path:
    """A session of Claude Code with a snapshot. Returns its file."""
    path = put_claude(home, claude_session())
    path.write_text(path.read_text().replace("Make two files", text))
    snapshot(workspace, "turn-1", CLAUDE)
    return path


def grow(path: Path, text: str = "And more") -> None:
    """The session goes on."""
    record = {"type": "user", "uuid": os.urandom(4).hex(), "sessionId": CLAUDE, "message": {"role": "user"}}
    record["message"] = {"role": "user", "content": text}
    with path.open("ab") as file:
        file.write(jsonl([record]))


def pushed(*words: str, code: int = 0, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """`hf push --json`, sessions only and privately. Returns the document."""
    result = run(*ALONE, *words, "--json", env=env)
    assert result.code == code, result
    found: dict[str, Any] = json.loads(result.out)
    return found


def push(*words: str | Path, env: Mapping[str, str] | None = None) -> Result:
    return run(*WORDS, *words, env=env)


def start(*words: str) -> subprocess.Popen[bytes]:
    """Begins `hf push` in a process group of its own."""
    command = [*ROLLOUTS, *ALONE, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0)
