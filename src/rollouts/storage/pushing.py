"""Pushes until it is known of each tag what became of it: again, in halves, or not at all."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator

from rollouts.contracts import tag
from rollouts.storage import damage, network
from rollouts.storage.delivery import FAILED, LOST, PUSHED, Delivery, Said, look_into
from rollouts.storage.git_store import GitStore
from rollouts.storage.network import ArchiveError, Pushed
from rollouts.storage.retrying import IN_VAIN, halves

_ARGUMENTS = 512 << 10
"""Bytes of refspecs for one git: a system may take no more than 1 MB of arguments and environment."""
_RACES, _PAUSE = 4, 0.1
"""How often in a row another push may come between, and seconds until the first of those tries."""


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
    before = delivery.there
    delivery.there = yield from network.listing(repository.path, delivery.remote)
    changed = [ref for ref in refs if ref in delivery.there and delivery.there[ref] != before.get(ref)]
    landed = [ref for ref in changed if delivery.there[ref] == delivery.oids[ref]]
    for ref in landed:
        delivery.note(ref, PUSHED)
    yield from look_into(delivery, repository, [ref for ref in changed if ref not in landed])


def without_lost(delivery: Delivery, refs: list[str]) -> list[str]:
    """Notes those of some snapshots that the store cannot give away whole any more. Returns the others."""
    bad = damage.objects_in(delivery.store.faults())
    rows = [delivery.rows[ref] for ref in refs]
    for row in damage.hit(delivery.store, rows, bad):
        delivery.note(tag.ref(row.session_id, row.message_id), FAILED, LOST)
    return [ref for ref in refs if ref not in delivery.outcomes]


def _pushed(delivery: Delivery, repository: GitStore, batch: list[str]) -> Generator[bytes, None, Pushed]:
    """Pushes some tags at once, and notes those that arrived and those that were refused for their own sake."""
    specs = [f"{delivery.oids[ref]}:{ref}" for ref in batch]
    leases = [f"{ref}:{delivery.there[ref]}" for ref in batch if ref in delivery.there]
    pushed = yield from network.push(repository.path, delivery.remote, specs, leases)
    for ref, answer in pushed.answers.items():
        if answer.is_taken or answer.is_own:
            delivery.note(ref, PUSHED if answer.is_taken else FAILED, "" if answer.is_taken else answer.reason)
    if pushed.error and pushed.error.is_lasting and not pushed.is_own_loss:
        raise pushed.error
    unclear = [ref for ref in batch if ref not in pushed.answers or pushed.answers[ref].is_raced]
    if unclear and not pushed.is_own_loss:
        yield from _again(delivery, repository, unclear)
    return pushed


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
        self.in_vain = 0 if got_on or 0 < self.races <= _RACES else self.in_vain + 1
        if self.in_vain > IN_VAIN:
            reason = next((answer.reason for answer in pushed.answers.values()), "no reason was given")
            raise pushed.error or ArchiveError(f"{shown}: {IN_VAIN} pushes in a row were refused: {reason}; try again")


def _left(delivery: Delivery, batch: list[str], pushed: Pushed, patience: _Patience) -> list[list[str]]:
    """What is to be pushed next of a batch; what there is no hope for is noted."""
    left = [ref for ref in batch if ref not in delivery.outcomes]
    if pushed.is_own_loss:
        whole = without_lost(delivery, left)
        if whole != left:
            return [whole] if whole else []
    raced = [ref for ref in left if ref in pushed.answers and pushed.answers[ref].is_raced]
    patience.see(delivery.remote.shown, pushed, got_on=left != batch, raced=bool(raced))
    if raced and patience.races <= _RACES:
        time.sleep(_PAUSE * patience.races)
        return [left]
    if left == batch and len(batch) > 1:
        return halves(left)
    again = [ref for ref in left if ref not in pushed.answers and left != batch]
    for ref in left:
        if ref in pushed.answers:
            delivery.note(ref, FAILED, pushed.answers[ref].reason)
        elif ref not in again:
            patience.broken.append(ref)
    return [again] if again else []


def push(delivery: Delivery, repository: GitStore, refs: list[str]) -> Said:
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
