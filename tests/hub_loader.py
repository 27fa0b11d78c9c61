"""Loads a dataset with the real `datasets` and prints its rows, one JSON line each.

`python hub_loader.py NAME WAY [CONFIG]...`; WAY is `both`, which compares with what streaming gives, or `download`.
"""

from __future__ import annotations

import json
import sys

import datasets  # type: ignore[import-not-found,unused-ignore] # in environments of its own, made by .ci/run


def main(name: str, way: str, *configs: str) -> None:
    for config in configs or (None,):
        rows = datasets.load_dataset(name, config, split="train")
        streamed = datasets.load_dataset(name, config, split="train", streaming=True) if way == "both" else rows
        for row, again in zip(rows, streamed, strict=True):
            if row != again:
                raise SystemExit("streaming gives other rows")
            sys.stdout.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
