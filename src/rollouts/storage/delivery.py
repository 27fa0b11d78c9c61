"""Snapshots as tags into an archive: one listing, one push, and what became of each.

Not every server takes a push as a whole, and others push at the same time: what is refused, raced or broken off is
found out and tried again, as long as that gets on.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator

from rollouts.contracts import tag
from rollouts.contracts.remote_url import without_credentials
from rollouts.errors import CommandError
from rollouts.models import Snapshot, Workspace
from rollouts.record import Record
from rollouts.storage import carrier, comparing, damage, network
from rollouts.storage.archive import Archive
from rollouts.storage.git_store import GitStore
from rollouts.storage.network import ArchiveError, Pushed

PUSHED, SKIPPED, CONFLICT, FAILED = "pushed", "skipped", "conflict", "failed"
_ARGUMENTS = 512 << 10
"""Bytes of refspecs for one git: a system may take no more than 1 MB of arguments and environment."""
_IN_VAIN = 12
"""Pushes in a row of which an archive takes nothing, until no more are tried."""
_RACES, _PAUSE = 5, 0.2
"""How often in a row another push may come between, and seconds until the first of those tries."""
_LOST = "the store has lost part of it; run `rollouts doctor --repair`"

Said = Generator[bytes, None, None]


class Outcome(Record):
    """What became of one snapshot."""

    snapshot: Snapshot
    status: str
    """`pushed`, `skipped` (it is there), `conflict` (another one is there under its name) or `failed`."""
    reason: str = ""


class Delivery:
    """A workspace's snapshots on their way to an archive: their tags, and what is known of each."""

    def __init__(self, archive: Archive, workspace: Workspace, snapshots: Iterable[Snapshot], url: str) -> None:
        self.archive = archive
        self.url = url
        self.store: GitStore = comparing.present(archive.store(workspace.id))
        self.rows = {tag.ref(row.session_id, row.message_id): row for row in snapshots}
        self.there: dict[str, str] = {}
        """Ref -> object id, of what the archive had when it was listed last."""
        self.oids: dict[str, str] = {}
        self.outcomes: dict[str, Outcome] = {}
        for ref, row in self.rows.items():
            try:
                self.oids[ref] = tag.oid(tag.content(row))
            except ValueError as error:
                self.note(ref, FAILED, f"its captured_at is no moment ({error}); `rollouts delete` removes it")

    def note(self, ref: str, status: str, reason: str = "") -> None:
        self.outcomes[ref] = Outcome(self.rows[ref], status, reason)

    def undecided(self) -> list[str]:
        return [ref for ref in self.rows if ref not in self.outcomes]

    def decided(self) -> list[Outcome]:
        return [self.outcomes[ref] for ref in self.rows if ref in self.outcomes]


def _settle(delivery: Delivery) -> None:
    """Notes those whose tags are there, object for object or as an earlier look into them told."""
    known = delivery.archive.catalog.known_tags()
    for ref in delivery.undecided():
        oid = delivery.there.get(ref, "")
        if oid == delivery.oids[ref] or known.get(oid) == delivery.rows[ref].id:
            delivery.note(ref, SKIPPED)


def _look_into(delivery: Delivery, repository: GitStore, refs: list[str]) -> Said:
    """Fetches tags that are not the ones that would be made here, and notes those that hold the same snapshot.

    Others are conflicts.
    """
    if not refs:
        return
    yield from network.fetch(repository.path, delivery.url, refs)
    wanted = set(refs)  # beside those that were made here
    same = {}
    fetched = (found for group in carrier.tags(repository) for found in group.items())
    for ref, (oid, raw) in fetched:
        if ref not in wanted:
            continue
        row = delivery.rows[ref]
        try:
            found = tag.read(raw, ref)
            if (found.snapshot_id, found.store_commit_sha) == (row.id, row.store_commit_sha):
                same[oid] = row.id
                delivery.note(ref, SKIPPED)
                continue
            reason = f"snapshot {found.snapshot_id} is there under the same session and message"
        except ValueError as error:
            reason = f"another tag is there under the same name: {error}"
        delivery.note(ref, CONFLICT, reason)
    if same:
        with delivery.archive.catalog as catalog:
            catalog.know_tags(same)


def _made(delivery: Delivery, repository: GitStore, refs: list[str]) -> list[str]:
    """Makes tags. Returns those that could be made."""
    rows = [delivery.rows[ref] for ref in refs]
    try:
        carrier.make_tags(repository, rows)
    except CommandError:
        there = delivery.store.existing([row.store_commit_sha for row in rows])
        lost = [ref for ref in refs if delivery.rows[ref].store_commit_sha not in there]
        if not lost:
            raise
        for ref in lost:
            delivery.note(ref, FAILED, _LOST)
        refs = [ref for ref in refs if ref not in lost]
        carrier.make_tags(repository, [delivery.rows[ref] for ref in refs])
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


def _again(delivery: Delivery, repository: GitStore, refs: list[str]) -> Said:
    """Lists the archive once more, after something came between: what is there now is what counts."""
    delivery.there = yield from network.listing(repository.path, delivery.url)
    landed = [ref for ref in refs if delivery.there.get(ref) == delivery.oids[ref]]
    for ref in landed:
        delivery.note(ref, PUSHED)
    yield from _look_into(delivery, repository, [ref for ref in refs if ref in delivery.there and ref not in landed])


def _lost(delivery: Delivery, refs: list[str]) -> list[str]:
    """Notes those of some snapshots that the store cannot give away whole any more. Returns the others."""
    bad = damage.objects_in(delivery.store.faults())
    rows = [delivery.rows[ref] for ref in refs]
    for row in damage.hit(delivery.store, rows, bad):
        delivery.note(tag.ref(row.session_id, row.message_id), FAILED, _LOST)
    return [ref for ref in refs if ref not in delivery.outcomes]


def _pushed(delivery: Delivery, repository: GitStore, batch: list[str]) -> Generator[bytes, None, Pushed]:
    """Pushes some tags at once, and notes those that arrived and those that were refused for their own sake."""
    specs = [f"{delivery.oids[ref]}:{ref}" for ref in batch]
    leases = [f"{ref}:{delivery.there[ref]}" for ref in batch if ref in delivery.there]
    pushed = yield from network.push(repository.path, delivery.url, specs, leases)
    for ref, answer in pushed.answers.items():
        if answer.is_taken or answer.is_own:
            delivery.note(ref, PUSHED if answer.is_taken else FAILED, "" if answer.is_taken else answer.reason)
    if pushed.error and pushed.error.is_lasting:
        raise pushed.error
    unclear = [ref for ref in batch if ref not in pushed.answers or pushed.answers[ref].is_raced]
    if unclear and not pushed.is_own_loss:
        yield from _again(delivery, repository, unclear)
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


def _left(delivery: Delivery, batch: list[str], pushed: Pushed, patience: _Patience) -> list[list[str]]:
    """What is to be pushed next of a batch; what there is no hope for is noted."""
    left = [ref for ref in batch if ref not in delivery.outcomes]
    if pushed.is_own_loss:
        whole = _lost(delivery, left)
        if whole != left:
            return [whole] if whole else []
    raced = [ref for ref in left if ref in pushed.answers and pushed.answers[ref].is_raced]
    patience.see(without_credentials(delivery.url), pushed, got_on=left != batch or bool(raced), raced=bool(raced))
    if raced and patience.races <= _RACES:
        time.sleep(_PAUSE * patience.races)
        return [left]
    if left == batch and len(batch) > 1:
        return _halves(left)
    again = [ref for ref in left if ref not in pushed.answers and left != batch]
    for ref in left:
        if ref in pushed.answers or pushed.is_own_loss:
            delivery.note(ref, FAILED, _LOST if pushed.is_own_loss else pushed.answers[ref].reason)
        elif ref not in again:
            patience.broken.append(ref)
    return [again] if again else []


def _push(delivery: Delivery, repository: GitStore, refs: list[str]) -> Said:
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
        pushed = yield from _pushed(delivery, repository, batch)
        pending = [*_left(delivery, batch, pushed, patience), *pending]
    if patience.broken and patience.error:
        if not any(ref in delivery.outcomes and delivery.outcomes[ref].status == PUSHED for ref in refs):
            raise patience.error
        for ref in patience.broken:
            delivery.note(ref, FAILED, str(patience.error))


def deliver(delivery: Delivery, *, replace: bool, dry_run: bool) -> Said:
    """Finds out what an archive lacks, and sends it; each outcome is noted as it is known.

    Args:
        delivery: what is to be there; the caller holds its workspace's objects for reading.
        replace: overwrite tags that hold another snapshot.
        dry_run: only find out what would be pushed.

    Raises:
        ArchiveError: the archive failed; what is undecided then is not there, or not known to be.
        RolloutsError: the store or the catalog fails.
    """
    delivery.there = yield from network.listing(delivery.store.path, delivery.url)
    _settle(delivery)
    if not delivery.undecided():
        return
    with carrier.carrier(delivery.archive.home.throwaway()) as repository:
        repository.read_also(delivery.store)
        yield from _look_into(delivery, repository, [ref for ref in delivery.undecided() if ref in delivery.there])
        if replace:
            conflicts = [ref for ref, outcome in delivery.outcomes.items() if outcome.status == CONFLICT]
            for ref in conflicts:
                del delivery.outcomes[ref]
        if dry_run:
            for ref in delivery.undecided():
                delivery.note(ref, PUSHED)
            return
        refs = _made(delivery, repository, delivery.undecided())
        yield from _push(delivery, repository, refs)
