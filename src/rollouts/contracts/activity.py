"""When agents were at work, how many at once, and at what cost: the activity report.

Specification of session summaries, 4.2 (schema_version 1). Moments are microseconds since 1970. An agent is taken to be
at work between two messages of its session, for at most five minutes after the earlier one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from rollouts.contracts.instants import rfc3339
from rollouts.contracts.strict_json import Json
from rollouts.record import Record

SECOND = 1_000_000
MINUTE = 60 * SECOND
_MOST_GAP = 300 * SECOND


class Message(Record):
    """When a message was, and the model that wrote it; None for a user's."""

    at: int
    model: str | None


class Spent(Record):
    """What a request used and cost."""

    at: int
    model: str
    output_tokens: int
    microusd: int


class Active(Record):
    """A session that has a part in the report."""

    id: str
    title: str
    project: str
    agent: str
    is_automated: bool
    messages: Sequence[Message]
    """By time."""
    spent: Sequence[Spent]
    """Within the range."""


class Range(Record):
    """What the report is about."""

    start: int
    end: int
    now: int
    bounds: Sequence[int]
    """Where buckets begin, and where the last one ends."""
    unit: str
    """minute, hour, day or week."""
    seconds: int
    """Of a whole bucket."""
    timezone: str

    @property
    def effective_end(self) -> int:
        """What is later has not been yet."""
        return max(min(self.end, self.now), self.start)


class Span(Record):
    """Work of one session without a pause."""

    start: int
    end: int
    session: int
    """Its number."""
    model: str
    """Whose message closes it, or of a user's message the one before; "" when there was none."""


def spans(number: int, session: Active, asked: Range) -> list[Span]:
    """The work of a session within a range."""
    found = []
    model = ""
    for before, after in pairwise(session.messages):
        model = before.model or model
        start, end = before.at, min(after.at, before.at + _MOST_GAP)
        start, end = max(start, asked.start), min(end, asked.effective_end)
        if end > start:
            found.append(Span(start, end, number, after.model or model))
    return found


def _minutes(microseconds: int) -> float:
    return microseconds / MINUTE


def _money(microusd: int) -> dict[str, Json]:
    return {"cost": microusd / 1e6, "cost_microusd": microusd}


class _Share:
    """Work and cost of something, by who started the sessions."""

    def __init__(self) -> None:
        self.time = {True: 0, False: 0}
        self.microusd = {True: 0, False: 0}

    @property
    def whole_time(self) -> int:
        return sum(self.time.values())

    def split(self) -> dict[str, Json]:
        found: dict[str, Json] = {}
        for name, key in (("automated", True), ("interactive", False)):
            found[f"{name}_agent_minutes"] = _minutes(self.time[key])
        for name, key in (("automated", True), ("interactive", False)):
            found[f"{name}_cost"] = self.microusd[key] / 1e6
        return found

    def as_json(self, key: str) -> dict[str, Json]:
        money = _money(sum(self.microusd.values()))
        return {"key": key, "agent_minutes": _minutes(self.whole_time), **money, **self.split()}


class _Bucket:
    """What happened in one bucket."""

    def __init__(self) -> None:
        self.time = self.output_tokens = self.microusd = 0
        self.peak = (0, 0)
        """Sessions at work at once, and how many of those a program started."""

    def as_json(self, start: int, end: int) -> dict[str, Json]:
        return {
            "start": rfc3339(start),
            "end": rfc3339(end),
            "max_agents": self.peak[0],
            "agent_minutes": _minutes(self.time),
            "output_tokens": self.output_tokens,
            **_money(self.microusd),
            "automated_at_peak": self.peak[1],
            "interactive_at_peak": self.peak[0] - self.peak[1],
        }


class _Sweep:
    """One pass over all spans by time: how many were at work at once, and when any was."""

    def __init__(self, asked: Range) -> None:
        self._bounds = asked.bounds
        self.buckets = [_Bucket() for _ in asked.bounds[1:]]
        self.peak = 0
        self.peak_at: int | None = None
        self.active = 0
        """Microseconds in which any session was at work."""

    def bucket(self, moment: int) -> _Bucket:
        return self.buckets[bisect_right(self._bounds, moment) - 1]

    def _stretch(self, start: int, end: int, agents: int, automated: int) -> None:
        """So many were at work from one moment to another."""
        self.active += end - start
        if agents > self.peak:
            self.peak, self.peak_at = agents, start
        while start < end:
            place = bisect_right(self._bounds, start) - 1
            bucket, until = self.buckets[place], min(end, self._bounds[place + 1])
            bucket.time += agents * (until - start)
            if agents > bucket.peak[0]:
                bucket.peak = (agents, automated)
            start = until

    def over(self, all_spans: Iterable[Span], automated: Sequence[bool]) -> None:
        events: list[tuple[int, int, bool]] = []
        for span in all_spans:
            events += [(span.start, 1, automated[span.session]), (span.end, -1, automated[span.session])]
        events.sort()  # who stops at a moment has stopped before another begins
        at = agents = of_programs = 0
        for moment, change, is_automated in events:
            if agents and moment > at:
                self._stretch(at, moment, agents, of_programs)
            at = moment
            agents += change
            of_programs += change * is_automated


class _One:
    """What one session did."""

    def __init__(self) -> None:
        self.time = self.microusd = self.output_tokens = 0
        self.by_model: dict[str, tuple[int, int]] = {}
        """Model -> microseconds, microdollars."""
        self.first: int | None = None
        self.last: int | None = None

    def took(self, model: str, time: int, microusd: int) -> None:
        known = self.by_model.get(model, (0, 0))
        self.by_model[model] = (known[0] + time, known[1] + microusd)

    def worked(self, span: Span) -> None:
        self.time += span.end - span.start
        self.took(span.model, span.end - span.start, 0)
        self.first = span.start if self.first is None else min(self.first, span.start)
        self.last = span.end if self.last is None else max(self.last, span.end)

    def models(self) -> list[str]:
        return sorted(model for model in self.by_model if model)

    def as_json(self, session: Active) -> dict[str, Json]:
        models, is_timed = self.models(), self.first is not None
        return {
            "session_id": session.id,
            "title": session.title,
            "project": session.project,
            "agent": session.agent,
            "primary_model": max(models, key=lambda model: self.by_model[model], default=""),
            "models": [*models],
            "agent_minutes": _minutes(self.time) if is_timed else None,
            **_money(self.microusd),
            "output_tokens": self.output_tokens,
            "first_active": None if self.first is None else rfc3339(self.first),
            "last_active": None if self.last is None else rfc3339(self.last),
            "timing_quality": "timed" if is_timed else "untimed",
            "is_automated": session.is_automated,
        }


class _Count:
    """All sums of a report."""

    def __init__(self, sessions: Sequence[Active], asked: Range) -> None:
        self.sessions = sessions
        self.asked = asked
        self.spans = [span for number, one in enumerate(sessions) for span in spans(number, one, asked)]
        self.sweep = _Sweep(asked)
        self.sweep.over(self.spans, [one.is_automated for one in sessions])
        self.ones = [_One() for _ in sessions]
        self.whole = _Share()
        self.by: dict[str, dict[str, _Share]] = {"project": {}, "model": {}, "agent": {}}
        for span in self.spans:
            self.ones[span.session].worked(span)
        for number, one in enumerate(sessions):
            for spent in one.spent:
                self._add_spent(number, spent)
            self._share_out(number)

    def _share_out(self, number: int) -> None:
        """Adds what a session did to the sums that it belongs to."""
        one = self.sessions[number]
        for model, (time, microusd) in self.ones[number].by_model.items():
            keys = {"project": one.project, "agent": one.agent} | ({"model": model} if model else {})
            shares = [self.by[kind].setdefault(key, _Share()) for kind, key in keys.items()]
            for share in (self.whole, *shares):
                share.time[one.is_automated] += time
                share.microusd[one.is_automated] += microusd

    def _add_spent(self, number: int, spent: Spent) -> None:
        one, bucket = self.ones[number], self.sweep.bucket(spent.at)
        one.took(spent.model, 0, spent.microusd)
        one.microusd += spent.microusd
        one.output_tokens += spent.output_tokens
        bucket.microusd += spent.microusd
        bucket.output_tokens += spent.output_tokens

    def totals(self) -> dict[str, Json]:
        elapsed = self.asked.effective_end - self.asked.start
        automated = sum(one.is_automated for one in self.sessions)
        return {
            "active_minutes": _minutes(self.sweep.active),
            "idle_minutes": _minutes(elapsed - self.sweep.active),
            "agent_minutes": _minutes(self.whole.whole_time),
            "sessions": len(self.sessions),
            "untimed_sessions": sum(one.first is None for one in self.ones),
            "distinct_projects": len({one.project for one in self.sessions}),
            "distinct_models": len(self.by["model"]),
            "output_tokens": sum(one.output_tokens for one in self.ones),
            **_money(sum(self.whole.microusd.values())),
            **self.whole.split(),
            "automated_sessions": automated,
            "interactive_sessions": len(self.sessions) - automated,
        }

    def shares(self, kind: str) -> list[Json]:
        found = self.by[kind]
        order = sorted(found, key=lambda key: (-found[key].whole_time, -sum(found[key].microusd.values()), key))
        return [found[key].as_json(key) for key in order]

    def by_session(self) -> list[Json]:
        order = sorted(range(len(self.ones)), key=lambda number: (-self.ones[number].time, self.sessions[number].id))
        return [self.ones[number].as_json(self.sessions[number]) for number in order]

    def intervals(self) -> list[Json]:
        order = sorted((span.start, span.end, self.sessions[span.session].id) for span in self.spans)
        return [{"session_id": own, "start": rfc3339(start), "end": rfc3339(end)} for start, end, own in order]


def report(sessions: Sequence[Active], asked: Range) -> Mapping[str, Json]:
    """The report, its keys in the contract's order, without `schema_version`, `pricing` and `projects`.

    Args:
        sessions: those that had a message, or used something, within the range.
        asked: the range and its buckets.
    """
    count, bounds, end = _Count(sessions, asked), asked.bounds, asked.effective_end
    is_partial = asked.now < asked.end
    peak = count.sweep.peak_at
    return {
        "timezone": asked.timezone,
        "range_start": rfc3339(asked.start),
        "range_end": rfc3339(asked.end),
        "bucket_unit": asked.unit,
        "bucket_seconds": asked.seconds,
        "bucket_count": len(bounds) - 1,
        "partial": is_partial,
        "as_of": rfc3339(end) if is_partial else None,
        "effective_end": rfc3339(end),
        "elapsed_bucket_count": sum(start < end for start in bounds[:-1]),
        "buckets": [bucket.as_json(*both) for bucket, both in zip(count.sweep.buckets, pairwise(bounds), strict=True)],
        "peak": {"agents": count.sweep.peak, "at": None if peak is None else rfc3339(peak)},
        "totals": count.totals(),
        "by_project": count.shares("project"),
        "by_model": count.shares("model"),
        "by_agent": count.shares("agent"),
        "by_session": count.by_session(),
        "intervals": count.intervals(),
    }
