"""Which project a session belongs to: a label for people, and an identity that other programs join on.

Specification of session summaries, 3, with the decisions 0.3 and 0.4: a repository is known by its remote, whose key is
the same on each machine; a directory without one is known by its path in this archive, and its key is no other's.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping

from rollouts.contracts.canonical import sha256
from rollouts.contracts.git_remote import chosen
from rollouts.contracts.strict_json import Json
from rollouts.record import Record

_DRIVE = re.compile(r"([A-Za-z]):[/\\]")
_MANAGED = re.compile(
    r"/(?:"
    r"\.superset/worktrees/(?P<superset>[^/]+)/[^/]"  # <project>/<branch>
    r"|conductor/workspaces/(?P<conductor>[^/]+)/[^/]"  # <project>/<branch>
    r"|\.codex/worktrees/[^/]+/(?P<codex>[^/]+)"  # <id>/<project>
    r")"
)
"""Where programs that manage worktrees put them; such a folder's own name says nothing of its project."""
_USUAL = re.compile(
    r"(?<!^/home)(?<!^/Users)/(?:"
    r"worktrees/(?:github/)?github\.com/[^/]+/(?P<hosted>[^/]+)/[^/]"  # <owner>/<project>/<branch>
    r"|(?P<beside>[^/]+)\.worktrees/[^/]"  # <project>.worktrees/<branch>
    r"|(?!root/)(?P<inside>[^/]+)/\.(?:claude/)?worktrees/[^/]"  # in the repository itself
    r")"
)
"""The same in folders whose names others use as well: they count where git itself knows nothing (any more)."""


class Observation(Record):
    """What was seen at a session's working directory, as it was captured; nothing derived."""

    project: str
    """The label."""
    machine: str
    root_path: str
    """The root of the work tree, or the directory itself where there is none."""
    remotes: Mapping[str, str]
    """Name -> URL, sanitised."""
    worktree_name: str | None = None
    """Of a linked worktree; null for a main checkout and for a plain directory."""
    worktree_root_path: str | None = None
    observed_at: str = ""


class Identity(Record):
    """What makes a project the same as another."""

    key: str
    """`sha256:…`"""
    key_source: str
    """git_remote or root_path."""
    normalised_remote: str | None = None
    root_path: str | None = None
    """Of an identity that stands on a path: it means nothing on another machine."""


class Found(Record):
    """How far a project's identity is known."""

    resolution: str
    """resolved, ambiguous or unknown."""
    identity: Identity | None = None
    """Only of a resolved one."""


UNKNOWN = Found("unknown")
AMBIGUOUS = Found("ambiguous")


def remote_key(normalised: str) -> str:
    """The key of a normalised remote, the same wherever it is made."""
    return sha256(f"git_remote\n{normalised}".encode(errors="surrogatepass"))


def path_key(path: str, *, database_id: str) -> str:
    """The key of a cleaned path: of this archive alone, as two machines may have the same path."""
    return sha256(f"root_path\n{database_id}\n{path}".encode(errors="surrogatepass"))


def cleaned_path(path: str) -> str | None:
    """An absolute path without `.` and `..`; a drive of Windows as `C:/…`. None when it is no place on this machine."""
    drive = _DRIVE.match(path)
    if drive:
        rest = posixpath.normpath("/" + path[2:].replace("\\", "/").lstrip("/"))
        return f"{drive[1].upper()}:{rest}"
    if not path.startswith("/") or "://" in path or "\0" in path:
        return None
    return posixpath.normpath("/" + path.lstrip("/"))


def found(observation: Observation, *, database_id: str) -> Found:
    """The identity of what was seen, made from the raw facts each time."""
    remote = chosen(observation.remotes)
    if remote.resolution == "ambiguous":
        return AMBIGUOUS
    if remote.normalised is not None:
        return Found("resolved", Identity(remote_key(remote.normalised), "git_remote", remote.normalised))
    path = cleaned_path(observation.worktree_root_path or observation.root_path)
    if path is None:
        return UNKNOWN
    return Found("resolved", Identity(path_key(path, database_id=database_id), "root_path", None, path))


def _united(all_found: Iterable[Found]) -> Found:
    known = {one.identity.key: one for one in all_found if one.identity is not None}
    return next(iter(known.values())) if len(known) == 1 else AMBIGUOUS if known else UNKNOWN


def projects(observations: Iterable[Observation], *, database_id: str) -> dict[str, Found]:
    """Label -> identity, over all that was seen under that label; labels sorted.

    What was seen without a remote gives way where the same root was also seen with one.
    """
    at_root: dict[tuple[str, str, str], list[Found]] = {}
    for seen in observations:
        place = (seen.project, seen.machine, seen.root_path)
        at_root.setdefault(place, []).append(found(seen, database_id=database_id))
    by_label: dict[str, list[Found]] = {}
    for (label, _, _), all_found in at_root.items():
        remote = [one for one in all_found if one.identity is None or one.identity.key_source == "git_remote"]
        by_label.setdefault(label, []).extend(remote or all_found)
    return {
        label: AMBIGUOUS if AMBIGUOUS in by_label[label] else _united(by_label[label]) for label in sorted(by_label)
    }


def project_json(project: Found, *, redact_paths: bool = False) -> dict[str, Json]:
    """`{resolution, identity}`, the entry of a label and of a row."""
    identity = project.identity
    if identity is None:
        return {"resolution": project.resolution, "identity": None}
    entry: dict[str, Json] = {"key": identity.key, "key_source": identity.key_source}
    if identity.normalised_remote is not None:
        entry["normalized_remote"] = identity.normalised_remote
    if identity.root_path is not None:
        entry |= {} if redact_paths else {"root_path": identity.root_path}
        entry["machine_local"] = True
    return {"resolution": project.resolution, "identity": entry}


def _last(path: str) -> str:
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2]


def _managed(path: str, layout: re.Pattern[str]) -> str | None:
    place = layout.search(path.replace("\\", "/"))
    return next((name for name in place.groups() if name), None) if place else None


def _without_branch(name: str, branch: str | None) -> str:
    """A directory's name as its repository has it: worktrees are often called `<repository>-<branch>`."""
    whole = branch or ""
    for ending in (whole.replace("/", "-"), whole.rpartition("/")[2]):
        if ending and name.endswith(f"-{ending}") and name != f"-{ending}":
            return name.removesuffix(f"-{ending}")
    return name


def project_label(cwd: str, *, repository: str | None = None, branch: str | None = None) -> str:
    """What a session's project is called; "" when its directory has no name.

    Args:
        cwd: its working directory, as recorded.
        repository: the root of the repository that holds it; of a linked worktree, the main repository's.
        branch: as recorded.
    """
    name = _managed(cwd, _MANAGED) or _last(repository or "") or _managed(cwd, _USUAL)
    return (name or _without_branch(_last(cwd), branch)).replace("-", "_")
