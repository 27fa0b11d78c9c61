"""export sft: sessions as rows for supervised fine-tuning."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from enum import StrEnum
from typing import Annotated

import typer

from rollouts import paths
from rollouts.commands import exporting, output
from rollouts.commands.capture import shown
from rollouts.commands.exporting import Asked
from rollouts.commands.options import AsJson
from rollouts.errors import RolloutsError
from rollouts.export import bundles as trace_bundles
from rollouts.export import sft as rows
from rollouts.export.sessions import Done
from rollouts.export.sft import Exported, Run
from rollouts.export.training import Form
from rollouts.storage import opening


class Unit(StrEnum):
    """What a row is of."""

    SESSION = "session"
    TURN = "turn"


class Arguments(StrEnum):
    """How a row holds the arguments of a tool call."""

    DICT = "dict"
    STRING = "string"


def sft(
    agent: exporting.Agent = None,
    out: exporting.Out = None,
    session: exporting.One = None,
    everything: exporting.Everything = False,
    unit: Annotated[Unit, typer.Option("--unit", help="What a row is of.")] = Unit.SESSION,
    tool_args: Annotated[
        Arguments, typer.Option("--tool-args", help="Arguments of calls as objects, or as JSON text.")
    ] = Arguments.DICT,
    bundles: Annotated[
        str | None,
        typer.Option("--bundles", metavar="DIR", help="Codex's trace bundles. Default: $CODEX_ROLLOUT_TRACE_ROOT."),
    ] = None,
    no_redact: exporting.Unredacted = False,
    as_json: AsJson = False,
) -> None:
    """Write sessions as rows for supervised training.

    JSON lines with messages and tools as TRL's SFTTrainer and chat templates take them, and the snapshots around them.
    Secrets are replaced. A session that cannot be read is named and left out; the exit code is 1 then.

    Example: rollouts export sft --agent all --all --out sft.jsonl
    """
    wanted = exporting.asked(agent, session, out, everything=everything)
    form = Form(unit.value, tool_args is Arguments.STRING)
    with opening.opened_for_reading(paths.home()) as home:
        output.warn(home.notes)
        plan = exporting.planned(home, wanted)
        jobs = rows.in_order(home, plan)
        run = Run(form, bundles=trace_bundles.folder(bundles), jobs=jobs)
        cleaner = None if no_redact else exporting.cleaner(home, jobs)
        if wanted.session_id is None:
            written: list[Exported] = []
            work = _noted(rows.export_all(home, jobs, wanted.out, cleaner, run), written)
            _, bad = exporting.followed(work, len(jobs))
        else:
            written, bad = [rows.export_one(home, jobs[0], wanted.out, cleaner, run)], []
    _tell(wanted, run, written, bad, unredacted=no_redact, as_json=as_json)


def _noted(work: Generator[Exported], written: list[Exported]) -> Generator[Done]:
    """What became of each session, those that were written noted."""
    with closing(work):
        for one in work:
            if one.done.problem is None:
                written.append(one)
            yield one.done


def _tell(
    wanted: Asked, run: Run, written: list[Exported], bad: list[Done], *, unredacted: bool, as_json: bool
) -> None:
    """Says what was done. Raises RolloutsError when there was nothing to write, and nothing failed."""
    count = sum(one.rows for one in written)
    if not count and not bad:
        raise RolloutsError("there is nothing to train on: no turn has a final answer; no file was written")
    exporting.warn_unredacted(unredacted=unredacted)
    _warn(run)
    if as_json:
        _document(wanted, run, written, bad, unredacted=unredacted)
    else:
        _lines(wanted, run, written, bad, unredacted=unredacted)
    if bad:
        raise typer.Exit(1)


def _warn(run: Run) -> None:
    found = [f"{what}: {count}" for what, count in sorted(run.notes.items()) if count]
    if found:
        output.warn([f"left out: {'; '.join(found)}"])
    if run.bundles.unread:
        output.warn([f"{run.bundles.unread} trace bundles could not be read; `rollouts trace show` says why"])


def _lines(wanted: Asked, run: Run, written: list[Exported], bad: list[Done], *, unredacted: bool) -> None:
    count = sum(one.rows for one in written)
    output.line(f"Exported sessions {len(written)}")
    output.line("format: sft")
    output.line(f"unit: {run.form.unit}")
    output.line(f"rows: {count}")
    exporting.tell_redacted([one.done for one in written], unredacted=unredacted)
    output.line(f"output: {shown(wanted.out) if count else 'none'}")
    if bad:
        output.line(f"not exported: {len(bad)}")


def _session_json(one: Exported) -> dict[str, object]:
    return {
        "session_id": one.done.session_id,
        "agent": one.done.agent,
        "rows": one.rows,
    }


def _document(wanted: Asked, run: Run, written: list[Exported], bad: list[Done], *, unredacted: bool) -> None:
    count = sum(one.rows for one in written)
    output.document(
        {
            "format": "sft",
            "unit": run.form.unit,
            **(output.path_fields(wanted.out, "output") if count else {"output": None}),
            "exported": len(written),
            "failed": len(bad),
            "rows": count,
            "redaction": exporting.redaction_json([one.done for one in written], unredacted=unredacted),
            "left_out": {what: number for what, number in sorted(run.notes.items()) if number},
            "sessions": [_session_json(one) for one in written],
            "failures": [{"session_id": one.session_id, "agent": one.agent, "error": one.problem} for one in bad],
        }
    )
