"""What a measurement says, and how it is printed."""

from collections.abc import Sequence
from dataclasses import dataclass

from measure import Cost


@dataclass(frozen=True)
class Compared:
    """Two programs on the same work; `ratio` is the median of the rounds' ratios, not the ratio of the medians."""

    case: str
    files: int
    beside: str
    ours: Cost
    theirs: Cost
    ratio: Cost
    target: float | None
    wall_counts: bool = False

    @property
    def ok(self) -> bool | None:
        if self.target is None:
            return None
        return max(self.ratio.cpu, self.ratio.wall if self.wall_counts else 0) <= self.target


@dataclass(frozen=True)
class Amount:
    case: str
    files: int
    value: float
    unit: str
    target: float | None

    @property
    def ok(self) -> bool | None:
        return None if self.target is None else self.value <= self.target


Row = Compared | Amount


def render(rows: Sequence[Row]) -> str:
    compared = [row for row in rows if isinstance(row, Compared)]
    amounts = [row for row in rows if isinstance(row, Amount)]
    names = dict.fromkeys(row.beside for row in compared)
    tables = [_compared([row for row in compared if row.beside == name], name) for name in names]
    return "\n\n".join((*tables, _amounts(amounts)))


def _compared(rows: list[Compared], name: str) -> str:
    heads = ("case", "files", "our CPU ms", f"{name} CPU ms", "ratio", "target", "", "our wall ms", f"{name} wall ms")
    cells = [
        (
            row.case,
            f"{row.files}",
            f"{row.ours.cpu:.1f}",
            f"{row.theirs.cpu:.1f}",
            f"{row.ratio.cpu:.3f}",
            _target(row.target, "" if not row.wall_counts else f" (wall {row.ratio.wall:.2f})"),
            _verdict(row),
            f"{row.ours.wall:.1f}",
            f"{row.theirs.wall:.1f}",
        )
        for row in rows
    ]
    return _table(heads, cells)


def _amounts(rows: list[Amount]) -> str:
    heads = ("amount", "files", "value", "target", "")
    cells = [
        (row.case, f"{row.files}", f"{row.value:.1f} {row.unit}", _target(row.target, f" {row.unit}"), _verdict(row))
        for row in rows
    ]
    return _table(heads, cells)


def _target(target: float | None, unit: str) -> str:
    return "-" if target is None else f"{target:g}{unit}"


def _verdict(row: Row) -> str:
    return {True: "ok", False: "OVER", None: ""}[row.ok]


def _table(heads: tuple[str, ...], cells: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]

    def line(row: tuple[str, ...]) -> str:
        first, *rest = (
            cell.ljust(width) if not at else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return "  ".join((first, *rest)).rstrip()

    return "\n".join(map(line, (heads, tuple("-" * width for width in widths), *cells)))
