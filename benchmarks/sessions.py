"""Sessions of coding agents to import: logs in the agents' own forms, with text that compresses as prose does."""

import json
import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

SEED = 21
MESSAGES = 20
BYTES = 28_500
PROJECTS = 50


class _Writer:
    """Logs with seeded words, ids and times."""

    def __init__(self) -> None:
        self.chance = random.Random(SEED)
        letters = "abcdefghijklmnopqrstuvwxyz"
        self.words = ["".join(self.chance.choices(letters, k=self.chance.randint(2, 10))) for _ in range(3000)]
        self.at = datetime(2026, 1, 1, tzinfo=UTC)

    def id(self) -> str:
        return str(uuid.UUID(int=self.chance.getrandbits(128), version=4))

    def text(self, size: int) -> str:
        return " ".join(self.chance.choices(self.words, k=size // 7))

    def moment(self) -> str:
        self.at += timedelta(seconds=self.chance.randint(1, 30))
        return self.at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"

    def claude(self, session: str, cwd: str) -> Iterator[dict[str, object]]:
        size, parent = BYTES // MESSAGES - 750, None
        for number in range(MESSAGES):
            own = self.id()
            line = {
                "parentUuid": parent,
                "isSidechain": False,
                "uuid": own,
                "timestamp": self.moment(),
                "cwd": cwd,
                "sessionId": session,
                "version": "2.1.197",
                "gitBranch": "main",
            }
            if number % 2:
                usage = {"input_tokens": 900, "output_tokens": 80, "cache_read_input_tokens": 20_000}
                content = [{"type": "text", "text": self.text(size)}]
                message = {"id": f"msg_{own[:20]}", "role": "assistant", "model": "claude-sonnet-4-5"}
                line |= {"type": "assistant", "requestId": f"req_{own[20:]}"}
                yield line | {"message": message | {"content": content, "usage": usage}}
            else:
                yield line | {
                    "type": "user",
                    "promptId": self.id(),
                    "message": {"role": "user", "content": self.text(size)},
                }
            parent = own

    def codex(self, thread: str, cwd: str) -> Iterator[dict[str, object]]:
        size = BYTES // MESSAGES - 550
        meta = {"id": thread, "session_id": thread, "timestamp": self.moment(), "cwd": cwd, "cli_version": "0.169.0"}
        yield {"timestamp": self.moment(), "type": "session_meta", "payload": meta}
        for number in range(MESSAGES):
            if number % 2 == 0:
                turn = {"turn_id": self.id(), "cwd": cwd, "model": "gpt-5.5"}
                yield {"timestamp": self.moment(), "type": "turn_context", "payload": turn}
            role, kind = ("assistant", "output_text") if number % 2 else ("user", "input_text")
            item = {
                "type": "message",
                "id": self.id(),
                "role": role,
                "content": [{"type": kind, "text": self.text(size)}],
            }
            yield {"timestamp": self.moment(), "type": "response_item", "payload": item}
            if number % 2:
                usage = {"input_tokens": 20_000, "cached_input_tokens": 19_000, "output_tokens": 80}
                record = {"thread_id": thread, "response_id": f"resp_{self.id()}", "usage": usage}
                yield {"timestamp": self.moment(), "type": "token_usage_record", "payload": record}


def make(home: Path, count: int) -> int:
    """Writes so many sessions below a user's home, four of five of Claude Code, the others of Codex. Returns bytes."""
    writer, size = _Writer(), 0
    for number in range(count):
        own, cwd = writer.id(), f"/srv/projects/p{number % PROJECTS}"
        if number % 5:
            path = home / ".claude" / "projects" / cwd.replace("/", "-") / f"{own}.jsonl"
            lines = writer.claude(own, cwd)
        else:
            day = writer.at.strftime("%Y/%m/%d")
            name = f"rollout-{writer.at:%Y-%m-%dT%H-%M-%S}-{own}.jsonl"
            path = home / ".codex" / "sessions" / day / name
            lines = writer.codex(own, cwd)
        path.parent.mkdir(parents=True, exist_ok=True)
        size += path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return size
