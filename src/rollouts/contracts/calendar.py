"""Calendar days in a time zone: which one a moment is on, and the ranges that users name."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rollouts.contracts.instants import checked_day, instant
from rollouts.errors import RolloutsError

_SPAN = re.compile(r"(\d{1,5})([dh])")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
USUAL_DAYS = 30


def zone(name: str) -> tzinfo:
    """A time zone by its IANA name.

    Raises:
        RolloutsError: there is none of that name.
    """
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise RolloutsError(f"--timezone {name!r} is not known; give an IANA name, like Europe/Berlin") from None


class Days:
    """Moments as local calendar days.

    Args:
        zone: where.
    """

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._known: dict[str, str] = {}

    @property
    def are_utc(self) -> bool:
        return self._zone is UTC

    def __getitem__(self, moment: str) -> str:
        """The day of a moment (RFC 3339), `YYYY-MM-DD`; "" for what is none."""
        if self._zone is UTC and moment.endswith("Z"):
            return moment[:10]
        near = f"{moment[:15]}{'5' if moment[15:16] >= '5' else '0'}{moment[-1:]}"  # days begin at full five minutes
        known = self._known.get(near)
        if known is None:
            at = instant(moment)
            known = "" if at is None else self.at(at).date().isoformat()
            self._known[near] = known
        return known

    def at(self, microseconds: int) -> datetime:
        """A moment in microseconds since 1970, as it is here."""
        return (_EPOCH + timedelta(microseconds=microseconds)).astimezone(self._zone)

    def beginning(self, day: date) -> int:
        """When a day begins, in microseconds since 1970."""
        return (datetime(day.year, day.month, day.day, tzinfo=self._zone) - _EPOCH) // timedelta(microseconds=1)


def _day(text: str, option: str, now: datetime) -> str:
    """A day that was named, or that was so many days or hours ago."""
    span = _SPAN.fullmatch(text)
    if span:
        hours = int(span[1]) * (24 if span[2] == "d" else 1)
        return (now - timedelta(hours=hours)).date().isoformat()
    try:
        return checked_day(text, option)
    except ValueError as error:
        raise RolloutsError(f"{error}; or so many days or hours ago: 28d, 12h") from None


def checked_range(
    since: str | None, until: str | None, *, everything: bool, now: datetime
) -> tuple[str | None, str | None]:
    """The first and the last day that are asked for; None for no bound.

    Args:
        since: a day, or so many days or hours ago; with neither of the two the last 30 days are meant.
        until: the same.
        everything: all days there are.
        now: the moment, in the time zone of the days.

    Raises:
        RolloutsError: a value means nothing, or the range is empty.
    """
    if everything and (since is not None or until is not None):
        raise RolloutsError("--all cannot be combined with --since or --until")
    if everything:
        return None, None
    usual = None if until is not None else f"{USUAL_DAYS}d"
    first = None if (text := since or usual) is None else _day(text, "--since", now)
    last = None if until is None else _day(until, "--until", now)
    if first and last and first > last:
        raise RolloutsError(f"the range of days is empty: {first} is after {last}")
    return first, last
