"""Snapshots on their way to archives: what is to be sent, and what became of each."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping

from rollouts.contracts import tag
from rollouts.contracts.archive_name import archive_name
from rollouts.contracts.remote_url import without_credentials
from rollouts.errors import CommandError, RolloutsError
from rollouts.models import Selection, Snapshot, Workspace, safety_session
from rollouts.publish import github
from rollouts.publish.github import Wanted
from rollouts.record import Record
from rollouts.storage import carrier, comparing, network
from rollouts.storage.archive import Archive
from rollouts.storage.git_store import GitStore
from rollouts.storage.network import ArchiveError

PUSHED, SKIPPED, CONFLICT, FAILED = "pushed", "skipped", "conflict", "failed"
_SET_ONE = "`rollouts remote set --url URL` sets one, `rollouts push --create-remote` makes one on GitHub"
_ARGUMENTS = 512 << 10
"""Bytes of refspecs for one git: a system may take no more than 1 MB of arguments and environment."""
_IN_VAIN = 12
"""Pushes in a row of which an archive takes nothing, until no more are tried."""
_RACED = frozenset({"already exists", "stale info"})

Said = Generator[bytes, None, None]
Answers = Generator[bytes, None, dict[str, str]]
"""Ref -> why it was refused; the empty name: why the push as a whole failed."""


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


def _settle(sending: _Sending, there: Mapping[str, str]) -> None:
    """Notes those whose tags are there, object for object or as an earlier look into them told."""
    known = sending.archive.catalog.known_tags()
    for ref in sending.undecided():
        oid = there.get(ref, "")
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
            sending.note(ref, FAILED, "the store has lost its commit; run `rollouts doctor --repair`")
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
    there = yield from network.listing(repository.path, sending.url)
    landed = [ref for ref in refs if there.get(ref) == sending.oids[ref]]
    for ref in landed:
        sending.note(ref, PUSHED)
    yield from _look_into(sending, repository, [ref for ref in refs if ref in there and ref not in landed])


def _halves(refs: list[str]) -> list[list[str]]:
    middle = len(refs) // 2
    return [refs[:middle], refs[middle:]]


def _pushed(sending: _Sending, repository: GitStore, batch: list[str], there: Mapping[str, str]) -> Answers:
    """Pushes some tags at once, and notes those that arrived. Returns what is known of the others, or of the push."""
    specs = [f"{sending.oids[ref]}:{ref}" for ref in batch]
    leases = [f"{ref}:{there[ref]}" for ref in batch if ref in there]
    pushed = yield from network.push(repository.path, sending.url, specs, leases)
    for ref, answer in pushed.answers.items():
        if answer.is_taken:
            sending.note(ref, PUSHED)
    if pushed.error and pushed.error.is_lasting:
        raise pushed.error
    unclear = [ref for ref in batch if ref not in pushed.answers or pushed.answers[ref].reason in _RACED]
    unclear = [ref for ref in unclear if ref not in sending.outcomes]
    if unclear:
        yield from _again(sending, repository, unclear)
    return {ref: answer.reason for ref, answer in pushed.answers.items()} | {"": str(pushed.error)}


def _push(sending: _Sending, repository: GitStore, refs: list[str], there: Mapping[str, str]) -> Said:
    """Pushes tags, and finds out what became of each.

    A push that is refused or broken off as a whole is tried again in halves, so that one snapshot which a server will
    not have (a hook's rule, a limit on size) keeps no other back.
    """
    pending = list(_batches(refs))
    in_vain = 0
    while pending:
        batch = pending.pop(0)
        reasons = yield from _pushed(sending, repository, batch, there)
        left = [ref for ref in batch if ref not in sending.outcomes]
        if left == batch:
            in_vain += 1
            if in_vain > _IN_VAIN:
                raise ArchiveError(
                    f"{sending.shown}: {_IN_VAIN} pushes in a row were refused; {reasons.get(left[0], reasons[''])}"
                )
            if len(batch) > 1:
                pending = [*_halves(batch), *pending]
                continue
        else:
            in_vain = 0
        broken_off = [ref for ref in left if ref not in reasons and left != batch]
        pending = [broken_off, *pending] if broken_off else pending
        for ref in left:
            if ref not in broken_off:
                sending.note(ref, FAILED, reasons.get(ref, reasons[""]))


def _sent(sending: _Sending, *, replace: bool, dry_run: bool) -> Said:
    there = yield from network.listing(sending.store.path, sending.url)
    _settle(sending, there)
    if not sending.undecided():
        return
    with carrier.carrier(sending.archive.home.throwaway()) as repository:
        repository.read_also(sending.store)
        yield from _look_into(sending, repository, [ref for ref in sending.undecided() if ref in there])
        if replace:
            conflicts = [ref for ref, outcome in sending.outcomes.items() if outcome.status == CONFLICT]
            for ref in conflicts:
                del sending.outcomes[ref]
        if dry_run:
            for ref in sending.undecided():
                sending.note(ref, PUSHED)
            return
        refs = _made(sending, repository, sending.undecided())
        yield from _push(sending, repository, refs, there)


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
