"""What project a session worked in: the root of its work tree, the repository behind it, and its remotes.

Remotes are git's to read: it knows `include`, `insteadOf`, quoting and case. No credentials are kept of them; what they
are, redaction asks for.
"""

from __future__ import annotations

import os

from rollouts.contracts.remote_url import without_credentials
from rollouts.errors import RolloutsError
from rollouts.storage import git, workspace
from rollouts.storage.sessions import Observation
from rollouts.storage.workspace import Place


def observed(cwd: str) -> Observation | None:
    """What can be seen of the project of a working directory; None when it is not there (any more)."""
    if not os.path.isabs(cwd) or not os.path.isdir(cwd):
        return None
    try:
        place = workspace.find(cwd)
        common = workspace.common_dir(place)
    except RolloutsError:  # the inside of a `.git`
        return Observation(cwd, os.path.realpath(cwd), None, None, {})
    root = os.fsdecode(place.root)
    if common is None:
        return Observation(cwd, root, None, os.path.basename(root), {})
    main = os.path.dirname(common) if os.path.basename(common) == b".git" else common
    return Observation(cwd, root, os.fsdecode(main), os.path.basename(root), _remotes(place))


def _remotes(place: Place) -> dict[str, str]:
    """Name -> the URL that git fetches, without credentials."""
    question = ("config", "--includes", "-z", "--name-only", "--get-regexp", r"^remote\..*\.url$")
    found = {}
    for key in dict.fromkeys(_asked(place, *question).split(b"\0")[:-1]):
        name = key[len(b"remote.") : -len(b".url")]
        url = _asked(place, "remote", "get-url", "--", name).removesuffix(b"\n")
        if url:
            found[name.decode(errors="replace")] = without_credentials(url.decode(errors="replace"))
    return found


def _asked(place: Place, *question: str | bytes) -> bytes:
    """What git answers; nothing when it refuses."""
    with git.start_user(place.git_dir or b"", place.root, *question) as running:
        code, out, _ = running.finish()
    return out if code == 0 else b""


def place_of(directory: str) -> Place | None:
    """The work tree that a directory lies in, else the directory itself; None when it is not there (any more)."""
    if not os.path.isabs(directory) or not os.path.isdir(directory):
        return None
    try:
        return workspace.find(directory)
    except RolloutsError:  # the inside of a `.git`
        return None


def remote_urls(place: Place) -> list[str]:
    """The URLs that a repository fetches from, pushes to and puts in the place of others, credentials and all."""
    if place.git_dir is None:
        return []
    question = ("config", "--includes", "-z", "--get-regexp", r"^(remote\..*\.(push)?url|url\..*\.(push)?insteadof)$")
    found = []
    for entry in _asked(place, *question).split(b"\0")[:-1]:
        key, _, value = entry.partition(b"\n")
        url = key.rpartition(b".")[0].removeprefix(b"url.") if key.startswith(b"url.") else value
        found.append(os.fsdecode(url))
    return found
