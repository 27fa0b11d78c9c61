"""The card of a dataset of real sessions: what it tells is there, and its recipes work as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import archives
import publishing
from fake_hub import FakeHub
from helpers import ok, put
from publishing import TIMEOUT, hub
from publishing_sessions import push, three_agents
from rollouts.publish.rows import Row
from test_hub_loads import python

__all__ = ["hub", "python"]


def card(hub: FakeHub) -> str:
    return hub.read("README.md").decode()


def test_the_recipes_of_the_card_load_the_rows_and_bring_the_code_back(
    hub: FakeHub, sealed: Path, repo: Path, tmp_path: Path, python: str
) -> None:
    env = three_agents(sealed, repo)
    ok("remote", "set", repo, "--url", str(archives.bare(tmp_path / "a.git")))
    assert push("--public", env=env).code == 0
    blocks = re.findall(r"```python\n(.*?)```", card(hub), flags=re.DOTALL)
    script = put(tmp_path, "recipe.py", "\n".join([*blocks, "print(len(rows), len(some))"]).encode())
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    settings = os.environ | {"PATH": path, "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    done = subprocess.run(
        [python, script], cwd=tmp_path, env=settings, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["3 1"]), done.stderr
    assert (tmp_path / "code" / "a.txt").read_bytes() == b"one\n"


def test_the_card_tells_agents_models_languages_and_days(hub: FakeHub, sealed: Path, repo: Path) -> None:
    put(repo, "src/main.rs")
    env = three_agents(sealed, repo)
    assert push("--public", "--sessions-only", "--license", "cc-by-4.0", env=env).code == 0
    text = card(hub)
    for told in (
        "# turns\n",
        "**3 sessions** in **3 rows**, of 2026-11-21.",
        "| claude-code | 1 | 1 |",
        "| claude-sonnet-4-5 | 1 |",
        "| gpt-5.5 | 1 |",
        "| Rust | 3 |",
        "no secrets found",
        "cc-by-4.0, for the conversations",
        'row["agent"] == "claude-code"',
    ):
        assert told in text, told
    headings = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    assert headings == ["Loading", "What is in it", "Rows", "From a row back to the code", "Redaction", "Licence"]


def test_an_agents_odd_name_is_no_part_of_a_recipe(hub: FakeHub) -> None:
    publishing.push([Row(publishing.line(agent='"]); import os #```'))])
    assert 'row["agent"] == "codex"' in card(hub)
