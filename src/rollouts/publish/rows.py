"""Rows of a dataset: lines of JSON, compared by value, and made such that `datasets` can load them."""

from __future__ import annotations

import hashlib

import msgspec

from rollouts.contracts.strict_json import parse_foreign
from rollouts.errors import RolloutsError
from rollouts.record import Record

MAX_DEPTH = 512
"""Levels of nesting in a row. `datasets` reads JSON with ujson, which gives up at 1,024."""
_INTEGERS = range(-(1 << 63), 1 << 64)
"""What ujson reads; a number outside it makes a whole dataset unloadable."""
_SIGNATURE_DIGITS = 32


class UnfitRowError(RolloutsError):
    """A row that no dataset can hold."""


class Row(Record):
    """One session on its way to a dataset, and what the dataset's card counts of it."""

    line: bytes
    """A JSON object with exactly session_id, agent, exported_at, session and metadata; any JSON in the last two."""
    models: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    """Of the repository that the session worked in."""
    started: str | None = None
    """RFC 3339, UTC, as `2026-01-02T03:04:05.678Z`."""
    ended: str | None = None


class Checked(Record):
    """A row as it is written, and what it is compared by."""

    agent: str
    session_id: str
    signature: str
    """Of session_id, agent, session and metadata as values: the order of keys, spacing and exported_at are no part."""
    fields: bytes
    """The line without its opening brace, so that `{"batch_id":1,` can go before it."""


class _Envelope(msgspec.Struct, forbid_unknown_fields=True):
    session_id: str
    agent: str
    exported_at: str
    session: msgspec.Raw
    metadata: msgspec.Raw


class OlderRow(msgspec.Struct, forbid_unknown_fields=True):
    """A row in a dataset that has no manifest."""

    session_id: str
    agent: str
    session: msgspec.Raw
    metadata: msgspec.Raw = msgspec.Raw(b"null")
    exported_at: str | None = None
    batch_id: int | None = None


def signature(agent: str, session_id: str, session: object, metadata: object) -> str:
    """128 bits of the SHA-256 over canonical JSON of the four."""
    canonical = msgspec.json.encode([session_id, agent, session, metadata], order="sorted")
    return hashlib.sha256(canonical).hexdigest()[:_SIGNATURE_DIGITS]


def _is_loadable(value: object) -> bool:
    """Whether ujson reads all its numbers.

    Raises:
        UnfitRowError: it is nested too deeply.
    """
    level: list[object] = [value]
    for _ in range(MAX_DEPTH):
        below = [item for box in level for item in (box.values() if isinstance(box, dict) else _items(box))]
        if any(type(item) is int and item not in _INTEGERS for item in below):
            return False
        level = [item for item in below if isinstance(item, dict | list)]
        if not level:
            return True
    raise UnfitRowError(f"it is nested deeper than {MAX_DEPTH} levels")


def _items(box: object) -> list[object]:
    return box if isinstance(box, list) else [box] if isinstance(box, int) else []


def _text(text: str) -> str:
    """The same text with half characters (lone surrogates) replaced: no UTF-8 has them, and ujson drops or refuses."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def mended(value: object) -> object:
    """The nearest value that every reader takes: an integer that is too long for them becomes its digits."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return {_text(key): mended(item) for key, item in value.items()}
    if isinstance(value, list):
        return [mended(item) for item in value]
    if type(value) is int and value not in _INTEGERS:
        return str(value)
    return value


def _mended_line(line: bytes) -> bytes:
    """The line with everything in it that strict JSON or `datasets` refuses replaced.

    Raises:
        UnfitRowError: it is no JSON at all, or nested too deeply.
    """
    try:
        return msgspec.json.encode(mended(parse_foreign(line.decode(errors="replace"))))
    except RecursionError:
        raise UnfitRowError(f"it is nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        raise UnfitRowError(f"it is no JSON: {error}") from None


def _signed(line: bytes) -> tuple[_Envelope, str]:
    """A row and its signature.

    Raises:
        ValueError: it must be mended first.
        UnfitRowError: that would not help.
    """
    try:
        row = msgspec.json.decode(line, type=_Envelope)
        session, metadata = msgspec.json.decode(row.session), msgspec.json.decode(row.metadata)
    except RecursionError:
        raise UnfitRowError(f"it is nested deeper than {MAX_DEPTH} levels") from None
    if not _is_loadable([session, metadata]):
        raise ValueError("a number is too long")
    return row, signature(row.agent, row.session_id, session, metadata)


def _one_line(raw: msgspec.Raw) -> bytes:
    """White space of valid JSON is free to be spaces; `datasets` takes a carriage return for the end of a line."""
    return bytes(raw).replace(b"\r", b" ").replace(b"\n", b" ")


def checked(line: bytes) -> Checked:
    """A finished row, ready to be written: its session and metadata to the letter where every reader takes them.

    Raises:
        UnfitRowError: no dataset can hold it.
    """
    try:
        row, signed = _signed(line)
    except ValueError:
        try:
            row, signed = _signed(_mended_line(line))
        except ValueError as error:
            raise UnfitRowError(f"it is no row: {error}") from None
    names = msgspec.json.encode([row.session_id, row.agent, row.exported_at])
    session_id, agent, exported_at = map(bytes, msgspec.json.decode(names, type=list[msgspec.Raw]))
    fields = (
        b'"session_id":' + session_id,
        b'"agent":' + agent,
        b'"exported_at":' + exported_at,
        b'"session":' + _one_line(row.session),
        b'"metadata":' + _one_line(row.metadata),
    )
    return Checked(row.agent, row.session_id, signed, b",".join(fields) + b"}\n")
