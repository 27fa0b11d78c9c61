"""Measure a push to a dataset on a Hub on loopback: what it costs beside what is there, and a large dataset's loading.

What is pushed is the same each time; only the rows that the dataset has already grow. CPU is user and system time,
memory the most that the pushing process held; a process that only imports the client library is the floor.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests"))

from fake_hub import FakeHub, running  # noqa: E402 - the Hub of the tests
from publishing import PUSHER  # noqa: E402 - as above

TEXT = 'The quick brown fox jumps over the lazy dog; "quoted", tabbed\t and sometimes accentué.\n'
NAME = "turns"


class Cost(NamedTuple):
    seconds: float
    cpu: float
    megabytes: float
    down: int
    up: int
    requests: int


def sessions(first: int, count: int, size: int, state: str = "") -> Iterator[bytes]:
    """Finished rows of about so many bytes."""
    snapshot = {"message_id": "m", "snapshot_id": "0" * 32, "tag": "t" * 160, "commit": "0" * 40, "captured_at": "x"}
    metadata = {"remote_url": "git@example.com:me/turns.git", "workspace_id": "0" * 32, "snapshots": [snapshot]}
    for number in range(first, first + count):
        name = f"{number:08}-0000-7000-8000-000000000000"
        records = [{"type": "user", "n": n, "text": f"{number} {n} {TEXT}"} for n in range(size // 130)]
        session = {"format": "codex-jsonl", "records": records, "state": state}
        row = {"session_id": name, "agent": "codex", "exported_at": "2026-01-02T03:04:05.678Z"}
        yield json.dumps(row | {"session": session, "metadata": metadata}).encode() + b"\n"


def measured(hub: FakeHub, command: list[str]) -> Cost:
    """Runs a program against the Hub, which must exit 0."""
    hub.seen.clear()
    began = time.monotonic()
    settings = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    child = subprocess.Popen(command, env=settings, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{command} failed")
    down, up = sum(seen.sent for seen in hub.seen), sum(seen.received for seen in hub.seen)
    seconds = time.monotonic() - began
    return Cost(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, down, up, len(hub.seen))


def pushed(hub: FakeHub, folder: Path, rows: Iterator[bytes]) -> Cost:
    given = folder / "rows.jsonl"
    with given.open("wb") as file:
        file.writelines(rows)
    return measured(hub, [sys.executable, str(PUSHER), NAME, str(given)])


def report(what: str, cost: Cost) -> None:
    print(
        f"| {what} | {cost.seconds:.2f} | {cost.cpu:.2f} | {cost.megabytes:.0f} | {cost.down / 1e3:.0f}"
        f" | {cost.up / 1e3:.0f} | {cost.requests} |",
        flush=True,
    )


def costs_beside(there: int, chosen: argparse.Namespace, folder: Path) -> None:
    """What 10 new and 10 changed sessions cost beside so many that are there."""
    with running(folder / f"hub-{there}") as hub:
        os.environ.update(hub.environment(folder / f"home-{there}"))
        if there:
            first = pushed(hub, folder, sessions(0, there, chosen.size))
            report(f"first push of {there:,} sessions", first)
        new = [*sessions(there, 10, chosen.size), *sessions(0, min(10, there), chosen.size, "changed")]
        report(f"{len(new)} new rows, {there:,} there", pushed(hub, folder, iter(new)))
        report(f"nothing new among {len(new)}, {there:,} there", pushed(hub, folder, iter(new)))


def loads(chosen: argparse.Namespace, folder: Path) -> None:
    """Pushes a large dataset in batches and loads it with `datasets`."""
    with running(folder / "large") as hub:
        os.environ.update(hub.environment(folder / "home-large") | {"HF_HUB_DISABLE_XET": "1"})
        batches, per_batch = 10, max(1, chosen.load * 10**6 // 10 // 60_000)
        total = [pushed(hub, folder, sessions(n * per_batch, per_batch, 60_000)) for n in range(batches)]
        size = sum(entry.size for entry in hub.dataset(f"alice/{NAME}").head.tree.values()) / 1e6
        report(f"push of {size:.0f} MB in {batches} batches: the last", total[-1])
        check = f"assert len(datasets.load_dataset('alice/{NAME}', split='train')) == {batches * per_batch}"
        for python in chosen.python:
            which = Path(python).parents[1].name
            os.environ.update(HF_HOME=str(folder / which), HF_DATASETS_DISABLE_PROGRESS_BARS="1")
            report(f"load with {which}", measured(hub, [python, "-c", f"import datasets; {check}"]))


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--there", default="0,100,10000", help="sessions that are there already [%(default)s]")
    parser.add_argument("--size", type=int, default=5_000, help="bytes of a session [%(default)s]")
    parser.add_argument("--load", type=int, metavar="MB", help="push and load a dataset of that size as well")
    found = [str(path) for path in sorted((ROOT / ".ci" / "cache").glob("datasets-*/bin/python"))]
    parser.add_argument("--python", nargs="*", default=found, help="interpreters with datasets [those of .ci/run]")
    return parser.parse_args()


def main() -> None:
    chosen = options()
    print("| case | wall s | CPU s | MB held | KB down | KB up | requests |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="rollouts-bench-") as scratch:
        folder = Path(scratch)
        with running(folder / "idle") as hub:
            code = "from rollouts.publish import hub_client"
            report("importing the client library", measured(hub, [sys.executable, "-c", code]))
        for there in map(int, chosen.there.split(",")):
            costs_beside(there, chosen, folder)
        if chosen.load:
            loads(chosen, folder)
    print(f"load of the machine at the end: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
