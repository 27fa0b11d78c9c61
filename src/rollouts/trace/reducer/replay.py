"""The replay of a bundle: each line of its log is read, checked, and handed to what knows its kind of event."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from rollouts.trace import events
from rollouts.trace.bundle import Bundle, Manifest
from rollouts.trace.decode import Repeated
from rollouts.trace.errors import TraceError
from rollouts.trace.events import Event, Line
from rollouts.trace.jsontext import MAX_DEPTH, JsonError, Parser
from rollouts.trace.model import Graph
from rollouts.trace.reducer import (
    agents,
    cells,
    compaction,
    conversation,
    history,
    inference,
    terminals,
    threads,
    tools,
)
from rollouts.trace.reducer.normalize import Normalized
from rollouts.trace.reducer.payloads import Payloads
from rollouts.trace.reducer.rules import Rules, chosen
from rollouts.trace.reducer.state import Replay
from rollouts.trace.serde import explained

AFTER_THE_END = "trace event after recording completed"
Handler = Callable[[Replay, Line, Any], None]


def _rollout_started(replay: Replay, _: Line, event: events.RolloutStarted) -> None:
    replay.graph.trace_id = event.trace_id
    replay.graph.root_thread_id = event.root_thread_id


def _rollout_ended(replay: Replay, line: Line, event: events.RolloutEnded) -> None:
    replay.graph.status = event.status
    replay.graph.ended_at_unix_ms = line.at


def _recording_completed(replay: Replay, _: Line, __: Event) -> None:
    replay.graph.recording_complete = True


def _accepted(replay: Replay, line: Line, event: events.HistoryItemAccepted) -> None:
    history.accept(replay, line, event)


def _refused(_: Replay, __: Line, ___: Event) -> None:
    raise TraceError("raw trace event has no reducer implementation")


def _nothing(_: Replay, __: Line, ___: Event) -> None:
    """A protocol event is evidence only: its payload is kept."""


_HANDLERS: dict[type[Event], Handler] = {
    events.RecordingCompleted: _recording_completed,
    events.RolloutStarted: _rollout_started,
    events.RolloutEnded: _rollout_ended,
    events.ThreadStarted: threads.start,
    events.ThreadEnded: threads.end,
    events.ThreadResumed: lambda replay, _, event: threads.resume(replay, event),
    events.TurnStarted: threads.start_turn,
    events.TurnEnded: threads.end_turn,
    events.HistoryItemAccepted: _accepted,
    events.InferenceStarted: inference.start,
    events.InferenceCompleted: inference.complete,
    events.InferenceFailed: inference.fail,
    events.InferenceCancelled: inference.cancel,
    events.ToolStarted: tools.start,
    events.McpCorrelated: lambda replay, _, event: tools.correlate(replay, event),
    events.StdinTargetResolved: lambda replay, _, event: terminals.resolve_target(replay, event),
    events.ToolRuntimeStarted: tools.runtime_started,
    events.ToolRuntimeStartedAs: tools.runtime_started,
    events.ToolRuntimeEnded: tools.runtime_ended,
    events.ToolEnded: tools.end,
    events.CellStarted: cells.start,
    events.CellResponded: cells.respond,
    events.CellEnded: cells.end,
    events.CompactionRequestStarted: compaction.start_request,
    events.CompactionRequestCompleted: compaction.complete_request,
    events.CompactionRequestFailed: compaction.fail_request,
    events.CompactionInstalled: compaction.install,
    events.AgentResultObserved: agents.result_observed,
    events.ProtocolEventObserved: _nothing,
    events.OtherEvent: _refused,
}


class LogReader:
    """Makes events of a log's lines, by the rules of a schema."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._event = events.reader(rules.schema)
        self._parser = Parser(keeps_spelling=False, pairs=Repeated)

    def line(self, number: int, data: bytes) -> Line | None:
        """The event on a line. Returns None for a blank line.

        Raises:
            TraceError: it is no event of the schema.
        """
        text = data if self._rules.verifies else data.removesuffix(b"\n").removesuffix(b"\r")
        try:
            decoded = text.decode()
        except UnicodeDecodeError:
            raise TraceError(f"read trace event line {number}", ("stream did not contain valid UTF-8",)) from None
        if not decoded.strip():
            return None
        try:
            return self._event(self._parser.parse(decoded, levels=MAX_DEPTH))
        except JsonError as error:
            cause = explained(text, error)
            raise TraceError(f"parse trace event line {number}", (cause,)) from None


def rules_of(bundle: Bundle, manifest: Manifest) -> Rules:
    """The rules that a bundle is to be reduced by.

    Raises:
        TraceError: there are none for its schema.
    """
    return chosen(manifest.schema_version, _first_schema(bundle) if manifest.schema_version in {1, 2} else None)


def _first_schema(bundle: Bundle) -> int | None:
    """The schema that the first event says it is of."""
    try:
        first = next((data for _, data in bundle.lines() if data.strip()), b"")
        found = json.loads(first)
    except (TraceError, ValueError, RecursionError):  # whatever is wrong with it, its turn comes
        return None
    schema = found.get("schema_version") if isinstance(found, dict) else None
    return schema if isinstance(schema, int) else None


def begin(bundle: Bundle, manifest: Manifest, rules: Rules) -> Replay:
    """A replay of which nothing has happened yet."""
    normalized: dict[bytes, Normalized | None] = {}
    graph = Graph(
        rules.schema,
        manifest.trace_id,
        manifest.rollout_id,
        manifest.started_at_unix_ms,
        None,
        "running",
        False,  # noqa: FBT003 - a field of a record
        manifest.root_thread_id,
    )
    return Replay(graph, rules, Payloads(bundle, rules, normalized), normalized)


def check(replay: Replay, number: int, line: Line, expected: int) -> None:
    """What schema 2 asks of each line.

    Args:
        replay: the replay so far.
        number: the line's number, from 1.
        line: the event.
        expected: the `seq` that it has to have.

    Raises:
        TraceError: the line is not the next one of this recording.
    """
    envelope = line.envelope
    if envelope.schema_version != replay.rules.schema:
        raise TraceError(f"unsupported trace event schema {envelope.schema_version} at line {number}")
    if envelope.seq != expected:
        raise TraceError(f"missing or reordered trace event {expected}")
    if envelope.rollout_id != replay.graph.rollout_id:
        raise TraceError("trace event belongs to another rollout")


def happen(replay: Replay, line: Line) -> None:
    """Lets an event happen.

    Raises:
        TraceError: it breaks a rule.
    """
    replay.payloads.forget()
    for ref in events.payloads(line.event):
        replay.graph.raw_payloads[ref.raw_payload_id] = ref
    _HANDLERS[type(line.event)](replay, line, line.event)


def verify(replay: Replay, event: Event) -> None:
    """Reads what an event refers to, as schema 2 does whether or not a rule has.

    Raises:
        TraceError: a payload cannot be read, or is no JSON.
    """
    for ref in events.payloads(event):
        replay.payloads.verify(ref)


def finish(replay: Replay) -> Graph:
    """The graph, once all events have happened."""
    terminals.observe(replay.graph)
    conversation.order(replay)
    return replay.graph


def reduce(folder: str) -> Graph:
    """Replays a bundle into its graph, strictly.

    Args:
        folder: the bundle's folder.

    Raises:
        TraceError: the bundle breaks a rule; its words are those of `codex debug trace-reduce`.
    """
    bundle = Bundle(folder)
    manifest = bundle.manifest()
    replay = begin(bundle, manifest, rules_of(bundle, manifest))
    reader, expected = LogReader(replay.rules), 0
    for number, data in bundle.lines():
        if replay.graph.recording_complete and data.strip():
            raise TraceError(AFTER_THE_END)
        line = reader.line(number, data)
        if line:
            expected += 1
            _take(replay, number, line, expected)
    agents.finish(replay)
    return finish(replay)


def _take(replay: Replay, number: int, line: Line, expected: int) -> None:
    """A line of the log happens, with all that its schema asks of it."""
    if not replay.rules.verifies:
        happen(replay, line)
        return
    check(replay, number, line, expected)
    happen(replay, line)
    verify(replay, line.event)
