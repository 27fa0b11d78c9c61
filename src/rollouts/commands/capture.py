"""`rollouts snapshot` as hooks call it: everything but Typer, which costs more to import than a capture takes."""

from __future__ import annotations

import sys

from rollouts import paths
from rollouts.commands import plain
from rollouts.contracts.commit import SCHEMA_VERSION
from rollouts.contracts.strict_json import MAX_BYTES, dump, one_line, parse_object
from rollouts.contracts.strict_json import parse as parse_json
from rollouts.errors import RolloutsError
from rollouts.models import Snapshot, Turn, identifier
from rollouts.record import Record
from rollouts.storage import due, opening

_VALUES = {"--session": "session", "--message": "message", "--metadata": "metadata", "--agent": "agent"}
_FLAGS = {"--json": "as_json", "--quiet": "quiet", "-q": "quiet", "--force": "force"}


class Request(Record):
    """The command line of `rollouts snapshot`."""

    session: str
    message: str
    metadata: str
    workspace: str = "."
    agent: str | None = None
    as_json: bool = False
    quiet: bool = False
    force: bool = False


def parse(words: list[str]) -> Request | None:
    """Reads a plain, fully spelled command line; None for any other, which Typer then reads (or refuses)."""
    values = plain.read(words, _VALUES, _FLAGS)
    if values is None or not {"session", "message", "metadata"} <= values.keys():
        return None
    return Request(**values)  # type: ignore[arg-type] # texts by _VALUES, booleans by _FLAGS


def _metadata(given: str) -> str:
    """The text of the metadata option: inline, `-` for stdin, or `@FILE`."""
    if given != "-" and not given.startswith("@"):
        return given
    try:
        with sys.stdin.buffer if given == "-" else open(given[1:], "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise RolloutsError(f"the metadata file {given[1:]} cannot be read: {error.strerror}") from error
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        if len(data) > MAX_BYTES:
            return data.decode(errors="replace")  # the size is what will be told
        raise RolloutsError(f"invalid metadata JSON: it is not UTF-8 text (at byte {error.start})") from error


def turn_of(request: Request) -> Turn:
    """The turn that a command line speaks of, checked.

    Raises:
        RolloutsError: an id or the metadata is refused.
    """
    session, message = identifier(request.session, "session"), identifier(request.message, "message")
    agent = None if request.agent is None else identifier(request.agent, "agent")
    metadata = _metadata(request.metadata)
    parse_object(metadata, "metadata")
    return Turn(session, message, metadata, agent)


def _metadata_json(snapshot: Snapshot) -> str:
    """The metadata as JSON text; agent-rollouts 0.1 took what is none (NaN) as well, and that goes out as a string."""
    if snapshot.tree is None:
        try:
            parse_json(snapshot.metadata)
        except ValueError:
            return dump(snapshot.metadata)
    return snapshot.metadata


def as_json(snapshot: Snapshot) -> str:
    """The JSON document that stands for a snapshot (one line)."""
    head = {"schema_version": SCHEMA_VERSION, "id": snapshot.id, "workspace_id": snapshot.workspace_id}
    fields = {
        "session_id": snapshot.session_id,
        "message_id": snapshot.message_id,
        "agent": snapshot.agent,
        "store_commit_sha": snapshot.store_commit_sha,
        "tree": snapshot.tree,
        "captured_at": snapshot.captured_at,
        "files": snapshot.files,
        "bytes_new": snapshot.bytes_new,
    }
    texts = {"vcs": snapshot.vcs, "metadata": _metadata_json(snapshot), "skipped": snapshot.skipped or "[]"}
    parts = ",".join(f'"{name}":{one_line(text)}' for name, text in texts.items())
    return f"{dump(head | fields)[:-1]},{parts}}}"


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _warn_of_skipped(skipped: str | None) -> None:
    count = (skipped or "").count('"reason":')
    if count:
        paths_are = "1 path was" if count == 1 else f"{count} paths were"
        _say(f"Warning: {paths_are} skipped; `rollouts show` says which and why")


def shown(text: str) -> str:
    """Text for a line of output: as it is, but a terminal is sent no control characters."""
    if text.isprintable() or not sys.stdout.isatty():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def lines(first: str, snapshot: Snapshot) -> list[str]:
    """The lines that the original printed of a snapshot."""
    return [
        f"{first} {snapshot.id}",
        f"session: {shown(snapshot.session_id)}",
        f"message: {shown(snapshot.message_id)}",
        f"store commit: {snapshot.store_commit_sha}",
    ]


def snapshot(request: Request) -> int:
    """Captures a turn and prints what was stored. Returns the exit code.

    Raises:
        RolloutsError: refused, or failed; nothing is stored then.
    """
    turn = turn_of(request)
    with opening.opened(paths.home()) as home:
        try:
            taken = home.snapshot(home.locate(request.workspace, force=request.force), turn)
        finally:
            for note in home.notes:
                _say(f"Warning: {note}")
    if taken.is_new:
        _warn_of_skipped(taken.snapshot.skipped)
        due.tidy(home.home, taken.workspace.id)
    if request.as_json:
        sys.stdout.write(as_json(taken.snapshot) + "\n")
    elif not request.quiet:
        first = "Created snapshot" if taken.is_new else "Snapshot already exists"
        head = lines(first, taken.snapshot)
        files = "" if taken.snapshot.files is None else f"\nfiles: {taken.snapshot.files}"
        sys.stdout.write("\n".join([*head, f"captured at: {taken.snapshot.captured_at}{files}"]) + "\n")
    return 0
