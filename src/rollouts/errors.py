"""What can go wrong, in words for the person who reads it."""

from __future__ import annotations

import os


class RolloutsError(Exception):
    """An expected failure: what happened, to what, and what to do next, in one sentence."""

    exit_code = 1


class UsageError(RolloutsError):
    """The command line itself is wrong."""

    exit_code = 2


class InterruptedMidwayError(RolloutsError):
    """Ctrl-C came when part of the work was done, and says how to take that back."""

    exit_code = 130


class OutOfTimeError(KeyboardInterrupt):
    """The time that an agent gives its hooks is over; it ends everything as Ctrl-C does: no code goes on from it.

    Attributes:
        limit: how many seconds that was.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        super().__init__(f"it took longer than {limit:g} seconds and was stopped; ROLLOUTS_HOOK_TIMEOUT sets the limit")


class CommandError(RolloutsError):
    """A process that Rollouts started ended badly.

    Attributes:
        program: name of the program, for the message.
        code: its exit status; negative is the number of the signal that killed it.
        stderr: what it said, undecoded.
    """

    def __init__(self, program: str, code: int, stderr: bytes) -> None:
        self.program = program
        self.code = code
        self.stderr = stderr
        lines = [line for line in stderr.decode(errors="replace").splitlines() if line.strip()]
        fatal = [line for line in lines if line.startswith(("fatal:", "error:"))]
        reason = (fatal or lines or [f"killed by signal {-code}" if code < 0 else f"exit status {code}"])[-1]
        super().__init__(f"{program} failed: {reason}")

    @property
    def disk_full(self) -> bool:
        signs = (b"No space left on device", b"Disk quota exceeded", b"Out of diskspace")
        return any(sign in self.stderr for sign in signs)


class SilentError(RolloutsError):
    """A process that Rollouts started had nothing to say for too long."""

    def __init__(self, program: str, seconds: float) -> None:
        super().__init__(f"{program} got no answer for {seconds:.0f} seconds")


class DamagedCatalogError(RolloutsError):
    """The catalog is not a database, is malformed, or is missing while stores are there; it can be rebuilt."""


class DamagedStoreError(RolloutsError):
    """A store lacks something that the catalog promises."""


def os_error_words(error: OSError) -> str:
    """What the system says, and what to do about it."""
    import errno  # noqa: PLC0415 - only for a failure

    name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
    what = f"{name}: {error.strerror}" if name else str(error.strerror or error)
    advice = {
        errno.ENOSPC: "the disk is full; free some space and try again",
        errno.EDQUOT: "the quota is used up; free some space and try again",
        errno.EROFS: "the file system is read-only",
        errno.EACCES: "check its owner and permissions",
        errno.EPERM: "check its owner and permissions",
        errno.ENOTDIR: "a part of that path is a file; check ROLLOUTS_HOME",
        errno.EEXIST: "it is in the way",
        errno.EMFILE: "too many open files",
    }.get(error.errno or 0)
    return f"{what}; {advice}" if advice else what


def logged_bug(folder: str) -> str:
    """Writes the traceback of the current exception to a file in `folder`, or elsewhere. Returns the file's path."""
    import tempfile  # noqa: PLC0415 - only for a failure
    import traceback  # noqa: PLC0415 - only for a failure

    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError:
        folder = tempfile.gettempdir()
    with tempfile.NamedTemporaryFile("w", dir=folder, prefix="bug-", suffix=".log", delete=False) as file:
        traceback.print_exc(file=file)
    return file.name
