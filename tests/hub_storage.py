"""What a Hub on loopback keeps: datasets with their commits, small files as git blobs, large ones by their SHA-256."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_LARGE = (".parquet", ".arrow", ".zip", ".gz", ".zst", ".bin", ".tar", ".xz")
_MDB_HEADER = 48
_MDB_ENTRY = 48


class Refusal(Exception):  # noqa: N818 - an answer, not a mistake
    """What the Hub answers instead of doing it."""

    def __init__(self, status: int, message: str, *, code: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.headers = status, message, code, headers or {}


@dataclass(frozen=True)
class Entry:
    """A file in a commit."""

    oid: str
    """Of the git blob; for a large file of its pointer."""
    size: int
    sha256: str = ""
    """Of a large file."""
    pointer_size: int = 0
    xet: str = ""
    """The hash under which the content-addressed store of Xet has it."""


@dataclass(frozen=True)
class Commit:
    oid: str
    tree: dict[str, Entry]
    title: str
    user: str
    date: str


@dataclass
class Dataset:
    id: str
    private: bool
    commits: list[Commit] = field(default_factory=list)
    """The branch main, the oldest first."""

    @property
    def head(self) -> Commit:
        return self.commits[-1]

    def at(self, revision: str) -> Commit:
        """The commit that a revision names: main, or a commit's id."""
        found = [commit for commit in self.commits if revision in {"main", "refs/heads/main", commit.oid}]
        if not found:
            raise Refusal(404, f"Invalid rev id: {revision}", code="RevisionNotFound")
        return found[-1]


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _git_oid(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _xet_hex(raw: bytes) -> str:
    return "".join(f"{int.from_bytes(raw[at : at + 8], 'little'):016x}" for at in (0, 8, 16, 24))


def _files_of_shard(data: bytes) -> Iterator[tuple[str, str, int]]:
    """SHA-256, Xet hash and size of each file in a metadata shard of `hf_xet` (version 2)."""
    if len(data) < _MDB_HEADER or int.from_bytes(data[32:40], "little") != 2:
        return
    at = _MDB_HEADER
    while at + _MDB_ENTRY <= len(data) and data[at : at + 32] != b"\xff" * 32:
        name, flags = data[at : at + 32], int.from_bytes(data[at + 32 : at + 36], "little")
        count = int.from_bytes(data[at + 36 : at + 40], "little")
        at += _MDB_ENTRY
        sizes = [int.from_bytes(data[at + 48 * n + 36 : at + 48 * n + 40], "little") for n in range(count)]
        at += _MDB_ENTRY * count * (2 if flags & 0x80000000 else 1)  # the second half verifies the first
        if flags & 0x40000000:
            yield _xet_hex(data[at : at + 32]), _xet_hex(name), sum(sizes)
            at += _MDB_ENTRY


class Storage:
    """All datasets of a Hub; `lock` is held while one changes."""

    def __init__(self, root: Path, lfs_threshold: int) -> None:
        self.root, self.lfs_threshold = root, lfs_threshold
        self.datasets: dict[str, Dataset] = {}
        self.blobs: dict[str, bytes] = {}
        self.lock = threading.RLock()
        self.quota: int | None = None
        """Bytes that fit; None is no limit."""
        for name in ("lfs", "cas"):
            (root / name).mkdir(parents=True)

    @property
    def cas(self) -> Path:
        """The store that the released `hf_xet` writes to and reads from by itself, at a `local://` address."""
        return self.root / "cas"

    def dataset(self, name: str, user: str | None, *, write: bool = False) -> Dataset:
        """A dataset that a user may read, or write."""
        found = self.datasets.get(name)
        if found is None or (found.private and user != name.partition("/")[0]):
            raise Refusal(404 if user else 401, "Repository not found", code="RepoNotFound")
        if write and user != name.partition("/")[0]:
            raise Refusal(403, "Forbidden: you don't have write access")
        return found

    def create(self, name: str, user: str, *, private: bool) -> Dataset:
        made = self.datasets[name] = Dataset(name, private)
        rules = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in _LARGE)
        self.add_commit(made, {".gitattributes": self.blob(rules.encode())}, "initial commit", user)
        return made

    def add_commit(self, dataset: Dataset, tree: dict[str, Entry], title: str, user: str) -> Commit:
        facts = [[entry.oid for entry in tree.values()], title, time.time_ns(), len(dataset.commits)]
        oid = hashlib.sha1(json.dumps(facts).encode(), usedforsecurity=False).hexdigest()
        dataset.commits.append(Commit(oid, tree, title, user, now()))
        return dataset.head

    def blob(self, data: bytes) -> Entry:
        oid = _git_oid(data)
        self.blobs[oid] = data
        return Entry(oid, len(data))

    def large(self, sha256: str) -> Entry:
        """A large file that was uploaded before, in either way."""
        path = self.lfs_path(sha256)
        in_xet = {} if path.exists() else self._in_xet()
        if not path.exists() and sha256 not in in_xet:
            raise Refusal(400, "LFS pointer pointed to a file that does not exist")
        xet, size = in_xet.get(sha256, ("", 0))
        size = size or path.stat().st_size
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
        return Entry(_git_oid(pointer), size, sha256, len(pointer), xet)

    def mend_cas(self) -> None:
        """Drops the index of known chunks: it is written by the client's process here, and a kill may damage it, while
        on the real Hub it is the server's."""
        for path in self.cas.rglob("*.redb"):
            path.unlink()

    def _in_xet(self) -> dict[str, tuple[str, int]]:
        shards = (path.read_bytes() for path in self.cas.rglob("*.mdb"))
        return {sha256: (xet, size) for data in shards for sha256, xet, size in _files_of_shard(data)}

    def lfs_path(self, sha256: str) -> Path:
        return self.root / "lfs" / sha256

    def wants_lfs(self, name: str, size: int, sample: bytes) -> bool:
        return size > 0 and (size > self.lfs_threshold or name.endswith(_LARGE) or b"\0" in sample)

    def check_quota(self, name: str, more: int) -> None:
        """Refuses what does not fit any more, in the Hub's own words."""
        tree = self.datasets[name].head.tree
        if self.quota is not None and sum(entry.size for entry in tree.values()) + more > self.quota:
            raise Refusal(403, "Private repository storage limit reached, please upgrade your plan to increase it")


def described(path: str, entry: Entry) -> dict[str, Any]:
    """A file as the Hub's API lists it."""
    found: dict[str, Any] = {"type": "file", "oid": entry.oid, "size": entry.size, "path": path}
    if entry.sha256:
        found["lfs"] = {"oid": entry.sha256, "size": entry.size, "pointerSize": entry.pointer_size}
    if entry.xet:
        found["xetHash"] = entry.xet
    return found


def folders_above(path: str) -> list[str]:
    """The folders that a file is in, the topmost first."""
    names = path.split("/")[:-1]
    return ["/".join(names[: number + 1]) for number in range(len(names))]


def described_folder(path: str) -> dict[str, Any]:
    """A folder as the Hub's API lists it."""
    oid = hashlib.sha1(path.encode(), usedforsecurity=False).hexdigest()
    return {"type": "directory", "oid": oid, "size": 0, "path": path}
