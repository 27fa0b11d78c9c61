"""snapshot, restore, delete."""

from __future__ import annotations

from typing import Annotated

import typer

from rollouts import deletion, paths
from rollouts.commands import capture, checkout, output, replace
from rollouts.commands.options import AsJson, DryRun, Message, Session, SnapshotId, Timeout, Workspace, Yes
from rollouts.commands.selecting import several
from rollouts.models import Selection
from rollouts.storage import opening


def snapshot(
    session: Annotated[str, typer.Option("--session", metavar="ID", help="The conversation, by the agent's own id.")],
    message: Annotated[str, typer.Option("--message", metavar="ID", help="The turn in the conversation.")],
    metadata: Annotated[
        str, typer.Option("--metadata", metavar="JSON", help="A JSON object: inline, - for stdin, or @FILE.")
    ],
    workspace: Workspace = ".",
    agent: Annotated[str | None, typer.Option("--agent", metavar="NAME", help="Which agent takes the turn.")] = None,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing when all is well.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also capture your home directory or what is above it.")
    ] = False,
) -> None:
    """Store the workspace, byte for byte, at this turn.

    The same session and message again prints the snapshot that is there.

    Example: rollouts snapshot . --session S --message M --metadata '{}'
    """
    request = capture.Request(session, message, metadata, workspace, agent, as_json, quiet, force)
    raise typer.Exit(capture.snapshot(request))


def restore(
    workspace: Workspace = ".",
    destination: Annotated[
        str | None, typer.Option("--dest", metavar="DIR", help="A directory that is not there yet.")
    ] = None,
    session: Session = None,
    message: Message = None,
    snapshot: SnapshotId = None,
    globs: Annotated[
        list[str] | None, typer.Option("--path", metavar="GLOB", help="Only these paths (repeatable).")
    ] = None,
    url: Annotated[
        str | None, typer.Option("--repo", metavar="URL", help="Straight from this archive; one tag is fetched.")
    ] = None,
    timeout: Timeout = None,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Change the workspace itself; `undo` takes it back.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    verify: Annotated[bool, typer.Option("--verify", help="Read back and hash what was written.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a stored turn to a directory, or back in place.

    In place, only differing files change; files that the turn does not know stay. A snapshot is taken first.

    Example: rollouts restore --session S --message latest --dest /tmp/turn
    """
    place = (destination, workspace)
    request = checkout.Request(
        *place, session, message, snapshot, globs or [], verify, as_json, in_place, dry_run, yes, url, timeout
    )
    raise typer.Exit(checkout.restore(request))


def undo(
    workspace: Workspace = ".",
    dry_run: DryRun = False,
    yes: Yes = False,
    verify: Annotated[bool, typer.Option("--verify", help="Read back and hash what was written.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take back the last restore in place.

    The workspace is as it was before. Undo again, and that is taken back.

    Example: rollouts undo --yes
    """
    wanted = replace.Wanted(verify=verify, dry_run=dry_run, yes=yes, as_json=as_json)
    raise typer.Exit(replace.undo(workspace, wanted))


def _question(selection: Selection, doomed: deletion.Doomed) -> str:
    if selection.everything:
        return f"Delete all Rollouts data in {paths.home().path}: {len(doomed.snapshots)} snapshots of all workspaces?"
    if doomed.workspace is None:
        return f"Delete the transcript of session {selection.session_id!r}, which has no snapshots?"
    root = doomed.workspace.root_path
    if selection.session_id is None and selection.snapshot_id is None:
        return f"Delete workspace data for {root}: {len(doomed.snapshots)} snapshots?"
    if len(doomed.snapshots) == 1:
        turn = doomed.snapshots[0]
        return f"Delete the snapshot of session {turn.session_id!r}, message {turn.message_id!r} of {root}?"
    return f"Delete {len(doomed.snapshots)} snapshots of session {selection.session_id!r} of {root}?"


def delete(
    workspace: Workspace = ".",
    session: Session = None,
    message: Message = None,
    snapshot: SnapshotId = None,
    everything: Annotated[bool, typer.Option("--all", help="All Rollouts data of this home.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Delete a turn, a session, a workspace's data or all.

    Example: rollouts delete --session S --yes
    """
    selection = several(workspace, session, message, snapshot, everything=everything)
    home = paths.home()
    with opening.opened_for_reading(home) as opened:
        output.warn(opened.notes)
        doomed = deletion.plan(opened, selection)
    if not output.confirm(_question(selection, doomed), yes=yes):
        output.line("Cancelled.")
        raise typer.Exit(1)
    if snapshot is not None or message is not None:
        selection = Selection(workspace, snapshot_id=doomed.snapshots[0].id)  # what was asked about, come what may
    count = deletion.carry_out(home, selection)
    root = doomed.workspace.root_path if doomed.workspace else home.path
    if as_json:
        output.document({"deleted_snapshots": count, "all": everything, **output.path_fields(root)})
    elif everything:
        output.line(f"Deleted all Rollouts data {home.path}")
    elif session is None and snapshot is None:
        output.line(f"Deleted workspace data {capture.shown(root)}")
        output.line(f"snapshots deleted: {count}")
    else:
        output.line(f"Deleted snapshots {count}")
        for name, value in (("session", session), ("message", message), ("snapshot", snapshot)):
            if value is not None:
                output.line(f"{name}: {capture.shown(value)}")
