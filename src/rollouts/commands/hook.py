"""`rollouts hook` as agents call it: whatever happens, it ends with 0, prints nothing on stdout, and in good time."""

from __future__ import annotations

import _signal as signals  # type: ignore[import-not-found] # `signal` without its enums, which cost 2 ms
import os
import sys
from types import FrameType

from rollouts import hook as hooking
from rollouts import paths
from rollouts.agents.moment import Moment
from rollouts.errors import DamagedCatalogError, OutOfTimeError, RolloutsError, logged_bug, os_error_words
from rollouts.storage import misses

_BUDGET = 30.0
_VARIABLE = "ROLLOUTS_HOOK_TIMEOUT"
_USAGE = "usage: rollouts hook AGENT [--every-tool], with the agent's event on stdin"


def _budget() -> float:
    """Seconds for one call.

    Raises:
        RolloutsError: what the user set is no such number.
    """
    given = os.environ.get(_VARIABLE)
    try:
        seconds = float(given) if given else _BUDGET
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86400:  # not a number compares false, too
        raise RolloutsError(f"{_VARIABLE} is {given!r}; give a number of seconds")
    return seconds


def _arm(seconds: float) -> None:
    def ring(_signal: int, _at: FrameType | None) -> None:
        raise OutOfTimeError(seconds)

    signals.signal(signals.SIGALRM, ring)
    signals.setitimer(signals.ITIMER_REAL, seconds)


def _disarm() -> None:
    signals.setitimer(signals.ITIMER_REAL, 0)


def _said(error: BaseException) -> str:
    """What went wrong, for `status`; a bug leaves its traceback in a file."""
    if isinstance(error, OutOfTimeError | RolloutsError):
        return str(error)
    if isinstance(error, OSError):
        return os_error_words(error)
    return f"this is a bug in Rollouts; its traceback is in {logged_bug(paths.home().logs)}"


def _miss(agent: str, happened: Moment | None, error: BaseException) -> None:
    from contextlib import suppress  # noqa: PLC0415 - only for a failure

    session, directory = (happened.session_id, happened.directory) if happened else (None, None)
    with suppress(OSError, ValueError):  # a disk that is full, a home that cannot be written, nobody on stderr
        said = _said(error)
        sys.stderr.write(f"Error: {said}\n".encode("ascii", "backslashreplace").decode())
        misses.note(paths.home(), agent, session, directory, said)


def _captured(agent: str, happened: Moment) -> None:
    """Captures; a damaged catalog is rebuilt once."""
    try:
        hooking.capture(paths.home(), agent, happened)
    except DamagedCatalogError:
        from rollouts.commands import recovery  # noqa: PLC0415 - only for a failure

        recovery.rebuild()
        hooking.capture(paths.home(), agent, happened)


def _respond(agent: str, *, every_tool: bool) -> None:
    happened = None
    try:
        try:
            _arm(_budget())
            happened = hooking.moment(agent, sys.stdin.buffer.read(), every_tool=every_tool)
            if happened:
                _captured(agent, happened)
        finally:
            _disarm()
            if happened:
                hooking.take_in(paths.home(), agent, happened)
    except KeyboardInterrupt as error:
        if isinstance(error, OutOfTimeError):
            _miss(agent, happened, error)
    except Exception as error:  # noqa: BLE001 - the boundary: no fault of ours is the agent's
        _miss(agent, happened, error)


def run(words: list[str]) -> int:
    """Answers one event of an agent's. Returns the exit code, which is 0: agents take others for instructions."""
    names = [word for word in words if word != "--every-tool"]
    if len(names) == 1 and not names[0].startswith("-"):
        _respond(names[0], every_tool=len(words) > 1)
    else:
        _miss(" ".join(names), None, RolloutsError(f"`rollouts hook` cannot read its command line; {_USAGE}"))
    return 0
