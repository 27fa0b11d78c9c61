"""A session on its way out: its record without secrets, in the form that is neutral to agents, snapshots in place."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress

from rollouts import agents
from rollouts.agents.attach import Attached, attach
from rollouts.agents.raw import Document
from rollouts.agents.raw import Record as AgentRecord
from rollouts.agents.session import Session
from rollouts.contracts import envelope
from rollouts.contracts.strict_json import Json, parse_foreign
from rollouts.errors import RolloutsError
from rollouts.export import cleaning
from rollouts.export.cleaning import Cleaner
from rollouts.export.library import Job, Library, Material, in_words
from rollouts.models import Snapshot
from rollouts.record import Record
from rollouts.redact.report import Report

_END = re.compile(r"(.+):end(?::\d+)?", re.DOTALL)


class Neutral(Record):
    """A session that may leave."""

    record: AgentRecord
    session: Session
    attached: Attached
    metadata: Json
    """As in the envelope; None for a session that no workspace has."""
    report: Report | None
    """None: nothing was looked for."""
    more: Json = None
    """What was cleaned with it."""

    @property
    def origin(self) -> Mapping[str, Json]:
        """Where its snapshots are: remote_url, workspace_id; empty for a session that no workspace has."""
        where = self.metadata
        return {key: where[key] for key in ("remote_url", "workspace_id")} if isinstance(where, dict) else {}


def _told(metadata: str) -> Json:
    """What the hook was told as the last answer."""
    try:
        found = parse_foreign(metadata)
    except ValueError:  # agent-rollouts 0.1 took any text
        return None
    return found.get("last_assistant_message") if isinstance(found, dict) else None


def last_words(snapshots: Iterable[Snapshot]) -> dict[str, str]:
    """Key of a turn -> the answer that the hook at its end was told, which may never have reached the record."""
    found: dict[str, str] = {}
    for snapshot in snapshots:
        ended = _END.fullmatch(snapshot.message_id)
        text = _told(snapshot.metadata) if ended else None
        if ended and isinstance(text, str):
            found[ended[1]] = text
    return found


def _named_anew(snapshots: Iterable[Snapshot], clean: Json) -> list[Snapshot]:
    """Snapshots whose message ids are those of the clean record."""
    listed = clean.get("snapshots") if isinstance(clean, dict) else None
    entries = listed if isinstance(listed, list) else []
    ids = [entry.get("message_id") if isinstance(entry, dict) else None for entry in entries]
    return [one._replace(message_id=str(name)) for one, name in zip(snapshots, ids, strict=True)]


def _children(material: Material, record: AgentRecord) -> list[str]:
    """The sessions that a session's tools started."""
    session = agents.reader(material.agent).session(record)
    return [call.session_id for message in session.messages for call in message.calls if call.session_id]


def with_children(library: Library, material: Material) -> Material:
    """A session with those that its tools started in its record, for agents that keep these as sessions of their own.

    A child that nobody has any more is left out. To be called while the library is held for reading.
    """
    found = material.record
    if not isinstance(found, Document):
        return material
    below = dict(found.subagents)
    pending = _children(material, found)
    while pending:
        name = pending.pop()
        if name in below or name == material.session_id:
            continue
        with suppress(RolloutsError):
            child = library.find(Job(name, (material.agent,), (material.session_id,))).record
            below[name] = child.chunks
            pending += _children(material, child)
    return material._replace(record=dataclasses.replace(found, subagents=below))


def neutral(material: Material, cleaner: Cleaner | None, more: Json = None) -> Neutral:
    """A session in the neutral form; the record, its metadata and what hooks were told are cleaned as one.

    Args:
        material: to be read while its library is held for reading.
        cleaner: None: nothing is taken out.
        more: what else goes with it, and is cleaned with the rest.

    Raises:
        RolloutsError: it cannot be read, or the second engine still finds a secret.
    """
    metadata = envelope.metadata(material.workspace, material.snapshots)
    beside: Json = {"metadata": metadata, "last_words": {**last_words(material.snapshots)}, "more": more}
    try:
        what = f"{material.agent} session {material.session_id!r}"
        clean = cleaning.cleaned(material.record, beside, cleaner, what=what)
        assert isinstance(clean.more, dict)  # noqa: S101 - for the type checker: shapes stay as they are
        told, where = clean.more["last_words"], clean.more["metadata"]
        words = {key: str(value) for key, value in told.items()} if isinstance(told, dict) else {}
        session = agents.reader(material.agent).session(clean.record, words)
    except OSError as error:
        raise RolloutsError(in_words(error)) from error
    except RecursionError as error:
        raise RolloutsError(f"session {material.session_id!r} is nested too deeply to be read") from error
    snapshots = _named_anew(material.snapshots, where) if material.snapshots else []
    return Neutral(clean.record, session, attach(session, snapshots), where, clean.report, clean.more["more"])
