"""`rollouts restore`, but for Typer, which costs more to import than a few thousand files to write."""

from __future__ import annotations

from collections.abc import Sequence

from rollouts import paths
from rollouts import restore as restoring
from rollouts.commands import capture, output, plain
from rollouts.commands.selecting import one_snapshot
from rollouts.errors import UsageError
from rollouts.record import Record
from rollouts.storage import opening

_VALUES = {"--dest": "destination", "--session": "session", "--message": "message", "--snapshot": "snapshot"}
_FLAGS = {"--verify": "verify", "--json": "as_json"}
_REPEATED = {"--path": "globs"}


class Request(Record):
    """The command line of `rollouts restore`."""

    destination: str
    workspace: str = "."
    session: str | None = None
    message: str | None = None
    snapshot: str | None = None
    globs: Sequence[str] = ()
    verify: bool = False
    as_json: bool = False


def parse(words: list[str]) -> Request | None:
    """Reads a plain, fully spelled command line; None for any other, which Typer then reads (or refuses)."""
    values = plain.read(words, _VALUES, _FLAGS, _REPEATED)
    if values is None or "destination" not in values:
        return None
    return Request(**values)  # type: ignore[arg-type] # texts by _VALUES, booleans by _FLAGS, lists by _REPEATED


def restore(request: Request) -> int:
    """Restores a snapshot and prints what was written. Returns the exit code.

    Raises:
        RolloutsError: refused, or failed; nothing is left behind then.
    """
    selection = one_snapshot(request.workspace, request.session, request.message, request.snapshot)
    if not all(glob.strip("/") for glob in request.globs):
        raise UsageError("--path needs a GLOB; without --path all is restored")
    with opening.opened_for_reading(paths.home()) as home:
        output.warn(home.notes)
        record, row = home.find(selection)
        done = restoring.restore(home, record, row, request.destination, globs=request.globs, verify=request.verify)
    if request.as_json:
        turn = {"snapshot_id": row.id, "session_id": row.session_id, "message_id": row.message_id}
        where = output.path_fields(done.destination, "destination")
        output.document(turn | {"store_commit_sha": row.store_commit_sha} | where | {"files": done.files})
        return 0
    for text in [*capture.lines("Restored snapshot", row), f"destination: {done.destination}", f"files: {done.files}"]:
        output.line(text)
    return 0
