"""One workspace's snapshots on their way to its archive: their tags, what is there, and what is known of each."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from rollouts.contracts import tag
from rollouts.errors import CommandError
from rollouts.models import Snapshot
from rollouts.record import Record
from rollouts.storage import carrier, comparing, retrying
from rollouts.storage.archive import Archive
from rollouts.storage.git_store import GitStore
from rollouts.storage.network import Remote

PUSHED, SKIPPED, CONFLICT, FAILED, STOPPED = "pushed", "skipped", "conflict", "failed", "stopped"
LOST = "the store has lost part of it; run `rollouts doctor --repair`"

Said = Generator[bytes, None, None]


class Leak(Record):
    """What looks like a secret in a snapshot's file."""

    path: bytes
    kind: str
    line: int
    """From 1."""
    blob: str


class Outcome(Record):
    """What became of one snapshot."""

    snapshot: Snapshot
    status: str
    """`pushed`, `skipped` (it is there), `conflict` (another one is there under its name), `stopped` (a file of it
    gives a secret away) or `failed`."""
    reason: str = ""
    leaks: tuple[Leak, ...] = ()
    """Why it is stopped; of another one what was let go with it."""


class Delivery:
    """One workspace's snapshots, their tags and what is known of each."""

    def __init__(self, archive: Archive, workspace_id: str, snapshots: Sequence[Snapshot], remote: Remote) -> None:
        self.archive = archive
        self.workspace_id = workspace_id
        self.remote = remote
        self.store: GitStore = comparing.present(archive.store(workspace_id))
        self.rows = {tag.ref(row.session_id, row.message_id): row for row in snapshots}
        self.there: dict[str, str] = {}
        """Ref -> object id, of what the archive had when it was listed last."""
        self.unread: list[str] = []
        """Refs of the archive that could not be looked into."""
        self.oids: dict[str, str] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.leaks: dict[str, tuple[Leak, ...]] = {}
        for ref, row in self.rows.items():
            try:
                self.oids[ref] = tag.oid(tag.content(row))
            except ValueError as error:
                self.note(ref, FAILED, f"its captured_at is no moment ({error}); `rollouts delete` removes it")

    def note(self, ref: str, status: str, reason: str = "") -> None:
        self.outcomes[ref] = Outcome(self.rows[ref], status, reason, self.leaks.get(ref, ()))

    def undecided(self) -> list[str]:
        return [ref for ref in self.rows if ref not in self.outcomes]

    def told(self) -> list[Outcome]:
        """What is known by now, in the order of the snapshots."""
        return [self.outcomes[ref] for ref in self.rows if ref in self.outcomes]


def settle(delivery: Delivery) -> None:
    """Notes those whose tags are there, object for object or as an earlier look into them told."""
    known = delivery.archive.catalog.known_tags()
    for ref in delivery.undecided():
        oid = delivery.there.get(ref, "")
        if oid == delivery.oids[ref] or known.get(oid) == delivery.rows[ref].id:
            delivery.note(ref, SKIPPED)


def look_into(delivery: Delivery, repository: GitStore, refs: list[str]) -> Said:
    """Fetches tags that are not the ones that would be made here, and notes those that hold the same snapshot.

    Others are conflicts.
    """
    if not refs:
        return
    broken = yield from retrying.fetch(repository, delivery.remote, refs)
    for ref, reason in broken.items():
        delivery.unread.append(ref)
        delivery.note(ref, FAILED, f"what is there under its name cannot be read; {reason}")
    wanted = set(refs)  # beside those that were made here
    same = {}
    fetched = (found for group in carrier.tags(repository) for found in group.items())
    for ref, (oid, raw) in fetched:
        if ref not in wanted or ref in broken:
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


def made(delivery: Delivery, repository: GitStore, refs: list[str]) -> list[str]:
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
            delivery.note(ref, FAILED, LOST)
        refs = [ref for ref in refs if ref not in lost]
        carrier.make_tags(repository, [delivery.rows[ref] for ref in refs])
    return refs
