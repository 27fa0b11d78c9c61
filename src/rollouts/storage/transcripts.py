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
from rollouts.storage import due, git, packing, upkeep
from rollouts.storage.git_store import GitStore
from rollouts.storage.lock import BusyError, FolderGoneError, Lock
from rollouts.storage.sessions import Key

PIECE = 256 << 10
"""Bytes of a whole piece."""
REFS = "refs/transcripts/"
SCHEMA_VERSION = 1
_BLOB = b"100644"
_AT_ONCE = 64
"""Pieces that one git process reads."""
_REFS_SECONDS = 20.0


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


class _Piece(Record):
    oid: bytes
    size: int


_Shelf = dict[str, list[_Piece]]
"""What is kept of a session: name -> pieces, in their order."""


class Content:
    """One kept file; its bytes are read when they are asked for."""

    def __init__(self, store: GitStore, pieces: list[bytes], size: int) -> None:
        self._store = store
        self._pieces = pieces
        self.size = size

    def chunks(self) -> Iterator[bytes]:
        """Its bytes, in pieces of at most 256 KiB.

        Raises:
            DamagedStoreError: the store has lost some of them, or they are not what was kept.
        """
        for start in range(0, len(self._pieces), _AT_ONCE):
            some = self._pieces[start : start + _AT_ONCE]
            for oid, data in zip(some, _blobs(self._store, some), strict=True):
                if _oid(data) != oid:
                    raise DamagedStoreError(f"the store {self._store.path} has damaged blob {oid.decode()}")
                yield data

    def read(self) -> bytes:
        """All of it. Raises DamagedStoreError as above."""
        return b"".join(self.chunks())


def _oid(data: bytes) -> bytes:
    """The name that git gives to some content."""
    head = b"blob %d\0" % len(data)
    return hashlib.sha1(head + data, usedforsecurity=False).hexdigest().encode()


def _blobs(store: GitStore, oids: list[bytes]) -> Iterator[bytes]:
    """The content of some blobs, by one git process.

    Raises:
        DamagedStoreError: one of them is not there.
    """
    answer = git.sealed(store.path, "cat-file", "--batch", stdin=b"".join(oid + b"\n" for oid in oids))
    at = 0
    for oid in oids:
        end = answer.find(b"\n", at)
        words = answer[at:end].split()
        if len(words) != 3 or words[1] != b"blob":
            raise DamagedStoreError(
                f"the store {store.path} has lost blob {oid.decode()}; run `rollouts doctor --repair`"
            )
        at = end + 1 + int(words[2]) + 1
        yield answer[end + 1 : at - 1]


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


class _Stream:
    """A batch in git's language for importing, in a file without a name: a pipe would be waited for at both ends."""

    def __init__(self, folder: str) -> None:
        import tempfile  # noqa: PLC0415 - 11 ms, and nothing that a hook waits for comes here

        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - `close` is the end of the batch
        self._marks = 0
        self.commits = 0

    def fileno(self) -> int:
        self._file.flush()
        self._file.seek(0)
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()

    def blob(self, data: bytes) -> bytes:
        """Adds some content. Returns the word that stands for it in this stream."""
        self._marks += 1
        self._file.write(b"blob\nmark :%d\ndata %d\n" % (self._marks, len(data)))
        self._file.write(data)
        self._file.write(b"\n")
        return b":%d" % self._marks

    def commit(self, name: str, message: bytes, paths: Iterable[tuple[bytes, bytes, str]]) -> None:
        """Adds a parentless commit of a tree: (mode, object, path) each."""
        when = int(time.time())
        self._file.write(
            b"commit %s\ncommitter rollouts <rollouts@local> %d +0000\ndata %d\n%s\ndeleteall\n"
            % (name.encode(), when, len(message), message)
        )
        for mode, what, path in paths:
            self._file.write(b"M %s %s %s\n" % (mode, what, _quoted(path)))
        self._file.write(b"\n")
        self.commits += 1

    def done(self) -> None:
        self._file.write(b"done\n")


def _quoted(path: str) -> bytes:
    """A path as git's language for importing wants it."""
    plain = path.encode(errors="surrogateescape")
    return b'"' + plain.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'


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
            found.setdefault(os.fsdecode(path.rpartition(b"/")[0]), []).append(_Piece(oid, int(size)))
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
        stream = _Stream(self.folder)
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

    def _add(self, stream: _Stream, draft: Draft, commit: str | None) -> Outcome:
        shelf = self._shelf(commit) if commit else {}
        tree = dict(shelf)
        done = Outcome(draft, {}, {})
        for name, path in sorted(draft.files.items()):
            if _BAD_NAME.search(name):
                done.problems[name] = "its name cannot stand in a tree"
                continue
            try:
                with open(path, "rb") as file:
                    pieces, has_grown = _pieces(stream, file.fileno(), shelf.get(name, []))
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

    # Upkeep

    def excess(self) -> str | None:
        """What there is too much of in the store."""
        folder = f"{self.store.path}/{REFS}"
        agents = os.listdir(folder) if os.path.isdir(folder) else []
        found = (due.excess(self.store.path, REFS + agent) for agent in (*agents, "none"))
        return next(filter(None, found), None)

    def pack(self) -> None:
        """Sweeps and packs the store, unless somebody else does, or it has failed lately.

        Raises:
            RolloutsError, OSError: it failed; the next attempt waits until the cause may be gone.
        """
        try:
            with upkeep.UpkeepLock(self.folder, wait=0) as alone:
                if upkeep.is_postponed(alone.last(), self.folder):
                    return
                alone.write(upkeep.Attempt(upkeep.PACKING, time.time()).note())
                self._pack(alone)
                alone.write(b"")
        except (BusyError, FolderGoneError):
            return

    def collect(self) -> None:
        """Packs the store whatever its state, and drops what nothing in it reaches.

        Raises:
            RolloutsError, OSError: it failed.
        """
        with upkeep.Alone(self.folder) as alone:
            with self.locked() as lock:
                self.sweep(lock)
                packing.pack_refs(self.store, _REFS_SECONDS)
            if alone.lock:
                packing.pack(self.store, alone.lock)
            with self.locked(), self.reading(shared=False):
                if packing.unreachable(self.store).objects:
                    packing.reclaim(self.store)
            alone.settle()

    def _pack(self, alone: upkeep.UpkeepLock) -> None:
        try:
            with self.locked() as lock:
                self.sweep(lock)
                packing.pack_refs(self.store, _REFS_SECONDS)
            if self.excess():  # after an import many refs are all there is too much of
                packing.pack(self.store, alone)
        except (RolloutsError, OSError) as error:
            needs = error.needs if isinstance(error, packing.NoRoomError) else 0
            alone.write(upkeep.Attempt(upkeep.FAILED, time.time(), needs, str(error)).note())
            raise

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


def tidy(home: Home) -> None:
    """Has the store packed when there is too much of anything; who asks is behind an agent already."""
    kept = Transcripts(home)
    if kept.excess():
        kept.pack()


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


def _paths(tree: Mapping[str, list[_Piece]]) -> Iterator[tuple[bytes, bytes, str]]:
    for name, pieces in sorted(tree.items()):
        for number, piece in enumerate(pieces):
            yield _BLOB, piece.oid, f"{name}/{number:08d}"


def _read(fd: int, at: int) -> bytes:
    """A piece of a file, as much of it as there is."""
    data = b""
    while len(data) < PIECE:
        more = os.pread(fd, PIECE - len(data), at + len(data))
        if not more:
            break
        data += more
    return data


def _pieces(stream: _Stream, fd: int, before: list[_Piece]) -> tuple[list[_Piece], bool]:
    """A file's pieces, those that are new put into the stream; and whether it begins with all that was kept before."""
    pieces: list[_Piece] = []
    has_grown = True
    for number in range(1 << 30):
        data = _read(fd, number * PIECE)
        old = before[number] if number < len(before) else None
        if old and has_grown:
            has_grown = len(data) >= old.size and _oid(data[: old.size]) == old.oid
        if not data and number:
            break
        same = old is not None and has_grown and old.size == len(data)
        pieces.append(old if old and same else _Piece(stream.blob(data), len(data)))
        if len(data) < PIECE:
            break
    return pieces, has_grown and len(pieces) >= len(before)
