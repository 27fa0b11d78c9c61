"""Every test runs in a sealed home: its own HOME, Rollouts home and git configuration, and no network."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import git
from real_runs import Runs

_KEPT = {"PATH", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "SYSTEMROOT", "LD_LIBRARY_PATH"}
_AGENTS = {"claude", "codex", "opencode"}
_NOWHERE = "http://127.0.0.1:9"


def pytest_configure() -> None:
    """A shell starts what it puts in the background with SIGINT ignored, which all that tests start would inherit."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: some tests wait for a time limit, a lock or an agent."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Real agents go first: they take longest, and they share runs, so one worker had better have most of them."""
    items.sort(key=lambda item: item.get_closest_marker("agents") is None)


@pytest.fixture(scope="session")
def path_without_agents(tmp_path_factory: pytest.TempPathFactory) -> str:
    """PATH, with links to all else in the place of a directory that holds a coding agent."""
    folders = []
    for folder in os.environ["PATH"].split(os.pathsep):
        names = set(os.listdir(folder)) if os.path.isdir(folder) else set()
        if names & _AGENTS:
            others = tmp_path_factory.mktemp("others")
            for name in names - _AGENTS:
                (others / name).symlink_to(os.path.abspath(os.path.join(folder, name)))
            folders.append(str(others))
        else:
            folders.append(folder)
    return os.pathsep.join(folders)


@pytest.fixture(autouse=True)
def sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, path_without_agents: str
) -> Iterator[Path]:
    """An environment with nothing of the machine's user in it, agents only where a test asks for them.

    Gives the user's (fake) home.
    """
    umask = os.umask(0)
    os.umask(umask)
    if request.node.get_closest_marker("agents") is None:
        monkeypatch.setenv("PATH", path_without_agents)
    for name in set(os.environ) - _KEPT:
        if not name.startswith(("PYTEST_", "COV_")):
            monkeypatch.delenv(name)
    home = tmp_path / "user home"
    home.mkdir()
    settings = {"HOME": str(home), "ROLLOUTS_HOME": str(tmp_path / "rollouts home"), "GIT_CONFIG_NOSYSTEM": "1"}
    settings |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), _NOWHERE)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    (home / ".gitconfig").write_text(
        "[user]\n\tname = Ann Onymous\n\temail = ann@example.com\n[init]\n\tdefaultBranch = main\n"
    )
    monkeypatch.chdir(tmp_path)
    yield home
    os.umask(umask)  # what runs in this process makes all it writes private


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The Rollouts home of this test (not made yet)."""
    return tmp_path / "rollouts home"


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A plain directory with two files in it."""
    root = tmp_path / "plain"
    (root / "sub").mkdir(parents=True)
    (root / "a.txt").write_bytes(b"one\n")
    (root / "sub" / "b.bin").write_bytes(b"\x00\xff\r\n")
    return root


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A git repository with two committed files."""
    root = tmp_path / "repo"
    (root / "sub").mkdir(parents=True)
    git("init", "-q", cwd=root)
    (root / "a.txt").write_bytes(b"one\n")
    (root / "sub" / "b.bin").write_bytes(b"\x00\xff\r\n")
    git("add", "-A", cwd=root)
    git("commit", "-qm", "first", cwd=root)
    return root


@pytest.fixture
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """What real agents did, made when it is asked for and once for all tests."""
    return Runs(tmp_path_factory)
