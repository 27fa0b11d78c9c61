"""What tests run in a fork is what the program does by itself: each way out, each thing that a caller hands down."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest

import warm
from helpers import ROLLOUTS, SLOW, run

WORDS: list[tuple[str | bytes, ...]] = [
    ("--help",),
    ("--version",),
    ("list", "--json"),
    ("status",),
    ("snapshot", ".", "--session", "s"),
    ("snapshot", b"not \xff there", "--session", "s", "--message", "m", "--metadata", "{}"),
    ("restore", "--snapshot", "none", "--dest", "out"),
    ("export", "--agent", "all", "--all", "--out", "out.jsonl"),
    ("trace", "show", "naïve"),
    ("nonsense",),
    ("setup", "--help"),
    ("--show-completion", "bash"),
    (),
]


def by_itself(words: tuple[str | bytes, ...], stdin: bytes = b"") -> tuple[int, bytes, bytes]:
    done = subprocess.run([*ROLLOUTS, *words], input=stdin, capture_output=True, timeout=SLOW, check=False)
    return done.returncode, done.stdout, done.stderr


def in_a_fork(words: tuple[str | bytes, ...], stdin: bytes = b"", seconds: float = SLOW) -> warm.Ran:
    ran = warm.run(ROLLOUTS[0], words, None, os.environ, stdin, seconds)
    if warm.COLD:
        pytest.skip("ROLLOUTS_TESTS_COLD is set")
    assert ran
    return ran


@pytest.mark.parametrize("words", WORDS, ids=repr)
def test_a_fork_ends_and_says_what_the_program_does(words: tuple[str | bytes, ...]) -> None:
    assert in_a_fork(words) == by_itself(words)


def test_a_fork_reads_what_it_is_given() -> None:
    event = b'{"hook_event_name": "Stop", "session_id": 1}'
    assert in_a_fork(("hook", "claude-code"), event) == by_itself(("hook", "claude-code"), event)
    assert in_a_fork(("hook", "claude-code"), b"") == by_itself(("hook", "claude-code"), b"")


def test_a_fork_has_the_callers_umask_folder_and_environment(home: Path, repo: Path, tmp_path: Path) -> None:
    os.chdir(repo)
    os.umask(0o027)
    assert in_a_fork(("snapshot", ".", "--session", "s", "--message", "m", "--metadata", "{}")).code == 0
    assert in_a_fork(("restore", "--session", "s", "--message", "m", "--dest", "../out")).code == 0
    assert (tmp_path / "out" / "a.txt").stat().st_mode & 0o777 == 0o640
    assert home.is_dir()


def test_a_fork_that_takes_too_long_is_killed_and_the_next_is_well() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        in_a_fork(("doctor",), seconds=0)
    assert in_a_fork(("--version",)).code == 0


def test_what_python_or_typer_read_when_they_start_is_left_to_a_start() -> None:
    for name in ("PYTHONUTF8", "LC_ALL", "COLUMNS", "NO_COLOR", "TERM", "TZ", "_ROLLOUTS_COMPLETE"):
        assert warm.run(ROLLOUTS[0], ["--version"], None, os.environ | {name: "1"}, b"", SLOW) is None
    assert warm.run(ROLLOUTS[0], ["--version"], None, os.environ, b"x" * (1 << 20), SLOW) is None


def test_two_at_once_both_run() -> None:
    codes: list[int] = []
    threads = [threading.Thread(target=lambda: codes.append(run("list", "--json").code)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0] * 4
