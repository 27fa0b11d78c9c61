"""What was replaced, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from rollouts.contracts.strict_json import Json
from rollouts.record import Record

SCHEMA_VERSION = 1


class Report(Record):
    """Counts of what was replaced, and what looked for it."""

    counts: Mapping[str, int] = {}
    """By kind, one for each place; `home-directory` for paths that said whose machine it was."""
    engines: tuple[str, ...] = ()
    """Name and version of each, in order."""

    def __add__(self, other: object) -> Report:
        """Both in one."""
        if not isinstance(other, Report):
            return NotImplemented
        return Report(
            dict(Counter(self.counts) + Counter(other.counts)), tuple(sorted({*self.engines, *other.engines}))
        )

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def document(self) -> dict[str, Json]:
        """As JSON, the same for the same counts."""
        counts: dict[str, Json] = {kind: self.counts[kind] for kind in sorted(self.counts)}
        return {"schema_version": SCHEMA_VERSION, "engines": list(self.engines), "counts": counts, "total": self.total}


def report_of(document: Mapping[str, Json]) -> Report:
    """The report that a document of `document()` holds.

    Raises:
        ValueError: it holds none.
    """
    counts, engines = document.get("counts"), document.get("engines")
    if not isinstance(counts, dict) or not isinstance(engines, list):
        raise ValueError("this is no redaction report")
    numbers = {kind: count for kind, count in counts.items() if isinstance(count, int) and not isinstance(count, bool)}
    return Report(numbers, tuple(str(engine) for engine in engines))
