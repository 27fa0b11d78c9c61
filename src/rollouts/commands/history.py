"""list, show."""

from __future__ import annotations

import json
import os
from typing import Annotated

import typer

from rollouts import paths
from rollouts.commands import capture, output
from rollouts.commands.options import NAME, AsJson, Message, Session
from rollouts.commands.selecting import one_snapshot
from rollouts.contracts.commit import named
from rollouts.contracts.remote_url import without_credentials
from rollouts.contracts.strict_json import dump
from rollouts.errors import RolloutsError
from rollouts.models import Session as SessionRecord
from rollouts.models import Snapshot, Workspace
from rollouts.storage import opening
from rollouts.storage.archive import Archive


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")


def _session_json(session: SessionRecord) -> dict[str, object]:
    return {
        "session_id": session.session_id,
        "agent": session.agent,
        "title": None,
        "snapshots": session.snapshots,
        "first": session.first,
        "last": session.last,
    }


def _workspace_json(home: Archive, workspace: Workspace, sessions: list[SessionRecord]) -> dict[str, object]:
    own = [session for session in sessions if session.workspace_id == workspace.id]
    return {
        "id": workspace.id,
        **output.path_fields(workspace.root_path, "root_path"),
        "remote_url": None if workspace.remote_url is None else without_credentials(workspace.remote_url),
        "snapshots": sum(session.snapshots for session in own),
        "bytes": home.store(workspace.id).bytes(),
        "sessions": [_session_json(session) for session in own],
    }


def list_(
    workspace: Annotated[
        str | None, typer.Argument(metavar="WORKSPACE", help="Any path in a workspace; else all.")
    ] = None,
    session: Session = None,
    as_json: AsJson = False,
) -> None:
    """List workspaces and sessions, or one session's turns.

    Example: rollouts list --session S
    """
    with opening.opened_for_reading(paths.home()) as home:
        output.warn(home.notes)
        chosen = [home.registered(workspace)] if workspace is not None else home.catalog.workspaces()
        sessions = [row for row in home.catalog.sessions() if session in {None, row.session_id}]
        if session is not None:
            owners = {row.workspace_id for row in sessions}
            chosen = [row for row in chosen if row.id in owners]
            if not chosen:
                raise RolloutsError(f"no snapshots found for session {session!r}; `rollouts list` shows the sessions")
        snapshots = [row for record in chosen for row in home.catalog.snapshots(record.id, session)] if session else []
        documents = [_workspace_json(home, record, sessions) for record in chosen] if as_json or not session else []
    if as_json:
        found = [capture.as_json(row) for row in snapshots] if session else None
        output.document({"workspaces": documents}, snapshots=found)
    elif session:
        _print_snapshots(snapshots)
    else:
        _print_sessions(chosen, sessions, {str(document["id"]): document["bytes"] for document in documents})


def _print_sessions(workspaces: list[Workspace], sessions: list[SessionRecord], sizes: dict[str, object]) -> None:
    rows = []
    for workspace in workspaces:
        taken = sizes[workspace.id]
        size = output.size(taken if isinstance(taken, int) else None)
        own = [row for row in sessions if row.workspace_id == workspace.id]
        for row in own:
            title = f"{row.session_id} ({row.agent})" if row.agent else row.session_id
            rows.append((workspace.root_path, title, str(row.snapshots), _minute(row.first), _minute(row.last), size))
        if not own:
            rows.append((workspace.root_path, "-", "0", "-", "-", size))
    count = sum(row.workspace_id in sizes for row in sessions)
    headings = (f"Workspace ({len(workspaces)})", f"Session ({count})", "Snapshots", "First", "Last", "Disk")
    output.table(headings, rows, right=(2, 5))


def _print_snapshots(snapshots: list[Snapshot]) -> None:
    rows = [
        (
            row.id,
            row.message_id,
            _minute(row.captured_at),
            "-" if row.files is None else str(row.files),
            output.size(row.bytes_new),
        )
        for row in snapshots
    ]
    output.table(("Snapshot", "Message", "Captured", "Files", "New"), rows, right=(3, 4))


def show(
    snapshot: Annotated[str | None, typer.Argument(metavar="SNAPSHOT", help=NAME)] = None,
    session: Session = None,
    message: Message = None,
    workspace: Annotated[str, typer.Option("--workspace", metavar="DIR", help="With --session: any path in it.")] = ".",
    files: Annotated[bool, typer.Option("--files", help="List the files as well.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show one turn, and what it had to skip.

    Example: rollouts show --session S --message latest --files
    """
    selection = one_snapshot(workspace, session, message, snapshot)
    with opening.opened_for_reading(paths.home()) as home:
        output.warn(home.notes)
        record, row = home.find(selection)
        entries = home.store(record.id).entries(row.store_commit_sha) if files else []
    if as_json:
        listed = [{**named(entry.path), "mode": entry.mode.decode(), "oid": entry.oid.decode()} for entry in entries]
        listing = {"listing": listed} if files else {}
        more = dump(output.path_fields(record.root_path, "root_path") | listing)
        output.line(f"{capture.as_json(row)[:-1]},{more[1:]}")
        return
    vcs = json.loads(row.vcs)
    for text in [
        *capture.lines("Snapshot", row),
        f"captured at: {row.captured_at}",
        f"workspace: {capture.shown(record.root_path)}",
    ]:
        output.line(text)
    for name, value in (
        ("agent", row.agent),
        ("branch", vcs.get("branch")),
        ("head", vcs.get("head_commit")),
        ("files", row.files),
        ("new bytes", row.bytes_new),
        ("metadata", row.metadata),
    ):
        if value is not None:
            output.line(f"{name}: {capture.shown(str(value))}")
    for entry in json.loads(row.skipped or "[]"):
        where = entry.get("path") or f"(base64) {entry.get('path_b64')}"
        amount = "" if entry.get("size") is None else f", {output.size(entry['size'])}"
        output.line(f"skipped: {capture.shown(where)} ({entry['reason']}{amount})")
    for entry in entries:
        output.line(capture.shown(f"{entry.mode.decode()} {os.fsdecode(entry.path)}"))
