"""What the commands share that write sessions to files: what is asked for, how far it is, what became of each."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable
from contextlib import closing
from typing import Annotated

import typer

from rollouts import agents
from rollouts.commands import output, selecting
from rollouts.commands.capture import shown
from rollouts.contracts.strict_json import Json
from rollouts.errors import UsageError
from rollouts.export import sessions
from rollouts.export.cleaning import Cleaner
from rollouts.export.library import Job
from rollouts.export.sessions import Done, Plan
from rollouts.record import Record
from rollouts.redact.report import Report
from rollouts.storage.archive import Archive

Agent = Annotated[
    str | None, typer.Option("--agent", metavar="AGENT", help="claude-code, codex, opencode, or all. Required.")
]
Out = Annotated[
    str | None, typer.Option("--out", "-o", metavar="FILE", help="Where to; a file there is replaced. Required.")
]
One = Annotated[str | None, typer.Option("--session", metavar="ID", help="One session.")]
Everything = Annotated[bool, typer.Option("--all", help="All that are known.")]
Redacted = Annotated[bool, typer.Option("--redact", help="Put placeholders where secrets and names stand.")]
Unredacted = Annotated[bool, typer.Option("--no-redact", help="Leave secrets and names where they stand.")]


class Asked(Record):
    """Which sessions are to go where."""

    agent: str
    session_id: str | None
    """None: all of them."""
    out: str


def asked(
    agent: str | None, session: str | None, out: str | None, *, everything: bool, to: str = "--out' / '-o"
) -> Asked:
    """What the command line asks for.

    Raises:
        UsageError: it asks for nothing, or for two things.
    """
    for value, option in ((agent, "--agent"), (out, to)):
        if value is None:
            raise UsageError(f"Missing option '{option}'")
    if session is not None and everything:
        raise UsageError("cannot use --session with --all")
    if session is None and not everything:
        raise UsageError("--session is required unless --all is set")
    if out in {None, "", "-"}:
        raise UsageError("--dir needs a DIR" if to == "--dir" else "--out needs a FILE")
    name = agent or ""
    return Asked(name if name == sessions.ALL else agents.canonical(name), selecting.session_id(session), out or "")


def planned(home: Archive, wanted: Asked) -> Plan:
    """The sessions that are meant. Raises RolloutsError when there are none."""
    if wanted.session_id is not None:
        return sessions.plan_one(home, wanted.agent, wanted.session_id)
    plan = sessions.plan_all(home, wanted.agent)
    output.warn(plan.notes)
    return plan


def cleaner(home: Archive, jobs: list[Job]) -> Cleaner:
    """What takes the secrets out of sessions on their way to a file. Raises as `cleaning.cleaner`."""
    from rollouts.export import cleaning  # noqa: PLC0415 - what looks for secrets costs other commands 60 ms

    return cleaning.cleaner(home.home, known_secrets=cleaning.secrets_of(home, jobs), verify=False)


def warn_unredacted(*, unredacted: bool) -> None:
    """Says it loudly when secrets stay in."""
    if unredacted:
        output.warn(["nothing is redacted: secrets and names stand in the output as the agent saw them"])


def on_one_line(text: str) -> str:
    """Text of a user or an agent, fit for a line of output."""
    return "".join(char if char.isprintable() else " " for char in shown(text))


def _show_progress(number: int, count: int) -> None:
    """On a terminal, how far it is."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{f'exporting {number} of {count} sessions' if number < count else ''}")
        sys.stderr.flush()


def followed(work: Generator[Done], count: int) -> tuple[list[Done], list[Done]]:
    """Does the work, shows how far it is and names what failed: the sessions that were exported, and the others."""
    good: list[Done] = []
    bad: list[Done] = []
    with closing(work):  # closed: Ctrl-C leaves no half of a file
        for number, done in enumerate(work, start=1):
            (good if done.problem is None else bad).append(done)
            _show_progress(number, count)
    for done in bad:
        output.say(
            f"Not exported: {done.agent} session {on_one_line(done.session_id)}: {on_one_line(done.problem or '')}"
        )
    return good, bad


def _json(done: Done) -> dict[str, object]:
    return {"session_id": done.session_id, "agent": done.agent, "unreadable_lines": done.unreadable_lines}


def redaction(good: Iterable[Done]) -> Report | None:
    """What redaction did in all of some sessions; None: it was not asked to."""
    reports = [done.report for done in good if done.report is not None]
    return sum(reports[1:], reports[0]) if reports else None


def tell_redaction(report: Report | None) -> None:
    """Prints how many places were redacted, by kind; nothing when nothing was looked for."""
    if report is not None:
        counts = ", ".join(f"{kind} {report.counts[kind]}" for kind in sorted(report.counts))
        output.line(f"redacted: {report.total} places{f' ({counts})' if counts else ''}")


def redaction_json(good: Iterable[Done], *, unredacted: bool) -> Json:
    """The report of an export that redacts; None when it was told not to."""
    return None if unredacted else (redaction(good) or Report()).document()


def tell_redacted(good: Iterable[Done], *, unredacted: bool) -> None:
    """Prints what an export that redacts has done, or that it was told not to."""
    if unredacted:
        output.line("redacted: no")
    else:
        tell_redaction(redaction(good) or Report())


def document(form: str, out: str, good: list[Done], bad: list[Done], facts: dict[str, object] | None = None) -> None:
    """Prints the JSON document of what was done; `facts` are more of the only session."""
    report = redaction(good)
    output.document(
        {
            "format": form,
            **(output.path_fields(out, "output") if good else {"output": None}),
            "exported": len(good),
            "failed": len(bad),
            "sessions": [_json(done) | (facts or {}) for done in good],
            "redaction": report and report.document(),
            "failures": [{"session_id": one.session_id, "agent": one.agent, "error": one.problem} for one in bad],
        }
    )


def tell_unreadable(good: Iterable[Done]) -> None:
    """Warns of lines that were left out."""
    counts = [done.unreadable_lines for done in good if done.unreadable_lines]
    if counts:
        output.warn([f"{sum(counts)} lines of {len(counts)} sessions could not be read and are left out"])
