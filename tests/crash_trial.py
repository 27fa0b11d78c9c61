"""One trial of a crash: a copy of a prepared home, a command that is killed in it, and what must hold afterwards."""

from __future__ import annotations

import atexit
import json
import os
import queue
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

from crash_runner import TOO_EARLY
from helpers import Result, contents

SEED = int(os.environ.get("CRASH_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
DENSITY = float(os.environ.get("CRASH_DENSITY", "0.25"))
"""0.25 is what fits into every run of the suite, each with a seed of its own; 4 kills sixteen times as often."""

Turn = tuple[str, str]
"""Session and message."""
Files = dict[bytes, tuple[str, bool, str]]


class Kill(NamedTuple):
    """When a command ends: at its Nth distinct line, or after some seconds, of a signal; neither is never."""

    at: int = -1
    after: float | None = None
    signal: int = signal.SIGKILL


NEVER = Kill()
_COUNT = Kill(at=0)


class Runner:
    """A crash_runner.py in a process of its own."""

    def __init__(self) -> None:
        script = str(Path(__file__).with_name("crash_runner.py"))
        self.process = subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def call(self, home: Path, words: list[str], kill: Kill = NEVER) -> tuple[Result, int]:
        """Runs a command line. Returns how it ended, and how many distinct lines it ran."""
        env = os.environ | {"ROLLOUTS_HOME": str(home)}
        request = {"words": words, "env": dict(env), "cwd": os.getcwd(), **kill._asdict()}
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return Result(answer["code"], answer["out"], answer["err"]), answer["lines"]

    def close(self) -> None:
        self.process.communicate()


@cache
def runners() -> tuple[Runner, ...]:
    """One a processor, for all trials of this process: each start imports the whole program."""
    started = tuple(Runner() for _ in range(os.cpu_count() or 1))
    for runner in started:
        atexit.register(runner.close)
    return started


class Scene(NamedTuple):
    """A command, the home that it is killed in, and what is known of both."""

    home: Path
    """Copied for each trial; need not be there."""
    words: list[str]
    """{out} stands for a directory of the trial's own."""
    rows: dict[str, Turn]
    """What the home lists, by snapshot id."""
    turns: dict[Turn, Files]
    """What the workspace held at every turn that may come to be listed."""
    capture: list[str]
    """A capture that must succeed afterwards."""
    stays: set[Turn]
    """The turns that must be listed in the end, those of `words` and `capture` included."""
    restores: Turn | None = None
    """What `words` restore, to {out}/dest."""


class Trial:
    """A scene in a directory of its own."""

    def __init__(self, scene: Scene, runner: Runner, folder: Path) -> None:
        self.scene = scene
        self.runner = runner
        self.home = folder / "home"
        self.out = folder / "out"
        self.out.mkdir(parents=True)
        self.workspaces: set[str] = set()
        """The ids of those that were listed last."""
        if scene.home.exists():
            shutil.copytree(scene.home, self.home, symlinks=True)

    def run(self, words: list[str], kill: Kill = NEVER) -> Result:
        return self.runner.call(self.home, [word.replace("{out}", str(self.out)) for word in words], kill)[0]

    def ok(self, *words: str) -> str:
        result = self.run(list(words))
        assert result.code == 0, (words, result)
        return result.out

    def rows(self) -> dict[str, Turn]:
        """Everything that is listed."""
        found: dict[str, Turn] = {}
        self.workspaces.clear()
        for workspace in json.loads(self.ok("list", "--json"))["workspaces"]:
            self.workspaces.add(workspace["id"])
            for session in workspace["sessions"]:
                words = ("list", workspace["root_path"], "--session", session["session_id"], "--json")
                rows = json.loads(self.ok(*words))["snapshots"]
                found |= {row["id"]: (row["session_id"], row["message_id"]) for row in rows}
        return found

    def restored_rows(self) -> dict[str, Turn]:
        """Everything that is listed, restored and compared with what the workspace held."""
        found = self.rows()
        for snapshot_id, turn in found.items():
            destination = self.out.parent / "restored"
            self.ok("restore", "--snapshot", snapshot_id, "--dest", str(destination))
            assert contents(destination) == self.scene.turns[turn], turn
            shutil.rmtree(destination)
        return found

    def take_destination(self) -> None:
        """A destination is whole or not there; clears it for the next restore."""
        destination = self.out / "dest"
        if self.scene.restores and destination.exists():
            assert contents(destination) == self.scene.turns[self.scene.restores]
            shutil.rmtree(destination)

    def leftovers(self) -> list[str]:
        """What no finished work leaves behind, in the home and beside the destination of a restore."""
        stray = [path for path in self.home.glob("workspaces/*") if path.name not in self.workspaces]
        stray += [path for path in [*self.home.rglob("*"), *self.out.rglob("*")] if _is_stray(path.name)]
        return [str(path.relative_to(self.out.parent)) for path in stray]


def _is_stray(name: str) -> bool:
    return (
        name.startswith(("tmp_", ".tmp-", ".rollouts-restore-"))
        or name.endswith((".new", ".deleted"))
        or (name.endswith(".lock") and name not in {"rollouts.lock", "reading.lock"})
    )


def _created(result: Result) -> set[str]:
    return {line.split()[-1] for line in result.out.splitlines() if line.startswith("Created snapshot ")}


def examine(trial: Trial, killed: Result) -> None:
    """Looks at everything that a user may meet after a command was killed."""
    scene = trial.scene
    assert killed.code in {0, 130, TOO_EARLY, -signal.SIGKILL, -signal.SIGTERM}, killed
    assert killed.code != 130 or "Error: interrupted" in killed.err.splitlines()[-1], killed
    trial.take_destination()
    found = trial.restored_rows()
    assert _created(killed) <= found.keys(), "an id was printed that is not listed"
    lost = scene.rows.keys() - found.keys()
    assert not {scene.rows[row] for row in lost} & scene.stays, lost
    again = trial.run(scene.words)
    assert again.code == 0 or (scene.words[0] == "delete" and again.code == 1 and again.err.count("\n") == 1), again
    trial.take_destination()
    trial.ok(*scene.capture)
    later = trial.rows()
    assert not lost & later.keys(), "a deleted turn is back"
    assert set(later.values()) == scene.stays, later
    doctor = trial.run(["doctor"])
    if doctor.code:
        trial.ok("doctor", "--repair")
        doctor = trial.run(["doctor"])
    assert doctor.code == 0, doctor
    assert "all is well" in doctor.out, doctor
    assert trial.restored_rows() == later, "doctor changed what is listed"
    assert not (left := trial.leftovers()), left


def _try(scene: Scene, runner: Runner, folder: Path, kill: Kill) -> str:
    """Makes one trial. Returns what was wrong; nothing when all is well."""
    trial = Trial(scene, runner, folder)
    killed = trial.run(scene.words, kill)
    try:
        examine(trial, killed)
    except AssertionError as error:
        return f"{kill} {killed.err.strip()} (code {killed.code}): {str(error)[:1500]}"
    shutil.rmtree(folder)
    return ""


def run_trials(scene: Scene, folder: Path, kills: list[Kill]) -> list[str]:
    """Makes a trial for each kill, one a processor at a time. Returns what was wrong."""
    free: queue.SimpleQueue[Runner] = queue.SimpleQueue()
    for runner in runners():
        free.put(runner)

    def one(number: int) -> str:
        runner = free.get()
        try:
            return _try(scene, runner, folder / f"trial {number}", kills[number])
        finally:
            free.put(runner)

    with ThreadPoolExecutor(len(runners())) as pool:
        return [said for said in pool.map(one, range(len(kills))) if said]


def _unharmed(scene: Scene, folder: Path, kill: Kill) -> int:
    runner = runners()[0]
    trial = Trial(scene, runner, folder)
    words = [word.replace("{out}", str(trial.out)) for word in scene.words]
    result, lines = runner.call(trial.home, words, kill)
    assert result.code == 0, result
    return lines


def extent(scene: Scene, folder: Path) -> tuple[int, float]:
    """How many distinct lines a scene's command runs when nothing ends it, and how many seconds it takes."""
    lines = _unharmed(scene, folder / "lines", _COUNT)
    started = time.monotonic()
    _unharmed(scene, folder / "seconds", NEVER)
    return lines, time.monotonic() - started


def line_kills(lines: int, most: int, number: int = signal.SIGKILL) -> list[Kill]:
    """A seeded sample of the lines of a command, at most `most` at a density of 1."""
    chosen = random.Random(SEED).sample(  # noqa: S311 - no secret
        range(1, lines + 1), min(lines, round(most * DENSITY))
    )
    return [Kill(at=line, signal=number) for line in sorted(chosen)]


def random_kills(count: int, seconds: float, number: int = signal.SIGKILL) -> list[Kill]:
    """Seeded random instants within a command's run time."""
    instants = random.Random(SEED)  # noqa: S311 - no secret
    return [Kill(after=instants.uniform(0, seconds), signal=number) for _ in range(round(count * DENSITY))]
