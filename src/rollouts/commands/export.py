"""export: sessions in their agents' own records, with their snapshots."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import Annotated

import typer

from rollouts import agents, paths
from rollouts.commands import output, selecting
from rollouts.commands.capture import shown
from rollouts.commands.options import AsJson
from rollouts.errors import UsageError
from rollouts.export import sessions
from rollouts.export.sessions import Done
from rollouts.storage import opening
from rollouts.storage.archive import Archive


def export(
    agent: Annotated[str, typer.Option("--agent", metavar="AGENT", help="claude-code, codex, opencode, or all.")],
    out: Annotated[str, typer.Option("--out", "-o", metavar="FILE", help="Where to; a file there is replaced.")],
    session: Annotated[str | None, typer.Option("--session", metavar="ID", help="One session, as JSON.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that are known, as JSON lines.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write sessions to a file, as agents recorded them.

    A session is read from its agent's own store, else from the transcript that was captured. One that cannot be read is
    named and left out; the exit code is 1 then.

    Example: rollouts export --agent all --all --out sessions.jsonl
    """
    if session is not None and everything:
        raise UsageError("cannot use --session with --all")
    if session is None and not everything:
        raise UsageError("--session is required unless --all is set")
    if out in {"", "-"}:
        raise UsageError("--out needs a FILE")
    asked = agent if agent == sessions.ALL else agents.canonical(agent)
    with opening.opened_for_reading(paths.home()) as home:
        output.warn(home.notes)
        if session is None:
            _export_all(home, asked, out, as_json=as_json)
        else:
            _export_one(home, asked, selecting.session_id(session) or "", out, as_json=as_json)


def _on_one_line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in shown(text))


def _json(done: Done) -> dict[str, object]:
    return {"session_id": done.session_id, "agent": done.agent, "unreadable_lines": done.unreadable_lines}


def _export_one(home: Archive, asked: str, session: str, out: str, *, as_json: bool) -> None:
    plan = sessions.plan_one(home, asked, session)
    done = sessions.export_one(home, plan.jobs[0], out)
    if as_json:
        facts = {"title": done.title, "messages": done.messages, "remote_url": done.remote_url}
        _document("json", out, [done], [], facts)
        return
    output.line("Exported session")
    output.line(f"agent: {done.agent}")
    output.line(f"session: {_on_one_line(done.session_id)}")
    output.line(f"title: {_on_one_line(done.title)}")
    output.line(f"messages: {done.messages}")
    output.line(f"remote url: {done.remote_url or 'none'}")
    output.line(f"output: {shown(out)}")
    _tell_unreadable([done])


def _export_all(home: Archive, asked: str, out: str, *, as_json: bool) -> None:
    plan = sessions.plan_all(home, asked)
    output.warn(plan.notes)
    good: list[Done] = []
    bad: list[Done] = []
    with closing(sessions.export_all(home, plan.jobs, out)) as work:  # closed: Ctrl-C leaves no half of a file
        for number, done in enumerate(work, start=1):
            (good if done.problem is None else bad).append(done)
            _show_progress(number, len(plan.jobs))
    for done in bad:
        output.say(
            f"Not exported: {done.agent} session {_on_one_line(done.session_id)}: {_on_one_line(done.problem or '')}"
        )
    if as_json:
        _document("jsonl", out, good, bad)
    else:
        output.line(f"Exported sessions {len(good)}")
        output.line("format: jsonl")
        output.line(f"output: {shown(out) if good else 'none'}")
        if bad:
            output.line(f"not exported: {len(bad)}")
        _tell_unreadable(good)
    if bad:
        raise typer.Exit(1)


def _document(form: str, out: str, good: list[Done], bad: list[Done], facts: dict[str, object] | None = None) -> None:
    """The JSON document of what was done; `facts` are more of the only session."""
    output.document(
        {
            "format": form,
            **(output.path_fields(out, "output") if good else {"output": None}),
            "exported": len(good),
            "failed": len(bad),
            "sessions": [_json(done) | (facts or {}) for done in good],
            "failures": [{"session_id": one.session_id, "agent": one.agent, "error": one.problem} for one in bad],
        }
    )


def _tell_unreadable(good: list[Done]) -> None:
    lines = sum(done.unreadable_lines for done in good)
    if lines:
        count = sum(bool(done.unreadable_lines) for done in good)
        output.warn([f"{lines} lines of {count} sessions could not be read and are left out"])


def _show_progress(number: int, count: int) -> None:
    """On a terminal, how far it is."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{f'exporting {number} of {count} sessions' if number < count else ''}")
        sys.stderr.flush()
