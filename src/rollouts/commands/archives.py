"""push, pull."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from rollouts import paths, scanning
from rollouts import pull as pulling
from rollouts import push as pushing
from rollouts.commands import capture, output
from rollouts.commands.following import announce, followed
from rollouts.commands.options import AllowSecrets, AsJson, DryRun, Message, Session, Timeout, Workspace
from rollouts.commands.selecting import several
from rollouts.contracts import tag
from rollouts.contracts.archive_url import checked
from rollouts.contracts.remote_url import without_credentials
from rollouts.errors import RolloutsError, UsageError
from rollouts.pull import Pulled, Source
from rollouts.push import Job, Sent
from rollouts.record import Record
from rollouts.storage import due, network, opening, upkeep
from rollouts.storage.archive import Archive
from rollouts.storage.delivery import CONFLICT, FAILED, PUSHED, SKIPPED, STOPPED, Leak, Outcome
from rollouts.storage.network import Remote

_KINDS = {PUSHED: "pushed", SKIPPED: "skipped", CONFLICT: "conflicts", FAILED: "failed", STOPPED: "stopped"}
_MOST = 100
"""Findings that are told of one snapshot."""


def _leak_json(leak: Leak) -> dict[str, object]:
    return {**output.path_fields(os.fsdecode(leak.path)), "kind": leak.kind, "line": leak.line}


def _outcome_json(outcome: Outcome) -> dict[str, object]:
    row = outcome.snapshot
    return {
        "id": row.id,
        "session_id": row.session_id,
        "message_id": row.message_id,
        "tag": tag.ref(row.session_id, row.message_id),
        "status": outcome.status,
        "reason": outcome.reason or None,
        "findings": [_leak_json(leak) for leak in outcome.leaks[:_MOST]],
    }


def _sent_json(sent: Sent) -> dict[str, object]:
    counts = {name: sent.count(status) for status, name in _KINDS.items()}
    return {
        "id": sent.workspace.id,
        **output.path_fields(sent.workspace.root_path, "root_path"),
        "remote_url": sent.url,
        **counts,
        "error": sent.error,
        "snapshots": [_outcome_json(outcome) for outcome in sent.outcomes],
    }


class Way(Record):
    """How snapshots are to be sent."""

    replace: bool
    dry_run: bool
    patience: float
    allow_secrets: bool = False


def _sent(home: Archive, job: Job, way: Way) -> tuple[Sent, bool]:
    """Sends the snapshots of a workspace. Returns what became of them, and whether a repository was made for them."""
    made = False
    if job.workspace.remote_url is None:
        if way.dry_run:
            return followed(pushing.imagined(home, job, allow_secrets=way.allow_secrets)), False
        job, made = pushing.create_archive(home, job, way.patience)
        output.say(f"{'Created' if made else 'Adopted'} {without_credentials(job.workspace.remote_url or '')}")
    if job.snapshots:
        what = "Looking at" if way.dry_run else "Pushing"
        announce(f"{what} {len(job.snapshots)} snapshots of {capture.shown(job.workspace.root_path)}")
    remote = Remote(job.workspace.remote_url or "", way.patience)
    work = pushing.send(home, job, remote, replace=way.replace, dry_run=way.dry_run, allow_secrets=way.allow_secrets)
    return followed(work), made


def _sent_all(home: Archive, jobs: list[Job], way: Way) -> tuple[list[Sent], int]:
    """Sends all that can be sent. Returns what became of each workspace, and how many repositories were made.

    Raises:
        RolloutsError: it is one workspace only, and nothing could be done for it.
    """
    found, made = [], 0
    for job in jobs:
        try:
            sent, is_new = _sent(home, job, way)
        except RolloutsError as error:
            if len(jobs) == 1:
                raise
            sent, is_new = pushing.not_sent(job, str(error)), False
        if len(jobs) == 1 and sent.error and sent.failed_whole:
            raise RolloutsError(sent.error)
        found.append(sent)
        made += is_new
    return found, made


def _print_sent(sent: list[Sent], counts: dict[str, int], made: int, *, dry_run: bool) -> None:
    output.line(f"{'Would push' if dry_run else 'Pushed'} snapshots {counts[PUSHED]}")
    output.line(f"skipped existing: {counts[SKIPPED]}")
    for status, name in ((CONFLICT, "conflicts"), (FAILED, "failed"), (STOPPED, "stopped")):
        if counts[status]:
            output.line(f"{name}: {counts[status]}")
    output.line(f"workspaces: {len(sent)}")
    output.line(f"created remotes: {made}")
    for found in sent:
        output.line(f"archive: {capture.shown(found.url)}")
    wrong = [
        (
            found.workspace.root_path,
            outcome.snapshot.session_id,
            outcome.snapshot.message_id,
            outcome.status,
            outcome.reason,
        )
        for found in sent
        for outcome in found.outcomes
        if outcome.status in {CONFLICT, FAILED, STOPPED} and outcome.reason != found.error
    ]
    wrong += [(found.workspace.root_path, "-", "-", FAILED, found.error) for found in sent if found.error]
    if wrong:
        output.table(("Workspace", "Session", "Message", "What", "Why"), wrong, fold=(0, 1, 2, 4))


def push(
    workspace: Workspace = ".",
    session: Session = None,
    message: Message = None,
    everything: Annotated[bool, typer.Option("--all", help="Every workspace that has an archive.")] = False,
    create: Annotated[
        bool, typer.Option("--create-remote", help="Make an archive on GitHub for a workspace that has none.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite tags that hold another snapshot.")] = False,
    allow_secrets: AllowSecrets = False,
    dry_run: DryRun = False,
    timeout: Timeout = None,
    as_json: AsJson = False,
) -> None:
    """Send snapshots to the workspace's archive.

    What is there already is skipped. A tag with another snapshot under the same session and message is a conflict, and
    left alone. A snapshot with a private key or a live token in a file is stopped. Exits 1 when there was one, or when
    something could not be sent.

    Example: rollouts push --session S
    """
    selection = several(workspace, session, message, None, everything=everything)
    with opening.opened(paths.home()) as home:
        output.warn(home.notes)
        jobs = pushing.plan(home, selection, create=create)
        sent, made = _sent_all(home, jobs, Way(replace, dry_run, network.patience(timeout), allow_secrets))
    counts = {status: sum(found.count(status) for found in sent) for status in _KINDS}
    if as_json:
        totals = {name: counts[status] for status, name in _KINDS.items()}
        workspaces = [_sent_json(found) for found in sent]
        output.document({"dry_run": dry_run, **totals, "created_remotes": made, "workspaces": workspaces})
    else:
        _print_sent(sent, counts, made, dry_run=dry_run)
    output.warn([scanning.ADVICE] if counts[STOPPED] else [])
    wrong = counts[CONFLICT] + counts[FAILED] + counts[STOPPED]
    raise typer.Exit(1 if wrong or any(found.error for found in sent) else 0)


def _pulled_json(found: Pulled) -> dict[str, object]:
    return {
        "id": found.workspace and found.workspace.id,
        **output.path_fields(found.path, "root_path"),
        "remote_url": found.url,
        "pulled": len(found.adopted),
        "known": found.known,
        "refused": len(found.refused),
        "error": found.error,
        "snapshots": [
            {"id": row.id, "session_id": row.session_id, "message_id": row.message_id} for row in found.adopted
        ],
        "problems": [{"tag": ref, "reason": reason} for ref, reason in found.refused.items()],
    }


def _pulled_all(home: Archive, sources: list[Source]) -> list[Pulled]:
    """Pulls from all that can be reached.

    Raises:
        RolloutsError: it is one archive only, and nothing could be had of it.
    """
    found = []
    for source in sources:
        announce(f"Pulling from {capture.shown(source.remote.shown)}")
        try:
            pulled = followed(pulling.pull(home, source))
            if pulled.workspace and due.excess(home.home.store(pulled.workspace.id)):
                upkeep.start(home.home, pulled.workspace.id)
            found.append(pulled)
        except RolloutsError as error:
            if len(sources) == 1:
                raise
            found.append(Pulled(source.path, source.remote.shown, None, [], 0, {}, str(error)))
    if len(found) == 1 and found[0].error and not found[0].refused:
        raise RolloutsError(found[0].error)
    return found


def _print_pulled(pulled: list[Pulled]) -> None:
    output.line(f"Pulled snapshots {sum(len(found.adopted) for found in pulled)}")
    output.line(f"known already: {sum(found.known for found in pulled)}")
    output.line(f"workspaces: {len(pulled)}")
    for found in pulled:
        output.line(f"workspace: {capture.shown(found.path)}")
    wrong = [(found.path, ref, reason) for found in pulled for ref, reason in found.refused.items()]
    wrong += [(found.path, "-", found.error) for found in pulled if found.error]
    if wrong:
        output.line(f"refused: {len(wrong)}")
        output.table(("Workspace", "Tag", "Why"), wrong, fold=(0, 1, 2))


def pull(
    workspace: Workspace = ".",
    url: Annotated[
        str | None, typer.Option("--url", metavar="URL", help="The archive; else the one that `remote set` named.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every workspace that has an archive.")] = False,
    timeout: Timeout = None,
    as_json: AsJson = False,
) -> None:
    """Adopt the snapshots of an archive.

    The directory is, or becomes, their workspace. Each one is checked; what is wrong or has no place here is refused by
    itself, and the exit code is 1. What is here already is left alone.

    Example: rollouts pull ~/project --url git@example.com:me/project-turns.git
    """
    if everything and url is not None:
        raise UsageError("--all cannot be combined with --url")
    where, patience = None if url is None else checked(url), network.patience(timeout)
    selection = several(workspace, None, None, None, everything=everything)
    with opening.opened(paths.home()) as home:
        output.warn(home.notes)
        pulled = _pulled_all(home, pulling.sources(home, selection, where, patience))
    if as_json:
        counts = {
            "pulled": sum(len(found.adopted) for found in pulled),
            "known": sum(found.known for found in pulled),
            "refused": sum(len(found.refused) for found in pulled),
        }
        output.document(counts | {"workspaces": [_pulled_json(found) for found in pulled]})
    else:
        _print_pulled(pulled)
    raise typer.Exit(1 if any(found.refused or found.error for found in pulled) else 0)
