"""A program `gh` that writes down what it is asked, and answers what a test says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

EXISTS = "echo 'GraphQL: Name already exists on this account (createRepository)' >&2; exit 1"
EMPTY = {
    "visibility": "PRIVATE",
    "viewerPermission": "ADMIN",
    "isArchived": False,
    "branches": {"totalCount": 0},
    "tags": {"totalCount": 0},
    "ours": {"totalCount": 0},
}


class FakeGh:
    """A program `gh` on PATH; each group of its commands answers by a piece of shell."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._log = folder / "log"
        self._answers = folder / "answers"
        self._answers.mkdir(parents=True)
        (folder / "bin").mkdir()
        program = folder / "bin" / "gh"
        program.write_text(
            f'#!/bin/sh\nfor word; do printf "%s\\0" "$word"; done >> "{self._log}"\nprintf "\\n\\0" >> "{self._log}"\n'
            f'. "{self._answers}/$1"\n'
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder / "bin"), prepend=":")
        self.answer(repo="exit 1", config="echo https", api="exit 1", **{"--version": "echo gh version 2.23.0"})

    def answer(self, **scripts: str) -> None:
        for command, script in scripts.items():
            (self._answers / command).write_text(script + "\n")

    def finds(self, page: str, **fields: object) -> None:
        """The name is taken, by an empty repository but for these fields of GitHub's."""
        text = json.dumps({"data": {"repository": {"url": page} | EMPTY | fields}})
        self.answer(repo=EXISTS, api=f"cat <<'END'\n{text}\nEND")

    @property
    def asked(self) -> list[list[str]]:
        """The arguments of each call."""
        calls = self._log.read_text().split("\n\0")[:-1] if self._log.exists() else []
        return [call.split("\0")[:-1] for call in calls]
