"""The transcripts of agents' sessions, kept in one bare store of the home, whatever becomes of the agents' own files.

A session has one ref, to a parentless commit; its tree has a folder a file, and in that the file in pieces of 256 KiB.
A file that has grown shares all its whole pieces with what was kept before, and they are not written again.

The callers hold the home open (`opening.opened`), which keeps `delete --all` away. Keepers exclude each other by the
lock `transcripts/lock`; readers hold `reading.lock` with others, and whoever drops objects holds it alone.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping

from rollouts.contracts.strict_json import Json, dump, parse
from rollouts.errors import CommandError, DamagedStoreError, RolloutsError
from rollouts.paths import Home
from rollouts.record import Record
from rollouts.storage import git, packing, upkeep
from rollouts.storage.fast_import import Stream
from rollouts.storage.git_store import GitStore
from rollouts.storage.lock import Lock
from rollouts.storage.pieces import Content, Piece, cut
from rollouts.storage.sessions import Key

REFS = "refs/transcripts/"
SCHEMA_VERSION = 1
_BLOB = b"100644"


class Draft(Record):
    """What is to be kept of a session now: name in the transcript -> path of the file.

    Files that were kept before and are not named here stay as they are.
    """

    agent: str
    session_id: str
    files: Mapping[str, str]


class Outcome(Record):
    """What became of a draft."""

    draft: Draft
    sizes: dict[str, int]
    """Name -> bytes that are kept of each file; those that could not be read are missing."""
    problems: dict[str, str]
    """Name -> why a file could not be read."""


_Shelf = dict[str, list[Piece]]
"""What is kept of a session: name -> pieces, in their order."""


def ref(agent: str, session_id: str) -> str:
    """The ref of a session's transcript; ids of sessions are any text, and names of refs are not."""
    return f"{REFS}{agent}/{hashlib.sha256(session_id.encode(errors='surrogateescape')).hexdigest()}"


def _message(draft: Draft, sizes: Mapping[str, int]) -> bytes:
    files: list[Json] = [{"name": name, "size": size} for name, size in sorted(sizes.items())]
    taken = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    body = {
        "schema_version": SCHEMA_VERSION,
        "agent": draft.agent,
        "session_id": draft.session_id,
        "files": files,
        "taken_at": taken,
    }
    return f"transcript of {draft.agent} session {draft.session_id!a}\n\n{dump(body)}\n".encode()


_HALF = re.compile(r"scratch-.*|store\.git\.[0-9a-f]{8}\.new")
_BAD_NAME = re.compile(r"\A\.?\.?\Z|\A\.git\Z|[/\0]", re.IGNORECASE)


class Transcripts:
    """The kept transcripts of a home."""

    def __init__(self, home: Home) -> None:
        self.folder = f"{home.path}/transcripts"
        self.store = GitStore(f"{self.folder}/store.git")

    def exists(self) -> bool:
        return self.store.exists()

    def locked(self) -> Lock:
        """The lock of whoever writes."""
        return Lock(f"{self.folder}/lock", "the store of transcripts")

    def taking_in(self) -> Lock:
        """The lock of whoever takes sessions in, or forgets them; it comes before all others here."""
        return Lock(f"{self.folder}/ingest", "the intake of agents' sessions")

    def reading(self, *, shared: bool = True) -> Lock:
        """Held (shared) while objects are read, so that none is dropped meanwhile (which takes it alone)."""
        path = f"{self.folder}/reading.lock"
        if not os.access(self.folder, os.W_OK):
            path = os.devnull  # nobody can drop anything from a store that cannot be written
        return Lock(path, "the store of transcripts", shared=shared)

    # Reading

    def files(self, agent: str, session_id: str) -> dict[str, Content] | None:
        """What is kept of a session: name of the file -> its content; None when nothing is.

        The names are those of the agent's page `log.py`: `main.jsonl` or `main.json` for the session itself, others
        for its subagents; `main.jsonl~1` is what a file held before it was written anew. Who reads the contents while
        others may delete holds `reading()`.

        Raises:
            DamagedStoreError: the store has lost part of it.
        """
        if not self.exists():
            return None
        commit = self._commits([ref(agent, session_id)])[0]
        if commit is None:
            return None
        shelf = self._shelf(commit)
        return {
            name: Content(self.store, [piece.oid for piece in pieces], sum(piece.size for piece in pieces))
            for name, pieces in shelf.items()
        }

    def sessions(self, agent: str | None = None, but: Iterable[str] = ()) -> Iterator[Key]:
        """The agent and id of each session that something is kept of.

        Args:
            agent: only those of this one.
            but: ids of sessions to leave out; each of the others takes a process.

        Raises:
            DamagedStoreError: a commit is not there, or is no transcript's.
        """
        left_out = {ref(agent or "", session_id) for session_id in but}
        for name, commit in self.refs().items():
            if name in left_out or not name.startswith(f"{REFS}{agent or ''}"):
                continue
            body = _body(self.store.commit_message(commit))
            owner, session_id = body.get("agent"), body.get("session_id")
            if not isinstance(owner, str) or not isinstance(session_id, str):
                raise DamagedStoreError(f"commit {commit} of {self.store.path} is no transcript's")
            yield owner, session_id

    def keys_of(self, session_ids: Iterable[str]) -> set[Key]:
        """Those of some sessions that something is kept of, whichever agents they are of."""
        names = list(session_ids)
        there = self.refs()
        agents = {name.removeprefix(REFS).partition("/")[0] for name in there}
        return {(agent, name) for agent in agents for name in names if ref(agent, name) in there}

    def refs(self) -> dict[str, str]:
        """Ref -> commit."""
        if not self.exists():
            return {}
        listed = git.sealed(self.store.path, "for-each-ref", "--format=%(refname) %(objectname)", REFS).decode()
        return dict(line.split(" ") for line in listed.splitlines())

    def _commits(self, refs: list[str]) -> list[str | None]:
        asked = "".join(f"{name}\n" for name in refs).encode()
        answers = git.sealed(self.store.path, "cat-file", "--batch-check", stdin=asked).decode().splitlines()
        return [None if answer.endswith(" missing") else answer.partition(" ")[0] for answer in answers]

    def _shelf(self, commit: str) -> _Shelf:
        """What a commit holds.

        Raises:
            DamagedStoreError: part of it is not there.
        """
        try:
            listing = git.sealed(self.store.path, "ls-tree", "-r", "-l", "-z", "--full-tree", commit)
        except CommandError as error:
            raise DamagedStoreError(
                f"the store {self.store.path} has lost part of {commit}; run `rollouts doctor --repair`"
            ) from error
        found: _Shelf = {}
        for line in listing.split(b"\0")[:-1]:
            head, _, path = line.partition(b"\t")
            _, _, oid, size = head.split()
            if not size.isdigit():
                raise DamagedStoreError(f"the store {self.store.path} has lost blob {oid.decode()}")
            found.setdefault(os.fsdecode(path.rpartition(b"/")[0]), []).append(Piece(oid, int(size)))
        return found

    # Keeping

    def keep(self, batch: list[Draft]) -> list[Outcome]:
        """Keeps what files hold now, of many sessions at once by one git process.

        A file that can only grow (`.jsonl`) and is shorter now, or other than before, leaves what it was as `<name>~1`,
        `~2` and so on. Either all refs are written or, when this is killed, those of the first few; a ref is never
        without its objects.

        Raises:
            RolloutsError: the store cannot be written, or is busy for too long.
        """
        os.makedirs(self.folder, exist_ok=True)
        with self.locked() as lock:
            self.store.ensure()
            if lock.read():
                self.sweep(lock)
            lock.write(b"keeps")
            outcomes = self._kept(batch, lock)
            lock.write(b"")
        return outcomes

    def _kept(self, batch: list[Draft], lock: Lock) -> list[Outcome]:
        commits = self._commits([ref(draft.agent, draft.session_id) for draft in batch])
        stream = Stream(self.folder)
        try:
            outcomes = [self._add(stream, draft, commit) for draft, commit in zip(batch, commits, strict=True)]
            if not stream.commits:
                return outcomes
            stream.done()
            options = ("-c", "core.compression=1", "-c", "pack.compression=1")
            command = ("fast-import", "--quiet", "--force", "--done", "--depth=0")
            git.sealed_from(self.store.path, *options, *command, source=stream.fileno())
        except CommandError:
            self.sweep(lock)
            raise
        finally:
            stream.close()
        return outcomes

    def _add(self, stream: Stream, draft: Draft, commit: str | None) -> Outcome:
        shelf = self._shelf(commit) if commit else {}
        tree = dict(shelf)
        done = Outcome(draft, {}, {})
        for name, path in sorted(draft.files.items()):
            if _BAD_NAME.search(name):
                done.problems[name] = "its name cannot stand in a tree"
                continue
            try:
                with open(path, "rb") as file:
                    pieces, has_grown = cut(stream, file.fileno(), shelf.get(name, []))
            except OSError as error:
                done.problems[name] = error.strerror or str(error)
                continue
            if not has_grown and name.endswith(".jsonl"):
                tree[_older(name, tree)] = shelf[name]
            tree[name] = pieces
            done.sizes[name] = sum(piece.size for piece in pieces)
        if done.sizes and tree != shelf:
            sizes = {name: sum(piece.size for piece in pieces) for name, pieces in tree.items()}
            stream.commit(ref(draft.agent, draft.session_id), _message(draft, sizes), _paths(tree))
        return done

    def sweep(self, lock: Lock) -> None:
        """Removes what a killed keeper left; the caller holds the lock."""
        for path in self.leftovers():
            if os.path.lexists(path):
                os.unlink(path)
        lock.write(b"")

    def leftovers(self) -> list[str]:
        """The temporary files of a git that was killed; the caller holds the lock."""
        found = self.store.leftovers()
        names = os.listdir(self.store.path) if self.exists() else []
        found += [f"{self.store.path}/{name}" for name in names if name.startswith("fast_import_crash_")]
        for folder, _, files in os.walk(f"{self.store.path}/{REFS}"):
            found += [f"{folder}/{name}" for name in files if name.endswith(".lock")]
        return found

    def is_whole(self, commit: str) -> bool:
        """Whether all that a commit holds can be read, and is what was kept."""
        try:
            for pieces in self._shelf(commit).values():
                for _ in Content(self.store, [piece.oid for piece in pieces], 0).chunks():
                    pass
        except RolloutsError:
            return False
        return True

    def drop(self, refs: Iterable[str]) -> None:
        """Deletes refs; the caller holds the lock."""
        commands = b"".join(f"delete {name}".encode() + b"\0\0" for name in refs)
        if commands:
            git.sealed(self.store.path, "update-ref", "-z", "--stdin", stdin=commands)

    def halves(self) -> list[str]:
        """What killed takers left: exports on their way, and the half of a store; the caller holds `taking_in`."""
        names = os.listdir(self.folder) if os.path.isdir(self.folder) else []
        return [f"{self.folder}/{name}" for name in names if _HALF.fullmatch(name)]

    def clear(self) -> None:
        """Removes that; the caller holds `taking_in`, under which alone such is made."""
        for path in self.halves():
            import shutil  # noqa: PLC0415 - only after a crash

            shutil.rmtree(path)

    # Forgetting

    def forget(self, keys: Iterable[Key]) -> int:
        """Drops what is kept of some sessions, and gives its space back. Returns of how many something was there.

        Raises:
            RolloutsError: the store cannot be written, or is busy for too long.
        """
        if not self.exists():
            return 0
        with upkeep.Alone(self.folder) as alone, self.locked(), self.reading(shared=False):
            there = sorted({ref(*key) for key in keys} & self.refs().keys())
            if there:
                self.drop(there)
                for path in self.leftovers():
                    os.unlink(path)
                packing.reclaim(self.store)
                alone.settle()
        return len(there)


def _body(message: bytes) -> dict[str, Json]:
    """The JSON line of a transcript's commit; empty for anything else."""
    try:
        parsed = parse(message.partition(b"\n\n")[2].decode())
    except (ValueError, RolloutsError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _older(name: str, tree: Mapping[str, object]) -> str:
    number = 1
    while f"{name}~{number}" in tree:
        number += 1
    return f"{name}~{number}"


def _paths(tree: Mapping[str, list[Piece]]) -> Iterator[tuple[bytes, bytes, str]]:
    for name, pieces in sorted(tree.items()):
        for number, piece in enumerate(pieces):
            yield _BLOB, piece.oid, f"{name}/{number:08d}"
