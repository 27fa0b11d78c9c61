"""Which workspace a path belongs to, what is refused, and what git's settings and surroundings cannot change."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from helpers import (
    captured,
    commit_all,
    contents,
    failure,
    git,
    new_repository,
    ok,
    put,
    restored,
    rows,
    run,
    snapshot,
    tree,
)

WORDS = ("--session", "s", "--message", "m", "--metadata", "{}")
OURS = {"HOME", "PATH", "ROLLOUTS_HOME"}


def _root(workspace_id: str) -> str:
    listed = json.loads(ok("list", "--json"))["workspaces"]
    return next(str(entry["root_path"]) for entry in listed if entry["id"] == workspace_id)


# Which root


def test_a_sub_directory_names_its_repository(repo: Path) -> None:
    whole = snapshot(repo)
    part = captured(repo / "sub")
    assert part.snapshot["workspace_id"] == whole["workspace_id"]
    assert tree(part.files) == tree(repo)


def test_the_current_directory_is_the_default(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repo / "sub")
    ok("snapshot", *WORDS)
    assert snapshot(repo)["message_id"] == "m"


def test_a_link_to_a_workspace_is_the_workspace(repo: Path, tmp_path: Path) -> None:
    whole = snapshot(repo)
    (tmp_path / "link").symlink_to(repo)
    assert snapshot(tmp_path / "link" / "sub", message="2")["workspace_id"] == whole["workspace_id"]


def test_a_linked_worktree_is_its_own_workspace(repo: Path, tmp_path: Path) -> None:
    main = snapshot(repo)
    git("worktree", "add", "-q", "-b", "feature", tmp_path / "linked", cwd=repo)
    put(tmp_path / "linked", "new.txt")
    turn = captured(tmp_path / "linked", session="other")
    assert turn.snapshot["workspace_id"] != main["workspace_id"]
    assert turn.snapshot["vcs"]["branch"] == "feature"
    assert contents(turn.files) == contents(tmp_path / "linked")


def test_a_submodule_named_outright_is_its_own_workspace(repo: Path) -> None:
    nested = new_repository(repo / "nested")
    outer = snapshot(repo)
    inner = captured(nested, session="inner")
    assert inner.snapshot["workspace_id"] != outer["workspace_id"]
    assert tree(inner.files) == tree(nested)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a repository to another user")
def test_a_repository_of_another_user_is_captured_as_a_repository(repo: Path) -> None:
    put(repo, ".gitignore", b"*.log\n")
    put(repo, "a.log")
    for folder, dirs, files in os.walk(repo):
        for name in [".", *dirs, *files]:
            os.chown(f"{folder}/{name}", 12345, 12345)
    with pytest.raises(AssertionError, match="dubious ownership"):
        git("status", cwd=repo)
    for path in (repo, repo / "sub"):
        turn = captured(path)
        assert contents(turn.files).keys() == {b".gitignore", b"a.txt", b"sub/b.bin"}
        assert turn.snapshot["vcs"]["branch"] == "main"


def test_a_work_tree_that_is_set_in_the_config_is_captured(repo: Path, tmp_path: Path) -> None:
    separate = put(tmp_path, "separate/s.txt").parent
    git("init", "-q", f"--separate-git-dir={tmp_path / 'kept apart'}", separate, cwd=tmp_path)
    assert contents(captured(separate).files) == contents(separate)
    git("config", "core.worktree", repo / "sub", cwd=repo)
    turn = captured(repo / "sub", session="other")
    assert contents(turn.files).keys() == {b"b.bin"}


def test_a_workspace_beside_its_bare_repository_is_captured(repo: Path, tmp_path: Path) -> None:
    git("clone", "-q", "--bare", repo, "project.git", cwd=tmp_path)
    git("worktree", "add", "-q", "tree", "main", cwd=tmp_path / "project.git")
    turn = captured(tmp_path / "project.git" / "tree")
    assert contents(turn.files) == contents(repo)
    assert turn.snapshot["vcs"]["branch"] == "main"


# What is refused


def test_the_inside_of_a_repository_is_refused(repo: Path, tmp_path: Path) -> None:
    git("init", "-q", "--bare", "bare.git", cwd=tmp_path)
    git("worktree", "add", "-q", tmp_path / "linked", cwd=repo)
    gitdir = repo / ".git" / "worktrees" / "linked"
    for path in (tmp_path / "bare.git", tmp_path / "bare.git" / "refs", repo / ".git", repo / ".git" / "hooks", gitdir):
        for force in ((), ("--force",)):
            assert "name the work tree" in failure(run("snapshot", path, *WORDS, *force))


def test_what_is_no_directory_is_a_usage_error(repo: Path) -> None:
    for path in (repo / "a.txt", repo / "none"):
        assert run("snapshot", path, *WORDS).code == 2


@pytest.mark.parametrize("above", ["user home", ".", ".."])
def test_the_users_home_and_what_is_above_is_refused(tmp_path: Path, above: str) -> None:
    assert "--force" in failure(run("snapshot", tmp_path / above, *WORDS))


def test_the_file_system_root_is_refused(sealed: Path) -> None:
    for home in (str(sealed), "/", "/nowhere"):
        assert "--force" in failure(run("snapshot", "/", *WORDS, env={"HOME": home}))


def test_the_users_home_is_captured_with_force(sealed: Path, tmp_path: Path) -> None:
    put(sealed, "notes.txt")
    ok("snapshot", sealed, *WORDS, "--force")
    ok("restore", sealed, "--session", "s", "--message", "m", "--dest", tmp_path / "r")
    assert tree(tmp_path / "r") == tree(sealed)


def test_a_repository_at_the_users_home_is_refused_but_not_a_project_in_it(sealed: Path) -> None:
    git("init", "-q", cwd=sealed)
    project = put(sealed, "plain project/a.txt").parent
    own = new_repository(sealed / "project")
    assert "--force" in failure(run("snapshot", project, *WORDS))
    assert tree(captured(own).files) == tree(own)


def test_the_rollouts_home_is_refused_even_with_force(plain: Path, home: Path) -> None:
    taken = snapshot(plain)
    for path in (home, home / "workspaces", home / "workspaces" / taken["workspace_id"]):
        assert "Rollouts home" in failure(run("snapshot", path, *WORDS, "--force"))


@pytest.mark.parametrize("workspace", ["repo", "plain"])
@pytest.mark.parametrize("name", [".rollouts", "deep/ho*me [x]?", "back\\slash !#", "sub/trailing "])
def test_a_home_inside_the_workspace_is_left_out(
    workspace: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    root: Path = request.getfixturevalue(workspace)
    monkeypatch.setenv("ROLLOUTS_HOME", str(root / name))
    put(root, f"{name}x/f.txt")
    expected = contents(root)
    for message in ("1", "2"):
        taken = snapshot(root, message=message)
        assert contents(restored(taken["id"], tmp_path / "r" / message)) == expected
        assert taken["skipped"] == []


def test_a_home_inside_a_nested_repository_is_left_out(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nested = new_repository(repo / "nested")
    monkeypatch.setenv("ROLLOUTS_HOME", str(nested / "here"))
    expected = contents(repo)
    for message in ("1", "2"):
        assert contents(restored(snapshot(repo, message=message)["id"], tmp_path / "r" / message)) == expected


# Identity


@pytest.mark.parametrize("order", ["inner first", "outer first"])
def test_nested_plain_workspaces_keep_their_identity(plain: Path, order: str) -> None:
    paths = {"outer": plain, "inner": plain / "sub"}
    names = ["inner", "outer"] if order == "inner first" else ["outer", "inner"]
    ids = {name: snapshot(paths[name], session=name)["workspace_id"] for name in names}
    for name in [*names, *names]:
        turn = captured(paths[name], session=name)
        assert turn.snapshot["workspace_id"] == ids[name]
        assert tree(turn.files) == tree(paths[name])
    assert ids["inner"] != ids["outer"]
    assert _root(ids["outer"]) == str(plain)


def test_a_plain_directory_that_becomes_a_repository_keeps_its_workspace(plain: Path, tmp_path: Path) -> None:
    put(plain, "ignored.log")
    before, old = contents(plain), snapshot(plain)
    put(plain, ".gitignore", b"*.log\n")
    commit_all(plain)
    turn = captured(plain)
    assert turn.snapshot["workspace_id"] == old["workspace_id"]
    assert contents(turn.files).keys() == {b"a.txt", b"sub/b.bin", b".gitignore"}
    assert turn.facts["modes"] is None
    assert contents(restored(old["id"], tmp_path / "old")) == before
    shutil.rmtree(plain / ".git")
    assert tree(captured(plain).files) == tree(plain)


def test_a_registered_directory_keeps_its_workspace_when_its_parent_becomes_a_repository(plain: Path) -> None:
    put(plain, "sub/.gitignore", b"*\n")
    before = snapshot(plain / "sub", session="sub")["workspace_id"]
    commit_all(plain)
    outer = snapshot(plain, session="outer")
    turn = captured(plain / "sub", session="sub")
    assert turn.snapshot["workspace_id"] == before != outer["workspace_id"]
    assert tree(turn.files) == tree(plain / "sub")


@pytest.mark.parametrize("workspace", ["repo", "plain"])
def test_a_moved_workspace_is_recognised(
    workspace: str, tmp_path: Path, home: Path, request: pytest.FixtureRequest
) -> None:
    root: Path = request.getfixturevalue(workspace)
    put(root, "third.txt")
    first = snapshot(root)
    moved = root.rename(tmp_path / "moved here")
    put(moved, "a.txt", b"changed after the move\n")
    turn = captured(moved)
    assert turn.snapshot["workspace_id"] == first["workspace_id"]
    assert _root(first["workspace_id"]) == str(moved)
    assert tree(turn.files) == tree(moved)
    assert len(rows(home)) == 2


def test_a_copy_of_a_workspace_is_another_one(repo: Path, tmp_path: Path) -> None:
    first = snapshot(repo)
    shutil.copytree(repo, tmp_path / "copy")
    assert "already associated" in failure(run("snapshot", tmp_path / "copy", *WORDS))
    assert snapshot(tmp_path / "copy", session="other")["workspace_id"] != first["workspace_id"]


def test_a_recreated_directory_is_not_taken_for_the_old_workspace(repo: Path, tmp_path: Path) -> None:
    first = snapshot(repo)
    shutil.rmtree(repo)
    for number in range(20):  # one of them may get the inode of the old one
        new_repository(tmp_path / f"new{number}")
    for number in range(20):
        said = failure(run("snapshot", tmp_path / f"new{number}", *WORDS))
        assert "already associated" in said
        assert f"rollouts workspace move {repo} {tmp_path}/new{number}" in said
    ok("workspace", "move", repo, tmp_path / "new7")
    assert snapshot(tmp_path / "new7", message="2")["workspace_id"] == first["workspace_id"]


def test_a_workspace_that_is_copied_elsewhere_can_be_moved_by_hand(repo: Path, tmp_path: Path) -> None:
    first = captured(repo)
    shutil.copytree(repo, tmp_path / "copy")
    shutil.rmtree(repo)
    assert "workspace move" in failure(run("snapshot", tmp_path / "copy", *WORDS))
    ok("workspace", "move", repo, tmp_path / "copy")
    put(tmp_path / "copy", "a.txt", b"later\n")
    turn = captured(tmp_path / "copy")
    assert turn.snapshot["workspace_id"] == first.snapshot["workspace_id"]
    assert tree(turn.files) == tree(tmp_path / "copy")


# Kinds of repositories


def test_a_sha256_repository_is_captured(tmp_path: Path) -> None:
    repo = tmp_path / "sha256"
    for number in range(230):
        put(repo, f"many/{number}", b"%d\n" % number)
    git("init", "-q", "--object-format=sha256", cwd=repo)
    commit_all(repo)
    head = git("rev-parse", "HEAD", cwd=repo).strip()
    for data in (b"one\n", b"two\n"):
        put(repo, "many/0", data)
        turn = captured(repo)
        assert tree(turn.files) == tree(repo)
        assert turn.snapshot["vcs"]["head_commit"] == head


def test_a_sha256_repository_nested_in_another_is_captured(repo: Path) -> None:
    nested = put(repo, "nested/f.txt").parent
    git("init", "-q", "--object-format=sha256", cwd=nested)
    commit_all(nested)
    turn = captured(repo)
    assert tree(turn.files) == tree(repo)
    assert turn.facts["nested"] == [{"path": "nested", "head": git("rev-parse", "HEAD", cwd=nested).strip()}]


def _help_of_init(anywhere: Path) -> str:
    return git("-c", "alias.h=!git init -h 2>&1 || true", "h", cwd=anywhere)


def test_a_reftable_repository_is_captured(tmp_path: Path) -> None:
    repo = put(tmp_path, "reftable/f.txt").parent
    if "--ref-format" not in _help_of_init(tmp_path):
        pytest.skip("this git has no reftable")
    git("init", "-q", "--ref-format=reftable", cwd=repo)
    commit_all(repo)
    turn = captured(repo)
    assert tree(turn.files) == tree(repo)
    assert turn.snapshot["vcs"]["branch"] == "main"
    assert turn.snapshot["vcs"]["head_commit"] == git("rev-parse", "HEAD", cwd=repo).strip()


def test_a_shallow_partial_and_alternating_repository_is_captured(repo: Path, tmp_path: Path) -> None:
    for number in range(230):
        put(repo, f"many/{number}", b"%d\n" % number)
    commit_all(repo)
    git("config", "uploadpack.allowFilter", "true", cwd=repo)
    kinds = {"shallow": ("--depth=1",), "partial": ("--filter=blob:none",), "shared": ("--shared",)}
    for name, options in kinds.items():
        source = f"file://{repo}" if name != "shared" else str(repo)
        git("clone", "-q", *options, source, name, cwd=tmp_path)
        put(tmp_path / name, "many/1", b"changed\n")
        turn = captured(tmp_path / name, session=name)
        assert tree(turn.files) == tree(tmp_path / name)


# The environment and the configuration


@pytest.mark.parametrize("message", ["1", "2"])
def test_inherited_git_variables_are_ignored(repo: Path, tmp_path: Path, message: str) -> None:
    other = new_repository(tmp_path / "other")
    snapshot(repo, message="0")
    before = git("status", "--porcelain", cwd=other), (other / ".git" / "index").read_bytes()
    env = {
        "GIT_DIR": str(other / ".git"),
        "GIT_WORK_TREE": str(other),
        "GIT_INDEX_FILE": str(other / ".git" / "index"),
        "GIT_OBJECT_DIRECTORY": str(other / ".git" / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(other / ".git" / "objects"),
        "GIT_COMMON_DIR": str(other / ".git"),
        "GIT_NAMESPACE": "ns",
        "GIT_CEILING_DIRECTORIES": str(repo),
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.excludesFile",
        "GIT_CONFIG_VALUE_0": str(put(tmp_path, "everything", b"*\n")),
        "GIT_CONFIG_PARAMETERS": "'core.bare=true'",
        "GIT_AUTHOR_DATE": "nonsense",
        "GIT_TRACE": str(tmp_path / "trace"),
    }
    put(repo, f"new{message}.txt")
    taken = snapshot(repo / "sub", message=message, env=env)
    assert contents(restored(taken["id"], tmp_path / "r")) == contents(repo)
    assert (git("status", "--porcelain", cwd=other), (other / ".git" / "index").read_bytes()) == before
    assert not (tmp_path / "trace").exists()


def _set(scope: str, repo: Path, settings: dict[str, str]) -> None:
    for name, value in settings.items():
        git("config", scope, name, value, cwd=repo)


@pytest.mark.parametrize("scope", ["--global", "--local"])
def test_the_users_settings_neither_change_nor_stop_a_capture(repo: Path, tmp_path: Path, scope: str) -> None:
    marker = tmp_path / "ran"
    script = put(tmp_path, "script", f'#!/bin/sh\necho "$0 $*" >> "{marker}"\nexit 1\n'.encode(), mode=0o755)
    hooks = [
        "pre-commit",
        "post-commit",
        "commit-msg",
        "update",
        "post-receive",
        "reference-transaction",
        "post-index-change",
    ]
    for hook in hooks:
        shutil.copy(script, put(tmp_path, f"hooks/{hook}"))
        shutil.copy(script, put(tmp_path, f"template/hooks/{hook}"))
        shutil.copy(script, repo / ".git" / "hooks" / hook)
    run_all = ("core.fsmonitor", "core.pager", "core.editor", "core.sshCommand", "gpg.program", "diff.external")
    _set(scope, repo, dict.fromkeys(run_all, str(script)))
    _set(
        scope,
        repo,
        {
            "core.hooksPath": str(tmp_path / "hooks"),
            "init.templateDir": str(tmp_path / "template"),
            "init.defaultBranch": "odd",
            "init.defaultObjectFormat": "sha256",
            "commit.gpgSign": "true",
            "tag.gpgSign": "true",
            "user.useConfigOnly": "true",
            "core.attributesFile": str(put(tmp_path, "attributes", b"* text eol=crlf ident\n")),
            "clone.defaultRemoteName": "upstream",
            "protocol.file.allow": "never",
            "protocol.allow": "never",
            "safe.bareRepository": "explicit",
            "transfer.fsckObjects": "true",
            "core.quotePath": "true",
            "core.precomposeUnicode": "true",
            "core.bigFileThreshold": "1",
            "core.untrackedCache": "true",
            "index.version": "4",
            "index.threads": "true",
            "status.showUntrackedFiles": "no",
            "color.ui": "always",
            "gc.auto": "1",
            "extensions.worktreeConfig": "true" if scope == "--local" else "false",
        },
    )
    put(repo, "ün tracked.txt", b"1\r\n")
    for data in (b"one\r\n", b"two\r\n"):
        put(repo, "a.txt", data)
        assert contents(captured(repo).files) == contents(repo)
    assert not marker.exists()


def test_an_excludes_file_of_everything_leaves_the_tracked_files(repo: Path, sealed: Path) -> None:
    put(sealed, "all", b"*\n")
    git("config", "--global", "core.excludesFile", "~/all", cwd=repo)
    put(repo, "untracked.txt")
    assert contents(captured(repo).files).keys() == {b"a.txt", b"sub/b.bin"}


# What version control says


def test_branch_head_and_remotes_are_recorded(repo: Path) -> None:
    git("remote", "add", "origin", "https://ann:s3cr3t@example.com/ann/x.git", cwd=repo)
    git("remote", "add", "backup", "git@example.com:x.git", cwd=repo)
    git("checkout", "-qb", "feature/x", cwd=repo)
    vcs = snapshot(repo)["vcs"]
    assert vcs == {
        "vcs": "git",
        "worktree_path": str(repo),
        "branch": "feature/x",
        "head_commit": git("rev-parse", "HEAD", cwd=repo).strip(),
        "remotes": {"origin": "https://example.com/ann/x.git", "backup": "git@example.com:x.git"},
    }


def test_packed_refs_are_read(repo: Path) -> None:
    git("branch", "mai", cwd=repo)
    put(repo, "b.txt")
    commit_all(repo)
    git("pack-refs", "--all", cwd=repo)
    vcs = snapshot(repo)["vcs"]
    assert (vcs["branch"], vcs["head_commit"]) == ("main", git("rev-parse", "HEAD", cwd=repo).strip())


def test_a_symbolic_branch_is_resolved(repo: Path) -> None:
    git("symbolic-ref", "refs/heads/alias", "refs/heads/main", cwd=repo)
    git("symbolic-ref", "HEAD", "refs/heads/alias", cwd=repo)
    vcs = snapshot(repo)["vcs"]
    assert vcs["head_commit"] == git("rev-parse", "HEAD", cwd=repo).strip()


def test_remotes_of_an_included_config_are_recorded_without_credentials(repo: Path) -> None:
    put(repo, ".git/more", b'[remote "origin"]\n\turl = https://token@example.com/"quoted".git # comment\n')
    git("config", "include.path", "more", cwd=repo)
    assert snapshot(repo)["vcs"]["remotes"] == {"origin": "https://example.com/quoted.git"}


def test_a_plain_directory_has_no_version_control(plain: Path) -> None:
    assert snapshot(plain)["vcs"] == {"vcs": None}


# From hooks


@pytest.mark.parametrize("hook", ["pre-commit", "post-commit", "post-checkout"])
@pytest.mark.parametrize("linked", [False, True])
def test_a_capture_from_a_git_hook_disturbs_nothing(repo: Path, tmp_path: Path, hook: str, *, linked: bool) -> None:
    where = tmp_path / "linked" if linked else repo
    if linked:
        git("worktree", "add", "-q", "-b", "feature", where, cwd=repo)
    command = f'exec "{Path(sys.executable).parent}/rollouts" snapshot . --session s --message m --metadata "{{}}"\n'
    put(repo, f".git/hooks/{hook}", b"#!/bin/sh\n" + command.encode(), mode=0o755)
    put(where, "a.txt", b"committed\n")
    put(where, "untracked.txt")
    git("commit", "-qam", "with a hook", cwd=where)
    if hook == "post-checkout":
        git("checkout", "-q", "-b", "elsewhere", cwd=where)
    assert git("rev-list", "--count", "HEAD", cwd=where).strip() == "2"
    assert git("status", "--porcelain", cwd=where) == "?? untracked.txt\n"
    ok("restore", where, "--session", "s", "--message", "m", "--dest", tmp_path / "r")
    assert contents(tmp_path / "r") == contents(where)
    assert git("config", "user.name", cwd=where) == "Ann Onymous\n"


def test_a_sub_directory_of_a_plain_workspace_names_it(plain: Path) -> None:
    taken = snapshot(plain)
    assert taken["workspace_id"] in ok("list", plain / "sub", "--json")


def test_a_repository_in_a_plain_workspace_is_not_taken_for_it(plain: Path) -> None:
    snapshot(plain)
    git("init", "-q", cwd=plain / "sub")
    result = run("delete", plain / "sub", "--yes")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"Error: workspace is not initialized: {plain}/sub; ")
