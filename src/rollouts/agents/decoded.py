"""A record as one JSON value, and made anew from one with other texts: redaction works on decoded texts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable

from rollouts.agents.raw import Chunks, Document, Lines, Object, Record, lines, parsed

_UNREADABLE = b"?"
"""In place of a line that is no JSON: it is none either, so it is counted as the first one was."""


def _objects(chunks: Chunks) -> list[Object | None]:
    return [found for _, found in lines(chunks())]


def _documents(chunks: Chunks) -> list[Object | None]:
    return [parsed(b"".join(chunks()))]


def decoded(record: Record) -> Object:
    """All that a record holds, in lists of objects; None is a line that is no JSON.

    Raises:
        OSError: a file cannot be read.
    """
    if isinstance(record, Lines):
        return {
            "main": _objects(record.main),
            "subagents": {name: _objects(chunks) for name, chunks in record.subagents.items()},
            "asides": {name: _documents(chunks) for name, chunks in record.asides.items()},
        }
    subagents = {name: _documents(chunks) for name, chunks in record.subagents.items()}
    return {"main": [record.value], "subagents": subagents}


def _encoded(found: object) -> bytes:
    return _UNREADABLE if found is None else json.dumps(found).encode()


def _chunks(found: Iterable[object]) -> Chunks:
    return lambda: (_encoded(one) + b"\n" for one in found)


def encoded(record: Record, value: Object) -> Record:
    """A record like another one, with what a value of the form of `decoded` holds."""
    subagents = {name: _chunks(found) for name, found in value["subagents"].items()}
    if isinstance(record, Document):
        main = value["main"][0]
        return dataclasses.replace(record, text=_encoded(main), value=main, subagents=subagents)
    asides = {name: _chunks(found) for name, found in value["asides"].items()}
    return dataclasses.replace(record, main=_chunks(value["main"]), subagents=subagents, asides=asides)
