"""`rollouts remote defaults`: where `push --create-remote` makes archives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fake_gh import FakeGh
from helpers import Result, failure, ok, query, run


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGh:
    return FakeGh(tmp_path / "fake", monkeypatch)


def defaults(*words: str) -> Result:
    return run("remote", "defaults", "set", *words)


def test_remote_defaults_are_set_shown_and_set_anew(fake: FakeGh, home: Path) -> None:
    assert json.loads(ok("remote", "defaults", "show", "--json"))["owner"] is None
    assert "No remote defaults" in ok("remote", "defaults", "show")
    assert not home.exists()
    said = ok("remote", "defaults", "set", "--owner", " octo ")
    shown = ["owner: octo", "prefix: rollouts-", "visibility: private"]
    assert said.splitlines() == ["Configured remote defaults", *shown]
    assert ok("remote", "defaults", "show").splitlines() == shown
    ok("remote", "defaults", "set", "--owner", "guild", "--prefix", "kept.", "--visibility", "internal")
    document = json.loads(ok("remote", "defaults", "show", "--json"))
    assert document == {"schema_version": 1, "owner": "guild", "prefix": "kept.", "visibility": "internal"}
    assert query(home, "SELECT * FROM remote_defaults") == [(1, "guild", "kept.", "internal")]
    assert fake.asked == [["--version"]] * 2


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--owner", ""), "owner cannot be empty"),
        (("--owner", " "), "owner cannot be empty"),
        (("--owner", "octo", "--prefix", ""), "prefix cannot be empty"),
        (("--owner", "octo", "--visibility", "none"), "visibility must be one of: private, public, internal"),
        (("--owner=--help",), "no name of a user"),
        (("--owner", "octo/x"), "no name of a user"),
        (("--owner", "octo", "--prefix=-x"), "no beginning of a repository's name"),
        (("--owner", "octo", "--prefix", "a\nb"), "no beginning of a repository's name"),
    ],
)
def test_remote_defaults_that_name_nothing_are_refused(
    words: tuple[str, ...], reason: str, fake: FakeGh, home: Path
) -> None:
    assert reason in failure(defaults(*words))
    assert fake.asked == []
    assert not home.exists()


def test_remote_defaults_need_gh_and_an_owner(home: Path, tmp_path: Path) -> None:
    env = {"PATH": str(tmp_path)}
    assert "gh was not found on PATH" in failure(run("remote", "defaults", "set", "--owner", "octo", env=env))
    assert "--owner" in failure(defaults(), 2)
    assert not home.exists()
