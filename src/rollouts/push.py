"""Snapshots on their way to archives: what is to be sent, and what became of each."""

from __future__ import annotations

from collections.abc import Generator

from rollouts import scanning
from rollouts.contracts.archive_name import archive_name
from rollouts.contracts.remote_url import without_credentials
from rollouts.errors import CommandError, DamagedStoreError, RolloutsError
from rollouts.models import Selection, Snapshot, Workspace, safety_session
from rollouts.publish import github
from rollouts.publish.github import Wanted
from rollouts.record import Record
from rollouts.storage import carrier, network, pushing
from rollouts.storage.archive import Archive
from rollouts.storage.delivery import (
    CONFLICT,
    FAILED,
    PUSHED,
    STOPPED,
    Delivery,
    Leak,
    Outcome,
    Said,
    look_into,
    made,
    settle,
)
from rollouts.storage.network import ArchiveError, Remote

_SET_ONE = "`rollouts remote set --url URL` sets one, `rollouts push --create-remote` makes one on GitHub"


class Job(Record):
    """What is to be sent of one workspace."""

    workspace: Workspace
    snapshots: list[Snapshot]


class Sent(Record):
    """What became of one workspace's snapshots."""

    workspace: Workspace
    url: str
    """Without credentials."""
    outcomes: list[Outcome]
    error: str | None = None
    """Why nothing, or nothing more, could be sent."""

    @property
    def failed_whole(self) -> bool:
        """Whether nothing became of any snapshot but that one error."""
        return self.error is not None and all(outcome.reason == self.error for outcome in self.outcomes)

    def count(self, status: str) -> int:
        return sum(outcome.status == status for outcome in self.outcomes)


def _snapshots(archive: Archive, workspace: Workspace, selection: Selection) -> list[Snapshot]:
    """The snapshots of a workspace that are meant. Those that restores took for safety never leave the machine.

    Raises:
        RolloutsError: there are none.
    """
    session = selection.session_id
    if session == safety_session(workspace.id):
        raise RolloutsError(f"the snapshots of session {session!r} are for `rollouts undo`, and are not pushed")
    if selection.message_id is not None:
        return [archive.find(selection)[1]]
    rows = archive.catalog.snapshots(workspace.id, session)
    found = [row for row in rows if row.session_id != safety_session(workspace.id)]
    if not found and not selection.everything:
        which = f"session {session!r}" if session is not None else f"workspace {workspace.root_path}"
        raise RolloutsError(f"no snapshots found for {which}; `rollouts list` shows what is there")
    return found


def plan(archive: Archive, selection: Selection, *, create: bool) -> list[Job]:
    """What is to be sent.

    Args:
        archive: the home.
        selection: which snapshots are meant.
        create: whether a workspace without an archive is to get one.

    Raises:
        RolloutsError: there is nothing of the kind, or no archive for it.
    """
    found = archive.catalog.workspaces() if selection.everything else [archive.registered(selection.path)]
    workspaces = [record for record in found if create or record.remote_url is not None]
    if not workspaces:
        if selection.everything:
            raise RolloutsError(f"no workspaces with configured remotes; {_SET_ONE}")
        raise RolloutsError(f"workspace has no configured remote: {found[0].root_path}; {_SET_ONE}")
    return [Job(workspace, _snapshots(archive, workspace, selection)) for workspace in workspaces]


def wanted_repository(archive: Archive, workspace: Workspace) -> Wanted:
    """The repository that `create_archive` makes.

    Raises:
        RolloutsError: there are no remote defaults.
    """
    defaults = archive.catalog.remote_defaults()
    if defaults is None:
        raise RolloutsError("no remote defaults configured; run `rollouts remote defaults set --owner OWNER` first")
    name = archive_name(defaults.prefix, workspace.root_path, workspace.id)
    return Wanted(defaults.owner, name, defaults.visibility)


def create_archive(archive: Archive, job: Job, patience: float) -> tuple[Job, bool]:
    """Makes a repository on GitHub for a workspace that has no archive, or adopts the one of an earlier, killed run.

    Returns the job, whose workspace has an archive now, and whether the repository is new.

    Raises:
        RolloutsError: there are no remote defaults, or GitHub does not do it.
    """
    hosted = github.created(wanted_repository(archive, job.workspace), patience)
    with archive.catalog as catalog:
        catalog.set_remote(job.workspace.id, hosted.url)
    return job._replace(workspace=job.workspace._replace(remote_url=hosted.url)), hosted.made


def _leaks(delivery: Delivery) -> Generator[bytes, None, scanning.Leaks]:
    """What the snapshots would give away that are to be sent; those that the store has lost part of are noted."""
    while True:
        refs = delivery.undecided()
        try:
            return (yield from scanning.leaks(delivery.archive, [delivery.rows[ref] for ref in refs]))
        except (CommandError, DamagedStoreError):
            if pushing.without_lost(delivery, refs) == refs:
                raise


def _held_back(delivery: Delivery, *, dry_run: bool, allow_secrets: bool) -> Said:
    """Stops the snapshots that give a secret away, or notes that they may go."""
    found = yield from _leaks(delivery)
    delivery.leaks = {ref: found[row.id] for ref, row in delivery.rows.items() if row.id in found}
    if not allow_secrets:
        for ref, leaks in delivery.leaks.items():
            delivery.note(ref, STOPPED, scanning.in_words(leaks))
    elif not dry_run:
        every = [leak for leaks in delivery.leaks.values() for leak in leaks]
        scanning.allow(delivery.archive, delivery.workspace_id, every)


def _sent(delivery: Delivery, *, replace: bool, dry_run: bool, allow_secrets: bool) -> Said:
    delivery.there = yield from network.listing(delivery.store.path, delivery.remote)
    settle(delivery)
    if not delivery.undecided():
        return
    with carrier.carrier(delivery.archive.home.throwaway()) as repository:
        repository.read_also(delivery.store)
        yield from look_into(delivery, repository, [ref for ref in delivery.undecided() if ref in delivery.there])
        if replace:
            conflicts = [ref for ref, outcome in delivery.outcomes.items() if outcome.status == CONFLICT]
            for ref in {*conflicts, *delivery.unread}:
                del delivery.outcomes[ref]
        yield from _held_back(delivery, dry_run=dry_run, allow_secrets=allow_secrets)
        if dry_run:
            for ref in delivery.undecided():
                delivery.note(ref, PUSHED)
            return
        if delivery.undecided():
            refs = made(delivery, repository, delivery.undecided())
            yield from pushing.push(delivery, repository, refs)


def _imagined(row: Snapshot, leaks: tuple[Leak, ...], *, allow_secrets: bool) -> Outcome:
    if not leaks or allow_secrets:
        return Outcome(row, PUSHED, "", leaks)
    return Outcome(row, STOPPED, scanning.in_words(leaks), leaks)


def imagined(archive: Archive, job: Job, *, allow_secrets: bool = False) -> Generator[bytes, None, Sent]:
    """What would become of a workspace whose archive is to be made first.

    Raises:
        RolloutsError: there are no remote defaults, or the store or the catalog fails.
    """
    wanted = wanted_repository(archive, job.workspace)
    with archive.reading(job.workspace):
        found = yield from scanning.leaks(archive, job.snapshots)
    outcomes = [_imagined(row, found.get(row.id, ()), allow_secrets=allow_secrets) for row in job.snapshots]
    return Sent(job.workspace, f"{wanted.owner}/{wanted.name}", outcomes)


def not_sent(job: Job, error: str) -> Sent:
    """What became of a workspace whose store or catalog failed."""
    url = without_credentials(job.workspace.remote_url or "")
    return Sent(job.workspace, url, [Outcome(row, FAILED, error) for row in job.snapshots], error)


def send(
    archive: Archive, job: Job, remote: Remote, *, replace: bool, dry_run: bool, allow_secrets: bool = False
) -> Generator[bytes, None, Sent]:
    """Sends what an archive lacks of a workspace's snapshots, with one listing and one push.

    Those with a private key or a live token in a file are stopped, unless they were let go before.

    Yields what git says of its progress. Nothing is raised for an archive that fails: the outcome says so, and the next
    push sends what is missing.

    Args:
        archive: the home.
        job: what is to be sent.
        remote: the workspace's archive.
        replace: overwrite tags that hold another snapshot.
        dry_run: only find out what would be pushed.
        allow_secrets: send also what looks like a secret, and take it for harmless as long as this is the archive.

    Raises:
        RolloutsError: the store or the catalog fails.
    """
    if not job.snapshots:
        return Sent(job.workspace, remote.shown, [])
    delivery = Delivery(archive, job.workspace.id, job.snapshots, remote)
    failure = None
    try:
        with archive.reading(job.workspace):
            yield from _sent(delivery, replace=replace, dry_run=dry_run, allow_secrets=allow_secrets)
    except ArchiveError as error:
        failure = str(error)
        for ref in delivery.undecided():
            delivery.note(ref, FAILED, failure)
    return Sent(job.workspace, remote.shown, delivery.told(), failure)
