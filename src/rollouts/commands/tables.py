"""How rows become lines: columns as wide as their cells, or narrower where a terminal has no room for them.

Rich could do it in 0.3 ms a row, which for a long log is more than all of git's work; it lends how wide a character is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import zip_longest

from rich.cells import cell_len, chop_cells, set_cell_size

_GAP = 2
_LEAST = 6
"""Columns that are left of any column."""


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
    if cell_len(cell) <= width:
        return [cell]
    return [set_cell_size(cell, width - 1) + "\N{HORIZONTAL ELLIPSIS}"] if cut else chop_cells(cell, width)


def _padded(cell: str, width: int, *, right: bool) -> str:
    blank = " " * (width - cell_len(cell))
    return blank + cell if right else cell + blank


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
    widths = [max(map(cell_len, column)) for column in zip(*table, strict=True)]
    if width is not None:
        widths = _fitted(widths, {*fold, *cut}, width)
    last = len(widths) - 1
    for row in table:
        cells = [_pieces(cell, widths[number], cut=number in cut) for number, cell in enumerate(row)]
        for pieces in zip_longest(*cells, fillvalue=""):
            padded = (
                piece
                if number == last and number not in right
                else _padded(piece, widths[number], right=number in right)
                for number, piece in enumerate(pieces)
            )
            yield (" " * _GAP).join(padded)
