"""Smart HTTP on loopback: the real `git http-backend` as CGI, with the faults that a test asks for, and a log.

The protocol: https://git-scm.com/docs/http-protocol and https://git-scm.com/docs/git-http-backend.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

ALWAYS = 1 << 30
CLIENT = {"no_proxy": "127.0.0.1", "GIT_TERMINAL_PROMPT": "0"}
"""What a client's environment needs: the sealed one has a proxy that is nowhere, and git must ask nobody."""


class Request(NamedTuple):
    """A request that was answered, or cut."""

    method: str
    path: str
    command: str
    """`advertise-fetch`, `advertise-push`, `ls-refs`, `fetch`, `probe` (a push that tries the credentials), `push`."""
    protocol: str
    """The Git-Protocol header, like `version=2`."""
    encoding: str
    """`gzip` for a body that came compressed."""
    status: int
    """0 when the connection was cut before an answer."""
    received: int
    """Bytes of the request's body, as they came."""
    sent: int
    """Bytes of the answer's body."""


@dataclass
class Fault:
    """What goes wrong at a command of `Request.command` (`""`: at any), so many times; then all is well."""

    command: str
    times: int = 1
    status: int = 0
    """Answers this status instead: 403, 429, 503 ..."""
    take: int | None = None
    """Reads so many bytes of the request's body, then drops the connection."""
    give: int | None = None
    """Does the work, sends so many bytes of the answer's body, then drops the connection."""
    hang: bool = False
    """Never answers."""


class GitHttp(ThreadingHTTPServer):
    """A running server. `faults`, `credentials` and `requests` may be read and changed at any time.

    Args:
        root: the directory that the bare repositories are in.
        under: a command that git is started by, one that enters a mount's name space, say.
    """

    request_queue_size = 64

    def __init__(self, root: Path, under: tuple[str, ...] = ()) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.under = under
        self.env = CLIENT
        self.credentials: tuple[str, str] | None = None
        """The user and the password that each request must bring."""
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.closed = threading.Event()
        self._lock = threading.Lock()

    def url(self, name: str, *, userinfo: str = "") -> str:
        """The URL of a repository below the root; `userinfo` is `user:password@`."""
        return f"http://{userinfo}127.0.0.1:{self.server_port}/{name}"

    @property
    def commands(self) -> list[str]:
        return [request.command for request in self.requests]

    @property
    def listings(self) -> int:
        """How many times refs were listed: `ls-refs`, and what is advertised to a push or to a fetch of protocol 0."""
        listed = [
            request
            for request in self.requests
            if request.status == 200
            and (
                request.command in {"ls-refs", "advertise-push"}
                or (request.command == "advertise-fetch" and "version=2" not in request.protocol)
            )
        ]
        return len(listed)

    def fault_at(self, command: str) -> Fault:
        """The fault that strikes now, counted down; one without an effect when all is well."""
        with self._lock:
            for fault in self.faults:
                if fault.times and fault.command in {command, ""}:
                    fault.times -= 1
                    return fault
        return Fault("")

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client that was killed, or gave up
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: GitHttp

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, *_: object) -> None:
        """Says nothing; the tests look at `requests`."""

    def _command(self, body: bytes | None) -> str:
        """What the request is about; a fetch can be told from a listing by its body alone."""
        if self.command == "GET":
            return "advertise-push" if "service=git-receive-pack" in self.path else "advertise-fetch"
        if self.path.endswith("/git-receive-pack"):
            return "probe" if self.headers.get("Content-Length") == "4" else "push"
        if body and self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        return "ls-refs" if body and b"command=ls-refs" in body else "fetch"

    def _chunks(self) -> Iterator[bytes]:
        """The request's body as it comes, at most 64 KiB at a time."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().partition(b";")[0] or b"0", 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length", 0))
        while left and (chunk := self.rfile.read(min(left, 1 << 16))):
            left -= len(chunk)
            yield chunk

    def _body(self, limit: int | None) -> bytes:
        """The request's body; of one that is to be cut, `limit` bytes."""
        body = b""
        for chunk in self._chunks():
            body += chunk
            if limit is not None and len(body) >= limit:
                return body[:limit]
        return body

    def _serve(self) -> None:
        is_push = self.path.endswith("/git-receive-pack")
        early = None if is_push else self._body(None)  # small: what a fetch has and wants
        command = self._command(early)
        fault = self.server.fault_at(command)
        body = self._body(fault.take) if early is None else early[: fault.take]
        status, sent = 0, 0
        if fault.hang:
            self.server.closed.wait()
        elif fault.take is not None:
            self._backend(body)
        else:
            status, headers, answer = self._answer(fault, body)
            answer = answer if fault.give is None else answer[: fault.give]
            sent = len(answer)
        said = (self.headers.get("Git-Protocol", ""), self.headers.get("Content-Encoding", ""))
        self.server.requests.append(Request(self.command, self.path, command, *said, status, len(body), sent))
        if status:
            self._send(status, headers, answer, whole=fault.give is None)
        if fault.hang or fault.take is not None or fault.give is not None:
            self._drop()

    def _answer(self, fault: Fault, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """Status, headers and body."""
        wanted = self.server.credentials
        token = base64.b64encode(":".join(wanted or ()).encode()).decode()
        if wanted and self.headers.get("Authorization") != f"Basic {token}":
            return 401, [("WWW-Authenticate", 'Basic realm="archives"')], b"no entry\n"
        if fault.status:
            return fault.status, [("Retry-After", "1"), ("Content-Type", "text/plain")], b"not now\n"
        return self._backend(body)

    def _backend(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """What git's own CGI program answers; given part of a body, it sees that body end too early."""
        path, _, query = self.path.partition("?")
        cgi = {
            "GIT_PROJECT_ROOT": str(self.server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REMOTE_ADDR": "127.0.0.1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.receivepack",
            "GIT_CONFIG_VALUE_0": "true",
        }
        program = (*self.server.under, "git", "http-backend")
        done = subprocess.run(program, env=os.environ | cgi, input=body, capture_output=True, check=False)
        head, _, answer = done.stdout.partition(b"\r\n\r\n")
        headers = [line.split(": ", 1) for line in head.decode("latin-1").split("\r\n") if line]
        status = next((value for name, value in headers if name == "Status"), "200 OK" if head else "500 No answer")
        return int(status[:3]), [(name, value) for name, value in headers if name != "Status"], answer

    def _send(self, status: int, headers: list[tuple[str, str]], answer: bytes, *, whole: bool) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if answer:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(answer), answer))
        if whole:
            self.wfile.write(b"0\r\n\r\n")

    def _drop(self) -> None:
        """Ends the connection in the middle of it."""
        self.wfile.flush()
        self.close_connection = True
        with contextlib.suppress(OSError):  # the client was faster
            self.connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def serving(root: Path, *, under: tuple[str, ...] = ()) -> Iterator[GitHttp]:
    """Serves the repositories below a directory while the `with` block runs."""
    with GitHttp(root, under) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.closed.set()
            server.shutdown()
            thread.join()
