"""Names of archives on GitHub, by value."""

from __future__ import annotations

import os

import pytest

from rollouts.contracts.archive_name import (
    archive_name,
    checked_name,
    checked_owner,
    checked_prefix,
    checked_visibility,
)
from rollouts.errors import RolloutsError

ID = "0123456789abcdef0123456789abcdef"

NAMES = {
    "/home/ann/project": "rollouts-project-01234567",
    "/home/ann/My  Project (2)": "rollouts-my-project-2-01234567",
    "/home/ann/--a_b.c--": "rollouts-a-b-c-01234567",
    "/home/ann/Ünïcode-Ärger": "rollouts-n-code-rger-01234567",
    "/home/ann/日本語": "rollouts-workspace-01234567",
    "/home/ann/...": "rollouts-workspace-01234567",
    "/": "rollouts-workspace-01234567",
    "/home/ann/a\nb": "rollouts-a-b-01234567",
    os.fsdecode(b"/home/ann/caf\xe9"): "rollouts-caf-01234567",
    "/home/ann/" + "x" * 200: "rollouts-" + "x" * 82 + "-01234567",
    "/home/ann/" + "x" * 81 + " y": "rollouts-" + "x" * 81 + "-01234567",
}


@pytest.mark.parametrize(("root", "name"), NAMES.items())
def test_the_name_is_the_directory_s_and_the_id_s(root: str, name: str) -> None:
    assert archive_name("rollouts-", root, ID) == name
    assert len(name) <= 100


def test_the_longest_prefix_leaves_room_for_what_tells_archives_apart() -> None:
    name = archive_name("p" * 64, "/" + "x" * 99, ID)
    assert len(name) == 100
    assert name.endswith("x-01234567")


@pytest.mark.parametrize("bad", ["", " ", "-p", "a/b", "a b", "a\nb", "é", "p" * 65, "\udce9"])
def test_a_prefix_that_begins_no_name_is_refused(bad: str) -> None:
    with pytest.raises(RolloutsError, match="prefix"):
        checked_prefix(bad)
    with pytest.raises(RolloutsError, match="prefix"):
        archive_name(bad, "/project", ID)


@pytest.mark.parametrize("bad", ["", " ", "-octo", "--help", "a/b", "a b", "octo\n--public", "é", ".", "o" * 101])
def test_an_owner_that_is_none_is_refused(bad: str) -> None:
    with pytest.raises(RolloutsError, match="owner"):
        checked_owner(bad)


def test_spaces_around_a_value_do_not_count() -> None:
    assert checked_owner(" octo-cat_corp\n") == "octo-cat_corp"
    assert checked_prefix(" my.own_ ") == "my.own_"
    assert checked_visibility(" public ") == "public"


@pytest.mark.parametrize("bad", [".", "..", "a.git", "a.GIT", "", "a/b", "a b", "a\n", "x" * 101])
def test_a_name_that_github_would_change_or_refuse_is_refused(bad: str) -> None:
    with pytest.raises(RolloutsError, match="no name for a repository"):
        checked_name(bad)


@pytest.mark.parametrize("bad", ["", "secret", "PUBLIC", "--public"])
def test_another_visibility_is_refused_with_those_there_are(bad: str) -> None:
    with pytest.raises(RolloutsError, match=r"^visibility must be one of: private, public, internal$"):
        checked_visibility(bad)


def test_an_id_that_is_not_ours_makes_no_other_repository() -> None:
    with pytest.raises(RolloutsError, match="no name for a repository"):
        archive_name("rollouts-", "/project", "../../x/y")
