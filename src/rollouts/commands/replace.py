"""`restore --in-place` and `undo`: the plan, the question, what was done to each path."""

from __future__ import annotations

import os
from collections.abc import Sequence

from rollouts import inplace, paths
from rollouts.commands import capture, output
from rollouts.contracts.commit import named
from rollouts.inplace import Aim, Result
from rollouts.models import Selection, Workspace
from rollouts.record import Record
from rollouts.storage import opening
from rollouts.storage.archive import Archive
from rollouts.storage.planning import CREATED, DELETED, REPLACED


class Wanted(Record):
    """The options of both commands."""

    globs: Sequence[str] = ()
    verify: bool = False
    dry_run: bool = False
    yes: bool = False
    as_json: bool = False


def _in_sum(result: Result) -> str:
    """How many paths change in which way."""
    counts: dict[str, int] = {}
    for change in result.changes:
        counts[change.action] = counts.get(change.action, 0) + 1
    return ", ".join(f"{count} {action}" for action, count in counts.items())


def _document(result: Result, *, dry_run: bool) -> dict[str, object]:
    row = result.snapshot
    files = sum(change.action in {CREATED, REPLACED, DELETED} for change in result.changes)
    return {
        "snapshot_id": row.id,
        "session_id": row.session_id,
        "message_id": row.message_id,
        "store_commit_sha": row.store_commit_sha,
        **output.path_fields(result.workspace.root_path, "destination"),
        "files": files,
        "dry_run": dry_run,
        "safety_snapshot_id": result.safety.id if result.safety else None,
        "changes": [{**named(change.path), "action": change.action} for change in result.changes],
        "skipped": [{**named(skip.path), "reason": skip.reason} for skip in result.skipped],
    }


def _print(result: Result, first: str) -> None:
    for text in [*capture.lines(first, result.snapshot), f"destination: {capture.shown(result.workspace.root_path)}"]:
        output.line(text)
    for change in result.changes:
        output.line(capture.shown(f"{change.action}: {os.fsdecode(change.path)}"))
    for skip in result.skipped:
        output.line(capture.shown(f"skipped: {os.fsdecode(skip.path)} ({skip.reason})"))
    if not result.changes:
        output.line("nothing to change")
    if result.safety:
        output.line(f"safety snapshot: {result.safety.id}")


def _run(home: Archive, workspace: Workspace, aim: Aim, wanted: Wanted) -> int:
    planned = inplace.change(home, workspace, aim, dry_run=True)
    undoing = aim.undone is not None
    verb = "Undo the last restore in" if undoing else "Restore in place"
    question = f"{verb} {workspace.root_path}: {_in_sum(planned)}?"
    result = planned
    if planned.changes and not wanted.dry_run:
        if not output.confirm(question, yes=wanted.yes, warning="`rollouts undo` takes it back."):
            output.line("Cancelled.")
            return 1
        result = inplace.change(home, workspace, aim, dry_run=False, verify=wanted.verify)
    output.warn([*home.notes, *result.notes])
    if wanted.as_json:
        output.document(_document(result, dry_run=wanted.dry_run))
    else:
        done = "Undone to snapshot" if undoing else "Restored snapshot"
        _print(result, "Would restore snapshot" if wanted.dry_run else done)
    if result.skipped and not wanted.dry_run:
        output.say(f"Error: {len(result.skipped)} paths could not be restored; they are listed as skipped")
        return 1
    return 0


def restore(selection: Selection, wanted: Wanted) -> int:
    """Restores a snapshot in its own workspace. Returns the exit code: 1 when paths had to be skipped.

    Raises:
        RolloutsError: refused, or failed; `rollouts undo` takes back what was done by then.
    """
    with opening.opened(paths.home()) as home:
        workspace, snapshot = home.find(selection)
        return _run(home, workspace, Aim(snapshot, wanted.globs, None), wanted)


def undo(path: str, wanted: Wanted) -> int:
    """Takes back the last restore (or undo) in a workspace. Returns the exit code: 1 when paths had to be skipped.

    Raises:
        RolloutsError: there is nothing to undo, or it failed.
    """
    with opening.opened(paths.home()) as home:
        workspace = home.registered(path)
        return _run(home, workspace, inplace.last_operation(home, workspace), wanted)
