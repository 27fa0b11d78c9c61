"""Pushes that meet each other, and pushes that are stopped: no row is lost or doubled, no batch is half there."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fake_hub import COMMIT, FakeHub
from publishing import SECONDS, assert_whole, finish, hub, line, push, row, start
from rollouts.publish import hub as publishing
from rollouts.publish.patience import Patience

__all__ = ["hub"]
RACING = Patience(attempts=30, first=0.02, longest=0.2)
KILLS = 4


def test_many_machines_at_once_all_succeed_and_lose_no_row(hub: FakeHub) -> None:
    def machine(number: int) -> list[int | None]:
        pushes = [[row(f"m{number}-{step}") for step in range(3)], [row(f"m{number}-0", "later")]]
        return [push(rows, patience=RACING).batch_id for rows in pushes]

    with ThreadPoolExecutor(4) as pool:
        batches = [batch for pair in pool.map(machine, range(4)) for batch in pair]
    assert sorted(map(str, batches)) == sorted(map(str, range(1, 9)))
    assert len(assert_whole(hub)) == 16


def test_machines_that_have_the_same_sessions_bring_them_once(hub: FakeHub) -> None:
    rows = [row(f"s{n}", {"n": n}) for n in range(5)]
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: push(rows, patience=RACING), range(4)))
    assert {outcome.batch_id for outcome in done} <= {1, None}  # byte for byte the same batch is as good as one's own
    assert len(assert_whole(hub)) == 5


def test_processes_that_meet_at_a_first_push_both_succeed(hub: FakeHub, tmp_path: Path) -> None:
    children = [start([line(f"p{number}")], tmp_path) for number in range(2)]
    assert sorted(finish(child)["batch_id"] for child in children) == [1, 2]
    assert len(assert_whole(hub)) == 2


def test_a_lost_answer_is_found_behind_another_machines_newer_row(hub: FakeHub) -> None:
    push([row("s1", {"a": 1})])
    hub.inject(COMMIT, "drop_after")
    slow = Patience(attempts=2, first=4, longest=4)
    with ThreadPoolExecutor(1) as pool:
        ours = pool.submit(lambda: push([row("s1", {"a": 2})], patience=slow))
        while len(hub.dataset().commits) < 3:
            time.sleep(0.01)
        push([row("s1", {"a": 3})])
        assert ours.result().batch_id == 2
    assert [item["session"]["a"] for item in assert_whole(hub)] == [1, 2, 3]


def test_a_plan_that_others_have_overtaken_is_made_anew(hub: FakeHub) -> None:
    push([row("s1")])
    with publishing.opened("turns", seconds=SECONDS, patience=RACING) as pushing:
        pushing.take([row("s1", "new"), row("s2"), row("s3")])
        assert pushing.plan().batch_id == 2
        push([row("s3"), row("s4")])
        done = pushing.append()
    assert (done.batch_id, done.added, done.changed, done.unchanged) == (3, 1, 1, 1)
    assert len(assert_whole(hub)) == 5


def stopped(child: subprocess.Popen[str], kind: signal.Signals, after: float) -> int:
    """Ends a push after so many seconds, if it still runs. Returns its exit status."""
    try:
        child.wait(after)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, kind)
    child.communicate(timeout=60)
    return child.returncode


def asked(hub: FakeHub, child: subprocess.Popen[str]) -> None:
    """Waits for the first request of a push: importing takes longer than all that follows."""
    while not hub.seen and child.poll() is None:
        time.sleep(0.005)


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("off", ["0", "1"])
def test_a_push_that_is_stopped_leaves_the_dataset_as_before_or_as_after(
    kind: signal.Signals, off: str, hub: FakeHub, tmp_path: Path
) -> None:
    hub.storage.lfs_threshold = 10_000
    env, known = {"HF_HUB_DISABLE_XET": off}, 0
    lines = [line(f"s{number}", "text " * 20_000) for number in range(KILLS)]
    for one in lines:
        hub.seen.clear()
        child = start([one], tmp_path, env)
        asked(hub, child)
        assert stopped(child, kind, random.uniform(0, 0.5)) in {0, -kind}  # noqa: S311 - any instant will do
        hub.storage.mend_cas()
        found = hub.batches()
        assert len(found) in {known, known + 1}
        known = len(found)
    done = finish(start(lines, tmp_path, env))
    assert (done["added"], done["total_rows"]) == (KILLS - known, KILLS)
    assert [batch["batch_id"] for batch in hub.batches()] == list(range(1, len(hub.batches()) + 1))
