"""Amounts as people read them: with separators, in dollars, and as bars on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rollouts.commands import output

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_WIDTH = 20
_LEAST = 80
"""Columns of a terminal below which there is no room for bars."""


def count(number: int) -> str:
    """A number with its thousands apart."""
    return f"{number:,}"


def money(microusd: int) -> str:
    """A cost in dollars, to the cent; one below that is not nothing."""
    return "<$0.01" if 0 < microusd < 5000 else f"${microusd / 1e6:,.2f}"


def minutes(amount: float) -> str:
    """A length of time as hours and minutes."""
    hours, rest = divmod(round(amount), 60)
    return f"{hours}h {rest:02d}m" if hours else f"{amount:.1f}m"


def _bar(share: float, *, fine: bool) -> str:
    if not fine:
        return "#" * max(round(share * _WIDTH), share > 0)
    eighths = max(round(share * _WIDTH * 8), share > 0)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def bars(amounts: Sequence[float]) -> list[str] | None:
    """A bar for each of some amounts, the largest the longest; None where none can be shown: in a pipe, say."""
    columns = output.columns()
    if columns is None or columns < _LEAST:
        return None
    most = max(amounts, default=0)
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return [_bar(amount / most if most > 0 else 0.0, fine=encoding == "utf8") for amount in amounts]
