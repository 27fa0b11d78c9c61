"""How results look: tables, JSON documents, notes and questions. User text is made harmless here and only here."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence

from rollouts.commands.capture import shown
from rollouts.contracts.commit import named
from rollouts.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:  # as `typing` has it, whose import would cost 6 ms
    from rollouts.storage.comparing import Look

_ROOMY = 120
"""Columns from which on a terminal is not narrow."""
_SHORT = 8
_CONTROL = {code: chr(code).encode("unicode_escape").decode() for code in (*range(32), *range(127, 160))}
"""A row of a table is one line."""


def columns() -> int | None:
    """The width of the terminal that stdout is; None when it is none, and nothing is cut or folded."""
    if not sys.stdout.isatty():
        return None
    import shutil  # noqa: PLC0415 - 9 ms, and only for a terminal

    return shutil.get_terminal_size().columns


def is_narrow() -> bool:
    """True for a terminal that has no room for a table with whole ids."""
    return (columns() or _ROOMY) < _ROOMY


def short(snapshot_id: str) -> str:
    """A snapshot's id; in a narrow terminal as much of it as tells it from the others in all likelihood."""
    return snapshot_id[:_SHORT] if is_narrow() else snapshot_id


def look(form: str, *, paged: bool) -> Look:
    """How git shall show a difference: coloured, and through a pager if it may be, on a terminal only."""
    from rollouts.storage.comparing import Look  # noqa: PLC0415 - restore prints without it

    sys.stdout.flush()  # what git prints comes after what is printed already
    terminal = sys.stdout.isatty()
    return Look(form, columns(), terminal and not os.environ.get("NO_COLOR"), terminal and paged)


def table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Sequence[int] = (),
    fold: Sequence[int] = (),
    cut: Sequence[int] = (),
) -> None:
    """Prints rows under headings; a terminal's width is kept to, else every cell is whole and on one line.

    Args:
        headings: one for each column.
        rows: the cells, as plain text.
        right: numbers of the columns that are aligned to the right.
        fold: the columns that go on below in a terminal that is too narrow.
        cut: the columns that end in an ellipsis there.
    """
    from rollouts.commands import tables  # noqa: PLC0415 - 10 ms, and most commands print no table

    cells = [[cell if cell.isprintable() else shown(cell).translate(_CONTROL) for cell in row] for row in rows]
    width = columns()
    for text in tables.lines(headings, cells, right=right, fold=fold, cut=cut, width=width):
        sys.stdout.write(text + "\n")


def line(text: str) -> None:
    """Prints one line of data."""
    sys.stdout.write(text + "\n")


def document(fields: dict[str, object], *, snapshots: Iterable[str] | None = None) -> None:
    """Prints the one JSON document of a command that was asked for JSON.

    Args:
        fields: what it holds.
        snapshots: JSON texts for one more field of that name, as they are: no number in them is rounded.
    """
    import json  # noqa: PLC0415 - 8 ms, and tables are printed without it

    text = json.dumps({"schema_version": 1} | fields, ensure_ascii=False, indent=2)
    if snapshots is not None:
        rows = ",\n".join(f"    {snapshot}" for snapshot in snapshots)
        text = f'{text[:-2]},\n  "snapshots": [\n{rows}\n  ]\n}}'
    sys.stdout.write(text + "\n")


def say(text: str) -> None:
    """Says something on stderr: progress, a warning."""
    sys.stderr.write(text + "\n")


def warn(notes: Iterable[str]) -> None:
    for note in notes:
        say(f"Warning: {note}")


def confirm(question: str, *, yes: bool, warning: str = "This cannot be undone.") -> bool:
    """Asks on stderr and reads the answer from stdin, unless `yes` was given.

    Raises:
        UsageError: stdin ended without an answer.
    """
    if yes:
        return True
    sys.stderr.write(f"{question} {warning} [y/N]: ")
    sys.stderr.flush()
    answer = sys.stdin.readline() if sys.stdin else ""
    if not answer:
        sys.stderr.write("\n")
        raise UsageError("no answer on stdin; pass --yes to go on without being asked")
    return answer.strip().lower() in {"y", "yes"}


def size(count: int | None) -> str:
    """Bytes in the unit that suits them; a dash when nobody knows how many."""
    if count is None:
        return "-"
    amount = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def minute(moment: str) -> str:
    """A moment of the catalog, to the minute."""
    return moment[:16].replace("T", " ")


def path_fields(path: str, key: str = "path") -> dict[str, str]:
    """A path as JSON fields: `key`, or `key_b64` when it is not UTF-8."""
    return named(os.fsencode(path), key)
