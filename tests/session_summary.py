"""The vectors of session summaries (tests/data/README.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "data" / "session-summary"


def vectors(name: str) -> list[Any]:
    """The entries of a file of vectors."""
    found: list[Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return found
