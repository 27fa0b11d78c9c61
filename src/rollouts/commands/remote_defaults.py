"""remote defaults set, remote defaults show: where `push --create-remote` makes archives."""

from __future__ import annotations

from typing import Annotated

import typer

from rollouts import paths
from rollouts.commands import output
from rollouts.commands.options import AsJson
from rollouts.contracts.archive_name import DEFAULT_PREFIX, checked_owner, checked_prefix, checked_visibility
from rollouts.models import RemoteDefaults
from rollouts.publish import github
from rollouts.storage import opening

_STARTING_SECONDS = 60.0
"""For gh to say its version: enough for any machine, and it is not waited for without end."""


def _print(defaults: RemoteDefaults) -> None:
    for name, value in defaults._asdict().items():
        output.line(f"{name}: {value}")


def set_(
    owner: Annotated[str, typer.Option("--owner", metavar="OWNER", help="A user or an organisation on GitHub.")],
    prefix: Annotated[
        str, typer.Option("--prefix", metavar="PREFIX", help="What the names of archives begin with.")
    ] = DEFAULT_PREFIX,
    visibility: Annotated[
        str, typer.Option("--visibility", metavar="WHO", help="private, public or internal.")
    ] = "private",
) -> None:
    """Say where new archives are made on GitHub.

    Nothing is made by this. It needs GitHub's own program, gh (https://cli.github.com).

    Example: rollouts remote defaults set --owner octocat
    """
    defaults = RemoteDefaults(checked_owner(owner), checked_prefix(prefix), checked_visibility(visibility))
    github.require(_STARTING_SECONDS)
    with opening.opened(paths.home()) as home:
        output.warn(home.notes)
        home.catalog.set_remote_defaults(defaults)
    output.line("Configured remote defaults")
    _print(defaults)


def show(as_json: AsJson = False) -> None:
    """Show where new archives are made on GitHub.

    Example: rollouts remote defaults show
    """
    with opening.opened_for_reading(paths.home()) as home:
        output.warn(home.notes)
        defaults = home.catalog.remote_defaults()
    if as_json:
        fields = dict.fromkeys(RemoteDefaults._fields) if defaults is None else defaults._asdict()
        output.document(dict(fields))
    elif defaults is None:
        output.line("No remote defaults; `rollouts remote defaults set --owner OWNER` sets them")
    else:
        _print(defaults)
