"""Which range of time a user means, and how it is cut into buckets: the activity report's calendar."""

from __future__ import annotations

from datetime import date, timedelta

from rollouts.contracts.activity import MINUTE, SECOND, Range
from rollouts.contracts.calendar import Days
from rollouts.contracts.instants import checked_day, instant
from rollouts.errors import RolloutsError
from rollouts.record import Record

DAY, WEEK, MONTH, CUSTOM = "day", "week", "month", "custom"
PRESETS = (DAY, WEEK, MONTH, CUSTOM)
_HOUR = 60 * MINUTE
_MOST_BUCKETS = 2000
_YEAR = 366 * 24 * _HOUR
_SIZES = {"5m": ("minute", 300), "15m": ("minute", 900), "1h": ("hour", 3600), "1d": ("day", 86_400)}
_SIZES |= {"1w": ("week", 604_800)}
_AUTOMATIC = ((36 * _HOUR, "5m"), (14 * 24 * _HOUR, "1h"), (90 * 24 * _HOUR, "1d"))
"""The longest range that has buckets of a size; a longer one has weeks."""


class Asked(Record):
    """A range as it was typed."""

    preset: str | None = None
    date: str | None = None
    start: str | None = None
    end: str | None = None
    bucket: str | None = None


def _moment(text: str | None, option: str) -> int:
    found = instant(text)
    if found is None:
        raise RolloutsError(f"{option} is no moment with its time zone; give one like 2026-07-03T12:00:00Z")
    return found


def _custom(asked: Asked) -> tuple[int, int]:
    if asked.date is not None:
        raise RolloutsError("--date goes with --preset day, week or month")
    start, end = _moment(asked.start, "--from"), _moment(asked.end, "--to")
    if end <= start:
        raise RolloutsError("the range is empty: --to is not after --from")
    if end - start > _YEAR:
        raise RolloutsError("the range is longer than a year")
    return start, end


def _preset_days(preset: str, day: date) -> tuple[date, date]:
    """The first day of a preset's range, and the first one after it."""
    if preset == DAY:
        return day, day + timedelta(days=1)
    if preset == WEEK:
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=7)
    first = day.replace(day=1)
    return first, (first + timedelta(days=31)).replace(day=1)


def _bounds_of(asked: Asked, days: Days, now: int) -> tuple[int, int]:
    """The range's two ends."""
    is_custom = asked.start is not None or asked.end is not None
    preset = asked.preset or (CUSTOM if is_custom else DAY)
    if preset not in PRESETS:
        raise RolloutsError(f"--preset {preset!r} is not known; it is one of: {', '.join(PRESETS)}")
    if preset == CUSTOM:
        return _custom(asked)
    if is_custom:
        raise RolloutsError("--from and --to go with --preset custom")
    try:
        day = days.at(now).date() if asked.date is None else date.fromisoformat(checked_day(asked.date, "--date"))
        first, after = _preset_days(preset, day)
        return days.beginning(first), days.beginning(after)
    except (ValueError, OverflowError) as error:
        raise RolloutsError(str(error)) from None


def _cuts(start: int, end: int, *, unit: str, seconds: int, days: Days) -> list[int]:
    """Where buckets begin: at steps from the range's beginning, or at days and Mondays of the calendar."""
    if unit in {"minute", "hour"}:
        return [*range(start, end, seconds * SECOND)]
    day = days.at(start).date()
    step = timedelta(days=7 if unit == WEEK else 1)
    day -= timedelta(days=day.weekday() if unit == WEEK else 0)
    found = [start]
    while (at := days.beginning(day := day + step)) < end:
        found.append(at)
    return found


def checked_range(asked: Asked, *, days: Days, timezone: str, now: int) -> Range:
    """The range that is meant, cut into buckets.

    Args:
        asked: as it was typed; today where nothing was.
        days: the calendar, of the time zone.
        timezone: the zone's name.
        now: the moment.

    Raises:
        RolloutsError: a value means nothing, or makes too many buckets.
    """
    start, end = _bounds_of(asked, days, now)
    size = asked.bucket or next((size for most, size in _AUTOMATIC if end - start <= most), "1w")
    if size not in _SIZES:
        raise RolloutsError(f"--bucket {size!r} is not known; it is one of: {', '.join(_SIZES)}")
    unit, seconds = _SIZES[size]
    if (end - start) // (seconds * SECOND) > _MOST_BUCKETS:
        raise RolloutsError(f"that makes more than {_MOST_BUCKETS} buckets; take larger ones, or a shorter range")
    bounds = [*_cuts(start, end, unit=unit, seconds=seconds, days=days), end]
    return Range(start, end, now, bounds, unit, seconds, timezone)
