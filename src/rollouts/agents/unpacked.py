"""Files that an agent has compressed with Zstandard (RFC 8878), as they were."""

from __future__ import annotations

import shutil
import sys
from typing import IO

from rollouts.errors import RolloutsError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def opened(path: str) -> IO[bytes]:
    """A compressed file, to be read as it was.

    Raises:
        OSError: it cannot be read.
    """
    return zstd.open(path, "rb")  # type: ignore[return-value] # it reads as any file, and its stub does not say so


def copy(path: str, to: IO[bytes]) -> None:
    """Writes what a compressed file holds.

    Raises:
        OSError: one of the two cannot be read or written.
        RolloutsError: it is not compressed so, or not whole.
    """
    try:
        with opened(path) as file:
            shutil.copyfileobj(file, to, 1 << 20)
    except (zstd.ZstdError, EOFError) as error:
        raise RolloutsError(f"is no whole file of Zstandard: {error}") from error
