"""Which `rollouts` program hooks are to start: this one, by a path that stays."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterator

from rollouts.errors import RolloutsError

_NAME = "rollouts"
_CACHES = ("/uv/archive-v", "/uv/builds-v", "/pipx/.cache/", "/.cache/pipx/", "/.cache/uv/")
"""Where `uvx` and `pipx run` put programs that they may remove again."""


def _candidates() -> Iterator[str]:
    started = sys.argv[0] if sys.argv else ""
    if os.path.basename(started) == _NAME:
        yield os.path.abspath(started) if os.sep in started else shutil.which(started) or ""
    yield os.path.join(sysconfig.get_path("scripts"), _NAME)
    yield shutil.which(_NAME) or ""


def path() -> str:
    """The path of this program, absolute; a link is left as one, for what it leads to may be replaced by an upgrade.

    Raises:
        RolloutsError: there is none, or its path is no text that could be written into a settings file.
    """
    for found in _candidates():
        if found and os.path.isfile(found) and os.access(found, os.X_OK):
            try:
                found.encode()
            except UnicodeEncodeError:
                raise RolloutsError(f"the path of {_NAME} is not UTF-8; install it elsewhere and try again") from None
            return os.path.abspath(found)
    raise RolloutsError(
        f"no program {_NAME} was found beside this Python or on PATH; install agent-rollouts and try again"
    )


def doubts(found: str) -> Iterator[str]:
    """Why a program may not be there for long."""
    parent, name = os.path.split(found)
    real = os.path.realpath(found)
    there = (os.path.join(os.path.realpath(parent), name), real)  # a link goes with its folder, or with its target
    temporary = {os.path.realpath(folder) for folder in (tempfile.gettempdir(), "/tmp", "/var/tmp")}  # noqa: S108 - read
    if any(place.startswith(folder + os.sep) for place in there for folder in temporary):
        yield f"{found} lies in a temporary directory; hooks that start it stop working when it is cleared"
    elif any(mark in real + os.sep for mark in _CACHES):
        yield f"{found} lies in a cache of uvx or pipx, which may be cleared; `uv tool install agent-rollouts` stays"
