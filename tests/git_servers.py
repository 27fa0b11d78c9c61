"""Git servers on loopback for the tests, and repositories that refuse: each is the real program.

Each server is a context manager that yields something with `url(name)`, for a bare repository below its root, and with
`env`, what a client's environment needs. Smart HTTP, and the faults that it can have, is in `git_http`.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import socket
import socketserver
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from git_http import CLIENT


class Server(NamedTuple):
    """A running server."""

    base: str
    env: Mapping[str, str]

    def url(self, name: str) -> str:
        """The URL of a repository below the root."""
        return f"{self.base}/{name}"


# Repositories


def bare(path: Path, *, under: tuple[str, ...] = ()) -> Path:
    """Makes a bare repository, perhaps in a mount that only processes started `under` it see. Returns its path."""
    subprocess.run([*under, "git", "init", "-q", "--bare", path], check=True, capture_output=True)
    return path


def _hook(repository: Path, name: str, script: str) -> None:
    hook = repository / "hooks" / name
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n{script}\n")
    hook.chmod(0o755)


def refuse_one(repository: Path, ref: str) -> None:
    """From now on one ref is refused, and others of the same push are taken."""
    _hook(repository, "update", f'[ "$1" != {shlex.quote(ref)} ] || {{ echo "no $1 here" >&2; exit 1; }}')


def refuse_all(repository: Path, ref: str) -> None:
    """From now on a whole push is refused when one ref is among it."""
    refused = f'[ "$ref" != {shlex.quote(ref)} ] || {{ echo "nothing with $ref here" >&2; exit 1; }}'
    _hook(repository, "pre-receive", f"while read -r old new ref; do {refused}; done")


def stall(repository: Path, seconds: float) -> None:
    """From now on each push takes so long before it is answered."""
    _hook(repository, "pre-receive", f"exec sleep {seconds}")


# Servers that start a program for each connection, as inetd does: the port is theirs from the beginning


class _PerConnection(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, command: tuple[str, ...], env: Mapping[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.command = command
        self.env = env
        self.running: set[subprocess.Popen[bytes]] = set()


class _Connection(socketserver.BaseRequestHandler):
    server: _PerConnection
    request: socket.socket

    def handle(self) -> None:
        with subprocess.Popen(
            self.server.command,
            stdin=self.request.fileno(),
            stdout=self.request.fileno(),
            stderr=subprocess.DEVNULL,
            env={**os.environ, **self.server.env, "REMOTE_ADDR": "127.0.0.1"},
        ) as program:
            self.server.running.add(program)
            program.wait()
            self.server.running.discard(program)


@contextlib.contextmanager
def _listening(command: tuple[str, ...], env: Mapping[str, str]) -> Iterator[int]:
    """Starts a program for each connection. Yields the port."""
    with _PerConnection(command, env) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
            for program in list(server.running):
                program.kill()


@contextlib.contextmanager
def daemon(root: Path, *, under: tuple[str, ...] = ()) -> Iterator[Server]:
    """The `git daemon` (git://) with pushes allowed: `receive-pack` is off by its own default."""
    options = ("--inetd", "--export-all", "--enable=receive-pack", f"--base-path={root}")
    with _listening((*under, "git", "daemon", *options, str(root)), {}) as port:
        yield Server(f"git://127.0.0.1:{port}", CLIENT)


def _sshd() -> str:
    """The server's program, which wants to be called by its whole path."""
    found = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin")
    if not found or not shutil.which("ssh"):
        pytest.skip("there is no sshd (openssh-server) or no ssh (openssh-client) on this machine")
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # its own service makes it; root's sshd insists
    return found


def _key(path: Path) -> str:
    """Makes a key without a passphrase. Returns its public half."""
    words = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path)
    subprocess.run(words, check=True, capture_output=True)
    return path.with_suffix(".pub").read_text().strip()


@contextlib.contextmanager
def ssh(root: Path, scratch: Path) -> Iterator[Server]:
    """The machine's own sshd, as this user, with throwaway keys.

    Args:
        root: the directory that the bare repositories are in.
        scratch: a new directory for keys and settings.
    """
    program = _sshd()
    scratch.mkdir(mode=0o700)
    host, user = _key(scratch / "host"), _key(scratch / "user")
    (scratch / "authorized").write_text(user + "\n")
    settings = {
        "HostKey": f'"{scratch}/host"',
        "AuthorizedKeysFile": f'"{scratch}/authorized"',
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "PermitRootLogin": "prohibit-password",
        "StrictModes": "no",  # the directories above belong to whoever runs the tests
        "UsePAM": "no",
        "AcceptEnv": "GIT_PROTOCOL",
        "SetEnv": f'"HOME={scratch}" GIT_CONFIG_NOSYSTEM=1',
    }
    (scratch / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    known = scratch / "known"
    options = ("IdentitiesOnly=yes", "BatchMode=yes", f'UserKnownHostsFile="{known}"', "StrictHostKeyChecking=yes")
    command = ["ssh", "-F", "none", "-i", str(scratch / "user"), *(f"-o{option}" for option in options)]
    with _listening((program, "-i", "-f", str(scratch / "sshd_config")), {}) as port:
        known.write_text(f"[127.0.0.1]:{port} {host}\n")
        yield Server(f"ssh://127.0.0.1:{port}{root}", CLIENT | {"GIT_SSH_COMMAND": shlex.join(command)})


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """A port that takes connections and never says anything. Yields its number."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener.getsockname()[1]
