"""How rows become lines: columns as wide as their cells, or narrower where a terminal has no room for them.

Rich could do it in 0.3 ms a row, which for a long log is more than all of git's work; it lends how wide a character is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import zip_longest

_GAP = 2
_LEAST = 6
"""Columns that are left of any column."""


def _width(text: str) -> int:
    """How many columns a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - 7 ms, and few tables hold wide characters

    return cell_len(text)


def _level(widths: Sequence[int], room: int) -> int:
    """The width that none of some columns may be above, for all of them to have room."""
    level = min(max(widths, default=0), max(room, _LEAST))
    while level > _LEAST and sum(min(width, level) for width in widths) > room:
        level -= 1
    return level


def _fitted(widths: list[int], shrinking: Collection[int], width: int) -> list[int]:
    """The widths of columns in a terminal: the widest of those that may shrink give way first."""
    fixed = sum(own for number, own in enumerate(widths) if number not in shrinking)
    room = width - fixed - _GAP * (len(widths) - 1)
    level = _level([own for number, own in enumerate(widths) if number in shrinking], room)
    return [min(own, level) if number in shrinking else own for number, own in enumerate(widths)]


def _pieces(cell: str, width: int, *, cut: bool) -> list[str]:
    """A cell as lines of that width; when it is cut, as one that ends in an ellipsis."""
    if _width(cell) <= width:
        return [cell]
    from rich.cells import chop_cells, set_cell_size  # noqa: PLC0415 - only where there is no room

    return [set_cell_size(cell, width - 1) + "\N{HORIZONTAL ELLIPSIS}"] if cut else chop_cells(cell, width)


def _padded(cell: str, width: int, *, right: bool) -> str:
    width -= _width(cell) - len(cell)
    return cell.rjust(width) if right else cell.ljust(width)


def _joined(cells: Sequence[str], widths: Sequence[int], right: Collection[int]) -> str:
    """One line; a last cell that is not aligned to the right ends it."""
    padded = [_padded(cell, widths[number], right=number in right) for number, cell in enumerate(cells)]
    return (" " * _GAP).join(padded) if len(cells) - 1 in right else (" " * _GAP).join([*padded[:-1], cells[-1]])


def lines(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Collection[int],
    fold: Collection[int],
    cut: Collection[int],
    width: int | None,
) -> Iterator[str]:
    """The lines of a table.

    Args:
        headings: one for each column.
        rows: the cells; each is one line of text.
        right: numbers of the columns that are aligned to the right.
        fold: those that go on below when there is no room for them.
        cut: those that end in an ellipsis then.
        width: of the terminal; None when there is room for anything.
    """
    table = [headings, *rows]
    widths = [max(map(_width, column)) for column in zip(*table, strict=True)]
    if width is not None:
        widths = _fitted(widths, {*fold, *cut}, width)
    for row in table:
        if width is None:
            yield _joined(row, widths, right)
            continue
        cells = [_pieces(cell, widths[number], cut=number in cut) for number, cell in enumerate(row)]
        for pieces in zip_longest(*cells, fillvalue=""):
            yield _joined(pieces, widths, right)
