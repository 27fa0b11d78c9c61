"""What the reports share: a look at the catalog, the time zone, what has no price."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import typer

from rollouts import paths
from rollouts.commands import output, summarizing
from rollouts.contracts import calendar
from rollouts.contracts.calendar import Days
from rollouts.contracts.filters import Asked, checked
from rollouts.contracts.strict_json import Json
from rollouts.errors import RolloutsError
from rollouts.export.archived import Own
from rollouts.storage import reading
from rollouts.storage.catalog import Catalog
from rollouts.storage.reading import ChangedMeanwhileError

Report = dict[str, Any]
"""A report as JSON: what it prints for people stands in it, and is not computed again."""
Timezone = Annotated[
    str | None, typer.Option("--timezone", metavar="NAME", help="Whose days, like Europe/Berlin (this machine's).")
]
Agent = Annotated[str | None, typer.Option("--agent", metavar="NAME,...", help="Only these: claude, codex, opencode.")]
_LOCALTIME = "/etc/localtime"

RedactPaths = Annotated[bool, typer.Option("--redact-paths", help="Without paths of this machine in the JSON.")]


def _local_zone() -> str:
    """The name of this machine's time zone; UTC where it has none."""
    named = os.environ.get("TZ", "").removeprefix(":")
    _, found, name = os.path.realpath(_LOCALTIME).partition("/zoneinfo/")
    for candidate in (named, name if found else ""):
        if candidate and not candidate.startswith("/"):
            return candidate
    return "UTC"


def zone(name: str | None) -> tuple[str, Days]:
    """The time zone that is asked for, and its calendar. This machine's own is UTC when nobody knows its name."""
    if name is not None:
        return name, Days(calendar.zone(name))
    own = _local_zone()
    try:
        return own, Days(calendar.zone(own))
    except RolloutsError:
        return "UTC", Days(calendar.zone("UTC"))


def now() -> int:
    """The moment, in microseconds since 1970."""
    return int(datetime.now().timestamp() * 1e6)  # noqa: DTZ005 - only its timestamp counts


def made(make: Callable[[Catalog, Own], dict[str, Json]]) -> Report:
    """A report out of one look at the catalog, and out of another one when that was written meanwhile."""
    gc.disable()  # no rings among millions of small values: looking for them takes a third of the time
    home = paths.home()
    try:
        with reading.snapshot(home) as catalog:
            return make(catalog, summarizing.own(home))
    except ChangedMeanwhileError:
        with reading.snapshot(home, undisturbed=False) as catalog:
            return make(catalog, summarizing.own(home))


def agents(names: str | None) -> tuple[str, ...]:
    """Agents by their names in contracts. Raises RolloutsError when one is not known."""
    return checked(Asked(agent=names)).agents


def tell_unpriced(report: Report) -> None:
    """Says which models have no price, for whoever reads the costs."""
    models = report["pricing"]["unpriced_models"]
    if models:
        output.say(
            f"No price is known of {', '.join(models)}: costs are lower bounds. [[prices]] in config.toml sets them."
        )
