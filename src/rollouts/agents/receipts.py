"""What setup changed in files that are not ours, so that it can give back each byte.

A receipt says how a file looks since, as a hash, and the one stretch that is to be put back; a copy of the file is not
kept, for settings may hold secrets. While the file still looks so, it can be given back; after that only its own page
can tell what in it is ours. Receipts lie in the home, each file's in one of its own.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from rollouts.paths import Home

_VERSION = 1
_KEPT = 8
"""Receipts of one file: that of the last change, and of those before it in case the last one was never made."""


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Receipt:
    """One change of a file."""

    after: str
    """SHA-256 of the file since."""
    before: str | None
    """SHA-256 of what it was; None when there was no file."""
    at: int = 0
    """Where the stretch begins."""
    length: int = 0
    """Bytes of the stretch as it is since."""
    was: str = ""
    """The stretch as it was, in base64."""
    folders: list[str] = field(default_factory=list)
    """The folders that were made for the file, the outermost first."""
    trusted: dict[str, str] = field(default_factory=dict)
    """Hooks that the change made trusted: key -> hash."""

    def undone(self, content: bytes) -> bytes | None:
        """The file as it was.

        Raises:
            ValueError: the receipt is not of this content, or is damaged.
        """
        if self.before is None and _hash(content) == self.after:
            return None
        was = content[: self.at] + base64.b64decode(self.was) + content[self.at + self.length :]
        if _hash(content) != self.after or _hash(was) != self.before:
            raise ValueError("a receipt of another content")
        return was


def _shared(one: bytes, other: bytes) -> int:
    """With how many bytes both begin."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def receipt(
    before: bytes | None, after: bytes, *, folders: Sequence[str] = (), trusted: Mapping[str, str] | None = None
) -> Receipt:
    """The receipt of a change."""
    besides = (list(folders), dict(trusted or {}))
    if before is None:
        return Receipt(_hash(after), None, 0, 0, "", *besides)
    head = _shared(before, after)
    tail = _shared(before[head:][::-1], after[head:][::-1])
    was = base64.b64encode(before[head : len(before) - tail]).decode()
    return Receipt(_hash(after), _hash(before), head, len(after) - tail - head, was, *besides)


class Receipts:
    """The receipts of a home."""

    def __init__(self, home: Home) -> None:
        self._folder = home.setup

    def _file(self, path: str) -> str:
        return f"{self._folder}/{_hash(os.fsencode(path))}.json"

    def of(self, path: str) -> list[Receipt]:
        """A file's receipts, the newest first; what cannot be read is none."""
        try:
            with open(self._file(path), encoding="utf-8") as file:
                document = json.load(file)
            return [Receipt(**entry) for entry in document["receipts"]]
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return []

    def matching(self, path: str, content: bytes | None) -> Receipt | None:
        """The receipt of a file that still looks as it says."""
        after = None if content is None else _hash(content)
        for known in self.of(path):
            if known.after == after and content is not None:
                with contextlib.suppress(ValueError):
                    known.undone(content)
                    return known
        return None

    def is_made(self, path: str) -> bool:
        """Whether a file was made by setup, whatever became of it since."""
        return any(known.before is None for known in self.of(path))

    def keep(self, path: str, new: Receipt) -> None:
        """Adds a file's receipt; called before the file is changed, so it may turn out to be of no use."""
        os.makedirs(self._folder, exist_ok=True)
        kept = [asdict(known) for known in [new, *(old for old in self.of(path) if old != new)][:_KEPT]]
        text = json.dumps({"schema_version": _VERSION, "path": os.fsencode(path).hex(), "receipts": kept}, indent=1)
        with tempfile.NamedTemporaryFile("w", dir=self._folder, delete=False, encoding="utf-8") as file:
            file.write(text)
        os.replace(file.name, self._file(path))

    def forget(self, path: str) -> None:
        """Drops a file's receipts, and the folder with the last of them."""
        with contextlib.suppress(OSError):
            os.unlink(self._file(path))
        with contextlib.suppress(OSError):
            os.rmdir(self._folder)
