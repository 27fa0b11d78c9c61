"""Tells coding agents to call Rollouts, takes that back, and says how it stands: planned first, then done."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator

from rollouts import agents
from rollouts.agents import configuration
from rollouts.agents.agent import Installer
from rollouts.agents.installing import Call, Installed, Retention
from rollouts.agents.receipts import Receipts
from rollouts.errors import RolloutsError
from rollouts.paths import Home
from rollouts.setup import consent, program
from rollouts.setup.change import Change, Result, given_back, make, planned, undone
from rollouts.setup.standing import AgentState, ScopeState, state

__all__ = [
    "AgentState",
    "Change",
    "Result",
    "ScopeState",
    "install",
    "present",
    "program",
    "remove",
    "retentions",
    "state",
]

USER, PROJECT = "user", "project"
INSTALLED, UPDATED, ALREADY, REMOVED, ABSENT, FAILED = "installed", "updated", "already", "removed", "absent", "failed"


def _is_present(page: Installer) -> bool:
    return shutil.which(page.PROGRAM) is not None or os.path.isdir(page.folder())


def present(names: Iterable[str]) -> list[str]:
    """The agents that are on this machine: those that are named, else all.

    Raises:
        RolloutsError: one that is named is not there, or none is.
    """
    named = list(dict.fromkeys(agents.canonical(name) for name in names))
    pages = {name: agents.installer(name) for name in named or agents.NAMES}
    found = [name for name, page in pages.items() if _is_present(page)]
    sought = [f"`{page.PROGRAM}` on PATH or {page.folder()}" for name, page in pages.items() if name not in found]
    if named and len(found) < len(named):
        missing = ", ".join(name for name in named if name not in found)
        raise RolloutsError(f"not installed: {missing} (looked for {'; '.join(sought)}); install it and try again")
    if not found:
        raise RolloutsError(f"no coding agent was found (looked for {'; '.join(sought)}); install one and try again")
    return found


def _here(page: Installer, path: str) -> Installed | None:
    """Our hooks in a file; None when it has none or cannot be read."""
    try:
        content = configuration.read(path)
        return None if content is None else page.found(content, path)
    except RolloutsError:
        return None


def _twice(page: Installer, project: str | None, directory: str) -> str | None:
    """What is wrong when the other scope has hooks of ours as well.

    Raises:
        RolloutsError: the user's are there, and run in each project.
    """
    if os.path.realpath(page.file(None)) == os.path.realpath(page.file(directory)):
        return None
    if project is None:
        other = page.file(directory)
        advice = "there each event calls Rollouts twice; `rollouts setup --remove --scope project` there removes them"
        return f"{other} has hooks of Rollouts as well: {advice}" if _here(page, other) else None
    if _here(page, page.file(None)):
        raise RolloutsError(
            f"{page.file(None)} has the hooks already, which run in each project: with both, each event would call "
            f"Rollouts twice; remove those first (`rollouts setup {page.PROGRAM} --remove`)"
        )
    return None


def _installed(home: Home, name: str, project: str | None, directory: str, call: Call, *, dry_run: bool) -> Result:
    page, receipts = agents.installer(name), Receipts(home)
    path = page.file(project)
    notes = [note for note in [_twice(page, project, directory)] if note]
    current = configuration.read(path)
    there = None if current is None else page.found(current, path)
    if there and there.is_complete and there.calls == {call}:
        return Result(name, path, ALREADY, (*notes, *page.notes(current, project)))
    change = planned(receipts, path, current, page.installed(current, call, path))
    if not dry_run:
        make(receipts, change)
    action = UPDATED if there else INSTALLED
    return Result(name, path, action, (*notes, *page.notes(change.after, project)), (change,))


def install(
    home: Home, names: Iterable[str], *, project: str | None, directory: str, call: Call, trust: bool, dry_run: bool
) -> Iterator[Result]:
    """Puts our hooks in, one agent after the other; one that fails keeps no other back.

    Args:
        home: where receipts are kept.
        names: the agents.
        project: the directory whose hooks these are to be; None for the user's.
        directory: where agents are started, as far as that is known.
        call: what the hooks are to start.
        trust: also record in the agent's own files that the hooks may run, where it wants that.
        dry_run: change nothing.
    """
    for name in names:
        path = agents.installer(name).file(project)
        try:
            result = _installed(home, name, project, directory, call, dry_run=dry_run)
        except RolloutsError as error:
            yield Result(name, path, FAILED, error=str(error))
            continue
        try:
            yield consent.settled(home, result, directory, call, trust=trust, dry_run=dry_run)
        except RolloutsError as error:
            yield result._replace(error=str(error))


def _removed(home: Home, name: str, project: str | None, *, dry_run: bool) -> Result:
    page, receipts = agents.installer(name), Receipts(home)
    path = page.file(project)
    current = configuration.read(path)
    changes = consent.withdrawn(page, receipts, path)  # first, for the folder of both may go with the hooks
    if current is not None and page.found(current, path):
        before = given_back(page, receipts, path, current)
        changes.append(
            before or undone(receipts, path, current, page.removed(current, path, made=receipts.is_made(path)))
        )
    if not dry_run:
        for change in changes:
            make(receipts, change)
        receipts.forget(path)
        consent.forget(page, receipts)
    return Result(name, path, REMOVED if changes else ABSENT, changes=tuple(changes))


def remove(home: Home, names: Iterable[str], *, project: str | None, dry_run: bool) -> Iterator[Result]:
    """Takes our hooks out again, also those of agents that are gone; one that fails keeps no other back."""
    for name in dict.fromkeys(map(agents.canonical, names)) or agents.NAMES:
        try:
            yield _removed(home, name, project, dry_run=dry_run)
        except RolloutsError as error:
            yield Result(name, agents.installer(name).file(project), FAILED, error=str(error))


def retentions() -> Iterator[tuple[str, Retention]]:
    """The agents on this machine that delete their own transcripts, and when."""
    for name in agents.NAMES:
        page = agents.installer(name)
        kept = page.retention() if _is_present(page) else None
        if kept:
            yield name, kept
