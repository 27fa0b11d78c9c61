"""Workspaces whose capture took longer than an agent can wait: a file beside the store, there until that is over.

No turn waits for them in vain meanwhile. What takes so long is nearly always the first capture, when every file is
read; so it is made behind the agent, with no turn of it, and the next turns find it done.
"""

from __future__ import annotations

import os
import time

from rollouts.models import Workspace
from rollouts.storage.archive import Archive

_PAUSE = 600.0
"""Seconds until a turn tries again all the same."""


def _path(folder: str) -> str:
    return f"{folder}/slow"


def is_postponed(folder: str) -> bool:
    """Whether it is too early to make a turn wait for another capture."""
    try:
        return 0 <= time.time() - os.stat(_path(folder)).st_mtime < _PAUSE
    except OSError:
        return False


def note(folder: str) -> None:
    """Notes that a capture ran out of time just now."""
    with open(_path(folder), "wb"):
        os.utime(_path(folder))


def prepare(archive: Archive, record: Workspace, limit: float) -> None:
    """Captures a workspace for no turn, so that later ones are quick; if they will be, they need not be postponed.

    Args:
        archive: the open home.
        record: the workspace.
        limit: seconds that a turn may wait.

    Raises:
        RolloutsError, OSError: it cannot be captured at all.
    """
    place = archive.locate(record.root_path, force=True)
    archive.tree_now(place, record)
    started = time.monotonic()
    archive.tree_now(place, record)
    if time.monotonic() - started < limit / 2:
        from contextlib import suppress  # noqa: PLC0415 - hooks import this page, and prepare nothing

        with suppress(FileNotFoundError):  # two turns ran out of time
            os.unlink(_path(archive.home.workspace(record.id)))
