"""Requests to the model without what differs between any two runs of an agent."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from agents_harness.server import Exchange

_BOOKKEEPING = {"metadata", "client_metadata", "prompt_cache_key"}
"""Of the session, the device and the process; the model sees none of it."""
_RANDOM = (
    (re.compile(r"t\d+s\d+c\d+x[0-9a-f]{6}"), "CALL"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "UUID"),
    (re.compile(r"\b(rs|msg)_[0-9a-f]{24}\b"), "ITEM"),
    (re.compile(r"\bses_[0-9a-zA-Z]{26}\b"), "SESSION"),
    (re.compile(r"127\.0\.0\.1:\d+"), "ADDRESS"),
    (re.compile(r"\d{4}-\d{2}-\d{2}|(Mon|Tue|Wed|Thu|Fri|Sat|Sun) \w{3} \d{2} \d{4}"), "DATE"),
    (re.compile(r"(Wall time:? |wall_time_seconds\W+)[\d.]+(e-\d+)?|duration_ms: \d+"), "DURATION"),
    (re.compile(r"(Chunk ID: |chunk_id\W+)[0-9a-f]{6}"), "CHUNK"),
    (re.compile(r"nickname\W+[^\"\\]+"), "NICKNAME"),
    (re.compile(r"\ba[0-9a-f]{16}\b"), "AGENT"),
)


def comparable(exchanges: list[Exchange], root: Path) -> dict[str, list[Any]]:
    """The bodies of the requests in order, thread by thread: subagents may take their turns at other times."""
    found: dict[str, list[Any]] = {}
    for exchange in exchanges:
        body = {key: value for key, value in exchange.body.items() if key not in _BOOKKEEPING}
        text = json.dumps(body, ensure_ascii=False).replace(str(root), "ROOT")
        text = text.replace(re.sub(r"[^a-zA-Z0-9]", "-", str(root)), "ROOT")  # as Claude Code names a folder for it
        for pattern, word in _RANDOM:
            text = pattern.sub(word, text)
        thread = str(exchange.place.thread) if exchange.place else "aside"
        found.setdefault(thread, []).append(json.loads(text))
    return found
