"""Processes that Rollouts starts: they end with who started them, and whatever comes between."""

from __future__ import annotations

import os
import time

import pytest

from rollouts import process
from rollouts.errors import SilentError


@pytest.mark.parametrize("group", [False, True])
def test_leaving_a_process_that_was_waited_for_already_is_no_error(group: bool) -> None:
    with process.start(("true",), os.environ, group=group) as running:
        assert running.pid
        os.waitpid(running.pid, 0)  # what Ctrl-C leaves when it comes right after the wait in `finish`
    assert running.pid is None


def test_what_a_process_says_comes_as_it_says_it_and_what_it_prints_is_kept() -> None:
    script = "echo one >&2; echo printed; sleep 0.4; echo two >&2; echo more; exit 3"
    with process.start(("sh", "-c", script), os.environ) as running:
        said = list(running.words(30))
        assert running.finish() == (3, b"printed\nmore\n", b"one\ntwo\n")
    assert len(said) == 2


def test_a_silent_process_is_given_up_with_all_that_it_started() -> None:
    started = time.monotonic()
    script = "sleep 60 & echo $!; wait"
    with process.start(("sh", "-c", script), os.environ, group=True) as running, pytest.raises(SilentError):
        list(running.words(0.3))
    assert time.monotonic() - started < 10
    assert running.pid is None
