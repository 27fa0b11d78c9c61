"""Which workspace a path belongs to, and what its git repository says of the moment.

The files in `.git` are read directly where they are simple (a process costs more than the whole of this); git itself is
asked where they are not.
"""

from __future__ import annotations

import os

from rollouts.contracts.commit import named
from rollouts.contracts.remote_url import without_credentials
from rollouts.contracts.strict_json import dump
from rollouts.errors import CommandError, RolloutsError, UsageError
from rollouts.paths import Home, is_inside
from rollouts.record import Record
from rollouts.storage import git


class Place(Record):
    """The root of a workspace, and its repository's `.git` (a directory or a file that names one), if it has one."""

    root: bytes
    git_dir: bytes | None


class _Repository(Record):
    git_dir: bytes
    common_dir: bytes
    config: bytes


def _read(path: bytes) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError):
        return None


def _is_git_dir(path: bytes) -> bool:
    return os.path.lexists(path + b"/HEAD") and (
        os.path.isdir(path + b"/objects") or os.path.isfile(path + b"/commondir")
    )


def _resolved(dot_git: bytes) -> bytes | None:
    """The directory behind a `.git`; None when there is no repository behind it."""
    if os.path.isfile(dot_git):
        target = _read(dot_git) or b""
        if not target.startswith(b"gitdir: "):
            return None
        dot_git = os.path.join(os.path.dirname(dot_git), target[8:].rstrip(b"\r\n"))
    return dot_git if _is_git_dir(dot_git) else None


def _repository(dot_git: bytes) -> _Repository | None:
    git_dir = _resolved(dot_git)
    if git_dir is None:
        return None
    common = (_read(git_dir + b"/commondir") or b".").rstrip(b"\r\n")
    common_dir = os.path.join(git_dir, common)
    return _Repository(git_dir, common_dir, _read(common_dir + b"/config") or b"")


def is_repository(dot_git: bytes) -> bool:
    """True when there is a repository behind a `.git`."""
    return os.path.lexists(dot_git) and _resolved(dot_git) is not None


def objects(dot_git: bytes) -> bytes | None:
    """The directory of a repository's objects."""
    repository = _repository(dot_git)
    return os.path.realpath(repository.common_dir + b"/objects") if repository else None


def _work_tree(path: bytes, above: bytes, repository: _Repository) -> bytes | None:
    """The root of the work tree; None when the repository has none."""
    config = repository.config.lower()
    if b"worktree" not in config and b"bare = true" not in config and b"bare=true" not in config:
        return above
    try:
        return os.path.realpath(git.discover(path, "--show-toplevel").removesuffix(b"\n"))
    except CommandError as error:
        return None if b"work tree" in error.stderr else above


def find(path: str) -> Place:
    """The workspace that a path lies in: its git work tree's root, else the directory itself.

    Raises:
        UsageError: the path is no directory.
        RolloutsError: it is a git repository's own inside.
    """
    if not os.path.isdir(path):
        kind = "is a file" if os.path.lexists(path) else "does not exist"
        raise UsageError(f"Directory '{path}' {kind}.")
    start = above = os.path.realpath(os.fsencode(path))
    while True:
        if _is_git_dir(above):
            inside = os.fsdecode(above)
            raise RolloutsError(f"{inside} is a git repository's own directory; name the work tree to capture instead")
        dot_git = above.rstrip(b"/") + b"/.git"
        repository = _repository(dot_git) if os.path.lexists(dot_git) else None
        if repository is not None and (root := _work_tree(start, above, repository)) is not None:
            return Place(root, dot_git)
        if above == b"/":
            return Place(start, None)
        above = os.path.dirname(above)


def refuse(root: bytes, home: Home, *, force: bool) -> None:
    """Refuses roots that are never meant: the Rollouts home; and without `force` `/`, the user's home and above it.

    Raises:
        RolloutsError: it is one of them.
    """
    shown = os.fsdecode(root)
    if is_inside(root, os.fsencode(home.path)):
        raise RolloutsError(f"{shown} lies in the Rollouts home; name the directory that the agent works in")
    user_home = os.path.realpath(os.path.expanduser(b"~"))
    if not force and is_inside(user_home, root):
        what = "your home directory" if root == user_home else "a directory above your home"
        raise RolloutsError(f"{shown} is {what}; name the project in it, or pass --force to capture all of it")


def identity(place: Place) -> str:
    """Device and inode of the root, and of the `.git` in it: what a move within a file system keeps."""
    paths = [place.root] if place.git_dir is None else [place.root, place.git_dir]
    return " ".join(f"{stat.st_dev}:{stat.st_ino}" for stat in map(os.lstat, paths))


def _branch_and_commit(repository: _Repository) -> tuple[bytes | None, bytes | None]:
    head = _read(repository.git_dir + b"/HEAD") or b""
    if not head.startswith(b"ref: "):
        commit = head.rstrip()
        return None, commit if len(commit) in {40, 64} else None
    ref = head[5:].rstrip(b"\n")
    if ref == b"refs/heads/.invalid":  # what a reftable repository shows to programs that read HEAD themselves
        return _asked(repository)
    value = _read(repository.common_dir + b"/" + ref)
    if value is None:
        packed = _read(repository.common_dir + b"/packed-refs") or b""
        line_end = packed.find(b" " + ref + b"\n")
        value = packed[packed.rfind(b"\n", 0, line_end) + 1 : line_end] if line_end >= 0 else b""
    elif value.startswith(b"ref: "):
        return _asked(repository)
    return ref.removeprefix(b"refs/heads/"), value.strip() or None


def _asked(repository: _Repository) -> tuple[bytes | None, bytes | None]:
    answers = []
    for question in (("symbolic-ref", "-q", "HEAD"), ("rev-parse", "-q", "--verify", "HEAD")):
        with git.start_user(repository.git_dir, repository.git_dir, *question) as running:
            code, out, _ = running.finish()
        answers.append(out.strip() if code == 0 else b"")
    return answers[0].removeprefix(b"refs/heads/") or None, answers[1] or None


def head(dot_git: bytes) -> str | None:
    """The commit that a repository's HEAD stands at; None before its first commit."""
    repository = _repository(dot_git)
    commit = _branch_and_commit(repository)[1] if repository else None
    return commit.decode(errors="replace") if commit else None


def _plain_remotes(config: bytes) -> list[tuple[bytes, bytes]] | None:
    """(name, url) of the remotes in a config file; None when it takes git to read it."""
    found = []
    name = None
    for line in map(bytes.strip, config.splitlines()):
        key, _, value = line.partition(b"=")
        if line.startswith(b"["):
            name = line[9:-2] if line.startswith(b'[remote "') and line.endswith(b'"]') and b"\\" not in line else None
            if name is None and line.lower().startswith((b"[remote", b"[include")):
                return None
        elif name is not None and key.strip().lower() == b"url":
            if any(char in value for char in b'"\\#;'):
                return None
            found.append((name, value.strip()))
    return found


def _asked_remotes(place: Place) -> list[tuple[bytes, bytes]]:
    question = ("config", "--includes", "-z", "--get-regexp", r"^remote\..*\.url$")
    with git.start_user(place.git_dir or b"", place.root, *question) as running:
        _, out, _ = running.finish()  # exit 1: there is none
    pairs = [entry.partition(b"\n")[::2] for entry in out.split(b"\0") if entry]
    return [(key[len(b"remote.") : -len(b".url")], url) for key, url in pairs]


def _remotes(place: Place, config: bytes) -> dict[str, str]:
    pairs = _plain_remotes(config)
    found: dict[str, str] = {}
    for name, url in _asked_remotes(place) if pairs is None else pairs:
        found.setdefault(name.decode(errors="replace"), without_credentials(url.decode(errors="replace")))
    return found


def vcs(place: Place) -> str:
    """What version control says of the moment, as the catalog keeps it (JSON text)."""
    repository = _repository(place.git_dir) if place.git_dir else None
    if repository is None:
        return '{"vcs":null}'
    branch, commit = _branch_and_commit(repository)
    return dump(
        {
            "vcs": "git",
            **named(place.root, "worktree_path"),
            "branch": branch and branch.decode(errors="replace"),
            "head_commit": commit and commit.decode(errors="replace"),
            "remotes": _remotes(place, repository.config),
        }
    )


def common_dir(place: Place) -> bytes | None:
    """The directory of a workspace's repository that all its work trees share; None without a repository."""
    repository = _repository(place.git_dir) if place.git_dir else None
    return os.path.realpath(repository.common_dir) if repository else None
