"""Locks that the kernel releases when their holder dies, with bounded waits (`ROLLOUTS_LOCK_TIMEOUT` seconds, else 60).

The file stays inheritable: a git process that outlives its killed parent still holds the lock, so whoever gets it knows
that nobody writes here any more.
"""

from __future__ import annotations

import fcntl
import os
import time
from types import TracebackType

from rollouts.errors import RolloutsError

WAIT_SECONDS = 60.0


class BusyError(RolloutsError):
    """Another process held a lock for too long."""


class FolderGoneError(FileNotFoundError):
    """The directory that a lock lies in is not there (any more)."""


def patience() -> float:
    """The seconds that a lock is waited for.

    Raises:
        RolloutsError: `ROLLOUTS_LOCK_TIMEOUT` is no number of seconds.
    """
    given = os.environ.get("ROLLOUTS_LOCK_TIMEOUT")
    try:
        seconds = float(given) if given else WAIT_SECONDS
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):  # not a number compares false, too
        raise RolloutsError(f"ROLLOUTS_LOCK_TIMEOUT is {given!r}; give a number of seconds")
    return seconds


class Lock:
    """An advisory lock on a file (`flock`), taken in a `with` block.

    Args:
        path: the lock file; made when it is not there.
        shared: several may hold it at once, beside no exclusive holder.
        what: named in the error when it cannot be had in time.
        wait: how many seconds to try; `patience()` unless given.
        create: False to take only a lock file that is there.
    """

    def __init__(
        self, path: str, what: str, *, shared: bool = False, wait: float | None = None, create: bool = True
    ) -> None:
        self.path = path
        self.what = what
        self._kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        self.wait = patience() if wait is None else wait
        self._flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
        self._fd = -1

    def _try(self) -> bool:
        """Takes the lock if nobody has it; a lock file that was deleted meanwhile does not count."""
        try:
            fd = os.open(self.path, self._flags, 0o600)
        except FileNotFoundError as error:
            raise FolderGoneError(error.errno, error.strerror, self.path) from error
        try:
            fcntl.flock(fd, self._kind | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(fd), os.stat(self.path)):
                os.set_inheritable(fd, True)  # noqa: FBT003 - the standard library's signature
                self._fd, fd = fd, -1
                return True
        except (BlockingIOError, FileNotFoundError):
            pass
        finally:
            if fd >= 0:
                os.close(fd)
        return False

    def acquire(self) -> None:
        """Waits for the lock and takes it.

        Raises:
            BusyError: it could not be had in time.
            FolderGoneError: there is no directory for it.
        """
        deadline = time.monotonic() + self.wait
        pause = 0.001
        while not self._try():
            if time.monotonic() > deadline:
                raise BusyError(f"{self.what} is busy: another rollouts process works on it; try again")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.05)

    def release(self) -> None:
        os.close(self._fd)

    def __enter__(self) -> Lock:
        self.acquire()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()

    def read(self) -> bytes:
        """What the last holder left in the file: empty when it finished its work."""
        return os.pread(self._fd, 4096, 0)

    def write(self, note: bytes) -> None:
        """Leaves a note for the next holder, should this one be killed."""
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, note, 0)
