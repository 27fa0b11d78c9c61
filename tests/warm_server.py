"""Runs command lines of `rollouts`, each in a fork of this process: `python warm_server.py SOCKET PROGRAM`.

This process has imported what others wrote, Typer above all, which is most of what a start costs. Nothing of Rollouts
is imported before the fork, so each run starts as the program does, from its first import of its own.

A request is its length (8 bytes, with the descriptors 0, 1 and 2 of the run) and that much JSON; the answer is the
run's process id and then its exit code, a line each.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import socket
import struct
import sys
import tempfile
from typing import Any, NoReturn

LENGTH = struct.Struct("!Q")
WARM_UP = (["list", "--json"], ["import", "--json"], ["trace", "show", "nowhere"], ["--help"])
"""They import all that is not ours of what most commands import."""


def _imports() -> None:
    from rollouts import cli  # noqa: PLC0415 - only here, and forgotten again

    with tempfile.TemporaryDirectory() as nowhere, open(os.devnull, "w", encoding="utf-8") as nobody:
        os.environ.update(HOME=nowhere, ROLLOUTS_HOME=f"{nowhere}/home")
        with contextlib.redirect_stdout(nobody), contextlib.redirect_stderr(nobody):
            for words in WARM_UP:
                cli.exit_code(words)
    for name in [name for name in sys.modules if name.partition(".")[0] == "rollouts"]:
        del sys.modules[name]


def _become(program: str, request: dict[str, Any], files: list[int]) -> NoReturn:
    """Is the program from here on, in the place and with the environment that the caller has."""
    code = 1
    try:
        for number, fd in enumerate(files):
            os.dup2(fd, number)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.umask(request["umask"])
        os.chdir(os.fsencode(request["cwd"]))
        os.environ.clear()
        os.environ.update(request["env"])
        sys.argv = [program, *request["words"]]
        from rollouts.cli import main  # noqa: PLC0415 - the first import of ours in this process

        main()
    except SystemExit as end:  # Typer's, when it has printed a completion
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        sys.stdout.flush()
    except BaseException:  # noqa: BLE001 - as Python itself ends: with a traceback, never back in the server's loop
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def _received(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            sys.exit()
        data += chunk
    return data


def _serve(connection: socket.socket, program: str) -> None:
    while True:
        head, files, _, _ = socket.recv_fds(connection, LENGTH.size, 3)
        if not head:
            return
        (size,) = LENGTH.unpack(head)
        request = json.loads(_received(connection, size))
        pid = os.fork()
        if not pid:
            _become(program, request, files)
        for fd in files:
            os.close(fd)
        connection.sendall(f"{pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


if __name__ == "__main__":
    sys.path[0] = os.path.dirname(sys.argv[2])  # where Python looks first when it starts that script
    _imports()
    gc.collect()
    gc.freeze()  # no fork copies memory only to look whether it is in use
    with socket.socket(fileno=int(sys.argv[1])) as socket_:
        _serve(socket_, sys.argv[2])
