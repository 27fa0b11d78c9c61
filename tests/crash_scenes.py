"""The commands that are killed, each with the home that it is killed in."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

from crash_trial import Files, Scene, Turn
from helpers import contents, git, ok, snapshot

_DATA = Path(__file__).with_name("data")


class World:
    """Two workspaces, a prepared home, and what both held at each turn."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "prepared"
        self.repo = folder / "killed repo"
        self.plain = folder / "killed plain"
        self.rows: dict[str, Turn] = {}
        self.turns: dict[Turn, Files] = {}
        for root in (self.repo, self.plain):
            _fill(root)
        git("init", "-q", cwd=self.repo)
        git("add", "-A", cwd=self.repo)
        git("commit", "-qm", "first", cwd=self.repo)

    def take(self, workspace: Path, session: str, message: str) -> None:
        """Captures a turn for the prepared home."""
        row = snapshot(workspace, message, session, env={"ROLLOUTS_HOME": str(self.home)})
        self.rows[row["id"]] = (session, message)
        self.turns[session, message] = contents(workspace)

    def two_turns(self, workspace: Path, session: str) -> None:
        self.take(workspace, session, "1")
        change(workspace, "2")
        self.take(workspace, session, "2")

    def two_workspaces(self) -> None:
        self.two_turns(self.repo, "r")
        self.take(self.plain, "p", "1")

    def scene(self, words: list[str], *, gone: set[Turn] | None = None, restores: Turn | None = None) -> Scene:
        """A scene in which `words` are killed; a snapshot is of what the workspace holds now."""
        repo = contents(self.repo)
        now = {("r", "new"): repo, ("r", "after"): repo, ("p", "new"): contents(self.plain)}
        stays = (set(self.turns) - (gone or set())) | {("r", "after")}
        if words[0] == "snapshot":
            stays.add((words[words.index("--session") + 1], "new"))
        after = capture_words(self.repo, "r", "after")
        return Scene(self.home, words, self.rows, self.turns | now, after, stays, restores)


def _fill(root: Path) -> None:
    for number in range(12):
        folder = root / f"folder {number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file {number}").write_bytes(b"%d\n" % number * 100)
    (root / "run.sh").write_bytes(b"#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "link").symlink_to("folder 0/file 0")
    (root / "empty").mkdir()


def change(root: Path, what: str) -> None:
    """Changes, adds and removes a file."""
    (root / "folder 1" / "file 1").write_text(what)
    (root / f"added {what}").write_text(what)
    min(root.glob("folder 2/*")).unlink()


def capture_words(workspace: Path, session: str, message: str) -> list[str]:
    return ["snapshot", str(workspace), "--session", session, "--message", message, "--metadata", "{}"]


def first_of_a_repository(world: World) -> Scene:
    return world.scene(capture_words(world.repo, "r", "new"))


def first_of_a_directory(world: World) -> Scene:
    return world.scene(capture_words(world.plain, "p", "new"))


def first_of_many_files(world: World) -> Scene:
    for number in range(300):  # so many are stored in one pack, copied from the user's repository
        (world.repo / f"many {number}").write_text(f"{number}")
    git("add", "-A", cwd=world.repo)
    git("commit", "-qm", "many", cwd=world.repo)
    return world.scene(capture_words(world.repo, "r", "new"))


def changed_repository(world: World) -> Scene:
    world.two_turns(world.repo, "r")
    change(world.repo, "3")
    return world.scene(capture_words(world.repo, "r", "new"))


def changed_directory(world: World) -> Scene:
    world.two_turns(world.plain, "p")
    change(world.plain, "3")
    return world.scene(capture_words(world.plain, "p", "new"))


def unchanged_repository(world: World) -> Scene:
    world.two_turns(world.repo, "r")
    return world.scene(capture_words(world.repo, "r", "new"))


def delete_a_message(world: World) -> Scene:
    world.two_workspaces()
    words = ["delete", str(world.repo), "--session", "r", "--message", "1", "--yes"]
    return world.scene(words, gone={("r", "1")})


def delete_a_session(world: World) -> Scene:
    world.two_workspaces()
    return world.scene(["delete", str(world.repo), "--session", "r", "--yes"], gone={("r", "1"), ("r", "2")})


def delete_a_workspace(world: World) -> Scene:
    world.two_workspaces()
    return world.scene(["delete", str(world.repo), "--yes"], gone={("r", "1"), ("r", "2")})


def delete_all(world: World) -> Scene:
    world.two_workspaces()
    return world.scene(["delete", "--all", "--yes"], gone=set(world.turns))


def upkeep_of_a_repository(world: World) -> Scene:
    world.two_turns(world.repo, "r")
    [folder] = (world.home / "workspaces").iterdir()
    return world.scene(["_upkeep", folder.name])


def gc_of_two_workspaces(world: World) -> Scene:
    world.two_workspaces()
    for store in (world.home / "workspaces").glob("*/store.git"):  # what nothing reaches, loose and packed
        git("hash-object", "-w", "--stdin", cwd=store, stdin=b"packed")
        git("repack", "-q", "-d", "--geometric=2", cwd=store)
        git("hash-object", "-w", "--stdin", cwd=store, stdin=b"loose")
    return world.scene(["gc"])


def restore_a_repository(world: World) -> Scene:
    world.two_turns(world.repo, "r")
    words = ["restore", str(world.repo), "--session", "r", "--message", "1", "--dest", "{out}/dest", "--verify"]
    return world.scene(words, restores=("r", "1"))


def restore_a_directory(world: World) -> Scene:
    world.two_turns(world.plain, "p")
    words = ["restore", str(world.plain), "--session", "p", "--message", "1", "--dest", "{out}/dest"]
    return world.scene(words, restores=("p", "1"))


def compare_with_the_files_now(world: World) -> Scene:
    world.two_turns(world.repo, "r")
    change(world.repo, "3")
    return world.scene(["diff", "r@1", "--worktree"])


def log_that_is_counted(world: World) -> Scene:
    world.two_turns(world.repo, "r")
    return world.scene(["log", str(world.repo)])


def pull_of_an_archive(world: World) -> Scene:
    """Another machine goes on with the session, and has one of its own."""
    world.two_turns(world.repo, "r")
    archive = world.folder / "archive.git"
    git("init", "-q", "--bare", archive, cwd=world.folder)
    env = {"ROLLOUTS_HOME": str(world.folder / "elsewhere")}
    for session, message in (("r", "3"), ("q", "1"), ("q", "2")):
        change(world.repo, session + message)
        snapshot(world.repo, message, session, env=env)
        world.turns[session, message] = contents(world.repo)
    ok("remote", "set", world.repo, "--url", archive, env=env)
    ok("push", world.repo, env=env)
    return world.scene(["pull", str(world.repo), "--url", str(archive)])


def lost_catalog(world: World) -> Scene:
    world.two_workspaces()
    for path in world.home.glob("rollouts.sqlite*"):
        path.unlink()
    return world.scene(capture_words(world.repo, "r", "new"))


def damaged_catalog(world: World) -> Scene:
    world.two_workspaces()
    (world.home / "rollouts.sqlite").write_bytes(b"this is no database" * 500)
    return world.scene(capture_words(world.repo, "r", "new"))


def _original(world: World) -> None:
    """Makes a home of agent-rollouts 0.1.5 the prepared one."""
    with tarfile.open(_DATA / "original-0.1.5.tar.gz") as archive:
        archive.extractall(world.folder, filter="data")
    (world.folder / "home").rename(world.home)
    for row in json.loads((_DATA / "original-0.1.5.json").read_text())["snapshots"]:
        turn = row["session_id"], row["message_id"]
        world.rows[row["id"]] = turn
        world.turns[turn] = {
            os.fsencode(path): ("link" if file["type"] == "link" else "file", file["type"] == "exec", file["sha256"])
            for path, file in row["files"].items()
        }


def home_of_the_original(world: World) -> Scene:
    _original(world)
    return world.scene(capture_words(world.repo, "r", "new"))


SCENES: dict[Callable[[World], Scene], int] = {
    first_of_a_repository: 25,
    first_of_a_directory: 20,
    first_of_many_files: 10,
    changed_repository: 30,
    changed_directory: 20,
    unchanged_repository: 12,
    delete_a_message: 20,
    delete_a_session: 12,
    delete_a_workspace: 20,
    delete_all: 20,
    upkeep_of_a_repository: 15,
    gc_of_two_workspaces: 20,
    restore_a_repository: 20,
    restore_a_directory: 15,
    compare_with_the_files_now: 15,
    log_that_is_counted: 8,
    pull_of_an_archive: 25,
    lost_catalog: 20,
    damaged_catalog: 15,
    home_of_the_original: 15,
}
"""How often each is killed at a density of 1."""
