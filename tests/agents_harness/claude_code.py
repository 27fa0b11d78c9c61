"""Claude Code, without a screen: `claude -p` (https://code.claude.com/docs/en/headless)."""

from __future__ import annotations

import json

from agents_harness.driver import Driver, Json, Said, Turn
from helpers import put

_SETTINGS = """{
   "cleanupPeriodDays": 99999,
   "hooks": {"Stop": [{"hooks": [{ "type": "command", "command": "echo mine >> \\"$HOME/own-hook.log\\"" }]}]},

   "includeCoAuthoredBy": false }
"""


class ClaudeCode(Driver):
    name, program, model = "claude-code", "claude", "claude-sonnet-4-5"
    config, history = ".claude", ".claude/projects"
    fork = False
    """Whether the next turn is to go on in a copy of the session."""

    def configure(self) -> None:
        put(self.room.home, ".claude/settings.json", _SETTINGS.encode())

    def settings(self) -> dict[str, str]:
        return {
            "ANTHROPIC_BASE_URL": self.url,
            "ANTHROPIC_API_KEY": "sk-ant-none",
            "IS_SANDBOX": "1",  # root may skip permissions in a sandbox only
            "DISABLE_AUTOUPDATER": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        }

    def command(self, prompt: str) -> tuple[str, ...]:
        resume = ("--resume", self.session) if self.session else ()
        forked = ("--fork-session",) if self.fork else ()
        how = ("--model", self.model, "--output-format", "json", "--dangerously-skip-permissions")
        return ("claude", "-p", prompt, *resume, *forked, *how)

    def said(self, code: int, out: str, err: str) -> Said:
        result: Json = json.loads(out) if out else {}
        return Said(code, result.get("session_id", ""), result.get("result", ""), err)

    def records(self, session: str) -> list[Json]:
        """The lines of a session's transcript."""
        (path,) = self.history_path.glob(f"*/{session}.jsonl")
        return [json.loads(line) for line in path.read_text().splitlines()]

    def turns(self, session: str) -> list[Turn]:
        found: list[Turn] = []
        for record in self.records(session):
            content = record.get("message", {}).get("content")
            if record["type"] == "user" and isinstance(content, str):
                found.append(Turn(content, record["promptId"], f"{record['promptId']}:end", ""))
            elif record["type"] == "assistant" and content[0]["type"] == "text":
                found[-1] = found[-1]._replace(last_words=content[0]["text"])
        return found
