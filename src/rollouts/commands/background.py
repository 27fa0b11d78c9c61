"""What captures and hooks start behind themselves, without Typer, and with nobody who listens."""

from __future__ import annotations

import os

from rollouts import paths

_POLITE = 10


def _step_back() -> None:
    os.chdir("/")  # the caller's directory may be unmounted meanwhile
    os.nice(_POLITE)


def upkeep(words: list[str]) -> int:
    """Packs the store of the workspace whose id is given. Returns the exit code.

    Raises:
        RolloutsError: it failed; that is noted beside the store, too.
    """
    from rollouts import space  # noqa: PLC0415 - each way imports what it needs

    _step_back()
    space.maintain(paths.home(), words[0])
    return 0


def ingest(words: list[str]) -> int:
    """Takes in a session's transcript: the agent and the session's id are given. Returns the exit code.

    Raises:
        RolloutsError: it failed; the next event of the session takes in the more.
    """
    from rollouts import importing  # noqa: PLC0415 - each way imports what it needs

    agent, session_id = words
    _step_back()
    importing.take(paths.home(), agent, session_id)
    return 0
