"""What snapshots would carry to a server that nobody should see: private keys and live tokens in their files.

Each blob is looked at once. Which snapshots were looked at is remembered, and which blobs give something away; of a
snapshot that is new only the blobs that are in no other one are read.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Sequence

from rollouts.models import Snapshot
from rollouts.storage import blobs, scans
from rollouts.storage.archive import Archive
from rollouts.storage.delivery import Leak
from rollouts.storage.git_store import GitStore
from rollouts.storage.scans import Found

_MOST = 20
"""Findings that are kept of one blob."""
_TOLD = 200
"""Blobs from one word on progress to the next."""
ADVICE = (
    "what looks like a private key or a live token keeps snapshots back. Take the file out of those to come (an"
    " untracked one by .gitignore, a tracked one by `git rm --cached` as well); `rollouts delete` removes those that"
    " hold it. If it is no secret: --allow-secrets"
)

Leaks = dict[str, tuple[Leak, ...]]
"""Snapshot id -> what its files give away, of those that do, in the order of their paths."""


def _looked_into(store: GitStore, sizes: dict[str, int]) -> Generator[bytes, None, dict[str, Found]]:
    from rollouts.redact import blobs as redact  # noqa: PLC0415 - 17 ms, and the engine 24: only with something to send

    found: dict[str, Found] = {}
    for number, (oid, data) in enumerate(blobs.contents(store, sizes, redact.LIMIT)):
        if number % _TOLD == 0:
            yield b"Looking for secrets: %d of %d files" % (number, len(sizes))
        findings = redact.scan(data)
        if findings:
            found[oid] = tuple((finding.kind, finding.line) for finding in findings[:_MOST])
    return found


def _learned(
    archive: Archive, store: GitStore, rows: Iterable[Snapshot]
) -> Generator[bytes, None, tuple[dict[str, Found], dict[str, str]]]:
    """What the blobs of a workspace give away, as far as any of these snapshots has them, and the snapshots' trees.

    Those snapshots that are new are looked at, and it is noted that they were.
    """
    from rollouts.redact import blobs as redact  # noqa: PLC0415 - as above

    workspace_id = next(iter(rows)).workspace_id
    looks = redact.looks()
    seen = scans.scanned(archive.catalog, workspace_id, looks)
    known = scans.leaking(archive.catalog, workspace_id, looks)
    commits = [row.store_commit_sha for row in rows]
    new = dict.fromkeys(commit for commit in commits if commit not in seen)
    if not new and not known:
        return known, {}
    trees = blobs.trees(store, [*commits, *seen]) if new else blobs.trees(store, commits)
    if new:
        fresh = [trees[commit] for commit in new if commit in trees]
        sizes = blobs.unseen(store, fresh, [trees[commit] for commit in seen if commit in trees])
        known |= yield from _looked_into(store, sizes)
        scans.note(archive.catalog, workspace_id, looks, [commit for commit in new if commit in trees], known)
    return known, trees


def leaks(archive: Archive, rows: Sequence[Snapshot]) -> Generator[bytes, None, Leaks]:
    """What snapshots of one workspace give away. The caller holds the lock for reading its store.

    What somebody let go before (`allow`) is left out, as is a snapshot whose commit the store has lost: it cannot be
    sent. Yields words on progress.

    Raises:
        CommandError, DamagedStoreError: a snapshot cannot be read whole.
        RolloutsError: the engine is not installed, or the catalog is busy.
    """
    if not rows:
        return {}
    store = archive.store(rows[0].workspace_id)
    known, trees = yield from _learned(archive, store, rows)
    wanted = known.keys() - scans.allowed(archive.catalog, rows[0].workspace_id) if known else set()
    there = [row for row in rows if row.store_commit_sha in trees]
    if not wanted or not there:
        return {}
    held = blobs.holdings(store, [trees[row.store_commit_sha] for row in there], wanted)
    return {row.id: _told(holdings, known) for row, holdings in zip(there, held, strict=True) if holdings}


def _told(holdings: blobs.Holdings, known: dict[str, Found]) -> tuple[Leak, ...]:
    return tuple(Leak(path, kind, line, oid) for path, oid in sorted(holdings.items()) for kind, line in known[oid])


def allow(archive: Archive, workspace_id: str, found: Collection[Leak]) -> None:
    """Lets blobs go to the workspace's archive, this time and from now on, whatever was found in them."""
    if found:
        scans.allow(archive.catalog, workspace_id, {leak.blob for leak in found})


def in_words(found: Sequence[Leak]) -> str:
    """What was found where, on one line; never the secret."""
    first = [f"{leak.kind} in {leak.path.decode(errors='replace')}, line {leak.line}" for leak in found[:3]]
    return "; ".join([*first, f"and {len(found) - 3} more"] if len(found) > 3 else first)
