"""The annotated tag by which a snapshot lies in an archive remote, as agent-rollouts 0.1 writes it.

Name: `refs/tags/rollouts/session/<SHA-256 of the session id>/message/<SHA-256 of the message id>`. Body: JSON with two
spaces of indent and sorted keys (`schema_version` 1): captured_at, message_id, metadata, schema_version, session_id,
snapshot_id, store_commit_sha, vcs. The tagger is `rollouts <rollouts@local>` at captured_at, so that the same snapshot
always gives the same tag.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime

from rollouts.contracts.strict_json import Json, Number, dump, dump_sorted, parse
from rollouts.models import Snapshot
from rollouts.record import Record

SCHEMA_VERSION = 1
FOLDER = "refs/tags/rollouts/"
MAX_BYTES = 16 << 20
TAGGER = "rollouts <rollouts@local>"
_SHA = "[0-9a-f]{64}"
_REF = re.compile(f"{FOLDER}session/{_SHA}/message/{_SHA}")
_HEAD = re.compile(rb"object ([0-9a-f]{40})\ntype ([a-z]+)\ntag ([^\n]+)\n(?:[^\n]+\n)*\n")
_SNAPSHOT_ID = re.compile("[0-9a-f]{32}")
_TEXTS = ("snapshot_id", "session_id", "message_id", "store_commit_sha", "captured_at")
_SIGNATURE = "\n-----BEGIN "


class Tag(Record):
    """What a tag says of its snapshot."""

    snapshot_id: str
    session_id: str
    message_id: str
    store_commit_sha: str
    captured_at: str
    vcs: str
    """JSON text."""
    metadata: str
    """JSON text: the same values, not always the same characters, as were given to `rollouts snapshot`."""


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def folder_of(session_id: str) -> str:
    """What the names of all tags of a session begin with."""
    return f"{FOLDER}session/{_sha256(session_id)}/message/"


def ref(session_id: str, message_id: str) -> str:
    """The full name of a snapshot's tag."""
    return folder_of(session_id) + _sha256(message_id)


def is_ref(name: str) -> bool:
    """Whether a ref has the name of a snapshot's tag."""
    return _REF.fullmatch(name) is not None


def _as_written(text: str) -> Json:
    """A row's JSON; agent-rollouts 0.1 took what is none (NaN, a key twice), and that travels as a string."""
    try:
        return parse(text, as_written=True)
    except ValueError:
        return text


def _body(snapshot: Snapshot) -> str:
    return dump_sorted(
        {
            "captured_at": snapshot.captured_at,
            "message_id": snapshot.message_id,
            "metadata": _as_written(snapshot.metadata),
            "schema_version": SCHEMA_VERSION,
            "session_id": snapshot.session_id,
            "snapshot_id": snapshot.id,
            "store_commit_sha": snapshot.store_commit_sha,
            "vcs": _as_written(snapshot.vcs),
        }
    )


def _seconds(moment: str) -> int:
    """Seconds since 1970 of a moment with a time zone.

    Raises:
        ValueError: it is no such moment.
    """
    parsed = datetime.fromisoformat(moment)
    if parsed.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    return max(int(parsed.timestamp()), 0)


def content(snapshot: Snapshot) -> bytes:
    """The tag object of a snapshot, without git's own header.

    Raises:
        ValueError: its captured_at is no moment.
    """
    name = ref(snapshot.session_id, snapshot.message_id).removeprefix("refs/tags/")
    head = f"object {snapshot.store_commit_sha}\ntype commit\ntag {name}\n"
    return f"{head}tagger {TAGGER} {_seconds(snapshot.captured_at)} +0000\n\n{_body(snapshot)}\n".encode()


def oid(tag: bytes) -> str:
    """The id of a tag object."""
    return hashlib.sha1(b"tag %d\0%b" % (len(tag), tag), usedforsecurity=False).hexdigest()


def _text(body: dict[str, Json], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key} is not a text")
    return value


def _checked(body: dict[str, Json], commit: str, name: str) -> Tag:
    version = body.get("schema_version")
    if not isinstance(version, Number) or version != str(SCHEMA_VERSION):
        raise ValueError("it has another schema_version than 1")
    texts = {name: _text(body, name) for name in _TEXTS}
    found = Tag(**texts, vcs=dump(body.get("vcs")), metadata=dump(body.get("metadata")))
    if ref(found.session_id, found.message_id) != name:
        raise ValueError("its session and message are not those of its name")
    if found.store_commit_sha != commit:
        raise ValueError("it names another commit than it points at")
    if not _SNAPSHOT_ID.fullmatch(found.snapshot_id):
        raise ValueError("its snapshot_id is none")
    if not isinstance(body.get("vcs"), dict):
        raise ValueError("its vcs is not an object")
    _seconds(found.captured_at)
    return found


def _parsed(text: str) -> Json:
    """The JSON of a tag, in which agent-rollouts 0.1 also wrote NaN and Infinity; these become texts.

    Raises:
        ValueError: it is not JSON.
    """
    try:
        return parse(text, as_written=True)
    except ValueError:
        if "NaN" not in text and "Infinity" not in text:
            raise
    try:
        found: Json = json.loads(text, parse_constant=str, parse_float=Number, parse_int=Number)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    return found


def read(tag: bytes, name: str) -> Tag:
    """What a tag object of an archive says, checked against the name of its ref.

    A signature, which the original's user may have had git add, is not looked at.

    Raises:
        ValueError: it is not the tag of a snapshot, or of another one than its name says.
    """
    if len(tag) > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES >> 20} MiB")
    head = _HEAD.match(tag)
    if not head or head[2] != b"commit" or b"refs/tags/" + head[3] != name.encode():
        raise ValueError("it is not a tag of a commit under this name")
    body = _parsed(tag[head.end() :].decode().partition(_SIGNATURE)[0])
    if not isinstance(body, dict):
        raise ValueError("its message is not a JSON object")
    return _checked(body, head[1].decode(), name)
