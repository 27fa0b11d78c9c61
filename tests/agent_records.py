"""Sessions as coding agents write them down: the shape of real records, cut to what is read of them."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

Object = dict[str, Any]

CLAUDE = "c2118f65-8038-466a-9846-b17b44f15052"
CODEX = "01a1ff9d-d973-77f0-9c4a-ca5e03544bb8"
CODEX_CHILD = "01a1ff9d-e044-7db1-8c1f-0e364ce32e94"
OPENCODE = "ses_e006213d5ffeGaId4WrkYK7Qx7"
OPENCODE_CHILD = "ses_e0061deb0ffedg5eWM9LEa0NnX"


def jsonl(records: Iterable[Object]) -> bytes:
    return b"".join(json.dumps(record, separators=(",", ":")).encode() + b"\n" for record in records)


def chunks(data: bytes) -> Callable[[], list[bytes]]:
    """A file's bytes as readers take them, in awkward pieces."""
    return lambda: [data[at : at + 7] for at in range(0, len(data), 7)]


# Claude Code

_uuids = itertools.count(1)


def uuid() -> str:
    return f"00000000-0000-4000-8000-{next(_uuids):012x}"


def claude(kind: str, **fields: Any) -> Object:
    """A record of the main thread."""
    base = {"uuid": uuid(), "isSidechain": False, "type": kind, "timestamp": "2026-11-21T19:38:12.086Z"}
    place = {"cwd": "/work/app", "sessionId": CLAUDE, "version": "2.1.197", "gitBranch": "main"}
    return {**base, **place, **fields}


def prompt(text: str, key: str, **fields: Any) -> Object:
    return claude("user", promptId=key, message={"role": "user", "content": text}, **fields)


def answer(name: str, *blocks: Object, stop: str = "tool_use", **fields: Any) -> list[Object]:
    """A message of the model's, a record for each block, as Claude Code writes it."""
    usage = {"input_tokens": 10, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 7, "output_tokens": 20}
    head = {"id": name, "type": "message", "role": "assistant", "model": "claude-sonnet-4-5"}
    return [
        claude("assistant", message={**head, "content": [block], "stop_reason": stop, "usage": usage}, **fields)
        for block in blocks
    ]


def said(text: str) -> Object:
    return {"type": "text", "text": text}


def use(name: str, tool: str, arguments: Object) -> Object:
    return {"type": "tool_use", "id": name, "name": tool, "input": arguments}


def result(name: str, content: object, key: str, *, is_error: bool | None = None, **fields: Any) -> Object:
    block = {"type": "tool_result", "tool_use_id": name, "content": content}
    if is_error is not None:
        block["is_error"] = is_error
    return claude("user", promptId=key, message={"role": "user", "content": [block]}, **fields)


def claude_session() -> list[Object]:
    """Two turns: parallel calls whose results hang on their own records, then a subagent."""
    first = answer(
        "msg_1",
        {"type": "thinking", "thinking": "Two files.", "signature": "c2lnbmVk"},
        said("Creating."),
        use("toolu_1", "Write", {"file_path": "a.py", "content": "a"}),
        use("toolu_2", "Write", {"file_path": "b.py", "content": "b"}),
    )
    return [
        {"type": "queue-operation", "operation": "enqueue", "timestamp": "2026-11-21T19:38:12.068Z"},
        prompt("Make two files", "turn-1"),
        claude("attachment", attachment={"type": "skill_listing", "content": "- dance: Dances.", "skillCount": 1}),
        *first,
        result("toolu_1", "made a", "turn-1", parentUuid=first[2]["uuid"]),
        result("toolu_2", "Exit code 3", "turn-1", is_error=True, parentUuid=first[3]["uuid"]),
        *answer("msg_2", said("Made one."), stop="end_turn"),
        {"type": "last-prompt", "lastPrompt": "Make two files"},
        prompt("Delegate", "turn-2"),
        *answer("msg_3", use("toolu_3", "Agent", {"prompt": "Sub"})),
        result("toolu_3", [said("Sub is done.")], "turn-2", toolUseResult={"agentId": "ad8f", "totalTokens": 5}),
        *answer("msg_4", said("Done."), stop="end_turn"),
    ]


def claude_subagent() -> list[Object]:
    records = [prompt("Sub", "turn-2"), *answer("msg_9", said("Sub is done."), stop="end_turn")]
    return [record | {"isSidechain": True, "agentId": "ad8f"} for record in records]


def put_claude(home: Path, records: Iterable[Object], *, session: str = CLAUDE, folder: str = "-work-app") -> Path:
    """Writes a session where Claude Code has it. Returns its file."""
    path = home / ".claude" / "projects" / folder / f"{session}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(jsonl(records))
    return path


def put_claude_subagent(main: Path, records: Iterable[Object], agent: str = "ad8f") -> None:
    folder = main.with_suffix("") / "subagents"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"agent-{agent}.jsonl").write_bytes(jsonl(records))
    (folder / f"agent-{agent}.meta.json").write_text(json.dumps({"agentType": "general", "toolUseId": "toolu_3"}))


# Codex


def codex(kind: str, payload: Object) -> Object:
    return {"timestamp": "2026-11-21T19:38:17.363Z", "type": kind, "payload": payload}


def item(kind: str, turn: str | None = None, **fields: Any) -> Object:
    marks = {"internal_chat_message_metadata_passthrough": {"turn_id": turn}} if turn else {}
    return codex("response_item", {"type": kind, **fields, **marks})


def event(kind: str, **fields: Any) -> Object:
    return codex("event_msg", {"type": kind, **fields})


def words(role: str, text: str, turn: str | None = None) -> Object:
    kind = "output_text" if role == "assistant" else "input_text"
    return item(
        "message", turn, role=role, id=f"msg_{abs(hash((role, text))) % 10**6}", content=[{"type": kind, "text": text}]
    )


def spent(turn: str, given: int = 100) -> Object:
    usage = {"input_tokens": given, "cached_input_tokens": 7, "output_tokens": 20, "reasoning_output_tokens": 3}
    return codex("token_usage_record", {"turn_id": turn, "response_id": "resp_1", "usage": usage})


def meta(thread: str = CODEX, **fields: Any) -> Object:
    facts = {"id": thread, "session_id": CODEX, "timestamp": "2026-11-21T19:38:17.337Z", "cwd": "/work/app"}
    told = {"cli_version": "0.169.0", "base_instructions": {"text": "You are an agent."}, "git": {"branch": "main"}}
    return codex("session_meta", facts | told | fields)


def codex_session() -> list[Object]:
    """One turn of two answers: reasoning, parallel calls of which one fails, and a patch in free text."""
    turn = "01a1ff9d-d989-7752-bd04-eb3a5324b004"
    return [
        meta(),
        event("task_started", turn_id=turn),
        words("developer", "<permissions>", turn),
        words("user", "<environment_context>here</environment_context>", turn),
        codex("turn_context", {"turn_id": turn, "model": "gpt-5.5"}),
        words("user", "Make it", turn),
        event("item_completed", turn_id=turn, item={"type": "UserMessage", "id": "u"}),
        item(
            "reasoning",
            turn,
            id="rs_1",
            summary=[{"type": "summary_text", "text": "Think."}],
            content=None,
            encrypted_content="c2VhbGVk",
        ),
        words("assistant", "Making.", turn),
        item("function_call", turn, name="exec_command", arguments='{"cmd": "exit 3", "n": 1.50}', call_id="call_1"),
        item("custom_tool_call", turn, name="apply_patch", input="*** Begin Patch", call_id="call_2"),
        spent(turn),
        event("item_completed", turn_id=turn, item={"type": "CommandExecution", "id": "call_1", "exit_code": 3}),
        item("function_call_output", turn, call_id="call_1", output="exited with code 3"),
        item("custom_tool_call_output", turn, call_id="call_2", output=[{"type": "input_text", "text": "patched"}]),
        event("token_count", info={"last_token_usage": {"input_tokens": 100, "output_tokens": 20}}),
        words("assistant", "Made.", turn),
        spent(turn, 200),
        event("task_complete", turn_id=turn, last_agent_message="Made."),
    ]


def put_codex(home: Path, records: Iterable[Object], *, thread: str = CODEX) -> Path:
    """Writes a session where Codex has it. Returns its file."""
    path = home / ".codex" / "sessions" / "2026" / "11" / "21" / f"rollout-2026-11-21T19-38-17-{thread}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(jsonl(records))
    return path


# OpenCode


def told(name: str, *parts: Object) -> Object:
    """A message of the person's."""
    return {"info": {"id": name, "role": "user", "time": {"created": 1795289902199}}, "parts": [*parts]}


def gave(name: str, *parts: Object, **fields: Any) -> Object:
    """A message of the model's."""
    tokens = {"total": 30, "input": 10, "output": 5, "reasoning": 5, "cache": {"read": 7, "write": 3}}
    clock = {"created": 1795289903120, "completed": 1795289904385}
    info = {"id": name, "role": "assistant", "modelID": "fake-model", "time": clock, "tokens": tokens, "cost": 0.25}
    return {"info": info | {"finish": "stop"} | fields, "parts": [{"type": "step-start"}, *parts]}


def tool(call: str, name: str, *, status: str = "completed", **state: Any) -> Object:
    return {"type": "tool", "tool": name, "callID": call, "state": {"status": status, "input": {"n": 1}, **state}}


def opencode_session(*messages: Object, session: str = OPENCODE, **info: Any) -> Object:
    facts = {"id": session, "title": "A session", "directory": "/work/app", "version": "1.18.33"}
    return {
        "info": facts | {"time": {"created": 1795289902122, "updated": 1795289920094}} | info,
        "messages": [*messages],
    }


def opencode_document(value: Object) -> bytes:
    """As `opencode export` prints it."""
    return json.dumps(value, indent=2).encode() + b"\n"


_FAKE = """#!/bin/sh
[ "$1" = export ] && [ "$3" = --pure ] || exit 9
echo "Exporting session: $2" >&2
[ -f "$OPENCODE_FAKE/$2.json" ] || { echo "Session not found: $2" >&2; exit 1; }
[ -f "$OPENCODE_FAKE/hangs" ] && { echo $$ > "$OPENCODE_FAKE/pid"; exec sleep 600; }
if [ -p /dev/stdout ]; then head -c 100 "$OPENCODE_FAKE/$2.json"; else cat "$OPENCODE_FAKE/$2.json"; fi
"""
"""A stand-in for opencode, which loses the end of what it prints into a pipe, as the real one does."""


def put_opencode(home: Path, documents: Mapping[str, bytes]) -> dict[str, str]:
    """Puts a stand-in for opencode on the PATH, with these sessions. Returns the environment to run it in."""
    folder, programs = home / "opencode sessions", home / "bin"
    for path in (folder, programs, home / ".local" / "share" / "opencode"):
        path.mkdir(parents=True, exist_ok=True)
    for name, document in documents.items():
        (folder / f"{name}.json").write_bytes(document)
    program = programs / "opencode"
    program.write_text(_FAKE)
    program.chmod(0o755)
    return {"PATH": f"{programs}:{os.environ['PATH']}", "OPENCODE_FAKE": str(folder)}
