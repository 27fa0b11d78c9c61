"""A file that appears whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from rollouts.errors import RolloutsError
from rollouts.paths import USER_UMASK

_BUFFER = 1 << 20


def target(path: str) -> str:
    """Where a file is to be written, links resolved.

    Raises:
        RolloutsError: there is no directory for it, or something else than a file is there.
    """
    found = os.path.realpath(path)
    folder = os.path.dirname(found)
    if not os.path.isdir(folder):
        raise RolloutsError(f"there is no directory {folder} to write in; make it, or name another FILE")
    if os.path.isdir(found):
        raise RolloutsError(f"{path} is a directory; name a FILE")
    if os.path.lexists(found) and not stat.S_ISREG(os.lstat(found).st_mode):
        raise RolloutsError(f"{path} is no regular file, and would be replaced; name another FILE")
    return found


@contextmanager
def replaced(path: str) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` (as `target` gave it) when the block ends, and is gone when it fails.

    Nothing takes its place when nothing was written. Its permissions are what the user's umask leaves.

    Raises:
        OSError: it cannot be written.
    """
    handle, scratch = tempfile.mkstemp(prefix=".rollouts-", suffix=".part", dir=os.path.dirname(path))
    try:
        with open(handle, "wb", buffering=_BUFFER) as file:
            yield file
            is_empty = file.tell() == 0
            os.fchmod(handle, 0o666 & ~USER_UMASK)
        if is_empty:
            os.unlink(scratch)
        else:
            os.replace(scratch, path)
    except BaseException:  # Ctrl-C as well: nothing half written stays
        os.unlink(scratch)
        raise
