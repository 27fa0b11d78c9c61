"""A small GitHub Enterprise on loopback: what the real `gh` asks of one to create a repository, or to look at it.

HTTPS with a certificate made on the spot. The calls are those that gh 2.23 makes (`GET users/OWNER`, the GraphQL
mutation `createRepository`) and the query of `rollouts.publish.github`. Repositories are real, bare, below a directory.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from helpers import git

Json = dict[str, Any]


class Answer(NamedTuple):
    """What the server says to one call."""

    status: int
    body: Json


def graphql_error(message: str, kind: str = "UNPROCESSABLE", *, field: str = "createRepository") -> Answer:
    """An answer of GraphQL that is an error: its status is 200 all the same."""
    return Answer(200, {"data": {field: None}, "errors": [{"type": kind, "path": [field], "message": message}]})


@dataclass
class Repository:
    """A repository as the server knows it."""

    path: Path
    visibility: str = "PRIVATE"
    permission: str = "ADMIN"
    archived: bool = False
    seen: bool = True
    """False: it is there, and the one who asks may not know."""

    def count(self, prefix: str) -> Json:
        return {"totalCount": len(git("for-each-ref", "--format=%(refname)", prefix, cwd=self.path).split())}


@dataclass
class State:
    """What the server knows, and what it was asked."""

    root: Path
    owners: dict[str, str] = field(default_factory=lambda: {"octo": "User", "guild": "Organization"})
    token: str = "s3cr3t-t0ken"  # noqa: S105 - the only one that this server takes
    repositories: dict[str, Repository] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    """Instead of the usual one, by call: `owner`, `create`, `look`."""
    calls: list[str] = field(default_factory=list)
    created: list[Json] = field(default_factory=list)
    """The inputs of `createRepository`."""

    def add(self, full_name: str, **fields: Any) -> Repository:
        """Makes an empty repository."""
        path = self.root / f"{full_name}.git"
        path.parent.mkdir(parents=True, exist_ok=True)
        git("init", "-q", "--bare", path, cwd=self.root)
        self.repositories[full_name] = Repository(path, **fields)
        return self.repositories[full_name]


class GitHub(ThreadingHTTPServer):
    """The running server; `env` is what a `gh` needs to speak to it and to no other."""

    def __init__(self, root: Path, scratch: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.state = State(root)
        self.host = f"127.0.0.1:{self.server_port}"
        certificate, key = _certificate(scratch)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.env = {
            "GH_HOST": self.host,
            "GH_ENTERPRISE_TOKEN": self.state.token,
            "GH_CONFIG_DIR": str(scratch / "gh"),
            "SSL_CERT_FILE": str(certificate),
            "no_proxy": "127.0.0.1",
        }

    def page(self, full_name: str) -> str:
        """The URL of a repository's page."""
        return f"https://{self.host}/{full_name}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # a client that was killed, or trusts no such certificate
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: GitHub

    def do_GET(self) -> None:
        owner = self.path.removeprefix("/api/v3/users/")
        self._answer("owner", owner, {})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer("create" if "createRepository" in asked["query"] else "look", "", asked["variables"])

    def log_message(self, *_: object) -> None:
        """Says nothing; the tests look at `calls`."""

    def _answer(self, call: str, owner: str, variables: Json) -> None:
        state = self.server.state
        state.calls.append(call)
        if self.headers.get("Authorization") != f"token {state.token}":
            answer = Answer(401, {"message": "Bad credentials"})
        elif call in state.answers:
            answer = state.answers[call]
        elif call == "owner":
            answer = self._owner(owner)
        else:
            answer = self._create(variables["input"]) if call == "create" else self._look(variables)
        body = json.dumps(answer.body).encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _owner(self, owner: str) -> Answer:
        kind = self.server.state.owners.get(owner)
        if kind is None:
            return Answer(404, {"message": "Not Found"})
        return Answer(200, {"login": owner, "node_id": f"ID_{owner}", "type": kind})

    def _create(self, asked: Json) -> Answer:
        state = self.server.state
        owner = str(asked.get("ownerId", "ID_octo")).removeprefix("ID_")
        full_name = f"{owner}/{asked['name']}"
        if full_name in state.repositories:
            return graphql_error("Name already exists on this account")
        state.created.append(asked)
        state.add(full_name, visibility=asked["visibility"])
        made = {"id": "R_1", "name": asked["name"], "owner": {"login": owner}, "url": self.server.page(full_name)}
        return Answer(200, {"data": {"createRepository": {"repository": made}}})

    def _look(self, asked: Json) -> Answer:
        full_name = f"{asked['owner']}/{asked['name']}"
        found = self.server.state.repositories.get(full_name)
        if not found or not found.seen:
            words = f"Could not resolve to a Repository with the name '{full_name}'."
            return graphql_error(words, "NOT_FOUND", field="repository")
        fields: Json = {
            "url": self.server.page(full_name),
            "visibility": found.visibility,
            "viewerPermission": found.permission,
            "isArchived": found.archived,
            "branches": found.count("refs/heads/"),
            "tags": found.count("refs/tags/"),
            "ours": found.count("refs/tags/rollouts/"),
        }
        return Answer(200, {"data": {"repository": fields}})


def _certificate(scratch: Path) -> tuple[Path, Path]:
    """Makes a certificate for loopback that nobody has signed. Returns its file and its key's."""
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl on this machine to make a certificate with")
    certificate, key = scratch / "certificate.pem", scratch / "key.pem"
    words = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    names = ("-subj", "/CN=loopback", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2")
    subprocess.run([*words, *names, "-out", certificate, "-keyout", key], check=True, capture_output=True)
    return certificate, key


@contextlib.contextmanager
def serving(root: Path, scratch: Path) -> Iterator[GitHub]:
    """Runs a GitHub while the `with` block does.

    Args:
        root: where its repositories are to be, as `OWNER/NAME.git`.
        scratch: where its certificate and gh's settings are to be.
    """
    for directory in (root, scratch):
        directory.mkdir(exist_ok=True)
    with GitHub(root, scratch) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
