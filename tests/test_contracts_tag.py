"""The tag of a snapshot: bytes that agent-rollouts 0.1 reads, and a reader that believes no tag."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from helpers import git
from rollouts.contracts import tag
from rollouts.models import Snapshot

METADATA = (
    '{"n": 1.50, "big": 12345678901234567890123, "e": 1E400, "text": "na\u00efve \\ud83d\\ude00",'
    ' "none": null, "l": [], "o": {}}'
)
SNAPSHOT = Snapshot(
    *("0" * 31 + "a", "w" * 32, "ses_1", "msg \u00fc"),
    *("c" * 40, '{"vcs":"git","branch":"main"}', METADATA, "2026-01-02T03:04:05.678901+00:00"),
)
NAME = tag.ref("ses_1", "msg \u00fc")


def changed(**fields: object) -> bytes:
    """The tag's bytes with other fields in its JSON."""
    head, _, body = tag.content(SNAPSHOT._replace(metadata="{}")).partition(b"\n\n")
    return head + b"\n\n" + json.dumps(json.loads(body) | fields).encode()


def test_the_name_is_made_of_two_hashes() -> None:
    session, message = (hashlib.sha256(text.encode()).hexdigest() for text in ("ses_1", "msg \u00fc"))
    assert f"refs/tags/rollouts/session/{session}/message/{message}" == NAME
    assert tag.is_ref(NAME)


@pytest.mark.parametrize("name", [NAME + "0", NAME.upper(), "refs/tags/rollouts/x", NAME + "/../x", f"x{NAME}"])
def test_other_names_are_none_of_ours(name: str) -> None:
    assert not tag.is_ref(name)


def test_the_bytes_are_these() -> None:
    head, _, body = tag.content(SNAPSHOT).decode().partition("\n\n")
    assert head.split("\n") == [
        f"object {'c' * 40}",
        "type commit",
        f"tag {NAME.removeprefix('refs/tags/')}",
        "tagger rollouts <rollouts@local> 1767323045 +0000",
    ]
    assert body == (
        "{\n"
        '  "captured_at": "2026-01-02T03:04:05.678901+00:00",\n'
        '  "message_id": "msg \\u00fc",\n'
        '  "metadata": {\n'
        '    "big": 12345678901234567890123,\n'
        '    "e": 1E400,\n'
        '    "l": [],\n'
        '    "n": 1.50,\n'
        '    "none": null,\n'
        '    "o": {},\n'
        '    "text": "na\\u00efve \\ud83d\\ude00"\n'
        "  },\n"
        '  "schema_version": 1,\n'
        '  "session_id": "ses_1",\n'
        f'  "snapshot_id": "{SNAPSHOT.id}",\n'
        f'  "store_commit_sha": "{"c" * 40}",\n'
        '  "vcs": {\n'
        '    "branch": "main",\n'
        '    "vcs": "git"\n'
        "  }\n"
        "}\n"
    )


def test_the_body_is_as_python_writes_it() -> None:
    body = tag.content(SNAPSHOT._replace(metadata='{"b":[1,{"c":"\u2028"}],"a":true}')).decode().partition("\n\n")[2]
    assert body == json.dumps(json.loads(body), indent=2, sort_keys=True) + "\n"


def test_git_gives_it_the_same_id(repo: Path) -> None:
    commit = git("rev-parse", "HEAD", cwd=repo).strip()
    content = tag.content(SNAPSHOT._replace(store_commit_sha=commit))
    made = subprocess.run(["git", "mktag", "--strict"], input=content, cwd=repo, capture_output=True, check=True).stdout
    assert made.decode().strip() == tag.oid(content)


def test_what_was_written_is_read() -> None:
    found = tag.read(tag.content(SNAPSHOT), NAME)
    assert (found.snapshot_id, found.session_id, found.message_id) == (SNAPSHOT.id, "ses_1", "msg \u00fc")
    assert (found.store_commit_sha, found.captured_at) == ("c" * 40, SNAPSHOT.captured_at)
    assert found.vcs == '{"branch":"main","vcs":"git"}'
    assert '"n":1.50' in found.metadata
    assert '"e":1E400' in found.metadata


def test_metadata_that_the_original_took_and_that_is_no_json_travels_as_text() -> None:
    raw = tag.content(SNAPSHOT._replace(metadata='{"a": NaN}'))
    assert json.loads(raw.partition(b"\n\n")[2])["metadata"] == '{"a": NaN}'
    assert tag.read(raw, NAME).metadata == '"{\\"a\\": NaN}"'


def test_what_the_original_made_of_nan_is_read() -> None:
    raw = changed(metadata={"a": float("nan"), "b": [float("-inf"), 1.5]})
    assert b"NaN" in raw
    assert tag.read(raw, NAME).metadata == '{"a":"NaN","b":["-Infinity",1.5]}'


def test_a_signature_is_not_looked_at() -> None:
    signed = tag.content(SNAPSHOT) + b"-----BEGIN SSH SIGNATURE-----\nabc\n-----END SSH SIGNATURE-----\n"
    assert tag.read(signed, NAME).snapshot_id == SNAPSHOT.id


@pytest.mark.parametrize("moment", ["yesterday", "2026-01-02T03:04:05", ""])
def test_no_tag_is_made_of_a_row_whose_time_is_none(moment: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        tag.content(SNAPSHOT._replace(captured_at=moment))


def test_a_time_before_1970_is_the_first_that_git_knows() -> None:
    assert b"> 0 +0000\n" in tag.content(SNAPSHOT._replace(captured_at="1969-12-31T00:00:00+00:00"))


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "not a tag of a commit"),
        (b"\xff" * 99, "not a tag of a commit"),
        (tag.content(SNAPSHOT).replace(b"type commit", b"type tree"), "not a tag of a commit"),
        (tag.content(SNAPSHOT).replace(b"tag rollouts", b"tag other"), "not a tag of a commit"),
        (tag.content(SNAPSHOT).partition(b"\n\n")[0] + b"\n\n[]", "not a JSON object"),
        (tag.content(SNAPSHOT).partition(b"\n\n")[0] + b"\n\n{", "character|property"),
        (tag.content(SNAPSHOT).partition(b"\n\n")[0] + b"\n\n" + b"[" * 100_000, "nested"),
        (tag.content(SNAPSHOT).partition(b"\n\n")[0] + b"\n\n\xff", "utf-8"),
        (tag.content(SNAPSHOT) + b" " * tag.MAX_BYTES, "larger than 16 MiB"),
        (changed(schema_version=2), "schema_version"),
        (changed(schema_version="1"), "schema_version"),
        (changed(session_id="other"), "not those of its name"),
        (changed(message_id=None), "message_id is not a text"),
        (changed(store_commit_sha="d" * 40), "another commit"),
        (changed(snapshot_id="../../x"), "snapshot_id"),
        (changed(snapshot_id="A" * 32), "snapshot_id"),
        (changed(captured_at="soon"), "soon"),
        (changed(vcs=[]), "vcs is not an object"),
    ],
)
def test_a_tag_that_is_none_is_refused(raw: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        tag.read(raw, NAME)
