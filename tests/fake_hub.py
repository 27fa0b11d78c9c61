"""A Hub on loopback that the real `huggingface_hub` and `hf_xet` talk to, with the faults that a test asks for."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from hub_routes import Answer, Asked, Routes
from hub_storage import Dataset, Refusal, Storage

ALWAYS = 1 << 30
_HERE = "127.0.0.1,localhost"
COMMIT = r"POST .*/commit/"


@dataclass
class Fault:
    """What goes wrong at requests whose `METHOD /path` matches, so many `times`, the first `after` of them spared."""

    match: str
    mode: str
    """`status` (nothing is done), `drop_before` (nothing is done, no answer), `drop_after` (all is done, no answer),
    `status_after` (all is done, and that status answered), `delay` (all is done, late), `truncate` (half an answer)."""
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "injected fault"
    times: int = 1
    after: int = 0
    seconds: float = 1.0


class Seen(NamedTuple):
    """A request that was answered, or cut."""

    method: str
    path: str
    status: int
    """0 when the connection was cut."""
    received: int
    sent: int
    fault: str
    at: float

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"


class FakeHub:
    """A server in threads of this process."""

    def __init__(self, root: Path, lfs_threshold: int = 5_000_000) -> None:
        self.storage = Storage(root, lfs_threshold)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.daemon_threads = True
        port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{port}"
        # Another host, as the Hub's own large files are on: clients must not send the token there.
        self.routes = Routes(self.storage, self.url, f"http://localhost:{port}")
        self.faults: list[Fault] = []
        self.seen: list[Seen] = []
        self._lock = threading.Lock()
        _Handler.hubs[port] = self

    def inject(self, match: str, mode: str = "status", **more: Any) -> None:
        self.faults.append(Fault(match, mode, **more))

    def fault(self, line: str) -> Fault | None:
        """The fault that is due at a request."""
        with self._lock:
            for fault in self.faults:
                if fault.times > 0 and re.search(fault.match, line):
                    if fault.after > 0:
                        fault.after -= 1
                        continue
                    fault.times -= 1
                    return fault
        return None

    def environment(self, home: Path, token: str = "hf_alice") -> dict[str, str]:  # noqa: S107 - of this Hub only
        """What a client's environment needs to come here and nowhere else."""
        quiet = dict.fromkeys(("HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_PROGRESS_BARS", "DO_NOT_TRACK"), "1")
        return quiet | {"HF_ENDPOINT": self.url, "HF_TOKEN": token, "HF_HOME": str(home), "no_proxy": _HERE}

    # What is there

    def dataset(self, name: str = "alice/turns") -> Dataset:
        return self.storage.datasets[name]

    def read(self, path: str, name: str = "alice/turns") -> bytes:
        """A file of a dataset as it is now; one in Xet's store is not kept here."""
        entry = self.dataset(name).head.tree[path]
        return self.storage.lfs_path(entry.sha256).read_bytes() if entry.sha256 else self.storage.blobs[entry.oid]

    def rows(self, name: str = "alice/turns") -> list[dict[str, Any]]:
        """All rows of a dataset, in the order in which `datasets` reads them."""
        paths = sorted(path for path in self.dataset(name).head.tree if re.fullmatch(r"train(-.*)?\.jsonl", path))
        paths.sort(key=lambda path: path != "train.jsonl")
        return [json.loads(line) for path in paths for line in self.read(path, name).splitlines()]

    def batches(self, name: str = "alice/turns") -> list[dict[str, Any]]:
        """The batches that a dataset's manifest lists; none while there is no dataset, or no manifest."""
        dataset = self.storage.datasets.get(name)
        if dataset is None or "rollouts.json" not in dataset.head.tree:
            return []
        found: list[dict[str, Any]] = json.loads(self.read("rollouts.json", name))["batches"]
        return found

    def put(self, files: dict[str, bytes], name: str = "alice/turns", *, private: bool = False) -> None:
        """Commits files past the API, as another tool or a person did."""
        with self.storage.lock:
            known = self.storage.datasets.get(name)
            dataset = known or self.storage.create(name, name.partition("/")[0], private=private)
            added = {path: self.storage.blob(data) for path, data in files.items()}
            self.storage.add_commit(dataset, dataset.head.tree | added, "by hand", "alice")


@contextlib.contextmanager
def running(root: Path, lfs_threshold: int = 5_000_000) -> Iterator[FakeHub]:
    hub = FakeHub(root, lfs_threshold)
    thread = threading.Thread(target=hub.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.server.shutdown()
        hub.server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    hubs: dict[int, FakeHub] = {}  # noqa: RUF012 - which server a handler belongs to, by its port

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Says nothing: `FakeHub.seen` has it all."""

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return chunks

    def _cut(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _answered(self, hub: FakeHub, asked: Asked) -> Answer:
        try:
            return hub.routes.answer(asked)
        except Refusal as refusal:
            headers = {"X-Error-Message": refusal.message} | ({"X-Error-Code": refusal.code} if refusal.code else {})
            return Answer(refusal.status, {"error": refusal.message}, headers | refusal.headers)

    def _ranged(self, answer: Answer, data: bytes) -> tuple[Answer, bytes]:
        """The part of a file that was asked for."""
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if not asked or answer.kind != "application/octet-stream":
            return answer, data
        first, last = int(asked[1]), min(int(asked[2] or len(data) - 1), len(data) - 1)
        headers = answer.headers | {"Content-Range": f"bytes {first}-{last}/{len(data)}"}
        return replace(answer, status=206, headers=headers), data[first : last + 1]

    def _send(self, answer: Answer, *, half: bool) -> int:
        data = answer.data.read_bytes() if isinstance(answer.data, Path) else answer.data
        answer, data = self._ranged(answer, data if isinstance(data, bytes) else json.dumps(data).encode())
        self.send_response(answer.status)
        for name, value in {"Content-Type": answer.kind, "Accept-Ranges": "bytes", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        sent = b"" if self.command == "HEAD" else data[: len(data) // 2] if half else data
        self.wfile.write(sent)
        if half:
            self.wfile.flush()
            self._cut()
        return len(sent)

    def _handle(self) -> None:
        hub = self.hubs[self.connection.getsockname()[1]]
        address = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = parse_qs(address.query, keep_blank_values=True)
        fault = hub.fault(f"{self.command} {address.path}")
        mode = fault.mode if fault else ""
        status = sent = received = 0
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):  # the client has gone
            asked = Asked(self.command, address.path, query, headers, self._body())
            received = len(asked.body)
            if fault and mode == "delay":
                time.sleep(fault.seconds)
            undone = fault and mode in {"status", "drop_before"}
            answer = Answer() if undone else self._answered(hub, asked)
            if fault and mode.startswith("status"):
                answer = Answer(fault.status, {"error": fault.message}, fault.headers)
            if mode.startswith("drop"):
                self._cut()
            else:
                status = answer.status
                sent = self._send(answer, half=mode == "truncate")
        hub.seen.append(Seen(self.command, address.path, status, received, sent, mode, began))

    do_GET = do_POST = do_PUT = do_HEAD = _handle  # noqa: N815 - the names that http.server calls
