"""The bare git store of one workspace: its kept index, its commits, its refs.

Callers hold the workspace's lock for everything that writes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from rollouts.errors import CommandError, DamagedStoreError, RolloutsError
from rollouts.process import Running
from rollouts.record import Record
from rollouts.storage import git

_IDENTITY = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "rollouts"), ("EMAIL", "rollouts@local"))
}
_REFS = "refs/snapshots/"
_MIDX_LOCK = "objects/pack/multi-pack-index.lock"


class Entry(Record):
    """One file of a tree."""

    mode: bytes
    oid: bytes
    path: bytes


def _joined(paths: list[bytes]) -> bytes:
    return b"".join(path + b"\0" for path in paths)


def _matches(path: str, oid: str) -> bool:
    """Whether a loose object has the content that its name says."""
    import hashlib  # noqa: PLC0415 - only for a damaged store
    import zlib  # noqa: PLC0415 - only for a damaged store

    with open(path, "rb") as file:
        try:
            return hashlib.sha1(zlib.decompress(file.read()), usedforsecurity=False).hexdigest() == oid
        except zlib.error:
            return False


class GitStore:
    """A bare repository below a workspace's folder in the home."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.index = f"{path}/index"

    def exists(self) -> bool:
        return os.path.isfile(f"{self.path}/HEAD")

    def index_exists(self) -> bool:
        return os.path.exists(self.index)

    def ensure(self) -> None:
        """Makes the store when there is none (complete or not at all), and seals its attributes."""
        if not self.exists():
            fresh = f"{self.path}.{os.urandom(4).hex()}.new"
            git.sealed(fresh, "init", "-q", "--bare", "--template=")
            if os.path.exists(self.path):  # the ruins of one, without a HEAD
                import shutil  # noqa: PLC0415 - 9 ms, and only for ruins

                shutil.rmtree(self.path)
            os.rename(fresh, self.path)
        attributes = f"{self.path}/info/attributes"
        if not os.path.exists(attributes) or os.path.getsize(attributes) != len(git.ATTRIBUTES):
            os.makedirs(f"{self.path}/info", exist_ok=True)
            with open(attributes + ".new", "wb") as file:
                file.write(git.ATTRIBUTES)
            os.rename(attributes + ".new", attributes)

    def read_also(self, other: GitStore) -> None:
        """Reads the objects of another store as well, for as long as both are there."""
        with open(f"{self.path}/objects/info/alternates", "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(git.quoted(f"{other.path}/objects") + "\n")

    # What is in the index, and what changed since

    def refresh(self, root: bytes) -> Running:
        """Starts to bring the files that the index knows up to date; it prints `add 'path'` and `remove 'path'`."""
        return git.start_sealed(self.path, "add", "-u", "-v", "--ignore-errors", work_tree=root)

    def indexed(self) -> set[bytes]:
        """The paths in the index."""
        return set(git.sealed(self.path, "ls-files", "-z").split(b"\0")) - {b""}

    def unsettled(self, root: bytes) -> set[bytes]:
        """The indexed paths whose files differ from the index."""
        return set(git.sealed(self.path, "diff-files", "--name-only", "-z", work_tree=root).split(b"\0")) - {b""}

    def forget(self, root: bytes, paths: list[bytes]) -> None:
        """Takes paths out of the index."""
        if paths:
            git.sealed(
                self.path, "update-index", "--force-remove", "-z", "--stdin", work_tree=root, stdin=_joined(paths)
            )

    def add(self, root: bytes, paths: list[bytes], *, streamed: bool) -> None:
        """Puts paths into the index, their content into the store (in one pack when `streamed`).

        Raises:
            CommandError: one of them cannot be added; the index is as before.
        """
        args = ("update-index", "--add", "--replace", "-z", "--stdin")
        git.sealed(self.path, *args, work_tree=root, stdin=_joined(paths), streamed=streamed)

    def seed(self, oids: list[bytes], objects: bytes) -> None:
        """Copies objects of another repository into a pack of this store; nothing is shared afterwards.

        Args:
            oids: blobs.
            objects: the other repository's `objects` directory.

        Raises:
            CommandError: one of them is not there.
        """
        git.sealed(
            self.path,
            *("pack-objects", "-q", "--delta-base-offset", "--window=0", f"{self.path}/objects/pack/pack"),
            stdin=b"".join(oid + b"\n" for oid in oids),
            settings=git.with_objects_of(os.fsdecode(objects)),
        )

    def drop_index(self) -> None:
        """Removes the index; the next capture reads every file again."""
        for path in (self.index, f"{self.index}.lock"):
            if os.path.exists(path):
                os.unlink(path)

    def temporary_files(self) -> list[str]:
        """What git writes before it gives it its name, and its lock files."""
        objects = f"{self.path}/objects"
        folders = [f"{objects}/{name}" for name in os.listdir(objects)] if os.path.isdir(objects) else []
        found = [f"{folder}/{name}" for folder in filter(os.path.isdir, folders) for name in os.listdir(folder)]
        found = [path for path in found if path.rpartition("/")[2].startswith(("tmp_", ".tmp-"))]
        names = ("index.lock", "packed-refs.lock", "packed-refs.new", "config.lock", "info/attributes.new", _MIDX_LOCK)
        found += [path for path in (f"{self.path}/{name}" for name in names) if os.path.exists(path)]
        refs = f"{self.path}/{_REFS}"  # git gives up at a ref's lock file, whoever left it
        names_of_refs = os.listdir(refs) if os.path.isdir(refs) else []
        return found + [refs + name for name in names_of_refs if name.endswith(".lock")]

    def leftovers(self) -> list[str]:
        """The temporary files of a git that was killed; the caller holds the workspace's lock.

        Those of a packing that goes on, which does without that lock, are not among them.
        """
        from rollouts.storage import upkeep  # noqa: PLC0415 - only after a failure

        found = self.temporary_files()
        if found and upkeep.is_under_way(os.path.dirname(self.path)):
            return [path for path in found if not path.startswith(f"{self.path}/objects/pack/")]
        return found

    def sweep(self) -> None:
        """Removes what a killed git left behind."""
        for path in self.leftovers():
            if os.path.lexists(path):
                os.unlink(path)

    # Trees and commits

    def write_tree(self) -> str:
        """The tree of the index."""
        return git.sealed(self.path, "write-tree").decode().strip()

    def commit(self, tree: str, message: bytes, timestamp: int) -> str:
        """Writes a parentless commit. `timestamp` is in seconds since 1970."""
        dates = {f"GIT_{role}_DATE": f"{timestamp} +0000" for role in ("AUTHOR", "COMMITTER")}
        return (
            git.sealed(self.path, "commit-tree", tree, "-F", "-", stdin=message, settings=_IDENTITY | dates)
            .decode()
            .strip()
        )

    def commit_message(self, commit: str) -> bytes:
        """The message of a commit.

        Raises:
            DamagedStoreError: the store has no such commit.
        """
        return self._read("commit", commit).partition(b"\n\n")[2]

    def tree_of(self, commit: str) -> str:
        """The tree of a commit.

        Raises:
            DamagedStoreError: the store has no such commit.
        """
        return self._read("commit", commit)[5:].partition(b"\n")[0].decode()

    def commit_time(self, commit: str) -> str:
        """When a commit was made, UTC in ISO 8601.

        Raises:
            DamagedStoreError: the store has no such commit.
        """
        author = self._read("commit", commit).partition(b"\nauthor ")[2].partition(b"\n")[0]
        return time.strftime("%Y-%m-%dT%H:%M:%S.000000+00:00", time.gmtime(int(author.split()[-2])))

    def blob(self, oid: str) -> bytes:
        """The content of a blob.

        Raises:
            DamagedStoreError: the store has no such blob.
        """
        return self._read("blob", oid)

    def _read(self, kind: str, oid: str) -> bytes:
        if not self.exists():
            raise DamagedStoreError(f"the store {self.path} is missing; `rollouts doctor` says what was lost with it")
        try:
            return git.sealed(self.path, "cat-file", kind, oid)
        except CommandError as error:
            raise DamagedStoreError(
                f"the store {self.path} has lost {kind} {oid}; run `rollouts doctor --repair`"
            ) from error

    def entries(self, tree: str) -> list[Entry]:
        """The files of a tree or commit, in git's order.

        Raises:
            DamagedStoreError: part of it is not there.
        """
        try:
            listing = git.sealed(self.path, "ls-tree", "-r", "-z", "--full-tree", tree)
        except CommandError as error:
            raise DamagedStoreError(
                f"the store {self.path} has lost part of {tree}; run `rollouts doctor --repair`"
            ) from error
        heads = (line.partition(b"\t") for line in listing.split(b"\0") if line)
        return [Entry(head[:6], head[12:], path) for head, _, path in heads]

    # Files from a tree; `index` is always a file of the caller's, made anew

    def check_out(self, commit: str, tree: bytes, index: str) -> None:
        """Writes all files of a commit below the empty directory `tree`, one worker a processor."""
        options = ("-c", f"checkout.workers={os.cpu_count() or 1}", "-c", "checkout.thresholdForParallelism=1000")
        git.sealed(self.path, *options, "read-tree", "-u", "--reset", commit, work_tree=tree, index=index)

    def check_out_files(self, entries: list[Entry], tree: bytes, index: str) -> None:
        """Writes some files below the empty directory `tree`."""
        self._index_of(entries, index)
        git.sealed(self.path, "checkout-index", "-a", work_tree=tree, index=index)

    def _index_of(self, entries: list[Entry], index: str) -> None:
        lines = b"".join(b"%b %b\t%b\0" % entry for entry in entries)
        git.sealed(self.path, "update-index", "-z", "--index-info", index=index, stdin=lines)

    def matching(self, paths: list[bytes], globs: Sequence[str], index: str) -> set[bytes]:
        """The paths that git's globs name.

        Raises:
            RolloutsError: one of them names none.
        """
        self._index_of([Entry(b"100644", b"e69de29bb2d1d6434b8b29ae775ad8c2e48c5391", path) for path in paths], index)
        found: set[bytes] = set()
        for glob in globs:
            listed = git.sealed(self.path, "ls-files", "-z", "--", f":(top,glob){glob.rstrip('/')}", index=index)
            if not listed:
                raise RolloutsError(f"no path of the snapshot matches {glob!r}; `rollouts show --files` lists them")
            found.update(listed.split(b"\0"))
        return found

    def differing(self, entries: list[Entry], tree: bytes, index: str) -> list[bytes]:
        """The entries whose files below `tree` have other content or another type; every byte is read."""
        self._index_of(entries, index)
        # exits 1 when anything differs; the list comes after it
        refresh = git.start_sealed(self.path, "update-index", "-q", "--refresh", work_tree=tree, index=index)
        with refresh as running:
            running.finish()
        differing = git.sealed(self.path, "diff-files", "--name-only", "-z", work_tree=tree, index=index).split(b"\0")
        return [path for path in differing if path]

    def diff_stat(self, old: str, new: str) -> bytes:
        """Git's own summary of what changed between two trees, renames found."""
        return git.sealed(self.path, "diff-tree", "-M", "--stat=79", "--summary", old, new)

    # Refs

    def write_ref(self, snapshot_id: str, commit: str) -> None:
        """Points the snapshot's ref at its commit (the store is ours, its refs are files: no process)."""
        folder = f"{self.path}/{_REFS}"
        os.makedirs(folder, exist_ok=True)
        lock = f"{folder}{snapshot_id}.lock"
        with open(lock, "w", encoding="ascii") as file:
            file.write(commit + "\n")
        os.rename(lock, folder + snapshot_id)

    def drop_ref(self, snapshot_id: str) -> None:
        """Takes back `write_ref`."""
        path = f"{self.path}/{_REFS}{snapshot_id}"
        if os.path.exists(path):
            os.unlink(path)

    def ref(self, snapshot_id: str) -> str | None:
        """The commit that a snapshot's ref points at; None without one."""
        out = git.sealed(self.path, "for-each-ref", "--format=%(objectname)", _REFS + snapshot_id)
        return out.decode().strip() or None

    def refs(self) -> dict[str, str]:
        """Snapshot id -> commit, of every snapshot ref."""
        lines = git.sealed(self.path, "for-each-ref", "--format=%(refname) %(objectname)", _REFS).decode().splitlines()
        pairs = (line.split(" ") for line in lines)
        return {name.removeprefix(_REFS): commit for name, commit in pairs}

    def delete_refs(self, snapshot_ids: list[str]) -> None:
        """Deletes refs; those that are not there are no error."""
        if snapshot_ids:
            commands = b"".join(f"delete {_REFS}{name}".encode() + b"\0\0" for name in snapshot_ids)
            git.sealed(self.path, "update-ref", "-z", "--stdin", stdin=commands)

    # Soundness

    def faults(self, index: str | None = None) -> list[str]:
        """What `git fsck` says of the objects, a line each; empty when all is well.

        It follows the index as well; `index` names another, for when that cannot be read.
        """
        command = ("fsck", "--full", "--no-dangling", "--no-progress", "--no-reflogs")
        with git.start_sealed(self.path, *command, index=index) as running:
            _, out, err = running.finish()
        lines = (out + b"\n" + err).decode(errors="replace").splitlines()
        return [line for line in lines if line and not line.startswith("notice:")]

    def existing(self, commits: list[str]) -> set[str]:
        """Those of some commits that are in the store."""
        asked = "".join(f"{commit}\n" for commit in commits).encode()
        answers = git.sealed(self.path, "cat-file", "--batch-check", stdin=asked).decode().splitlines()
        return {answer.partition(" ")[0] for answer in answers if answer.split(" ")[1] == "commit"}

    def drop_damaged(self, oids: set[str]) -> None:
        """Takes loose objects that do not match their names out of the way, so that they can be written again."""
        for oid in oids:
            path = f"{self.path}/objects/{oid[:2]}/{oid[2:]}"
            if os.path.exists(path) and not _matches(path, oid):
                os.unlink(path)

    def put_file(self, path: bytes) -> None:
        """Stores the content of a file, or the target of a link, as a blob."""
        if os.path.islink(path):
            git.sealed(self.path, "hash-object", "-w", "--stdin", stdin=os.readlink(path))
        else:
            git.sealed(self.path, "hash-object", "-w", "--no-filters", "--", os.fsdecode(path))
