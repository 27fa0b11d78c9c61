"""A command that ends at any line or instant leaves garbage at most, never a lie.

CRASH_DENSITY=4 ends them sixteen times as often; CRASH_SEED repeats what a failure printed.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from crash_scenes import (
    SCENES,
    World,
    changed_repository,
    delete_a_message,
    delete_a_workspace,
    first_of_many_files,
    gc_of_two_workspaces,
    pull_of_an_archive,
    restore_a_repository,
    upkeep_of_a_repository,
)
from crash_trial import SEED, Kill, Scene, extent, line_kills, random_kills, run_trials
from helpers import fingerprint

Build = Callable[[World], Scene]
WITH_GIT = (
    *(first_of_many_files, changed_repository, delete_a_message, restore_a_repository),
    *(upkeep_of_a_repository, gc_of_two_workspaces, pull_of_an_archive),
)


def _survives(tmp_path: Path, build: Build, kills: Callable[[int, float], list[Kill]]) -> None:
    world = World(tmp_path)
    scene = build(world)
    before = fingerprint(world.repo) | fingerprint(world.plain)
    chosen = kills(*extent(scene, tmp_path))
    wrong = run_trials(scene, tmp_path, chosen)
    assert not wrong, f"CRASH_SEED={SEED}: {len(wrong)} of {len(chosen)}\n" + "\n\n".join(wrong)
    assert fingerprint(world.repo) | fingerprint(world.plain) == before


@pytest.mark.parametrize("build", SCENES, ids=lambda build: build.__name__)
def test_a_kill_at_any_line_leaves_a_usable_home(tmp_path: Path, build: Build) -> None:
    _survives(tmp_path, build, lambda lines, _: line_kills(lines, SCENES[build]))


@pytest.mark.parametrize("build", WITH_GIT, ids=lambda build: build.__name__)
def test_a_kill_of_git_as_well_at_any_instant_leaves_a_usable_home(tmp_path: Path, build: Build) -> None:
    _survives(tmp_path, build, lambda _, seconds: random_kills(8, seconds))


@pytest.mark.parametrize(
    "build", [changed_repository, delete_a_workspace, restore_a_repository], ids=lambda b: b.__name__
)
def test_ctrl_c_at_any_line_says_so_and_leaves_a_usable_home(tmp_path: Path, build: Build) -> None:
    _survives(tmp_path, build, lambda lines, _: line_kills(lines, 8, signal.SIGINT))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_any_instant_leaves_a_usable_home(tmp_path: Path, number: signal.Signals) -> None:
    _survives(tmp_path, first_of_many_files, lambda _, seconds: random_kills(8, seconds, number))
