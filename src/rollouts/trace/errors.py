"""What a bundle can be refused for: one line, and the chain of its causes."""

from __future__ import annotations

import os


class TraceError(Exception):
    """A bundle is not what the format says.

    Attributes:
        message: what was refused, in the words of the format's own reducer.
        causes: why, each line the cause of the one before it.
    """

    def __init__(self, message: str, causes: tuple[str, ...] = ()) -> None:
        self.message = message
        self.causes = causes
        super().__init__(": ".join((message, *causes)))

    def within(self, context: str) -> TraceError:
        """The same failure, as the cause of another."""
        return TraceError(context, (self.message, *self.causes))

    def report(self) -> str:
        """The lines that `codex debug trace-reduce` prints for it, `Error: ` first and without a final newline."""
        text = f"Error: {self.message}"
        if not self.causes:
            return text
        several = len(self.causes) > 1
        lines = [f"    {f'{number}: ' if several else ''}{cause}" for number, cause in enumerate(self.causes)]
        return "\n".join((text, "", "Caused by:", *lines))


def of_system(error: OSError) -> TraceError:
    """A failure of the operating system, as that reducer words it."""
    number = error.errno or 0
    return TraceError(f"{os.strerror(number)} (os error {number})")
