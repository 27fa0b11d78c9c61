"""How it stands with our hooks in each agent's files; a file that cannot be read is a finding, never an error."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable

from rollouts import agents
from rollouts.agents import configuration
from rollouts.agents.agent import Installer
from rollouts.agents.receipts import Receipts
from rollouts.errors import RolloutsError
from rollouts.paths import Home
from rollouts.record import Record
from rollouts.setup.consent import is_given

INSTALLED, OUTDATED, OTHER, ABSENT, UNREADABLE = "installed", "outdated", "other program", "absent", "unreadable"
_VERSION = re.compile(r"\d+\.\d+\.\d+[\w.+-]*")


class ScopeState(Record):
    """Our hooks in one file of an agent."""

    scope: str
    """user or project."""
    file: str
    state: str
    """installed, outdated (setup would write them otherwise now), other program (they start another `rollouts`), absent
    or unreadable."""
    program: str | None = None
    """What they start."""
    every_tool: bool = False
    trusted: bool | None = None
    """Whether the agent may run them; None for one that does not ask."""
    problem: str | None = None
    """What is wrong, in words."""


class AgentState(Record):
    """An agent and our hooks in its files."""

    agent: str
    program: str | None
    """The agent's program; None when it is not on PATH."""
    version: str | None
    """As far as that can be told without starting it."""
    folder: str | None
    """The folder of its configuration; None when there is none."""
    scopes: tuple[ScopeState, ...]

    @property
    def is_present(self) -> bool:
        return self.program is not None or self.folder is not None

    @property
    def has_hooks(self) -> bool:
        return any(scope.program is not None for scope in self.scopes)


def _version(path: str) -> str | None:
    """A program's version, from the package that it lies in or from its own name."""
    at = os.path.realpath(path)
    named = _VERSION.fullmatch(os.path.basename(at))
    if named:
        return named[0]
    for _ in range(3):
        at = os.path.dirname(at)
        try:
            with open(f"{at}/package.json", encoding="utf-8") as file:
                version = json.load(file).get("version")
        except (OSError, ValueError, AttributeError, RecursionError):
            continue
        return version if isinstance(version, str) else None
    return None


def _scope(home: Home, page: Installer, scope: str, project: str | None, ours: str | None) -> ScopeState:
    path = page.file(project)
    content = configuration.read(path)
    there = None if content is None else page.found(content, path)
    if content is None or there is None:
        return ScopeState(scope, path, ABSENT)
    call = min(there.calls)
    trust = page.TRUST
    trusted = None if trust is None else is_given(Receipts(home), trust, path, content)
    problems = list(page.notes(content, project))
    if not os.access(call.program, os.X_OK):
        problems.append(f"{call.program}, which the hooks start, is not there")
    elif trusted is False:
        problems.append("the agent has not been told to trust them, and passes them over")
    state = OUTDATED if not there.is_complete else OTHER if ours and call.program != ours else INSTALLED
    return ScopeState(scope, path, state, call.program, call.every_tool, trusted, "; ".join(problems) or None)


def _looked_at(home: Home, page: Installer, scope: str, project: str | None, ours: str | None) -> ScopeState:
    try:
        return _scope(home, page, scope, project, ours)
    except RolloutsError as error:
        return ScopeState(scope, page.file(project), UNREADABLE, problem=f"cannot be read: {error}")


def state(
    home: Home, directory: str | None, *, names: Iterable[str] = agents.NAMES, ours: str | None = None
) -> list[AgentState]:
    """How it stands with each agent; takes milliseconds, starts nothing, and raises nothing for what it finds.

    Args:
        home: where receipts are kept.
        directory: the project whose files are looked at beside the user's; None for none.
        names: the agents.
        ours: the `rollouts` program that hooks should start; None when that does not matter.

    Raises:
        RolloutsError: a name is no agent's.
    """
    found = []
    for name in dict.fromkeys(map(agents.canonical, names)):
        page = agents.installer(name)
        program = shutil.which(page.PROGRAM)
        scopes = [_looked_at(home, page, "user", None, ours)]
        if directory is not None and page.file(directory) != page.file(None):
            scopes.append(_looked_at(home, page, "project", directory, ours))
        folder = page.folder() if os.path.isdir(page.folder()) else None
        found.append(AgentState(name, program, program and _version(program), folder, tuple(scopes)))
    return found
