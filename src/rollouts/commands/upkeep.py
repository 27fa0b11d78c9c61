"""doctor, gc."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from rollouts import doctor as doctoring
from rollouts import paths, setup, space
from rollouts.commands import capture, output, standing
from rollouts.commands.options import AsJson
from rollouts.paths import Home
from rollouts.space import Outcome, Shelved
from rollouts.storage import misses, opening


def _notes(home: Home) -> Iterator[str]:
    """What is worth knowing and no fault of the home's."""
    for agent in standing.summary(setup.state(home, None)):
        yield f"hooks: {agent}"
    miss = misses.last(home)
    if miss:
        yield f"the last event of an agent that came to nothing: {miss.at[:19]}Z, {miss.agent}: {miss.error}"
    for name, kept in setup.retentions():
        default = " (its default)" if kept.is_default else ""
        yield (
            f"{name} deletes its own transcripts after {kept.days} days{default}, as {kept.file} says;"
            " Rollouts keeps those of the turns that it captures, and those that `rollouts import` finds"
        )


def doctor(
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check the home, and mend it with --repair.

    Compares the catalog with the stores, checks every object, permissions and leftovers. Exits 1 while findings remain.

    Example: rollouts doctor --repair
    """
    report = doctoring.examine(paths.home(), repair=repair)
    notes = list(_notes(paths.home()))
    if as_json:
        findings = [finding._asdict() for finding in report.findings]
        document = {"home": report.home, "versions": report.versions, "findings": findings, "ok": report.is_well}
        output.document({**document, "notes": notes})
    else:
        versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
        output.line(f"home: {report.home}")
        output.line(f"versions: {versions}")
        for finding in report.findings:
            output.line(f"{'mended' if finding.mended else 'found'}: {finding.problem}")
            for snapshot_id in finding.snapshots:
                output.line(f"  snapshot {snapshot_id}")
            if not finding.mended:
                output.line(f"  {finding.advice}")
        for note in notes:
            output.line(f"note: {capture.shown(note)}")
        if not report.findings:
            output.line("all is well")
    raise typer.Exit(0 if report.is_well else 1)


def _outcome_json(found: Outcome) -> dict[str, object]:
    return {
        "id": found.workspace.id,
        **output.path_fields(found.workspace.root_path, "root_path"),
        "bytes_before": found.before,
        "bytes_after": found.after,
        "loose_objects": found.loose,
        "unreachable_objects": found.unreachable,
        "unreachable_bytes": found.unreachable_bytes,
        "leftovers": found.leftovers,
        "problem": found.problem,
    }


def _outcome_words(found: Outcome) -> str:
    root = capture.shown(found.workspace.root_path)
    if found.problem is not None:
        return f"failed: {root}: {found.problem}"
    what = (
        f"{found.loose} loose objects to pack, {found.unreachable} unreachable"
        f" ({output.size(found.unreachable_bytes)}), {found.leftovers} leftovers"
    )
    if found.after is None:
        return f"would tidy: {root}: {what}; it takes {output.size(found.before)}"
    freed = max(found.before - found.after, 0)
    return f"freed {output.size(freed)}: {root}: {output.size(found.before)} before, {output.size(found.after)} after"


def _shelved_json(found: Shelved) -> dict[str, object]:
    return {"bytes_before": found.before, "bytes_after": found.after, "problem": found.problem}


def _shelved_words(found: Shelved) -> str:
    if found.problem is not None:
        return f"failed: transcripts: {found.problem}"
    if found.after is None:
        return f"would tidy: transcripts: they take {output.size(found.before)}"
    freed = max(found.before - found.after, 0)
    return (
        f"freed {output.size(freed)}: transcripts: {output.size(found.before)} before, {output.size(found.after)} after"
    )


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: AsJson = False,
) -> None:
    """Pack the stores, and drop what no snapshot needs.

    Leftovers of killed processes go as well. Captures go on beside it. Exits 1 when a store could not be tidied.

    Example: rollouts gc --dry-run
    """
    home = paths.home()
    with (opening.opened_for_reading if dry_run else opening.opened)(home) as archive:
        output.warn(archive.notes)
        found = list(space.planned(archive) if dry_run else space.collected(archive))
        shelved = space.shelves(archive, pack=not dry_run)
    staging = space.staging(home, remove=not dry_run)  # now that nothing of ours holds the home
    if as_json:
        workspaces = [_outcome_json(outcome) for outcome in found]
        kept = None if shelved is None else _shelved_json(shelved)
        output.document({"dry_run": dry_run, "workspaces": workspaces, "transcripts": kept, "staging": staging})
    else:
        for outcome in found:
            output.line(_outcome_words(outcome))
        if shelved:
            output.line(_shelved_words(shelved))
        for path in staging:
            output.line(f"{'would remove' if dry_run else 'removed'}: {capture.shown(path)}")
        if not found and not staging and not shelved:
            output.line("nothing to do")
    failed = any(outcome.problem for outcome in found) or bool(shelved and shelved.problem)
    raise typer.Exit(1 if failed else 0)
