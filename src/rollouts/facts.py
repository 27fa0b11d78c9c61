"""What is known of an agent's session without its text: the records between the agents' logs and the catalog."""

from __future__ import annotations

from rollouts.record import Record

MAX_PROMPT = 65536
"""Characters that are kept of a session's first prompt; the whole of it stands in the transcript."""
MAX_TITLE = 200


class Source(Record):
    """One file of an agent, or one session in its database, as a look at it from outside tells."""

    key: str
    """Its path (bytes that are not UTF-8 are surrogate escapes); of a session in a database that and the session."""
    root_id: str
    """The session in whose transcript it belongs, as far as that is known without reading it."""
    name: str
    """How it is called in that transcript."""
    size: int
    mtime_ns: int


class Slip(Record):
    """Something on the agent's disk that cannot be taken, and why."""

    key: str
    reason: str


class SessionFacts(Record):
    """One session. Times are UTC in ISO 8601 with milliseconds and `Z`; counts are of the whole session."""

    session_id: str
    parent_id: str | None = None
    relationship: str | None = None
    """subagent, fork or continuation."""
    title: str | None = None
    first_prompt: str | None = None
    """None when an earlier look at the same session has found it."""
    cwd: str | None = None
    git_branch: str | None = None
    version: str | None = None
    model: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    message_count: int = 0
    user_message_count: int = 0
    assistant_message_count: int = 0
    tool_call_count: int = 0
    total_output_tokens: int | None = None
    """None when the agent says nothing of tokens, as below."""
    peak_context_tokens: int | None = None
    tool_failure_count: int | None = None
    """Calls of tools that failed, as far as the agent says so."""
    failures_at_end: int | None = None
    """How many of the last calls did, without one between them that did not."""
    failures_in_a_row: int | None = None
    """The most that did without one between them."""
    repeated_calls: int | None = None
    """Calls that were made before, of the same tool with the same arguments; where at least three were so in a row."""
    compaction_count: int | None = None
    """How often its context was made smaller."""
    ending: str | None = None
    """Whose message came last: `user` or `assistant`."""


class Moments(Record):
    """When messages of a session were: a run of them that takes the place of all that is known from its first on."""

    session_id: str
    ordinal: int
    """The first one's number in its session, from 0."""
    text: str
    """A line a message: its time ("" when that is not known), and behind a space the model that wrote it."""


class Usage(Record):
    """What one request to a model took, in tokens; those read from and written to its cache are not input."""

    ordinal: int
    """Its place among those of the same source; a later row with the same one replaces it."""
    session_id: str
    at: str | None
    model: str
    input_tokens: int
    output_tokens: int
    cache_write_tokens: int = 0
    cache_read_tokens: int = 0
    reasoning_tokens: int = 0
    """A part of the output."""
    cost_microusd: int | None = None
    """Millionths of a US dollar, where the agent itself says so."""
    dedup_key: str | None = None
    """The same for each copy of this request, in whatever session."""


class Progress(Record):
    """How far a source has been read."""

    offset: int = 0
    """Bytes that need not be read again."""
    marks: str = ""
    """By which those bytes are known again."""
    state: str = ""
    """What the next look wants to know of this one."""
    unreadable_lines: int = 0
    unknown_records: int = 0


class Scan(Record):
    """What a look into a source gave, over all that has been read of it so far."""

    root_id: str
    name: str
    sessions: list[SessionFacts]
    usage: list[Usage]
    """Those that are new or have changed."""
    progress: Progress
    is_anew: bool
    """All of it was read: what is known from earlier looks has no meaning any more."""
    moments: list[Moments]
    """Of the messages that are new or went on."""
