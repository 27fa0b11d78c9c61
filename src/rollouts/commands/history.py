"""list, log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from rollouts import paths
from rollouts.commands import capture, output, turns
from rollouts.commands.options import AsJson, Safety, Session
from rollouts.contracts.remote_url import without_credentials
from rollouts.errors import RolloutsError
from rollouts.models import Session as SessionRecord
from rollouts.models import Snapshot, Workspace, safety_session
from rollouts.storage import opening, sizes
from rollouts.storage import sessions as ingested
from rollouts.storage.archive import Archive

Titles = Mapping[str, tuple[str, str | None]]
"""Session -> its agent and title, of those that were read from their agents' files."""


def _session_json(session: SessionRecord, titles: Titles) -> dict[str, object]:
    agent, title = titles.get(session.session_id, (None, None))
    return {
        "session_id": session.session_id,
        "agent": session.agent or agent,
        "title": title,
        "snapshots": session.snapshots,
        "first": session.first,
        "last": session.last,
    }


def _workspace_json(
    workspace: Workspace, sessions: list[SessionRecord], size: int, titles: Titles
) -> dict[str, object]:
    own = [session for session in sessions if session.workspace_id == workspace.id]
    return {
        "id": workspace.id,
        **output.path_fields(workspace.root_path, "root_path"),
        "remote_url": None if workspace.remote_url is None else without_credentials(workspace.remote_url),
        "snapshots": sum(session.snapshots for session in own),
        "bytes": size,
        "sessions": [_session_json(session, titles) for session in own],
    }


def _sessions(home: Archive, session: str | None, *, safety: bool) -> list[SessionRecord]:
    """The sessions that are asked for; those of safety snapshots only when they are meant."""
    rows = home.catalog.sessions()
    if session is not None:
        return [row for row in rows if row.session_id == session]
    return [row for row in rows if safety or row.session_id != safety_session(row.workspace_id)]


def list_(
    workspace: Annotated[
        str | None, typer.Argument(metavar="WORKSPACE", help="Any path in a workspace; else all.")
    ] = None,
    session: Session = None,
    safety: Safety = False,
    as_json: AsJson = False,
) -> None:
    """List workspaces and sessions, or one session's turns.

    Example: rollouts list --session S
    """
    with opening.opened_for_reading(paths.home()) as home:
        output.warn(home.notes)
        chosen = [home.registered(workspace)] if workspace is not None else home.catalog.workspaces()
        sessions = _sessions(home, session, safety=safety)
        if session is not None:
            owners = {row.workspace_id for row in sessions}
            chosen = [row for row in chosen if row.id in owners]
            if not chosen:
                raise RolloutsError(f"no snapshots found for session {session!r}; `rollouts list` shows the sessions")
        snapshots = [row for record in chosen for row in home.catalog.snapshots(record.id, session)] if session else []
        titles = ingested.titles(home.catalog)
        taken = {record.id: sizes.estimated(home.home.workspace(record.id)) for record in chosen}
    if as_json:
        found = [capture.as_json(row) for row in snapshots] if session else None
        documents = [_workspace_json(record, sessions, taken[record.id], titles) for record in chosen]
        output.document({"workspaces": documents}, snapshots=found)
    elif session:
        _print_snapshots(snapshots)
    elif output.is_narrow() and chosen:
        _print_by_workspace(chosen, sessions, taken, titles)
    else:
        _print_sessions(chosen, sessions, taken, titles)


def _title(session: SessionRecord, titles: Titles) -> str:
    agent, title = titles.get(session.session_id, (None, None))
    agent = session.agent or agent
    name = f"{session.session_id} ({agent})" if agent else session.session_id
    return f"{name} {title}" if title else name


def _print_sessions(
    workspaces: list[Workspace], sessions: list[SessionRecord], taken: dict[str, int], titles: Titles
) -> None:
    rows = []
    for workspace in workspaces:
        size = output.size(taken[workspace.id])
        own = [row for row in sessions if row.workspace_id == workspace.id]
        for row in own:
            times = (output.minute(row.first), output.minute(row.last))
            rows.append((workspace.root_path, _title(row, titles), str(row.snapshots), *times, size))
        if not own:
            rows.append((workspace.root_path, "-", "0", "-", "-", size))
    count = sum(row.workspace_id in taken for row in sessions)
    headings = (f"Workspace ({len(workspaces)})", f"Session ({count})", "Snapshots", "First", "Last", "Disk")
    output.table(headings, rows, right=(2, 5), fold=(0, 1))


def _print_by_workspace(
    workspaces: list[Workspace], sessions: list[SessionRecord], taken: dict[str, int], titles: Titles
) -> None:
    """The same for a narrow terminal, where a path and a session's id have no room beside each other."""
    for number, workspace in enumerate(workspaces):
        if number:
            output.line("")
        output.line(f"{capture.shown(workspace.root_path)} ({output.size(taken[workspace.id])})")
        own = [row for row in sessions if row.workspace_id == workspace.id]
        rows = [(_title(row, titles), str(row.snapshots), output.minute(row.last)) for row in own]
        output.table(("Session", "Snapshots", "Last"), rows, right=(1,), fold=(0,))


def _print_snapshots(snapshots: list[Snapshot]) -> None:
    rows = [
        (
            output.short(row.id),
            row.message_id,
            output.minute(row.captured_at),
            "-" if row.files is None else str(row.files),
            output.size(row.bytes_new),
        )
        for row in snapshots
    ]
    output.table(("Snapshot", "Message", "Captured", "Files", "New"), rows, right=(3, 4), fold=(1,))


def log(
    workspace: Annotated[
        str | None,
        typer.Argument(metavar="WORKSPACE", help="Any path in the workspace.", show_default="here"),
    ] = None,
    session: Session = None,
    safety: Safety = False,
    as_json: AsJson = False,
) -> None:
    """List a workspace's turns, and what each changed.

    The newest comes first. Changes are counted since the turn before it in the session.

    Example: rollouts log --session S
    """
    raise typer.Exit(turns.log(turns.Request(workspace, session, safety, as_json)))
