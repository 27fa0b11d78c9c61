"""The sessions of the home in tests/data/session-summary/classes, as typed rows: name -> session."""

from __future__ import annotations

import json
from typing import Any

from rollouts.contracts.automation import is_automated
from rollouts.contracts.summary import Session, last_activity
from session_summary import FOLDER

IMPORTED = "2026-07-10T08:00:00Z"
NAMES: dict[str, str] = json.loads((FOLDER / "classes" / "session_names.json").read_text())
IDS = {name: session_id for session_id, name in NAMES.items()}


def _session(name: str, began: str | None, ended: str | None, messages: int, users: int, **more: Any) -> Session:
    first: str = more.pop("first", "x")
    parent: str | None = more.pop("parent", None)
    facts = {"agent": "claude", "project": "cls", "git_branch": "main"} | more
    return Session(
        id=IDS[name],
        started_at=began,
        ended_at=ended,
        last_activity_at=last_activity(ended, began, IMPORTED),
        created_at=IMPORTED,
        message_count=messages,
        user_message_count=users,
        assistant_message_count=messages - users,
        is_automated=is_automated(first, user_messages=users),
        parent_session_id=IDS.get(parent, parent) if parent else None,
        outcome="completed",
        health_grade="A",
        tool_failures=0,
        has_secret=False,
        **facts,
    )


def _all() -> dict[str, Session]:
    codex: dict[str, Any] = {"agent": "codex", "git_branch": None}
    other: dict[str, Any] = {"project": "other"}
    one, two, three = "2026-07-01T", "2026-07-02T", "2026-07-03T"
    review = "You are a code reviewer. Check this diff."
    tie = (f"{three}10:00:00Z", f"{three}10:01:30Z", 4, 2)
    fork = {"relationship_type": "fork", "parent": "fork-main"}
    root = {"parent": "root-interactive"}
    child = {"relationship_type": "subagent"}
    on = {"relationship_type": "continuation"}
    rows = {
        "root-interactive": (f"{one}10:00:00Z", f"{one}10:01:30Z", 4, 2, {}),
        "one-shot": (f"{one}11:00:00Z", f"{one}11:00:30Z", 2, 1, {}),
        "automated-oneshot": (f"{one}12:00:00Z", f"{one}12:00:30Z", 2, 1, {"first": review}),
        "automated-prompt-two-turns": (f"{one}13:00:00Z", f"{one}13:01:30Z", 4, 2, {"first": review}),
        "automated-warmup": (f"{one}13:30:00Z", f"{one}13:30:30Z", 2, 1, {"first": "Warmup"}),
        "automated-lowercase": (f"{one}13:40:00Z", f"{one}13:40:30Z", 2, 1, {"first": review.lower()}),
        "subagent-nested-dir": (f"{one}10:00:10Z", f"{one}10:00:40Z", 2, 1, child | root),
        "subagent-legacy-flat": (f"{one}10:00:20Z", f"{one}10:00:50Z", 2, 1, child | root),
        "subagent-of-automated": (f"{one}12:00:05Z", f"{one}12:00:35Z", 2, 1, child | {"parent": "automated-oneshot"}),
        "subagent-orphan": (f"{one}14:00:00Z", f"{one}14:00:30Z", 2, 1, child | {"parent": "not in the archive"}),
        "continuation": (f"{one}15:00:00Z", f"{one}15:01:30Z", 4, 2, on | root),
        "continuation-oneshot": (f"{one}15:30:00Z", f"{one}15:30:30Z", 2, 1, on | root),
        "fork-main": (f"{one}16:00:00Z", f"{one}16:05:30Z", 12, 6, {}),
        "fork-branch": (f"{one}17:00:00Z", f"{one}17:01:30Z", 4, 2, fork),
        "codex-cli": (f"{two}10:00:00Z", f"{two}10:01:30Z", 4, 2, codex),
        "codex-exec": (f"{two}11:00:00Z", f"{two}11:01:30Z", 4, 2, codex),
        "codex-exec-oneshot": (f"{two}11:30:00Z", f"{two}11:30:30Z", 2, 1, codex),
        "codex-subagent": (f"{two}12:00:00Z", f"{two}12:01:30Z", 4, 2, codex | child | {"parent": "codex-cli"}),
        "codex-other-project": (f"{two}13:00:00Z", f"{two}13:01:30Z", 4, 2, codex | other),
        "tie-t1": (*tie, other),
        "tie-t2": (*tie, other),
        "tie-t3": (*tie, other),
        "no-ts": (None, None, 4, 2, {}),
        "tz-offset": ("2026-07-03T11:00:00.123+02:00", "2026-07-03T11:01:30.123+02:00", 4, 2, {}),
        "user-only-empty": (f"{three}12:00:00Z", f"{three}12:00:00Z", 1, 1, {}),
    }
    return {name: _session(name, *facts[:4], **facts[4]) for name, facts in rows.items()}


SESSIONS = _all()
