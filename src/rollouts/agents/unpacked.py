"""Files that an agent has compressed with Zstandard (RFC 8878), as they were."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import IO

from rollouts.errors import RolloutsError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_AT_ONCE = 1 << 20


def opened(path: str) -> IO[bytes]:
    """A compressed file, to be read as it was.

    Raises:
        OSError: it cannot be read.
    """
    return zstd.open(path, "rb")  # type: ignore[return-value] # it reads as any file, and its stub does not say so


def chunks(path: str) -> Iterator[bytes]:
    """What a compressed file holds, in pieces.

    Raises:
        OSError: it cannot be read.
        RolloutsError: it is not compressed so, or not whole.
    """
    try:
        with opened(path) as file:
            while chunk := file.read(_AT_ONCE):
                yield chunk
    except (zstd.ZstdError, EOFError) as error:
        raise RolloutsError(f"is no whole file of Zstandard: {error}") from error


def copy(path: str, to: IO[bytes]) -> None:
    """Writes what a compressed file holds.

    Raises:
        OSError: one of the two cannot be read or written.
        RolloutsError: it is not compressed so, or not whole.
    """
    for chunk in chunks(path):
        to.write(chunk)
