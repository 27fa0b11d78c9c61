"""The real codex takes what we write, and makes of it what we make of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import trace_cases
from random_rollout import Rollout
from rollouts.trace import reducer, render

CODEX = shutil.which("codex")
pytestmark = [
    pytest.mark.agents,
    pytest.mark.skipif(CODEX is None, reason="codex is not installed (npm install -g @openai/codex@0.169.0)"),
]


def reduced_by_codex(bundle: Path, home: Path) -> bytes:
    """The state.json that codex makes of a bundle."""
    assert CODEX
    out = home / "state.json"
    command = (CODEX, "debug", "trace-reduce", "-o", out, bundle)
    done = subprocess.run(command, env=os.environ | {"HOME": str(home)}, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return out.read_bytes()


@pytest.mark.parametrize("seed", range(30))
def test_random_rollout_reduces_to_the_same_graph_as_the_original_makes(
    seed: int, tmp_path: Path, sealed: Path
) -> None:
    bundle = Rollout(tmp_path, seed).record(steps=40 + seed)
    assert render.text(reducer.reduce(str(bundle))).encode() == reduced_by_codex(bundle, sealed)


def test_installed_codex_is_the_one_whose_words_the_cases_hold(tmp_path: Path, sealed: Path) -> None:
    bundle = trace_cases.bundle("s2-story-10", tmp_path)
    assert reduced_by_codex(bundle, sealed) == trace_cases.expected("s2-story-10").state
