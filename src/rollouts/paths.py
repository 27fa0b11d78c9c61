"""Where things lie in a Rollouts home."""

from __future__ import annotations

import os

from rollouts.record import Record

_PRIVATE = 0o077
USER_UMASK = os.umask(_PRIVATE)
"""What the user started this process with: restored files follow it, all else that is made is private."""
os.umask(USER_UMASK)


class Home(Record):
    """A Rollouts home: the catalog and one folder a workspace."""

    path: str

    @property
    def catalog(self) -> str:
        return f"{self.path}/rollouts.sqlite"

    @property
    def lock(self) -> str:
        return f"{self.path}/rollouts.lock"

    @property
    def logs(self) -> str:
        return f"{self.path}/logs"

    @property
    def missed(self) -> str:
        """The file that says which event of an agent came to nothing last."""
        return f"{self.path}/missed"

    @property
    def redaction_key(self) -> str:
        """The file with the secret under which secrets get their placeholders in what leaves."""
        return f"{self.path}/redaction.key"

    @property
    def setup(self) -> str:
        """The folder that says what setup changed in agents' configuration."""
        return f"{self.path}/setup"

    @property
    def workspaces(self) -> str:
        return f"{self.path}/workspaces"

    def workspace(self, workspace_id: str) -> str:
        return f"{self.path}/workspaces/{workspace_id}"

    def store(self, workspace_id: str) -> str:
        return f"{self.path}/workspaces/{workspace_id}/store.git"

    def kept(self, workspace_id: str) -> str:
        """The file that captures of a workspace keep for the next one."""
        return f"{self.path}/workspaces/{workspace_id}/kept"

    def journal(self, workspace_id: str) -> str:
        """The file that says which snapshots a pull is about to adopt."""
        return f"{self.path}/workspaces/{workspace_id}/adopting"

    def throwaway(self) -> str:
        """The path of a folder that is not to stay: under such a name the next upkeep removes it."""
        return f"{self.path}/workspaces/{os.urandom(16).hex()}.{os.urandom(4).hex()}.deleted"


def keep_private() -> None:
    """Makes whatever this process writes from here on readable by its owner alone."""
    os.umask(_PRIVATE)


def home() -> Home:
    """`$ROLLOUTS_HOME`, else `~/.rollouts`; links resolved, so that nothing can step out of it later."""
    return Home(os.path.realpath(os.path.expanduser(os.environ.get("ROLLOUTS_HOME") or "~/.rollouts")))


def is_inside(path: bytes, directory: bytes) -> bool:
    """True when `path` is `directory` or lies below it; both are absolute and resolved."""
    return path == directory or path.startswith(directory.rstrip(b"/") + b"/")


def relative_to(path: bytes, directory: bytes) -> bytes:
    """`path` as seen from `directory`, which it lies below."""
    return path[len(directory.rstrip(b"/")) + 1 :]
