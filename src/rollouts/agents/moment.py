"""What a hook's event says to Rollouts, whichever agent called."""

from __future__ import annotations

from collections.abc import Mapping

from rollouts.record import Record

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

MAX_TEXT = 65536
"""Characters that are kept of a prompt or an answer; the whole of it stands in the transcript."""


class Moment(Record):
    """An event that matters: a turn to capture, a transcript that has grown, or both."""

    session_id: str
    """The session whose turn it is: of a subagent's event the one that started it all."""
    directory: str
    """Where the agent works."""
    message_id: str | None = None
    """The id of the snapshot to take; None when nothing is to be captured."""
    metadata: Mapping[str, Json] = {}
    """What the snapshot is to carry."""
    only_news: bool = False
    """A snapshot is wanted only if the files changed since the session's last one."""
    repeats: bool = False
    """The same message id may come again, for a turn that went on after its end."""
    has_grown: bool = False
    """The session's transcript has news."""


def text(payload: Mapping[str, Json], key: str) -> str:
    """A text of an event, half characters as question marks; empty when it has none."""
    value = payload.get(key)
    return value.encode(errors="replace").decode() if isinstance(value, str) else ""


def facts(payload: Mapping[str, Json], *keys: str) -> dict[str, Json]:
    """Those of an event's texts that are there, long ones cut."""
    return {key: found[:MAX_TEXT] for key in keys if (found := text(payload, key))}
