"""Runs command lines of `rollouts`, each in a fork of this process, and may end one at a chosen line or instant.

A request is one line of JSON on stdin, its answer one on stdout. The forks spare each call 120 ms of imports.

`at`: the fork sends itself a signal at the Nth line of WATCHED that it has not run before, or function that it has not
left before; git processes that it started live on.
`after`: its whole process group, git included, gets the signal after so many seconds.
"""

from __future__ import annotations

import contextlib
import gc
import inspect
import io
import json
import os
import signal
import sys
import tempfile
import time
from types import FrameType
from typing import IO, Any, NoReturn

from rollouts import cli

WATCHED = (
    "/rollouts/storage/",
    "/rollouts/restore.py",
    "/rollouts/inplace.py",
    "/rollouts/deletion.py",
    "/rollouts/space.py",
    "/rollouts/pull.py",
    "/rollouts/commands/capture.py",
)

ESCAPED, TOO_EARLY = 99, 98
"""Exit codes: an exception got past the error boundary; Ctrl-C came when the command had not begun, or was over."""


class _Tripwire:
    """Counts the distinct lines and returns of functions in WATCHED, and sends a signal at one of them."""

    def __init__(self, at: int, number: int) -> None:
        self.at = at
        self.number = number
        self.seen: set[tuple[str, int | str]] = set()

    def enter(self, frame: FrameType, _event: str, _value: object) -> Any:  # the type of a trace function is its own
        code = frame.f_code
        if code.co_flags & inspect.CO_OPTIMIZED and any(part in code.co_filename for part in WATCHED):
            return self.line
        return None

    def line(self, frame: FrameType, event: str, _value: object) -> Any:  # as above
        name = frame.f_code.co_filename
        place = (name, frame.f_lineno) if event == "line" else (name, f"end of {frame.f_code.co_name}")
        if event != "exception" and place not in self.seen:
            self.seen.add(place)
            if len(self.seen) == self.at:
                os.write(2, f"ended at {place[0].rpartition('/rollouts/')[2]}:{place[1]}\n".encode())
                os.kill(os.getpid(), self.number)
        return self.line


def _child(request: dict[str, Any], out: IO[bytes], err: IO[bytes], lines: IO[bytes]) -> NoReturn:
    os.setpgid(0, 0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    wire = _Tripwire(request["at"], request["signal"])
    code = ESCAPED
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        sys.settrace(wire.enter if request["at"] >= 0 else None)
        code = cli.exit_code(request["words"])
    except KeyboardInterrupt:
        code = TOO_EARLY
    finally:
        sys.settrace(None)
        lines.write(str(len(wire.seen)).encode())
        lines.flush()
        os._exit(code)


def _answer(request: dict[str, Any]) -> dict[str, object]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as lines:
        pid = os.fork()
        if not pid:
            _child(request, out, err, lines)
        with contextlib.suppress(PermissionError, ProcessLookupError):  # the fork does the same, perhaps earlier
            os.setpgid(pid, pid)
        if request["after"] is not None:
            time.sleep(request["after"])
            os.killpg(pid, request["signal"])
        _, status = os.waitpid(pid, 0)
        for file in (out, err, lines):
            file.seek(0)
        texts = {"out": out.read().decode(errors="surrogateescape"), "err": err.read().decode(errors="replace")}
        return {"code": os.waitstatus_to_exitcode(status), **texts, "lines": int(lines.read() or b"0")}


def _warm_up() -> None:
    """Imports what commands import, Typer's own late imports included."""
    with contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory() as nowhere:
        os.environ["ROLLOUTS_HOME"] = f"{nowhere}/home"
        cli.exit_code(["list", "--json"])


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # until a fork is ready for it
    _warm_up()
    gc.collect()
    gc.freeze()  # no fork copies memory only to look whether it is in use
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_answer(json.loads(line))) + "\n")
        sys.stdout.flush()
