"""The program whose contract this is, agentsview 0.37.1, on the same logs: the same sessions, tokens, costs and times.

It is installed by `.ci/run`; tests skip where it is absent. What differs on purpose is named where it does.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from agent_logs import (
    Line,
    claude_answer,
    claude_result,
    claude_user,
    codex_line,
    codex_message,
    put_claude,
    put_codex,
)
from courses import IDS, put_shapes
from helpers import ok
from rollouts.contracts.filters import GRADES, OUTCOMES
from summary_home import CLASSES

CACHE = Path(__file__).parent.parent / ".ci" / "cache"
EVERYTHING = ("--all", "--include-children", "--include-one-shot", "--include-automated")
MODELS = ("claude-opus-4-6", "claude-sonnet-4-5")
TOKENS = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
SAME = (
    *("project", "machine", "agent", "cwd", "git_branch", "started_at", "ended_at", "duration_seconds"),
    *("message_count", "user_message_count", "assistant_message_count", "turn_count", "classification"),
    *("is_automated", "parent_session_id", "relationship_type", "total_output_tokens", "peak_context_tokens"),
    *("has_total_output_tokens", "has_peak_context_tokens"),
)


class Both:
    """The two programs, over the logs of one user."""

    def __init__(self, program: Path, user: Path) -> None:
        self._program = program
        self._env = {"PATH": os.environ["PATH"], "HOME": str(user), "TZ": "UTC"}

    def its(self, *words: str) -> Any:
        """What the original says, as JSON where it is."""
        done = subprocess.run(
            [self._program, *words], env=self._env, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, (words, done.stderr)
        return json.loads(done.stdout) if done.stdout.startswith("{") else done.stdout

    def read(self, home: Path) -> None:
        """Both take the logs in; ours with the original's prices, which are those of its day."""
        self.its("sync")
        ok("import")
        models = self.its("export", "sessions", *EVERYTHING)["pricing"]["models"]
        rates = ("input", "output", "cache_write", "cache_read")
        rows = [
            f'[[prices]]\nmodel = "{model}"\n'
            + "".join(f"{rate}_per_mtok = {price[f'{rate}_cost_per_mtok']}\n" for rate in rates)
            for model, price in models.items()
        ]
        (home / "config.toml").write_text("".join(rows))

    def sessions(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The rows of both, by their ids."""
        theirs = self.its("export", "sessions", *EVERYTHING)["sessions"]
        ours = json.loads(ok("export", "sessions", *EVERYTHING))["sessions"]
        return {row["id"]: row for row in theirs}, {row["id"]: row for row in ours}

    def report(self, *words: str) -> tuple[Any, Any]:
        ours = json.loads(ok(*words, "--json", "--timezone", "UTC"))
        return self.its(*words, "--json", "--timezone", "UTC", "--offline", "--no-sync"), ours

    def stop(self) -> None:
        subprocess.run([self._program, "serve", "stop"], env=self._env, capture_output=True, timeout=60, check=False)


@pytest.fixture
def both(sealed: Path) -> Iterator[Both]:
    program = CACHE / "agentsview" / "bin" / "agentsview"
    if not program.exists():
        pytest.skip("agentsview 0.37.1 is not installed; `.ci/run` does it")
    found = Both(program, sealed)
    yield found
    found.stop()


def claude_log(chosen: random.Random, own: str) -> list[Line]:
    """A session of a few turns, each with a tool or two, whose answers come in one or more lines."""
    at, lines = chosen.randint(0, 900), []
    for turn in range(chosen.randint(1, 5)):
        lines.append(claude_user(f"turn {turn}", at))
        for step in range(chosen.randint(1, 3)):
            name, model = f"{own}-{turn}-{step}", chosen.choice(MODELS)
            usage = {token: chosen.randint(1, 9999) for token in TOKENS}
            for kind in ["text", "tool_use"][: chosen.randint(1, 2)]:
                at += chosen.randint(1, 40)
                line = claude_answer(name, at, kind=kind)
                line["message"] |= {"model": model, "usage": usage}
                lines.append(line)
            lines.append(claude_result(at + 1))
        at += chosen.randint(2, 500)
    for number, line in enumerate(lines):
        line |= {"uuid": f"{own}-{number}", "parentUuid": f"{own}-{number - 1}" if number else None, "sessionId": own}
    return lines


def codex_log(chosen: random.Random, own: str) -> list[Line]:
    """A thread of two turns or more; each count of tokens differs from the one before, and has an answer of its own."""
    at, total = chosen.randint(0, 900), 0
    lines = [
        codex_line("session_meta", at, id=own, cwd="/srv/codex", cli_version="0.98.0", git={"branch": "main"}),
        codex_line("turn_context", at, cwd="/srv/codex", model="gpt-5.2-codex"),
    ]
    for turn in range(chosen.randint(2, 5)):
        lines.append(codex_message("user", f"turn {turn}", at + 1))
        at += chosen.randint(2, 400)
        lines.append(codex_message("assistant", "Done.", at))
        amounts = {
            "input_tokens": 1000 + turn,
            "cached_input_tokens": chosen.randint(0, 999),
            "output_tokens": turn + 5,
        }
        total += amounts["input_tokens"] + amounts["output_tokens"]
        info = {"total_token_usage": {"input_tokens": total, "total_tokens": total}, "last_token_usage": amounts}
        lines.append(codex_line("event_msg", at, type="token_count", info=info))
    return lines


def put_logs(user: Path) -> None:
    chosen = random.Random(37)  # noqa: S311 - no secret
    for number in range(30):
        own = f"0f1e2d3c-0000-4000-8000-{number:012}"
        put_claude(user, claude_log(chosen, own), own, project="-srv-demo")
    for number in range(15):
        own = f"01a1ff9d-0000-7000-8000-{number:012}"
        put_codex(user, codex_log(chosen, own), own)


def compared(theirs: dict[str, Any], ours: dict[str, Any], fields: Sequence[str] = SAME) -> None:
    """Holds two rows to the same facts, tokens and costs."""
    assert {field: ours.get(field) for field in fields} == {field: theirs.get(field) for field in fields}
    used, expected = ours["model_usage"], theirs["model_usage"]
    for field in ("models", "has_cost", *TOKENS):
        assert used[field] == expected[field], (ours["id"], field)
    requests = ours["assistant_message_count"]  # each was rounded to the microdollar once
    assert used["cost_usd"] == pytest.approx(expected["cost_usd"], abs=0.5e-6 * requests + 1e-9)


def test_it_gives_the_same_for_logs_of_many_shapes(both: Both, sealed: Path, home: Path) -> None:
    put_logs(sealed)
    both.read(home)
    theirs, ours = both.sessions()
    assert ours.keys() == theirs.keys()
    assert len(ours) == 45
    for own in ours:
        compared(theirs[own], ours[own])
    its_days, our_days = both.report("usage", "daily", "--all", "--breakdown")
    assert our_days["sessionCounts"] == its_days["sessionCounts"]
    for its_day, our_day in zip(its_days["daily"], our_days["daily"], strict=True):
        for counter in ("date", "inputTokens", "outputTokens", "cacheCreationTokens", "cacheReadTokens", "modelsUsed"):
            assert our_day[counter] == its_day[counter]
        assert our_day["totalCost"] == pytest.approx(its_day["totalCost"], abs=1e-4)
    for field in ("totalCost", "cacheSavings"):
        assert our_days["totals"][field] == pytest.approx(its_days["totals"][field], abs=1e-4)


def test_its_activity_is_ours(both: Both, sealed: Path, home: Path) -> None:
    put_logs(sealed)
    both.read(home)
    theirs, ours = both.report("activity", "report", "--preset", "day", "--date", "2026-11-21")
    assert ours["intervals"] == theirs["intervals"]
    assert ours["peak"] == theirs["peak"]
    assert [list(bucket.values())[:4] for bucket in ours["buckets"]] == [
        pytest.approx(list(bucket.values())[:4]) if bucket["agent_minutes"] else list(bucket.values())[:4]
        for bucket in theirs["buckets"]
    ]
    for field, value in theirs["totals"].items():
        assert ours["totals"][field] == pytest.approx(value, abs=1e-4), field
    for kind in ("by_project", "by_model", "by_agent"):
        shares = {entry["key"]: entry for entry in ours[kind]}
        for entry in theirs[kind]:
            assert shares[entry["key"]]["agent_minutes"] == pytest.approx(entry["agent_minutes"])
            assert shares[entry["key"]]["cost"] == pytest.approx(entry["cost"], abs=1e-4)


def test_its_outcomes_and_grades_are_ours(both: Both, sealed: Path, home: Path) -> None:
    list(put_shapes(sealed))
    both.read(home)
    for option, names in (("--outcome", OUTCOMES), ("--health-grade", GRADES), ("--min-tool-failures", "0123")):
        for name in names:
            words = ("export", "sessions", *EVERYTHING, option, name)
            theirs, ours = both.its(*words)["sessions"], json.loads(ok(*words))["sessions"]
            assert {IDS[row["id"]] for row in ours} == {IDS[row["id"]] for row in theirs}, (option, name)


def test_of_the_vectors_home_it_gives_the_same_but_for_what_we_decided(both: Both, sealed: Path, home: Path) -> None:
    shutil.copytree(CLASSES / "dot-claude", sealed / ".claude")
    shutil.copytree(CLASSES / "dot-codex", sealed / ".codex")
    both.read(home)
    theirs, ours = both.sessions()
    # it misses subagents whose files lie beside their sessions', and those whose sessions are gone (0.8)
    assert ours.keys() - theirs.keys() == {"agent-bbb222", "agent-ddd444"}
    assert not theirs.keys() - ours.keys()
    for own, row in theirs.items():
        if own.startswith("codex:"):
            # it drops counts of tokens that look like the last one, and knows no parents of threads (0.17)
            fields = [field for field in SAME if field not in {"parent_session_id", "relationship_type"}]
            assert {field: row.get(field) for field in fields if "tokens" not in field} == {
                field: ours[own].get(field) for field in fields if "tokens" not in field
            }
            assert ours[own]["model_usage"]["output_tokens"] >= row["model_usage"]["output_tokens"]
        elif own.startswith("a649f285") and row["relationship_type"] is None:
            # its main line of a forked session ends with its fork (5, number 24)
            compared(row, ours[own], [field for field in SAME if field not in {"ended_at", "duration_seconds"}])
        else:
            compared(row, ours[own])
