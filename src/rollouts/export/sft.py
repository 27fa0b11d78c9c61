"""Sessions as rows for supervised fine-tuning: what belongs to one is gathered, cleaned as a whole, made into lines."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import BinaryIO

import msgspec

from rollouts import whole
from rollouts.agents.session import Session
from rollouts.contracts.instants import instant
from rollouts.contracts.remote_url import without_credentials
from rollouts.contracts.strict_json import Json
from rollouts.errors import DamagedStoreError, RolloutsError
from rollouts.export import training
from rollouts.export.bundles import Bundles, exact
from rollouts.export.chat import Notes
from rollouts.export.cleaning import Cleaner
from rollouts.export.library import Job, Library, Material, in_words
from rollouts.export.neutral import Neutral, neutral
from rollouts.export.sessions import Done, Plan
from rollouts.export.training import Copies, Facts, Form, Spot
from rollouts.models import Snapshot
from rollouts.publish.rows import mended
from rollouts.record import Record
from rollouts.storage import comparing, sessions
from rollouts.storage.archive import Archive

PATCH_BYTES = 1 << 20
"""What a patch may have; it is cut at the end of a line, and says so."""
_CUT = "[rollouts: the rest of this patch is left out; it is longer than {size} bytes]\n"
LOST = "patches whose snapshots are damaged"
UNREADABLE = "lines of records that could not be read"


class Run:
    """What the rows of one export have in common.

    Attributes:
        form: which rows are wanted.
        copies: the turns that are written.
        notes: what is left out -> how often.
    """

    def __init__(self, form: Form, *, bundles: str | None = None, jobs: Iterable[Job] = ()) -> None:
        """Prepares for an export.

        Args:
            form: which rows are wanted.
            bundles: the folder that trace bundles of Codex are looked for in; None: nowhere.
            jobs: all that are to come; a subagent's session that is one of them is not written with another one.
        """
        self.form = form
        self.copies = Copies()
        self.notes = Notes()
        self.bundles = Bundles(bundles)
        self.planned = frozenset(job.session_id for job in jobs)


class Exported(Record):
    """What became of a session."""

    done: Done
    rows: int = 0


# Which sessions


def in_order(archive: Archive, plan: Plan) -> list[Job]:
    """The sessions of a plan by their start; of a session and its fork that begin alike the session comes first."""
    first = {session.session_id: session.first for session in archive.catalog.sessions()}
    rows = {row.session_id: row for row in sessions.tracked(archive.catalog)}

    def key(job: Job) -> tuple[int, bool, str, str]:
        row = rows.get(job.session_id)
        if row is None:
            return 0, False, "", job.session_id
        began = instant(row.started_at) or instant(first.get(job.session_id)) or instant(row.last_activity_at) or 0
        return began, row.relationship == "fork", row.last_activity_at, job.session_id

    return sorted(plan.jobs, key=key)


# What belongs to a session


def _patch(archive: Archive, before: Snapshot, after: Snapshot) -> str:
    store = archive.store(before.workspace_id)
    old, new = comparing.side(store, before), comparing.side(store, after)
    if old.tree == new.tree:
        return ""
    text, is_whole = comparing.patch(old, new, PATCH_BYTES)
    if is_whole:
        return text.decode(errors="replace")
    return text[: text.rfind(b"\n") + 1].decode(errors="replace") + _CUT.format(size=PATCH_BYTES)


def _patches(archive: Archive, material: Material, notes: Notes) -> Json:
    """Number of a turn -> what it changed, of turns that have a snapshot before and one after."""
    found: dict[str, Json] = {}
    owner = material.workspace
    if owner is None or not material.snapshots:
        return found
    around = neutral(material, None).attached.turns
    with archive.reading(owner):
        for number, turn in enumerate(around):
            if turn.before and turn.after:
                try:
                    found[str(number)] = _patch(archive, turn.before, turn.after)
                except DamagedStoreError:
                    notes[LOST] += 1
    return found


def gathered(archive: Archive, material: Material, run: Run) -> Json:
    """What goes with a session's record into its rows, as JSON that is to be cleaned with it.

    Raises:
        RolloutsError: the session cannot be read.
    """
    patches = _patches(archive, material, run.notes) if run.form.unit == training.TURN else {}
    try:
        sent = run.bundles.recorded(material.session_id) if material.agent == "codex" else None
    except OSError as error:
        raise RolloutsError(f"no bundles can be looked for: {in_words(error)}; name a folder with --bundles") from error
    return {"patches": patches, "sent": sent}


# Its lines


def _workspace(material: Material) -> Json:
    owner = material.workspace
    if owner is None:
        return None
    return {"id": owner.id, "remote_url": owner.remote_url and without_credentials(owner.remote_url)}


def _spots(found: Neutral, patches: Json) -> list[Spot]:
    texts = patches if isinstance(patches, dict) else {}
    spots = []
    for number, turn in enumerate(found.attached.turns):
        patch = texts.get(str(number))
        spots.append(Spot(turn.before, turn.after, patch if isinstance(patch, str) else None))
    return spots


def _below(session: Session, run: Run) -> Iterator[Session]:
    """The subagents of a session and theirs, in the order of their start."""
    for child in sorted(session.subagents, key=lambda one: (instant(one.started_at) or 0, one.id)):
        if child.id not in run.planned:
            yield child
        yield from _below(child, run)


def _line(row: dict[str, Json]) -> bytes:
    """A row as a line of JSON that every reader takes.

    Raises:
        RolloutsError: it is nested too deeply for any.
    """
    try:
        return msgspec.json.encode(mended(row)) + b"\n"
    except RecursionError:
        raise RolloutsError("a tool was called with arguments that are nested too deeply") from None


def lines(material: Material, found: Neutral, run: Run) -> Iterator[bytes]:
    """The rows of a session and of its subagents, a line of JSON each.

    Args:
        material: the session as it was found.
        found: the same as it may leave, with what `gathered` gave.
        run: what the export has in common.

    Raises:
        RolloutsError: a row cannot be written.
    """
    more = found.more if isinstance(found.more, dict) else {}
    sent, redacted = more.get("sent"), None if found.report is None else found.report.total
    run.copies.begin()
    for number, one in enumerate((found.session, *_below(found.session, run))):
        run.notes[UNREADABLE] += one.unreadable_lines
        spots = [] if number else _spots(found, more.get("patches"))
        facts = Facts(_workspace(material), spots, exact(sent, one.id), redacted)
        for row in training.rows(one, facts, run.form, run.copies, run.notes):
            yield _line(row)
    run.copies.keep()


def _material(archive: Archive, library: Library, job: Job) -> Material:
    """A session with what belongs to it; a subagent's works where the one that started it does."""
    found = library.material(archive, job)
    above = (archive.catalog.workspace_of_session(name) for name in job.ancestors)
    return found if found.workspace else found._replace(workspace=next(filter(None, above), None))


def _write(archive: Archive, library: Library, job: Job, tools: tuple[Cleaner | None, Run], file: BinaryIO) -> Exported:
    cleaner, run = tools
    with library.reading():
        material = _material(archive, library, job)
        found = neutral(material, cleaner, gathered(archive, material, run))
        count = 0
        for line in lines(material, found, run):
            file.write(line)
            count += 1
    return Exported(Done(job.session_id, material.agent, report=found.report), count)


def export_one(archive: Archive, job: Job, path: str, cleaner: Cleaner | None, run: Run) -> Exported:
    """Writes the rows of one session; no file when it has none.

    Raises:
        RolloutsError: it cannot be read, or there is no place for the file.
        OSError: the file cannot be written.
    """
    target = whole.target(path)
    with whole.replaced(target) as file:
        return _write(archive, Library(archive.home), job, (cleaner, run), file)


def export_all(
    archive: Archive, jobs: Iterable[Job], path: str, cleaner: Cleaner | None, run: Run
) -> Generator[Exported]:
    """Writes the rows of sessions. Yields what became of each; the file is there when all is done.

    One that cannot be read is left out. When there are no rows at all, no file is written.

    Raises:
        RolloutsError: there is no place for the file.
        OSError: the file cannot be written.
    """
    target = whole.target(path)
    library = Library(archive.home)
    with whole.replaced(target) as file:
        for job in jobs:
            start = file.tell()
            try:
                yield _write(archive, library, job, (cleaner, run), file)
            except RolloutsError as error:
                file.seek(start)
                file.truncate()
                yield Exported(Done(job.session_id, job.candidates[0], str(error)))
