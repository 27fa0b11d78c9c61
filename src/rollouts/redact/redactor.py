"""Takes the secrets out of texts and JSON values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain

from rollouts.contracts.strict_json import Json
from rollouts.record import Record
from rollouts.redact import engine, nested, private_keys, rules
from rollouts.redact.json_texts import Place, mapped, texts
from rollouts.redact.payloads import is_payload, stretches
from rollouts.redact.persons import Faceless, Person
from rollouts.redact.report import Report
from rollouts.redact.span import SECRET, Span, occurrences, replaced, settled, without_placeholders
from rollouts.redact.strength import is_mixed

RULES = "rollouts 1"
"""Our own rules' name and version, in reports; the number grows with each change of what they find."""
_ROUNDS = 4
_MAX_DEPTH = 4
"""JSON in JSON in JSON."""
_SHORTEST = 6
"""Characters; no secret that can be told from other text is shorter."""


class Redacted(Record):
    """What is left, and what was done."""

    value: Json
    report: Report


def found(text: str) -> Iterator[Span]:
    """All that engine and rules find in a text, in no order, some of it twice."""
    return chain(engine.spans(text), rules.spans(text), private_keys.spans(text))


def _between_payloads(text: str, find: Callable[[str], Iterable[Span]]) -> Iterator[Span]:
    for start, end in stretches(text):
        for span in find(text[start:end]):
            yield Span(start + span.start, start + span.end, span.kind)


def _labelled(text: str, label: str) -> Iterator[Span]:
    """What is found in a text because its key sounds like a secret's."""
    opening = f'{label}="'
    for start, end, kind in found(f'{opening}{text}"'):
        if start >= len(opening) and end <= len(opening) + len(text):
            yield Span(start - len(opening), end - len(opening), kind)


def _looked(place: Place, depth: int = 0) -> Iterator[Span]:
    """What engine and rules find in a text, and in the JSON that it may hold, settled."""
    text = place.text
    if len(text) < _SHORTEST or is_payload(text):
        return iter(())
    spans: list[Span] = []
    for start, end, value in nested.parts(text) if depth < _MAX_DEPTH else [nested.Part(0, len(text))]:
        part = text[start:end]
        there: Iterator[Span]
        if value is None:
            there = chain(_between_payloads(part, found), _labelled(part, place.label) if place.label else ())
        else:
            there = nested.spans(part, value, lambda inner: _looked(inner, depth + 1))
        spans += [Span(start + span.start, start + span.end, span.kind) for span in there]
    return settled(without_placeholders(text, spans))


def _known_in(text: str, secrets: Mapping[str, str]) -> Iterator[Span]:
    if not secrets or is_payload(text):
        return iter(())
    return _between_payloads(text, lambda part: occurrences(part, secrets))


def _telling(spans: Mapping[Place, Iterable[Span]]) -> dict[str, str]:
    """Of the secrets in texts those unlike anything else, so that they can be looked for in other texts."""
    telling: dict[str, str] = {}
    for place, found_there in spans.items():
        for start, end, kind in found_there:
            secret = place.text[start:end]
            if kind != SECRET:
                telling[secret] = min(kind, telling.get(secret, kind))
            elif is_mixed(secret):
                telling.setdefault(secret, kind)
    return telling


def _kind_of(secret: str) -> str:
    """The kind of a secret by its own form, for one that is known by value."""
    whole = [span.kind for span in found(secret) if (span.start, span.end) == (0, len(secret))]
    return min(whole, default=SECRET)


class Redactor:
    """Redacts for one dataset. The same input gives the same output, whatever was redacted before."""

    def __init__(self, *, salt: bytes, known: Iterable[str] = (), person: Person | None = None) -> None:
        """Prepares for one dataset on one machine.

        Args:
            salt: the dataset's own; the same secret has the same placeholder wherever it is the same.
            known: secrets to be replaced wherever they stand (`rollouts.redact.known`).
            person: whose home directory and name are to go from paths.

        Raises:
            ValueError: the salt is empty.
            RolloutsError: the engine is not installed.
        """
        if not salt:
            raise ValueError("a dataset's salt must not be empty")
        self._salt = salt
        self._faceless = Faceless(person or Person("", ""))
        self.engines = (engine.version(), RULES)
        self._known = {secret: _kind_of(secret) for secret in known if secret}

    def text(self, text: str) -> Redacted:
        """A text without its secrets."""
        return self.value(text)

    def value(self, value: Json) -> Redacted:
        """A JSON value without its secrets: in the same shape, what is no text as it was, pictures untouched.

        A secret that its surroundings give away in one place is replaced everywhere in the value.
        """
        places = list(texts(value))
        first = {place: list(_looked(place)) for place in dict.fromkeys(places)}
        secrets = self._known | _telling(first)
        ordered = {secret: secrets[secret] for secret in sorted(secrets, key=lambda one: (-len(one), one))}
        done = {place: self._one(place, spans, ordered) for place, spans in first.items()}
        counts: Counter[str] = Counter()
        for place in places:
            if done[place][1]:
                counts.update(done[place][1])
        return Redacted(mapped(value, lambda place: done[place][0]), Report(dict(counts), self.engines))

    def _one(self, place: Place, spans: list[Span], secrets: Mapping[str, str]) -> tuple[str, Counter[str]]:
        counts: Counter[str] = Counter()
        for _ in range(_ROUNDS):  # what stands beside a placeholder may look different from what stood beside a secret
            text = place.text
            spans = list(settled([*spans, *without_placeholders(text, _known_in(text, secrets))]))
            if not spans:
                break
            counts.update(span.kind for span in spans)
            place = place._replace(text=replaced(text, spans, self._salt))
            spans = list(_looked(place))
        text, moved = self._without_person(place.text)
        if moved:
            counts["home-directory"] += moved
        return text, counts

    def _without_person(self, text: str) -> tuple[str, int]:
        if is_payload(text):
            return text, 0
        parts: list[str] = []
        count = done = 0
        for start, end in stretches(text):
            part, more = self._faceless.text(text[start:end])
            parts += text[done:start], part
            count, done = count + more, end
        return "".join(parts), count
