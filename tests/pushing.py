"""What tests of archives start from: a home with some turns, a bare repository for them, and what lies there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from git_servers import bare
from helpers import ROLLOUTS, SLOW, Result, git, ok, put, query, run, snapshot
from rollouts.contracts import tag

Document = dict[str, Any]


class Turns(NamedTuple):
    """A home, its one workspace, and the turns of session `s` in it."""

    home: Path
    root: Path
    rows: list[Document]

    def ref(self, number: int) -> str:
        """The tag of a turn."""
        return tag.ref("s", self.rows[number]["message_id"])

    @property
    def refs(self) -> list[str]:
        return sorted(map(self.ref, range(len(self.rows))))

    @property
    def store(self) -> Path:
        return self.home / "workspaces" / str(self.rows[0]["workspace_id"]) / "store.git"


def turns_in(folder: Path, count: int) -> Turns:
    """Makes a home with a plain workspace of so many turns, `m0` and so on."""
    home, root = folder / "home", folder / "work"
    env = {"ROLLOUTS_HOME": str(home)}
    rows = []
    for number in range(count):
        put(root, "a.txt", b"%d\n" % number)
        rows.append(snapshot(root, f"m{number}", metadata=json.dumps({"n": number, "price": 1.10}), env=env))
    return Turns(home, root, rows)


def _copied(made: Turns, home: Path) -> Turns:
    shutil.copytree(made.home, home, symlinks=True)
    query(home, "UPDATE workspaces SET store_path = ?", str(made._replace(home=home).store))  # or doctor wonders
    return made._replace(home=home)


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory) -> Turns:
    return turns_in(tmp_path_factory.mktemp("three"), 3)


@pytest.fixture(scope="session")
def thirty(tmp_path_factory: pytest.TempPathFactory) -> Turns:
    return turns_in(tmp_path_factory.mktemp("thirty"), 30)


@pytest.fixture
def turns(three: Turns, home: Path) -> Turns:
    """Three turns in the home of this test; the workspace is shared by tests and not to be changed."""
    return _copied(three, home)


@pytest.fixture
def many(thirty: Turns, home: Path) -> Turns:
    """Thirty turns, as `turns`."""
    return _copied(thirty, home)


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """A directory with an empty bare repository, `a.git`."""
    (tmp_path / "served").mkdir()
    bare(tmp_path / "served" / "a.git")
    return tmp_path / "served"


def set_remote(root: Path, url: str | Path, env: Mapping[str, str] | None = None) -> None:
    ok("remote", "set", root, "--url", url, env=env)


def document(result: Result, code: int = 0) -> Document:
    """The JSON document of a command that ended with such a code."""
    assert result.code == code, result
    found: Document = json.loads(result.out)
    assert found["schema_version"] == 1
    return found


def push(
    root: Path | str, *words: str, code: int = 0, env: Mapping[str, str] | None = None, under: tuple[str, ...] = ()
) -> Document:
    """Pushes a workspace (or `--all`), with --json. Returns the document."""
    return document(run("push", root, *words, "--json", env=env, under=under), code)


def statuses(pushed: Document) -> dict[str, str]:
    """Message -> what became of it."""
    return {row["message_id"]: row["status"] for found in pushed["workspaces"] for row in found["snapshots"]}


def reasons(pushed: Document) -> dict[str, str]:
    """Message -> why, of those for which there is a reason."""
    rows = [row for found in pushed["workspaces"] for row in found["snapshots"]]
    return {row["message_id"]: row["reason"] for row in rows if row["reason"] is not None}


def refs(repository: Path) -> list[str]:
    """The refs of a repository, sorted."""
    return git("--git-dir", repository, "for-each-ref", "--format=%(refname)", cwd=repository).split()


def oids(repository: Path) -> dict[str, str]:
    """Ref -> object id."""
    command = ("for-each-ref", "--format=%(refname) %(objectname)")
    lines = git("--git-dir", repository, *command, cwd=repository).splitlines()
    return dict(line.split(" ") for line in lines)


def tag_by_hand(turns: Turns, number: int, repository: Path, **changes: object) -> str:
    """Puts a turn's tag into a repository by plain git, made by the user now, with other values in its JSON."""
    row = turns.rows[number]
    names = ("captured_at", "message_id", "metadata", "session_id", "store_commit_sha", "vcs")
    body = {name: row[name] for name in names} | {"schema_version": 1, "snapshot_id": row["id"]} | changes
    text = json.dumps(body, indent=2, sort_keys=True).encode()
    name = turns.ref(number).removeprefix("refs/tags/")
    borrowed = {"GIT_ALTERNATE_OBJECT_DIRECTORIES": f"{turns.store}/objects"}
    command = ("tag", "-f", "-a", "-F", "-", name, row["store_commit_sha"])
    scratch = bare(repository.parent / f"by hand {os.urandom(4).hex()}.git")
    git("--git-dir", scratch, *command, cwd=scratch, stdin=text, env=borrowed)
    git("--git-dir", scratch, "push", "-q", "-f", repository, f"refs/tags/{name}", cwd=scratch, env=borrowed)
    return oids(repository)[turns.ref(number)]


def nothing_left(turns: Turns) -> bool:
    """Whether a home holds its workspaces' folders and no throwaway ones, and their stores no tags."""
    folders = {row["workspace_id"] for row in turns.rows}
    return {path.name for path in (turns.home / "workspaces").iterdir()} == folders and not [
        name for name in refs(turns.store) if not name.startswith("refs/snapshots/")
    ]


def calls(tmp_path: Path) -> tuple[dict[str, str], Path]:
    """An environment in which every git that is started by name is logged, and the log."""
    log = tmp_path / "calls"
    script = f'#!/bin/sh\necho "$*" >> "{log}"\nexec "{shutil.which("git")}" "$@"\n'
    put(tmp_path, "bin/git", script.encode(), mode=0o755)
    return {"PATH": f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}"}, log


def start(*words: str | Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Starts `rollouts` in a process group of its own."""
    return subprocess.Popen(
        [*ROLLOUTS, *words],
        env=os.environ | (env or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def result_of(process: subprocess.Popen[bytes]) -> Result:
    out, err = process.communicate(timeout=SLOW)
    return Result(process.returncode, out.decode(), err.decode())
