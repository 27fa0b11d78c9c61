"""Processes that carry a mark in their environment: all that an agent started, and what those started in turn.

Rollouts goes on in the background when a hook has ended, in sessions of its own; only an inherited environment tells
whose those processes are. Linux shows it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

MARK = "ROLLOUTS_TEST_MARK"
_PROC = Path("/proc")
SEEN = _PROC.joinpath("self", "environ").exists()
"""Whether this system shows the environment of processes."""


def marked(mark: str) -> set[int]:
    """The ids of the living processes that carry a mark."""
    wanted, found = f"{MARK}={mark}".encode(), set()
    for folder in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.add(int(folder.name))
    return found - {os.getpid()}


def quiet(mark: str, seconds: float = 60) -> bool:
    """Waits until no process carries a mark, at most so long. Returns whether it is so."""
    deadline = time.monotonic() + seconds
    while marked(mark):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def stop(mark: str) -> None:
    """Kills all processes that carry a mark, also those that they start meanwhile."""
    while left := marked(mark):
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.02)
