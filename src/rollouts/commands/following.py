"""What a git that speaks to a server says of its progress, passed on."""

from __future__ import annotations

import sys
from collections.abc import Generator

from rollouts.commands import output
from rollouts.commands.capture import shown

TYPE_CHECKING = False
if TYPE_CHECKING:  # restore goes without `typing`, whose import would cost 6 ms
    from typing import TypeVar

    Result = TypeVar("Result")

_WIDTH = 79


def announce(text: str) -> None:
    """Says what begins, on a terminal."""
    if sys.stderr.isatty():
        output.say(text)


def followed(work: Generator[bytes, None, Result]) -> Result:
    """The result of some work; on a terminal what git says of its progress is passed on meanwhile."""
    watched = sys.stderr.isatty()
    while True:
        try:
            said = next(work)
        except StopIteration as end:
            if watched:
                sys.stderr.write("\r\x1b[K")
            return end.value  # type: ignore[no-any-return] # the generator's own type
        if watched:
            lines = said.decode(errors="replace").replace("\n", "\r").rstrip("\r").split("\r")
            sys.stderr.write(f"\r\x1b[K{shown(lines[-1])[:_WIDTH]}")
            sys.stderr.flush()
