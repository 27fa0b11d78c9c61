"""OpenCode's plugin, run by node as OpenCode would run it, with a `rollouts` that writes down what it is told."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from rollouts.agents.installing import Call
from rollouts.agents.opencode import setup as opencode

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")

SCRIPT = """
import { Rollouts } from "./rollouts.mjs"
const client = { session: { get: async ({ path }) => {
  const parents = { child: "top", grandchild: "child" }
  if (path.id === "lost") throw new Error("gone")
  if (path.id === "silent") return new Promise(() => {})
  return { data: { id: path.id, parentID: parents[path.id] } }
} } }
const hooks = await Rollouts({ client, directory: "/work space" })
const user = (sessionID, id, ...texts) => hooks["chat.message"]({ sessionID }, {
  message: { id, role: "user", model: { providerID: "p", modelID: "m" } },
  parts: [
    ...texts.map((text) => ({ type: "text", text })),
    { type: "text", text: "hidden", synthetic: true }, { type: "file" },
  ],
})
const event = (type, properties) => hooks.event({ event: { type, properties } })
const answer = (sessionID, id) =>
  event("message.updated", { info: { role: "assistant", sessionID, id, providerID: "p", modelID: "m" } })
const idle = (sessionID) => event("session.idle", { sessionID })
const tool = (sessionID, callID) => hooks["tool.execute.after"]?.({ tool: "bash", sessionID, callID }, {})
"""


def plugged(tmp_path: Path, body: str, *, every_tool: bool = False, stub: str | None = None) -> list[dict[str, Any]]:
    """Runs a story with the plugin; it must neither fail nor print. Returns the calls: words, and what was on stdin."""
    program = tmp_path / "a 'place'" / "rollouts"
    program.parent.mkdir()
    log = tmp_path / "log"
    if stub is None:
        stub = f'text=$(cat); printf \'%s\\n%s\\n\' "$*" "$text" >> "{log}"\n'
    program.write_text(f"#!/bin/sh\n{stub}")
    program.chmod(0o755)
    (tmp_path / "rollouts.mjs").write_bytes(opencode.installed(None, Call(str(program), every_tool), "rollouts.js"))
    (tmp_path / "story.mjs").write_text(SCRIPT + body)
    assert NODE
    done = subprocess.run([NODE, "story.mjs"], cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    lines = log.read_text().splitlines() if log.exists() else []
    return [{"words": words, **json.loads(text)} for words, text in zip(lines[::2], lines[1::2], strict=True)]


def test_a_turn_is_told_before_and_after(tmp_path: Path) -> None:
    story = """
    await user("top", "m1", "do", "it: $(rm) 'x'")
    await answer("top", "m2"); await tool("top", "c1"); await answer("top", "m3"); await idle("top")
    """
    assert plugged(tmp_path, story) == [
        {
            "words": "hook opencode",
            "event": "chat.message",
            "sessionID": "top",
            "messageID": "m1",
            "prompt": "do\nit: $(rm) 'x'",
            "model": "p/m",
            "rootID": "top",
            "directory": "/work space",
        },
        {
            "words": "hook opencode",
            "event": "session.idle",
            "sessionID": "top",
            "messageID": "m3",
            "model": "p/m",
            "rootID": "top",
            "directory": "/work space",
        },
    ]


def test_tools_are_told_when_each_is_wanted(tmp_path: Path) -> None:
    calls = plugged(tmp_path, 'await answer("top", "m2"); await tool("top", "c1")', every_tool=True)
    assert [(call["words"], call["event"], call["messageID"], call["tool"], call["callID"]) for call in calls] == [
        ("hook opencode --every-tool", "tool.execute.after", "m2", "bash", "c1")
    ]


def test_the_end_of_a_subagent_is_told_with_the_session_that_started_it_all(tmp_path: Path) -> None:
    story = """
    await event("session.created", { info: { id: "new", parentID: "grandchild" } })
    await user("new", "m1", "task"); await tool("new", "c1"); await answer("new", "m2"); await idle("new")
    """
    calls = plugged(tmp_path, story, every_tool=True)
    assert [(call["event"], call["sessionID"], call["rootID"]) for call in calls] == [("session.idle", "new", "top")]


def test_session_of_which_nothing_can_be_learned_stands_for_itself(tmp_path: Path) -> None:
    calls = plugged(tmp_path, 'await user("lost", "m1", "a"); await user("silent", "m2", "b")')
    assert [(call["sessionID"], call["rootID"]) for call in calls] == [("lost", "lost"), ("silent", "silent")]


def test_dispose_waits_for_what_nobody_else_waits_for(tmp_path: Path) -> None:
    story = 'const job = idle("top"); await hooks.dispose(); process.exit(0)'
    slow = f'text=$(cat); sleep 0.5; printf \'%s\\n%s\\n\' "$*" "$text" >> "{tmp_path}/log"\n'
    assert [call["event"] for call in plugged(tmp_path, story, stub=slow)] == ["session.idle"]


@pytest.mark.parametrize("stub", ["exit 1\n", "kill -9 $$\n", "exec 0<&-; echo noise; echo noise >&2; sleep 0.2\n"])
def test_program_that_fails_is_passed_over(stub: str, tmp_path: Path) -> None:
    story = 'await user("top", "m1", "x".repeat(300000)); await idle("top"); await hooks.dispose()'
    assert plugged(tmp_path, story, stub=stub) == []


def test_odd_events_and_a_missing_program_are_passed_over(tmp_path: Path) -> None:
    story = """
    const { unlinkSync } = await import("node:fs")
    unlinkSync("a 'place'/rollouts")
    await user("top", "m1", "hello"); await idle("top")
    await hooks["chat.message"](undefined, undefined)
    await hooks.event({}); await hooks.event({ event: { type: "x" } })
    await hooks["chat.message"]({ sessionID: "top" }, { message: { id: "m" }, parts: [] }); await hooks.dispose()
    """
    assert plugged(tmp_path, story, every_tool=True) == []


def test_loading_the_plugin_starts_nothing_and_costs_next_to_nothing(tmp_path: Path) -> None:
    begun = time.monotonic()
    assert plugged(tmp_path, "await hooks.dispose()") == []
    assert time.monotonic() - begun < 5
