"""remote set, clear and show: where archives are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers import failure, ok, query, run, snapshot


def shown() -> dict[str, str | None]:
    rows = json.loads(ok("remote", "show", "--json"))["workspaces"]
    return {row["root_path"]: row["remote_url"] for row in rows}


def test_a_new_workspace_is_registered_and_gets_its_archive(plain: Path, home: Path) -> None:
    said = ok("remote", "set", plain / "sub", "--url", " git@example.com:me/turns.git ")
    assert said.splitlines() == ["Configured remote URL", f"workspace: {plain / 'sub'}"]
    assert query(home, "SELECT root_path, remote_url FROM workspaces") == [
        (str(plain / "sub"), "git@example.com:me/turns.git")
    ]


def test_an_archive_is_set_anew_and_cleared(plain: Path, repo: Path) -> None:
    for url in ("https://example.com/one.git", "ssh://example.com/two.git"):
        ok("remote", "set", plain, "--url", url)
        assert shown() == {str(plain): url}
    ok("remote", "set", repo, "--url", "https://example.com/repo.git")
    assert ok("remote", "clear", plain).splitlines() == ["Cleared workspace remote", f"workspace: {plain}"]
    assert shown() == {str(plain): None, str(repo): "https://example.com/repo.git"}
    assert ok("remote", "clear", "--all") == "Cleared workspace remotes 1\n"
    assert ok("remote", "clear", "--all") == "Cleared workspace remotes 0\n"
    assert set(shown().values()) == {None}


def test_a_path_is_made_absolute(plain: Path, tmp_path: Path) -> None:
    for url in ("archive.git", "./archive.git", "../plain/../archive.git"):
        ok("remote", "set", plain, "--url", url, cwd=tmp_path)
        expected = tmp_path / "archive.git" if not url.startswith("..") else tmp_path.parent / "archive.git"
        assert shown() == {str(plain): str(expected)}


def test_an_archive_is_of_one_workspace(plain: Path, repo: Path) -> None:
    ok("remote", "set", plain, "--url", "https://example.com/one.git")
    said = failure(run("remote", "set", repo, "--url", "https://example.com/one.git"))
    assert said.startswith(f"remote URL is already configured for workspace: {plain}; ")
    ok("remote", "set", plain, "--url", "https://example.com/one.git")
    ok("remote", "clear", plain)
    ok("remote", "set", repo, "--url", "https://example.com/one.git")


def test_show_is_a_table_without_credentials(plain: Path, repo: Path) -> None:
    ok("remote", "set", plain, "--url", "https://me:s3cr3t@example.com/one.git")
    snapshot(repo)
    table = ok("remote", "show")
    assert table.splitlines()[0].split() == ["Workspace", "(2)", "Archive"]
    assert f"{plain}  https://example.com/one.git" in table
    assert table.splitlines()[2].split() == [str(repo), "-"]
    assert "s3cr3t" not in table + ok("remote", "show", "--json") + ok("list", "--json")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "cannot be empty"),
        ("  ", "cannot be empty"),
        ("--upload-pack=touch x", "begins with a dash"),
        ("-x", "begins with a dash"),
        ("a\nb", "control characters"),
        ("https://example.com/\x1b[31m", "control characters"),
        ("ext::sh -c true", "ext:: starts a program"),
        ("fd::17", "fd:: starts a program"),
        ("gopher://example.com/x", "is no URL of an archive"),
        ("ssh://-oProxyCommand=true/x", "is no URL of an archive"),
        ("ssh://me@-oProxyCommand=true/x", "is no URL of an archive"),
    ],
)
def test_what_is_no_archive_is_refused(url: str, words: str, plain: Path, home: Path) -> None:
    assert words in failure(run("remote", "set", plain, f"--url={url}"))
    assert not home.exists()


def test_what_is_not_there_says_so(plain: Path, tmp_path: Path) -> None:
    assert "not initialized" in failure(run("remote", "clear", plain))
    assert "does not exist" in failure(run("remote", "set", tmp_path / "none", "--url", "x"), 2)
    assert "cannot be combined" in failure(run("remote", "clear", plain, "--all"), 2)
    assert "--url" in failure(run("remote", "set", plain), 2)
