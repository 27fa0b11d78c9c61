"""Trace bundles of Codex's sessions: the requests of a model word for word, with the tools that it was offered."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from rollouts.contracts.strict_json import Json
from rollouts.export.training import Exact
from rollouts.trace.errors import TraceError

VARIABLE = "CODEX_ROLLOUT_TRACE_ROOT"
"""Names the folder in which codex records bundles."""


def folder(named: str | None) -> str | None:
    """The folder that bundles are looked for in: the named one, else that where codex records them."""
    return named if named is not None else os.environ.get(VARIABLE) or None


def _bundles(root: str, manifest: str) -> Iterable[str]:
    if os.path.lexists(f"{root}/{manifest}"):
        return [root]
    with os.scandir(root) as entries:
        return [entry.path for entry in entries if os.path.lexists(f"{entry.path}/{manifest}")]


def _listed(root: str) -> tuple[dict[str, list[tuple[int, str]]], int]:
    """Root thread -> its bundles by their start, and how many others cannot be read."""
    from rollouts.trace.bundle import MANIFEST, Bundle  # noqa: PLC0415 - 20 ms, where there are bundles

    found: dict[str, list[tuple[int, str]]] = {}
    unread = 0
    for path in _bundles(root, MANIFEST):
        try:
            manifest = Bundle(path).manifest()
        except TraceError:
            unread += 1
            continue
        found.setdefault(manifest.root_thread_id, []).append((manifest.started_at_unix_ms, path))
    return found, unread


class _Pool:
    """Messages of conversations that have most of them in common, each once."""

    def __init__(self) -> None:
        self.messages: list[Json] = []
        self._places: dict[str, int] = {}

    def places(self, messages: Iterable[Mapping[str, Any]]) -> list[Json]:
        """Where in the pool these are."""
        found: list[Json] = []
        for message in messages:
            place = self._places.setdefault(json.dumps(message), len(self.messages))
            if place == len(self.messages):
                self.messages.append(dict(message))
            found.append(place)
        return found


class Bundles:
    """The bundles of a folder by the session that they are of, looked for once.

    Attributes:
        unread: how many bundles could not be read.
    """

    def __init__(self, root: str | None) -> None:
        self.unread = 0
        self._root = root
        self._known: dict[str, list[tuple[int, str]]] | None = None

    def _of(self, session_id: str) -> list[str]:
        """A session's bundles, the oldest first.

        Raises:
            OSError: there is no such folder.
        """
        if self._known is None:
            self._known, self.unread = _listed(self._root) if self._root else ({}, 0)
        return [path for _, path in sorted(self._known.get(session_id, ()))]

    def recorded(self, session_id: str) -> Json:
        """What models were sent in a session, as JSON; None when nobody recorded it.

        The object is `{pool[], threads {id: {tools[], turns {id: []}}}}`; what is in turns are places in the pool.

        Raises:
            OSError: there is no folder of that name.
        """
        paths = self._of(session_id)
        if not paths:
            return None
        pool = _Pool()
        threads: dict[str, Json] = {}
        for path in paths:
            try:
                _add(path, pool, threads)
            except TraceError:
                self.unread += 1
        found: Json = {"pool": pool.messages, "threads": threads}
        return found


def _add(path: str, pool: _Pool, threads: dict[str, Json]) -> None:
    from rollouts.trace import reducer, transcript  # noqa: PLC0415 - 100 ms, for the sessions that have a bundle

    graph, _ = reducer.reduce_tolerantly(path)
    for found in transcript.turns(path, graph):
        thread = threads.setdefault(found.thread_id, {"turns": {}})
        assert isinstance(thread, dict)  # noqa: S101 - for the type checker: as made here
        assert isinstance(thread["turns"], dict)  # noqa: S101 - as above
        places = pool.places(found.messages())
        thread["turns"][found.inference.codex_turn_id] = places
        thread["tools"] = [*found.tools]


def exact(recorded: Json, thread_id: str) -> Exact | None:
    """What the model of a thread was sent, of what `Bundles.recorded` gave; None when that was not recorded."""
    if not isinstance(recorded, dict):
        return None
    pool, threads = _list(recorded["pool"]), recorded["threads"]
    thread = threads.get(thread_id) if isinstance(threads, dict) else None
    if not isinstance(thread, dict):
        return None
    by_turn = thread["turns"] if isinstance(thread["turns"], dict) else {}
    messages = {key: [pool[place] for place in _list(places)] for key, places in by_turn.items()}
    return Exact(_list(thread["tools"]), messages)


def _list(value: Json) -> list[Any]:
    return value if isinstance(value, list) else []
