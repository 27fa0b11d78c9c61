"""Which release of `genai-prices` is installed, and where its data lies; found without running any of it."""

from __future__ import annotations

import os
from importlib.util import find_spec

_PACKAGE = "genai_prices"


def data_path() -> str:
    """The file of the data; one that is not there when the package is not."""
    package = find_spec(_PACKAGE)
    folder = next(iter(package.submodule_search_locations or ()), "") if package else ""
    return f"{folder}/data.py"


def stamp() -> str:
    """How that file looks from outside, in one word; "" when it is not there."""
    try:
        found = os.stat(data_path())
    except OSError:
        return ""
    return f"{found.st_size} {found.st_mtime_ns}"


def version() -> str:
    """Which data this is: `genai-prices-0.2.3`."""
    from importlib import metadata  # noqa: PLC0415 - 50 ms, and asked for only when the stamp is another

    return f"genai-prices-{metadata.version('genai-prices')}"
