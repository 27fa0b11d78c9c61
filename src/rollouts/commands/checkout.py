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
from rollouts.storage.placing import Restored, Wanted

_VALUES = {
    "--dest": "destination",
    "--session": "session",
    "--message": "message",
    "--snapshot": "snapshot",
    "--repo": "url",
    "--timeout": "timeout",
}
_FLAGS = {
    "--verify": "verify",
    "--json": "as_json",
    "--in-place": "in_place",
    "--dry-run": "dry_run",
    "--yes": "yes",
    "-y": "yes",
}
_REPEATED = {"--path": "globs"}


class Request(Record):
    """The command line of `rollouts restore`."""

    destination: str | None = None
    workspace: str = "."
    session: str | None = None
    message: str | None = None
    snapshot: str | None = None
    globs: Sequence[str] = ()
    verify: bool = False
    as_json: bool = False
    in_place: bool = False
    dry_run: bool = False
    yes: bool = False
    url: str | None = None
    timeout: str | None = None


def parse(words: list[str]) -> Request | None:
    """Reads a plain, fully spelled command line; None for any other, which Typer then reads (or refuses)."""
    values = plain.read(words, _VALUES, _FLAGS, _REPEATED)
    return None if values is None else Request(**values)  # type: ignore[arg-type] # texts by _VALUES, booleans by _FLAGS, lists by _REPEATED


def _check(request: Request) -> None:
    """Refuses options that exclude each other.

    Raises:
        UsageError: they do, or what is needed is missing.
    """
    if request.in_place and request.destination is not None:
        raise UsageError("--in-place cannot be combined with --dest")
    if not request.in_place and request.destination is None:
        raise UsageError("Missing option '--dest', or --in-place for the workspace itself")
    if request.url is not None and (request.in_place or request.snapshot is not None):
        raise UsageError("--repo takes --session and --message, and goes with --dest")
    if request.timeout is not None and request.url is None:
        raise UsageError("--timeout goes with --repo")
    if not request.in_place and (request.dry_run or request.yes):
        raise UsageError("--dry-run and --yes go with --in-place")
    if not all(glob.strip("/") for glob in request.globs):
        raise UsageError("--path needs a GLOB; without --path all is restored")


def _print(done: Restored, source: dict[str, str], *, as_json: bool) -> None:
    row = done.snapshot
    if as_json:
        turn = {"snapshot_id": row.id, "session_id": row.session_id, "message_id": row.message_id}
        where = output.path_fields(done.destination, "destination")
        output.document(turn | {"store_commit_sha": row.store_commit_sha} | source | where | {"files": done.files})
        return
    came_from = [f"{name}: {capture.shown(value)}" for name, value in source.items()]
    end = [f"destination: {capture.shown(done.destination)}", f"files: {done.files}"]
    for text in [*capture.lines("Restored snapshot", row), *came_from, *end]:
        output.line(text)


def _restore_from_archive(url: str, request: Request, wanted: Wanted) -> int:
    from rollouts import fetched  # noqa: PLC0415 - each way imports what it needs
    from rollouts.commands.following import followed  # noqa: PLC0415 - as above
    from rollouts.contracts import archive_url, tag  # noqa: PLC0415 - as above
    from rollouts.storage import network  # noqa: PLC0415 - as above
    from rollouts.storage.network import Remote  # noqa: PLC0415 - as above

    remote = Remote(archive_url.checked(url), network.patience(request.timeout))
    session, message = request.session or "", request.message or ""
    done = followed(fetched.restore(remote, session, message, request.destination or "", wanted))
    source = {"repo": remote.shown, "tag": tag.ref(session, message)}
    _print(done, source, as_json=request.as_json)
    return 0


def restore(request: Request) -> int:
    """Restores a snapshot and prints what was written. Returns the exit code.

    Raises:
        RolloutsError: refused, or failed; nothing is left behind then.
    """
    selection = one_snapshot(request.workspace, request.session, request.message, request.snapshot)
    _check(request)
    if request.in_place:
        from rollouts.commands import replace  # noqa: PLC0415 - each way imports what it needs

        wanted = replace.Wanted(request.globs, request.verify, request.dry_run, request.yes, request.as_json)
        return replace.restore(selection, wanted)
    chosen = Wanted(request.globs, request.verify)
    if request.url is not None:
        return _restore_from_archive(request.url, request, chosen)
    with opening.opened_for_reading(paths.home()) as home:
        output.warn(home.notes)
        record, row = home.find(selection)
        done = restoring.restore(home, record, row, request.destination or "", chosen)
    _print(done, {}, as_json=request.as_json)
    return 0
