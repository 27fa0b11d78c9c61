"""OpenCode's sessions in full: what `opencode export` gives, one document a session, subagents' too.

The rules were observed with opencode 1.18.33, next to what it sent to the model; its source was looked up for the rest
(https://github.com/sst/opencode, packages/opencode/src/session/message-v2.ts).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping

from rollouts.agents import places, raw
from rollouts.agents.drafting import fields, word
from rollouts.agents.opencode import exporting
from rollouts.agents.opencode.thread import Thread
from rollouts.agents.raw import Chunks, Document, Record
from rollouts.agents.session import Session
from rollouts.errors import CommandError, RolloutsError

NAME = "opencode"


def is_likely(session_id: str) -> bool:
    """Whether an id looks like one of this agent's."""
    return session_id.startswith("ses_")


class Store:
    """The agent's own store, by way of its own program."""

    def record(self, session_id: str) -> Document | None:
        """A session's record; None when the store has no such session.

        Raises:
            RolloutsError: opencode is not there, failed, took too long or gave something else than a session.
        """
        text = _exported(session_id)
        if text is None:
            return None
        found = _document(session_id, text, {})
        if found is None:
            raise RolloutsError(
                f"opencode export returned invalid JSON for session {session_id!r}: {len(text)} bytes, and no session"
            )
        return found


def _exported(session_id: str) -> bytes | None:
    """What opencode gives of a session; None when it has no such session, or was never at work here.

    Raises:
        RolloutsError: opencode is not there, failed, took too long or gave something else.
    """
    data = f"{places.folder('XDG_DATA_HOME', '~/.local/share')}/opencode"
    if session_id.startswith("-") or not os.path.isdir(data):
        return None  # it would take the id for an option, and make itself a database
    if shutil.which("opencode") is None:
        raise RolloutsError("opencode executable not found; install OpenCode, or put it on PATH")
    with tempfile.TemporaryDirectory(prefix="rollouts-") as scratch:
        path = f"{scratch}/session.json"
        try:
            exporting.export(session_id, path)
        except CommandError as error:
            if b"not found" in error.stderr:
                return None
            raise
        with open(path, "rb") as file:
            return file.read()


def _document(session_id: str, text: bytes, subagents: Mapping[str, Chunks]) -> Document | None:
    """The record of a session; None when a document is broken, or another session's."""
    value = raw.parsed(text.removeprefix(b"\xef\xbb\xbf"))
    if value is None or not isinstance(value.get("info"), dict) or not isinstance(value.get("messages"), list):
        return None
    return Document(session_id, text, value, subagents) if value["info"].get("id") == session_id else None


def record_from(session_id: str, files: Mapping[str, Chunks]) -> Document | None:
    """The record that a captured transcript holds.

    Args:
        session_id: whose it is to be.
        files: `main.json`, and `<session>.json` of each subagent, of this session or of the one that started it.
    """
    chunks = files.get(f"{session_id}.json") or files.get("main.json")
    if chunks is None:
        return None
    others = {name.removesuffix(".json"): file for name, file in files.items() if name.startswith("ses_")}
    return _document(session_id, b"".join(chunks()), others)


def headline(record: Record) -> tuple[str, int]:
    """A session's title and the number of its messages."""
    assert isinstance(record, Document)  # noqa: S101 - for the type checker: this page makes no others
    return word(fields(record.value.get("info")).get("title")) or "", len(record.value["messages"])


def session(record: Record, last_words: Mapping[str, str] | None = None) -> Session:
    """A session in the neutral form; `last_words` are for agents whose files come late."""
    del last_words  # opencode's store is whole when a turn has ended
    assert isinstance(record, Document)  # noqa: S101 - for the type checker: this page makes no others
    thread = Thread(fields(record.value.get("info")))
    for message in record.value["messages"]:
        thread.take(fields(message))
    children: list[Session] = []
    for name, chunks in sorted(record.subagents.items()):
        child = _document(name, b"".join(chunks()), {}) if name in thread.children else None
        if child:
            children.append(session(Document(name, child.text, child.value, record.subagents)))
    return thread.session(tuple(children))
