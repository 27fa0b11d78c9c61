"""Moments as contracts read and write them: RFC 3339 text, and microseconds since 1970 to compare by."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@lru_cache(1 << 15)  # the same few moments of a session are asked for a dozen times
def instant(text: str | None) -> int | None:
    """Microseconds since 1970 of a moment with a time zone; None when the text is none."""
    if text is None or not _RFC3339.fullmatch(text):
        return None
    try:
        return (datetime.fromisoformat(text.upper()) - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        return None


def _at(microseconds: int) -> datetime:
    return _EPOCH + microseconds * _MICROSECOND


def rfc3339(microseconds: int) -> str:
    """The moment in UTC, milliseconds only where they are not zero: `2026-07-03T12:00:00.999Z`."""
    moment = _at(microseconds)
    milliseconds = moment.microsecond // 1000
    text = moment.isoformat()[:19]  # in a tenth of the time of `strftime`
    return f"{text}.{milliseconds:03d}Z" if milliseconds else f"{text}Z"


def to_the_second(microseconds: int) -> str:
    """The moment in UTC, cut to its second: `2026-07-03T12:00:00Z`."""
    return rfc3339(microseconds - microseconds % 1_000_000)


def day(microseconds: int) -> str:
    """The UTC calendar day of a moment: `2026-07-03`."""
    return _at(microseconds).date().isoformat()


def checked_day(text: str, option: str) -> str:
    """A calendar day as `YYYY-MM-DD`.

    Raises:
        ValueError: it is none.
    """
    if not _DAY.fullmatch(text) or instant(f"{text}T00:00:00Z") is None:
        raise ValueError(f"{option} {text!r} is no day; give one as YYYY-MM-DD, like 2026-07-03")
    return text


def checked_instant(text: str, option: str) -> int:
    """Microseconds since 1970 of a moment with a time zone, or of the beginning of a UTC day.

    Raises:
        ValueError: it is neither.
    """
    moment = instant(f"{text}T00:00:00Z" if _DAY.fullmatch(text) else text)
    if moment is None:
        raise ValueError(
            f"{option} {text!r} is no moment; give one with its time zone, like 2026-07-03T12:00:00Z, or a day"
        )
    return moment
