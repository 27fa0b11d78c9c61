"""Datasets without a manifest, of an older tool or with the manifest lost: read once, so that one can be made."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from rollouts.contracts.strict_json import parse_foreign
from rollouts.errors import RolloutsError
from rollouts.publish.manifest import FIRST_FILE, Manifest
from rollouts.publish.rows import OlderRow, mended, signature

OURS = re.compile(r"train(-\d{5,}-[0-9a-f]{12})?\.jsonl")


def data_files(paths: Iterable[str], where: str) -> list[str]:
    """The files of rows among those of a dataset, the oldest first.

    Raises:
        RolloutsError: the split has files that no Rollouts wrote.
    """
    found = sorted(path for path in paths if re.fullmatch(r"train(-.*)?\.jsonl", path))
    strange = [path for path in found if not OURS.fullmatch(path)]
    if strange:
        raise _not_ours(where, f"has {strange[0]}")
    return sorted(found, key=lambda path: path != FIRST_FILE)


def _not_ours(where: str, reason: str) -> RolloutsError:
    return RolloutsError(f"{where} is no dataset of sessions ({reason}); choose another name")


def _row(line: bytes) -> OlderRow:
    try:
        return msgspec.json.decode(line, type=OlderRow)
    except ValueError:  # what other programs take for JSON
        return msgspec.json.decode(
            msgspec.json.encode(mended(parse_foreign(line.decode(errors="replace")))), type=OlderRow
        )


def _value(raw: msgspec.Raw) -> Any:
    try:
        return msgspec.json.decode(raw)
    except ValueError:
        return mended(parse_foreign(bytes(raw).decode(errors="replace")))


class Adoption:
    """A manifest in the making, file by file."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._batches: list[dict[str, Any]] = []
        self._sessions: dict[str, dict[str, str]] = {}

    def add(self, name: str, path: str) -> None:
        """Reads one file of rows, line by line.

        Args:
            name: in the dataset.
            path: here.

        Raises:
            RolloutsError: a line is no row of a session.
        """
        digest, agents, last, number = hashlib.sha256(), Counter[str](), 0, 0
        with open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                digest.update(line)
                if not line.strip():
                    continue
                row = self._read(line, f"{name}, line {number}")
                agents[row.agent] += 1
                last = max(last, row.batch_id or 1)
        known = {"batch_id": last, "file": name, "sha256": digest.hexdigest(), "rows": agents.total()}
        self._batches.append(known | {"agents": dict(sorted(agents.items())), "adopted": True})

    def _read(self, line: bytes, place: str) -> OlderRow:
        try:
            row = _row(line)
            signed = signature(row.agent, row.session_id, _value(row.session), _value(row.metadata))
        except (ValueError, RecursionError) as error:
            raise _not_ours(self._where, f"{place}: {error}") from error
        self._sessions.setdefault(row.agent, {})[row.session_id] = signed
        return row

    def manifest(self) -> Manifest:
        return Manifest(self._batches, self._sessions, {})
