"""Payload files while a bundle is replayed: one at a time, and nothing parsed twice that was seen before.

A request repeats the conversation so far, so most bytes of a bundle are repeats. A request is cut into its items
without parsing them; an item is known by its bytes, and only new ones are parsed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from rollouts.trace.bundle import Bundle
from rollouts.trace.decode import Repeated
from rollouts.trace.errors import TraceError
from rollouts.trace.jsontext import MAX_DEPTH, Json, Parser, compact
from rollouts.trace.reducer.rules import Rules
from rollouts.trace.serde import explained, ill_formed
from rollouts.trace.values import PayloadRef

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_LONG = 256
"""Bytes from which on a field of a request is worth remembering."""


@dataclass(frozen=True, slots=True)
class Element:
    """One item of a request's input.

    Attributes:
        raw: its bytes, which tell it from others.
        value: the same parsed; None for bytes that are known already.
    """

    raw: bytes
    value: Json


@dataclass(frozen=True, slots=True)
class Request:
    """What the model was asked.

    Attributes:
        has_input: there is an `input`.
        items: its elements; None when it is no array.
        previous_response_id: the response that it goes on from.
    """

    has_input: bool
    items: list[Element] | None
    previous_response_id: str | None


class Payloads:
    """Reads payloads by the rules of a schema, and remembers the last one."""

    def __init__(self, bundle: Bundle, rules: Rules, known: Mapping[bytes, object]) -> None:
        """`known` is asked for items that were read before; whoever reads a new one adds it there."""
        self._bundle = bundle
        self._rules = rules
        self._parser = Parser(keeps_spelling=rules.keeps_spelling)
        self._record_parser = Parser(keeps_spelling=rules.keeps_spelling, pairs=Repeated)
        self._known = known
        self._fields: set[bytes] = set()
        self._last: tuple[str, Json] | None = None
        self._last_request: tuple[str, Request] | None = None

    def forget(self) -> None:
        """Another event begins: what was remembered may go."""
        self._last = self._last_request = None

    def text(self, text: str) -> Json:
        """JSON inside a payload's text.

        Raises:
            JsonError: it is none.
        """
        return self._parser.parse(text)

    def record_text(self, text: str) -> Json:
        """The same for a text that is to be a record, in which no field may stand twice.

        Raises:
            JsonError: it is no JSON.
        """
        return self._record_parser.parse(text)

    def json(self, ref: PayloadRef) -> Json:
        """A payload, parsed.

        Raises:
            TraceError: it cannot be read, or is no JSON.
        """
        if self._last is None or self._last[0] != ref.path:
            self._last = (ref.path, self._parse(self._read(ref), ref))
        return self._last[1]

    def request(self, ref: PayloadRef) -> Request:
        """A payload as a request to a model.

        Raises:
            TraceError: it cannot be read, or is no JSON.
        """
        if self._last_request is None or self._last_request[0] != ref.path:
            self._last_request = (ref.path, self._split(self._read(ref), ref))
        return self._last_request[1]

    def verify(self, ref: PayloadRef) -> None:
        """Reads a payload for no more than that it is there and is JSON: nothing is said of numbers and surrogates.

        Raises:
            TraceError: it cannot be read, or is no JSON.
        """
        if any(last and last[0] == ref.path for last in (self._last, self._last_request)):
            return  # a rule has read it, and asked more of it
        try:
            data = self._bundle.read(ref.path)
            data.decode()
        except TraceError as error:
            raise error.within(f"read payload {ref.raw_payload_id}") from None
        except UnicodeDecodeError:
            cause = "stream did not contain valid UTF-8"
            raise TraceError(f"read payload {ref.raw_payload_id}", (cause,)) from None
        wrong = ill_formed(data)
        if wrong:
            raise TraceError(f"invalid payload {ref.raw_payload_id}", (wrong,))

    def _read(self, ref: PayloadRef) -> bytes:
        try:
            return self._bundle.read(ref.path)
        except TraceError as error:
            raise error.within(f"open payload {ref.raw_payload_id}") from None

    def _parse(self, data: bytes, ref: PayloadRef) -> Json:
        try:
            return self._parser.parse(data.decode())
        except ValueError as error:
            cause = explained(data, error)
            raise TraceError(f"parse payload {ref.raw_payload_id}", (cause,)) from None

    def _split(self, data: bytes, ref: PayloadRef) -> Request:
        try:
            fields = _OBJECT.decode(data)
            values = {name: self._field(bytes(raw)) for name, raw in fields.items() if name != "input"}
            items = self._elements(fields["input"]) if "input" in fields else None
        except (ValueError, RecursionError):  # one parse of the whole says what is wrong, if anything is
            return _whole(self._parse(data, ref))
        previous = values.get("previous_response_id")
        return Request("input" in fields, items, previous if isinstance(previous, str) else None)

    def _field(self, raw: bytes) -> Json:
        """A field of a request that is not its input; None for a long one that was seen before."""
        if raw in self._fields:
            return None
        value = self._parser.parse(raw.decode(), levels=MAX_DEPTH - 1)
        if len(raw) >= _LONG and not isinstance(value, str):
            self._fields.add(raw)
        return value

    def _elements(self, array: msgspec.Raw) -> list[Element] | None:
        found = []
        for part in _ARRAY.decode(array):
            raw = bytes(part)
            value = None if raw in self._known else self._parser.parse(raw.decode(), levels=MAX_DEPTH - 2)
            found.append(Element(raw, value))
        return found


def _whole(value: Json) -> Request:
    """A request that could not be cut up, from its parsed whole."""
    fields = value if isinstance(value, dict) else {}
    given = fields.get("input")
    items = [Element(compact(item).encode(), item) for item in given] if isinstance(given, list) else None
    previous = fields.get("previous_response_id")
    return Request("input" in fields, items, previous if isinstance(previous, str) else None)
