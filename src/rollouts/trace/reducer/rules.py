"""The small named rules in which the two schemas differ."""

from __future__ import annotations

from dataclasses import dataclass

from rollouts.trace.errors import TraceError


@dataclass(frozen=True, slots=True)
class Rules:
    """How a schema is reduced.

    Attributes:
        schema: its number.
        verifies: each line's schema, rollout and number are checked, and every payload is read.
        keeps_spelling: a number stays as it was written; else it becomes a double.
        accepts_history: a response's item joins the thread only when it is accepted or sent again.
        uses_items_once: a request shows an item once; else the one at its place may have been shown before in it.
        reuses_output_ids: two outputs of one call may differ, and a call's items stand in the order in which they
            were seen; else they may not, and stand as their ids sort.
        hashes_content: what has no text is known by its hash; else by the payload that it came in.
        has_agent_messages: messages between agents are items of their own, and lists of tools are skipped.
        checks_authors: a message between agents counts only when its author is the sender, and once.
        numbers_sessions: each command opens a terminal session of its own; else a process id is one.
        forgives_stdin: a write with bad arguments makes no operation; else it is refused.
        aggregates_output: a command's end brings its output as one text.
        keeps_cell_payloads: a cell remembers its first response's status and payloads.
        knows_children: the result of an unknown agent is refused; else it waits.
    """

    schema: int
    verifies: bool
    keeps_spelling: bool
    accepts_history: bool
    uses_items_once: bool
    reuses_output_ids: bool
    hashes_content: bool
    has_agent_messages: bool
    checks_authors: bool
    numbers_sessions: bool
    forgives_stdin: bool
    aggregates_output: bool
    keeps_cell_payloads: bool
    knows_children: bool


def _all_alike(schema: int, *, newer: bool) -> Rules:
    return Rules(schema, *(newer,) * 13)


SCHEMA_1 = _all_alike(1, newer=False)
SCHEMA_2 = _all_alike(2, newer=True)


def chosen(manifest: int, first_event: int | None) -> Rules:
    """The rules for a bundle.

    The manifest decides. Where its number and the first event's are the two schemas crosswise, the reducer of the
    events' schema speaks: that of schema 1 never looked at the manifest's number, that of schema 2 refuses any other.

    Args:
        manifest: the manifest's schema_version.
        first_event: the first event's; None when there is none that could be read.

    Raises:
        TraceError: no reducer is for it.
    """
    if manifest == 1 and first_event != 2:
        return SCHEMA_1
    if manifest == 2:
        return SCHEMA_1 if first_event == 1 else SCHEMA_2
    raise TraceError(
        f"trace schema {manifest} cannot establish accepted history; use its matching reducer or record a new bundle"
    )
