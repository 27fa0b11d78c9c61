"""The one selection that the options of a command add up to."""

from __future__ import annotations

import os

from rollouts.errors import RolloutsError, UsageError
from rollouts.models import Selection


def _checked(selection: Selection) -> Selection:
    """The selection, when its ids are text.

    Raises:
        UsageError: every snapshot id begins with nothing.
        RolloutsError: one is not UTF-8, which no id of a snapshot is.
    """
    if selection.snapshot_id == "":
        raise UsageError("--snapshot needs a name: at least the beginning of an id")
    for text in (selection.session_id, selection.message_id, selection.snapshot_id):
        if text is not None and os.fsencode(text).decode(errors="replace") != text:
            raise RolloutsError(f"the id {text!r} is not UTF-8 text; `rollouts list` shows those that are there")
    return selection


def session_id(text: str | None) -> str | None:
    """The session that an option names, when it is text.

    Raises:
        RolloutsError: it is not UTF-8.
    """
    return _checked(Selection(session_id=text)).session_id


def named(name: str) -> Selection:
    """The selection of the one snapshot with that name.

    Raises:
        UsageError: it is empty.
        RolloutsError: it is not UTF-8.
    """
    return _checked(Selection(snapshot_id=name))


def one_snapshot(path: str, session: str | None, message: str | None, snapshot: str | None) -> Selection:
    """The selection of exactly one snapshot.

    Raises:
        UsageError: the options name none, or two ways of naming one are mixed.
    """
    if snapshot is not None and (session is not None or message is not None):
        raise UsageError("--snapshot cannot be combined with --session or --message")
    if snapshot is None and (session is None or message is None):
        raise UsageError("name a snapshot: --snapshot NAME, or --session ID and --message ID (or latest)")
    return _checked(Selection(path, session, message, snapshot))


def several(
    path: str, session: str | None, message: str | None, snapshot: str | None, *, everything: bool
) -> Selection:
    """The selection of any number of snapshots.

    Raises:
        UsageError: options that exclude each other.
    """
    if message is not None and session is None:
        raise UsageError("--message requires --session")
    if everything and (session is not None or message is not None or snapshot is not None):
        raise UsageError("--all cannot be combined with --session or --message, nor with --snapshot")
    if snapshot is not None and session is not None:
        raise UsageError("--snapshot cannot be combined with --session or --message")
    return _checked(Selection(path, session, message, snapshot, everything))
