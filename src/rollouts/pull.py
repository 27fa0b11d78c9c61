"""Snapshots from archives: what the catalog lacks is fetched, checked and adopted."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping

from rollouts.contracts import tag
from rollouts.errors import RolloutsError
from rollouts.models import Selection, Snapshot, Workspace
from rollouts.record import Record
from rollouts.storage import adopting, carrier, foreign, network, retrying
from rollouts.storage.archive import Archive
from rollouts.storage.git_store import GitStore
from rollouts.storage.network import ArchiveError, Remote
from rollouts.storage.workspace import Place


class Source(Record):
    """A directory and its archive."""

    path: str
    remote: Remote


class Pulled(Record):
    """What became of one archive's snapshots."""

    path: str
    """The workspace's root, or the directory that was to be one."""
    url: str
    """Without credentials."""
    workspace: Workspace | None
    adopted: list[Snapshot]
    known: int
    """Those that were here already."""
    refused: dict[str, str]
    """Name of a tag -> why its snapshot was left there."""
    error: str | None = None
    """Why nothing, or nothing more, could be had."""


def sources(archive: Archive, selection: Selection, url: str | None, patience: float) -> list[Source]:
    """The archives that are meant.

    Raises:
        RolloutsError: there is none.
    """
    hint = "`rollouts pull --url URL` names one"
    if selection.everything:
        rows = archive.catalog.workspaces()
        found = [Source(row.root_path, Remote(row.remote_url, patience)) for row in rows if row.remote_url]
        if not found:
            raise RolloutsError(f"no workspaces with configured remotes; {hint}")
        return found
    if url is not None:
        return [Source(selection.path, Remote(url, patience))]
    record = archive.registered(selection.path)
    if record.remote_url is None:
        raise RolloutsError(f"workspace has no configured remote: {record.root_path}; {hint}")
    return [Source(record.root_path, Remote(record.remote_url, patience))]


def _lacking(archive: Archive, record: Workspace, there: Mapping[str, str]) -> list[str]:
    """The tags of an archive that hold none of the snapshots that are here."""
    known = archive.catalog.known_tags()
    own = {}
    for row in archive.catalog.snapshots(record.id):
        try:
            own[tag.ref(row.session_id, row.message_id)] = tag.oid(tag.content(row))
        except ValueError:  # captured_at is no moment: no archive has it
            continue
    return [ref for ref, oid in there.items() if own.get(ref) != oid and oid not in known]


def _record(archive: Archive, place: Place, url: str) -> Workspace:
    """The workspace of a directory, made when it is new; one without an archive gets this one, if nobody has it."""
    record = archive.register(place)
    if record.remote_url is None and all(row.remote_url != url for row in archive.catalog.workspaces()):
        with archive.catalog as catalog:
            catalog.set_remote(record.id, url)
    return record


def _adopted(
    archive: Archive,
    record: Workspace,
    repository: GitStore,
    tags: Mapping[str, tuple[str, bytes]],
    refused: dict[str, str],
) -> list[Snapshot]:
    """Checks fetched tags and adopts what is good of them. Returns what is new; why others are not is noted."""
    with archive.reading(record):
        checked = foreign.check(repository, record.id, tags)
    new, conflicts = adopting.adopt(archive, record, repository, checked.snapshots)
    refused |= checked.refused | conflicts
    rows = {tag.ref(row.session_id, row.message_id): row for row in checked.snapshots}
    with archive.catalog as catalog:
        catalog.know_tags({tags[ref][0]: row.id for ref, row in rows.items() if ref not in conflicts})
    return new


def _pulled(archive: Archive, source: Source, refused: dict[str, str]) -> Generator[bytes, None, Pulled]:
    place = archive.locate(source.path)
    folder = archive.home.throwaway()
    with carrier.carrier(folder) as repository:
        there = yield from network.listing(repository.path, source.remote)
        record = _record(archive, place, source.remote.url)
        store = adopting.ready(archive, record)
        repository.read_also(store)
        wanted = _lacking(archive, record, there)
        refused |= dict.fromkeys(
            (ref for ref in wanted if not tag.is_ref(ref)), "it is not named as a snapshot's tag is"
        )
        with archive.reading(record):
            good = [ref for ref in wanted if ref not in refused]
            refused |= yield from retrying.fetch(repository, source.remote, good)
        adopted = [
            row for group in carrier.tags(repository) for row in _adopted(archive, record, repository, group, refused)
        ]
    known = len(there) - len(adopted) - len(refused)
    return Pulled(record.root_path, source.remote.shown, record, adopted, known, refused)


def pull(archive: Archive, source: Source) -> Generator[bytes, None, Pulled]:
    """Adopts what an archive has and the catalog lacks. Yields what git says of its progress.

    Nothing is raised for an archive that fails: the outcome says so.

    Raises:
        RolloutsError: the directory is none, or the store or the catalog fails.
    """
    refused: dict[str, str] = {}
    try:
        return (yield from _pulled(archive, source, refused))
    except ArchiveError as error:
        return Pulled(os.path.abspath(source.path), source.remote.shown, None, [], 0, refused, str(error))
