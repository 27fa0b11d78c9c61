"""The text of a settings file, or what is wrong with it, in words and with its place."""

from __future__ import annotations

from rollouts.agents import spans
from rollouts.agents.spans import JsonError, Value
from rollouts.errors import RolloutsError

BOM = "\ufeff"


def decoded(content: bytes, path: str) -> str:
    """A file as text.

    Raises:
        RolloutsError: it is not UTF-8.
    """
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start].decode()
        where = spans.place(before, len(before))
        raise RolloutsError(f"{path} cannot be read: {where}: this is not UTF-8; nothing was changed") from None


def scanned(text: str, path: str, reader: str) -> Value:
    """The one value of a settings file.

    Raises:
        RolloutsError: it is no JSON; the words say where, and that its reader does not take it either.
    """
    try:
        return spans.scan(text)
    except JsonError as error:
        where = spans.place(text, error.at)
        raise RolloutsError(
            f"{path} cannot be read: {where}: {error.what}; {reader} ignores the whole file because of that, "
            "so mend it and try again; nothing was changed"
        ) from None


def refusal(text: str, at: int, path: str, what: str) -> RolloutsError:
    """A file that is JSON and yet not what its reader takes."""
    return RolloutsError(f"{path}: {spans.place(text, at)}: {what}; nothing was changed")
