"""Sessions of Claude Code that went well or badly, each in its own way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from agent_logs import Line, claude_answer, claude_user, put_claude

FAILED = "Exit code 127\nbash: frobnicate: command not found"


class Shape:
    """A session that is put together step by step."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def asked(self, text: str = "Go on, please", **more: object) -> Shape:
        self.lines.append(claude_user(text, 10 * len(self.lines), **more))
        return self

    def said(self) -> Shape:
        self.lines.append(claude_answer(f"msg_{len(self.lines)}", 10 * len(self.lines)))
        return self

    def called(self, times: int = 1, *, badly: bool = False, command: str | None = None) -> Shape:
        """Calls of a tool, each with its result; each with another command, unless one is given."""
        for _ in range(times):
            number = len(self.lines)
            call = claude_answer(f"msg_{number}", 10 * number, kind="tool_use")
            block = call["message"]["content"][0]
            block |= {"id": f"toolu_{number}", "name": "Bash", "input": {"command": command or f"step {number}"}}
            result: Line = {"type": "tool_result", "tool_use_id": block["id"], "content": FAILED if badly else "fine"}
            if badly:
                result["is_error"] = True
            self.lines += [call, claude_user([result], 10 * number + 1)]
        return self

    def shortened(self) -> Shape:
        """Its context was: by the agent's boundary, and the summary that goes on behind it."""
        boundary = claude_user("", 10 * len(self.lines)) | {"type": "system", "subtype": "compact_boundary"}
        self.lines.append({**boundary, "content": "Conversation compacted"})
        return self.asked("This session is being continued", isCompactSummary=True, isVisibleInTranscriptOnly=True)

    def named(self, own: str) -> list[Line]:
        """Its lines, with ids that no other session has: copies of requests make a session another one's fork."""
        lines = [line | {"sessionId": own, "uuid": f"{own}-{number}"} for number, line in enumerate(self.lines)]
        return [line | {"requestId": f"{own}-{line['requestId']}"} if "requestId" in line else line for line in lines]


SHAPES: Mapping[str, tuple[Shape, str, str]] = {
    "well": (Shape().asked().called().said(), "completed", "A"),
    "left alone": (Shape().asked().said().asked(), "abandoned", "B"),
    "one word": (Shape().asked(), "unknown", "A"),
    "by a program": (Shape().asked("Warmup").said(), "unknown", "A"),
    "a slip": (Shape().asked().called(2, badly=True).called().said(), "completed", "A"),
    "a bad stretch": (Shape().asked().called(3, badly=True).called().said(), "completed", "B"),
    "errors at the end": (Shape().asked().called(3, badly=True), "errored", "D"),
    "errors, and a last word": (Shape().asked().called(4, badly=True).said(), "errored", "D"),
    "nothing but errors": (Shape().asked().called(12, badly=True), "errored", "F"),
    "again and again": (Shape().asked().called(5, command="ls").said(), "completed", "B"),
    "twice only": (Shape().asked().called(2, command="ls").called(2, command="pwd").said(), "completed", "A"),
    "again, and left": (Shape().asked().called(5, command="ls").said().asked(), "abandoned", "C"),
    "shortened once": (Shape().asked().said().shortened().said(), "completed", "A"),
    "shortened five times": (
        Shape().asked().said().shortened().shortened().shortened().shortened().shortened().said(),
        "completed",
        "B",
    ),
}
"""Name -> session, its outcome, its grade."""
IDS = {f"0f1e2d3c-0000-4000-8000-{number:012}": name for number, name in enumerate(SHAPES)}


def put_shapes(user: Path) -> Iterator[str]:
    for own, name in IDS.items():
        put_claude(user, SHAPES[name][0].named(own), own)
        yield own
