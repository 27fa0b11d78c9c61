"""Runs of real agents that several tests look at. Each is made once, by whichever worker wants it first."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec
import pytest

from agents_harness import processes
from agents_harness.claude_code import ClaudeCode
from agents_harness.codex import Codex, CodexInCode, CodexPatching
from agents_harness.driver import Driver
from agents_harness.opencode import OpenCode
from agents_harness.scenario import Scenario
from agents_harness.scene import Run, Scene, scene
from agents_harness.stories import COMPACTING, FIVE_TURNS, WRITING
from helpers import Result

EXPORTED, EXPORTED_FROM_STORE = "exported.jsonl", "exported from the store.jsonl"

DRIVERS: dict[str, type[Driver]] = {
    "claude-code": ClaudeCode,
    "codex": Codex,
    "codex-patching": CodexPatching,
    "codex-in-code": CodexInCode,
    "opencode": OpenCode,
}


def needs(*names: str) -> list[pytest.MarkDecorator]:
    """Marks for a test that drives these agents."""
    missing = sorted({DRIVERS[name].program for name in names if not DRIVERS[name].installed()})
    words = f"{', '.join(missing)} not installed (.ci/run installs it)"
    return [
        pytest.mark.agents,
        pytest.mark.skipif(bool(missing), reason=words),
        pytest.mark.skipif(not processes.SEEN, reason="this system does not show the environment of processes"),
    ]


def each(*names: str) -> list[object]:
    """A test's parameters: these agents, each with its marks; all of them when none is named."""
    return [pytest.param(name, marks=needs(name)) for name in names or DRIVERS]


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Run]) -> Run:
    """What `make` makes in a folder, made by one of the workers for all."""
    base = factory.getbasetemp()
    top = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    record, folder = top / f"{name}.msgpack", top / name
    with _alone(top / f"{name}.lock"):
        if not record.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of an attempt that failed
            record.write_bytes(msgspec.msgpack.encode(make(folder), enc_hook=os.fspath))
    return msgspec.msgpack.decode(record.read_bytes(), type=Run, dec_hook=lambda _, path: Path(path))


def _bare(name: str, root: Path) -> Run:
    with scene(DRIVERS[name], FIVE_TURNS, root) as at:
        before = at.configuration()
        run = at.run(own_turns=False)
        run.configurations.update(before=before, after=at.configuration())
        return run


def _export(at: Scene, name: str) -> Result:
    return at.rollouts("export", "--agent", "all", "--all", "--out", at.room.root / name)


def _look(at: Scene) -> dict[str, Result]:
    """What each command says that looks at what was captured, without changing any of it."""
    elsewhere = {"ROLLOUTS_HOME": str(at.room.root / "another home")}
    return {
        "log": at.rollouts("log", "--json"),
        "list": at.rollouts("list", "--json"),
        "status": at.rollouts("status", "--json"),
        "export": _export(at, EXPORTED),
        "import": at.rollouts("import", "--json", env=elsewhere),
        "import again": at.rollouts("import", "--json", env=elsewhere),
    }


def _captured(name: str, scenario: Scenario, root: Path, *words: str) -> Run:
    with scene(DRIVERS[name], scenario, root) as at:
        at.setup(*words)
        return at.run()


def _hooked(name: str, root: Path) -> Run:
    with scene(DRIVERS[name], FIVE_TURNS, root) as at:
        before = at.configuration()
        at.setup()
        run = at.run()
        run.results.update(_look(at))
        at.forget_history()
        run.results["export of what was captured"] = _export(at, EXPORTED_FROM_STORE)
        run.results["remove"] = at.rollouts("setup", at.driver.name, "--remove")
        run.configurations.update(before=before, after=at.configuration())
        return run


class Runs:
    """The runs by agent."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory

    def bare(self, name: str) -> Run:
        """Five turns without hooks."""
        return _once(self._factory, f"bare-{name}", partial(_bare, name))

    def hooked(self, name: str) -> Run:
        """The same with hooks; then each command that looks, the loss of the agent's history, and `setup --remove`."""
        return _once(self._factory, f"hooked-{name}", partial(_hooked, name))

    def every_tool(self, name: str) -> Run:
        """Two turns with a snapshot after each tool call that wrote."""
        return _once(self._factory, f"tools-{name}", lambda root: _captured(name, WRITING, root, "--every-tool"))

    def compacting(self, name: str) -> Run:
        """Three turns with hooks, the second of which fills the model's window."""
        return _once(self._factory, f"compacting-{name}", partial(_captured, name, COMPACTING))


def at_home(run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Has this test's commands look at the Rollouts home of a run. Returns it."""
    monkeypatch.setenv("ROLLOUTS_HOME", str(run.room.rollouts))
    return run.room.rollouts
