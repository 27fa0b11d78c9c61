"""What doctor reports."""

from __future__ import annotations

from rollouts.record import Record


class Finding(Record):
    """Something that is not as it should be."""

    problem: str
    advice: str
    snapshots: list[str]
    """The ids of the snapshots that cannot be restored because of it."""
    mended: bool


def mended(problem: str, *, repair: bool, snapshots: list[str] | None = None) -> Finding:
    return Finding(problem, "`rollouts doctor --repair` mends it", snapshots or [], repair)
