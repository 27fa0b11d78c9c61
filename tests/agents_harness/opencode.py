"""OpenCode, without a screen: `opencode run` (https://opencode.ai/docs/cli/)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from agents_harness.driver import Driver, Json, Said, Turn
from helpers import SLOW, put

_CONFIG = """\
{
  // mine; without the next line it would add it
  "$schema": "https://opencode.ai/config.json",
  "autoupdate": false, "share": "disabled",
  "model": "scripted/model", "small_model": "scripted/small",
  "permission": "allow", /* all of it */
  "provider": {
    "scripted": {
      "npm": "@ai-sdk/openai-compatible",
      "name": "Scripted",
      "options": { "baseURL": "ADDRESS/v1", "apiKey": "none" },
      "models": {
        "model": {
          "name": "Model", "tool_call": true, "reasoning": true,
          "limit": { "context": 128000, "output": 8192 }, "cost": { "input": 1, "output": 2 }
        },
        "small": { "name": "Small", "limit": { "context": 128000, "output": 8192 } },
      },
    },
  },
}
"""
_SHORT_RUN = {
    "BUN_JSC_useFTLJIT": "0",
    "BUN_JSC_thresholdForJITAfterWarmUp": "2000",
    "BUN_JSC_thresholdForOptimizeAfterWarmUp": "10000",
    "BUN_JSC_useConcurrentGC": "0",
    "BUN_JSC_numberOfGCMarkers": "1",
}
"""How its engine compiles and collects: a third of a turn's CPU goes into what only a longer run would gain from."""


class OpenCode(Driver):
    name = program = "opencode"
    model = "model"
    config, history = ".config/opencode", ".local/share/opencode"
    turn_suffix = ""

    def configure(self) -> None:
        put(self.room.home, ".config/opencode/opencode.jsonc", _CONFIG.replace("ADDRESS", self.url).encode())

    def settings(self) -> dict[str, str]:
        """Before it loads a plugin it asks a registry for its own package, for more than a minute if none answers."""
        return {
            "NPM_CONFIG_REGISTRY": f"{self.url}/npm/",
            "NPM_CONFIG_FETCH_RETRIES": "0",
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
            "OPENCODE_DISABLE_MODELS_FETCH": "1",
            "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
            "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
            **_SHORT_RUN,
        }

    def command(self, prompt: str) -> tuple[str, ...]:
        resume = ("-s", self.session) if self.session else ()
        return ("opencode", "run", "--format", "json", *resume, prompt)

    def said(self, code: int, out: str, err: str) -> Said:
        events = [json.loads(line) for line in out.splitlines()]
        words = [event["part"]["text"] for event in events if event["type"] == "text"]
        return Said(code, events[0]["sessionID"] if events else "", (words or [""])[-1], err)

    def warm_up(self) -> None:
        self._print(("session", "list"), self.room.scratch / "sessions")

    def _print(self, words: tuple[str, ...], path: Path) -> None:
        """Runs a command without plugins, into a file: a pipe may get only some of what it prints."""
        with path.open("wb") as file:
            subprocess.run(
                ("opencode", *words, "--pure"),
                cwd=self.room.workspace,
                env=self.env | {"XDG_STATE_HOME": str(self.room.scratch)},  # leaves a lock there, in `run`'s way
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.DEVNULL,
                timeout=SLOW,
                check=True,
            )

    def exported(self, session: str) -> Json:
        """A session as OpenCode itself exports it."""
        path = self.room.scratch / f"{session}.json"
        self._print(("export", session), path)
        document: Json = json.loads(path.read_bytes())
        return document

    def turns(self, session: str) -> list[Turn]:
        found: list[Turn] = []
        for message in self.exported(session)["messages"]:
            texts = [part["text"] for part in message["parts"] if part["type"] == "text" and not part.get("synthetic")]
            if message["info"]["role"] == "assistant":
                words = texts[-1] if texts else found[-1].last_words
                found[-1] = found[-1]._replace(after=message["info"]["id"], last_words=words)
            elif texts:  # a compaction speaks in the user's name without a text, or with a synthetic one
                found.append(Turn(texts[0].strip('"'), message["info"]["id"], "", ""))  # `run` keeps a shell's quotes
        return found
