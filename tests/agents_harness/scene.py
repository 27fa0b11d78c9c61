"""A run of an agent from its first turn to its last: what was said, what was asked of the model, what stood on disk."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from agents_harness import processes
from agents_harness.driver import Driver, Room, Said, Turn
from agents_harness.scenario import Scenario, Thread
from agents_harness.server import Exchange, Model, serving
from helpers import ROLLOUTS, Result, contents, put, run_in

Contents = dict[bytes, tuple[str, bool, str]]


class Played(NamedTuple):
    """A turn, and the workspace (as `helpers.contents` has it) when it began and when it was over."""

    prompt: str
    said: Said
    before: Contents
    after: Contents


@dataclass(frozen=True)
class Run:
    """What is left of a run when it is over; the folders stay."""

    root: Path
    session: str
    turns: list[Played]
    exchanges: list[Exchange]
    results: dict[str, Result] = field(default_factory=dict)
    """What commands said when it was over."""
    configurations: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """What the user has configured at some times."""
    own_turns: list[Turn] = field(default_factory=list)
    """The turns as the agent itself has them."""

    @property
    def room(self) -> Room:
        return Room(self.root)


def _edit_by_hand(workspace: Path, turn: int) -> None:
    """What the user does to the files before a turn, so that a turn does not begin where the last one ended."""
    put(workspace, f"by hand/naïve {turn}.txt", f"turn {turn}\n".encode(), mode=0o755 if turn % 2 else 0o644)
    (workspace / "by hand" / f"naïve {turn - 1}.txt").unlink(missing_ok=True)
    link = workspace / "newest"
    link.unlink(missing_ok=True)
    link.symlink_to(f"by hand/naïve {turn}.txt")


@dataclass(frozen=True)
class Scene:
    """An agent in its room, with its model at hand."""

    driver: Driver
    model: Model
    program: Path = Path(*ROLLOUTS)

    @property
    def room(self) -> Room:
        return self.driver.room

    def with_own_program(self) -> Scene:
        """The same, with a `rollouts` of its own that may be removed."""
        program = put(self.room.root, "bin/rollouts", self.program.read_bytes(), mode=0o755)
        return replace(self, program=program)

    def rollouts(self, *words: str | Path, env: dict[str, str] | None = None) -> Result:
        """Runs `rollouts` as the user who lives in this room."""
        return run_in(self.driver.env | (env or {}), *words, cwd=self.room.workspace, program=self.program)

    def ok(self, *words: str | Path, env: dict[str, str] | None = None) -> str:
        """Runs `rollouts`, which must exit 0. Returns its stdout."""
        result = self.rollouts(*words, env=env)
        assert result.code == 0, result
        return result.out

    def setup(self, *words: str) -> None:
        """Installs the hooks as the documentation says."""
        self.ok("setup", self.driver.name, *self.driver.setup_words, *words)

    def take_turn(self, thread: Thread) -> Played:
        """Has the agent take one turn."""
        workspace = self.room.workspace
        before = contents(workspace)
        said = self.driver.take_turn(thread.prompt)
        return Played(thread.prompt, said, before, contents(workspace))

    def play(self) -> list[Played]:
        """Has the agent take all turns of the scenario in one session; the user works on the files in between."""
        played = []
        for number, thread in enumerate(self.model.scenario.turns, 1):
            _edit_by_hand(self.room.workspace, number)
            played.append(self.take_turn(thread))
        return played

    def settle(self) -> None:
        """Waits until all that goes on in the background has ended."""
        assert processes.quiet(self.driver.mark), "something still runs in the background"

    def run(self, *, own_turns: bool = True) -> Run:
        """Plays the scenario, and waits for what goes on in the background; asks the agent for its turns if wanted."""
        played = self.play()
        self.settle()
        session = self.driver.session
        turns = self.driver.turns(session) if own_turns else []
        return Run(self.room.root, session, played, list(self.model.exchanges), own_turns=turns)

    def configuration(self) -> dict[str, bytes]:
        """All files and folders where the user configures the agent, with their modes and content; no sessions."""
        found = {}
        folder = self.room.home / self.driver.config
        for path in sorted(folder.rglob("*")):
            if not path.is_relative_to(self.driver.history_path):
                content = path.read_bytes() if path.is_file() else b""
                found[str(path.relative_to(folder))] = f"{path.stat().st_mode:o} ".encode() + content
        return found

    def forget_history(self) -> None:
        """The agent loses all sessions that it had."""
        shutil.rmtree(self.driver.history_path)


@contextlib.contextmanager
def scene(make: Callable[[Room, str], Driver], scenario: Scenario, root: Path) -> Iterator[Scene]:
    """An agent that is configured and has no hooks yet. When the context is left no process of it runs any more."""
    room = Room(root)
    room.build()
    with serving(scenario, room.workspace) as model:
        driver = make(room, model.url)
        driver.configure()
        try:
            yield Scene(driver, model)
        finally:
            processes.stop(driver.mark)
            shutil.rmtree(room.scratch)
