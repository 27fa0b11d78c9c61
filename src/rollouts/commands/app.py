"""The Typer app: the commands, their order in the help, and what a wrong command line says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Annotated, Any

import typer

from rollouts import __version__
from rollouts.errors import RolloutsError
from rollouts.record import Record

_INTERRUPTED = 130


class _Group(Record):
    """Commands with a first word in common; each by its module in this package and its function there."""

    help: str
    inside: Mapping[str, str | _Group]
    """In the order of the help."""
    itself: str | None = None
    """What the first word alone does; it brings its own help."""


_DEFAULTS = _Group(
    "Where `push --create-remote` makes archives.", {"set": "remote_defaults.set_", "show": "remote_defaults.show"}
)
_PROGRAM = _Group(
    "Keep every turn of your coding agents: the byte-exact codebase, restorable at any turn.",
    {
        "setup": "setup.setup",
        "snapshot": "snapshot.snapshot",
        "restore": "snapshot.restore",
        "undo": "snapshot.undo",
        "list": "history.list_",
        "log": "history.log",
        "show": "show.show",
        "diff": "diff.diff",
        "status": "status.status_",
        "push": "archives.push",
        "pull": "archives.pull",
        "delete": "snapshot.delete",
        "gc": "upkeep.gc",
        "doctor": "upkeep.doctor",
        "hook": "agents.hook",
        "import": "importing.import_",
        "demo": "demo.demo",
        "export": _Group(
            "",
            {"sft": "sft.sft", "atif": "shapes.atif", "traces": "shapes.traces", "sessions": "summaries.sessions"},
            itself="export.export",
        ),
        "hf": _Group("Datasets on the Hugging Face Hub.", {"push": "hf.push"}),
        "usage": _Group("What sessions used and cost.", {"daily": "reports.daily"}),
        "activity": _Group("When agents were at work.", {"report": "activity.report"}),
        "workspace": _Group(
            "Workspaces that the catalog knows.",
            {"list": "workspaces.list_", "move": "workspaces.move", "forget": "workspaces.forget"},
        ),
        "remote": _Group(
            "Archives that snapshots are pushed to.",
            {"set": "remote.set_", "clear": "remote.clear", "show": "remote.show", "defaults": _DEFAULTS},
        ),
        "trace": _Group(
            "Recorded rollouts: reduce, show, read.",
            {"reduce": "trace.reduce", "show": "trace.show", "conversation": "trace.conversation"},
        ),
    },
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


def _main(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _function(place: str) -> Callable[..., Any]:
    module, _, name = place.partition(".")
    found: Callable[..., Any] = getattr(import_module(f"rollouts.commands.{module}"), name)
    return found


def _typer(group: _Group, words: Sequence[str]) -> typer.Typer:
    app = typer.Typer(
        context_settings={"help_option_names": ["-h", "--help"]},
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    if group.itself:
        app.callback(invoke_without_command=True)(_function(group.itself))
    else:
        app.info.help = group.help
    asked = words[0] if words and words[0] in group.inside else None
    for name, inside in group.inside.items() if asked is None else [(asked, group.inside[asked])]:
        if isinstance(inside, _Group):
            app.add_typer(_typer(inside, words[1:]), name=name)
        else:
            app.command(name)(_function(inside))
    return app


def assembled(words: Sequence[str] = ()) -> typer.Typer:
    """The Typer app for a command line: no command is imported and set up, which takes time, that it does not name.

    Args:
        words: the command line; without a command's name at its beginning the app is whole.
    """
    app = _typer(_PROGRAM, words)
    app.callback(invoke_without_command=True)(_main)
    return app


def run(words: list[str]) -> int:
    """Runs a command line. Returns the exit code.

    Raises:
        RolloutsError: a command failed, or the command line is wrong (exit code 2).
        KeyboardInterrupt, BrokenPipeError: as they came.
    """
    try:
        code = assembled(words)(words, prog_name="rollouts", standalone_mode=False)
    except typer.TyperException as error:
        command = getattr(getattr(error, "ctx", None), "command_path", "rollouts")
        what = " ".join(error.format_message().split()).rstrip(".")
        wrong = RolloutsError(f"{what}; `{command} --help` shows what there is")
        wrong.exit_code = error.exit_code
        raise wrong from error
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # Typer ends the program itself then, and with 1
            raise end.__context__ from None
        raise
    if code == _INTERRUPTED:  # what Typer makes of a KeyboardInterrupt
        raise KeyboardInterrupt
    return code if isinstance(code, int) else 0
