"""Runs the installed program without paying at each start for what it imports of others: see warm_server.py.

Most of a command's time is Python and Typer starting, and the suite runs some thousand commands. Whatever a fork could
do otherwise than a start of its own is left to the latter: `run` gives None, and the caller starts the program.
"""

from __future__ import annotations

import atexit
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from warm_server import LENGTH

COLD = "ROLLOUTS_TESTS_COLD" in os.environ  # looked at before any test seals the environment
"""Whether each run is to start the program itself."""
_ROOM = 1 << 15
"""The bytes that a pipe takes for sure before anybody reads it."""
STEADY = {"LANG", "LC_ALL", "VIRTUAL_ENV", "SYSTEMROOT", "LD_LIBRARY_PATH"}
"""What Python, the C library and imported modules may look at while they start, and tests seldom change."""
_CHANGING = {
    *("HOME", "PATH", "TMPDIR", "PAGER", "DO_NOT_TRACK"),
    *("IS_SANDBOX", "DISABLE_AUTOUPDATER", "SCRIPTED"),  # of tests/agents_harness
}
_PROXIES = {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}
_READ_WHEN_RUN = (
    *("ROLLOUTS_", "GIT_", "SSH_", "GH_", "HF_", "XDG_", "FAKE_", "PYTEST_", "COV_"),
    *("CLAUDE_", "CODEX_", "OPENCODE_", "ANTHROPIC_", "BUN_", "NPM_"),
)


class Ran(NamedTuple):
    code: int
    out: bytes
    err: bytes


def _fixed(env: Mapping[str, str]) -> dict[str, str]:
    """All of an environment but what is read when a command runs, by it or by what it starts."""
    return {
        name: value
        for name, value in env.items()
        if not (name in _CHANGING or name.lower() in _PROXIES or name.startswith(_READ_WHEN_RUN))
    }


class _Server:
    """A warm_server.py; it ends when this process does."""

    def __init__(self, program: str) -> None:
        self.env = {name: value for name, value in os.environ.items() if name in STEADY}
        self.alone = threading.Lock()
        self._connection, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            script = str(Path(__file__).with_name("warm_server.py"))
            self._process = subprocess.Popen(
                [sys.executable, script, str(number), program],
                cwd="/",
                env={**self.env, "PATH": os.environ["PATH"]},
                stdin=subprocess.PIPE,  # pipes, as runs have them: Python looks at what these are when it starts
                stdout=subprocess.PIPE,
                pass_fds=[number],
            )
        self._answers = self._connection.makefile("rb")
        atexit.register(self._close)

    def _close(self) -> None:
        self._answers.close()
        self._connection.close()
        self._process.communicate()

    def start(self, request: Mapping[str, object], files: Sequence[int]) -> int:
        """Starts a run with these for descriptors 0, 1 and 2. Returns its process id."""
        data = json.dumps(request).encode()
        socket.send_fds(self._connection, [LENGTH.pack(len(data))], files)
        self._connection.sendall(data)
        return int(self._answers.readline())

    def code(self) -> int:
        """The exit code of the run, when it has ended."""
        return int(self._answers.readline())


@cache
def _server(program: str) -> _Server:
    return _Server(program)


def _all_of(pipes: Sequence[int], seconds: float) -> list[bytes] | None:
    """What comes out of pipes until nobody writes to them any more; None when that takes longer."""
    deadline, texts = time.monotonic() + seconds, {fd: bytearray() for fd in pipes}
    with selectors.DefaultSelector() as selector:
        for fd in pipes:
            selector.register(fd, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(deadline - time.monotonic(), 0))
            if not ready:
                return None
            for key, _ in ready:
                chunk = os.read(key.fd, 1 << 16)
                texts[key.fd] += chunk
                if not chunk:
                    selector.unregister(key.fd)
    return [bytes(text) for text in texts.values()]


def _ended(server: _Server, request: Mapping[str, object], stdin: bytes, seconds: float) -> Ran:
    (given, to_give), (out, to_out), (err, to_err) = (os.pipe() for _ in range(3))
    try:
        os.write(to_give, stdin)
        os.close(to_give)
        pid = server.start(request, (given, to_out, to_err))
        for fd in (given, to_out, to_err):
            os.close(fd)
        texts = _all_of((out, err), seconds)
        if texts is None:
            os.kill(pid, signal.SIGKILL)
        code = server.code()
    finally:
        os.close(out)
        os.close(err)
    if texts is None:
        raise subprocess.TimeoutExpired(str(request["words"]), seconds)
    return Ran(code, *texts)


def run(
    program: str,
    words: Sequence[str | bytes | Path],
    cwd: Path | None,
    env: Mapping[str, str],
    stdin: bytes,
    seconds: float,
) -> Ran | None:
    """Runs the program with these words, at most so long; None if it had better be started by itself.

    Raises:
        subprocess.TimeoutExpired: it was killed when the time was over.
    """
    if COLD or len(stdin) > _ROOM:
        return None
    server = _server(program)
    if _fixed(env) != server.env or not server.alone.acquire(blocking=False):
        return None
    try:
        umask = os.umask(0)
        os.umask(umask)
        place = os.fspath(cwd) if cwd else os.getcwd()
        request = {"words": [os.fsdecode(word) for word in words], "cwd": place, "env": dict(env), "umask": umask}
        return _ended(server, request, stdin, seconds)
    finally:
        server.alone.release()
