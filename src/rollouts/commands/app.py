"""The Typer app: the commands, their order in the help, and what a wrong command line says."""

from __future__ import annotations

from typing import Annotated

import typer

from rollouts import __version__
from rollouts.commands import (
    activity,
    agents,
    archives,
    demo,
    diff,
    export,
    hf,
    history,
    importing,
    remote,
    reports,
    setup,
    sft,
    shapes,
    show,
    snapshot,
    status,
    summaries,
    trace,
    upkeep,
    workspaces,
)
from rollouts.commands.remote_defaults import defaults_app
from rollouts.errors import RolloutsError

_INTERRUPTED = 130
_HELP = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    name="rollouts",
    help="Keep every turn of your coding agents: the byte-exact codebase, restorable at any turn.",
    context_settings=_HELP,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
trace_app = typer.Typer(help="Recorded rollouts: reduce, show, read.", context_settings=_HELP, rich_markup_mode=None)
export_app = typer.Typer(context_settings=_HELP, rich_markup_mode=None)
hf_app = typer.Typer(help="Datasets on the Hugging Face Hub.", context_settings=_HELP, rich_markup_mode=None)
usage_app = typer.Typer(help="What sessions used and cost.", context_settings=_HELP, rich_markup_mode=None)
activity_app = typer.Typer(help="When agents were at work.", context_settings=_HELP, rich_markup_mode=None)
workspace_app = typer.Typer(help="Workspaces that the catalog knows.", context_settings=_HELP, rich_markup_mode=None)
remote_app = typer.Typer(help="Archives that snapshots are pushed to.", context_settings=_HELP, rich_markup_mode=None)

app.command("setup")(setup.setup)
app.command("snapshot")(snapshot.snapshot)
app.command("restore")(snapshot.restore)
app.command("undo")(snapshot.undo)
app.command("list")(history.list_)
app.command("log")(history.log)
app.command("show")(show.show)
app.command("diff")(diff.diff)
app.command("status")(status.status_)
app.command("push")(archives.push)
app.command("pull")(archives.pull)
app.command("delete")(snapshot.delete)
app.command("gc")(upkeep.gc)
app.command("doctor")(upkeep.doctor)
app.command("hook")(agents.hook)
app.command("import")(importing.import_)
export_app.callback(invoke_without_command=True)(export.export)
export_app.command("sft")(sft.sft)
export_app.command("atif")(shapes.atif)
export_app.command("traces")(shapes.traces)
export_app.command("sessions")(summaries.sessions)
app.add_typer(export_app, name="export")
hf_app.command("push")(hf.push)
app.add_typer(hf_app, name="hf")
usage_app.command("daily")(reports.daily)
app.add_typer(usage_app, name="usage")
activity_app.command("report")(activity.report)
app.add_typer(activity_app, name="activity")
app.command("demo")(demo.demo)
remote_app.command("set")(remote.set_)
remote_app.command("clear")(remote.clear)
remote_app.command("show")(remote.show)
workspace_app.command("list")(workspaces.list_)
workspace_app.command("move")(workspaces.move)
workspace_app.command("forget")(workspaces.forget)
app.add_typer(workspace_app, name="workspace")
remote_app.add_typer(defaults_app, name="defaults")
app.add_typer(remote_app, name="remote")
trace_app.command("reduce")(trace.reduce)
trace_app.command("show")(trace.show)
trace_app.command("conversation")(trace.conversation)
app.add_typer(trace_app, name="trace")


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _main(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def run(words: list[str]) -> int:
    """Runs a command line. Returns the exit code.

    Raises:
        RolloutsError: a command failed, or the command line is wrong (exit code 2).
        KeyboardInterrupt, BrokenPipeError: as they came.
    """
    try:
        code = app(words, prog_name="rollouts", standalone_mode=False)
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
