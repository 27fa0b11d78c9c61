"""Capture of repositories inside a workspace: submodules, nested repositories and linked worktrees, as files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from helpers import captured, commit_all, contents, git, new_repository, put, skipped, tree


@pytest.fixture
def submodule(repo: Path, tmp_path: Path) -> Path:
    """The submodule `lib` of `repo`, checked out."""
    source = new_repository(tmp_path / "library")
    git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", source, "lib", cwd=repo)
    git("commit", "-qm", "with lib", cwd=repo)
    return repo / "lib"


def _head(repository: Path) -> str:
    return git("rev-parse", "HEAD", cwd=repository).strip()


def test_a_submodule_is_captured_as_files_with_its_head(repo: Path, submodule: Path) -> None:
    put(submodule, "untracked.txt")
    turn = captured(repo)
    assert tree(turn.files) == tree(repo)
    assert turn.facts["nested"] == [{"path": "lib", "head": _head(submodule)}]


def test_edits_in_a_submodule_are_seen_in_later_turns(repo: Path, submodule: Path) -> None:
    captured(repo)
    put(submodule, "in.txt", b"INSIDE\n")
    assert tree(captured(repo).files) == tree(repo)
    put(submodule, "more/new.txt")
    assert tree(captured(repo).files) == tree(repo)
    (submodule / "in.txt").unlink()
    assert tree(captured(repo).files) == tree(repo)


def test_a_commit_in_a_submodule_is_recorded(repo: Path, submodule: Path) -> None:
    captured(repo)
    commit_all(submodule)
    turn = captured(repo)
    assert turn.facts["nested"] == [{"path": "lib", "head": _head(submodule)}]
    assert tree(turn.files) == tree(repo)


def test_a_deinitialised_submodule_is_an_empty_directory(repo: Path, submodule: Path) -> None:
    captured(repo)
    git("submodule", "--quiet", "deinit", "-f", "lib", cwd=repo)
    turn = captured(repo)
    assert tree(turn.files) == tree(repo)
    assert (turn.files / "lib").is_dir()
    assert turn.facts["nested"] == []
    assert not list(submodule.iterdir())


def test_a_submodule_that_was_removed_from_disk_is_absent(repo: Path, submodule: Path) -> None:
    captured(repo)
    shutil.rmtree(submodule)
    assert tree(captured(repo).files) == tree(repo)


def test_a_submodule_directory_with_files_but_no_repository_is_taken_whole(repo: Path, submodule: Path) -> None:
    (submodule / ".git").unlink()
    put(submodule, "deep/er.txt")
    (submodule / "empty").mkdir()
    assert tree(captured(repo).files) == tree(repo)
    put(submodule, "deep/er.txt", b"later\n")
    assert tree(captured(repo).files) == tree(repo)


def test_a_submodule_whose_git_dir_is_lost_is_taken_whole(repo: Path, submodule: Path) -> None:
    shutil.rmtree(repo / ".git" / "modules")
    turn = captured(repo)
    assert tree(turn.files) == tree(repo)
    assert (submodule / ".git").is_file()


def test_a_submodule_becomes_a_file_and_returns(repo: Path, submodule: Path, tmp_path: Path) -> None:
    captured(repo)
    submodule.rename(tmp_path / "aside")
    put(repo, "lib", b"a file\n")
    assert tree(captured(repo).files) == tree(repo)
    submodule.unlink()
    (tmp_path / "aside").rename(submodule)
    assert tree(captured(repo).files) == tree(repo)


def test_a_submodule_becomes_plain_tracked_files(repo: Path, submodule: Path) -> None:
    captured(repo)
    git("rm", "-q", "--cached", "lib", cwd=repo)
    (submodule / ".git").unlink()
    git("add", "lib", cwd=repo)
    turn = captured(repo)
    assert tree(turn.files) == tree(repo)
    assert turn.facts["nested"] == []


@pytest.mark.parametrize("committed", [True, False])
def test_a_nested_repository_is_captured_as_files(repo: Path, *, committed: bool) -> None:
    nested = put(repo, "nested/n.txt").parent
    git("init", "-q", cwd=nested)
    if committed:
        commit_all(nested)
    turn = captured(repo)
    assert tree(turn.files) == tree(repo)
    assert turn.facts["nested"] == [{"path": "nested", "head": _head(nested) if committed else None}]


def test_edits_in_a_nested_repository_are_seen_in_later_turns(repo: Path) -> None:
    nested = new_repository(repo / "deep" / "nested")
    captured(repo)
    for path, data in (("in.txt", b"INSIDE\n"), ("new.txt", b"new\n"), ("in.txt", b"third!\n")):
        put(nested, path, data)
        assert tree(captured(repo).files) == tree(repo)
    (nested / "in.txt").unlink()
    assert tree(captured(repo).files) == tree(repo)


def test_an_empty_nested_repository_is_restored_as_an_empty_directory(repo: Path) -> None:
    git("init", "-q", "bare-bones", cwd=repo)
    assert tree(captured(repo).files) == tree(repo)
    put(repo, "bare-bones/first.txt")
    assert tree(captured(repo).files) == tree(repo)


def test_repositories_nested_in_nested_ones_are_captured(repo: Path) -> None:
    outer = new_repository(repo / "outer")
    inner = new_repository(outer / "x" / "inner")
    innermost = new_repository(inner / "innermost")
    turn = captured(repo)
    assert tree(turn.files) == tree(repo)
    assert [entry["path"] for entry in turn.facts["nested"]] == ["outer", "outer/x/inner", "outer/x/inner/innermost"]
    put(innermost, "in.txt", b"deep edit\n")
    assert tree(captured(repo).files) == tree(repo)


def test_a_lost_submodule_of_a_nested_repository_is_taken_whole(repo: Path) -> None:
    outer = new_repository(repo / "outer")
    inner = new_repository(outer / "inner")
    git("-c", "advice.addEmbeddedRepo=false", "add", "inner", cwd=outer)
    shutil.rmtree(inner / ".git")
    put(inner, "more.txt")
    assert tree(captured(repo).files) == tree(repo)


def test_a_nested_repository_has_its_own_ignore_rules(repo: Path) -> None:
    put(repo, ".gitignore", b"*.outer\n")
    nested = new_repository(repo / "nested")
    put(nested, ".gitignore", b"*.inner\n")
    for name in ("a.inner", "a.outer"):
        put(nested, name)
        put(repo, name)
    found = contents(captured(repo).files).keys()
    assert contents(repo).keys() - found == {b"a.outer", b"nested/a.inner"}


def test_an_ignored_nested_repository_is_not_captured(repo: Path) -> None:
    put(repo, ".gitignore", b"/vendor/\n")
    new_repository(repo / "vendor")
    turn = captured(repo)
    assert contents(turn.files).keys() == {b".gitignore", b"a.txt", b"sub/b.bin"}
    assert turn.facts["nested"] == turn.facts["empty_dirs"] == []


def test_a_file_is_replaced_by_a_repository_and_returns(repo: Path) -> None:
    captured(repo)
    (repo / "a.txt").unlink()
    new_repository(repo / "a.txt")
    assert tree(captured(repo).files) == tree(repo)
    put(repo, "a.txt/in.txt", b"edited\n")
    assert tree(captured(repo).files) == tree(repo)
    shutil.rmtree(repo / "a.txt")
    put(repo, "a.txt", b"one\n")
    assert tree(captured(repo).files) == tree(repo)


def test_a_file_with_a_misleading_name_is_replaced_by_a_repository(repo: Path) -> None:
    name = "x'\nadd 'y"
    put(repo, name)
    commit_all(repo)
    captured(repo)
    (repo / name).unlink()
    new_repository(repo / name)
    assert tree(captured(repo).files) == tree(repo)


def test_a_file_gives_way_to_an_uncommitted_repository(repo: Path) -> None:
    captured(repo)
    (repo / "a.txt").unlink()
    put(repo, "a.txt/f")
    git("init", "-q", cwd=repo / "a.txt")
    assert tree(captured(repo).files) == tree(repo)


def test_a_tracked_directory_becomes_a_repository_and_plain_again(repo: Path) -> None:
    captured(repo)
    commit_all(repo / "sub")
    put(repo, "sub/new.txt")
    assert tree(captured(repo).files) == tree(repo)
    shutil.rmtree(repo / "sub" / ".git")
    assert tree(captured(repo).files) == tree(repo)


def test_an_untracked_directory_becomes_a_repository_and_plain_again(repo: Path) -> None:
    put(repo, "new/n.txt")
    captured(repo)
    commit_all(repo / "new")
    assert tree(captured(repo).files) == tree(repo)
    shutil.rmtree(repo / "new" / ".git")
    assert tree(captured(repo).files) == tree(repo)


def test_a_nested_repository_vanishes_and_returns(repo: Path, tmp_path: Path) -> None:
    nested = new_repository(repo / "nested")
    captured(repo)
    nested.rename(tmp_path / "aside")
    assert tree(captured(repo).files) == tree(repo)
    (tmp_path / "aside").rename(nested)
    assert tree(captured(repo).files) == tree(repo)


def test_a_directory_that_only_looks_like_a_repository_is_captured(repo: Path) -> None:
    put(repo, "looks/.git", b"gitdir: nowhere\n")
    put(repo, "looks/f.txt")
    put(repo, "like/.git/config")
    put(repo, "like/f.txt")
    assert tree(captured(repo).files) == tree(repo)


def test_a_nested_repository_that_git_cannot_read_is_taken_whole(repo: Path) -> None:
    nested = new_repository(repo / "nested")
    put(nested, ".git/index", b"damaged\n")
    assert tree(captured(repo).files) == tree(repo)


def test_a_bare_repository_in_a_workspace_is_ordinary_files(repo: Path) -> None:
    git("init", "-q", "--bare", "mirror.git", cwd=repo)
    assert tree(captured(repo).files) == tree(repo)


def test_a_linked_worktree_inside_the_workspace_is_captured_as_files(repo: Path) -> None:
    git("worktree", "add", "-q", "trees/feature", cwd=repo)
    put(repo, "trees/feature/new.txt")
    turn = captured(repo)
    assert tree(turn.files) == tree(repo)
    assert turn.facts["nested"] == [{"path": "trees/feature", "head": _head(repo)}]


def test_the_size_limit_holds_for_untracked_files_of_a_nested_repository(repo: Path) -> None:
    nested = new_repository(repo / "nested")
    put(nested, "tracked.bin", b"t" * 2000)
    commit_all(nested)
    put(nested, "big.bin", b"u" * 2000)
    turn = captured(repo, env={"ROLLOUTS_MAX_FILE_SIZE": "1K"})
    assert skipped(turn.snapshot) == {"nested/big.bin": "larger than the limit"}
    assert contents(turn.files).keys() == contents(repo).keys() - {b"nested/big.bin"}


def test_empty_directories_in_a_nested_repository_are_kept(repo: Path) -> None:
    nested = new_repository(repo / "nested")
    (nested / "e" / "e2").mkdir(parents=True)
    assert tree(captured(repo).files) == tree(repo)


def test_a_plain_directory_takes_all_files_of_a_nested_repository(plain: Path) -> None:
    nested = new_repository(plain / "nested")
    put(nested, ".gitignore", b"*.log\n")
    put(nested, "a.log")
    turn = captured(plain)
    assert tree(turn.files) == tree(plain)
    assert turn.facts["nested"] == [{"path": "nested", "head": _head(nested)}]
    put(nested, "a.log", b"more\n")
    assert tree(captured(plain).files) == tree(plain)
