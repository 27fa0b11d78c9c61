"""`push --create-remote`: an archive on GitHub for a workspace that has none, and the snapshots in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import archives
import git_http
from fake_gh import EXISTS, FakeGh
from github_server import GitHub
from helpers import failure, git, ok, query, run, snapshot
from rollouts.contracts import tag
from test_github_enterprise import enterprise as enterprise  # noqa: PLC0414 - a fixture, for pytest to find here

PAGE = "https://github.example/octo"


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGh:
    return FakeGh(tmp_path / "fake", monkeypatch)


@pytest.fixture
def hosted(tmp_path: Path) -> Path:
    """The directory that holds the repositories of the host."""
    (tmp_path / "hosted").mkdir()
    git("config", "--global", f"url.{tmp_path}/hosted/.insteadOf", f"{PAGE}/", cwd=tmp_path)
    return tmp_path / "hosted"


def name_of(workspace: Path, taken: dict[str, Any]) -> str:
    return f"rollouts-{workspace.name}-{taken['workspace_id'][:8]}"


def pushed(*words: str | Path, code: int = 0) -> dict[str, Any]:
    result = run("push", *words, "--create-remote", "--json")
    assert result.code == code, result
    found: dict[str, Any] = json.loads(result.out)
    return found


def remotes(home: Path) -> list[str | None]:
    return [row[0] for row in query(home, "SELECT remote_url FROM workspaces ORDER BY root_path")]


def test_an_archive_is_made_named_and_filled_and_the_next_push_needs_no_gh(
    fake: FakeGh, hosted: Path, plain: Path, home: Path
) -> None:
    taken = snapshot(plain)
    name = name_of(plain, taken)
    archive = archives.bare(hosted / f"{name}.git")
    fake.answer(repo=f"echo {PAGE}/{name}")
    ok("remote", "defaults", "set", "--owner", "octo")
    document = pushed(plain)
    assert (document["created_remotes"], document["pushed"]) == (1, 1)
    assert ["repo", "create", f"octo/{name}", "--private", "--disable-issues", "--disable-wiki"] in fake.asked
    assert list(archives.refs(archive)) == [tag.ref("s", "m")]
    assert remotes(home) == [f"{PAGE}/{name}.git"]
    asked = len(fake.asked)
    assert pushed(plain)["skipped"] == 1
    assert len(fake.asked) == asked


def test_words_say_what_was_made(fake: FakeGh, hosted: Path, plain: Path) -> None:
    name = name_of(plain, snapshot(plain))
    archives.bare(hosted / f"{name}.git")
    fake.answer(repo=f"echo {PAGE}/{name}")
    ok("remote", "defaults", "set", "--owner", "octo")
    result = run("push", plain, "--create-remote")
    assert f"Created {PAGE}/{name}.git" in result.err
    assert "Pushed snapshots 1\n" in result.out
    assert "created remotes: 1\n" in result.out


def test_the_repository_of_a_run_that_was_killed_is_adopted(
    fake: FakeGh, hosted: Path, plain: Path, home: Path
) -> None:
    name = name_of(plain, snapshot(plain))
    archives.bare(hosted / f"{name}.git")
    fake.finds(f"{PAGE}/{name}")
    ok("remote", "defaults", "set", "--owner", "octo")
    document = pushed(plain)
    assert (document["created_remotes"], document["pushed"]) == (0, 1)
    assert remotes(home) == [f"{PAGE}/{name}.git"]


def test_a_dry_run_makes_nothing(fake: FakeGh, plain: Path, home: Path) -> None:
    name = name_of(plain, snapshot(plain))
    ok("remote", "defaults", "set", "--owner", "octo")
    document = pushed(plain, "--dry-run")
    assert document["workspaces"][0]["remote_url"] == f"octo/{name}"
    assert document["pushed"] == 1
    assert fake.asked == [["--version"]]
    assert remotes(home) == [None]


def test_without_defaults_it_says_what_to_run(fake: FakeGh, plain: Path) -> None:
    snapshot(plain)
    assert "run `rollouts remote defaults set --owner OWNER` first" in failure(run("push", plain, "--create-remote"))
    assert fake.asked == []


def test_what_gh_refuses_is_one_line_and_no_archive_is_noted(fake: FakeGh, plain: Path, home: Path) -> None:
    snapshot(plain)
    ok("remote", "defaults", "set", "--owner", "octo")
    fake.answer(repo=EXISTS, api="echo 'gh: HTTP 401: Bad credentials' >&2; exit 1")
    said = run("push", plain, "--create-remote")
    assert said.code == 1
    assert "gh is not logged in" in said.err
    assert said.out == ""
    assert remotes(home) == [None]


def test_all_goes_on_past_a_workspace_for_which_nothing_can_be_made(
    fake: FakeGh, plain: Path, repo: Path, home: Path, tmp_path: Path
) -> None:
    snapshot(plain)
    snapshot(repo, session="t")
    ok("remote", "set", repo, "--url", archives.bare(tmp_path / "own.git"))
    ok("remote", "defaults", "set", "--owner", "octo")
    fake.answer(repo="echo 'GraphQL: octo cannot create a repository for octo. (createRepository)' >&2; exit 1")
    document = pushed("--all", code=1)
    assert (document["pushed"], document["failed"]) == (1, 1)
    errors = {row["root_path"]: row["error"] for row in document["workspaces"]}
    assert errors[str(repo)] is None
    assert "you may not create" in errors[str(plain)]
    assert None in remotes(home)


def test_all_the_way_through_the_real_gh(enterprise: GitHub, plain: Path, home: Path, tmp_path: Path) -> None:
    name = name_of(plain, snapshot(plain))
    ok("remote", "defaults", "set", "--owner", "octo")
    with git_http.serving(enterprise.state.root) as web:
        git("config", "--global", f"url.{web.url('')}.insteadOf", enterprise.page(""), cwd=tmp_path)
        result = run("push", plain, "--create-remote", "--json", env=web.env)
    assert result.code == 0, result
    assert json.loads(result.out)["created_remotes"] == 1
    assert enterprise.state.repositories[f"octo/{name}"].count("refs/tags/rollouts/") == {"totalCount": 1}
    assert remotes(home) == [f"{enterprise.page(f'octo/{name}')}.git"]
