"""The envelope in which a session leaves: `session_id, agent, exported_at, session, metadata`, in this order.

`session` is the agent's own record and is put in as it is, in pieces; the rest is small.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rollouts.contracts import tag
from rollouts.contracts.remote_url import without_credentials
from rollouts.contracts.strict_json import Json, dump
from rollouts.models import Snapshot, Workspace


def metadata(workspace: Workspace | None, snapshots: Iterable[Snapshot]) -> Json:
    """Where the session's turns can be restored from; None for a session that no workspace has.

    Args:
        workspace: whose the session's snapshots are.
        snapshots: of the session, in their order.
    """
    if workspace is None:
        return None
    url = workspace.remote_url
    return {
        "remote_url": None if url is None else without_credentials(url),
        "workspace_id": workspace.id,
        "snapshots": [
            {
                "message_id": snapshot.message_id,
                "snapshot_id": snapshot.id,
                "tag": tag.ref(snapshot.session_id, snapshot.message_id),
                "commit": snapshot.store_commit_sha,
                "captured_at": snapshot.captured_at,
            }
            for snapshot in snapshots
        ],
    }


def pieces(
    session_id: str, agent: str, *, exported_at: str, session: Iterable[bytes], metadata: Json
) -> Iterator[bytes]:
    """An envelope as one line of JSON with its end.

    Args:
        session_id: the agent's own.
        agent: its name in Rollouts.
        exported_at: RFC 3339, UTC with milliseconds and `Z`.
        session: the JSON text of the record, without a line break in it.
        metadata: see above.
    """
    head = dump({"session_id": session_id, "agent": agent, "exported_at": exported_at})
    yield head[:-1].encode() + b', "session": '
    yield from session
    yield b', "metadata": ' + dump(metadata).encode() + b"}\n"
