"""What captures and hooks start behind themselves, without Typer, and with nobody who listens."""

from __future__ import annotations

import os
from collections.abc import Callable

from rollouts import paths

_POLITE = 10


def _upkeep(workspace_id: str) -> None:
    """Packs the store of a workspace."""
    from rollouts import space  # noqa: PLC0415 - each way imports what it needs

    space.maintain(paths.home(), workspace_id)


def _ingest(agent: str, session_id: str) -> None:
    """Takes in what a session's transcript has become."""
    from rollouts import importing  # noqa: PLC0415 - each way imports what it needs

    importing.take(paths.home(), agent, session_id)


def _prepare(workspace_id: str, seconds: str) -> None:
    """Makes a workspace ready whose capture took longer than so many seconds."""
    from rollouts import hook  # noqa: PLC0415 - each way imports what it needs

    hook.prepare(paths.home(), workspace_id, float(seconds))


_WORK: dict[str, Callable[..., None]] = {"_upkeep": _upkeep, "_ingest": _ingest, "_prepare": _prepare}


def run(what: str, words: list[str]) -> int:
    """Does one of these. Returns the exit code.

    Raises:
        RolloutsError: it failed; whatever it was is done again at a later turn.
    """
    os.chdir("/")  # the caller's directory may be unmounted meanwhile
    os.nice(_POLITE)
    _WORK[what](*words)
    return 0
