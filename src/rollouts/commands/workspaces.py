"""workspace list, move, forget."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from rollouts import deletion, paths
from rollouts.commands import capture, output
from rollouts.commands.options import AsJson, Yes
from rollouts.models import Workspace
from rollouts.storage import opening, sizes


def list_(as_json: AsJson = False) -> None:
    """List the workspaces, also those whose directory is gone.

    Example: rollouts workspace list
    """
    with opening.opened_for_reading(paths.home()) as home:
        output.warn(home.notes)
        counts: dict[str, int] = {}
        for session in home.catalog.sessions():
            counts[session.workspace_id] = counts.get(session.workspace_id, 0) + session.snapshots
        found = [(row, sizes.estimated(home.home.workspace(row.id))) for row in home.catalog.workspaces()]
    if as_json:
        output.document({"workspaces": [_json(row, counts.get(row.id, 0), size) for row, size in found]})
        return
    rows = [
        (row.id, row.root_path, "" if os.path.isdir(row.root_path) else "gone", str(counts.get(row.id, 0)), disk)
        for row, disk in ((row, output.size(size)) for row, size in found)
    ]
    output.table(("Id", f"Workspace ({len(rows)})", "Directory", "Snapshots", "Disk"), rows, right=(3, 4))


def _json(row: Workspace, snapshots: int, size: int) -> dict[str, object]:
    return {
        "id": row.id,
        **output.path_fields(row.root_path, "root_path"),
        "exists": os.path.isdir(row.root_path),
        "snapshots": snapshots,
        "bytes": size,
    }


def move(
    old: Annotated[str, typer.Argument(metavar="OLD", help="Where the workspace was.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Where its directory is now.")],
) -> None:
    """Tell the catalog that a workspace's directory has moved.

    Example: rollouts workspace move ~/old/project ~/new/project
    """
    with opening.opened(paths.home()) as home:
        output.warn(home.notes)
        moved = home.move(old, new)
    output.line(f"Moved workspace {moved.root_path}")
    output.line(f"id: {moved.id}")


def forget(
    workspace: Annotated[str, typer.Argument(metavar="WORKSPACE", help="Its root directory, or its id.")],
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Delete all data of a workspace.

    Its directory, there or gone, is left alone.

    Example: rollouts workspace forget ~/old/project --yes
    """
    home = paths.home()
    with opening.opened_for_reading(home) as archive:
        output.warn(archive.notes)
        doomed = deletion.named_outright(archive, workspace)
        count = len(archive.catalog.snapshots(doomed.id))
    if not output.confirm(f"Forget workspace {doomed.root_path}: {count} snapshots?", yes=yes):
        output.line("Cancelled.")
        raise typer.Exit(1)
    deleted = deletion.forget(home, doomed)
    if as_json:
        output.document(
            {"id": doomed.id, **output.path_fields(doomed.root_path, "root_path"), "deleted_snapshots": deleted}
        )
    else:
        output.line(f"Forgot workspace {capture.shown(doomed.root_path)}")
        output.line(f"id: {doomed.id}")
        output.line(f"snapshots deleted: {deleted}")
