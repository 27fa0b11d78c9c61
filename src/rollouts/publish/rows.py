"""Rows of a dataset: lines of JSON, compared by value, and made such that `datasets` can load them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

import msgspec

from rollouts.contracts.strict_json import parse_foreign
from rollouts.errors import RolloutsError
from rollouts.record import Record

MAX_DEPTH = 512
"""Levels of nesting in a row. `datasets` reads JSON with ujson, which gives up at 1,024."""
_INTEGERS = range(-(1 << 63), 1 << 64)
"""What ujson reads; a number outside it makes a whole dataset unloadable."""
_SIGNATURE_DIGITS = 32
SHAPE = re.compile(r"(?!default$|train$)[a-z][a-z0-9]{0,31}")
_FILE = re.compile(r"[a-z][a-z0-9]{0,31}(/[\w-][\w.~-]{0,199}){1,4}", re.ASCII)


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
    replaced: Mapping[str, int] = {}
    """What redaction took out of it: kind of secret -> number of places."""
    shapes: Mapping[str, tuple[bytes, ...]] = {}
    """The session in other shapes: name (`sft`) -> JSON objects, rows of the configuration of that name."""
    files: Mapping[str, bytes] = {}
    """Files that go with it, by their path in a folder of the dataset; a newer one takes the place of an older one."""


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


def checked_shape(name: str, line: bytes) -> bytes:
    """A row of another shape as it is written, without its opening brace, like `Checked.fields`.

    Raises:
        UnfitRowError: it is no JSON object with anything in it, is nested too deeply, or the shape has no fit name.
    """
    if not SHAPE.fullmatch(name):
        raise UnfitRowError(f"{name!r} is no name for a shape")
    try:
        value = msgspec.json.decode(line)
        fit = _is_loadable([value])
    except RecursionError:
        raise UnfitRowError(f"its {name} is nested deeper than {MAX_DEPTH} levels") from None
    except ValueError:
        value, fit = None, False
    if not fit:
        line = _mended_line(line)
        value = msgspec.json.decode(line)
    if not isinstance(value, dict) or not value or "batch_id" in value:
        raise UnfitRowError(f"its {name} is no row")
    return _one_line(msgspec.Raw(line.strip()))[1:] + b"\n"


def checked_file(path: str) -> str:
    """The path of a file in a dataset.

    Raises:
        UnfitRowError: it lies in no folder of its own, or its name is none that every system can have.
    """
    if not _FILE.fullmatch(path):
        raise UnfitRowError(f"{path!r} is no path for a file of a dataset")
    return path


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
