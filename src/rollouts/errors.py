"""What can go wrong, in words for the person who reads it."""

from __future__ import annotations


class RolloutsError(Exception):
    """An expected failure: what happened, to what, and what to do next, in one sentence."""

    exit_code = 1


class UsageError(RolloutsError):
    """The command line itself is wrong."""

    exit_code = 2


class InterruptedMidwayError(RolloutsError):
    """Ctrl-C came when part of the work was done, and says how to take that back."""

    exit_code = 130


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
