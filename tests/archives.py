"""Archives that no push of ours would make: any tag, any commit, any tree."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from helpers import git
from rollouts.contracts import tag

GIT = ("git", "-c", "user.name=Mallory", "-c", "user.email=mallory@example.com")


def bare(path: Path) -> Path:
    """Makes an empty archive. Returns its path."""
    git("init", "-q", "--bare", path, cwd=path.parent)
    return path


def _written(repository: Path, kind: str, data: bytes) -> str:
    """Writes an object of a bare repository as git does, which would take a process for each. Returns its id."""
    whole = f"{kind} {len(data)}\0".encode() + data
    name = hashlib.sha1(whole, usedforsecurity=False).hexdigest()
    path = repository / "objects" / name[:2] / name[2:]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(zlib.compress(whole, 1))
    return name


def blob(repository: Path, data: bytes) -> str:
    return _written(repository, "blob", data)


def tree(repository: Path, entries: Iterable[tuple[str, bytes, str]]) -> str:
    """Writes a tree of (mode, name, object id), however wrong."""
    raw = b"".join(b"%b %b\0%b" % (mode.encode(), name, bytes.fromhex(oid)) for mode, name, oid in entries)
    return _written(repository, "tree", raw)


def commit(repository: Path, tree_id: str, message: bytes = b"snapshot s message m\n", *, parent: str = "") -> str:
    head = f"tree {tree_id}\n" + (f"parent {parent}\n" if parent else "")
    who = "rollouts <rollouts@local> 1700000000 +0000"
    return _written(repository, "commit", f"{head}author {who}\ncommitter {who}\n\n".encode() + message)


def fields(commit_id: str, session: str = "s", message: str = "m", **others: object) -> dict[str, Any]:
    """The JSON of a tag."""
    return {
        "captured_at": "2026-01-02T03:04:05+00:00",
        "message_id": message,
        "metadata": {},
        "schema_version": 1,
        "session_id": session,
        "snapshot_id": "a" * 32,
        "store_commit_sha": commit_id,
        "vcs": {"vcs": None},
    } | others


def put_tag(
    repository: Path,
    body: Mapping[str, Any] | bytes,
    commit_id: str,
    *,
    session: str = "s",
    message: str = "m",
    kind: str = "commit",
    name: str = "",
) -> str:
    """Gives a snapshot's tag this body. Returns the tag's ref."""
    ref = tag.ref(session, message)
    head = f"object {commit_id}\ntype {kind}\ntag {name or ref.removeprefix('refs/tags/')}\ntagger M <m@x> 1 +0000\n\n"
    text = body if isinstance(body, bytes) else json.dumps(body, indent=2, sort_keys=True).encode()
    git("update-ref", ref, _written(repository, "tag", head.encode() + text), cwd=repository)
    return ref


def put_many(repository: Path, commit_id: str, count: int) -> None:
    """Tags a commit as so many snapshots of session `s`, with the messages 0, 1, ..."""
    stream = b""
    for number in range(count):
        body = json.dumps(fields(commit_id, message=str(number), snapshot_id=f"{number:032x}")).encode()
        name = tag.ref("s", str(number)).removeprefix("refs/tags/")
        stream += f"tag {name}\nfrom {commit_id}\ntagger M <m@x> 1 +0000\ndata {len(body)}\n".encode() + body + b"\n"
    git("fast-import", "--quiet", cwd=repository, stdin=stream)


def refs(repository: Path) -> dict[str, str]:
    lines = git("for-each-ref", "--format=%(refname) %(objectname)", cwd=repository).splitlines()
    return dict(line.split(" ") for line in lines)
