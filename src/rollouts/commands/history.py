"""list, log."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from rollouts import paths
from rollouts.commands import capture, output
from rollouts.commands.options import AsJson, Safety, Session
from rollouts.commands.selecting import session_id
from rollouts.contracts.remote_url import without_credentials
from rollouts.errors import RolloutsError
from rollouts.models import Session as SessionRecord
from rollouts.models import Snapshot, Workspace, safety_session
from rollouts.storage import changes, opening, sizes
from rollouts.storage.archive import Archive
from rollouts.storage.changes import Change


def _session_json(session: SessionRecord) -> dict[str, object]:
    return {
        "session_id": session.session_id,
        "agent": session.agent,
        "title": None,
        "snapshots": session.snapshots,
        "first": session.first,
        "last": session.last,
    }


def _workspace_json(workspace: Workspace, sessions: list[SessionRecord], size: int) -> dict[str, object]:
    own = [session for session in sessions if session.workspace_id == workspace.id]
    return {
        "id": workspace.id,
        **output.path_fields(workspace.root_path, "root_path"),
        "remote_url": None if workspace.remote_url is None else without_credentials(workspace.remote_url),
        "snapshots": sum(session.snapshots for session in own),
        "bytes": size,
        "sessions": [_session_json(session) for session in own],
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
        taken = {record.id: sizes.estimated(home.home.workspace(record.id)) for record in chosen}
    if as_json:
        found = [capture.as_json(row) for row in snapshots] if session else None
        documents = [_workspace_json(record, sessions, taken[record.id]) for record in chosen]
        output.document({"workspaces": documents}, snapshots=found)
    elif session:
        _print_snapshots(snapshots)
    elif output.is_narrow() and chosen:
        _print_by_workspace(chosen, sessions, taken)
    else:
        _print_sessions(chosen, sessions, taken)


def _title(session: SessionRecord) -> str:
    return f"{session.session_id} ({session.agent})" if session.agent else session.session_id


def _print_sessions(workspaces: list[Workspace], sessions: list[SessionRecord], taken: dict[str, int]) -> None:
    rows = []
    for workspace in workspaces:
        size = output.size(taken[workspace.id])
        own = [row for row in sessions if row.workspace_id == workspace.id]
        for row in own:
            times = (output.minute(row.first), output.minute(row.last))
            rows.append((workspace.root_path, _title(row), str(row.snapshots), *times, size))
        if not own:
            rows.append((workspace.root_path, "-", "0", "-", "-", size))
    count = sum(row.workspace_id in taken for row in sessions)
    headings = (f"Workspace ({len(workspaces)})", f"Session ({count})", "Snapshots", "First", "Last", "Disk")
    output.table(headings, rows, right=(2, 5), fold=(0, 1))


def _print_by_workspace(workspaces: list[Workspace], sessions: list[SessionRecord], taken: dict[str, int]) -> None:
    """The same for a narrow terminal, where a path and a session's id have no room beside each other."""
    for number, workspace in enumerate(workspaces):
        if number:
            output.line("")
        output.line(f"{capture.shown(workspace.root_path)} ({output.size(taken[workspace.id])})")
        own = [row for row in sessions if row.workspace_id == workspace.id]
        rows = [(_title(row), str(row.snapshots), output.minute(row.last)) for row in own]
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


def _prompt(snapshot: Snapshot) -> str | None:
    """The first line of what the user asked for, when the metadata has it."""
    try:
        metadata = json.loads(snapshot.metadata)
    except ValueError:  # agent-rollouts 0.1 took anything
        return None
    prompt = metadata.get("prompt") if isinstance(metadata, dict) else None
    if not isinstance(prompt, str):
        return None
    first = prompt.strip().partition("\n")[0].rstrip()
    return first.encode(errors="replace").decode()


def _turn_json(snapshot: Snapshot, change: Change | None) -> dict[str, object]:
    return {
        "id": snapshot.id,
        "session_id": snapshot.session_id,
        "message_id": snapshot.message_id,
        "captured_at": snapshot.captured_at,
        "agent": snapshot.agent,
        "prompt": _prompt(snapshot),
        "files_changed": change and change.files,
        "insertions": change and change.insertions,
        "deletions": change and change.deletions,
    }


def _workspace(home: Archive, path: str | None, session: str | None) -> Workspace:
    """The workspace that is named, else that of the session, else the one that is here."""
    if session is None:
        return home.registered(path or ".")
    owner = home.catalog.workspace_of_session(session)
    if owner is None or (path is not None and home.registered(path) != owner):
        raise RolloutsError(f"no turns found for session {session!r}; `rollouts list` shows the sessions")
    return owner


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
    session_id(session)
    with opening.opened_for_reading(paths.home()) as home:
        output.warn(home.notes)
        record = _workspace(home, workspace, session)
        hidden = None if safety or session is not None else safety_session(record.id)
        turns = [row for row in home.catalog.snapshots(record.id, session) if row.session_id != hidden]
        with home.reading(record):
            changed = changes.since_the_turn_before(home.catalog, home.store(record.id), turns)
    turns.reverse()
    if as_json:
        output.document({"turns": [_turn_json(row, changed.get(row.id)) for row in turns]})
    else:
        _print(turns, changed)


def _print(turns: list[Snapshot], changed: dict[str, Change]) -> None:
    several = len({row.session_id for row in turns}) > 1
    rows = []
    for row in turns:
        change = changed.get(row.id)
        figures = ("-", "-") if change is None else (str(change.files), f"+{change.insertions} -{change.deletions}")
        facts = (row.message_id, output.minute(row.captured_at), row.agent or "-", *figures)
        rows.append((row.session_id, *facts, output.short(row.id), _prompt(row) or "")[not several :])
    headings = ("Session", "Message", "Time", "Agent", "Files", "+/-", "Snapshot", "Prompt")[not several :]
    first = int(several)
    output.table(headings, rows, right=(first + 3, first + 4), cut=(*range(first + 1), first + 2, first + 6))
