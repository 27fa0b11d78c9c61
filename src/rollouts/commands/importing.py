"""import."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Annotated

import typer

from rollouts import agents as known
from rollouts import importing, paths
from rollouts.commands import capture, output
from rollouts.commands.options import AsJson, DryRun
from rollouts.errors import UsageError
from rollouts.facts import Slip
from rollouts.importing import CHANGED, NEW, UNCHANGED, Plan, Step
from rollouts.storage import opening, sessions
from rollouts.storage.shelf_upkeep import tidy

_SPAN = re.compile(r"(\d{1,6})([dh])")
_DESCRIBED = {NEW: "new", CHANGED: "changed", UNCHANGED: "unchanged"}


def _since(text: str | None) -> float:
    """A moment in seconds since 1970: a day (its midnight here), or days or hours ago.

    Raises:
        UsageError: the text says none.
    """
    if text is None:
        return 0.0
    span = _SPAN.fullmatch(text)
    try:
        if span:
            hours = int(span[1]) * (24 if span[2] == "d" else 1)
            return (datetime.now().astimezone() - timedelta(hours=hours)).timestamp()
        return datetime.strptime(text, "%Y-%m-%d").astimezone().timestamp()
    except (ValueError, OverflowError) as error:
        raise UsageError(f"--since is {text!r}; give a day (2026-11-21), or days or hours (30d, 12h)") from error


def _shown(steps: Iterable[Step], count: int) -> Iterator[Step]:
    """Some steps as they come, with a bar on a terminal that says how many are done."""
    if not sys.stderr.isatty():
        yield from steps
        return
    from rich.console import Console  # noqa: PLC0415 - 60 ms, and only for a terminal
    from rich.progress import Progress  # noqa: PLC0415 - as above

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Importing", total=count)
        for step in steps:
            bar.advance(task)
            yield step


class _Tally:
    """What became of one agent's sessions."""

    def __init__(self, plan: Plan) -> None:
        self.agent = plan.agent
        self.found = len(plan.sources)
        self.counts = dict.fromkeys(_DESCRIBED, 0)
        self.slips: list[Slip] = list(plan.slips)
        self.files = len(plan.slips)
        self.lines = self.unknown = 0

    def add(self, step: Step) -> None:
        if step.status is None:
            self.files += 1
        else:
            self.counts[step.status] += 1
        self.lines += step.unreadable_lines
        self.unknown += step.unknown_records
        self.slips += step.slips

    def as_json(self) -> dict[str, object]:
        return {
            "agent": self.agent,
            "found": self.found,
            **self.counts,
            "skipped_lines": self.lines,
            "skipped_files": self.files,
            "unknown_records": self.unknown,
            "skipped": [{**output.path_fields(slip.key), "reason": slip.reason} for slip in self.slips],
        }

    def words(self) -> str:
        counted = ", ".join(f"{self.counts[status]} {name}" for status, name in _DESCRIBED.items())
        skipped = [f"{self.files} files skipped"] if self.files else []
        skipped += [f"{self.lines} lines skipped"] if self.lines else []
        return ", ".join((f"{self.agent}: {self.found} sessions: {counted}", *skipped))


def import_(
    agents: Annotated[
        list[str] | None, typer.Argument(metavar="[AGENT]...", help="claude-code, codex, opencode.", show_default="all")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="WHEN", help="Only what was written since a day, 30d or 12h.")
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Take in the sessions that agents have on disk.

    Their transcripts are kept, whatever the agents delete later, and `list` shows them. What was taken in before is
    only read on. Lines and files that cannot be read are skipped, counted and named.

    Example: rollouts import claude-code --since 30d
    """
    plans = importing.plan(agents or known.NAMES, _since(since))
    tallies = {plan.agent: _Tally(plan) for plan in plans}
    count = sum(len(plan.sources) for plan in plans)
    home = paths.home()
    with (opening.opened_for_reading if dry_run else opening.opened)(home) as archive:
        output.warn(archive.notes)
        steps = (importing.foreseen if dry_run else importing.carried_out)(archive, plans)
        for step in _shown(steps, count):
            tallies[step.agent].add(step)
        database_id = sessions.database_id(archive.catalog)
        if not dry_run:
            tidy(home)
    if as_json:
        documents = [tally.as_json() for tally in tallies.values()]
        output.document({"dry_run": dry_run, "database_id": database_id, "agents": documents})
        return
    for tally in tallies.values():
        output.line(("would import: " if dry_run else "") + tally.words())
        for slip in tally.slips:
            output.line(f"  skipped: {capture.shown(slip.key)}: {capture.shown(slip.reason)}")
