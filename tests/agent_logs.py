"""Logs in the forms of the real agents, with text of our own."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Line = dict[str, Any]
SESSION = "0f1e2d3c-0000-4000-8000-000000000001"
THREAD = "01a1ff9d-0000-7000-8000-000000000001"
CHILD = "01a1ff9d-0000-7000-8000-000000000002"


def moment(second: int) -> str:
    return f"2026-11-21T10:{second // 60:02}:{second % 60:02}.000Z"


def text(lines: Iterable[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def claude_user(content: object, second: int, **more: object) -> Line:
    line: Line = {"type": "user", "uuid": f"u{second}", "parentUuid": None, "sessionId": SESSION, "cwd": "/srv/demo"}
    line |= {"timestamp": moment(second), "version": "2.1.197", "gitBranch": "main", "isSidechain": False}
    return line | {"message": {"role": "user", "content": content}} | more


def claude_answer(message_id: str, second: int, *, output: int = 10, kind: str = "text", **more: object) -> Line:
    usage = {"input_tokens": 100, "output_tokens": output, "cache_read_input_tokens": 7}
    message: Line = {"id": message_id, "role": "assistant", "model": "claude-sonnet-4-5", "usage": usage}
    message |= {"content": [{"type": kind, "text": "ok", "id": "toolu_1", "name": "Write", "input": {}}]}
    return claude_user("", second) | {"type": "assistant", "requestId": f"req_{message_id}", "message": message} | more


def claude_result(second: int) -> Line:
    return claude_user([{"type": "tool_result", "tool_use_id": "toolu_1", "content": "done"}], second)


def claude_session(session: str = SESSION) -> list[Line]:
    """Two prompts, three answers, of which the first came in two lines, and one tool."""
    lines = [
        claude_user("Make the file\nwith care", 0),
        claude_answer("msg_1", 1),
        claude_answer("msg_1", 2, kind="tool_use"),
        claude_result(3),
        claude_answer("msg_2", 4),
        claude_user("Thanks", 5),
        claude_answer("msg_3", 6),
    ]
    return [line | {"sessionId": session, "uuid": f"{session}-{n}"} for n, line in enumerate(lines)]


def put_claude(home: Path, lines: Iterable[Line], session: str = SESSION, project: str = "-srv-demo") -> Path:
    path = home / ".claude" / "projects" / project / f"{session}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text(lines))
    return path


def codex_line(kind: str, second: int, **payload: object) -> Line:
    return {"timestamp": moment(second), "type": kind, "payload": payload}


def codex_message(role: str, words: str, second: int) -> Line:
    kind = "output_text" if role == "assistant" else "input_text"
    return codex_line("response_item", second, type="message", role=role, content=[{"type": kind, "text": words}])


def codex_count(second: int, total: int) -> Line:
    last = {"input_tokens": 100, "cached_input_tokens": 40, "output_tokens": 10, "reasoning_output_tokens": 3}
    info = {"total_token_usage": {"input_tokens": total, "total_tokens": total + 10}, "last_token_usage": last}
    return codex_line("event_msg", second, type="token_count", info=info)


def codex_session(thread: str = THREAD, **meta: object) -> list[Line]:
    return [
        codex_line("session_meta", 0, id=thread, cwd="/srv/demo", cli_version="0.98.0", git={"branch": "main"}, **meta),
        codex_line("turn_context", 1, cwd="/srv/demo", model="gpt-5.5", turn_id="01a1ff9c-0000-7000-8000-000000000001"),
        codex_message("user", "<environment_context>\n  <cwd>/srv/demo</cwd>", 2),
        codex_message("user", "Fix the test\nplease", 3),
        codex_line("response_item", 4, type="function_call", name="exec_command", arguments="{}", call_id="c1"),
        codex_count(5, 100),
        codex_line("response_item", 6, type="function_call_output", call_id="c1", output="ok"),
        codex_message("assistant", "Done.", 7),
        codex_count(8, 200),
        codex_count(9, 200),
    ]


def put_codex(home: Path, lines: Iterable[Line], thread: str = THREAD, top: str = "sessions/2026/11/21") -> Path:
    path = home / ".codex" / top / f"rollout-2026-11-21T10-00-00-{thread}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text(lines))
    return path


def opencode_database(home: Path) -> Path:
    """A session with a prompt, two answers and a tool, and the session of its subagent."""
    path = home / ".local" / "share" / "opencode" / "opencode.db"
    path.parent.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE session (id TEXT PRIMARY KEY, parent_id TEXT, title TEXT, directory TEXT, version TEXT,"
            " time_created INTEGER, time_updated INTEGER)"
        )
        connection.execute(
            "CREATE TABLE message (id TEXT PRIMARY KEY, session_id TEXT, time_created INTEGER, data TEXT)"
        )
        connection.execute("CREATE TABLE part (id TEXT PRIMARY KEY, message_id TEXT, session_id TEXT, data TEXT)")
        for own, parent in (("ses_1", None), ("ses_2", "ses_1")):
            row = (own, parent, f"Title of {own}", "/srv/demo", "1.18.33", 1795289902122, 1795289920094)
            connection.execute("INSERT INTO session VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            _opencode_messages(connection, own)
    return path


_PROGRAM = """#!PYTHON
import json, sqlite3, sys

rows = sqlite3.connect("DATABASE")
sql = "SELECT id, parent_id, title, directory, version, time_created FROM session WHERE id = ?"
own, parent, title, directory, version, created = rows.execute(sql, (sys.argv[2],)).fetchone()
info = {"id": own, "title": title, "directory": directory, "version": version, "time": {"created": created}}
info |= {"parentID": parent} if parent else {}
messages = []
for key, data in rows.execute("SELECT id, data FROM message WHERE session_id = ? ORDER BY id", (own,)).fetchall():
    parts = rows.execute("SELECT data FROM part WHERE message_id = ? ORDER BY id", (key,))
    messages.append({"info": json.loads(data) | {"id": key}, "parts": [json.loads(part) for part, in parts]})
print(json.dumps({"info": info, "messages": messages}))
"""


def opencode_program(database: Path) -> bytes:
    """A program that exports from that database in the form of OpenCode."""
    return _PROGRAM.replace("PYTHON", sys.executable).replace("DATABASE", str(database)).encode()


def _opencode_messages(connection: sqlite3.Connection, session: str) -> None:
    tokens = {"input": 100, "output": 20, "reasoning": 3, "cache": {"read": 5, "write": 6}}
    answer = {"role": "assistant", "modelID": "some-model", "cost": 0.0000015, "tokens": tokens}
    messages: list[tuple[Line, list[Line]]] = [
        ({"role": "user"}, [{"type": "text", "text": "Write it"}]),
        (answer, [{"type": "step-start"}, {"type": "tool", "tool": "write"}, {"type": "text", "text": "Wrote it"}]),
        (answer, [{"type": "text", "text": "All done"}]),
    ]
    for number, (data, parts) in enumerate(messages):
        message, when = f"{session}-msg_{number}", 1795289903000 + number
        row = (message, session, when, json.dumps(data | {"time": {"created": when}}))
        connection.execute("INSERT INTO message VALUES (?, ?, ?, ?)", row)
        for at, part in enumerate(parts):
            row_of_part = (f"{message}-prt_{at}", message, session, json.dumps(part))
            connection.execute("INSERT INTO part VALUES (?, ?, ?, ?)", row_of_part)
