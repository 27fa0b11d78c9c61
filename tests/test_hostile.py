"""Archives made by an enemy: each is refused in one line, nothing is written outside DIR, and DIR is not made."""

from __future__ import annotations

import json
import subprocess
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from helpers import failure, git, ok, query, run, snapshot, store_of, tree

FILE, LINK, EXECUTABLE, DIR, GITLINK = "100644", "120000", "100755", "40000", "160000"
HOME = (b"rollouts home",)


class Victim(NamedTuple):
    """A home with one good snapshot, whose commit a test replaces."""

    home: Path
    store: Path
    taken: dict[str, Any]
    body: dict[str, Any]

    def blob(self, content: bytes) -> str:
        return git("hash-object", "-w", "--stdin", cwd=self.store, stdin=content).strip()

    def tree(self, *entries: tuple[str, bytes, str]) -> str:
        """A tree of (mode, name, object id), in the given order, whatever git thinks of it."""
        raw = b"".join(mode.encode() + b" " + name + b"\0" + bytes.fromhex(oid) for mode, name, oid in entries)
        return git("hash-object", "-t", "tree", "--literally", "-w", "--stdin", cwd=self.store, stdin=raw).strip()

    def put(self, tree: str, message: bytes) -> None:
        """Makes a commit of the tree the snapshot's."""
        commit = git("commit-tree", tree, cwd=self.store, stdin=message).strip()
        git("update-ref", f"refs/snapshots/{self.taken['id']}", commit, cwd=self.store)
        query(self.home, "UPDATE snapshots SET store_commit_sha = ?", commit)

    def put_facts(self, **facts: object) -> None:
        """Gives the good tree a body with other facts."""
        self.put(self.taken["tree"], b"subject\n\n" + json.dumps(self.body | facts).encode() + b"\n")


@pytest.fixture
def victim(plain: Path, home: Path) -> Victim:
    taken = snapshot(plain)
    store = store_of(home, taken)
    message = git("show", "-s", "--format=%B", taken["store_commit_sha"], cwd=store)
    return Victim(home, store, taken, json.loads(message.partition("\n\n")[2]))


def check_refused(victim: Victim, tmp_path: Path, *more: str) -> str:
    """Restoring fails in one line, and what is on disk is as before. Returns the line."""
    before = tree(tmp_path, without=HOME)
    said = failure(run("restore", "--snapshot", victim.taken["id"], "--dest", tmp_path / "a" / "out", *more))
    after = {path: entry for path, entry in tree(tmp_path, without=HOME).items() if path != b"a"}
    assert after == before
    assert not (tmp_path / "a" / "out").exists()
    return said


NAMES = [b"..", b".", b"/etc/x", b"../x", b"a/", b"", b".git", b".GIT", b".gIt"]


@pytest.mark.parametrize(
    ("kind", "name"),
    [*(("file", name) for name in NAMES), *product(["link", "directory"], [b"..", b"", b".gIt"])],
)
def test_a_name_that_leads_elsewhere_is_refused(kind: str, name: bytes, victim: Victim, tmp_path: Path) -> None:
    blob = victim.blob(b"../../escaped")
    inner = victim.tree((FILE, b"x", blob))
    mode, oid = {"file": (FILE, blob), "link": (LINK, blob), "directory": (DIR, inner)}[kind]
    victim.put(victim.tree((mode, name, oid)), b"subject\n")
    check_refused(victim, tmp_path)


@pytest.mark.parametrize("kinds", [(FILE, DIR), (LINK, DIR), (DIR, LINK), (FILE, FILE), (FILE, LINK), (DIR, DIR)])
def test_one_name_twice_is_refused(kinds: tuple[str, str], victim: Victim, tmp_path: Path) -> None:
    blob = victim.blob(str(tmp_path / "escape").encode())
    oids = {FILE: blob, LINK: blob, DIR: victim.tree((FILE, b"x", blob))}
    victim.put(victim.tree(*((kind, b"d", oids[kind]) for kind in kinds)), b"subject\n")
    check_refused(victim, tmp_path)


def test_a_link_as_the_parent_of_a_later_file_is_refused(victim: Victim, tmp_path: Path) -> None:
    (tmp_path / "escape").mkdir()
    target = victim.blob(str(tmp_path / "escape").encode())
    victim.put(victim.tree((LINK, b"d", target), (FILE, b"d/x", target)), b"subject\n")
    check_refused(victim, tmp_path)


@pytest.mark.parametrize("mode", [GITLINK, "0777777", "060000", "10644", "0"])
def test_a_mode_that_no_snapshot_has_is_refused(mode: str, victim: Victim, tmp_path: Path) -> None:
    victim.put(victim.tree((mode, b"x", victim.blob(b""))), b"subject\n")
    check_refused(victim, tmp_path)


def test_names_and_modes_that_git_reads_another_way_do_no_harm(victim: Victim, tmp_path: Path) -> None:
    blob = victim.blob(b"x")
    victim.put(victim.tree((FILE, b"a/b", blob), ("104755", b"c", blob), ("100600", b"d", blob)), b"subject\n")
    ok("restore", "--snapshot", victim.taken["id"], "--dest", tmp_path / "out", "--verify")
    modes = {path: entry.mode for path, entry in tree(tmp_path / "out").items()}
    assert modes == {b"a": 0o755, b"a/b": 0o644, b"c": 0o755, b"d": 0o644}


def test_a_directory_deeper_than_pythons_stack_comes_back(victim: Victim, tmp_path: Path) -> None:
    victim.put_facts(empty_dirs=[{"path": "/".join("d" * 1500)}])
    ok("restore", "--snapshot", victim.taken["id"], "--dest", tmp_path / "out")
    assert (tmp_path / "out" / "/".join("d" * 1500)).is_dir()
    subprocess.run(["rm", "-rf", tmp_path / "out"], check=True)  # pytest itself could not


def test_names_are_refused_with_a_glob_as_well(victim: Victim, tmp_path: Path) -> None:
    blob = victim.blob(b"x")
    good_and_bad = victim.tree((FILE, b"a", blob), (DIR, b"..", victim.tree((FILE, b"x", blob))))
    victim.put(good_and_bad, b"subject\n")
    check_refused(victim, tmp_path, "--path", "a")


PATHS = [
    "..",
    "../x",
    "/etc/x",
    "a/../../x",
    "void/.git",
    ".GIT",
    ".",
    "a//b",
    "a.txt",
    "a.txt/x",
    "x\0y",
    "sub/b.bin/x",
]


@pytest.mark.parametrize("path", PATHS)
def test_an_empty_directory_elsewhere_is_refused(path: str, victim: Victim, tmp_path: Path) -> None:
    victim.put_facts(empty_dirs=[{"path": path}])
    check_refused(victim, tmp_path)


def test_an_empty_directory_through_a_link_is_refused(victim: Victim, tmp_path: Path) -> None:
    (tmp_path / "escape").mkdir()
    body = json.dumps(victim.body | {"empty_dirs": [{"path": "d/x"}]}).encode()
    victim.put(victim.tree((LINK, b"d", victim.blob(str(tmp_path / "escape").encode()))), b"subject\n\n" + body)
    check_refused(victim, tmp_path)


def test_modes_of_paths_that_are_not_in_the_snapshot_change_nothing(victim: Victim, tmp_path: Path) -> None:
    before = {path: path.stat().st_mode for path in (tmp_path, tmp_path / "plain", Path("/"))}
    others = [{"path": path, "mode": "0777"} for path in ("..", "../plain", "/", "a.txt/..")]
    victim.put_facts(modes={"file": "0644", "executable": "0755", "dir": "0755", "other": others})
    ok("restore", "--snapshot", victim.taken["id"], "--dest", tmp_path / "out")
    assert {path: path.stat().st_mode for path in before} == before


def test_modes_never_follow_a_link(victim: Victim, tmp_path: Path) -> None:
    (tmp_path / "mine").touch(0o600)
    body = victim.body | {
        "modes": {"file": "0777", "executable": "0777", "dir": "0777", "other": [{"path": "d", "mode": "7777"}]}
    }
    link = victim.tree((LINK, b"d", victim.blob(str(tmp_path / "mine").encode())))
    victim.put(link, b"subject\n\n" + json.dumps(body).encode())
    ok("restore", "--snapshot", victim.taken["id"], "--dest", tmp_path / "out")
    assert (tmp_path / "mine").stat().st_mode & 0o7777 == 0o600


def test_setuid_and_sticky_bits_are_never_given(victim: Victim, tmp_path: Path) -> None:
    victim.put_facts(
        modes={"file": "7644", "executable": "7755", "dir": "7755", "other": [{"path": ".", "mode": "7700"}]}
    )
    ok("restore", "--snapshot", victim.taken["id"], "--dest", tmp_path / "out")
    modes = {path.stat().st_mode & 0o7777 for path in (tmp_path / "out", *(tmp_path / "out").rglob("*"))}
    assert modes == {0o700, 0o755, 0o644}


FACTS: dict[str, dict[str, object]] = {
    "empty_dirs is no list": {"empty_dirs": {"path": "x"}},
    "empty_dirs of texts": {"empty_dirs": ["x"]},
    "empty_dirs of numbers": {"empty_dirs": [{"path": 1}]},
    "a name too long for any disk": {"empty_dirs": [{"path": "x" * 5000}]},
    "a path too long for any disk": {"empty_dirs": [{"path": "x/" * 5000 + "x"}]},
    "broken base64": {"empty_dirs": [{"path_b64": "\u00e9"}]},
    "modes is a list": {"modes": []},
    "modes is empty": {"modes": {}},
    "mode is a number": {"modes": {"file": 420, "executable": "0755", "dir": "0755", "other": []}},
    "mode is no octal": {"modes": {"file": "rw-", "executable": "0755", "dir": "0755", "other": []}},
    "other is no list": {"modes": {"file": "0644", "executable": "0755", "dir": "0755", "other": 1}},
    "a newer schema": {"schema_version": 2},
    "no schema": {"schema_version": None},
}


@pytest.mark.parametrize("facts", FACTS.values(), ids=FACTS)
def test_facts_of_a_wrong_shape_are_refused(facts: dict[str, object], victim: Victim, tmp_path: Path) -> None:
    victim.put_facts(**facts)
    check_refused(victim, tmp_path)


BODIES = {
    "no json": b"not json",
    "not UTF-8": b"\xff",
    "deep": b"[" * 100_000,
    "a list": b"[]",
    "NaN": b'{"schema_version": NaN}',
    "a long number": b'{"schema_version": ' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_is_no_snapshots_is_refused(body: bytes, victim: Victim, tmp_path: Path) -> None:
    victim.put(victim.taken["tree"], b"subject\n\n" + body)
    check_refused(victim, tmp_path)


def test_a_huge_body_is_read_in_a_moment(victim: Victim, tmp_path: Path) -> None:
    victim.put_facts(empty_dirs=[{"path": "../x"}] * 200_000)
    check_refused(victim, tmp_path)


def test_a_mode_of_many_digits_is_no_bomb(victim: Victim, tmp_path: Path) -> None:
    victim.put_facts(modes={"file": "7" * 1_000_000, "executable": "0755", "dir": "0755", "other": []})
    run("restore", "--snapshot", victim.taken["id"], "--dest", tmp_path / "out")
    assert all(path.stat().st_mode & 0o7000 == 0 for path in tmp_path.rglob("*"))


def test_links_that_point_anywhere_are_only_links(victim: Victim, tmp_path: Path) -> None:
    targets = {b"absolute": b"/etc/passwd", b"up": b"../../..", b"itself": b"itself", b"odd": b"\xff\n"}
    entries = [(LINK, name, victim.blob(target)) for name, target in sorted(targets.items())]
    victim.put(victim.tree(*entries), b"subject\n")
    ok("restore", "--snapshot", victim.taken["id"], "--dest", tmp_path / "out", "--verify")
    found = subprocess.run(["readlink", "-n", "absolute"], cwd=tmp_path / "out", capture_output=True, check=True)
    assert found.stdout == b"/etc/passwd"
    assert len(list((tmp_path / "out").iterdir())) == 4


def test_a_store_cannot_run_programs(victim: Victim, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    script = tmp_path / "enemy"
    script.write_text(f"#!/bin/sh\ntouch '{proof}'\ncat\n")
    script.chmod(0o755)
    attributes = victim.blob(b"* filter=enemy\n")
    victim.put(victim.tree((FILE, b".gitattributes", attributes), (FILE, b"x", victim.blob(b"x"))), b"subject\n")
    for hook in ("post-checkout", "post-index-change", "reference-transaction"):
        (victim.store / "hooks").mkdir(exist_ok=True)
        (victim.store / "hooks" / hook).symlink_to(script)
    git("config", "--global", "filter.enemy.smudge", str(script), cwd=tmp_path)
    ok("restore", "--snapshot", victim.taken["id"], "--dest", tmp_path / "out", "--verify")
    ok("show", victim.taken["id"], "--files")
    assert not proof.exists()
