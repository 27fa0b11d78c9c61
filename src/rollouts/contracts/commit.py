"""The text of a snapshot's commit: a subject for people, and one JSON line from which a catalog row can be made again.

Shape (`schema_version` 1): schema_version, snapshot_id, session_id, message_id, agent, captured_at, workspace {id,
root_path}, vcs, files, bytes_new, skipped [{path, reason, size}], empty_dirs [{path}], modes, nested [{path, head}],
metadata. A path is `path` when it is UTF-8, else `path_b64` (and `root_path` likewise). `modes` is null in a git
workspace; else {file, executable, dir: the usual permission bits as octal text, other: [{path, mode}]}.
"""

from __future__ import annotations

import binascii
import os

from rollouts.contracts.strict_json import Json, dump, one_line, parse
from rollouts.models import Snapshot, Workspace
from rollouts.record import Record

SCHEMA_VERSION = 1
_METADATA = ',"metadata":'
_CONTROL = dict.fromkeys([*range(32), *range(127, 160)], " ")


class Modes(Record):
    """Permission bits of a plain directory: the usual ones, and the paths that differ (the root is `b"."`)."""

    file: int
    executable: int
    dir: int
    other: dict[bytes, int]


class Facts(Record):
    """What a tree cannot hold about the moment it was captured."""

    skipped: tuple[tuple[bytes, str, int | None], ...] = ()
    """(path, reason, size in bytes or None)."""
    empty_dirs: tuple[bytes, ...] = ()
    modes: Modes | None = None
    nested: tuple[tuple[bytes, str | None], ...] = ()
    """(path of a nested repository, its HEAD commit or None)."""


def named(path: bytes, key: str = "path") -> dict[str, str]:
    """A path as JSON: `{key: text}`, or `{key_b64: base64}` when it is not UTF-8."""
    try:
        return {key: path.decode()}
    except UnicodeDecodeError:
        return {f"{key}_b64": binascii.b2a_base64(path, newline=False).decode()}


def path_of(entry: dict[str, Json], key: str = "path") -> bytes:
    """The path that `named` wrote.

    Raises:
        ValueError: there is none.
    """
    text, encoded = entry.get(key), entry.get(f"{key}_b64")
    if isinstance(text, str):
        return text.encode()
    if isinstance(encoded, str):
        return binascii.a2b_base64(encoded, strict_mode=True)
    raise ValueError(f"an entry without {key}")


def skipped_json(facts: Facts) -> str:
    """The `skipped` list of a snapshot as JSON text."""
    return dump([{**named(path), "reason": reason, "size": size} for path, reason, size in facts.skipped])


def _modes_json(modes: Modes | None) -> dict[str, object] | None:
    if modes is None:
        return None
    usual = {
        key: f"{bits:04o}" for key, bits in (("file", modes.file), ("executable", modes.executable), ("dir", modes.dir))
    }
    return {**usual, "other": [{**named(path), "mode": f"{bits:04o}"} for path, bits in modes.other.items()]}


def subject(session_id: str, message_id: str) -> str:
    """`snapshot <session> message <message>`, with control characters as spaces."""
    return f"snapshot {session_id} message {message_id}".translate(_CONTROL)


def message(snapshot: Snapshot, workspace: Workspace, facts: Facts) -> bytes:
    """The commit message of a snapshot that has no commit yet."""
    head = {
        "schema_version": SCHEMA_VERSION,
        "snapshot_id": snapshot.id,
        "session_id": snapshot.session_id,
        "message_id": snapshot.message_id,
        "agent": snapshot.agent,
        "captured_at": snapshot.captured_at,
        "workspace": {"id": workspace.id, **named(os.fsencode(workspace.root_path), "root_path")},
        "files": snapshot.files,
        "bytes_new": snapshot.bytes_new,
        "empty_dirs": [named(path) for path in facts.empty_dirs],
        "modes": _modes_json(facts.modes),
        "nested": [{**named(path), "head": head} for path, head in facts.nested],
    }
    skipped = snapshot.skipped or "[]"
    # metadata goes last and verbatim, so that its own text can be cut out again
    line = f'{dump(head)[:-1]},"vcs":{snapshot.vcs},"skipped":{skipped}{_METADATA}{one_line(snapshot.metadata)}}}'
    return f"{subject(snapshot.session_id, snapshot.message_id)}\n\n{line}\n".encode()


def body(commit_message: bytes) -> dict[str, Json] | None:
    """The JSON line of a commit message; None when it has none (agent-rollouts 0.1 wrote a subject only).

    Raises:
        ValueError: there is a body and it is not such a line, or it is of a newer schema.
    """
    text = commit_message.decode().partition("\n\n")[2].strip("\n")
    if not text:
        return None
    parsed = parse(text)
    if not isinstance(parsed, dict) or not isinstance(parsed.get("schema_version"), int):
        raise ValueError("the commit's body is not a snapshot's")
    if parsed["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"the commit's body has schema version {parsed['schema_version']}, and this program knows 1")
    return parsed


def metadata_text(commit_message: bytes) -> str:
    """The metadata of a snapshot's commit as it was given (line breaks as spaces)."""
    line = commit_message.decode().partition("\n\n")[2].strip("\n")
    # No earlier value can hold this text: inside a string its quotes are escaped, and no earlier object has the key.
    return line[line.index(_METADATA + "{") + len(_METADATA) : -1]


def _dicts(value: Json) -> list[dict[str, Json]]:
    if not isinstance(value, list):
        raise ValueError("a list is expected")
    if not all(isinstance(item, dict) for item in value):
        raise ValueError("a list of objects is expected")
    return [item for item in value if isinstance(item, dict)]


def _bits(value: Json) -> int:
    if not isinstance(value, str):
        raise ValueError("permission bits are octal text")
    return int(value, 8)


def restorable(parsed: dict[str, Json]) -> tuple[tuple[bytes, ...], Modes | None]:
    """The empty directories and modes in a commit's body, for a restore; untrusted until the tree is known.

    Raises:
        ValueError: they are not of the contract's shape.
    """
    empty = tuple(path_of(entry) for entry in _dicts(parsed.get("empty_dirs", [])))
    modes = parsed.get("modes")
    if modes is None:
        return empty, None
    if not isinstance(modes, dict):
        raise ValueError("modes is an object or null")
    other = {path_of(entry): _bits(entry.get("mode")) for entry in _dicts(modes.get("other", []))}
    return empty, Modes(_bits(modes.get("file")), _bits(modes.get("executable")), _bits(modes.get("dir")), other)
