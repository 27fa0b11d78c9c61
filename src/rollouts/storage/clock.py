"""Moments as the catalog writes them: UTC in ISO 8601 to the microsecond, as `datetime.isoformat` does.

Importing `datetime` would cost hooks 1 ms.
"""

from __future__ import annotations

import time


def moment(nanoseconds: int) -> str:
    """The moment so many nanoseconds after 1970."""
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest // 1000:06d}+00:00"


def now() -> str:
    return moment(time.time_ns())
