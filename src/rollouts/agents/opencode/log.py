"""Where OpenCode keeps its sessions, and what its database tells of one (observed with 1.18.33).

The database is another program's, which may be writing it: it is opened for reading only, and each session is read at
once. What it holds in full comes by OpenCode's own export (`exporting`).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from urllib.parse import quote

import msgspec

from rollouts.agents import places
from rollouts.agents.lines import parsed
from rollouts.agents.opencode import exporting
from rollouts.agents.tally import Clock, Count, Tally, moment_of, tokens
from rollouts.errors import RolloutsError
from rollouts.facts import Progress, Scan, Slip, Source, Usage

IS_EXPORTED = True
_WAIT_SECONDS = 5.0
_SESSIONS = (
    "SELECT s.id, s.parent_id, s.time_updated, (SELECT count(*) FROM message AS m WHERE m.session_id = s.id)"
    " FROM session AS s ORDER BY s.id"
)
_SESSION = "SELECT parent_id, title, directory, version, time_created FROM session WHERE id = ?"
_MESSAGES = "SELECT id, data FROM message WHERE session_id = ? ORDER BY time_created, id"
_PARTS = "SELECT message_id, data FROM part WHERE session_id = ? ORDER BY message_id, id"


class _Cache(msgspec.Struct):
    read: Count = None
    write: Count = None


class _Amounts(msgspec.Struct):
    input: Count = None
    output: Count = None
    reasoning: Count = None
    cache: _Cache | None = None


class _Time(msgspec.Struct):
    created: float | None = None
    completed: float | None = None


class _Message(msgspec.Struct):
    id: str | None = None
    role: str | None = None
    model_id: str | None = msgspec.field(default=None, name="modelID")
    cost: float | None = None
    tokens: _Amounts | None = None
    time: _Time | None = None


class _Call(msgspec.Struct):
    status: str | None = None
    input: object = None


class _Part(msgspec.Struct):
    type: str | None = None
    text: str | None = None
    synthetic: bool | None = None
    tool: object = None
    state: _Call | None = None


class _Info(msgspec.Struct):
    parent_id: str | None = msgspec.field(default=None, name="parentID")
    title: str | None = None
    directory: str | None = None
    version: str | None = None
    time: _Time | None = None


class _Entry(msgspec.Struct):
    info: _Message | None = None
    parts: list[_Part] | None = None


class _Export(msgspec.Struct):
    info: _Info | None = None
    messages: list[_Entry] | None = None


_EXPORT = msgspec.json.Decoder(_Export)
_MESSAGE = msgspec.json.Decoder(_Message)
_PART = msgspec.json.Decoder(_Part)


# Where


def _database() -> str:
    return f"{places.folder('XDG_DATA_HOME', '~/.local/share')}/opencode/opencode.db"


def _words(error: sqlite3.Error) -> str:
    if "no such" in str(error):
        return f"has a schema that is not known here ({error})"
    if "locked" in str(error):
        return "is locked by another program"
    return f"cannot be read ({error})"


@contextlib.contextmanager
def _opened(path: str) -> Iterator[sqlite3.Connection]:
    """The database, for one consistent look.

    Raises:
        RolloutsError: it cannot be read, or is of another schema.
    """
    try:
        with contextlib.closing(
            sqlite3.connect(f"file:{quote(os.fsencode(path))}?mode=ro", uri=True, timeout=_WAIT_SECONDS)
        ) as connection:
            connection.text_factory = lambda data: data.decode(errors="replace")
            connection.execute("BEGIN")
            yield connection
    except sqlite3.Error as error:
        raise RolloutsError(f"{path} {_words(error)}") from error


def sources() -> Iterator[Source | Slip]:
    """What is on this disk, looked at from outside only."""
    path = _database()
    if not os.path.exists(path):
        return
    try:
        with _opened(path) as connection:
            rows = connection.execute(_SESSIONS).fetchall()
    except RolloutsError as error:
        yield Slip(path, str(error).removeprefix(f"{path} "))
        return
    parents = {session_id: parent_id for session_id, parent_id, _, _ in rows}
    for session_id, _, updated, count in rows:
        root_id = _root(session_id, parents)
        name = "main.json" if root_id == session_id else f"{session_id}.json"
        yield Source(f"{path}#{session_id}", root_id, name, int(count), int(updated or 0) * 10**6)


def _root(session_id: str, parents: dict[str, str | None]) -> str:
    """The session that started it all; one that was deleted is none's."""
    seen = {session_id}
    while (parent := parents.get(session_id)) in parents and parent not in seen:
        seen.add(parent)
        session_id = parent
    return session_id


def sources_of(session_id: str) -> Iterator[Source | Slip]:
    """One session's part of it, with its subagents."""
    for found in sources():
        if isinstance(found, Slip) or session_id in {found.root_id, _session_of(found)}:
            yield found


def _session_of(source: Source) -> str:
    return source.key.rpartition("#")[2]


def files(source: Source, scratch: str) -> dict[str, str]:
    """The files that are to be kept of a source: name in the transcript -> path.

    Raises:
        OSError, RolloutsError: it could not be exported.
    """
    path = f"{scratch}/{source.name}"
    exporting.export(_session_of(source), path)
    return {source.name: path}


# What


def scan(source: Source, before: Progress | None) -> Scan:  # noqa: ARG001 - messages change after they were written
    """What stands in the database of a session, or in an export of it.

    Raises:
        OSError, RolloutsError: it cannot be read, or the session is gone.
    """
    if source.key.endswith(".json"):
        return _scan_export(source)
    path, _, session_id = source.key.rpartition("#")
    with _opened(path) as connection:
        found = connection.execute(_SESSION, (session_id,)).fetchone()
        if found is None:
            raise RolloutsError(f"session {session_id} is gone")
        reader = _Reader(session_id, found)
        for message_id, data in connection.execute(_MESSAGES, (session_id,)):
            reader.take(message_id, parsed(data.encode(errors="replace"), _MESSAGE))
        for message_id, data in connection.execute(_PARTS, (session_id,)):
            reader.take_part(message_id, parsed(data.encode(errors="replace"), _PART))
    return reader.scan(source)


def _scan_export(source: Source) -> Scan:
    """What an export says, for a session that OpenCode itself has no more.

    Raises:
        OSError: it cannot be read.
        RolloutsError: it is none.
    """
    with open(source.key, "rb") as file:
        export = parsed(file.read(), _EXPORT)
    if export is None or export.info is None:
        raise RolloutsError("is no export of OpenCode's")
    info, name = export.info, os.path.basename(source.key).removesuffix(".json")
    created = info.time.created if info.time else None
    row = (info.parent_id, info.title or "", info.directory or "", info.version or "", created)
    reader = _Reader(name, row)
    for entry in export.messages or []:
        if entry.info:
            reader.take(entry.info.id or "", entry.info)
            for part in entry.parts or []:
                reader.take_part(entry.info.id or "", part)
    return reader.scan(source)


class _Reader:
    """One pass over the rows of a session."""

    def __init__(self, session_id: str, row: tuple[str | None, str, str, str, float | None]) -> None:
        parent_id, title, directory, version, created = row
        self.tally = Tally(session_id, parent_id, "subagent" if parent_id else None, cwd=directory, version=version)
        self.tally.name(title, 1)
        self.tally.seen(moment_of(created))
        self.usage: list[Usage] = []
        self.asked: list[str] = []
        self.prompt: str | None = None
        self.unreadable = 0
        self.clock = Clock()

    def take(self, message_id: str, message: _Message | None) -> None:
        if message is None:
            self.unreadable += 1
            return
        at = moment_of(message.time.completed or message.time.created) if message.time else None
        self.tally.seen(at)
        self.tally.messages += 1
        if message.role == "user":
            self.tally.user_messages += 1
            self.clock.said(self.tally, at)
            self.asked.append(message_id)
        elif message.role == "assistant":
            self.tally.assistant_messages += 1
            self.clock.said(self.tally, at, message.model_id or "")
            self._took(message_id, message, at)

    def _took(self, message_id: str, message: _Message, at: str | None) -> None:
        if message.tokens is None or not message.model_id:
            return
        cache = message.tokens.cache or _Cache()
        usage = Usage(
            *(len(self.usage), self.tally.session_id, at, message.model_id),
            *(tokens(message.tokens.input), tokens(message.tokens.output), tokens(cache.write), tokens(cache.read)),
            reasoning_tokens=tokens(message.tokens.reasoning),
            cost_microusd=None if not message.cost else _micro(message.cost),
            dedup_key=f"o:{message_id}",
        )
        self.usage.append(usage)
        self.tally.took(usage)

    def take_part(self, message_id: str, part: _Part | None) -> None:
        if part is None:
            self.unreadable += 1
        elif part.type == "tool":
            self.tally.called(part.tool, part.state.input if part.state else None)
            if part.state and part.state.status in {"completed", "error"}:
                self.tally.ended(badly=part.state.status == "error")
        elif part.type == "compaction":
            self.tally.compactions += 1
        elif part.type == "text" and self.prompt is None and message_id in self.asked[:1] and not part.synthetic:
            self.prompt = part.text or ""

    def scan(self, source: Source) -> Scan:
        """All of it."""
        progress = Progress(unreadable_lines=self.unreadable)
        facts = [self.tally.facts(self.prompt)]
        moments = self.clock.moments()
        return Scan(source.root_id, source.name, facts, self.usage, progress, is_anew=True, moments=moments)


def _micro(dollars: float) -> int | None:
    """Millionths of a dollar, rounded half away from zero; None for what no cost of a request can be."""
    amount = dollars * 1e6 + 0.5
    return int(amount) if 0 <= amount < 1e12 else None
