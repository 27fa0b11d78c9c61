"""Who packs a store, when again, and what became of it the last time.

The file `upkeep` in a workspace's folder is the lock of whoever packs or drops objects, and says how that went: it is
empty when all is well. Captures take no part in it: packing never drops an object, so they go on beside it. Who holds
more than one lock takes this one before the workspace's, and that before the readers'.
"""

from __future__ import annotations

import os
import sys
import time

from rollouts.errors import RolloutsError
from rollouts.paths import Home
from rollouts.process import detach
from rollouts.record import Record
from rollouts.storage.lock import BusyError, FolderGoneError, Lock

_STOP = b"stop"
STARTED, PACKING, FAILED = "started", "packing", "failed"
_PAUSES = {STARTED: 3600.0, PACKING: 3600.0, FAILED: 86400.0}
"""Seconds until a new attempt after one that was killed on its way, or failed."""


class Attempt(Record):
    """An attempt to pack that did not come to its end (yet)."""

    what: str
    since: float
    """When it was last heard of, in seconds since 1970."""
    needs: int = 0
    """Bytes of free disk with which it may go better; 0 when the disk was not the cause."""
    reason: str = ""

    def note(self) -> bytes:
        reason = " ".join(self.reason.split())
        return f"{self.what} {int(self.since)} {self.needs} {reason}".encode()[:4000]


def _parsed(note: bytes) -> Attempt | None:
    what, _, rest = note.decode(errors="replace").removesuffix(_STOP.decode()).partition(" ")
    since, _, rest = rest.partition(" ")
    needs, _, reason = rest.partition(" ")
    if what not in _PAUSES or not since.isdecimal() or not needs.isdecimal():
        return None
    return Attempt(what, float(since), int(needs), reason)


def attempt(folder: str) -> Attempt | None:
    """What is known of an attempt that is under way, was killed or failed; None when the last one went well."""
    try:
        with open(f"{folder}/upkeep", "rb") as file:
            return _parsed(file.read(4096))
    except OSError:
        return None


def free(folder: str) -> int:
    """Bytes that may still be written where a folder lies."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def is_postponed(last: Attempt | None, folder: str) -> bool:
    """Whether it is too early for another attempt: the same causes have the same effects."""
    if last is None:
        return False
    if last.needs and free(folder) >= last.needs:
        return False
    return 0 <= time.time() - last.since < _PAUSES[last.what]


class UpkeepLock(Lock):
    """Held by whoever packs a store or drops objects of it."""

    def __init__(self, folder: str, *, wait: float | None = None) -> None:
        super().__init__(f"{folder}/upkeep", f"the store in {folder}", wait=wait)

    def __enter__(self) -> UpkeepLock:
        self.acquire()
        return self

    def last(self) -> Attempt | None:
        return _parsed(self.read())

    def is_wanted(self) -> bool:
        """Whether somebody asked the holder to stop."""
        return self.read().endswith(_STOP)

    def ask_to_stop(self) -> None:
        """Asks whoever packs to leave it be; dropping objects packs what remains anyway."""
        try:
            fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        os.write(fd, _STOP)
        os.close(fd)


def is_under_way(folder: str) -> bool:
    """Whether somebody packs right now."""
    if not os.path.exists(f"{folder}/upkeep"):
        return False
    try:
        with UpkeepLock(folder, wait=0):
            return False
    except BusyError:
        return True
    except OSError:  # a home that cannot be written
        return False


class Alone:
    """A `with` block in which nobody packs: one who does is asked to stop, and waited for.

    A folder that is not there, or cannot be written, needs no lock.

    Args:
        folder: the workspace's.
        grace: seconds for which it is waited for before it is asked: one that stops has worked in vain.
    """

    def __init__(self, folder: str, *, grace: float = 0.0) -> None:
        self._folder = folder
        self._grace = grace
        self.lock: UpkeepLock | None = None
        """None outside of the block, and without a folder."""

    def __enter__(self) -> Alone:
        if not os.access(self._folder, os.W_OK):
            return self
        patient = UpkeepLock(self._folder)
        brief = UpkeepLock(self._folder, wait=0.1)
        started = time.monotonic()
        while self.lock is None:
            try:
                brief.acquire()
                self.lock = brief
            except FolderGoneError:
                break
            except BusyError:
                waited = time.monotonic() - started
                if waited > self._grace + patient.wait:
                    raise
                if waited > self._grace:
                    brief.ask_to_stop()
        return self

    def __exit__(self, *_: object) -> None:
        if self.lock:
            self.lock.release()

    def settle(self) -> None:
        """Forgets earlier failures: whatever was wrong, it has been done now."""
        if self.lock:
            self.lock.write(b"")


def start(home: Home, workspace_id: str) -> None:
    """After a capture: has the store packed by a process of its own, unless that is hopeless.

    Whatever goes wrong here is no matter of the capture.
    """
    folder = home.workspace(workspace_id)
    try:
        with UpkeepLock(folder, wait=0) as lock:
            if is_postponed(lock.last(), folder):
                return
            lock.write(Attempt(STARTED, time.time()).note())
        env = {**os.environ, "ROLLOUTS_HOME": home.path}
        # -P: the directory that this runs in, a workspace perhaps, is no place to import from
        detach((sys.executable or "python3", "-P", "-m", "rollouts", "_upkeep", workspace_id), env)
    except (OSError, RolloutsError, NotImplementedError):
        return
