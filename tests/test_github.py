"""What `gh` is asked for a repository, and what becomes of its answers: with one that records its arguments."""

from __future__ import annotations

import os
import select
from pathlib import Path

import pytest

from fake_gh import EXISTS, FakeGh
from rollouts.contracts.archive_name import archive_name
from rollouts.errors import RolloutsError
from rollouts.publish import github
from rollouts.publish.github import Hosted, Wanted

NAME = archive_name("rollouts-", "/home/ann/My Project", "0123456789abcdef")
WANTED = Wanted("octo", NAME, "private")
PAGE = f"https://github.com/octo/{NAME}"
SECONDS = 20.0


def refused(wanted: Wanted = WANTED, seconds: float = SECONDS) -> str:
    """What is said about a repository that could be neither made nor adopted: one line."""
    with pytest.raises(RolloutsError) as caught:
        github.created(wanted, seconds)
    said = str(caught.value)
    assert "\n" not in said
    return said


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGh:
    gh = FakeGh(tmp_path / "fake", monkeypatch)
    gh.answer(repo=f"echo {PAGE}")
    return gh


@pytest.mark.parametrize("visibility", ["private", "public", "internal"])
def test_gh_is_asked_for_a_bare_place_and_then_for_the_protocol(visibility: str, fake: FakeGh) -> None:
    assert github.created(Wanted("octo", NAME, visibility), SECONDS) == Hosted(f"{PAGE}.git", made=True)
    assert fake.asked == [
        ["repo", "create", f"octo/{NAME}", f"--{visibility}", "--disable-issues", "--disable-wiki"],
        ["config", "get", "git_protocol", "-h", "github.com"],
    ]
    assert NAME == "rollouts-my-project-01234567"


@pytest.mark.parametrize(
    ("answer", "url"),
    [
        ("echo ssh", f"git@github.com:octo/{NAME}.git"),
        ("echo https", f"{PAGE}.git"),
        ("echo", f"{PAGE}.git"),
        ("echo ext::sh", f"{PAGE}.git"),
        ("echo ssh; exit 1", f"{PAGE}.git"),
    ],
)
def test_the_url_is_https_unless_gh_says_ssh(answer: str, url: str, fake: FakeGh) -> None:
    fake.answer(config=answer)
    assert github.created(WANTED, SECONDS).url == url


def test_a_host_of_ones_own_is_the_one_that_gh_answers_with(fake: FakeGh) -> None:
    fake.answer(repo=f"echo https://ghe.example.com:8443/Octo/{NAME}", config="echo ssh")
    assert github.created(WANTED, SECONDS).url == f"git@ghe.example.com:Octo/{NAME}.git"
    assert fake.asked[-1][-1] == "ghe.example.com:8443"
    fake.answer(config="echo https")
    assert github.created(WANTED, SECONDS).url == f"https://ghe.example.com:8443/Octo/{NAME}.git"


@pytest.mark.parametrize(
    "page",
    [
        "",
        "nonsense",
        "ext::sh/octo/x",
        f"https://-u/octo/{NAME}",
        f"https://github.com/other/{NAME}",
        "https://github.com/octo/x",
        f"https://u:p4ss@github.com/octo/{NAME}",
        f"http://github.com/octo/{NAME}",
    ],
)
def test_an_answer_that_is_no_page_of_the_repository_is_refused(page: str, fake: FakeGh) -> None:
    fake.answer(repo=f"echo '{page}'")
    said = refused()
    assert f"another address than that of octo/{NAME}" in said
    assert "p4ss" not in said


@pytest.mark.parametrize("fields", [{}, {"tags": {"totalCount": 7}, "ours": {"totalCount": 7}}])
def test_a_repository_that_is_empty_or_ours_is_adopted(fields: dict[str, object], fake: FakeGh) -> None:
    fake.finds(PAGE, **fields)
    assert github.created(WANTED, SECONDS) == Hosted(f"{PAGE}.git", made=False)
    assert [call[0] for call in fake.asked] == ["repo", "api", "config"]
    assert {"owner=octo", f"name={NAME}"} < set(fake.asked[1])


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"branches": {"totalCount": 1}}, "holds something else than snapshots"),
        ({"tags": {"totalCount": 3}, "ours": {"totalCount": 2}}, "holds something else than snapshots"),
        ({"viewerPermission": "READ"}, "you may not push to it"),
        ({"viewerPermission": None}, "you may not push to it"),
        ({"isArchived": True}, "is archived"),
        ({"visibility": "PUBLIC"}, "is public, while private was asked for"),
        ({"visibility": "INTERNAL"}, "is internal, while private was asked for"),
        ({"visibility": "NEW"}, "is new, while private was asked for"),
    ],
)
def test_a_repository_that_is_no_place_for_an_archive_is_left_alone(
    fields: dict[str, object], reason: str, fake: FakeGh
) -> None:
    fake.finds(PAGE, **fields)
    said = refused()
    assert f"octo/{NAME} exists already on GitHub and {reason}" in said
    assert "`rollouts remote set --url URL`" in said


def test_a_repository_that_fewer_people_see_than_asked_for_is_adopted(fake: FakeGh) -> None:
    fake.finds(PAGE, visibility="PRIVATE")
    for visibility in ("internal", "public"):
        assert not github.created(Wanted("octo", NAME, visibility), SECONDS).made


@pytest.mark.parametrize("answer", ["", "[]", "{}", '{"data": null}', '{"data": {"repository": {"url": 1}}}'])
def test_an_answer_that_nobody_understands_is_one_line(answer: str, fake: FakeGh) -> None:
    fake.answer(repo=EXISTS, api=f"echo '{answer}'")
    assert "is not understood" in refused()


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted("--help", NAME, "private"),
        Wanted("octo/x", NAME, "private"),
        Wanted("octo\n", "a\nb", "private"),
        Wanted("octo", "../x", "private"),
        Wanted("octo", "--template=x/y", "private"),
        Wanted("octo", NAME, "public --source=."),
        Wanted("", NAME, "private"),
    ],
)
def test_gh_is_never_asked_with_a_value_that_is_no_name(wanted: Wanted, fake: FakeGh) -> None:
    refused(wanted)
    assert fake.asked == []


def test_a_gh_that_never_answers_is_given_up_and_ended(fake: FakeGh, tmp_path: Path) -> None:
    held = tmp_path / "held"
    os.mkfifo(held)
    reading = os.open(held, os.O_RDONLY | os.O_NONBLOCK)
    fake.answer(repo=f'sleep 300 > "{held}" & wait')
    assert "did not answer within 0.5 seconds" in refused(seconds=0.5)
    assert select.select([reading], [], [], 20)[0]  # its end comes when the last one that gh had started is gone
    assert os.read(reading, 1) == b""
    os.close(reading)


def test_no_network_is_one_line(fake: FakeGh) -> None:
    fake.answer(repo="echo 'error connecting to github.com\ncheck your internet connection' >&2; exit 1")
    assert "GitHub cannot be reached (error connecting to github.com); check the network" in refused()


def test_no_credential_is_repeated(fake: FakeGh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GH_ENTERPRISE_TOKEN", "my-own-t0ken")
    words = "bad: my-own-t0ken gho_Abc123 github_pat_11A_x https://ann:p4ss@ghe.example.com/x"
    fake.answer(repo=f"echo '{words}' >&2; exit 1")
    assert "(bad: *** *** *** https://***@ghe.example.com/x)" in refused()


def test_a_gh_that_is_not_there_or_does_not_start_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "gh was not found on PATH" in refused()
    (tmp_path / "gh").write_text("#!/bin/sh\necho 'no such library' >&2\nexit 127\n")
    (tmp_path / "gh").chmod(0o755)
    with pytest.raises(RolloutsError, match=r"gh does not work \(no such library\)"):
        github.require(SECONDS)
