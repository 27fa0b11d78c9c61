"""`rollouts.json`, the manifest of a dataset: its batches, and the signature of each session's newest row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from rollouts.errors import RolloutsError
from rollouts.record import Record

FILE = "rollouts.json"
FIRST_FILE = "train.jsonl"
SCHEMA_VERSION = 1
_SHA_DIGITS = 12
Json = Any  # what strangers' JSON holds, until it is checked


class _Known(msgspec.Struct):
    """What must be in a batch; more may be."""

    batch_id: int
    file: str
    sha256: str
    rows: int


class _Document(msgspec.Struct):
    schema_version: int
    batches: list[_Known]
    sessions: dict[str, dict[str, str]]


class Redaction(Record):
    """What redaction did to the rows of one push."""

    engines: tuple[str, ...]
    """What looked for secrets, names and versions."""
    replaced: Mapping[str, int]
    """Kind of secret -> how many were replaced."""
    verified_by: str | None = None
    """Another engine, name and version, that found nothing in what was left; None: none was asked."""


class Part(Record):
    """A file of rows."""

    sha256: str
    bytes: int
    rows: int


class Batch(Record):
    """The rows of one push."""

    batch_id: int
    sha256: str
    bytes: int
    pushed_at: str
    """RFC 3339, UTC, milliseconds."""
    agents: Mapping[str, int]
    """Agent -> rows; likewise models and languages, where one row may have several or none."""
    models: Mapping[str, int]
    languages: Mapping[str, int]
    started: str | None
    """When its earliest session began, and its latest one ended."""
    ended: str | None
    redaction: Redaction | None
    """None: it was switched off."""
    shapes: Mapping[str, Part] = {}
    """The same sessions in other shapes, by the shapes' names."""
    files: tuple[str, ...] = ()
    """Paths of files that went with them; a later batch may have replaced one."""

    @property
    def rows(self) -> int:
        return sum(self.agents.values())

    def shape_file(self, name: str) -> str:
        """Where its rows of another shape are in the dataset."""
        return f"{name}/train-{self.batch_id:05d}-{self.shapes[name].sha256[:_SHA_DIGITS]}.jsonl"

    def _more(self) -> dict[str, Json]:
        """What only batches with other shapes have."""
        shapes = {
            name: {"file": self.shape_file(name), "sha256": part.sha256, "rows": part.rows, "bytes": part.bytes}
            for name, part in self.shapes.items()
        }
        return ({"shapes": shapes} if shapes else {}) | ({"files": list(self.files)} if self.files else {})

    def document(self, file: str) -> dict[str, Json]:
        redaction = self.redaction and {
            "engines": list(self.redaction.engines),
            "replaced": dict(self.redaction.replaced),
            "verified_by": self.redaction.verified_by,
        }
        counts = {name: dict(getattr(self, name)) for name in ("agents", "models", "languages")}
        known = {"batch_id": self.batch_id, "file": file, "sha256": self.sha256, "rows": self.rows}
        span = {"started": self.started, "ended": self.ended}
        size = {"bytes": self.bytes, "pushed_at": self.pushed_at}
        return known | size | counts | span | {"redaction": redaction} | self._more()


def _lines(items: Iterable[bytes]) -> bytes:
    """One item a line, so that a push changes as few lines as it adds."""
    return b",\n".join(items)


def _member(key: str, value: bytes) -> bytes:
    return msgspec.json.encode(key) + b": " + value


def _object(members: Iterable[bytes]) -> bytes:
    return b"{\n" + _lines(members) + b"\n}"


class Manifest:
    """The manifest of one state of a dataset; never changed, only grown into the next one.

    Attributes:
        batches: as in the file, the oldest first; keys that a newer Rollouts wrote are kept.
        sessions: agent -> session id -> signature of its newest row.
    """

    def __init__(
        self, batches: list[dict[str, Json]], sessions: dict[str, dict[str, str]], more: dict[str, Json]
    ) -> None:
        self.batches, self.sessions, self._more = batches, sessions, more

    @classmethod
    def empty(cls) -> Manifest:
        return cls([], {}, {})

    @classmethod
    def parsed(cls, data: bytes, where: str) -> Manifest:
        """The manifest in a file.

        Raises:
            RolloutsError: it is none, or one of a newer Rollouts.
        """
        try:
            document = msgspec.json.decode(data, type=dict[str, Json])
            known = msgspec.convert(document, _Document)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise RolloutsError(
                f"{FILE} of {where} is damaged ({error}); delete it there, and the next push makes it anew"
            ) from error
        if known.schema_version > SCHEMA_VERSION:
            raise RolloutsError(f"{where} was written by a newer Rollouts; upgrade this one and push again")
        batches, sessions = document.pop("batches"), document.pop("sessions")
        return cls(batches, sessions, document)

    @property
    def next_batch_id(self) -> int:
        return max((batch["batch_id"] for batch in self.batches), default=0) + 1

    @property
    def rows(self) -> int:
        return sum(batch["rows"] for batch in self.batches)

    @property
    def session_count(self) -> int:
        return sum(map(len, self.sessions.values()))

    def signature(self, agent: str, session_id: str) -> str | None:
        """Of the newest row of a session; None when it has none."""
        return self.sessions.get(agent, {}).get(session_id)

    def batch_of(self, sha256s: Iterable[str]) -> dict[str, Json] | None:
        """The batch whose file has one of these contents."""
        wanted = set(sha256s)
        return next((batch for batch in self.batches if batch["sha256"] in wanted), None)

    def file_for(self, batch: Batch) -> str:
        """The first batch's file has a name that everybody knows; each later one is named for what is in it."""
        taken = {known["file"] for known in self.batches}
        if FIRST_FILE not in taken:
            return FIRST_FILE
        return f"train-{batch.batch_id:05d}-{batch.sha256[:_SHA_DIGITS]}.jsonl"

    def grown(self, batch: Batch, signatures: Iterable[tuple[str, str, str]]) -> Manifest:
        """The manifest after a push of one batch; agent, session id and signature of each row, in their order."""
        sessions = {agent: dict(ids) for agent, ids in self.sessions.items()}
        for agent, session_id, signature in signatures:
            sessions.setdefault(agent, {})[session_id] = signature
        return Manifest([*self.batches, batch.document(self.file_for(batch))], sessions, self._more)

    def count(self, name: str) -> Counter[str]:
        """Rows by `agents`, `models` or `languages`, over all batches."""
        total: Counter[str] = Counter()
        for batch in self.batches:
            total.update(batch.get(name) or {})
        return total

    def shape_rows(self) -> dict[str, int]:
        """Other shape -> its rows, over all batches."""
        total: Counter[str] = Counter()
        for batch in self.batches:
            total.update({name: part["rows"] for name, part in (batch.get("shapes") or {}).items()})
        return dict(sorted(total.items()))

    def file_count(self) -> Counter[str]:
        """Folder -> files that went with rows, each path once, over all batches."""
        paths = {path for batch in self.batches for path in batch.get("files") or ()}
        return Counter(path.partition("/")[0] for path in paths)

    def _agents(self) -> Iterator[bytes]:
        for agent in sorted(self.sessions):
            ids = self.sessions[agent]
            members = (_member(name, msgspec.json.encode(ids[name])) for name in sorted(ids))
            yield _member(agent, _object(members))

    def encoded(self) -> bytes:
        """The file."""
        version = (
            ("schema_version", SCHEMA_VERSION),
            *((k, v) for k, v in self._more.items() if k != "schema_version"),
        )
        head = [_member(key, msgspec.json.encode(value)) for key, value in version]
        batches = _member("batches", b"[\n" + _lines(map(msgspec.json.encode, self.batches)) + b"\n]")
        return _object([*head, batches, _member("sessions", _object(self._agents()))]) + b"\n"
