"""A tolerant replay: what can be used of a bundle that is torn or against the rules, and a list of the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

from rollouts.trace import events
from rollouts.trace.bundle import Bundle, Manifest
from rollouts.trace.errors import TraceError
from rollouts.trace.events import Event, Line
from rollouts.trace.jsontext import Json
from rollouts.trace.model import Graph
from rollouts.trace.reducer import agents, inference, replay
from rollouts.trace.reducer.payloads import Payloads, Request
from rollouts.trace.reducer.replay import LogReader
from rollouts.trace.reducer.rules import SCHEMA_1, SCHEMA_2, Rules
from rollouts.trace.reducer.state import Replay
from rollouts.trace.values import PayloadRef


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """Something that was left out.

    Attributes:
        line: the line of the log, from 1; None for what concerns the whole.
        event: the kind of event; None when the line could not be read as one.
        message: what was wrong with it.
    """

    line: int | None
    event: str | None
    message: str


class _LenientPayloads(Payloads):
    """A request that cannot be read was one all the same: what it showed is unknown."""

    unread: list[str]

    def request(self, ref: PayloadRef) -> Request:
        try:
            return super().request(ref)
        except TraceError as error:
            if str(error) not in self.unread:
                self.unread.append(str(error))
            return Request(has_input=True, items=[], previous_response_id=None)

    def readable(self, ref: PayloadRef) -> bool:
        """Whether a payload that is no request can be read."""
        try:
            self.json(ref)
        except TraceError as error:
            self.unread.append(str(error))
            return False
        return True


def _rules(bundle: Bundle, manifest: Manifest, found: list[Diagnostic]) -> Rules:
    """The rules that fit best.

    Raises:
        TraceError: the schema of the manifest is none that is known.
    """
    try:
        return replay.rules_of(bundle, manifest)
    except TraceError as error:
        if manifest.schema_version not in {SCHEMA_1.schema, SCHEMA_2.schema}:
            raise
        found.append(Diagnostic(None, None, str(error)))
        return SCHEMA_2  # the manifest says 1, the events say 2


def _lines(reader: LogReader, bundle: Bundle, found: list[Diagnostic]) -> Iterator[tuple[int, Line]]:
    """The lines that can be read; the others are noted."""
    try:
        for number, data in bundle.lines():
            try:
                line = reader.line(number, data)
            except TraceError as error:
                found.append(Diagnostic(number, None, str(error)))
                continue
            if line:
                yield number, line
    except TraceError as error:
        found.append(Diagnostic(None, None, str(error)))


def _objections(state: Replay, number: int, line: Line, expected: int) -> tuple[list[str], bool]:
    """What schema 2 has against a line, and whether the line is of another recording and has to go."""
    found = [replay.AFTER_THE_END] if state.graph.recording_complete else []
    try:
        replay.check(state, number, line, expected)
    except TraceError as error:
        found.append(str(error))
    envelope = line.envelope
    foreign = envelope.schema_version != state.rules.schema or envelope.rollout_id != state.graph.rollout_id
    return found, foreign


def _without_unread(event: Event, payloads: _LenientPayloads) -> Event:
    """The event without the payloads that cannot be read, as far as it may lack them."""
    missing: dict[str, None] = {}
    for field in fields(event):
        value: Json | PayloadRef = getattr(event, field.name)
        if isinstance(value, PayloadRef) and field.default is None and not payloads.readable(value):
            missing[field.name] = None
    return replace(event, **missing) if missing else event


def _salvage(state: Replay, payloads: _LenientPayloads, line: Line) -> None:
    """Lets an event that broke a rule happen without what cannot be read, where that is why."""
    event = line.event
    if isinstance(event, events.InferenceCompleted) and not payloads.readable(event.response_payload):
        inference.complete_unread(state, line, event)
        return
    bare = _without_unread(event, payloads)
    if bare is not event:
        replay.happen(state, Line(line.envelope, bare))


def _happen(state: Replay, payloads: _LenientPayloads, line: Line) -> list[str]:
    """Lets an event happen as far as it can. Returns what was left out."""
    payloads.unread = []
    state.left_out = []
    broken = []
    try:
        replay.happen(state, line)
    except TraceError as error:
        broken.append(str(error))
        try:
            _salvage(state, payloads, line)
        except TraceError as another:
            broken.append(str(another))
    if state.rules.verifies and not broken and not payloads.unread:
        try:
            replay.verify(state, line.event)
        except TraceError as error:
            broken.append(str(error))
    return list(dict.fromkeys([*broken, *payloads.unread, *state.left_out]))


def reduce(folder: str) -> tuple[Graph, list[Diagnostic]]:
    """Replays a bundle as far as it goes.

    Args:
        folder: the bundle's folder.

    Returns:
        The graph, and what was left out of it, in the order of the log.

    Raises:
        TraceError: there is no manifest, or none of a schema that is known.
    """
    bundle = Bundle(folder)
    manifest = bundle.manifest()
    found: list[Diagnostic] = []
    state = replay.begin(bundle, manifest, _rules(bundle, manifest, found))
    payloads = _LenientPayloads(bundle, state.rules, state.normalized)
    payloads.unread = []
    state.payloads = payloads
    expected = 1
    for number, line in _lines(LogReader(state.rules), bundle, found):
        objections, foreign = _objections(state, number, line, expected) if state.rules.verifies else ([], False)
        if not foreign:
            objections = [*objections, *_happen(state, payloads, line)]
            expected = line.seq + 1
        found += [Diagnostic(number, line.event.TYPE, message) for message in objections]
    return _finished(state, found), found


def _finished(state: Replay, found: list[Diagnostic]) -> Graph:
    try:
        agents.finish(state)
    except TraceError as error:
        found.append(Diagnostic(None, None, str(error)))
        state.edges.waiting.clear()
    return replay.finish(state)
