"""Archives that agent-rollouts 0.1 wrote are read here, and those that are written here it reads.

Bundles of its archives lie in `data/`. The original itself is installed by `.ci/run`; tests skip where it is absent.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import archives
from helpers import git, ok, put, query, restored, run, snapshot
from rollouts.contracts import tag
from test_original_homes import found

DATA = Path(__file__).with_name("data")
CACHE = Path(__file__).parent.parent / ".ci" / "cache"
WORKSPACES = ("ws-git", "ws-plain")


def turns(workspace: str) -> list[dict[str, Any]]:
    """What the original recorded of the snapshots of a workspace, with the files of each."""
    said = json.loads((DATA / "original-0.1.5.json").read_text())["snapshots"]
    return [turn for turn in said if turn["root_path"].endswith(f"/{workspace}")]


@pytest.fixture(params=WORKSPACES)
def workspace(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def archive(workspace: str, tmp_path: Path) -> Path:
    """An archive that the original made."""
    git("clone", "-q", "--mirror", DATA / f"original-0.1.5-{workspace}.bundle", tmp_path / "its.git", cwd=tmp_path)
    return tmp_path / "its.git"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


def test_each_turn_of_its_archive_is_restored(workspace: str, archive: Path, tmp_path: Path) -> None:
    for turn in turns(workspace):
        out = tmp_path / turn["id"]
        words = ("--session", turn["session_id"], "--message", turn["message_id"], "--dest", out, "--verify")
        document = json.loads(ok("restore", "--repo", archive, *words, "--json"))
        assert (document["snapshot_id"], document["store_commit_sha"]) == (turn["id"], turn["store_commit_sha"])
        assert found(out) == turn["files"]


def test_its_archive_is_adopted(workspace: str, archive: Path, here: Path, home: Path, tmp_path: Path) -> None:
    ok("pull", here, "--url", archive)
    columns = "id, session_id, message_id, store_commit_sha, captured_at"
    adopted = {row[0]: row for row in query(home, f"SELECT {columns}, metadata FROM snapshots")}  # noqa: S608 - our own
    for turn in turns(workspace):
        *row, metadata = adopted.pop(turn["id"])
        assert row == [turn[name] for name in columns.split(", ")]
        assert json.loads(metadata) == json.loads(turn["metadata"])
        assert found(restored(turn["id"], tmp_path / turn["id"])) == turn["files"]
    assert not adopted
    assert ok("doctor").endswith("all is well\n")


def test_its_tags_are_known_again_and_looked_into_once(archive: Path, here: Path, tmp_path: Path) -> None:
    ok("pull", here, "--url", archive)
    before = archives.refs(archive)
    log = tmp_path / "git.log"
    (tmp_path / "bin").mkdir()
    wrapper = tmp_path / "bin" / "git"
    wrapper.write_text(f'#!/bin/sh\necho "$*" >> "{log}"\nexec "{shutil.which("git")}" "$@"\n')
    wrapper.chmod(0o755)
    env = {"PATH": f"{wrapper.parent}:{os.environ['PATH']}"}
    for words in (("push", here), ("pull", here)):
        ok(*words, env=env)
        assert " fetch " not in log.read_text()
        assert " push " not in log.read_text()
    assert archives.refs(archive) == before


def test_a_home_of_the_original_finds_its_own_tags_there(workspace: str, archive: Path, home: Path, here: Path) -> None:
    ok("pull", here, "--url", archive)
    query(home, "DELETE FROM known_tags")
    pushed = json.loads(ok("push", here, "--json"))
    assert (pushed["pushed"], pushed["skipped"]) == (0, len(turns(workspace)))
    assert query(home, "SELECT count(*) FROM known_tags") == [(len(turns(workspace)),)]


# The original itself


@pytest.fixture
def original() -> Path:
    """The program of an installed agent-rollouts 0.1.5."""
    program = CACHE / "original" / "bin" / "rollouts"
    if not program.exists():
        pytest.skip("agent-rollouts 0.1.5 is not installed; `.ci/run` does it")
    return program


def its(original: Path, *words: str | Path, home: Path) -> str:
    """Runs the original in a home of its own."""
    env = os.environ | {"ROLLOUTS_HOME": str(home), "COLUMNS": "999"}
    done = subprocess.run([original, *words], env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done
    return done.stdout


def test_the_original_restores_what_is_pushed_here(original: Path, repo: Path, tmp_path: Path) -> None:
    archive = archives.bare(tmp_path / "ours.git")
    put(repo, "n\u00e4me \u6587", b"odd\n")
    (repo / "link").symlink_to("a.txt")
    (repo / "a.txt").chmod(0o755)
    for message in ("1", "\u00fc 2"):
        put(repo, "a.txt", message.encode())
        taken = snapshot(repo, message, "ses", '{"n": 1.50}')
    ok("remote", "set", repo, "--url", archive)
    ok("push", repo)
    out = tmp_path / "out"
    words = ("--session", "ses", "--message", "\u00fc 2", "--dest", out)
    said = its(original, "restore", "--repo", archive, *words, home=tmp_path / "its home")
    assert tag.ref("ses", "\u00fc 2") in said
    assert taken["store_commit_sha"] in said
    assert found(out) == {path: entry for path, entry in found(repo).items() if not path.startswith(".git/")}


def test_both_write_to_one_archive_and_read_all_of_it(original: Path, repo: Path, here: Path, tmp_path: Path) -> None:
    archive, other = archives.bare(tmp_path / "both.git"), tmp_path / "its home"
    session = ("--session", "ses", "--metadata", '{"by": "it"}')
    its(original, "snapshot", repo, *session, "--message", "1", home=other)
    its(original, "remote", "set", repo, "--url", archive, home=other)
    its(original, "push", repo, home=other)
    ok("pull", here, "--url", archive)
    put(here, "mine", b"mine\n")
    snapshot(here, "2", "ses")
    ok("push", here)
    assert len(archives.refs(archive)) == 2
    assert "skipped existing: 1" in its(original, "push", repo, home=other)
    for message, names in (("1", {"a.txt", "sub/b.bin"}), ("2", {"mine"})):
        out = tmp_path / message
        words = ("--session", "ses", "--message", message, "--dest", out)
        its(original, "restore", "--repo", archive, *words, home=other)
        assert set(found(out)) == names
        assert run("restore", "--repo", archive, *words[:4], "--dest", tmp_path / f"{message} ours").code == 0
        assert found(tmp_path / f"{message} ours") == found(out)


def test_a_home_that_the_original_pushed_needs_no_second_push(original: Path, repo: Path, tmp_path: Path) -> None:
    archive, other = archives.bare(tmp_path / "its.git"), tmp_path / "its home"
    its(original, "snapshot", repo, "--session", "s", "--message", "m", "--metadata", '{"n": 1.50}', home=other)
    its(original, "remote", "set", repo, "--url", archive, home=other)
    its(original, "push", repo, home=other)
    pushed = json.loads(ok("push", repo, "--json", env={"ROLLOUTS_HOME": str(other)}))
    assert (pushed["pushed"], pushed["skipped"], pushed["conflicts"]) == (0, 1, 0)
