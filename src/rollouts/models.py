"""The records that travel between the rooms."""

from __future__ import annotations

from rollouts.errors import RolloutsError
from rollouts.record import Record

_ID_BYTES = 4096


class Workspace(Record):
    """A directory tree that an agent works in, as the catalog knows it."""

    id: str
    root_path: str
    """Absolute; bytes that are not UTF-8 are surrogate escapes."""
    remote_url: str | None
    created_at: str
    identity: str | None
    """Device and inode of the root (and of its `.git`), by which a moved directory is known again."""


class Turn(Record):
    """What the caller says about the moment: who, when in the conversation, and anything else."""

    session_id: str
    message_id: str
    metadata: str
    """The text of a JSON object, verbatim."""
    agent: str | None = None
    only_news: bool = False
    """Nothing is stored when the files are as at the session's last turn."""


class Snapshot(Record):
    """One row of the catalog: the content of a workspace at a message."""

    id: str
    workspace_id: str
    session_id: str
    message_id: str
    store_commit_sha: str
    vcs: str
    metadata: str
    captured_at: str
    agent: str | None = None
    tree: str | None = None
    """The following are None in rows that agent-rollouts 0.1 wrote."""
    files: int | None = None
    bytes_new: int | None = None
    skipped: str | None = None
    """The text of a JSON array of `{path|path_b64, reason, size}`."""


class Session(Record):
    """The snapshots of one conversation, in sum."""

    workspace_id: str
    session_id: str
    agent: str | None
    snapshots: int
    first: str
    last: str


class Selection(Record):
    """Which snapshots a command means."""

    path: str = "."
    session_id: str | None = None
    message_id: str | None = None
    snapshot_id: str | None = None
    everything: bool = False


class RemoteDefaults(Record):
    """Where and how new archives are made on GitHub."""

    owner: str
    prefix: str
    visibility: str
    """private, public or internal."""


def identifier(text: str, what: str) -> str:
    """A session's or message's id, checked; `what` names it in the error.

    Raises:
        RolloutsError: it is empty, too long, or no text that a file or a tag could hold.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise RolloutsError(f"the {what} id is not UTF-8 text; pass the agent's own id") from None
    if not 0 < size <= _ID_BYTES or "\0" in text:
        raise RolloutsError(f"the {what} id must be 1 to {_ID_BYTES} bytes of text without NUL; this one has {size}")
    return text


def safety_session(workspace_id: str) -> str:
    """The session of the snapshots that restores in place take of a workspace before they change it."""
    return f"restore:{workspace_id}"
