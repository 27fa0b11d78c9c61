"""Sessions as a dataset on the Hugging Face Hub: what a push would add, and one commit that adds it.

Layout of a dataset: docs/datasets.md. Nothing here knows the catalog or any agent.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rollouts.errors import RolloutsError
from rollouts.publish import card, manifest, older
from rollouts.publish.manifest import Manifest, Redaction
from rollouts.publish.patience import PassingError, Patience
from rollouts.publish.rows import Row
from rollouts.publish.spool import Refused, Shard, Spool
from rollouts.record import Record

if TYPE_CHECKING:
    from rollouts.publish.hub_client import Client, Head

PRIVATE, PUBLIC = "private", "public"
SCRATCH_PREFIX = "rollouts-hub-"
"""Of the directories that a killed push leaves in its scratch directory."""


class There(Record):
    """What a dataset holds at one moment."""

    head: Head | None
    """None: there is no such dataset yet."""
    manifest: Manifest
    ours: bool
    """Whether the manifest was there, and not made from the rows of an older tool."""


class Plan(Record):
    """What a push would do."""

    name: str
    """With its namespace."""
    url: str
    exists: bool
    private: bool | None
    """None: it does not exist yet."""
    batch_id: int | None
    """None: nothing is new."""
    added: int
    """Sessions that the dataset does not have."""
    changed: int
    """Rows of sessions that it has in another state."""
    unchanged: int
    bytes: int
    refused: list[Refused]
    replaced: dict[str, int]
    """What redaction took out of the new rows: kind -> number of places."""


class Outcome(Record):
    """What a push did."""

    name: str
    url: str
    created: bool
    private: bool
    batch_id: int | None
    """None: nothing was new, and no commit was made."""
    added: int
    changed: int
    unchanged: int
    bytes: int
    total_rows: int
    total_sessions: int
    replaced: dict[str, int]
    """As in the plan."""


class Push:
    """One push of sessions to one dataset.

    Attributes:
        there: the dataset as it was looked at last.
    """

    def __init__(self, client: Client, folder: str, patience: Patience) -> None:
        self._client, self._patience = client, patience
        self._known: dict[str, There] = {}
        self._sent: dict[str, Shard] = {}
        self._created = False
        self.there = patience.persist(self._looked)
        self._spool = Spool(folder)

    def close(self) -> None:
        self._spool.close()

    @property
    def name(self) -> str:
        """Of the dataset, with its namespace."""
        return self._client.name

    @property
    def url(self) -> str:
        """The dataset's page."""
        return self._client.url

    def signature(self, agent: str, session_id: str) -> str | None:
        """Of the newest row of a session as the dataset was when it was looked at last; None when it has none."""
        return self.there.manifest.signature(agent, session_id)

    # What is there

    def _looked(self) -> There:
        """The dataset as it is now; what belongs to a commit is read once."""
        head = self._client.head()
        if head is None:
            return There(None, Manifest.empty(), ours=False)
        if head.commit not in self._known:
            kept, ours = self._manifest(head)
            self._known = {head.commit: There(head, kept, ours)}
        return self._known[head.commit]._replace(head=head)

    def _manifest(self, head: Head) -> tuple[Manifest, bool]:
        with self._client.file(manifest.FILE, head) as path:
            if path is not None:
                with open(path, "rb") as file:
                    return Manifest.parsed(file.read(), head.name), True
        return self._adopted(head), False

    def _adopted(self, head: Head) -> Manifest:
        """A manifest for a dataset that has none, out of its rows."""
        adoption = older.Adoption(head.name)
        for name in older.data_files(self._client.listing(head), head.name):
            with self._client.file(name, head) as path:
                if path is None:
                    raise PassingError(f"{name} of {head.name} is listed and not there; try again later")
                adoption.add(name, path)
        return adoption.manifest()

    def _card(self, head: Head) -> str | None:
        with self._client.file(card.FILE, head) as path:
            if path is None:
                return None
            with open(path, encoding="utf-8", newline="") as file:
                return file.read()

    # What is to be added

    def add(self, row: Row) -> str:
        """Reads a finished row, which does not go out yet. Returns its signature.

        Raises:
            UnfitRowError: no dataset can hold it.
        """
        return self._spool.add(row)

    def take(self, rows: Iterable[Row]) -> None:
        """Reads finished rows, one at a time; none goes out yet. The plan names those that no dataset can hold."""
        self._spool.fill(rows)

    def plan(self) -> Plan:
        """What `append` would do, without doing it."""
        head, kept = self.there.head, self.there.manifest
        shard = self._spool.shard(kept, None)
        new = len(shard.signatures) if shard else 0
        return Plan(
            self._client.name,
            self._client.url,
            head is not None,
            head.private if head else None,
            shard.batch.batch_id if shard else None,
            shard.added if shard else 0,
            new - shard.added if shard else 0,
            len(self._spool) - new,
            shard.batch.bytes if shard else 0,
            self._spool.refused,
            self._spool.replaced(kept),
        )

    # Adding it

    def append(
        self,
        *,
        visibility: str | None = None,
        license_name: str | None = None,
        redaction: Redaction | None = None,
    ) -> Outcome:
        """Adds what is new, in one commit, or nothing when nothing is.

        Whatever fails on the way, the dataset is as before or as after; a failure that may pass is tried again after
        looking at what is there, so no row is added twice, and none of another machine's is lost.

        Args:
            visibility: PRIVATE or PUBLIC, changed where it differs; None leaves it, and a new dataset is public.
            license_name: for the card; None leaves what it says.
            redaction: what looked for secrets in these rows; None: nothing did.

        Raises:
            RolloutsError: nothing was added, or the Hub was silent to the end; pushing again tells.
        """
        first = [self.there]  # what was planned with; later attempts look again

        def step() -> Outcome:
            self.there = first.pop() if first else self._looked()
            return self._attempt(visibility, license_name, redaction)

        try:
            outcome = self._patience.persist(step)
        except PassingError:
            found = self._landed_at_last()
            if found is None:
                raise
            outcome = found
        if visibility == PUBLIC and outcome.private:
            self._patience.persist(lambda: self._client.set_private(private=False))
            outcome = outcome._replace(private=False)
        return outcome

    def _landed(self) -> Outcome | None:
        """What one of our commits did whose answer got lost; None when none of them is there."""
        landed = self.there.manifest.batch_of(self._sent)
        return self._outcome(self._sent[landed["sha256"]]) if landed else None

    def _landed_at_last(self) -> Outcome | None:
        """The same, when no more attempts are left."""
        try:
            self.there = self._looked() if self._sent else self.there
        except RolloutsError:
            return None
        return self._landed()

    def _attempt(self, visibility: str | None, license_name: str | None, redaction: Redaction | None) -> Outcome:
        landed = self._landed()
        if landed is not None:
            return landed
        if not self._spool.news(self.there.manifest):
            self._hide(visibility)
            return self._outcome(None)
        if self.there.head is None:
            self._create(private=visibility == PRIVATE)
        self._hide(visibility)
        shard = self._spool.shard(self.there.manifest, redaction)
        if shard is None:  # somebody made the dataset at the same moment, with the same rows
            return self._outcome(None)
        self._commit(shard, license_name)
        return self._outcome(shard)

    def _create(self, *, private: bool) -> None:
        self._client.create(private=private)
        self._created = True
        self.there = self._looked()
        if self.there.head is None:
            raise PassingError(f"{self._client.name} was made on Hugging Face and cannot be seen yet; try again later")

    def _hide(self, visibility: str | None) -> None:
        """Makes a public dataset private before rows go there that were meant to be private."""
        head = self.there.head
        if head is not None and visibility == PRIVATE and not head.private:
            self._client.set_private(private=True)
            self.there = self.there._replace(head=head._replace(private=True))

    def _commit(self, shard: Shard, license_name: str | None) -> None:
        head, kept = self.there.head, self.there.manifest
        if head is None:
            raise PassingError(f"{self._client.name} is not there any more; try again")
        grown = kept.grown(shard.batch, shard.signatures)
        text = card.written(self._card(head), head.name, grown, license_name=license_name, ours=self.there.ours)
        files: dict[str, str | bytes] = {
            kept.file_for(shard.batch): shard.path,
            manifest.FILE: grown.encoded(),
            card.FILE: text.encode(),
            **shard.files,
        }
        self._sent[shard.batch.sha256] = shard
        rows = shard.batch.rows
        title = f"Add batch {shard.batch.batch_id}: {rows:,} row{'' if rows == 1 else 's'}"
        self._client.commit(files, head.commit, title)
        self.there = self.there._replace(manifest=grown, ours=True)

    def _outcome(self, shard: Shard | None) -> Outcome:
        head, kept = self.there.head, self.there.manifest
        new = shard.batch.rows if shard else 0
        return Outcome(
            self._client.name,
            self._client.url,
            self._created,
            head is not None and head.private,
            shard.batch.batch_id if shard else None,
            shard.added if shard else 0,
            new - shard.added if shard else 0,
            len(self._spool) - new,
            shard.batch.bytes if shard else 0,
            kept.rows,
            kept.session_count,
            shard.replaced if shard else {},
        )


@contextlib.contextmanager
def opened(
    name: str, *, seconds: float, scratch: str | None = None, patience: Patience | None = None
) -> Iterator[Push]:
    """A push to a dataset, after a look at what is there; with GET and HEAD requests only, like `plan`.

    Args:
        name: of the dataset; without a namespace it is the authenticated user's.
        seconds: how long the Hub may say nothing.
        scratch: a directory for rows on their way; the system's own when it is None.
        patience: with failures that may pass.

    Raises:
        RolloutsError: nobody is logged in, the name is none, the Hub cannot be reached, or the dataset is another's.
    """
    from rollouts.publish.hub_client import Client  # noqa: PLC0415 - the client library costs half a second

    kept = patience or Patience()
    with tempfile.TemporaryDirectory(prefix=SCRATCH_PREFIX, dir=scratch) as folder:
        client = kept.persist(lambda: Client(name, seconds=seconds, scratch=folder))
        with contextlib.closing(Push(client, folder, kept)) as push:
            yield push
