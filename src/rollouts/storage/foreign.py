"""Snapshots that come from elsewhere, checked: nobody vouches for what lies in an archive.

A tag must be what its name says, its commit must stand alone and say the same, and each tree must be one that a restore
may write. Trees are looked at once, however many snapshots share them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from rollouts.contracts import commit as contract
from rollouts.contracts import tag
from rollouts.contracts.strict_json import dump_sorted, parse
from rollouts.contracts.tag import Tag
from rollouts.errors import RolloutsError
from rollouts.models import Snapshot
from rollouts.record import Record
from rollouts.storage import carrier, rebuild
from rollouts.storage.content import EXECUTABLE, FILE, LINK, content
from rollouts.storage.git_store import GitStore

_COMMIT = re.compile(rb"tree ([0-9a-f]{40})\n(?!parent )")
_ENTRY = re.compile(rb"([0-7]+) ([^\0]+)\0(.{20})", re.DOTALL)
_DIRECTORY = b"40000"
_DEEPEST = 1000
_MOST_FILES = 10_000_000
"""More than any workspace has; a few small trees that name each other many times are more than any disk has."""


class Checked(Record):
    """What was found good, and what was not."""

    snapshots: list[Snapshot]
    refused: dict[str, str]
    """Ref -> why."""


class _Tree(Record):
    problem: str | None
    below: list[str]
    """Its directories' trees, one for each time it names them."""
    files: int


def _tree(raw: bytes) -> _Tree:
    names: set[bytes] = set()
    below: list[str] = []
    problem = None
    end = count = 0
    for entry in _ENTRY.finditer(raw):
        mode, name, oid = entry.groups()
        if mode == _DIRECTORY:
            below.append(oid.hex())
        elif mode not in {FILE, EXECUTABLE, LINK}:
            problem = f"it holds {name!r} with mode {mode.decode()}, which no snapshot has"
        if name.lower() in {b".", b"..", b".git"} or b"/" in name or name in names:
            problem = f"it holds the name {name!r}, which no restore may write"
        names.add(name)
        end, count = entry.end(), count + 1
    if end != len(raw):
        problem = "one of its trees cannot be read"
    return _Tree(problem, below, count - len(below))


def _trees(repository: GitStore, roots: Iterable[str]) -> dict[str, _Tree]:
    """Every tree that is reached from some, by object id; one that is not there is a problem of its own."""
    found: dict[str, _Tree] = {}
    level = set(roots)
    for _ in range(_DEEPEST):
        if not level:
            return found
        found |= dict.fromkeys(level, _Tree("part of it is not in the archive", [], 0))
        found |= {oid: _tree(raw) for oid, raw in carrier.contents(repository, b"tree", sorted(level))}
        level = {oid for known in level for oid in found[known].below} - found.keys()
    return found | dict.fromkeys(level, _Tree("its directories are nested too deep", [], 0))


def _verdicts(trees: Mapping[str, _Tree]) -> dict[str, str | None]:
    """Tree -> what is wrong with it or anything below it."""
    problems: dict[str, str | None] = {}
    files: dict[str, int] = {}
    pending = list(trees)
    while pending:
        oid = pending[-1]
        own = trees[oid]
        unknown = [below for below in own.below if below not in problems]
        if unknown and oid not in problems:
            pending += unknown
            continue
        pending.pop()
        files[oid] = own.files + sum(files[below] for below in own.below)
        problem = own.problem or next((problems[below] for below in own.below if problems[below]), None)
        problems[oid] = problem or (f"it holds {files[oid]} files" if files[oid] > _MOST_FILES else None)
    return problems


def _same(one: str, other: str) -> bool:
    """Whether two JSON texts hold the same values, numbers as they are written."""
    return dump_sorted(parse(one, as_written=True)) == dump_sorted(parse(other, as_written=True))


def _row(found: Tag, raw: bytes, workspace_id: str) -> Snapshot:
    """The row of a snapshot, from its tag and its commit.

    Raises:
        ValueError: they do not agree, or the commit has a history.
    """
    head = _COMMIT.match(raw)
    if not head:
        raise ValueError("its commit has a parent")
    tree = head[1].decode()
    said = rebuild.snapshot_of(raw.partition(b"\n\n")[2], tree, found.store_commit_sha, workspace_id)
    texts = (found.snapshot_id, workspace_id, found.session_id, found.message_id, found.store_commit_sha)
    row = Snapshot(*texts, found.vcs, found.metadata, found.captured_at, tree=tree)
    if said is None:  # agent-rollouts 0.1 wrote a subject only
        return row
    if not (_same(said.vcs, row.vcs) and _same(said.metadata, row.metadata)):
        raise ValueError("its commit says something else of its vcs or metadata")
    if said[:5] != row[:5] or said.captured_at != row.captured_at:
        raise ValueError("its commit is of another snapshot")
    return said


def _check_content(repository: GitStore, row: Snapshot, message: bytes, problem: str | None) -> None:
    """Checks what a restore will: the tree, whose problem is known, and what no tree holds.

    Raises:
        ValueError, RolloutsError: a restore would refuse it.
    """
    if problem:
        raise ValueError(problem)
    parsed = contract.body(message)
    empty_dirs, modes = contract.restorable(parsed) if parsed else ((), None)
    if empty_dirs or (modes and modes.other):
        content(repository, row)


def check(repository: GitStore, workspace_id: str, tags: Mapping[str, tuple[str, bytes]]) -> Checked:
    """Checks fetched tags and what they point at.

    Args:
        repository: has what was fetched.
        workspace_id: of the workspace that the rows will be of.
        tags: ref -> (object id, content).
    """
    read: dict[str, Tag] = {}
    refused: dict[str, str] = {}
    for name, (_, raw) in tags.items():
        try:
            read[name] = tag.read(raw, name)
        except ValueError as error:
            refused[name] = str(error)
    commits = dict(carrier.contents(repository, b"commit", [found.store_commit_sha for found in read.values()]))
    rows: dict[str, Snapshot] = {}
    for name, found in read.items():
        try:
            rows[name] = _row(found, commits[found.store_commit_sha], workspace_id)
        except KeyError:
            refused[name] = "its commit is not in the archive"
        except ValueError as error:
            refused[name] = str(error)
    verdicts = _verdicts(_trees(repository, {row.tree or "" for row in rows.values()}))
    good = []
    for name, row in rows.items():
        try:
            message = commits[row.store_commit_sha].partition(b"\n\n")[2]
            _check_content(repository, row, message, verdicts[row.tree or ""])
            good.append(row)
        except (ValueError, RolloutsError) as error:
            refused[name] = str(error)
    return Checked(good, refused)
