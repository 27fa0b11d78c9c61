"""What the drivers of the agents share: a home of its own for the agent, how it is started, and what it said."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import uuid
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from agents_harness.processes import MARK
from helpers import SLOW, git, put

_NOWHERE = "http://127.0.0.1:9"
Json = dict[str, Any]


class Said(NamedTuple):
    """What one run of an agent came to."""

    code: int
    session: str
    text: str
    """The agent's last words."""
    err: str
    seconds: float = 0


class Turn(NamedTuple):
    """A turn as the agent's own transcript has it."""

    prompt: str
    before: str
    """The id that a snapshot before the turn is to have."""
    after: str
    last_words: str


@dataclass(frozen=True)
class Room:
    """The folders of one run. All that belongs to it lies below `root`, also what the agent keeps about its user."""

    root: Path

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def workspace(self) -> Path:
        return self.root / "work space"

    @property
    def rollouts(self) -> Path:
        return self.root / "rollouts home"

    @property
    def scratch(self) -> Path:
        return self.root / "tmp"

    def build(self) -> None:
        """Makes the folders, and a repository with two committed files."""
        for folder in (self.home, self.workspace, self.scratch):
            folder.mkdir(parents=True)
        put(self.home, ".gitconfig", b"[user]\n\tname = Ann Onymous\n\temail = ann@example.com\n")
        put(self.workspace, "README.md", b"# demo\n")
        put(self.workspace, ".gitignore", b"__pycache__/\n")
        env = {"HOME": str(self.home), "GIT_CONFIG_NOSYSTEM": "1"}
        env |= dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), "2026-01-01T00:00:00Z")  # models see the commit
        for words in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-qm", "start")):
            git(*words, cwd=self.workspace, env=env)


class Driver(ABC):
    """One agent in a room. What it keeps, and how it is told and asked things, is for those below to say."""

    name: ClassVar[str]
    """As Rollouts calls it."""
    program: ClassVar[str]
    model: ClassVar[str]
    config: ClassVar[str]
    """The folder in its home that holds what its user configures."""
    history: ClassVar[str]
    """The folder in its home that holds its sessions."""
    setup_words: ClassVar[tuple[str, ...]] = ()
    """What `rollouts setup` is told beside the agent's name so that the hooks run."""
    turn_suffix: ClassVar[str] = ":end"

    def __init__(self, room: Room, url: str) -> None:
        self.room, self.url = room, url
        self.mark = uuid.uuid4().hex
        self.session = ""
        self.more: dict[str, str] = {}
        """What a test adds to the environment."""

    @classmethod
    def installed(cls) -> bool:
        return shutil.which(cls.program) is not None

    @abstractmethod
    def configure(self) -> None:
        """Writes what a user of this agent may have in its configuration, comments and odd layout included."""

    @abstractmethod
    def command(self, prompt: str) -> tuple[str, ...]:
        """How the agent is started for a turn; of the session that it has, if any."""

    @abstractmethod
    def said(self, code: int, out: str, err: str) -> Said:
        """Reads what a run printed."""

    @abstractmethod
    def turns(self, session: str) -> list[Turn]:
        """The turns of a session, read from what the agent keeps."""

    @abstractmethod
    def settings(self) -> dict[str, str]:
        """What the agent needs in its environment."""

    def warm_up(self) -> None:
        """Has the agent make whatever it makes at its very first start, for those that cannot do so twice at once."""
        subprocess.run((self.program, "--version"), env=self.env, stdout=subprocess.DEVNULL, timeout=SLOW, check=True)

    @property
    def env(self) -> dict[str, str]:
        """The whole environment of the agent, and of the user who lives in this room. Nothing beyond loopback."""
        room = self.room
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "VIRTUAL_ENV") if name in os.environ}
        own = {"HOME": str(room.home), "TMPDIR": str(room.scratch), "ROLLOUTS_HOME": str(room.rollouts)}
        proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), _NOWHERE)
        near = dict.fromkeys(("no_proxy", "NO_PROXY"), "127.0.0.1,localhost")
        return kept | own | proxies | near | {"GIT_CONFIG_NOSYSTEM": "1", MARK: self.mark} | self.settings() | self.more

    def start(self, prompt: str) -> subprocess.Popen[str]:
        """Starts a turn without waiting for its end."""
        return subprocess.Popen(
            self.command(prompt),
            cwd=self.room.workspace,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def ended(self, process: subprocess.Popen[str]) -> Said:
        """Waits for the end of a turn that was started; `seconds` is for how long."""
        start = time.monotonic()
        with process:
            out, err = process.communicate(timeout=SLOW)
        said = self.said(process.returncode, out, err)
        self.session = said.session or self.session
        return said._replace(seconds=time.monotonic() - start)

    def take_turn(self, prompt: str) -> Said:
        """Runs the agent once, in its session if it has one."""
        return self.ended(self.start(prompt))

    @property
    def history_path(self) -> Path:
        return self.room.home / self.history
