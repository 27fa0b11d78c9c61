"""How long to go on asking a server that is busy, away or overtaken by others."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from rollouts.errors import RolloutsError
from rollouts.record import Record

_Result = TypeVar("_Result")


class PassingError(RolloutsError):
    """May be over in a moment.

    Attributes:
        seconds: how long the server asks to wait.
    """

    def __init__(self, message: str, seconds: float = 0) -> None:
        super().__init__(message)
        self.seconds = seconds


class SilentServerError(PassingError):
    """The server had nothing to say for too long."""


class Patience(Record):
    """How often to try again, and when; with the defaults for two and a half minutes.

    Waits begin with `first` seconds and double up to `longest`, each shortened by chance so that two who wait for each
    other do not meet again.
    """

    attempts: int = 10
    first: float = 1.0
    longest: float = 30.0
    asked: float = 600.0
    """The longest wait that a server may ask for; a rate limit's window is 300 seconds."""

    def wait(self, attempt: int, asked: float) -> float:
        """Seconds to wait after an attempt, the first being 0."""
        most = min(self.longest, self.first * float(2**attempt))
        return max(asked, most * random.uniform(0.5, 1))  # noqa: S311 - no secret

    def persist(self, step: Callable[[], _Result]) -> _Result:
        """Does a step until it succeeds, or fails for good. Each attempt of it looks at what is there first.

        Raises:
            PassingError: it still fails after all attempts, the server asks for more time than is reasonable, or it
                was silent twice: once may be an answer that got lost.
        """
        silences = 0
        for attempt in range(self.attempts - 1):
            try:
                return step()
            except PassingError as error:
                silences += isinstance(error, SilentServerError)
                if error.seconds > self.asked or silences > 1:
                    raise
                time.sleep(self.wait(attempt, error.seconds))
        return step()
