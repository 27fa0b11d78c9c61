"""What killed processes left in a home, outside of the stores: halves of stores and catalogs under other names."""

from __future__ import annotations

import os
import re
import shutil

from rollouts.paths import Home

_NEW_STORE = re.compile(r"store\.git\.[0-9a-f]{8}\.new")
_TRANSCRIPTS = re.compile(r"transcripts\.[0-9a-f]{8}\.deleted")
_ROWS = re.compile(r"\.rollouts-hub-[0-9a-f]{16}")
_NEW_CATALOG = re.compile(r"rollouts\.sqlite\.(v\d+-backup\.\d+\.)?new(-wal|-shm|-journal)?")


def left_behind(home: Home) -> list[str]:
    """What killed deletions, first captures, backups and rebuilds left; or what those at work are about to use."""
    names = os.listdir(home.workspaces) if os.path.isdir(home.workspaces) else []
    found = [f"{home.workspaces}/{name}" for name in names if name.endswith(".deleted")]
    for name in names:
        folder = f"{home.workspaces}/{name}"
        inside = os.listdir(folder) if os.path.isdir(folder) and folder not in found else []
        found += [f"{folder}/{entry}" for entry in inside if _NEW_STORE.fullmatch(entry)]
    names = os.listdir(home.path)
    return found + [
        f"{home.path}/{name}"
        for name in names
        if _NEW_CATALOG.fullmatch(name) or _TRANSCRIPTS.fullmatch(name) or _ROWS.fullmatch(name)
    ]


def remove(path: str) -> None:
    """Removes one of them; the caller holds the home's lock alone, or it may be somebody's."""
    if os.path.isdir(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)
