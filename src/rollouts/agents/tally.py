"""What is counted of a session while its log is read; it goes on where an earlier look ended."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from hashlib import blake2b

import msgspec

from rollouts.facts import MAX_PROMPT, MAX_TITLE, Moments, SessionFacts, Usage

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_REPETITION = 3
"""Calls in a row."""
_MAX_TOKENS = (1 << 53) - 1
Count = int | float | str | None


class Tally(msgspec.Struct, omit_defaults=True):
    """One session so far."""

    session_id: str
    parent_id: str | None = None
    relationship: str | None = None
    title: str | None = None
    title_rank: int = 0
    """How much a title is worth: the user's own (3), the agent's (2 and 1), the first prompt's (0)."""
    has_prompt: bool = False
    cwd: str | None = None
    git_branch: str | None = None
    version: str | None = None
    model: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    messages: int = 0
    user_messages: int = 0
    assistant_messages: int = 0
    tool_calls: int = 0
    output_tokens: int | None = None
    peak_context: int | None = None
    tool_failures: int = 0
    failing: int = 0
    """Calls of tools that failed in a row, up to now."""
    longest: int = 0
    """The most that ever did."""
    last_call: str = ""
    same_calls: int = 0
    """How often that one was made in a row, up to now."""
    repeats: int = 0
    compactions: int = 0
    ending: str | None = None

    def seen(self, at: str | None) -> None:
        """Something of it happened at a moment."""
        if at is None:
            return
        if self.started_at is None or at < self.started_at:
            self.started_at = at
        if self.ended_at is None or at > self.ended_at:
            self.ended_at = at

    def name(self, title: str | None, rank: int) -> None:
        """It has a title, which the last one of the highest rank is."""
        words = first_line(title or "")
        if words and rank >= self.title_rank:
            self.title, self.title_rank = words, rank

    def took(self, usage: Usage) -> None:
        """A model answered in it, and took this."""
        self.model = usage.model or self.model
        self.output_tokens = (self.output_tokens or 0) + usage.output_tokens
        context = usage.input_tokens + usage.cache_write_tokens + usage.cache_read_tokens
        self.peak_context = max(self.peak_context or 0, context)

    def facts(self, first_prompt: str | None) -> SessionFacts:
        """All that the catalog is to know; the prompt if this look has found it."""
        return SessionFacts(
            session_id=self.session_id,
            parent_id=self.parent_id,
            relationship=self.relationship,
            title=self.title,
            first_prompt=None if first_prompt is None else first_prompt[:MAX_PROMPT],
            cwd=self.cwd,
            git_branch=self.git_branch,
            version=self.version,
            model=self.model,
            started_at=self.started_at,
            ended_at=self.ended_at,
            message_count=self.messages,
            user_message_count=self.user_messages,
            assistant_message_count=self.assistant_messages,
            tool_call_count=self.tool_calls,
            total_output_tokens=self.output_tokens,
            peak_context_tokens=self.peak_context,
            tool_failure_count=self.tool_failures,
            failures_at_end=self.failing,
            failures_in_a_row=self.longest,
            repeated_calls=self.repeats,
            compaction_count=self.compactions,
            ending=self.ending,
        )

    def called(self, *call: object) -> None:
        """A tool was called: its name, and what with. Three times the same in a row is repetition, and what follows."""
        self.tool_calls += 1
        this = blake2b(repr(call).encode(errors="replace"), digest_size=8).hexdigest()
        self.same_calls = self.same_calls + 1 if this == self.last_call else 1
        self.last_call = this
        if self.same_calls >= _REPETITION:
            self.repeats += _REPETITION - 1 if self.same_calls == _REPETITION else 1

    def ended(self, *, badly: bool) -> None:
        """A call of a tool has ended."""
        self.failing = self.failing + 1 if badly else 0
        self.tool_failures += badly
        self.longest = max(self.longest, self.failing)


class Clock:
    """When the messages of a source's sessions were, as one look finds them."""

    def __init__(self) -> None:
        self._runs: dict[str, tuple[int, list[str]]] = {}

    def said(self, tally: Tally, at: str | None, model: str | None = None) -> None:
        """The last message of a session, which was counted already, was at a moment, or went on till then."""
        first, entries = self._runs.setdefault(tally.session_id, (tally.messages - 1, []))
        entry = f"{at or ''} {model}" if model else at or ""
        if first + len(entries) == tally.messages:
            entries[-1] = entry
        else:
            entries.append(entry)
        tally.ending = "assistant" if model is not None else "user"

    def moments(self) -> list[Moments]:
        return [Moments(own, first, "\n".join(entries)) for own, (first, entries) in self._runs.items()]


def first_line(text: str) -> str:
    """The first line of a text that has anything in it, cut where a title ends."""
    line = next((line for line in text[:MAX_PROMPT].splitlines() if line.strip()), "")
    return " ".join(line.split())[:MAX_TITLE]


def moment(text: str | None) -> str | None:
    """A time as the catalog has them, from any that ISO 8601 knows; None for what is none."""
    if not text or _MOMENT.fullmatch(text):
        return text or None
    try:
        parsed = datetime.fromisoformat(text)
        aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    except (ValueError, OverflowError):
        return None


def moment_of(milliseconds: float | None) -> str | None:
    """The same from milliseconds since 1970."""
    if milliseconds is None:
        return None
    try:
        return moment(datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat())
    except (ValueError, OverflowError, OSError):
        return None


def tokens(count: Count) -> int:
    """A number of tokens: fractions are cut off, texts of digits read; what is none, or negative, is 0."""
    try:
        return min(max(int(float(count)) if isinstance(count, str) else int(count or 0), 0), _MAX_TOKENS)
    except (ValueError, OverflowError):
        return 0
