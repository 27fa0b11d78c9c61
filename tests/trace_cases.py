"""Bundles with what the format's own reducer makes of them: those of this project, and those that lie beside it."""

from __future__ import annotations

import json
import os
import tarfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

_ARCHIVE = Path(__file__).parent / "data" / "trace-cases.tar.xz"
BESIDE = Path(os.environ.get("ROLLOUTS_TRACE_CASES") or Path(__file__).parents[2] / "shared" / "fixtures" / "trace")
"""Recorded cases hold their vendor's text and are not part of this project; they are tested where they are at hand."""


class Outcome(NamedTuple):
    """What a reducer did: the state it wrote, or else the lines it said."""

    state: bytes | None
    error: str


@cache
def _files() -> dict[str, bytes]:
    with tarfile.open(_ARCHIVE) as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
        return {member.name: _content(archive, member) for member in members}


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None
    return file.read()


def names() -> list[str]:
    """The cases of this project."""
    return sorted({name.partition("/")[0] for name in _files()})


def names_beside() -> list[str]:
    """The cases that lie beside the project; none where the folder is absent."""
    return sorted(os.listdir(BESIDE)) if BESIDE.is_dir() else []


def bundle(name: str, folder: Path) -> Path:
    """Puts a case's bundle into a folder. Returns the bundle."""
    inside = f"{name}/bundle/"
    for path, content in _files().items():
        if path.startswith(inside):
            target = folder / name / path.removeprefix(inside)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    return folder / name


def expected(name: str) -> Outcome:
    """What the original made of a case; `<BUNDLE>` stands for the bundle's path."""
    state = _files().get(f"{name}/expected/state.json")
    error = _files().get(f"{name}/expected/error.json")
    return Outcome(state, json.loads(error)["stderr"] if error else "")


def expected_beside(name: str) -> Outcome:
    """The same for a case beside the project."""
    folder = BESIDE / name / "expected"
    error = folder / "error.json"
    if error.exists():
        return Outcome(None, json.loads(error.read_text())["stderr"])
    return Outcome((folder / "state.json").read_bytes(), "")
