"""A change of one file: planned from what is there, made with a receipt, taken back by it."""

from __future__ import annotations

from collections.abc import Mapping

from rollouts.agents import configuration
from rollouts.agents.agent import Installer
from rollouts.agents.receipts import Receipt, Receipts, receipt
from rollouts.record import Record


class Change(Record):
    """What becomes of a file; None stands for no file."""

    path: str
    before: bytes | None
    after: bytes | None
    receipt: Receipt | None = None
    """How it is taken back; None for a change that takes one back."""
    folders: tuple[str, ...] = ()
    """Folders that go with the file, when they are empty."""


class Result(Record):
    """What became of an agent's hooks."""

    agent: str
    file: str
    action: str
    notes: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    error: str | None = None


def planned(
    receipts: Receipts, path: str, current: bytes | None, after: bytes, trusted: Mapping[str, str] | None = None
) -> Change:
    """A change that can be taken back; two in a row are taken back as one.

    Args:
        receipts: those that are kept.
        path: the file.
        current: what it holds.
        after: what it shall hold.
        trusted: hooks that the change makes trusted.
    """
    trusted = trusted or {}
    old = receipts.matching(path, current)
    if old and current is not None and old.trusted.keys() <= trusted.keys():
        return Change(path, current, after, receipt(old.undone(current), after, folders=old.folders, trusted=trusted))
    folders = configuration.missing_folders(path) if current is None else ()
    return Change(path, current, after, receipt(current, after, folders=folders, trusted=trusted))


def undone(receipts: Receipts, path: str, current: bytes, after: bytes | None) -> Change:
    """A change that takes our part out of a file."""
    folders = next((known.folders for known in receipts.of(path) if known.folders), [])
    return Change(path, current, after, folders=() if after is not None else tuple(folders))


def given_back(page: Installer, receipts: Receipts, path: str, current: bytes) -> Change | None:
    """The change that makes a file byte for byte what it was, if nobody else changed it since."""
    old = receipts.matching(path, current)
    if old is None:
        return None
    was = old.undone(current)
    return None if was is not None and page.found(was, path) else undone(receipts, path, current, was)


def make(receipts: Receipts, change: Change) -> None:
    """Makes a change.

    Raises:
        RolloutsError: the file cannot be written, or somebody else changed it meanwhile.
    """
    if change.after == change.before:
        return
    if change.receipt:
        receipts.keep(change.path, change.receipt)
    if change.after is None and change.before is not None:
        configuration.delete(change.path, change.before)
        configuration.remove_folders(change.folders)
    elif change.after is not None:
        configuration.write(change.path, change.before, change.after)
