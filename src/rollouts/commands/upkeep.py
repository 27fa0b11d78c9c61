"""doctor, workspace."""

from __future__ import annotations

from typing import Annotated

import typer

from rollouts import doctor as doctoring
from rollouts import paths
from rollouts.commands import output
from rollouts.commands.options import AsJson
from rollouts.storage import opening


def doctor(
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check the home, and mend it with --repair.

    Compares the catalog with the stores, checks every object, permissions and leftovers. Exits 1 while findings remain.

    Example: rollouts doctor --repair
    """
    report = doctoring.examine(paths.home(), repair=repair)
    if as_json:
        findings = [finding._asdict() for finding in report.findings]
        output.document({"home": report.home, "versions": report.versions, "findings": findings, "ok": report.is_well})
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
        if not report.findings:
            output.line("all is well")
    raise typer.Exit(0 if report.is_well else 1)


def move(
    old: Annotated[str, typer.Argument(metavar="OLD", help="Where the workspace was.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Where its directory is now.")],
) -> None:
    """Tell the catalog that a workspace's directory has moved.

    Example: rollouts workspace move ~/old/project ~/new/project
    """
    with opening.opened(paths.home()) as home:
        output.warn(home.notes)
        moved = home.move(old, new)
    output.line(f"Moved workspace {moved.root_path}")
    output.line(f"id: {moved.id}")
