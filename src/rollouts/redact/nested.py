"""JSON that stands in a text, as arguments of tool calls do: looked at decoded, replaced as it is escaped there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator

from rollouts.contracts.strict_json import Json
from rollouts.record import Record
from rollouts.redact.json_texts import Place, texts
from rollouts.redact.span import Span, occurrences

_LONGEST = 64 << 20


class Part(Record):
    """A stretch of a text."""

    start: int
    end: int
    value: Json = None
    """What it says as JSON: an object or an array; None when it is none."""


def _object(pairs: list[tuple[str, Json]]) -> Json:
    """An object; a list of them when a key stands there twice, so that nothing of it is lost."""
    whole = dict(pairs)
    return whole if len(whole) == len(pairs) else [{key: value} for key, value in pairs]


def _parsed(text: str) -> Json:
    if "\\" not in text or len(text) > _LONGEST or text.lstrip(" \t\r\n")[:1] not in {"{", "["}:
        return None  # without escapes it reads the same as it is, and tells more by what stands around a secret
    try:
        value: Json = json.loads(text, strict=False, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        return None
    return value


def _lines(text: str) -> Iterator[Part]:
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield Part(start, end, _parsed(text[start:end]))
        start = end


def parts(text: str) -> list[Part]:
    """A text, or its lines, as JSON with escapes and as what is none."""
    whole = _parsed(text)
    if whole is not None or "\n{" not in text:
        return [Part(0, len(text), whole)]
    found: list[Part] = []
    for line in _lines(text):
        if found and line.value is None and found[-1].value is None:
            found[-1] = Part(found[-1].start, line.end)
        else:
            found.append(line)
    return found


def _as_escaped(secret: str) -> set[str]:
    ways = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    return ways | {way.replace("/", "\\/") for way in ways}


def spans(text: str, value: Json, find: Callable[[Place], Iterable[Span]]) -> Iterator[Span]:
    """What `find` finds in the texts of a JSON value, where it stands in the JSON's own text."""
    secrets: dict[str, str] = {}
    for place in dict.fromkeys(texts(value)):
        for start, end, kind in find(place):
            secrets |= dict.fromkeys(_as_escaped(place.text[start:end]), kind)
    return occurrences(text, secrets)
