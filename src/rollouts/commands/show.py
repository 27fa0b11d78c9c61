"""show."""

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
from rollouts.contracts.strict_json import dump
from rollouts.errors import UsageError
from rollouts.models import Snapshot, Workspace
from rollouts.storage import changes, comparing, opening
from rollouts.storage.archive import Archive
from rollouts.storage.comparing import Side
from rollouts.storage.git_store import Entry


def _check(*, forms: int, files: bool, path: str | None, cat: bool) -> None:
    """Refuses options that exclude each other.

    Raises:
        UsageError: there are such.
    """
    if (path is not None) != cat:
        raise UsageError("--path and --cat go together: --path P --cat prints the file P")
    if forms + cat > 1 or (files and cat):
        raise UsageError("--stat, --patch, --json and --cat exclude each other, --files and --cat as well")
    if not path and cat:
        raise UsageError("--path needs the path of a file, as --files lists it")


def _as_json(record: Workspace, row: Snapshot, entries: list[Entry] | None) -> str:
    listed = [{**named(entry.path), "mode": entry.mode.decode(), "oid": entry.oid.decode()} for entry in entries or []]
    listing = {} if entries is None else {"listing": listed}
    more = dump(output.path_fields(record.root_path, "root_path") | listing)
    return f"{capture.as_json(row)[:-1]},{more[1:]}"


def _facts(record: Workspace, row: Snapshot) -> list[str]:
    """What is known of a turn, a line each."""
    vcs = json.loads(row.vcs)
    values = (
        ("agent", row.agent),
        ("branch", vcs.get("branch")),
        ("head", vcs.get("head_commit")),
        ("files", row.files),
        ("new bytes", row.bytes_new),
        ("metadata", row.metadata),
    )
    found = [
        *capture.lines("Snapshot", row),
        f"captured at: {row.captured_at}",
        f"workspace: {capture.shown(record.root_path)}",
        *(f"{name}: {capture.shown(str(value))}" for name, value in values if value is not None),
    ]
    for entry in json.loads(row.skipped or "[]"):
        where = entry.get("path") or f"(base64) {entry.get('path_b64')}"
        amount = "" if entry.get("size") is None else f", {output.size(entry['size'])}"
        found.append(f"skipped: {capture.shown(where)} ({entry['reason']}{amount})")
    return found


def _sides(home: Archive, row: Snapshot) -> tuple[Side, Side]:
    """What a turn's changes lie between: the turn before it in its session, or no files at all, and itself."""
    store = home.store(row.workspace_id)
    earlier = changes.before(home.catalog.snapshots(row.workspace_id, row.session_id)).get(row.id)
    after = comparing.side(store, row)
    return comparing.side(store, earlier) if earlier else Side(store, comparing.EMPTY_TREE), after


def show(
    snapshot: Annotated[str | None, typer.Argument(metavar="SNAPSHOT", help=NAME)] = None,
    session: Session = None,
    message: Message = None,
    workspace: Annotated[str, typer.Option("--workspace", metavar="DIR", help="With --session: any path in it.")] = ".",
    stat: Annotated[bool, typer.Option("--stat", help="Also how much changed since the turn before.")] = False,
    patch: Annotated[bool, typer.Option("--patch", help="Also what changed since the turn before.")] = False,
    files: Annotated[bool, typer.Option("--files", help="List the files as well.")] = False,
    path: Annotated[str | None, typer.Option("--path", metavar="P", help="With --cat: a file of the turn.")] = None,
    cat: Annotated[bool, typer.Option("--cat", help="Print only that file's bytes, or a link's target.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show one turn, and what it had to skip.

    Changes are since the turn before it in its session; the first turn's since an empty directory.

    Example: rollouts show S:latest --stat
    """
    selection = one_snapshot(workspace, session, message, snapshot)
    _check(forms=stat + patch + as_json, files=files, path=path, cat=cat)
    with opening.opened_for_reading(paths.home()) as home:
        output.warn(home.notes)
        record, row = home.find(selection)
        with home.reading(record):
            store = home.store(record.id)
            if path is not None:
                comparing.print_file(store, comparing.side(store, row).tree, path)
                return
            entries = store.entries(row.store_commit_sha) if files else None
            if as_json:
                output.line(_as_json(record, row, entries))
                return
            sides = _sides(home, row) if stat or patch else None
            for text in _facts(record, row):
                output.line(text)
            for entry in entries or []:
                output.line(capture.shown(f"{entry.mode.decode()} {os.fsdecode(entry.path)}"))
            if sides:
                output.line("")
                look = output.look(comparing.STAT if stat else comparing.PATCH, paged=False)
                comparing.print_difference(*sides, (), look)
