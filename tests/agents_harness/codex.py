"""Codex, without a screen: `codex exec` (https://developers.openai.com/codex/noninteractive)."""

from __future__ import annotations

import json
from typing import ClassVar

from agents_harness.driver import Driver, Json, Said, Turn
from helpers import put

_CONFIG = """\
# what I like
model = {model}   # until further notice
model_provider = "scripted"
approval_policy = "never"
sandbox_mode = 'danger-full-access'
check_for_update_on_startup = false

[analytics]
enabled = false

[model_providers.scripted]
name = "scripted"
base_url = "{url}/v1"
env_key = "SCRIPTED"
wire_api = "responses"

[projects.{workspace}]
  trust_level = "trusted"
"""
_HOOKS = """{"hooks": { "Stop": [
  {"hooks": [{"type": "command", "command": "echo mine >> \\"$HOME/own-hook.log\\"", "timeout": 5}]} ]}}
"""


class Codex(Driver):
    name = program = "codex"
    model = "gpt-5.2-codex"  # not in its catalogue: tools are plain functions, and patches go through the shell
    config, history = ".codex", ".codex/sessions"
    setup_words: ClassVar[tuple[str, ...]] = ("--trust",)

    def configure(self) -> None:
        words = {"model": json.dumps(self.model), "url": self.url, "workspace": json.dumps(str(self.room.workspace))}
        put(self.room.home, ".codex/config.toml", _CONFIG.format(**words).encode())
        put(self.room.home, ".codex/hooks.json", _HOOKS.encode())

    def settings(self) -> dict[str, str]:
        return {"SCRIPTED": "none"}

    def command(self, prompt: str) -> tuple[str, ...]:
        resume = ("resume", "--json", self.session) if self.session else ("--json",)
        return ("codex", "exec", *resume, prompt)

    def said(self, code: int, out: str, err: str) -> Said:
        events = [json.loads(line) for line in out.splitlines()]
        threads = [event["thread_id"] for event in events if event["type"] == "thread.started"]
        items = [event["item"] for event in events if event["type"] == "item.completed"]
        words = [item["text"] for item in items if item["type"] == "agent_message"]
        return Said(code, (threads or [""])[0], (words or [""])[-1], err)

    def records(self, session: str) -> list[Json]:
        """The lines of a thread's rollout."""
        (path,) = self.history_path.rglob(f"rollout-*-{session}.jsonl")
        return [json.loads(line) for line in path.read_text().splitlines()]

    def turns(self, session: str) -> list[Turn]:
        found: list[Turn] = []
        for record in self.records(session):
            payload: Json = record["payload"]
            if payload.get("type") == "task_started":
                found.append(Turn("", payload["turn_id"], f"{payload['turn_id']}:end", ""))
            elif payload.get("type") == "message" and payload["role"] in {"user", "assistant"}:
                text = payload["content"][0]["text"]
                if payload["role"] == "assistant":
                    found[-1] = found[-1]._replace(last_words=text)
                elif not text.startswith("<"):  # what codex says in the user's name is in tags
                    found[-1] = found[-1]._replace(prompt=text)
        return found


class CodexPatching(Codex):
    """With a model that has a tool for patches, and no subagents."""

    model = "gpt-5.5"


class CodexInCode(Codex):
    """With a model that calls its tools from JavaScript."""

    model = "gpt-6-sol"
