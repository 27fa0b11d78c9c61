"""Real agents do the same with hooks as without, also when the hooks fail, and lose nothing when hooks are killed."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents_harness import processes
from agents_harness.sameness import comparable
from agents_harness.scene import Run, Scene, scene
from agents_harness.stories import FIVE_TURNS, ONE_TURN
from helpers import contents, put
from real_runs import DRIVERS, Runs, each, needs


@pytest.mark.parametrize("name", each())
def test_hooks_change_nothing_that_the_model_is_asked(name: str, runs: Runs) -> None:
    bare, hooked = runs.bare(name), runs.hooked(name)
    wanted, found = comparable(bare.exchanges, bare.root), comparable(hooked.exchanges, hooked.root)
    assert found.keys() == wanted.keys()
    for thread, requests in wanted.items():
        assert found[thread] == requests, thread


@pytest.mark.parametrize("name", each())
def test_hooks_change_nothing_that_the_agent_says_and_does(name: str, runs: Runs) -> None:
    bare, hooked = runs.bare(name), runs.hooked(name)
    assert [turn.said.code for turn in bare.turns] == [0] * 5
    for with_hooks, without in zip(hooked.turns, bare.turns, strict=True):
        assert (with_hooks.said.code, with_hooks.said.text) == (without.said.code, without.said.text)
        assert (with_hooks.before, with_hooks.after) == (without.before, without.after)
        assert with_hooks.said.err == without.said.err


STALL = 45
"""Seconds more than without hooks that no turn takes, however busy the machine: agents' own locks hold for a minute."""


@pytest.mark.parametrize("name", each())
def test_no_turn_waits_for_what_hooks_left_behind(name: str, runs: Runs) -> None:
    bare, hooked = runs.bare(name), runs.hooked(name)
    for with_hooks, without in zip(hooked.turns, bare.turns, strict=True):
        assert with_hooks.said.seconds < without.said.seconds + STALL


@pytest.mark.parametrize("name", each("claude-code", "codex"))
def test_the_users_own_hooks_run_as_before(name: str, runs: Runs) -> None:
    own = [run.room.home / "own-hook.log" for run in (runs.bare(name), runs.hooked(name))]
    ran = [path.read_text() if path.exists() else "" for path in own]
    assert ran == ["mine\n" * (5 if name == "claude-code" else 0)] * 2  # codex was never told to trust its user's


def same_as_first_turn(run: Run, bare: Run) -> None:
    """The one turn of a run is what the first was of a run without hooks."""
    assert comparable(run.exchanges, run.root)["0"] == comparable(bare.exchanges, bare.root)["0"]
    assert (run.turns[0].said.code, run.turns[0].said.text) == (0, bare.turns[0].said.text)
    assert run.turns[0].after == bare.turns[0].after


@contextlib.contextmanager
def locked(catalog: Path) -> Iterator[None]:
    """Holds a catalog so that nobody else can read it or write to it."""
    with contextlib.closing(sqlite3.connect(catalog, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


@contextlib.contextmanager
def harmed(at: Scene, kind: str) -> Iterator[dict[str, str]]:
    """A home or a limit with which no hook can do its work. Gives what to add to the agent's environment."""
    if kind == "no home":
        put(at.room.root, "a file", b"")
        yield {"ROLLOUTS_HOME": str(at.room.root / "a file" / "home")}
    elif kind == "no time":
        yield {"ROLLOUTS_HOOK_TIMEOUT": "0.001"}
    else:
        at.ok("snapshot", ".", "--session", "mine", "--message", "first", "--metadata", "{}")
        with locked(at.room.rollouts / "rollouts.sqlite"):
            yield {"ROLLOUTS_HOOK_TIMEOUT": "1"}


PATIENCE = 25
"""Seconds that a turn may take more when each of its hooks needs the second that it may take, on a busy machine."""
HARM = [
    pytest.param(name, kind, marks=needs(name))
    for name, kinds in {
        "claude-code": ("no home", "no time", "locked"),
        "codex": ("no home", "no time"),  # a locked catalog holds what goes on behind the hooks for half a minute
        "opencode": ("no time",),
    }.items()
    for kind in kinds
]


@pytest.mark.parametrize(("name", "kind"), HARM)
def test_an_agent_goes_on_as_ever_when_its_hooks_cannot_work(name: str, kind: str, runs: Runs, tmp_path: Path) -> None:
    with scene(DRIVERS[name], ONE_TURN, tmp_path / "scene") as at:
        at.setup()
        with harmed(at, kind) as more:
            at.driver.more |= more
            run = at.run(own_turns=False)
        at.driver.more.clear()
        same_as_first_turn(run, runs.bare(name))
        assert run.turns[0].said.seconds < runs.bare(name).turns[0].said.seconds + PATIENCE
        missed = json.loads(at.ok("status", "--json"))["missed"]
        assert (missed is None) == (kind == "no home")
        assert missed is None or missed["agent"] == DRIVERS[name].name
        assert missed is None or missed["session_id"] in {run.session, None}  # the time was over before it was read


@pytest.mark.parametrize("name", each("claude-code", "codex", "opencode"))
def test_an_agent_goes_on_as_ever_when_rollouts_is_no_longer_there(name: str, runs: Runs, tmp_path: Path) -> None:
    with scene(DRIVERS[name], ONE_TURN, tmp_path / "scene") as at:
        own = at.with_own_program()
        own.setup()
        assert any(str(own.program).encode() in content for content in own.configuration().values())
        own.program.unlink()
        run = own.run(own_turns=False)
        same_as_first_turn(run, runs.bare(name))
        assert run.turns[0].said.err == runs.bare(name).turns[0].said.err


class Killer(threading.Thread):
    """Kills each hook of a run a random moment after it has started."""

    def __init__(self, mark: str, seed: int) -> None:
        super().__init__()
        self.mark, self.random = mark, random.Random(seed)  # noqa: S311 - moments, no secrets
        self.over = threading.Event()
        self.killed = 0

    def run(self) -> None:
        done: set[int] = set()
        while not self.over.is_set():
            for process in processes.marked(self.mark) - done:
                with contextlib.suppress(OSError):  # it has ended
                    if b"hook" in Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0"):
                        done.add(process)
                        time.sleep(self.random.uniform(0, 0.12) if self.killed else 0)
                        os.kill(process, signal.SIGKILL)
                        self.killed += 1

    def __enter__(self) -> Killer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join()


@pytest.mark.parametrize("name", each("claude-code", "codex", "opencode"))
def test_hooks_that_are_killed_leave_the_home_sound_and_the_agent_alone(name: str, runs: Runs, tmp_path: Path) -> None:
    scenario = ONE_TURN if name == "opencode" else FIVE_TURNS  # it is slow, and has a hook a turn more
    with scene(DRIVERS[name], scenario, tmp_path / "scene") as at:
        at.setup()
        with Killer(at.driver.mark, seed=5) as killer:
            run = at.run(own_turns=False)
        assert killer.killed > 0 or scenario is ONE_TURN  # two hooks of 50 ms may be over before they are seen
        assert [turn.said.text for turn in run.turns] == [turn.said.text for turn in runs.bare(name).turns][
            : len(run.turns)
        ]
        at.ok("doctor", "--repair")
        at.ok("doctor")
        at.ok("snapshot", ".", "--session", "mine", "--message", "after", "--metadata", "{}")
        at.ok("restore", "--session", "mine", "--message", "after", "--dest", tmp_path / "after", "--verify")
        assert contents(tmp_path / "after") == contents(at.room.workspace)
