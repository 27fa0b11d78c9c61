"""A model server on loopback that follows a scenario, and writes down what it was asked and what stood on disk then."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from agents_harness import replies, requests
from agents_harness.dialects import Request, calls
from agents_harness.replies import Answer, ToolCall
from agents_harness.requests import Asked
from agents_harness.scenario import Place, Scenario, call_id
from helpers import contents

TITLE = "Scripted session"
NOTHING_LEFT = "Nothing is left to do."
SUMMARY = "<summary>\nThe user asked for scripted file changes, and they were made. Nothing is pending.\n</summary>"
_ASKS_FOR_SUMMARY = re.compile(
    r"(?i)detailed summary of (the|this|our) conversation|context checkpoint|anchored summary|respond with text only"
)


@dataclass(frozen=True)
class Exchange:
    """A request, and what was answered."""

    api: str
    body: dict[str, Any]
    place: Place | None
    """None for what no scenario speaks of: titles and summaries."""
    answer: Answer
    workspace: dict[bytes, tuple[str, bool, str]]
    """`helpers.contents` of the workspace when the request came."""


class Model(ThreadingHTTPServer):
    """The server; it runs while its context is open."""

    def __init__(self, scenario: Scenario, workspace: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.scenario, self.workspace = scenario, workspace
        self.exchanges: list[Exchange] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, api: str, body: dict[str, Any]) -> Answer:
        """What the model says to a request. It is added to `exchanges`."""
        at_hand = contents(self.workspace)
        asked = requests.APIS[api](body)
        place = None if _ASKS_FOR_SUMMARY.search(asked.messages[-1].text) else self.scenario.place(asked.messages)
        answer = self._scripted(place, asked, body) if place and asked.tools else _unscripted(asked, body)
        self.exchanges.append(Exchange(api, body, place if asked.tools else None, answer, at_hand))
        return answer

    def _scripted(self, place: Place, asked: Asked, body: dict[str, Any]) -> Answer:
        text = json.dumps(body)
        request = Request(asked.tools, self.workspace, text)
        step, wanted = self.scenario.step(place), calls(self.scenario.step(place).ops, request)
        while step.ops and not (wanted or step.text):  # nothing for this agent to do or to say: what comes next
            place = place._replace(step=place.step + 1)
            step, wanted = self.scenario.step(place), calls(self.scenario.step(place).ops, request)
        made = [
            ToolCall(call_id(place, number), call.tool, call.arguments, asked.tools[call.tool])
            for number, call in enumerate(wanted)
        ]
        return Answer(body["model"], step.thinking, step.text, tuple(made), step.tokens or _length(asked))


def _length(asked: Asked) -> int:
    """What a request is said to be long, in tokens: the same in each run, whatever paths it names."""
    return 5000 + 100 * len(asked.messages)


def _unscripted(asked: Asked, body: dict[str, Any]) -> Answer:
    text = NOTHING_LEFT if asked.tools else TITLE
    if _ASKS_FOR_SUMMARY.search(asked.messages[-1].text):
        text = SUMMARY
    return Answer(body["model"], "", text, (), _length(asked))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Model

    def log_message(self, *_: object) -> None:
        """Says nothing; the tests look at `exchanges`."""

    def do_GET(self) -> None:
        """Nothing is to be had: no list of models, and no packages for a registry's client."""
        self._send(404, "application/json", b'{"error": {"type": "not_found_error", "message": "not served"}}')

    do_HEAD = do_GET  # noqa: N815 - the name that the base class looks for

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        api = self.path.partition("?")[0].rpartition("/")[2]
        if api not in requests.APIS:
            return self.do_GET()
        answer = self.server.answer(api, body)
        stream = b"".join(_lines(api, answer))
        return self._send(200, "text/event-stream", stream)

    def _send(self, status: int, kind: str, body: bytes) -> None:
        with contextlib.suppress(ConnectionError):  # an agent that was killed
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)


def _lines(api: str, answer: Answer) -> Iterator[bytes]:
    for name, data in replies.APIS[api](answer):
        yield (f"event: {name}\n" if name else "").encode() + f"data: {json.dumps(data)}\n\n".encode()
    if api == "completions":
        yield b"data: [DONE]\n\n"


@contextlib.contextmanager
def serving(scenario: Scenario, workspace: Path) -> Iterator[Model]:
    """A model server that runs as long as the context."""
    with Model(scenario, workspace) as model:
        thread = threading.Thread(target=model.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield model
        finally:
            model.shutdown()
            thread.join()
