"""Sessions are cleaned of what this machine knows to be secret, under a key that the home makes once."""

from __future__ import annotations

import json
from pathlib import Path

import planted
from agent_records import CLAUDE, claude_session, put_claude
from helpers import git, ok, put, snapshot
from rollouts import paths
from rollouts.export import cleaning
from rollouts.export.library import Job
from rollouts.storage import opening


def secret(seed: int) -> str:
    return planted.made(planted.some(planted.WORD, 20), seed)


def known(home: Path, *sessions: str) -> frozenset[str]:
    """The secrets that are known for some sessions."""
    with opening.opened(paths.Home(str(home))) as archive:
        return cleaning.secrets_of(archive, [Job(session, ("codex",)) for session in sessions])


# What is known to be secret here


def test_secrets_of_a_sessions_workspace_are_known_and_no_others(home: Path, repo: Path, plain: Path) -> None:
    put(repo, ".env", f"DB_PASSWORD={secret(1)}\n".encode())
    put(plain, ".env", f"DB_PASSWORD={secret(2)}\n".encode())
    snapshot(repo, session="in repo")
    snapshot(plain, session="in plain")
    assert known(home, "in repo") == {secret(1)}
    assert known(home, "in repo", "in plain") == {secret(1), secret(2)}
    assert known(home, "nowhere") == set()


def test_credentials_of_all_remotes_are_known(home: Path, repo: Path) -> None:
    git("remote", "add", "origin", f"https://ann:{secret(1)}@git.example.com/a.git", cwd=repo)
    git("remote", "set-url", "--push", "origin", f"https://ann:{secret(2)}@git.example.com/a.git", cwd=repo)
    git("config", "--global", f"url.https://ann:{secret(3)}@x.example/.insteadOf", "https://x.example/", cwd=repo)
    git("config", "include.path", "../more", cwd=repo)
    put(repo, "more", f'[remote "Far \\"away\\""]\n\tURL = https://ann:{secret(4)}@far.example/b.git\n'.encode())
    snapshot(repo)
    ok("remote", "set", repo, "--url", f"https://ann:{secret(5)}@archive.example/c.git")
    assert known(home, "s") == {secret(number) for number in range(1, 6)}


def test_a_session_without_snapshots_has_the_secrets_of_where_it_worked(sealed: Path, home: Path, repo: Path) -> None:
    put(repo, ".env", f"DB_PASSWORD={secret(1)}\n".encode())
    put(repo, "sub/.env.local", f"API_TOKEN={secret(2)}\n".encode())
    put(repo, "a/b/c/d/.env", f"DB_PASSWORD={secret(3)}\n".encode())
    records = json.dumps(claude_session()).replace("/work/app", str(repo / "sub"))
    put_claude(sealed, json.loads(records))
    ok("import", "claude-code")
    assert known(home, CLAUDE) == {secret(1), secret(2)}


def test_a_workspace_that_is_gone_has_the_secrets_of_its_archive(home: Path, repo: Path) -> None:
    snapshot(repo)
    ok("remote", "set", repo, "--url", f"https://ann:{secret(1)}@archive.example/c.git")
    repo.rename(repo.with_name("elsewhere"))
    assert known(home, "s") == {secret(1)}
