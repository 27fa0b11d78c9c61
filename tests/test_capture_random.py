"""Random trees, edits and changes of type over many turns: each turn is restored as it was.

A failure prints its seed; `PYTEST_SEED=N` runs the same again, `PYTEST_TURNS=N` runs longer.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from helpers import Found, facts, git, restored, snapshot, tree
from random_tree import SEED, TURNS, RandomTree


@pytest.mark.parametrize("is_git", [True, False])
def test_each_of_many_random_turns_is_restored(tmp_path: Path, *, is_git: bool) -> None:
    print(f"PYTEST_SEED={SEED}")  # noqa: T201 - shown when it fails
    root = tmp_path / "random"
    root.mkdir()
    git("init", "-q", root if is_git else tmp_path / "elsewhere", cwd=tmp_path)
    workspace = RandomTree(root, random.Random(SEED), is_git=is_git)  # noqa: S311 - no secret
    turns: dict[str, dict[bytes, Found]] = {}
    for number in range(TURNS):
        for _ in range(workspace.dice.choice((0, 1, 1, 2, 3, 8))):
            workspace.happen()
        taken = snapshot(root, message=f"{number}")
        assert taken["skipped"] == []
        turns[taken["id"]] = tree(root)
    for name, expected in turns.items():
        assert tree(restored(name, tmp_path / "restored" / name)) == expected


@pytest.mark.parametrize("is_git", [True, False])
def test_what_is_kept_from_turn_to_turn_never_changes_the_outcome(tmp_path: Path, *, is_git: bool) -> None:
    print(f"PYTEST_SEED={SEED}")  # noqa: T201 - shown when it fails
    root = tmp_path / "random"
    root.mkdir()
    git("init", "-q", root if is_git else tmp_path / "elsewhere", cwd=tmp_path)
    workspace = RandomTree(root, random.Random(SEED), is_git=is_git)  # noqa: S311 - no secret
    for number in range(TURNS):
        for _ in range(workspace.dice.choice((0, 1, 1, 2, 3, 8))):
            workspace.happen_oddly()
        found = []
        for home in ("kept", f"fresh{number}"):
            env = {"ROLLOUTS_HOME": str(tmp_path / home), "ROLLOUTS_MAX_FILE_SIZE": "10K"}
            taken = snapshot(root, message=f"{number}", env=env)
            said = facts(tmp_path / home, taken)
            names = ("files", "skipped", "empty_dirs", "modes", "nested")
            found.append([taken["tree"], *(said[name] for name in names)])
        assert found[0] == found[1]
