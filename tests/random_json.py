"""JSON texts as people and programs lay them out, with or without hooks in them, from a seed."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass

EVENTS = ("UserPromptSubmit", "Stop", "SubagentStop", "SessionEnd", "PreToolUse", "Notification")
TEXTS = ("", "a b", 'q"uo\\te', "ünïcode ✓", "line\nbreak", "{[,]}", "// no comment", "\ud800", "hooks")


@dataclass
class Layout:
    """How a text is laid out."""

    random: random.Random
    newline: str
    step: str
    spaces: bool

    def gap(self) -> str:
        return self.random.choice(("", " ", "  ", "\t")) if self.spaces else ""

    def text(self, value: object, margin: str = "") -> str:
        if isinstance(value, dict):
            pairs = [
                f"{json.dumps(key)}{self.gap()}:{self.gap()}{self.text(item, margin + self.step)}"
                for key, item in value.items()
            ]
            return self.group("{", pairs, "}", margin)
        if isinstance(value, list):
            return self.group("[", [self.text(item, margin + self.step) for item in value], "]", margin)
        return json.dumps(
            value, ensure_ascii=self.random.random() < 0.5 or (isinstance(value, str) and "\ud800" in value)
        )

    def group(self, opener: str, items: list[str], closer: str, margin: str) -> str:
        if not items:
            return opener + self.random.choice(("", " ", self.newline + margin)) * self.spaces + closer
        if not self.newline or self.random.random() < 0.2:
            return opener + self.gap() + f"{self.gap()},{self.gap()}".join(items) + self.gap() + closer
        lead = self.newline + margin + self.step
        return opener + lead + f",{lead}".join(items) + self.newline + margin + closer


def _value(source: random.Random, depth: int = 0) -> object:
    kind = source.randrange(7 if depth < 3 else 5)
    if kind == 5:
        return [_value(source, depth + 1) for _ in range(source.randrange(4))]
    if kind == 6:
        return {source.choice(TEXTS) + str(n): _value(source, depth + 1) for n in range(source.randrange(4))}
    return (source.choice(TEXTS), source.randrange(-9, 10**6), source.random() * 1e30, True, None)[kind]


def _group(source: random.Random) -> dict[str, object]:
    handlers = [
        {"type": "command", "command": source.choice(("true", "rollouts hook", "my rollouts hook codex", "a && b"))}
        for _ in range(source.randrange(1, 3))
    ]
    return (
        {"matcher": source.choice(("", "Bash"))} | {"hooks": handlers} if source.random() < 0.5 else {"hooks": handlers}
    )


def settings(seed: int, *, empty: bool) -> str:
    """A settings file; with `empty` also one whose hooks, events or whole are empty."""
    source = random.Random(seed)  # noqa: S311 - the same document for the same seed
    least = 0 if empty else 1
    found: dict[str, object] = {f"key {n}": _value(source) for n in range(source.randrange(least, 4))}
    if source.random() < 0.7:
        events = source.sample(EVENTS, source.randrange(least, len(EVENTS)))
        found["hooks"] = {event: [_group(source) for _ in range(source.randrange(least, 3))] for event in events}
    items = list(found.items())
    source.shuffle(items)
    newline = source.choice(("", "\n", "\n", "\r\n"))
    layout = Layout(source, newline, source.choice(("  ", "    ", "\t", " ")), source.random() < 0.5)
    edges = [source.choice(("", "\n", "  ", "\r\n")) for _ in range(2)]
    return edges[0] + layout.text(dict(items)) + edges[1]
