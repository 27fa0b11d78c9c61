"""export sessions."""

from __future__ import annotations

from typing import Annotated

import typer

from rollouts.commands import summarizing

_Text = str | None


def given(context: typer.Context) -> dict[str, str | bool]:
    """The options that stand on the command line, by the names of their parameters."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {
        name: value
        for name, value in context.params.items()
        if (source := sources[name]) is not None and source.name == "COMMANDLINE"
    }


def sessions(
    context: typer.Context,
    project: Annotated[_Text, typer.Option("--project", metavar="NAME", help="Only this project's.")] = None,
    exclude_project: Annotated[
        _Text, typer.Option("--exclude-project", metavar="NAME", help="None of this project's.")
    ] = None,
    machine: Annotated[_Text, typer.Option("--machine", metavar="NAME,...", help="Only these machines'.")] = None,
    agent: Annotated[
        _Text, typer.Option("--agent", metavar="NAME,...", help="Only these: claude, codex, opencode.")
    ] = None,
    git_branch: Annotated[
        _Text, typer.Option("--git-branch", metavar="NAME", help="Only those that ran on a branch.")
    ] = None,
    date: Annotated[_Text, typer.Option("--date", metavar="DAY", help="Begun on this day, in UTC.")] = None,
    date_from: Annotated[_Text, typer.Option("--date-from", metavar="DAY", help="Begun on this day or later.")] = None,
    date_to: Annotated[_Text, typer.Option("--date-to", metavar="DAY", help="Begun on this day or before.")] = None,
    active_since: Annotated[
        _Text, typer.Option("--active-since", metavar="WHEN", help="Active at a moment (RFC 3339), or later.")
    ] = None,
    min_messages: Annotated[_Text, typer.Option("--min-messages", metavar="N", help="At least so many.")] = None,
    max_messages: Annotated[_Text, typer.Option("--max-messages", metavar="N", help="At most so many.")] = None,
    min_user_messages: Annotated[
        _Text, typer.Option("--min-user-messages", metavar="N", help="At least so many of the user's.")
    ] = None,
    outcome: Annotated[
        _Text, typer.Option("--outcome", metavar="NAME,...", help="completed, abandoned, errored, unknown.")
    ] = None,
    health_grade: Annotated[_Text, typer.Option("--health-grade", metavar="A,...", help="A, B, C, D, F.")] = None,
    min_tool_failures: Annotated[
        _Text, typer.Option("--min-tool-failures", metavar="N", help="At least so many calls that failed.")
    ] = None,
    has_secret: Annotated[bool, typer.Option("--has-secret", help="Only those known to hold one: none yet.")] = False,
    include_one_shot: Annotated[
        bool, typer.Option("--include-one-shot", help="Also those with one message of the user.")
    ] = False,
    include_automated: Annotated[
        bool, typer.Option("--include-automated", help="Also those that a program started.")
    ] = False,
    include_children: Annotated[
        bool, typer.Option("--include-children", help="Also subagents and forks of what is exported.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="All in one, not a page.")] = False,
    limit: Annotated[_Text, typer.Option("--limit", metavar="N", help="Sessions of a page, 1 to 500 (500).")] = None,
    cursor: Annotated[_Text, typer.Option("--cursor", metavar="TEXT", help="Go on where a page ended.")] = None,
    form: Annotated[_Text, typer.Option("--format", metavar="json|ndjson", help="One document, or lines.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    out: Annotated[_Text, typer.Option("--out", metavar="FILE", help="Where to; a file there is replaced.")] = None,
    redact_paths: Annotated[bool, typer.Option("--redact-paths", help="Without paths of this machine.")] = False,
) -> None:
    """Summaries of sessions for programs, without text.

    Counts, times, tokens and costs of each session in the catalog, as JSON (docs/contracts.md). Nothing is written, and
    no agent's file is read: `rollouts import` and the hooks take sessions in. Left out unless asked for: one-shot
    sessions, automated ones, subagents and forks; the envelope says how many, and what they used.

    Example: rollouts export sessions --all --format ndjson --out sessions.ndjson
    """
    names = {"everything": "all", "form": "format", "as_json": "json"}
    values = locals()
    options = {names.get(name, name): values[name] for name in given(context)}
    raise typer.Exit(summarizing.export(options))
