"""A home to summarise: the logs of the vectors and a few of our own, with facts that are the same on each machine."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from pathlib import Path

from agent_logs import (
    claude_answer,
    claude_result,
    claude_session,
    claude_user,
    codex_session,
    opencode_database,
    opencode_program,
    put_claude,
    put_codex,
)
from helpers import ok, put
from session_summary import FOLDER

CLASSES = FOLDER / "classes" / "agent-home"
HERE = "52bc5e60-40aa-4427-98cf-5db38bd6ada5"
ENTERED = "2026-11-22T00:00:00.000Z"
FORK = "0f1e2d3c-0000-4000-8000-00000000000f"
PRICES = (
    ("claude-opus-4-6", "", 5, 25, 6.25, 0.5),
    ("claude-sonnet-4-5", "", 3, 15, 3.75, 0.3),
    ("gpt-5.2-codex", "", 1.75, 14, 0, 0.175),
    ("gpt-5.5", "", 1, 8, 0, 0.1),
    ("gpt-5.5", "2026-11-01", 1.25, 10, 0, 0.125),
)


def imported(user: Path) -> None:
    """Puts the logs of the vectors into a user's home, and imports them."""
    shutil.copytree(CLASSES / "dot-claude", user / ".claude")
    shutil.copytree(CLASSES / "dot-codex", user / ".codex")
    ok("import")


def _own_logs(user: Path) -> None:
    """A failed tool, a model without a price, a fork that begins with a copy, and two more agents."""
    failing = [
        *claude_session(),
        claude_user("And this?", 400),
        claude_answer("msg_4", 410, kind="tool_use"),
        claude_user([{"type": "tool_result", "tool_use_id": "toolu_1", "content": "no", "is_error": True}], 411),
        claude_answer("msg_5", 415),
    ]
    failing[-1]["message"]["model"] = "claude-of-tomorrow"
    put_claude(user, failing)
    copied = [line | {"sessionId": FORK} for line in claude_session()]
    more = [claude_user("Another way", 30), claude_result(31), claude_answer("msg_9", 32)]
    put_claude(user, [*copied, *(line | {"sessionId": FORK} for line in more)], FORK)
    put_codex(user, codex_session())
    put(user, "bin/opencode", opencode_program(opencode_database(user)), mode=0o755)


def settled(home: Path) -> None:
    """Makes what is of this run and this release the same everywhere: ids, prices, when a session was taken in."""
    with contextlib.closing(sqlite3.connect(home / "rollouts.sqlite")) as catalog, catalog:
        for name, value in (("database_id", HERE), ("price_version", "prices-1"), ("price_digest", "")):
            catalog.execute("UPDATE archive_facts SET value = ? WHERE name = ?", (value, name))
        catalog.execute("UPDATE sessions SET created_at = ?", (ENTERED,))
        catalog.execute("DELETE FROM prices")
        rows = [(*price, "embedded", None) for price in PRICES]
        catalog.executemany("INSERT INTO prices VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        remotes = json.dumps({"origin": "https://github.com/acme/Widget.git"})
        seen = (("/srv/repos/other", "/srv/repos/other", "/srv/repos/other", "other", remotes, ENTERED),)
        linked = (("/srv/demo", "/srv/demo", "/srv/main", "demo", "{}", ENTERED),)
        catalog.executemany("INSERT INTO project_observations VALUES (?, ?, ?, ?, ?, ?)", seen + linked)


def settled_home(user: Path, home: Path) -> None:
    """The whole of it: logs, imported, and settled."""
    _own_logs(user)
    shutil.copytree(CLASSES / "dot-claude", user / ".claude", dirs_exist_ok=True)
    shutil.copytree(CLASSES / "dot-codex", user / ".codex", dirs_exist_ok=True)
    ok("import")
    settled(home)
