"""`rollouts log`, but for Typer, which costs more to import than git needs for a thousand turns."""

from __future__ import annotations

from rollouts import paths
from rollouts.commands import output, plain
from rollouts.commands.selecting import session_id
from rollouts.contracts.strict_json import parse as parse_json
from rollouts.errors import RolloutsError
from rollouts.models import Snapshot, Workspace, safety_session
from rollouts.record import Record
from rollouts.storage import changes, opening
from rollouts.storage.archive import Archive
from rollouts.storage.changes import Change


class Request(Record):
    """The command line of `rollouts log`."""

    workspace: str | None = None
    session: str | None = None
    safety: bool = False
    as_json: bool = False


def parse(words: list[str]) -> Request | None:
    """Reads a plain, fully spelled command line; None for any other, which Typer then reads (or refuses)."""
    values = plain.read(words, {"--session": "session"}, {"--safety": "safety", "--json": "as_json"})
    return None if values is None else Request(**values)  # type: ignore[arg-type] # texts and booleans by their names


def _prompt(snapshot: Snapshot) -> str | None:
    """The first line of what the user asked for, when the metadata has it."""
    if '"prompt"' not in snapshot.metadata:
        return None
    try:
        metadata = parse_json(snapshot.metadata)
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


def log(request: Request) -> int:
    """Prints the turns of a workspace or a session, the newest first. Returns the exit code.

    Raises:
        RolloutsError: there is no such workspace or session, or its store lacks something.
    """
    session_id(request.session)
    with opening.opened_for_reading(paths.home()) as home:
        output.warn(home.notes)
        record = _workspace(home, request.workspace, request.session)
        hidden = None if request.safety or request.session is not None else safety_session(record.id)
        turns = [row for row in home.catalog.snapshots(record.id, request.session) if row.session_id != hidden]
        with home.reading(record):
            changed = changes.since_the_turn_before(home.catalog, home.store(record.id), turns)
    turns.reverse()
    if request.as_json:
        output.document({"turns": [_turn_json(row, changed.get(row.id)) for row in turns]})
    else:
        _print(turns, changed)
    return 0


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
