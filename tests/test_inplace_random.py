"""Random trees, edits, restores in place, undos and kills: nothing that was on disk is ever lost.

A failure prints its seed; `PYTEST_SEED=N` runs the same again, `PYTEST_TURNS=N` runs longer.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from crash_runner import TOO_EARLY
from crash_trial import NEVER, Kill, Runner, runners
from helpers import Found, contents, git, tree
from random_tree import SEED, TURNS, RandomTree

Files = dict[bytes, tuple[str, bool, str]]
GIVEN_UP = {0, 1, -9, 130, TOO_EARLY}  # done, done but for some paths, killed, interrupted (before it began)


@pytest.fixture
def runner() -> Runner:
    return runners()[0]


class _Trial:
    """A workspace, its home, and what must hold after each step."""

    def __init__(self, tmp_path: Path, runner: Runner, *, is_git: bool) -> None:
        self.root = tmp_path / "random"
        self.home = tmp_path / "rollouts home"
        self.out = tmp_path / "out"
        self.runner = runner
        self.root.mkdir()
        git("init", "-q", self.root if is_git else tmp_path / "elsewhere", cwd=tmp_path)
        self.dice = random.Random(SEED)  # noqa: S311 - no secret
        self.tree = RandomTree(self.root, self.dice, is_git=is_git)
        self.turns: dict[str, dict[bytes, Found]] = {}

    def call(self, *words: str, kill: Kill = NEVER) -> tuple[int, str]:
        result, _ = self.runner.call(self.home, [words[0], *words[1:]], kill)
        assert result.code in GIVEN_UP, (words, result)
        return result.code, result.out

    def safety(self) -> str | None:
        """The newest safety snapshot."""
        _, out = self.call("list", str(self.root), "--json", "--safety")
        sessions = [row["session_id"] for row in json.loads(out)["workspaces"][0]["sessions"]]
        session = next((name for name in sessions if name.startswith("restore:")), None)
        if session is None:
            return None
        _, out = self.call("list", "--session", session, "--json")
        rows: list[dict[str, Any]] = json.loads(out)["snapshots"]
        return str(rows[-1]["id"])

    def held(self, snapshot_id: str) -> Files:
        code, _ = self.call("restore", "--snapshot", snapshot_id, "--dest", str(self.out))
        assert code == 0
        found = contents(self.out)
        shutil.rmtree(self.out)
        return found

    def capture(self) -> None:
        words = ("--session", "s", "--message", str(len(self.turns)), "--metadata", "{}", "--json")
        code, out = self.call("snapshot", str(self.root), *words)
        assert code == 0
        self.turns[json.loads(out)["id"]] = tree(self.root)

    def live(self, times: int, *, oddly: bool) -> None:
        for _ in range(times):
            (self.tree.happen_oddly if oddly else self.tree.happen)()

    def change(self, *words: str, kill: Kill = NEVER) -> int:
        """Runs a restore in place or an undo; whatever it took from the disk is in its safety snapshot."""
        before, last = contents(self.root), self.safety()
        code, _ = self.call(*words, "--yes", kill=kill)
        after, safety = contents(self.root), self.safety()
        changed = {path: found for path, found in before.items() if after.get(path) != found}
        taken = {path: found for path, found in changed.items() if not path.startswith(b".rollouts-restore-")}
        lost = taken.items() - (self.held(safety).items() if safety and safety != last else set())
        assert not lost, f"{words} lost {lost}"
        return code


def _kill(dice: random.Random) -> Kill:
    at = dice.randrange(1, 900)
    return dice.choice([NEVER, Kill(at=at), Kill(at=at, signal=signal.SIGINT), Kill(after=dice.random() * 0.2)])


@pytest.mark.parametrize("is_git", [True, False])
def test_whatever_is_restored_undone_or_killed_nothing_is_lost(tmp_path: Path, runner: Runner, *, is_git: bool) -> None:
    print(f"PYTEST_SEED={SEED}")  # noqa: T201 - shown when it fails
    trial = _Trial(tmp_path, runner, is_git=is_git)
    trial.capture()
    for _ in range(TURNS):
        trial.live(trial.dice.choice((0, 1, 3, 8)), oddly=True)
        step = trial.dice.random()
        if step < 0.3:
            trial.capture()
        elif step < 0.7 or trial.safety() is None:
            chosen = trial.dice.choice(list(trial.turns))
            trial.change("restore", "--snapshot", chosen, "--in-place", kill=_kill(trial.dice))
        else:
            trial.change("undo", str(trial.root), kill=_kill(trial.dice))


@pytest.mark.parametrize("is_git", [True, False])
def test_undo_brings_back_the_tree_as_it_was_also_after_a_kill(tmp_path: Path, runner: Runner, *, is_git: bool) -> None:
    print(f"PYTEST_SEED={SEED}")  # noqa: T201 - shown when it fails
    trial = _Trial(tmp_path, runner, is_git=is_git)
    trial.capture()
    for _ in range(TURNS):
        trial.live(trial.dice.choice((1, 3, 8)), oddly=False)
        if trial.dice.random() < 0.4:
            trial.capture()
        before, last = tree(trial.root), trial.safety()
        chosen = trial.dice.choice(list(trial.turns))
        code = trial.change("restore", "--snapshot", chosen, "--in-place", kill=_kill(trial.dice))
        if code == 0:
            now = tree(trial.root)
            expected = trial.turns[chosen]
            assert {path: found for path, found in now.items() if path in expected} == expected
        if trial.safety() == last:
            assert tree(trial.root) == before
        else:
            there = tree(trial.root)
            assert trial.change("undo", str(trial.root)) == 0
            assert tree(trial.root) == before
            if code == 0 and trial.dice.random() < 0.5:
                assert trial.change("undo", str(trial.root)) == 0
                assert tree(trial.root) == there


def test_undo_knows_no_restore_that_was_killed_before_it_changed_anything(tmp_path: Path, runner: Runner) -> None:
    """Between the ref of its safety snapshot and the row: whatever is edited then is no part of that restore."""
    trial = _Trial(tmp_path, runner, is_git=True)
    file = trial.root / "file"
    file.write_text("one")
    trial.capture()
    (turn,) = trial.turns
    whole = tmp_path / "whole home"
    shutil.copytree(trial.home, whole)

    def refs_after(at: int) -> int:
        """How many there are when a restore was killed at a line, in a home as it was before."""
        shutil.rmtree(trial.home)
        shutil.copytree(whole, trial.home)
        for left in trial.root.glob(".rollouts-restore-*"):
            shutil.rmtree(left)
        file.write_text("two")
        trial.call("restore", "--snapshot", turn, "--in-place", "--yes", kill=Kill(at=at))
        (store,) = trial.home.glob("workspaces/*/store.git")
        return len(git("for-each-ref", "refs/", cwd=store).splitlines())

    before, reached = refs_after(1), refs_after(100_000)
    assert before < reached
    low, high = 1, 2000
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if refs_after(middle) > before else (middle, high)
    near = range(high - 20, high + 40)  # how many lines there are differs by a few from run to run
    assert any(refs_after(at) > before and trial.safety() is None for at in near)
    assert file.read_text() == "two"
    file.write_text("three")
    trial.capture()
    code, _ = trial.call("undo", str(trial.root), "--yes")
    assert (code, file.read_text()) == (1, "three")
