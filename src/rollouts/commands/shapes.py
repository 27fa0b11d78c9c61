"""export atif, export traces: sessions as others read them, without their secrets."""

from __future__ import annotations

from typing import Annotated

import typer

from rollouts import paths
from rollouts.commands import exporting, output
from rollouts.commands.capture import shown
from rollouts.commands.exporting import Asked
from rollouts.commands.options import AsJson
from rollouts.export import shapes
from rollouts.export.cleaning import Cleaner
from rollouts.export.sessions import Done, Plan
from rollouts.storage import opening
from rollouts.storage.archive import Archive


def _document(form: str, out: str, good: list[Done], bad: list[Done], *, unredacted: bool) -> None:
    sessions = [
        {"session_id": done.session_id, "agent": done.agent, "unreadable_lines": done.unreadable_lines}
        | ({"files": list(done.files)} if done.files else {})
        for done in good
    ]
    output.document(
        {
            "format": form,
            **(output.path_fields(out, "output") if good else {"output": None}),
            "exported": len(good),
            "failed": len(bad),
            "redaction": exporting.redaction_json(good, unredacted=unredacted),
            "sessions": sessions,
            "failures": [{"session_id": one.session_id, "agent": one.agent, "error": one.problem} for one in bad],
        }
    )


def _tell(form: str, out: str, good: list[Done], bad: list[Done], *, unredacted: bool) -> None:
    """Says what was done, in lines of `name: value`."""
    output.line(f"Exported sessions {len(good)}")
    output.line(f"format: {form}")
    exporting.tell_redacted(good, unredacted=unredacted)
    output.line(f"output: {shown(out) if good else 'none'}")
    if bad:
        output.line(f"not exported: {len(bad)}")
    exporting.tell_unreadable(good)


def _say(form: str, wanted: Asked, good: list[Done], bad: list[Done], *, unredacted: bool, as_json: bool) -> None:
    """Says what was done, and ends with 1 when something was not."""
    exporting.warn_unredacted(unredacted=unredacted)
    tell = _document if as_json else _tell
    tell(form, wanted.out, good, bad, unredacted=unredacted)
    if bad:
        raise typer.Exit(1)


def _trajectories(home: Archive, wanted: Asked, *, unredacted: bool) -> tuple[list[Done], list[Done]]:
    plan = exporting.planned(home, wanted)
    cleaner = None if unredacted else exporting.cleaner(home, plan.jobs)
    if wanted.session_id is not None:
        return [shapes.export_trajectory(home, plan.jobs[0], wanted.out, cleaner)], []
    work = shapes.export_trajectories(home, plan.jobs, wanted.out, cleaner)
    return exporting.followed(work, len(plan.jobs))


def _traces(
    home: Archive, plan: Plan, root: str, cleaner: Cleaner | None, *, one: bool
) -> tuple[list[Done], list[Done]]:
    if one:
        return [shapes.export_trace(home, plan.jobs[0], root, cleaner)], []
    return exporting.followed(shapes.export_traces(home, plan.jobs, root, cleaner), len(plan.jobs))


def atif(
    agent: exporting.Agent = None,
    out: exporting.Out = None,
    session: exporting.One = None,
    everything: exporting.Everything = False,
    no_redact: exporting.Unredacted = False,
    as_json: AsJson = False,
) -> None:
    """Write sessions as ATIF trajectories.

    One trajectory (ATIF v1.8) for each session: a JSON document with --session, JSON lines with --all. Subagents stand
    in it, and each step names the snapshots that were taken there. Secrets are replaced by placeholders.

    Example: rollouts export atif --agent all --all --out trajectories.jsonl
    """
    wanted = exporting.asked(agent, session, out, everything=everything)
    with opening.opened_for_reading(paths.home()) as home:
        output.warn(home.notes)
        good, bad = _trajectories(home, wanted, unredacted=no_redact)
    _say("atif", wanted, good, bad, unredacted=no_redact, as_json=as_json)


def traces(
    agent: exporting.Agent = None,
    directory: Annotated[
        str | None, typer.Option("--dir", "-d", metavar="DIR", help="Where to; made if there is none. Required.")
    ] = None,
    session: exporting.One = None,
    everything: exporting.Everything = False,
    no_redact: exporting.Unredacted = False,
    as_json: AsJson = False,
) -> None:
    """Write sessions as files for a trace viewer.

    A file for each session, DIR/AGENT/SESSION.jsonl, which the Hub's viewer opens: Claude Code's and Codex's records as
    they are, with a file for each subagent in DIR/AGENT/SESSION, and OpenCode's sessions in the format of Pi. Files of
    that name are replaced, others stay. Secrets are replaced by placeholders.

    Example: rollouts export traces --agent all --all --dir traces
    """
    wanted = exporting.asked(agent, session, directory, everything=everything, to="--dir")
    with opening.opened_for_reading(paths.home()) as home:
        output.warn(home.notes)
        plan = exporting.planned(home, wanted)
        root = shapes.folder(wanted.out)
        cleaner = None if no_redact else exporting.cleaner(home, plan.jobs)
        good, bad = _traces(home, plan, root, cleaner, one=wanted.session_id is not None)
    _say("traces", wanted, good, bad, unredacted=no_redact, as_json=as_json)
