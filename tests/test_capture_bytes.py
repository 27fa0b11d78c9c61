"""Capture takes bytes and modes as they are on disk, whatever git's attributes and settings would make of them."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from helpers import Found, captured, commit_all, contents, git, ok, put, restored, run, snapshot, tree

MIXED = b"unix\ndos\r\nmac\rend"
ODD_BYTES = b"\x00\xff\xfe\r\n$Id$ $Format:%H$\n"


def _attributes(repo: Path, line: str) -> None:
    put(repo, ".gitattributes", line.encode() + b"\n")
    put(repo, "mixed.txt", MIXED)
    put(repo, "lf.txt", b"1\n2\n")
    put(repo, "crlf.txt", b"1\r\n2\r\n")
    put(repo, "odd.txt", ODD_BYTES)


LINES = [
    "* text=auto",
    "* text",
    "* text eol=crlf",
    "* text eol=lf",
    "* crlf=input",
    "*.txt ident",
    "* export-ignore",
    "*.txt export-subst",
    "odd.txt working-tree-encoding=UTF-16",
    "* working-tree-encoding=no-such-encoding",
    "* filter=lfs diff=lfs merge=lfs -text",
    "[attr]ours text eol=crlf ident filter=none\n*.txt ours",
    "* binary\n*.txt !binary text=auto",
]


@pytest.mark.parametrize("line", LINES)
def test_attributes_change_no_byte(repo: Path, line: str) -> None:
    _attributes(repo, line)
    assert contents(captured(repo).files) == contents(repo)
    put(repo, "crlf.txt", b"3\r\n4\r\n")
    put(repo, "odd.txt", b"x" + ODD_BYTES)
    assert contents(captured(repo).files) == contents(repo)


def test_attributes_of_committed_files_change_no_byte(repo: Path) -> None:
    _attributes(repo, "* text=auto\n*.txt ident")
    commit_all(repo)
    git("rm", "-q", "-r", "--cached", ".", cwd=repo)
    git("reset", "-q", "--hard", cwd=repo)
    assert contents(captured(repo).files) == contents(repo)


def test_attributes_in_sub_directories_and_info_change_no_byte(repo: Path) -> None:
    put(repo, ".git/info/attributes", b"* text eol=crlf\n[attr]m ident\n")
    put(repo, "sub/.gitattributes", b"* text eol=lf ident export-ignore\n")
    put(repo, "sub/mixed.txt", MIXED)
    put(repo, "mixed.txt", MIXED)
    assert contents(captured(repo).files) == contents(repo)


def test_attributes_of_the_user_change_no_byte(repo: Path, sealed: Path) -> None:
    put(sealed, "attributes", b"* text eol=crlf ident\n")
    git("config", "--global", "core.attributesFile", "~/attributes", cwd=repo)
    put(sealed, ".config/git/attributes", b"* text eol=crlf ident\n")
    put(repo, "mixed.txt", MIXED)
    assert contents(captured(repo).files) == contents(repo)


@pytest.mark.parametrize("setting", ["core.autocrlf=true", "core.autocrlf=input", "core.eol=crlf"])
def test_end_of_line_settings_change_no_byte(repo: Path, setting: str) -> None:
    for where in ("--global", "--local"):
        git("config", where, *setting.split("="), cwd=repo)
        git("config", where, "core.safecrlf", "true", cwd=repo)
    put(repo, "mixed.txt", MIXED)
    put(repo, "lf.txt", b"1\n2\n")
    put(repo, "crlf.txt", b"1\r\n2\r\n")
    assert contents(captured(repo).files) == contents(repo)


@pytest.mark.parametrize("kind", ["clean", "smudge", "process"])
def test_no_filter_is_run(repo: Path, tmp_path: Path, kind: str) -> None:
    put(repo, ".gitattributes", b"* filter=evil\n")
    put(repo, "filtered.txt", b"as it is\n")
    for where in ("--global", "--local"):
        git("config", where, f"filter.evil.{kind}", f"touch '{tmp_path}/ran'; cat", cwd=repo)
        git("config", where, "filter.evil.required", "true", cwd=repo)
    assert contents(captured(repo).files) == contents(repo)
    put(repo, "filtered.txt", b"as it was\n")
    assert contents(captured(repo).files) == contents(repo)
    assert not (tmp_path / "ran").exists()


def test_a_pointer_file_stays_a_pointer_and_big_content_stays_content(repo: Path) -> None:
    put(repo, ".gitattributes", b"*.bin filter=lfs diff=lfs merge=lfs -text\n")
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
    put(repo, "pointer.bin", pointer)
    put(repo, "content.bin", os.urandom(70_000))
    assert contents(captured(repo).files) == contents(repo)


@pytest.mark.parametrize(
    "line",
    ["!negative text", "a.txt bad!name", "* " + "x" * 3000, "* text=auto -diff \\\n\x00\xff garbage", "[attr]"],
)
def test_attributes_that_git_warns_of_do_not_disturb_any_turn(repo: Path, line: str) -> None:
    (repo / ".gitattributes").write_bytes(line.encode("latin-1") + b"\n")
    for number in range(4):
        put(repo, "a.txt", b"%d\n" % number)
        put(repo, f"new{number}.txt")
        result = run("snapshot", repo, "--session", "s", "--message", str(number), "--metadata", "{}")
        assert (result.code, result.err) == (0, "")
    assert contents(captured(repo).files) == contents(repo)


def test_attributes_that_are_a_link_do_not_disturb_any_turn(repo: Path) -> None:
    put(repo, "rules", b"* text=auto\n")
    (repo / ".gitattributes").symlink_to("rules")
    (repo / "sub" / ".gitattributes").symlink_to(".gitattributes")
    for number in range(4):
        put(repo, "a.txt", b"%d\r\n" % number)
        put(repo, "sub/b.bin", b"%d\r\n" % number)
        assert contents(captured(repo).files) == contents(repo)


def test_attributes_that_are_a_directory_do_not_disturb_any_turn(repo: Path) -> None:
    for number in range(3):
        put(repo, ".gitattributes/a.txt", b"%d\r\n" % number)
        put(repo, "a.txt", b"%d\r\n" % number)
        assert contents(captured(repo).files) == contents(repo)


def test_a_big_file_is_exact(repo: Path, tmp_path: Path) -> None:
    data = os.urandom(1 << 20) * 66
    put(repo, "big.bin", data)
    snapshot(repo, message="1")
    put(repo, "big.bin", data + b"!")
    taken = snapshot(repo, message="2")
    assert (restored(taken["id"], tmp_path / "r") / "big.bin").read_bytes() == data + b"!"


@pytest.mark.parametrize("umask", ["022", "077"])
def test_a_git_workspace_is_restored_under_the_umask(repo: Path, tmp_path: Path, umask: str) -> None:
    for mode in (0o600, 0o644, 0o666, 0o700, 0o755, 0o777):
        put(repo, f"f{mode:o}", mode=mode)
    taken = snapshot(repo)
    under = ("sh", "-c", f'umask {umask}; exec "$@"', "sh")
    result = run("restore", "--snapshot", taken["id"], "--dest", tmp_path / "r", under=under)
    assert result.code == 0, result
    allowed = 0o777 & ~int(umask, 8)
    found = {os.fsdecode(path): entry.mode for path, entry in tree(tmp_path / "r").items()}
    plain, executable = 0o666 & allowed, allowed
    assert {found[name] for name in ("f600", "f644", "f666", "a.txt")} == {plain}
    assert {found[name] for name in ("f700", "f755", "f777", "sub")} == {executable}
    assert stat.S_IMODE((tmp_path / "r").stat().st_mode) == executable


def _every_mode(root: Path) -> None:
    for mode in (0o400, 0o444, 0o500, 0o600, 0o604, 0o640, 0o644, 0o664, 0o666, 0o700, 0o711, 0o755, 0o777):
        put(root, f"f{mode:o}", mode=mode)
    for mode in (0o500, 0o555, 0o700, 0o711, 0o750, 0o777):
        put(root, f"d{mode:o}/f", mode=0o640).parent.chmod(mode)
        (root / f"e{mode:o}").mkdir()
        (root / f"e{mode:o}").chmod(mode)


@pytest.mark.parametrize("umask", ["022", "077"])
def test_every_permission_bit_of_a_plain_directory_is_restored(plain: Path, tmp_path: Path, umask: str) -> None:
    _every_mode(plain)
    plain.chmod(0o751)
    taken = snapshot(plain)
    under = ("sh", "-c", f'umask {umask}; exec "$@"', "sh")
    result = run("restore", "--snapshot", taken["id"], "--dest", tmp_path / "r", "--verify", under=under)
    assert result.code == 0, result
    assert tree(tmp_path / "r") == tree(plain)
    assert stat.S_IMODE((tmp_path / "r").stat().st_mode) == 0o751


def test_permission_bits_do_not_depend_on_the_umask_at_capture(plain: Path, tmp_path: Path) -> None:
    _every_mode(plain)
    under = ("sh", "-c", 'umask 077; exec "$@"', "sh")
    words = ("snapshot", plain, "--session", "s", "--message", "m", "--metadata", "{}")
    assert run(*words, under=under).code == 0
    ok("restore", plain, "--session", "s", "--message", "m", "--dest", tmp_path / "r")
    assert tree(tmp_path / "r") == tree(plain)


def test_a_change_of_modes_alone_is_seen_between_turns(plain: Path) -> None:
    for file_mode, dir_mode in ((0o644, 0o755), (0o600, 0o700), (0o755, 0o755), (0o444, 0o555)):
        (plain / "a.txt").chmod(file_mode)
        (plain / "sub").chmod(dir_mode)
        plain.chmod(dir_mode)
        turn = captured(plain)
        assert tree(turn.files) == tree(plain)
        assert stat.S_IMODE(turn.files.stat().st_mode) == dir_mode


def test_setuid_and_sticky_are_recorded_and_dropped(plain: Path) -> None:
    for name, mode in (("x1", 0o755), ("x2", 0o755), ("su", 0o4755)):
        put(plain, name, mode=mode)
    put(plain, "sg", mode=0o2644)
    (plain / "sub").chmod(0o1777)
    turn = captured(plain)
    recorded = {entry["path"]: entry["mode"] for entry in turn.facts["modes"]["other"]}
    assert {"su": "4755", "sg": "2644", "sub": "1777"}.items() <= recorded.items()
    found = tree(turn.files)
    assert (found[b"su"].mode, found[b"sg"].mode, found[b"sub"]) == (0o755, 0o644, Found("dir", 0o777, ""))


def test_a_git_workspace_records_no_modes(repo: Path) -> None:
    put(repo, "secret", mode=0o400)
    turn = captured(repo)
    assert turn.facts["modes"] is None
    assert contents(turn.files) == contents(repo)


def test_attributes_change_no_byte_of_a_plain_directory(plain: Path) -> None:
    _attributes(plain, "* text eol=crlf ident export-ignore filter=x")
    assert tree(captured(plain).files) == tree(plain)


def test_first_capture_of_smudged_files_takes_the_disk_not_the_index(repo: Path) -> None:
    put(repo, ".gitattributes", b"*.up filter=up\n")
    git("config", "filter.up.clean", "tr a-z A-Z", cwd=repo)
    git("config", "filter.up.smudge", "tr A-Z a-z", cwd=repo)
    put(repo, "f.up", b"lower\n")
    commit_all(repo)
    shutil.copy(repo / "f.up", repo / "copy.txt")
    assert git("show", "HEAD:f.up", cwd=repo) == "LOWER\n"
    assert contents(captured(repo).files) == contents(repo)
