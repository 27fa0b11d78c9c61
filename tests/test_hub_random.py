"""Random pushes under random faults, beside a model of what must be there afterwards."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

import pytest

from fake_hub import COMMIT, FakeHub
from publishing import assert_whole, hub, push, row
from rollouts.errors import RolloutsError
from rollouts.publish.patience import Patience

__all__ = ["hub"]
PUSHES = 25
PLACES = [COMMIT] * 4 + [
    "GET /api/datasets/[^/]+/[^/]+$",
    "POST .*/create",
    "whoami",
    "HEAD .*rollouts.json",
]
MODES = ["status", "status_after", "drop_before", "drop_after", "truncate"]
SHORT = Patience(attempts=3, first=0.01, longest=0.02)
"""So short that some of the pushes fail."""


def faults(chance: random.Random) -> Iterator[dict[str, object]]:
    for _ in range(chance.choice([0, 1, 1, 2, 4])):
        mode, status = chance.choice(MODES), chance.choice([409, 412, 429, 500, 502, 503, 504])
        times = chance.choice([1, 1, 2, 3, 5])
        yield {"match": chance.choice(PLACES), "mode": mode, "status": status, "times": times}


def states(hub: FakeHub) -> list[tuple[str, int]]:
    """Session and state of each row, in their order."""
    there = hub.batches()
    return [(item["session_id"], item["session"]["state"]) for item in hub.rows()] if there else []


@pytest.mark.parametrize("seed", range(4))
def test_no_sequence_of_pushes_under_faults_loses_or_doubles_a_row(seed: int, hub: FakeHub) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same sequence at each run
    disk: dict[str, int] = {}
    there: list[tuple[str, int]] = []
    failed = 0
    for _ in range(PUSHES):
        disk |= {f"s{chance.randrange(10)}": chance.randrange(10**9) for _ in range(chance.randrange(3))}
        newest = dict(there)
        expected = [item for item in sorted(disk.items()) if newest.get(item[0]) != item[1]]
        for fault in faults(chance):
            hub.inject(**fault)  # type: ignore[arg-type] # what `faults` says
        try:
            push([row(name, {"state": state}) for name, state in sorted(disk.items())], patience=SHORT)
        except RolloutsError:
            failed += 1
            assert states(hub) in (there, [*there, *expected])
        else:
            assert states(hub) == [*there, *expected]
        there = states(hub)
        hub.faults.clear()
    assert 0 < failed < PUSHES
    push([row(name, {"state": state}) for name, state in sorted(disk.items())])
    assert dict(states(hub)) == disk
    assert json.loads(hub.read("rollouts.json"))["schema_version"] == 1
    assert_whole(hub)
