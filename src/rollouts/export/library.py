"""Where sessions are read from: the agents' own stores, else the transcripts that were captured."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext

from rollouts import agents
from rollouts.agents.agent import Store
from rollouts.agents.raw import Lines
from rollouts.agents.raw import Record as AgentRecord
from rollouts.errors import RolloutsError
from rollouts.models import Snapshot, Workspace
from rollouts.paths import Home
from rollouts.record import Record
from rollouts.storage.archive import Archive
from rollouts.storage.transcripts import Transcripts


class Job(Record):
    """A session that is to leave."""

    session_id: str
    candidates: tuple[str, ...]
    """The agents that it may be of, the likeliest first."""
    ancestors: tuple[str, ...] = ()
    """The sessions that started it, the nearest first: their captured transcripts may hold it."""


class Found(Record):
    """A session's record and whose it is."""

    agent: str
    record: AgentRecord


class Material(Record):
    """A session as it was found, and what this home knows of it."""

    session_id: str
    agent: str
    record: AgentRecord
    workspace: Workspace | None
    """Whose its snapshots are."""
    snapshots: list[Snapshot]


def in_words(error: Exception) -> str:
    """What went wrong in reading, on one line."""
    if isinstance(error, OSError):
        name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
        return f"{name}: {error.strerror}" if name else str(error)
    return str(error)


class Library:
    """Where sessions are read from: the agents' own stores, else the transcripts that were captured."""

    def __init__(self, home: Home) -> None:
        self._stores: dict[str, Store] = {}
        self._kept = Transcripts(home)
        self._has_kept = self._kept.exists()

    def reading(self) -> AbstractContextManager[object]:
        """Held while a record is read, so that nothing of a captured transcript is dropped meanwhile."""
        return self._kept.reading() if self._has_kept else nullcontext()

    def find(self, job: Job) -> Found:
        """A session's record.

        Raises:
            RolloutsError: no agent has it and no transcript was captured, or what there is cannot be read.
        """
        troubles: list[str] = []
        for agent in job.candidates:
            try:
                record = self._own(agent, job.session_id)
            except (RolloutsError, OSError) as error:
                troubles.append(in_words(error))
                record = None
            record = record or self._captured(agent, job)
            if record:
                return Found(agent, record)
        nothing = f"{' and '.join(job.candidates)} have" if len(job.candidates) > 1 else f"{job.candidates[0]} has"
        raise RolloutsError(
            troubles[0]
            if troubles
            else f"{nothing} no session {job.session_id!r}, and no transcript of it was captured"
        )

    def material(self, archive: Archive, job: Job) -> Material:
        """A session with all that belongs to it. Raises as `find`; to be called, and read, within `reading`."""
        owner = archive.catalog.workspace_of_session(job.session_id)
        snapshots = archive.catalog.snapshots(owner.id, job.session_id) if owner else []
        found = self.find(job)
        return Material(job.session_id, found.agent, found.record, owner, snapshots)

    def _own(self, agent: str, session_id: str) -> AgentRecord | None:
        if agent not in self._stores:
            self._stores[agent] = agents.reader(agent).Store()
        record = self._stores[agent].record(session_id)
        if isinstance(record, Lines):
            next(iter(record.main()), b"")  # what cannot be read may have been captured when it could
        return record

    def _captured(self, agent: str, job: Job) -> AgentRecord | None:
        for owner in (job.session_id, *job.ancestors) if self._has_kept else ():
            files = self._kept.files(agent, owner)
            if files:
                chunks = {name: content.chunks for name, content in files.items()}
                own = chunks if owner == job.session_id else {n: c for n, c in chunks.items() if n[:5] != "main."}
                record = agents.reader(agent).record_from(job.session_id, own)
                if record:
                    return record
        return None
