"""setup."""

from __future__ import annotations

import os
from enum import Enum
from typing import Annotated

import typer

from rollouts import agents, paths
from rollouts import setup as setting_up
from rollouts.agents.installing import Call
from rollouts.commands import capture, output, standing
from rollouts.commands.options import AsJson, DryRun
from rollouts.errors import UsageError
from rollouts.setup import AgentState, Change, Result, program

_DONE = {
    "installed": ("installed", "would install"),
    "updated": ("updated", "would update"),
    "already": ("already installed", "already installed"),
    "removed": ("removed", "would remove"),
    "absent": ("not installed", "not installed"),
    "failed": ("failed", "failed"),
}


class Scope(Enum):
    """For whom hooks are installed."""

    USER = "user"
    PROJECT = "project"


def _diff(change: Change) -> list[str]:
    import difflib  # noqa: PLC0415 - only for --dry-run

    before, after = ((side or b"").decode(errors="replace").splitlines() for side in (change.before, change.after))
    old = "/dev/null" if change.before is None else change.path
    new = "/dev/null" if change.after is None else change.path
    return list(difflib.unified_diff(before, after, old, new, lineterm=""))


def _print(result: Result, *, dry_run: bool) -> None:
    output.line(f"{result.agent}: {_DONE[result.action][dry_run]}: {capture.shown(result.file)}")
    for change in result.changes if dry_run else ():
        for line in _diff(change):
            output.line(f"  {capture.shown(line)}")
    for note in result.notes:
        output.line(f"  {capture.shown(note)}")


def _json(result: Result, scope: str) -> dict[str, object]:
    return {
        "agent": result.agent,
        "scope": scope,
        **output.path_fields(result.file, "file"),
        "action": result.action,
        "changed": [os.fsencode(change.path).decode(errors="replace") for change in result.changes],
        "notes": list(result.notes),
        "error": result.error,
    }


def _print_status(found: AgentState) -> None:
    version = f" {found.version}" if found.version else ""
    where = f"{found.program}{version}" if found.program else "no program on PATH" if found.folder else "not found"
    output.line(f"{found.agent}: {capture.shown(where)}")
    for scope in found.scopes:
        if scope.scope == "project" and scope.state == "absent":
            continue
        words = scope.state
        if scope.program:
            words += f", {scope.program}" + (" --every-tool" if scope.every_tool else "")
        if scope.trusted is not None:
            words += ", trusted" if scope.trusted else ", not trusted"
        output.line(f"  {scope.scope}: {capture.shown(words)}: {capture.shown(scope.file)}")
        if scope.problem:
            output.line(f"    {capture.shown(scope.problem)}")
    if sum(scope.program is not None for scope in found.scopes) > 1:
        output.line("    both scopes have hooks: each event calls Rollouts twice")


def _status(names: list[str], directory: str, *, as_json: bool) -> None:
    found = setting_up.state(paths.home(), directory, names=names or agents.NAMES, ours=program.path())
    if as_json:
        output.document({"agents": [standing.document(agent) for agent in found]})
        return
    for agent in found:
        _print_status(agent)


def _report(results: list[Result], scope: str, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        output.document({"dry_run": dry_run, "agents": [_json(result, scope) for result in results]})
    else:
        for result in results:
            _print(result, dry_run=dry_run)
    for result in results:
        if result.error:
            output.say(f"Error: {capture.shown(result.error)}")
    raise typer.Exit(1 if any(result.error for result in results) else 0)


def _checked(workspace: str | None, scope: Scope) -> str:
    if workspace is not None and scope is not Scope.PROJECT:
        raise UsageError("--workspace needs --scope project; the user's hooks run in every directory")
    directory = os.path.abspath(workspace or ".")
    if not os.path.isdir(directory):
        raise UsageError(f"Directory '{workspace}' {'is a file' if os.path.lexists(directory) else 'does not exist'}.")
    return directory


def setup(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="AGENT", help="claude-code, codex or opencode.", show_default="all")
    ] = None,
    scope: Annotated[Scope, typer.Option("--scope", help="For all your projects, or for one.")] = Scope.USER,
    workspace: Annotated[
        str | None, typer.Option("--workspace", metavar="DIR", help="With --scope project: which one (here).")
    ] = None,
    every_tool: Annotated[bool, typer.Option("--every-tool", help="Capture after each tool call as well.")] = False,
    trust: Annotated[bool, typer.Option("--trust", help="Tell codex to trust the hooks.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take the hooks out again.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Only say how it stands.")] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Tell your coding agents to call Rollouts.

    Installs hooks in the agents' own configuration, of all agents that are found or of those that are named. Nothing
    else in those files changes, and --remove gives back every byte.

    Example: rollouts setup
    """
    if (remove or status) and (every_tool or trust):
        raise UsageError("--every-tool and --trust are for installing; they do not go with --remove or --status")
    if status and (remove or dry_run):
        raise UsageError("--status changes nothing; it does not go with --remove or --dry-run")
    named = list(names or [])
    directory = _checked(workspace, Scope.PROJECT if status else scope)
    if status:
        _status(named, directory, as_json=as_json)
        return
    project = directory if scope is Scope.PROJECT else None
    if remove:
        results = list(setting_up.remove(paths.home(), named, project=project, dry_run=dry_run))
    else:
        found, ours = setting_up.present(named), program.path()
        output.warn(program.doubts(ours))
        results = list(
            setting_up.install(
                paths.home(),
                found,
                project=project,
                directory=directory,
                call=Call(ours, every_tool),
                trust=trust,
                dry_run=dry_run,
            )
        )
    _report(results, scope.value, dry_run=dry_run, as_json=as_json)
