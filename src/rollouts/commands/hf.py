"""hf push: sessions to a dataset on the Hugging Face Hub."""

from __future__ import annotations

from typing import Annotated

import typer

from rollouts import agents, config, paths
from rollouts.commands.exporting import Agent, Unredacted
from rollouts.commands.options import AllowSecrets, AsJson, DryRun, Timeout, Yes
from rollouts.errors import UsageError
from rollouts.export import sessions
from rollouts.storage import network


def push(
    agent: Agent = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Of the dataset: NAME or NAMESPACE/NAME. Required.")
    ] = None,
    private: Annotated[
        bool | None, typer.Option("--private/--public", help="Who may see it; a new one is public, if you agree.")
    ] = None,
    sessions_only: Annotated[bool, typer.Option("--sessions-only", help="Leave the snapshots here.")] = False,
    create: Annotated[
        bool | None,
        typer.Option(
            "--create-remote/--no-create-remote",
            help="Make archives on GitHub for workspaces without one.",
            show_default="when `remote defaults` are set",
        ),
    ] = None,
    license_name: Annotated[
        str | None, typer.Option("--license", metavar="LICENSE", help="Of the conversations, for the card.")
    ] = None,
    include: Annotated[
        str | None,
        typer.Option("--include", metavar="SHAPES", help="Other shapes beside the rows: sft, atif, traces (a,b,c)."),
    ] = None,
    allow_secrets: AllowSecrets = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    unredacted: Unredacted = False,
    verify: Annotated[
        bool | None,
        typer.Option(
            "--verify/--no-verify",
            help="Have a second engine find nothing in what goes out.",
            show_default="where it is installed",
        ),
    ] = None,
    timeout: Timeout = None,
    as_json: AsJson = False,
) -> None:
    """Publish sessions as a dataset.

    Snapshots go to their archives first. Then each session that is new, or has changed since the last push, becomes a
    row, without its secrets, in one commit. One that cannot be read is named and left out; the exit code is 1 then.

    Example: rollouts hf push --agent all --name turns --private
    """
    for value, option in ((agent, "--agent"), (name, "--name")):
        if value is None:
            raise UsageError(f"Missing option '{option}'")
    if unredacted and verify:
        raise UsageError("--verify looks over what was redacted; it cannot be combined with --no-redact")
    if sessions_only and create:
        raise UsageError("--create-remote cannot be combined with --sessions-only")
    licensed = license_name and config.license_name(license_name)
    if license_name is not None and not licensed:
        raise UsageError(f"--license is {license_name!r}; give a name that the Hub knows, like cc-by-4.0")
    defaults = config.hub(paths.home())
    from rollouts.commands import published, publishing  # noqa: PLC0415 - redaction and YAML cost others 60 ms

    asked = publishing.Asked(
        agent if agent == sessions.ALL else agents.canonical(agent or ""),
        name or "",
        private,
        publishing.Archives(sessions_only, create, allow_secrets),
        licensed or defaults.license,
        publishing.shapes(include),
        publishing.Redacting(not unredacted, verify),
        network.patience(timeout),
        dry_run,
        yes,
    )
    result = publishing.publish(asked, defaults)
    published.tell(result)
    (published.document if as_json else published.lines)(result)
    raise typer.Exit(1 if result.bad or not result.snapshots.all_there else 0)
