"""Snapshots on their way to archives: what is to be sent, and what became of each."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator

from rollouts.contracts import tag
from rollouts.contracts.archive_name import archive_name
from rollouts.contracts.remote_url import without_credentials
from rollouts.errors import CommandError, RolloutsError
from rollouts.models import Selection, Snapshot, Workspace, safety_session
from rollouts.publish import github
from rollouts.publish.github import Wanted
from rollouts.record import Record
from rollouts.storage import carrier, comparing, damage, network
from rollouts.storage.archive import Archive
from rollouts.storage.git_store import GitStore
from rollouts.storage.network import ArchiveError, Pushed

PUSHED, SKIPPED, CONFLICT, FAILED = "pushed", "skipped", "conflict", "failed"
_SET_ONE = "`rollouts remote set --url URL` sets one, `rollouts push --create-remote` makes one on GitHub"
_ARGUMENTS = 512 << 10
"""Bytes of refspecs for one git: a system may take no more than 1 MB of arguments and environment."""
_IN_VAIN = 12
"""Pushes in a row of which an archive takes nothing, until no more are tried."""
_RACES, _PAUSE = 5, 0.2
"""How often in a row another push may come between, and seconds until the first of those tries."""
_LOST = "the store has lost part of it; run `rollouts doctor --repair`"

Said = Generator[bytes, None, None]


class Job(Record):
    """What is to be sent of one workspace."""

    workspace: Workspace
    snapshots: list[Snapshot]


class Outcome(Record):
    """What became of one snapshot."""

    snapshot: Snapshot
    status: str
    """`pushed`, `skipped` (it is there), `conflict` (another one is there under its name) or `failed`."""
    reason: str = ""


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
    """The snapshots of a workspace that are meant; those of safety only by the name of their session.

    Raises:
        RolloutsError: there are none.
    """
    session = selection.session_id
    if selection.message_id is not None:
        return [archive.find(selection)[1]]
    rows = archive.catalog.snapshots(workspace.id, session)
    found = [row for row in rows if session is not None or row.session_id != safety_session(workspace.id)]
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


def create_archive(archive: Archive, job: Job) -> tuple[Job, bool]:
    """Makes a repository on GitHub for a workspace that has no archive, or adopts the one of an earlier, killed run.

    Returns the job, whose workspace has an archive now, and whether the repository is new.

    Raises:
        RolloutsError: there are no remote defaults, or GitHub does not do it.
    """
    hosted = github.created(wanted_repository(archive, job.workspace), network.patience())
    with archive.catalog as catalog:
        catalog.set_remote(job.workspace.id, hosted.url)
    return job._replace(workspace=job.workspace._replace(remote_url=hosted.url)), hosted.made


class _Sending:
    """One workspace's snapshots, their tags and what is known of each."""

    def __init__(self, archive: Archive, job: Job, url: str) -> None:
        self.archive = archive
        self.url = url
        self.shown = without_credentials(url)
        self.store: GitStore = comparing.present(archive.store(job.workspace.id))
        self.rows = {tag.ref(row.session_id, row.message_id): row for row in job.snapshots}
        self.there: dict[str, str] = {}
        """Ref -> object id, of what the archive had when it was listed last."""
        self.oids: dict[str, str] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.error: str | None = None
        for ref, row in self.rows.items():
            try:
                self.oids[ref] = tag.oid(tag.content(row))
            except ValueError as error:
                self.note(ref, FAILED, f"its captured_at is no moment ({error}); `rollouts delete` removes it")

    def note(self, ref: str, status: str, reason: str = "") -> None:
        self.outcomes[ref] = Outcome(self.rows[ref], status, reason)

    def undecided(self) -> list[str]:
        return [ref for ref in self.rows if ref not in self.outcomes]

    def result(self, workspace: Workspace) -> Sent:
        outcomes = [self.outcomes[ref] for ref in self.rows if ref in self.outcomes]
        return Sent(workspace, self.shown, outcomes, self.error)


def _settle(sending: _Sending) -> None:
    """Notes those whose tags are there, object for object or as an earlier look into them told."""
    known = sending.archive.catalog.known_tags()
    for ref in sending.undecided():
        oid = sending.there.get(ref, "")
        if oid == sending.oids[ref] or known.get(oid) == sending.rows[ref].id:
            sending.note(ref, SKIPPED)


def _look_into(sending: _Sending, repository: GitStore, refs: list[str]) -> Said:
    """Fetches tags that are not the ones that would be made here, and notes those that hold the same snapshot.

    Others are conflicts.
    """
    if not refs:
        return
    yield from network.fetch(repository.path, sending.url, refs)
    same = {}
    fetched = carrier.tags(repository)
    for ref in refs:
        oid, raw = fetched[ref]
        row = sending.rows[ref]
        try:
            found = tag.read(raw, ref)
            if (found.snapshot_id, found.store_commit_sha) == (row.id, row.store_commit_sha):
                same[oid] = row.id
                sending.note(ref, SKIPPED)
                continue
            reason = f"snapshot {found.snapshot_id} is there under the same session and message"
        except ValueError as error:
            reason = f"another tag is there under the same name: {error}"
        sending.note(ref, CONFLICT, reason)
    if same:
        with sending.archive.catalog as catalog:
            catalog.know_tags(same)


def _made(sending: _Sending, repository: GitStore, refs: list[str]) -> list[str]:
    """Makes tags. Returns those that could be made."""
    rows = [sending.rows[ref] for ref in refs]
    try:
        carrier.make_tags(repository, rows)
    except CommandError:
        there = sending.store.existing([row.store_commit_sha for row in rows])
        lost = [ref for ref in refs if sending.rows[ref].store_commit_sha not in there]
        if not lost:
            raise
        for ref in lost:
            sending.note(ref, FAILED, _LOST)
        refs = [ref for ref in refs if ref not in lost]
        carrier.make_tags(repository, [sending.rows[ref] for ref in refs])
    return refs


def _batches(refs: Iterable[str]) -> Iterator[list[str]]:
    """As many refs at once as a system takes arguments for."""
    batch: list[str] = []
    size = 0
    for ref in refs:
        size += 3 * len(ref)
        if size > _ARGUMENTS:
            yield batch
            batch, size = [], 3 * len(ref)
        batch.append(ref)
    if batch:
        yield batch


def _again(sending: _Sending, repository: GitStore, refs: list[str]) -> Said:
    """Lists the archive once more, after something came between: what is there now is what counts."""
    sending.there = yield from network.listing(repository.path, sending.url)
    landed = [ref for ref in refs if sending.there.get(ref) == sending.oids[ref]]
    for ref in landed:
        sending.note(ref, PUSHED)
    yield from _look_into(sending, repository, [ref for ref in refs if ref in sending.there and ref not in landed])


def _lost(sending: _Sending, refs: list[str]) -> list[str]:
    """Notes those of some snapshots that the store cannot give away whole any more. Returns the others."""
    bad = damage.objects_in(sending.store.faults())
    rows = [sending.rows[ref] for ref in refs]
    for row in damage.hit(sending.store, rows, bad):
        sending.note(tag.ref(row.session_id, row.message_id), FAILED, _LOST)
    return [ref for ref in refs if ref not in sending.outcomes]


def _pushed(sending: _Sending, repository: GitStore, batch: list[str]) -> Generator[bytes, None, Pushed]:
    """Pushes some tags at once, and notes those that arrived and those that were refused for their own sake."""
    specs = [f"{sending.oids[ref]}:{ref}" for ref in batch]
    leases = [f"{ref}:{sending.there[ref]}" for ref in batch if ref in sending.there]
    pushed = yield from network.push(repository.path, sending.url, specs, leases)
    for ref, answer in pushed.answers.items():
        if answer.is_taken or answer.is_own:
            sending.note(ref, PUSHED if answer.is_taken else FAILED, "" if answer.is_taken else answer.reason)
    if pushed.error and pushed.error.is_lasting:
        raise pushed.error
    unclear = [ref for ref in batch if ref not in pushed.answers or pushed.answers[ref].is_raced]
    if unclear and not pushed.is_own_loss:
        yield from _again(sending, repository, unclear)
    return pushed


def _halves(refs: list[str]) -> list[list[str]]:
    middle = len(refs) // 2
    return [half for half in (refs[:middle], refs[middle:]) if half]


class _Patience:
    """How much longer pushes that bring nothing are tried, and what the last of them ended with."""

    def __init__(self) -> None:
        self.in_vain = 0
        self.races = 0
        self.error: ArchiveError | None = None
        self.broken: list[str] = []
        """Refs whose push broke off when they were alone in it."""

    def see(self, shown: str, pushed: Pushed, *, got_on: bool, raced: bool) -> None:
        """Counts a push.

        Raises:
            ArchiveError: that was enough.
        """
        self.error = pushed.error or self.error
        self.races = self.races + 1 if raced else 0
        self.in_vain = 0 if got_on else self.in_vain + 1
        if self.in_vain > _IN_VAIN:
            reason = next((answer.reason for answer in pushed.answers.values()), "no reason was given")
            raise pushed.error or ArchiveError(f"{shown}: {_IN_VAIN} pushes in a row were refused: {reason}; try again")


def _left(sending: _Sending, batch: list[str], pushed: Pushed, patience: _Patience) -> list[list[str]]:
    """What is to be pushed next of a batch; what there is no hope for is noted."""
    left = [ref for ref in batch if ref not in sending.outcomes]
    if pushed.is_own_loss:
        whole = _lost(sending, left)
        if whole != left:
            return [whole] if whole else []
    raced = [ref for ref in left if ref in pushed.answers and pushed.answers[ref].is_raced]
    patience.see(sending.shown, pushed, got_on=left != batch or bool(raced), raced=bool(raced))
    if raced and patience.races <= _RACES:
        time.sleep(_PAUSE * patience.races)
        return [left]
    if left == batch and len(batch) > 1:
        return _halves(left)
    again = [ref for ref in left if ref not in pushed.answers and left != batch]
    for ref in left:
        if ref in pushed.answers or pushed.is_own_loss:
            sending.note(ref, FAILED, _LOST if pushed.is_own_loss else pushed.answers[ref].reason)
        elif ref not in again:
            patience.broken.append(ref)
    return [again] if again else []


def _push(sending: _Sending, repository: GitStore, refs: list[str]) -> Said:
    """Pushes tags, and finds out what became of each.

    A push that is refused or broken off as a whole is tried again in halves, so that one snapshot which a server will
    not have (a hook's rule, a limit on size) keeps no other back.

    Raises:
        ArchiveError: nothing arrives at all, or nothing more.
    """
    pending = list(_batches(refs))
    patience = _Patience()
    while pending:
        batch = pending.pop(0)
        pushed = yield from _pushed(sending, repository, batch)
        pending = [*_left(sending, batch, pushed, patience), *pending]
    if patience.broken and patience.error:
        if not any(ref in sending.outcomes and sending.outcomes[ref].status == PUSHED for ref in refs):
            raise patience.error
        for ref in patience.broken:
            sending.note(ref, FAILED, str(patience.error))


def _sent(sending: _Sending, *, replace: bool, dry_run: bool) -> Said:
    sending.there = yield from network.listing(sending.store.path, sending.url)
    _settle(sending)
    if not sending.undecided():
        return
    with carrier.carrier(sending.archive.home.throwaway()) as repository:
        repository.read_also(sending.store)
        yield from _look_into(sending, repository, [ref for ref in sending.undecided() if ref in sending.there])
        if replace:
            conflicts = [ref for ref, outcome in sending.outcomes.items() if outcome.status == CONFLICT]
            for ref in conflicts:
                del sending.outcomes[ref]
        if dry_run:
            for ref in sending.undecided():
                sending.note(ref, PUSHED)
            return
        refs = _made(sending, repository, sending.undecided())
        yield from _push(sending, repository, refs)


def imagined(archive: Archive, job: Job) -> Sent:
    """What would become of a workspace whose archive is to be made first."""
    wanted = wanted_repository(archive, job.workspace)
    return Sent(job.workspace, f"{wanted.owner}/{wanted.name}", [Outcome(row, PUSHED) for row in job.snapshots])


def not_sent(job: Job, error: str) -> Sent:
    """What became of a workspace whose store or catalog failed."""
    url = without_credentials(job.workspace.remote_url or "")
    return Sent(job.workspace, url, [Outcome(row, FAILED, error) for row in job.snapshots], error)


def send(archive: Archive, job: Job, *, replace: bool, dry_run: bool) -> Generator[bytes, None, Sent]:
    """Sends what an archive lacks of a workspace's snapshots, with one listing and one push.

    Yields what git says of its progress. Nothing is raised for an archive that fails: the outcome says so, and the next
    push sends what is missing.

    Args:
        archive: the home.
        job: of a workspace that has an archive.
        replace: overwrite tags that hold another snapshot.
        dry_run: only find out what would be pushed.

    Raises:
        RolloutsError: the store or the catalog fails.
    """
    url = job.workspace.remote_url
    assert url is not None  # noqa: S101 - for the type checker: see above
    if not job.snapshots:
        return Sent(job.workspace, without_credentials(url), [])
    sending = _Sending(archive, job, url)
    try:
        with archive.reading(job.workspace):
            yield from _sent(sending, replace=replace, dry_run=dry_run)
    except ArchiveError as error:
        sending.error = str(error)
    if sending.error is not None:
        for ref in sending.undecided():
            sending.note(ref, FAILED, sending.error)
    return sending.result(job.workspace)
