"""diff."""

from __future__ import annotations

import contextlib
from typing import Annotated

import typer

from rollouts import paths
from rollouts.commands import output
from rollouts.commands.options import NAME, AsJson
from rollouts.commands.selecting import named
from rollouts.contracts.commit import named as path_json
from rollouts.errors import RolloutsError, UsageError
from rollouts.models import Snapshot, Workspace
from rollouts.storage import comparing, opening
from rollouts.storage.archive import Archive
from rollouts.storage.comparing import FileChange, Side


def _file_json(change: FileChange) -> dict[str, object]:
    return {
        **path_json(change.path),
        **({} if change.old_path is None else path_json(change.old_path, "old_path")),
        "status": change.status,
        "old_mode": change.old_mode,
        "mode": change.mode,
        "insertions": change.insertions,
        "deletions": change.deletions,
    }


def _document(old: Snapshot, new: Snapshot | None, changes: list[FileChange]) -> dict[str, object]:
    return {
        "from": old.id,
        "to": None if new is None else new.id,
        "files": [_file_json(change) for change in changes],
        "files_changed": len(changes),
        "insertions": sum(change.insertions or 0 for change in changes),
        "deletions": sum(change.deletions or 0 for change in changes),
    }


def _now(home: Archive, record: Workspace) -> Side:
    """The files of a workspace as they are, in its store."""
    try:
        place = home.locate(record.root_path, force=True)
    except UsageError as error:
        raise RolloutsError(
            f"the workspace {record.root_path} is not there to compare with;"
            " if it moved: rollouts workspace move OLD NEW"
        ) from error
    return Side(home.store(record.id), home.tree_now(place, record).tree)


def diff(
    old: Annotated[str, typer.Argument(metavar="A", help=NAME)],
    new: Annotated[str | None, typer.Argument(metavar="B", help="The turn to compare A with, named likewise.")] = None,
    worktree: Annotated[bool, typer.Option("--worktree", help="Compare A with its workspace's files now.")] = False,
    globs: Annotated[
        list[str] | None, typer.Option("--path", metavar="GLOB", help="Only these paths (repeatable).")
    ] = None,
    stat: Annotated[bool, typer.Option("--stat", help="How much changed in each file.")] = False,
    name_status: Annotated[bool, typer.Option("--name-status", help="Only which files changed, and how.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what changed between two turns, or since one.

    Prints git's own patch; exits 0 whether or not anything differs.

    Example: rollouts diff S@1 S:latest --stat
    """
    if (new is None) != worktree:
        raise UsageError("name two turns, A and B, or one and --worktree")
    if stat + name_status + as_json > 1:
        raise UsageError("--stat, --name-status and --json exclude each other")
    if not all(glob.strip("/") for glob in globs or []):
        raise UsageError("--path needs a GLOB; without --path all is compared")
    wanted = [named(name) for name in (old, new) if name is not None]
    with opening.opened_for_reading(paths.home()) as home, contextlib.ExitStack() as held:
        output.warn(home.notes)
        record, first = home.find(wanted[0])
        owner, second = (record, None) if worktree else home.find(wanted[1])
        before = comparing.side(home.store(record.id), first)
        after = _now(home, record) if second is None else comparing.side(home.store(owner.id), second)
        for workspace in {record, owner}:
            held.enter_context(home.reading(workspace))
        if as_json:
            output.document(_document(first, second, comparing.files(before, after, globs or [])))
            return
        form = comparing.STAT if stat else comparing.NAME_STATUS if name_status else comparing.PATCH
        comparing.print_difference(before, after, globs or [], output.look(form, paged=True))
