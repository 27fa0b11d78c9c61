"""remote set, clear, show."""

from __future__ import annotations

from typing import Annotated

import typer

from rollouts import paths
from rollouts.commands import capture, output
from rollouts.commands.options import AsJson, Workspace
from rollouts.contracts.archive_url import checked
from rollouts.contracts.remote_url import without_credentials
from rollouts.errors import UsageError
from rollouts.models import Workspace as Row
from rollouts.storage import opening


def set_(
    url: Annotated[str, typer.Option("--url", metavar="URL", help="A bare repository: URL, scp-like or a path.")],
    workspace: Workspace = ".",
) -> None:
    """Say where a workspace's archive is.

    The repository need not be there yet. A workspace that is new is registered.

    Example: rollouts remote set --url git@example.com:me/project-turns.git
    """
    where = checked(url)
    with opening.opened(paths.home()) as home:
        output.warn(home.notes)
        record = home.register(home.locate(workspace))
        with home.catalog as catalog:
            catalog.set_remote(record.id, where)
    output.line("Configured remote URL")
    output.line(f"workspace: {capture.shown(record.root_path)}")


def clear(
    workspace: Annotated[
        str | None, typer.Argument(metavar="WORKSPACE", help="Any path in the workspace.", show_default="here")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Of all workspaces.")] = False,
) -> None:
    """Forget where a workspace's archive is.

    The archive itself stays as it is.

    Example: rollouts remote clear
    """
    if everything and workspace is not None:
        raise UsageError("--all cannot be combined with WORKSPACE")
    with opening.opened(paths.home()) as home:
        output.warn(home.notes)
        records = home.catalog.workspaces() if everything else [home.registered(workspace or ".")]
        had = [record for record in records if record.remote_url is not None]
        with home.catalog as catalog:
            for record in had:
                catalog.set_remote(record.id, None)
    if everything:
        output.line(f"Cleared workspace remotes {len(had)}")
    else:
        output.line("Cleared workspace remote")
        output.line(f"workspace: {capture.shown(records[0].root_path)}")


def _json(record: Row) -> dict[str, object]:
    url = record.remote_url
    where = {"remote_url": None if url is None else without_credentials(url)}
    return {"id": record.id, **output.path_fields(record.root_path, "root_path"), **where}


def show(as_json: AsJson = False) -> None:
    """Show each workspace's archive.

    Passwords and tokens in URLs are left out.

    Example: rollouts remote show
    """
    with opening.opened_for_reading(paths.home()) as home:
        output.warn(home.notes)
        records = home.catalog.workspaces()
    if as_json:
        output.document({"workspaces": [_json(record) for record in records]})
        return
    rows = [(record.root_path, without_credentials(record.remote_url or "-")) for record in records]
    output.table((f"Workspace ({len(rows)})", "Archive"), rows, fold=(0, 1))
