"""What `hf push` does, step by step: archives, rows, snapshots, one commit."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rollouts import paths
from rollouts import push as pushing
from rollouts.commands import exporting, output
from rollouts.commands.capture import shown
from rollouts.commands.following import announce, followed
from rollouts.config import HubDefaults
from rollouts.contracts.remote_url import without_credentials
from rollouts.errors import RolloutsError, UsageError
from rollouts.export import bundles, cleaning, rows, sessions, sft
from rollouts.export.library import Job
from rollouts.export.sessions import Done
from rollouts.export.sft import Run
from rollouts.export.training import Form
from rollouts.models import Selection
from rollouts.publish import hub
from rollouts.publish.hub import PRIVATE, PUBLIC, Push
from rollouts.publish.manifest import Redaction
from rollouts.push import Sent
from rollouts.record import Record
from rollouts.redact import engine, second
from rollouts.redact.redactor import RULES
from rollouts.storage import opening, scratch
from rollouts.storage.archive import Archive
from rollouts.storage.delivery import PUSHED, SKIPPED, Outcome
from rollouts.storage.network import Remote


class Redacting(Record):
    """Whether secrets are taken out."""

    on: bool
    verify: bool | None
    """Whether a second engine is asked; None: where it is installed."""


class Archives(Record):
    """Whether snapshots go, too."""

    none: bool
    create: bool | None
    """Whether missing archives are made; None: where remote defaults are set."""
    allow_secrets: bool
    """Whether snapshots go that have keys or tokens in their files."""


def shapes(include: str | None) -> frozenset[str]:
    """The names in `--include`.

    Raises:
        UsageError: one is no shape.
    """
    names = [] if include is None else [name.strip() for name in include.split(",")]
    wrong = [name for name in names if name not in rows.SHAPES]
    if wrong:
        raise UsageError(f"--include has {wrong[0]!r}; it takes {', '.join(rows.SHAPES)}, with commas between them")
    return frozenset(names)


class Asked(Record):
    """What the command line asks for."""

    agent: str
    name: str
    private: bool | None
    archives: Archives
    license_name: str | None
    shapes: frozenset[str]
    """Of rows.SHAPES."""
    redacting: Redacting
    patience: float
    dry_run: bool
    yes: bool


class Snapshots(Record):
    """What became of the snapshots."""

    sent: list[Sent]
    made: int

    def count(self, status: str) -> int:
        return sum(one.count(status) for one in self.sent)

    @property
    def wrong(self) -> list[tuple[Sent, Outcome]]:
        """Those that are not in their archives now."""
        return [(one, row) for one in self.sent for row in one.outcomes if row.status not in {PUSHED, SKIPPED}]

    @property
    def all_there(self) -> bool:
        return not self.wrong and not any(one.error for one in self.sent)


class Result(Record):
    """What became of the push, or would."""

    dataset: hub.Outcome | hub.Plan
    snapshots: Snapshots
    unread: int
    """Sessions that look as they did at the last push."""
    good: list[Done]
    bad: list[Done]
    redaction: Redaction | None


# The snapshots


def _owners(home: Archive, jobs: list[Job], asked: Asked) -> list[pushing.Job]:
    """The workspaces whose sessions go, with all their snapshots.

    Raises:
        RolloutsError: one has no archive, and is not to get one.
    """
    found = (home.catalog.workspace_of_session(job.session_id) for job in jobs)
    owners = {workspace.id for workspace in found if workspace}
    if asked.archives.none or not owners:
        return []
    planned = pushing.plan(home, Selection(everything=True), create=True)
    meant = [job for job in planned if job.workspace.id in owners]
    lacking = [job.workspace.root_path for job in meant if job.workspace.remote_url is None]
    create = home.catalog.remote_defaults() is not None if asked.archives.create is None else asked.archives.create
    if lacking and not create:
        others = f" (and {len(lacking) - 1} more)" if len(lacking) > 1 else ""
        raise RolloutsError(
            f"workspace has no configured remote: {lacking[0]}{others}; `rollouts remote set` gives it one, "
            "--create-remote makes one on GitHub, --sessions-only goes without"
        )
    return meant


def _with_archives(home: Archive, jobs: list[pushing.Job], asked: Asked) -> tuple[list[pushing.Job], int]:
    """The same workspaces, each with an archive, and how many were made.

    Raises:
        RolloutsError: one cannot be made.
    """
    found, made = [], 0
    for job in jobs:
        if job.workspace.remote_url is not None:
            found.append(job)
            continue
        if asked.dry_run:
            pushing.wanted_repository(home, job.workspace)  # what cannot be made is told here as well
            found.append(job)
            continue
        there, is_new = pushing.create_archive(home, job, asked.patience)
        output.say(f"{'Created' if is_new else 'Adopted'} {without_credentials(there.workspace.remote_url or '')}")
        found.append(there)
        made += is_new
    return found, made


def _sent(home: Archive, job: pushing.Job, asked: Asked) -> Sent:
    url = job.workspace.remote_url
    try:
        allow = asked.archives.allow_secrets
        if url is None:
            return followed(pushing.imagined(home, job, allow_secrets=allow))
        announce(f"Pushing {len(job.snapshots)} snapshots of {shown(job.workspace.root_path)}")
        remote = Remote(url, asked.patience)
        work = pushing.send(home, job, remote, replace=False, dry_run=asked.dry_run, allow_secrets=allow)
        return followed(work)
    except RolloutsError as error:
        return pushing.not_sent(job, str(error))


# Who may see it


def _answer(name: str, what: str) -> str:
    """Public or private, as the person at the terminal says.

    Raises:
        RolloutsError: neither.
    """
    sys.stderr.write(f"{name} does not exist yet. If it is public, anybody can read {what}.\nWho may see it? ")
    sys.stderr.write("[public/private/N]: ")
    sys.stderr.flush()
    answer = sys.stdin.readline().strip().lower()
    if answer not in {PUBLIC, PRIVATE}:
        raise RolloutsError("cancelled: nothing was pushed; --private or --public says it beforehand")
    return answer


def _visibility(push: Push, asked: Asked, defaults: HubDefaults, what: str) -> str | None:
    """Who is to see the dataset; None leaves one that is there as it is.

    Raises:
        RolloutsError: it is new, and the person at the terminal wants neither.
    """
    wanted = asked.private
    exists = push.there.head is not None
    if wanted is None and not exists:
        wanted = defaults.private
    if wanted is not None or exists:
        return None if wanted is None else PRIVATE if wanted else PUBLIC
    if asked.dry_run:
        return None
    if asked.yes or not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        output.warn([f"{push.name} is new and becomes PUBLIC: anybody can read {what}; --private keeps it to yourself"])
        return PUBLIC
    return _answer(push.name, what)


# All of it


def _engines(asked: Redacting) -> Redaction | None:
    """What is to look for secrets. Raises RolloutsError when it is not installed."""
    if not asked.on:
        return None
    verifies = second.is_installed() if asked.verify is None else asked.verify
    return Redaction((engine.version(), RULES), {}, second.name() if verifies else None)


def _cleaner(home: Archive, jobs: list[Job], push: Push, redaction: Redaction | None) -> cleaning.Cleaner | None:
    if redaction is None or not jobs:
        return None
    known = cleaning.secrets_of(home, jobs)
    verify = redaction.verified_by is not None
    return cleaning.cleaner(home.home, dataset=push.name, known_secrets=known, verify=verify)


def _tell_of_shapes(filling: rows.Rows, others: int) -> None:
    """What a reader of the other shapes will miss; `others` are sessions whose rows are in the dataset already."""
    if filling.left_out:
        output.warn([f"the rows for training leave out: {'; '.join(filling.left_out)}"])
    if others:
        count = "1 session is" if others == 1 else f"{others} sessions are"
        output.warn([f"{count} in the dataset already, and not added in other shapes: those go with new rows only"])


def _pushed(home: Archive, push: Push, jobs: list[Job], asked: Asked, defaults: HubDefaults) -> Result:
    redaction = _engines(asked.redacting)
    workspaces = _owners(home, jobs, asked)
    count = "1 session" if len(jobs) == 1 else f"{len(jobs)} sessions"
    what = f"the conversations of {count} (agent: {asked.agent}) and the code in them"
    visibility = _visibility(push, asked, defaults, what)
    workspaces, made = _with_archives(home, workspaces, asked)
    plan = rows.plan(home, jobs, push, cleaning=repr(redaction))
    cleaner = _cleaner(home, [task.job for task in plan.tasks], push, redaction)
    run = Run(Form(), bundles=bundles.folder(None), jobs=jobs)
    filling = rows.Rows(home, push, cleaner, rows.Shapes(asked.shapes, run))
    good, bad = exporting.followed(filling.fill(plan.tasks), len(plan.tasks))
    _tell_of_shapes(filling, plan.unchanged if asked.shapes else 0)
    # after the rows are made: what the second engine objects to stops these, too; before they go: they name these
    snapshots = Snapshots([_sent(home, job, asked) for job in workspaces], made)
    if asked.dry_run:
        return Result(push.plan(), snapshots, plan.unchanged, good, bad, redaction)
    announce("Syncing Hugging Face dataset...")
    done = push.append(visibility=visibility, license_name=asked.license_name, redaction=redaction)
    filling.remember()
    return Result(done, snapshots, plan.unchanged, good, bad, redaction)


@contextmanager
def _room(home: Archive) -> Iterator[str]:
    """A directory for rows on their way, in the home, where sessions are as private and as many as here."""
    scratch.sweep(home.home.path, scratch.HUB)
    with scratch.scratch(home.home.path, scratch.HUB) as folder:
        yield folder


def publish(asked: Asked, defaults: HubDefaults) -> Result:
    """Pushes what is asked for.

    Raises:
        RolloutsError: nothing was pushed.
    """
    opened = opening.opened_for_reading if asked.dry_run else opening.opened
    with opened(paths.home()) as home:
        output.warn(home.notes)
        plan = sessions.plan_all(home, asked.agent)
        output.warn(plan.notes)
        with _room(home) as folder, hub.opened(asked.name, seconds=asked.patience, scratch=folder) as push:
            jobs = sft.in_order(home, plan) if rows.SFT in asked.shapes else plan.jobs
            return _pushed(home, push, jobs, asked, defaults)
