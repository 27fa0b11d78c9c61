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


def test_lines_of_a_process_come_as_it_prints_them() -> None:
    script = "echo one; read answer; echo got $answer; exec >&-; sleep 60"
    read_end, write_end = os.pipe()
    with process.start(("sh", "-c", script), os.environ, read_end, group=True) as running:
        lines = running.lines(30)
        assert next(lines) == b"one"
        os.write(write_end, b"it\n")
        assert list(lines) == [b"got it"]
    os.close(read_end)
    os.close(write_end)


def test_process_whose_lines_take_too_long_is_given_up() -> None:
    started = time.monotonic()
    script = "while sleep 0.1; do echo more; done"
    with process.start(("sh", "-c", script), os.environ, group=True) as running, pytest.raises(SilentError):
        list(running.lines(0.5))
    assert time.monotonic() - started < 10
