"""The bump rule of docs/contracts.md: no golden file changes without a word on it, nor a shape without a version."""

from __future__ import annotations

import hashlib
import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

from schemas import SCHEMAS

ROOT = Path(__file__).parent.parent
GOLDENS = sorted((ROOT / "tests" / "golden").iterdir())
ROW = re.compile(r"^\| ([\w.-]+) \| (\d+) \| ([0-9a-f]{12}) \| (\S.*) \|$", re.MULTILINE)


def history(name: str) -> list[tuple[int, str, str]]:
    """The changes of a golden file, the oldest first: version, digest, what changed."""
    page = (ROOT / "docs" / "contracts.md").read_text()
    return [(int(version), digest, change) for file, version, digest, change in ROW.findall(page) if file == name]


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden.name)
def test_a_golden_file_is_the_last_of_its_history(golden: Path) -> None:
    version, digest, _ = history(golden.name)[-1]
    text = golden.read_text()
    assert digest == hashlib.sha256(text.encode()).hexdigest()[:12], "a row in docs/contracts.md says what changed"
    first = json.loads(text.splitlines()[0] if golden.suffix == ".ndjson" else text)
    assert first["schema_version"] == version


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden.name)
def test_versions_only_rise_and_what_keeps_its_version_is_an_addition(golden: Path) -> None:
    changes = history(golden.name)
    versions = [version for version, _, _ in changes]
    assert versions == sorted(versions)
    for (before, _, _), (after, _, change) in pairwise(changes):
        assert after > before or change.startswith("additive:"), change


def test_the_history_knows_no_other_files() -> None:
    names = {name for name, *_ in ROW.findall((ROOT / "docs" / "contracts.md").read_text())}
    assert names == {golden.name for golden in GOLDENS}


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schemas_name_carries_the_version_that_it_demands(name: str) -> None:
    version = SCHEMAS[name].get("properties", {}).get("schema_version", {}).get("const", 1)
    assert SCHEMAS[name]["$id"] == f"urn:rollouts:{name}:{version}"
