"""Files of agents' configuration are replaced whole or not at all, whatever stands in the way."""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
from pathlib import Path

import pytest

import random_json
from helpers import ROLLOUTS, Result
from rollouts import setup as setting_up
from rollouts.agents import configuration
from rollouts.agents.installing import Call
from rollouts.agents.receipts import Receipts, receipt
from rollouts.errors import RolloutsError
from rollouts.paths import Home
from setting_up import everything, files, programs, report, setup


@pytest.fixture
def claude(tmp_path: Path) -> dict[str, str]:
    """A PATH with Claude Code's program and nothing else."""
    return programs(tmp_path / "bin", "claude")


def refused(result: Result) -> str:
    """What a setup that failed said."""
    assert result.code == 1, result
    return result.err.partition("Error: ")[2]


def test_link_into_a_folder_of_dotfiles_stays_and_its_end_is_replaced(
    claude: dict[str, str], sealed: Path, tmp_path: Path
) -> None:
    dotfiles = tmp_path / "dotfiles"
    dotfiles.mkdir()
    (dotfiles / "claude.json").write_text('{"model": "x"}')
    (sealed / ".claude").mkdir()
    path = files(sealed)["claude-code"]
    path.symlink_to("../../dotfiles/claude.json")
    setup(env=claude)
    assert os.readlink(path) == "../../dotfiles/claude.json"
    assert "hooks" in json.loads((dotfiles / "claude.json").read_text())
    assert [entry.name for entry in dotfiles.iterdir()] == ["claude.json"]
    setup("--remove", env=claude)
    assert os.readlink(path) == "../../dotfiles/claude.json"
    assert (dotfiles / "claude.json").read_text() == '{"model": "x"}'


def test_folder_that_is_a_link_is_written_through(claude: dict[str, str], sealed: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (sealed / ".claude").symlink_to(tmp_path / "real")
    setup(env=claude)
    assert (sealed / ".claude").is_symlink()
    assert (tmp_path / "real" / "settings.json").exists()
    setup("--remove", env=claude)
    assert (sealed / ".claude").is_symlink()
    assert everything(tmp_path / "real") == {}


def test_links_that_lead_nowhere_are_refused_with_words(claude: dict[str, str], sealed: Path) -> None:
    (sealed / ".claude").mkdir()
    path = files(sealed)["claude-code"]
    path.symlink_to("gone.json")
    assert f"{path} is a link to gone.json, where nothing is" in refused(setup(env=claude))
    path.unlink()
    path.symlink_to("settings.json")
    assert "its links lead in a circle" in refused(setup(env=claude))
    path.unlink()
    path.parent.rmdir()
    path.parent.symlink_to("nowhere")
    assert f"{path.parent} is a link to nowhere, where nothing is" in refused(setup(env=claude))
    assert report("--status", env=claude)["claude-code"]["scopes"][0]["state"] == "unreadable"


def test_mode_is_kept_and_new_files_follow_the_umask(claude: dict[str, str], sealed: Path, plain: Path) -> None:
    path = files(sealed)["claude-code"]
    path.parent.mkdir()
    path.write_text("{}")
    path.chmod(0o640)
    old = os.umask(0o002)
    try:
        setup(env=claude)
        setup("--scope", "project", "codex", env=programs(plain.parent / "codex", "codex"), cwd=plain)
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o640
    assert (plain / ".codex" / "hooks.json").stat().st_mode & 0o777 == 0o664
    assert (plain / ".codex").stat().st_mode & 0o777 == 0o775
    assert path.parent.stat().st_mode & 0o777 == 0o755


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_owner_is_kept(claude: dict[str, str], sealed: Path) -> None:
    path = files(sealed)["claude-code"]
    path.parent.mkdir()
    path.write_text("{}")
    os.chown(path, 12345, 54321)
    setup(env=claude)
    assert "hooks" in path.read_text()
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 54321)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_that_cannot_be_written_is_named(claude: dict[str, str], sealed: Path) -> None:
    folder = sealed / ".claude"
    folder.mkdir(mode=0o500)
    assert f"{folder}/settings.json cannot be written: permission denied" in refused(setup(env=claude))


@pytest.mark.skipif(not os.path.isdir("/sys/kernel"), reason="there is no sysfs")
def test_file_system_that_takes_no_files_is_named(claude: dict[str, str]) -> None:
    said = refused(setup(env=claude | {"CLAUDE_CONFIG_DIR": "/sys/kernel"}))
    assert said.startswith("/sys/kernel/settings.json cannot be written: ")


def test_file_in_the_way_of_a_folder_is_named(claude: dict[str, str], sealed: Path) -> None:
    (sealed / ".claude").write_text("a file\n")
    said = refused(setup(env=claude))
    assert said.startswith(f"{sealed}/.claude/settings.json cannot be read: not a directory")
    assert (sealed / ".claude").read_text() == "a file\n"


def test_directory_in_the_place_of_the_file_is_refused(claude: dict[str, str], sealed: Path) -> None:
    files(sealed)["claude-code"].mkdir(parents=True)
    assert "settings.json is no file; move it away" in refused(setup(env=claude))


def test_file_bigger_than_reason_is_refused(claude: dict[str, str], sealed: Path) -> None:
    path = files(sealed)["claude-code"]
    path.parent.mkdir()
    with path.open("wb") as file:
        file.truncate(configuration.LARGEST + 1)
    assert "larger than 8 MB" in refused(setup(env=claude))


def test_full_disk_changes_nothing_and_leaves_nothing(claude: dict[str, str], sealed: Path) -> None:
    path = files(sealed)["claude-code"]
    path.parent.mkdir()
    text = json.dumps({"filler": "x" * 20000})
    path.write_text(text)

    def no_file_above_16_kib() -> None:
        import signal  # noqa: PLC0415 - in the child

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (16 << 10, 16 << 10))

    done = subprocess.run(
        [*ROLLOUTS, "setup"], env=os.environ | claude, capture_output=True, preexec_fn=no_file_above_16_kib, check=False
    )
    assert done.returncode == 1
    assert f"{path} cannot be written: file too large".encode() in done.stderr
    assert path.read_text() == text
    assert [entry.name for entry in path.parent.iterdir()] == ["settings.json"]


def test_file_that_somebody_else_changed_meanwhile_is_left(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(b"theirs")
    for before in (b"ours", None):
        with pytest.raises(RolloutsError, match="was changed by somebody else meanwhile"):
            configuration.write(str(path), before, b"new")
    with pytest.raises(RolloutsError, match="was changed by somebody else meanwhile"):
        configuration.delete(str(path), b"ours")
    assert path.read_bytes() == b"theirs"
    assert [entry.name for entry in tmp_path.iterdir() if "settings" in entry.name] == ["settings.json"]


def test_folders_made_for_a_file_that_could_not_be_written_are_gone(tmp_path: Path) -> None:
    with pytest.raises(RolloutsError, match="meanwhile"):
        configuration.write(str(tmp_path / "a" / "b" / "c.json"), b"something", b"new")
    assert not (tmp_path / "a").exists()


def test_damaged_receipts_count_for_nothing(claude: dict[str, str], sealed: Path, home: Path) -> None:
    path = files(sealed)["claude-code"]
    path.parent.mkdir()
    path.write_text('{"model": "x"}')
    setup(env=claude)
    for damage in (b"{", b"[]", b'{"receipts": [{"after": 1}]}', b"\xff"):
        for file in (home / "setup").iterdir():
            file.write_bytes(damage)
        assert Receipts(Home(str(home))).of(str(path)) == []
    setup("--remove", env=claude)
    assert path.read_text() == '{"model": "x"}'


def test_receipt_holds_no_more_of_a_file_than_it_must(tmp_path: Path) -> None:
    before = b'{"env": {"KEY": "secret"}, "hooks": {}}'
    after = b'{"env": {"KEY": "secret"}, "hooks": {"a": 1}}'
    receipts = Receipts(Home(str(tmp_path / "home")))
    receipts.keep("/a/settings.json", receipt(before, after))
    kept = next((tmp_path / "home" / "setup").iterdir()).read_bytes()
    assert b"c2VjcmV0" not in kept
    assert b"secret" not in kept
    found = receipts.matching("/a/settings.json", after)
    assert found
    assert found.undone(after) == before
    assert receipts.matching("/a/settings.json", after + b" ") is None
    assert receipts.matching("/b/settings.json", after) is None


@pytest.mark.parametrize("chunk", range(4))
def test_random_files_come_back_to_the_byte(chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path))
    home, path = Home(str(tmp_path / "home")), tmp_path / "settings.json"
    for seed in range(chunk, 80, 4):
        before = random_json.settings(seed, empty=True).encode()
        path.write_bytes(before)
        for every_tool in random.Random(seed).choices((False, True), k=3):  # noqa: S311 - the same story each time
            call = Call("/opt/rollouts", every_tool)
            story = {"project": None, "directory": str(tmp_path), "call": call, "trust": False, "dry_run": False}
            (done,) = setting_up.install(home, ["claude-code"], **story)  # type: ignore[arg-type] # one kind a key
            assert done.error is None
        assert path.read_bytes() != before
        (gone,) = setting_up.remove(home, ["claude-code"], project=None, dry_run=False)
        assert (gone.error, path.read_bytes()) == (None, before)
