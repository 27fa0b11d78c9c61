"""The cursor that an export gives out, to go on from where it stopped: opaque, signed, and bound to what was there.

Specification of session summaries, 1.4: `base64url(payload) "." base64url(HMAC-SHA256)`. It carries the archive's id,
the filters, the watermark, the last row, and digests of what was eligible and of what was emitted; a change of those
rows resets the export, a change of what rows say does not.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

from rollouts.contracts.canonical import dumps
from rollouts.contracts.strict_json import Json, dump, parse
from rollouts.errors import RolloutsError
from rollouts.record import Record

ORDER = "last_activity_at desc, id asc"
MAX_LIMIT = 500
_MOST = 1 << 16
_FIELDS = ("database_id", "filters", "order", "watermark", "last", "limit", "snapshot", "prefix")


class CursorResetError(RolloutsError):
    """A cursor that no longer says where to go on; the export begins anew.

    Attributes:
        database_id: of the archive that is there now.
    """

    exit_code = 4

    def __init__(self, database_id: str) -> None:
        self.database_id = database_id
        super().__init__("session export cursor is no longer valid; restart the export")

    @property
    def line(self) -> str:
        """The one line of JSON for stderr."""
        return dump({"error": "cursor_reset", "message": str(self), "database_id": self.database_id})


class Key(Record):
    """Where a row stands in the order of an export."""

    instant: int
    """Microseconds since 1970 of its last activity."""
    text: str
    """The same as it is written."""
    id: str


class Print(Record):
    """A fingerprint of rows in their order."""

    rows: int
    digest: str
    """Hexadecimal SHA-256."""


class Cursor(Record):
    """Where an export stopped, and what it was of."""

    database_id: str
    filters: Json
    watermark: Key
    """The first row of all: later activity is not this export's."""
    last: Key
    limit: int
    snapshot: Print
    """Of all rows up to the watermark."""
    prefix: Print
    """Of those that were emitted."""


def fingerprint(keys: Sequence[Key]) -> Print:
    """A SHA-256 over rows as JSON in ASCII: an array of `[instant, "text", "id"]`."""
    return Print(len(keys), hashlib.sha256(json.dumps(keys).encode()).hexdigest())


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _signed(payload: bytes, secret: bytes) -> bytes:
    return hmac.new(secret, payload, hashlib.sha256).digest()


def encode(cursor: Cursor, secret: bytes) -> str:
    """The text of a cursor, signed with the archive's own secret."""
    values: tuple[Json, ...] = (
        cursor.database_id,
        cursor.filters,
        ORDER,
        [*cursor.watermark],
        [*cursor.last],
        cursor.limit,
        [*cursor.snapshot],
        [*cursor.prefix],
    )
    payload = dumps(dict(zip(_FIELDS, values, strict=True)))
    return f"{_encoded(payload)}.{_encoded(_signed(payload, secret))}"


def _decoded(text: str) -> bytes:
    """The bytes of base64url without padding; what is written in another way is refused."""
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _encoded(data) != text:
        raise ValueError("not the text that was given out")
    return data


def _payload(text: str, secret: bytes) -> Json:
    if len(text) > _MOST:
        raise ValueError("too long")
    payload, _, signature = text.partition(".")
    data = _decoded(payload)
    if not hmac.compare_digest(_decoded(signature), _signed(data, secret)):
        raise ValueError("not signed by this archive")
    return parse(data.decode())


def _read(payload: Json) -> Cursor:
    """What a signed payload says: this program wrote it, though perhaps another release."""
    if not isinstance(payload, dict) or tuple(payload) != tuple(sorted(_FIELDS)) or payload["order"] != ORDER:
        raise ValueError("of another release")
    key = {name: Key._make(value) for name in ("watermark", "last") if isinstance(value := payload[name], list)}
    seen = {name: Print._make(value) for name in ("snapshot", "prefix") if isinstance(value := payload[name], list)}
    database_id, limit = payload["database_id"], payload["limit"]
    if not isinstance(database_id, str) or not isinstance(limit, int):
        raise ValueError("of another release")
    return Cursor(
        database_id, payload["filters"], key["watermark"], key["last"], limit, seen["snapshot"], seen["prefix"]
    )


def decode(text: str, *, secret: bytes | None, database_id: str) -> Cursor:
    """What a cursor's text says.

    Args:
        text: as the user gave it.
        secret: the archive's; None when it has none (any more).
        database_id: the archive's.

    Raises:
        CursorResetError: this archive, as it is, did not give it out.
    """
    try:
        found = _read(_payload(text, secret or b"")) if secret else None
    except (ValueError, TypeError, KeyError, binascii.Error):
        found = None
    if found is None or found.database_id != database_id:
        raise CursorResetError(database_id)
    return found


class Page(Record):
    """The rows of one page, by their keys."""

    keys: Sequence[Key]
    next: Cursor | None
    """Null where nothing follows."""


def _follows(key: Key, last: Key) -> bool:
    return (-key.instant, key.id) > (-last.instant, last.id)


def page(
    keys: Sequence[Key], *, limit: int | None, database_id: str, filters: Json, after: Cursor | None = None
) -> Page:
    """One page of what is eligible now.

    Args:
        keys: all of it, in the order of the export.
        limit: rows of a page, 1 to MAX_LIMIT; None for all that follows.
        database_id: of the archive.
        filters: what the next cursor is to carry.
        after: where to go on; None for the first page.

    Raises:
        CursorResetError: what was eligible or emitted then is not what is there now.
    """
    within = keys if after is None else [key for key in keys if key.instant <= after.watermark.instant]
    start = 0 if after is None else sum(not _follows(key, after.last) for key in within)
    snapshot = fingerprint(within) if after is not None or (limit is not None and len(within) > limit) else None
    if after is not None and (snapshot != after.snapshot or fingerprint(within[:start]) != after.prefix):
        raise CursorResetError(database_id)
    end = len(within) if limit is None else start + limit
    if snapshot is None or end >= len(within):
        return Page(within[start:end], None)
    watermark = within[0] if after is None else after.watermark
    shown = Cursor(database_id, filters, watermark, within[end - 1], limit or 0, snapshot, fingerprint(within[:end]))
    return Page(within[start:end], shown)
