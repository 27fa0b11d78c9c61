"""What a scripted model is to do, said in the tools that a request offers."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple

from agents_harness.scenario import Delegate, Delete, Edit, Op, Read, Shell, Wait, Write

_CODEX_SHELLS = {"exec_command", "exec"}


class Call(NamedTuple):
    """A tool by name, and its arguments: an object, or the text of a tool that takes text."""

    tool: str
    arguments: dict[str, Any] | str


class Request(NamedTuple):
    """What a dialect looks at: the names of the tools, the workspace, and the request's whole text."""

    tools: Collection[str]
    root: Path
    text: str


def _by_shell(op: Op) -> Op:
    """For agents without a tool to delete with."""
    return Shell(f"rm -- {shlex.quote(op.path)}") if isinstance(op, Delete) else op


def _claude_code(op: Op, request: Request) -> Call | None:
    call = None
    match _by_shell(op):
        case Write(path, content):
            call = Call("Write", {"file_path": str(request.root / path), "content": content})
        case Read(path):
            call = Call("Read", {"file_path": str(request.root / path)})
        case Edit(path, old, new):
            call = Call("Edit", {"file_path": str(request.root / path), "old_string": old, "new_string": new})
        case Shell(command):
            call = Call("Bash", {"command": command, "description": "run a command"})
        case Delegate(title, prompt):
            call = Call("Agent", {"description": title, "prompt": prompt, "subagent_type": "general-purpose"})
    return call


def _opencode(op: Op, request: Request) -> Call | None:
    call = None
    match _by_shell(op):
        case Write(path, content):
            call = Call("write", {"filePath": str(request.root / path), "content": content})
        case Read(path):
            call = Call("read", {"filePath": str(request.root / path)})
        case Edit(path, old, new):
            call = Call("edit", {"filePath": str(request.root / path), "oldString": old, "newString": new})
        case Shell(command):
            call = Call("bash", {"command": command, "description": "run a command"})
        case Delegate(title, prompt):
            call = Call("task", {"description": title, "prompt": prompt, "subagent_type": "general"})
    return call


def _patch(op: Write | Edit | Delete) -> str:
    """The document that codex's patch tool takes for a change."""
    match op:
        case Write(path, content):
            lines = [f"*** Add File: {path}", *("+" + line for line in content.splitlines())]
        case Edit(path, old, new):
            lines = [f"*** Update File: {path}", "@@"]
            lines += ["-" + line for line in old.splitlines()] + ["+" + line for line in new.splitlines()]
        case Delete(path):
            lines = [f"*** Delete File: {path}"]
    return "\n".join(["*** Begin Patch", *lines, "*** End Patch", ""])


def _codex_shell(command: str, tools: Collection[str]) -> Call:
    if "exec" in tools:
        return Call("exec", f"text(await tools.exec_command({json.dumps({'cmd': command})}))")
    return Call("exec_command", {"cmd": command})


def _codex_change(patch: str, tools: Collection[str]) -> Call:
    if "exec" in tools:  # its tools are called from JavaScript
        return Call("exec", f"text(await tools.apply_patch({json.dumps(patch)}))")
    return Call("apply_patch", patch) if "apply_patch" in tools else _codex_shell(f"apply_patch <<'E'\n{patch}E", tools)


def _codex(op: Op, request: Request) -> Call | None:
    match op:
        case Write() | Edit() | Delete():
            return _codex_change(_patch(op), request.tools)
        case Read(path):
            return _codex_shell(f"cat -- {shlex.quote(path)}", request.tools)
        case Shell(command):
            return _codex_shell(command, request.tools)
        case Delegate(title, prompt):  # the newer tools name their agents
            name = {"task_name": re.sub(r"[^a-z0-9]+", "_", title.lower())} if "list_agents" in request.tools else {}
            return Call("spawn_agent", {"message": prompt, **name})
        case Wait():
            return _codex_wait(request)


def _codex_wait(request: Request) -> Call | None:
    if "wait_agent" not in request.tools:
        return None
    started = re.findall(r"agent_id\W+([0-9a-f-]{36})", request.text)
    targets = {} if "list_agents" in request.tools else {"targets": started[-1:]}
    return Call("wait_agent", {"timeout_ms": 30000, **targets})


def dialect(request: Request) -> Callable[[Op, Request], Call | None]:
    """How to speak to the agent that sent a request."""
    if "Bash" in request.tools:
        return _claude_code
    return _codex if _CODEX_SHELLS & set(request.tools) else _opencode


def calls(ops: tuple[Op, ...], request: Request) -> list[Call]:
    """The tool calls for some operations; those that this agent has no use or no tool for are left out."""
    speak = dialect(request)
    said = [speak(op, request) for op in ops]
    return [call for call in said if call and call.tool in request.tools]
