"""The main job on a real directory."""

from __future__ import annotations

import os
import re
from pathlib import Path

from helpers import fingerprint, ok, run


def test_demo_shows_the_main_job_and_leaves_nothing_behind(repo: Path, tmp_path: Path, sealed: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    before = fingerprint(repo)
    out = ok("demo", repo, env={"TMPDIR": str(scratch)})
    assert "restored all 5 turns: every byte, mode, link and empty directory is the same" in out
    assert "diff turn-4..turn-5" in out
    assert "exported the conversation: 1 row of JSON lines" in out
    assert "its 5 turns and the 10 snapshots around them" in out
    assert re.search(r"exported 5 training rows \(.*\): messages, the code around each turn, 4 patches", out)
    assert fingerprint(repo) == before
    assert os.listdir(scratch) == []
    assert not (sealed / ".rollouts").exists()
    assert not (tmp_path / "rollouts home").exists()


def test_demo_works_in_a_plain_directory_and_in_an_empty_one(plain: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "every byte is the same" in ok("demo", plain)
    assert "every byte is the same" in ok("demo", tmp_path / "empty")


def test_demo_of_no_directory_says_so(tmp_path: Path) -> None:
    result = run("demo", tmp_path / "nowhere")
    assert (result.code, result.out) == (2, "")
    assert result.err == f"Error: Directory '{tmp_path}/nowhere' does not exist.\n"
