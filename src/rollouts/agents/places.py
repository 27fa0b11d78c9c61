"""What of an agent's files can be looked at from outside: regular files are sources, all else is told of."""

from __future__ import annotations

import os
import stat

from rollouts.facts import Slip, Source


def folder(variable: str, default: str) -> str:
    """The directory that an environment variable names, else one in the user's home."""
    return os.path.expanduser(os.environ.get(variable) or default)


def source(path: str, root_id: str, name: str) -> Source | Slip:
    """A file as a source, or why it is none."""
    try:
        status = os.stat(path)
    except OSError as error:
        return Slip(path, error.strerror or str(error))
    if not stat.S_ISREG(status.st_mode):
        return Slip(path, "is a directory" if stat.S_ISDIR(status.st_mode) else "is no regular file")
    return Source(path, root_id, name, status.st_size, status.st_mtime_ns)


def entries(path: str) -> list[os.DirEntry[str]]:
    """What is in a directory, by name; nothing when it is not there.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with os.scandir(path) as found:
            return sorted(found, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
