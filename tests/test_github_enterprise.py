"""Repositories by the real `gh`, from a GitHub Enterprise on loopback."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import git_http
import git_servers
import github_server
from github_server import Answer, GitHub, graphql_error
from helpers import git
from rollouts.publish import github
from rollouts.publish.github import Hosted, Wanted
from test_github import NAME, SECONDS, WANTED, refused


@pytest.fixture
def enterprise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    if not shutil.which("gh"):
        pytest.skip("there is no gh on this machine (Debian: apt-get install gh)")
    if sys.platform != "linux":
        pytest.skip("gh takes the certificate from SSL_CERT_FILE on Linux only")
    with github_server.serving(tmp_path / "hosted", tmp_path / "scratch") as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        yield server


def in_gh_settings(server: GitHub, tmp_path: Path, *, with_token: bool) -> None:
    """Writes the file in which `gh auth login` and `gh config set` keep what they are told."""
    folder = tmp_path / "scratch" / "gh"
    folder.mkdir()
    token = f"    oauth_token: {server.state.token}\n" if with_token else ""
    (folder / "hosts.yml").write_text(f'"{server.host}":\n    user: octo\n{token}    git_protocol: ssh\n')


@pytest.mark.parametrize("visibility", ["private", "public", "internal"])
def test_the_real_gh_makes_a_repository(visibility: str, enterprise: GitHub) -> None:
    hosted = github.created(Wanted("guild", NAME, visibility), SECONDS)
    assert hosted == Hosted(f"{enterprise.page(f'guild/{NAME}')}.git", made=True)
    [asked] = enterprise.state.created
    assert asked["visibility"] == visibility.upper()
    assert (asked["hasIssuesEnabled"], asked["hasWikiEnabled"]) == (False, False)
    assert enterprise.state.calls == ["owner", "create"]
    assert list(enterprise.state.repositories) == [f"guild/{NAME}"]


def test_the_real_gh_chooses_ssh_for_its_host(enterprise: GitHub, tmp_path: Path) -> None:
    in_gh_settings(enterprise, tmp_path, with_token=False)
    assert github.created(WANTED, SECONDS).url == f"git@127.0.0.1:octo/{NAME}.git"


def test_the_real_gh_finds_its_host_and_login_by_itself(
    enterprise: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GH_ENTERPRISE_TOKEN")
    monkeypatch.delenv("GH_HOST")
    in_gh_settings(enterprise, tmp_path, with_token=True)
    assert github.created(WANTED, SECONDS) == Hosted(f"git@127.0.0.1:octo/{NAME}.git", made=True)


def test_a_repository_that_the_real_gh_made_is_adopted_the_next_time(enterprise: GitHub, repo: Path) -> None:
    made = github.created(WANTED, SECONDS)
    assert github.created(WANTED, SECONDS) == made._replace(made=False)
    archive = enterprise.state.repositories[f"octo/{NAME}"].path
    git("push", "-q", archive, "HEAD:refs/tags/rollouts/session/a/message/b", cwd=repo)
    assert github.created(WANTED, SECONDS) == made._replace(made=False)
    assert len(enterprise.state.created) == 1
    git("push", "-q", archive, "HEAD:refs/heads/main", cwd=repo)
    assert "holds something else than snapshots" in refused()


def test_what_the_real_gh_made_takes_a_push(enterprise: GitHub, repo: Path) -> None:
    url = github.created(WANTED, SECONDS).url
    with git_http.serving(enterprise.state.root) as web:
        git("config", f"url.{web.url('')}.insteadOf", enterprise.page(""), cwd=repo)  # git has no such certificate
        git("push", "-q", url, "HEAD:refs/tags/rollouts/session/a/message/b", cwd=repo, env=web.env)
    assert github.created(WANTED, SECONDS).url == url
    assert enterprise.state.repositories[f"octo/{NAME}"].count("refs/tags/rollouts/") == {"totalCount": 1}


def test_a_repository_of_others_is_left_alone_by_the_real_gh(enterprise: GitHub) -> None:
    taken = enterprise.state.add(f"octo/{NAME}", permission="READ")
    assert "you may not push to it" in refused()
    taken.seen = False
    assert "you may not see it" in refused()
    taken.seen, taken.permission, taken.visibility = True, "WRITE", "PUBLIC"
    assert "is public, while private was asked for" in refused()


LIMIT = "API rate limit exceeded for user ID 1."


@pytest.mark.parametrize(
    ("call", "answer", "said"),
    [
        ("owner", Answer(403, {"message": LIMIT}), f"rate limit is reached (HTTP 403: {LIMIT}"),
        ("owner", Answer(429, {"message": "Slow down"}), "rate limit is reached (HTTP 429: Slow down"),
        ("create", graphql_error(LIMIT, "RATE_LIMITED"), "rate limit is reached"),
        ("create", Answer(403, {"message": "You have exceeded a secondary rate limit."}), "rate limit is reached"),
        ("create", Answer(401, {"message": "Requires authentication"}), "gh is not logged in"),
        ("create", graphql_error("octo cannot create a repository for guild."), "you may not create guild/rollouts-my"),
        (
            "create",
            graphql_error("Resource not accessible by personal access token", "FORBIDDEN"),
            "you may not create",
        ),
        ("create", graphql_error("Your token has not been granted the required scopes"), "gh auth refresh -s repo"),
        ("create", graphql_error("No more room."), f"did not take guild/{NAME} (No more room); try again"),
        ("create", Answer(502, {"message": "Bad gateway"}), f"did not take guild/{NAME} (HTTP 502: Bad gateway"),
    ],
)
def test_what_github_refuses_is_one_line_with_its_reason(
    call: str, answer: Answer, said: str, enterprise: GitHub
) -> None:
    enterprise.state.answers[call] = answer
    assert said in refused(Wanted("guild", NAME, "private"))
    assert enterprise.state.created == []


def test_internal_where_there_is_no_enterprise_is_explained(enterprise: GitHub) -> None:
    enterprise.state.answers["create"] = graphql_error("Something went wrong while executing your query.", "INTERNAL")
    assert "`internal` is for organisations of an enterprise only" in refused(Wanted("octo", NAME, "internal"))


def test_an_owner_that_github_does_not_know(enterprise: GitHub) -> None:
    assert "knows no user or organisation nobody" in refused(Wanted("nobody", NAME, "private"))
    assert enterprise.state.calls == ["owner"]


def test_not_being_logged_in_says_where_to(enterprise: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GH_ENTERPRISE_TOKEN", "an-old-t0ken")
    said = refused()
    assert f"`gh auth login --hostname {enterprise.host}`" in said
    assert "t0ken" not in said
    for name in ("GH_ENTERPRISE_TOKEN", "GH_HOST"):
        monkeypatch.delenv(name)
    assert "run `gh auth login` and try again" in refused()  # github.com, which is not asked then
    assert enterprise.state.calls == ["owner"]


@pytest.mark.usefixtures("enterprise")
def test_a_host_that_cannot_be_reached_or_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
    assert "GitHub cannot be reached" in refused()
    monkeypatch.setenv("GH_HOST", "127.0.0.1:9")
    assert "GitHub cannot be reached" in refused()
    monkeypatch.setenv("GH_HOST", "nowhere.invalid")
    assert "GitHub cannot be reached" in refused()


@pytest.mark.usefixtures("enterprise")
def test_a_host_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with git_servers.silent() as port:
        monkeypatch.setenv("GH_HOST", f"127.0.0.1:{port}")
        assert re.match(r"gh did not answer within 1 seconds; ", refused(seconds=1.0))
