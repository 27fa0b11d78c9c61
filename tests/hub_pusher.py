"""Pushes rows in a process of its own: `python hub_pusher.py NAME FILE`; prints the outcome as JSON."""

from __future__ import annotations

import json
import sys

from rollouts.errors import RolloutsError
from rollouts.publish import hub
from rollouts.publish.patience import Patience
from rollouts.publish.rows import Row


def main(name: str, path: str) -> int:
    patience = Patience(attempts=12, first=0.05, longest=0.5)
    try:
        with open(path, "rb") as file, hub.opened(name, seconds=20, patience=patience) as push:
            push.take(Row(line) for line in file)
            done = push.append()
    except RolloutsError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    json.dump(done._asdict(), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
