"""The text of a snapshot's commit: what is written is read back, by value."""

from __future__ import annotations

import json

import pytest

from rollouts.contracts import commit
from rollouts.contracts.commit import Facts, Modes
from rollouts.models import Snapshot, Workspace

WORKSPACE = Workspace("w" * 32, "/ws/n\udcffn", None, "2026-01-01", None)
SNAPSHOT = Snapshot(
    *("i" * 32, "w" * 32, "ses\nsion", 'mes"sage', "", '{"vcs":null}'),
    '{\n "metadata": {"a": ",\\"metadata\\":{"} ,\r "n": 1e999}',
    *("2026-01-01T00:00:00.000000+00:00", "agent", "t" * 40, 3, 42),
)
FACTS = Facts(
    skipped=((b"pipe", "fifo", None), (b"big\xff", "larger than the limit", 5)),
    empty_dirs=(b"void", b"\xff/\n"),
    modes=Modes(0o644, 0o755, 0o700, {b".": 0o1777, b"sec\xffret": 0o400}),
    nested=((b"lib", "h" * 40), (b"new", None)),
)


def text(facts: Facts = FACTS) -> bytes:
    return commit.message(SNAPSHOT._replace(skipped=commit.skipped_json(facts)), WORKSPACE, facts)


def test_message_is_a_subject_and_one_json_line() -> None:
    subject, blank, line, end = text().decode().split("\n")
    assert subject == 'snapshot ses sion message mes"sage'
    assert (blank, end) == ("", "")
    assert json.loads(line) == {
        "schema_version": 1,
        "snapshot_id": "i" * 32,
        "session_id": "ses\nsion",
        "message_id": 'mes"sage',
        "agent": "agent",
        "captured_at": "2026-01-01T00:00:00.000000+00:00",
        "workspace": {"id": "w" * 32, "root_path_b64": "L3dzL27/bg=="},
        "files": 3,
        "bytes_new": 42,
        "empty_dirs": [{"path": "void"}, {"path_b64": "/y8K"}],
        "modes": {
            "file": "0644",
            "executable": "0755",
            "dir": "0700",
            "other": [{"path": ".", "mode": "1777"}, {"path_b64": "c2Vj/3JldA==", "mode": "0400"}],
        },
        "nested": [{"path": "lib", "head": "h" * 40}, {"path": "new", "head": None}],
        "vcs": {"vcs": None},
        "skipped": [
            {"path": "pipe", "reason": "fifo", "size": None},
            {"path_b64": "Ymln/w==", "reason": "larger than the limit", "size": 5},
        ],
        "metadata": {"metadata": {"a": ',"metadata":{'}, "n": float("inf")},
    }


def test_what_a_restore_needs_is_read_back() -> None:
    parsed = commit.body(text())
    assert parsed is not None
    assert commit.restorable(parsed) == (FACTS.empty_dirs, FACTS.modes)
    parsed = commit.body(text(Facts()))
    assert parsed is not None
    assert commit.restorable(parsed) == ((), None)


def test_metadata_is_cut_out_as_it_was_given_on_one_line() -> None:
    assert commit.metadata_text(text()) == SNAPSHOT.metadata.replace("\n", " ").replace("\r", " ")


def test_a_commit_of_the_original_has_no_body() -> None:
    assert commit.body(b"snapshot s message m\n") is None
    assert commit.body(b"snapshot s message m\n\n") is None


@pytest.mark.parametrize(
    "line", [b"{}", b"[]", b'{"schema_version":"1"}', b'{"schema_version":2}', b"not json", b'{"a":1,"a":1}', b"\xff"]
)
def test_any_other_body_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each has words of its own
        commit.body(b"subject\n\n" + line + b"\n")


@pytest.mark.parametrize(
    "parsed",
    [
        '{"empty_dirs":{}}',
        '{"empty_dirs":["x"]}',
        '{"empty_dirs":[{}]}',
        '{"empty_dirs":[{"path":1}]}',
        '{"empty_dirs":[{"path_b64":"!"}]}',
        '{"modes":[]}',
        '{"modes":{}}',
        '{"modes":{"file":420,"executable":"0755","dir":"0755"}}',
        '{"modes":{"file":"9","executable":"0755","dir":"0755"}}',
        '{"modes":{"file":"0644","executable":"0755","dir":"0755","other":{}}}',
        '{"modes":{"file":"0644","executable":"0755","dir":"0755","other":[{"path":"a"}]}}',
    ],
)
def test_facts_of_a_wrong_shape_are_refused(parsed: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each has words of its own
        commit.restorable(json.loads(parsed))
