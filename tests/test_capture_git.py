"""Capture of a git workspace in whatever state its index, its HEAD and its files are."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from helpers import captured, commit_all, contents, failure, git, put, restored, run, snapshot, tree


def test_snapshot_survives_a_deleted_tracked_file(repo: Path) -> None:
    (repo / "a.txt").unlink()
    turn = captured(repo)
    assert contents(turn.files) == contents(repo)
    assert turn.snapshot["skipped"] == []


def test_snapshot_survives_a_staged_deletion(repo: Path) -> None:
    git("rm", "-q", "a.txt", cwd=repo)
    assert contents(captured(repo).files) == contents(repo) != {}


def test_a_deletion_is_seen_in_a_later_turn(repo: Path) -> None:
    captured(repo)
    (repo / "a.txt").unlink()
    assert b"a.txt" not in contents(captured(repo).files)


def test_a_deleted_tracked_file_comes_back_while_the_listing_stays_the_same(repo: Path) -> None:
    for data in (b"one\n", None, b"two\n", None, b"two\n"):
        (repo / "a.txt").unlink(missing_ok=True) if data is None else put(repo, "a.txt", data)
        assert contents(captured(repo).files) == contents(repo)


def test_an_untracked_file_vanishes_and_returns(repo: Path) -> None:
    for present in (True, False, True, False):
        put(repo, "new/n.txt") if present else shutil.rmtree(repo / "new")
        turn = captured(repo)
        assert contents(turn.files) == contents(repo)
        assert (b"new/n.txt" in contents(turn.files)) is present


def test_a_tracked_directory_is_removed_whole(repo: Path) -> None:
    captured(repo)
    shutil.rmtree(repo / "sub")
    assert tree(captured(repo).files) == tree(repo)


def test_a_file_becomes_a_directory_and_a_file_again(repo: Path) -> None:
    captured(repo)
    (repo / "a.txt").unlink()
    put(repo, "a.txt/deep/er.txt")
    assert tree(captured(repo).files) == tree(repo)
    shutil.rmtree(repo / "a.txt")
    put(repo, "a.txt", b"again\n")
    assert tree(captured(repo).files) == tree(repo)


def test_a_directory_becomes_a_file_and_a_directory_again(repo: Path) -> None:
    captured(repo)
    shutil.rmtree(repo / "sub")
    put(repo, "sub", b"a file now\n")
    assert tree(captured(repo).files) == tree(repo)
    (repo / "sub").unlink()
    put(repo, "sub/b.bin", b"back\n")
    assert tree(captured(repo).files) == tree(repo)


def test_a_file_becomes_a_link_and_a_file_again(repo: Path) -> None:
    captured(repo)
    (repo / "a.txt").unlink()
    (repo / "a.txt").symlink_to("sub/b.bin")
    assert tree(captured(repo).files) == tree(repo)
    (repo / "a.txt").unlink()
    put(repo, "a.txt", b"sub/b.bin")
    assert tree(captured(repo).files) == tree(repo)


def test_a_link_becomes_a_directory_and_a_link_again(repo: Path) -> None:
    (repo / "link").symlink_to("sub")
    commit_all(repo)
    captured(repo)
    (repo / "link").unlink()
    put(repo, "link/b.bin", b"not the same\n")
    assert tree(captured(repo).files) == tree(repo)
    shutil.rmtree(repo / "link")
    (repo / "link").symlink_to("sub")
    assert tree(captured(repo).files) == tree(repo)


def test_a_tracked_directory_becomes_a_link_to_one_with_the_same_names(repo: Path) -> None:
    put(repo, "other/b.bin", b"beyond the link\n")
    captured(repo)
    shutil.rmtree(repo / "sub")
    (repo / "sub").symlink_to("other")
    assert tree(captured(repo).files) == tree(repo)
    (repo / "sub").unlink()
    put(repo, "sub/b.bin", b"here again\n")
    assert tree(captured(repo).files) == tree(repo)


def test_a_tracked_directory_is_a_link_at_the_first_capture(repo: Path, tmp_path: Path) -> None:
    beyond = tmp_path / "beyond"
    put(beyond, "b.bin", b"not ours\n")
    (beyond / "empty").mkdir()
    os.mkfifo(beyond / "pipe")
    shutil.rmtree(repo / "sub")
    (repo / "sub").symlink_to(beyond)
    turn = captured(repo)
    assert tree(turn.files) == tree(repo)
    assert turn.facts["empty_dirs"] == turn.snapshot["skipped"] == []


def test_a_tracked_directory_becomes_a_link_to_itself(repo: Path) -> None:
    captured(repo)
    shutil.rmtree(repo / "sub")
    (repo / "sub").symlink_to("sub")
    assert tree(captured(repo).files) == tree(repo)
    put(repo, "new.txt")
    assert tree(captured(repo).files) == tree(repo)


def test_a_tracked_directory_is_a_link_to_itself_at_the_first_capture(repo: Path) -> None:
    shutil.rmtree(repo / "sub")
    (repo / "sub").symlink_to("sub")
    assert tree(captured(repo).files) == tree(repo)


def test_a_directory_whose_tracked_files_are_deleted_is_kept_empty(repo: Path) -> None:
    captured(repo)
    (repo / "sub" / "b.bin").unlink()
    assert tree(captured(repo).files) == tree(repo)
    (repo / "sub").rmdir()
    assert tree(captured(repo).files) == tree(repo)


def test_exec_bit_changes_between_turns(repo: Path) -> None:
    for mode in (0o644, 0o755, 0o644):
        (repo / "a.txt").chmod(mode)
        assert contents(captured(repo).files) == contents(repo)


def test_the_exec_bit_is_kept_without_core_filemode(repo: Path) -> None:
    git("config", "core.fileMode", "false", cwd=repo)
    (repo / "a.txt").chmod(0o755)
    assert contents(captured(repo).files) == contents(repo)


def test_links_are_kept_without_core_symlinks(repo: Path) -> None:
    git("config", "core.symlinks", "false", cwd=repo)
    (repo / "link").symlink_to("a.txt")
    assert contents(captured(repo).files) == contents(repo)


def test_same_size_edits_in_the_same_second_are_all_seen(repo: Path, tmp_path: Path) -> None:
    turns = []
    for number in range(12):
        put(repo, "a.txt", b"%04d" % number)
        turns.append(snapshot(repo, message=f"m{number}"))
    for number in (0, 5, 6, 11):
        files = restored(turns[number]["id"], tmp_path / f"r{number}")
        assert (files / "a.txt").read_bytes() == b"%04d" % number
    assert len({turn["tree"] for turn in turns}) == 12


def test_a_tracked_file_that_a_rule_ignores_is_captured(repo: Path) -> None:
    put(repo, ".gitignore", b"dist.js\n/sub\n")
    put(repo, "dist.js", b"built\n")
    git("add", "-f", "dist.js", ".gitignore", cwd=repo)
    assert contents(captured(repo).files) == contents(repo)
    put(repo, "dist.js", b"built again\n")
    assert contents(captured(repo).files) == contents(repo)


def test_an_untracked_file_that_becomes_ignored_leaves_and_returns(repo: Path) -> None:
    put(repo, "notes.txt", b"mine\n")
    assert b"notes.txt" in contents(captured(repo).files)
    put(repo, ".gitignore", b"notes.txt\n")
    assert b"notes.txt" not in contents(captured(repo).files)
    put(repo, ".gitignore", b"")
    assert contents(captured(repo).files) == contents(repo)


def test_each_source_of_ignore_rules_counts(repo: Path, sealed: Path) -> None:
    put(repo, ".git/info/exclude", b"by-exclude\n")
    put(sealed, "rules", b"by-user\n")
    git("config", "--global", "core.excludesFile", "~/rules", cwd=repo)
    put(repo, "sub/.gitignore", b"by-dir\n")
    for name in ("by-exclude", "by-user", "sub/by-dir", "by-dir"):
        put(repo, name)
    hidden = {b"by-exclude", b"by-user", b"sub/by-dir"}
    assert contents(captured(repo).files).keys() == contents(repo).keys() - hidden


def test_a_file_that_is_only_removed_from_the_index_is_untracked_then(repo: Path) -> None:
    captured(repo)
    git("rm", "-q", "--cached", "a.txt", cwd=repo)
    assert contents(captured(repo).files) == contents(repo)
    put(repo, ".gitignore", b"a.txt\n")
    assert b"a.txt" not in contents(captured(repo).files)


def test_an_intent_to_add_is_captured_with_its_content(repo: Path) -> None:
    put(repo, "soon.txt", b"content\n")
    git("add", "-N", "soon.txt", cwd=repo)
    assert contents(captured(repo).files) == contents(repo)


def test_a_staged_file_with_other_content_on_disk_is_captured_as_on_disk(repo: Path) -> None:
    put(repo, "a.txt", b"staged\n")
    git("add", "a.txt", cwd=repo)
    put(repo, "a.txt", b"on disk\n")
    assert contents(captured(repo).files) == contents(repo)


def _merge_in_conflict(repo: Path) -> None:
    git("checkout", "-qb", "theirs", cwd=repo)
    put(repo, "a.txt", b"theirs\n")
    git("rm", "-q", "sub/b.bin", cwd=repo)
    git("commit", "-qam", "theirs", cwd=repo)
    git("checkout", "-q", "main", cwd=repo)
    put(repo, "a.txt", b"ours\n")
    put(repo, "sub/b.bin", b"ours\n")
    git("commit", "-qam", "ours", cwd=repo)
    git("-c", "alias.try=!git merge -q theirs || true", "try", cwd=repo)


def test_a_merge_conflict_is_captured_as_on_disk(repo: Path) -> None:
    _merge_in_conflict(repo)
    assert git("ls-files", "-u", cwd=repo).count("\ta.txt") == 3
    turn = captured(repo)
    assert b"<<<<<<<" in (turn.files / "a.txt").read_bytes()
    assert contents(turn.files) == contents(repo)
    assert turn.snapshot["files"] == 2


def test_a_conflict_that_is_resolved_by_deletion_is_captured(repo: Path) -> None:
    captured(repo)
    _merge_in_conflict(repo)
    captured(repo)
    (repo / "sub/b.bin").unlink()
    put(repo, "a.txt", b"both\n")
    assert contents(captured(repo).files) == contents(repo)


def test_a_repository_without_a_commit_is_captured(tmp_path: Path) -> None:
    repo = tmp_path / "fresh"
    put(repo, "a.txt")
    git("init", "-q", cwd=repo)
    turn = captured(repo)
    assert contents(turn.files) == contents(repo)
    assert (turn.snapshot["vcs"]["branch"], turn.snapshot["vcs"]["head_commit"]) == ("main", None)


def test_a_detached_head_is_captured(repo: Path) -> None:
    git("checkout", "-q", "--detach", cwd=repo)
    turn = captured(repo)
    head = git("rev-parse", "HEAD", cwd=repo).strip()
    assert contents(turn.files) == contents(repo)
    assert (turn.snapshot["vcs"]["branch"], turn.snapshot["vcs"]["head_commit"]) == (None, head)


def test_switches_between_branches_are_captured(repo: Path) -> None:
    git("checkout", "-qb", "other", cwd=repo)
    git("rm", "-q", "-r", "sub", cwd=repo)
    put(repo, "only/here.txt")
    commit_all(repo)
    for branch in ("other", "main", "other"):
        git("checkout", "-q", branch, cwd=repo)
        turn = captured(repo)
        assert tree(turn.files) == tree(repo)
        assert turn.snapshot["vcs"]["branch"] == branch


def test_a_sparse_checkout_is_captured_as_on_disk(repo: Path) -> None:
    captured(repo)
    git("sparse-checkout", "set", "--no-cone", "/a.txt", cwd=repo)
    assert tree(captured(repo).files) == tree(repo)
    put(repo, "sub/b.bin", b"outside the cone\n")
    assert tree(captured(repo).files) == tree(repo)
    git("sparse-checkout", "disable", cwd=repo)
    assert tree(captured(repo).files) == tree(repo)


def test_a_sparse_index_is_captured_as_on_disk(repo: Path) -> None:
    for path in ("sub/deep/er.txt", "kept/k.txt"):
        put(repo, path)
    commit_all(repo)
    git("sparse-checkout", "set", "--cone", "--sparse-index", "kept", cwd=repo)
    assert tree(captured(repo).files) == tree(repo)
    put(repo, "kept/k.txt", b"changed\n")
    assert tree(captured(repo).files) == tree(repo)


def test_a_skip_worktree_file_is_captured_as_on_disk(repo: Path) -> None:
    git("update-index", "--skip-worktree", "a.txt", cwd=repo)
    (repo / "a.txt").unlink()
    assert contents(captured(repo).files) == contents(repo)
    put(repo, "a.txt", b"local change\n")
    assert contents(captured(repo).files) == contents(repo)


def test_a_change_behind_assume_unchanged_is_captured(repo: Path) -> None:
    git("update-index", "--assume-unchanged", "a.txt", cwd=repo)
    for data in (b"first\n", b"other\n"):
        put(repo, "a.txt", data)
        assert contents(captured(repo).files) == contents(repo)


def test_changes_back_and_forth_give_the_same_tree(repo: Path) -> None:
    trees: list[str] = []
    for data in (b"one\n", b"two\n", b"one\n"):
        put(repo, "a.txt", data)
        trees.append(snapshot(repo, message=f"{len(trees)}")["tree"])
    assert trees[0] == trees[2] != trees[1]


def test_the_same_turn_again_is_the_same_snapshot(repo: Path) -> None:
    first = snapshot(repo)
    put(repo, "a.txt", b"changed\n")
    assert snapshot(repo) == first


def test_each_turn_of_many_stays_what_it_was(repo: Path, tmp_path: Path) -> None:
    before = contents(repo)
    first = snapshot(repo, message="first")
    put(repo, "a.txt", b"changed\n")
    shutil.rmtree(repo / "sub")
    captured(repo)
    assert contents(restored(first["id"], tmp_path / "first")) == before


def test_tracked_files_can_be_captured_while_git_holds_its_index_lock(repo: Path) -> None:
    put(repo, "a.txt", b"changed\n")
    put(repo, ".git/index.lock", b"")
    assert contents(captured(repo).files) == contents(repo)


def test_a_repository_whose_index_is_damaged_says_so_in_one_line(repo: Path) -> None:
    put(repo, ".git/index", b"no index\n")
    words = ("snapshot", repo, "--session", "s", "--message", "m", "--metadata", json.dumps({}))
    assert "cannot list the files" in failure(run(*words))
