"""export: sessions in their agents' own records, with their snapshots."""

from __future__ import annotations

from typing import Annotated

import typer

from rollouts import paths
from rollouts.commands import exporting, output
from rollouts.commands.capture import shown
from rollouts.commands.exporting import Asked
from rollouts.commands.options import AsJson
from rollouts.errors import UsageError
from rollouts.export import sessions
from rollouts.storage import opening
from rollouts.storage.archive import Archive


def export(
    context: typer.Context,
    agent: exporting.Agent = None,
    out: exporting.Out = None,
    session: Annotated[str | None, typer.Option("--session", metavar="ID", help="One session, as JSON.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that are known, as JSON lines.")] = False,
    redact: exporting.Redacted = False,
    as_json: AsJson = False,
) -> None:
    """Write sessions to a file, as agents recorded them.

    A session is read from its agent's own store, else from the transcript that was captured. One that cannot be read is
    named and left out; the exit code is 1 then.

    Example: rollouts export --agent all --all --out sessions.jsonl
    """
    if context.invoked_subcommand is not None:
        if any((agent, out, session, everything, redact, as_json)):
            raise UsageError(f"the options of `export {context.invoked_subcommand}` go behind its name")
        return
    wanted = exporting.asked(agent, session, out, everything=everything)
    with opening.opened_for_reading(paths.home()) as home:
        output.warn(home.notes)
        if wanted.session_id is None:
            _export_all(home, wanted, redact=redact, as_json=as_json)
        else:
            _export_one(home, wanted, redact=redact, as_json=as_json)


def _export_one(home: Archive, wanted: Asked, *, redact: bool, as_json: bool) -> None:
    plan = exporting.planned(home, wanted)
    done = sessions.export_one(home, plan.jobs[0], wanted.out, exporting.cleaner(home, plan.jobs) if redact else None)
    if as_json:
        facts = {"title": done.title, "messages": done.messages, "remote_url": done.remote_url}
        exporting.document("json", wanted.out, [done], [], facts)
        return
    output.line("Exported session")
    output.line(f"agent: {done.agent}")
    output.line(f"session: {exporting.on_one_line(done.session_id)}")
    output.line(f"title: {exporting.on_one_line(done.title)}")
    output.line(f"messages: {done.messages}")
    output.line(f"remote url: {done.remote_url or 'none'}")
    output.line(f"output: {shown(wanted.out)}")
    exporting.tell_redaction(done.report)
    exporting.tell_unreadable([done])


def _export_all(home: Archive, wanted: Asked, *, redact: bool, as_json: bool) -> None:
    plan = exporting.planned(home, wanted)
    cleaner = exporting.cleaner(home, plan.jobs) if redact else None
    good, bad = exporting.followed(sessions.export_all(home, plan.jobs, wanted.out, cleaner), len(plan.jobs))
    if as_json:
        exporting.document("jsonl", wanted.out, good, bad)
    else:
        output.line(f"Exported sessions {len(good)}")
        output.line("format: jsonl")
        output.line(f"output: {shown(wanted.out) if good else 'none'}")
        if bad:
            output.line(f"not exported: {len(bad)}")
        exporting.tell_redaction(exporting.redaction(good))
        exporting.tell_unreadable(good)
    if bad:
        raise typer.Exit(1)
