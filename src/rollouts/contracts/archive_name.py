"""How archive repositories are named on GitHub, as agent-rollouts 0.1 names them, within what GitHub allows."""

from __future__ import annotations

import os
import re

from rollouts.errors import RolloutsError

VISIBILITIES = ("private", "public", "internal")
DEFAULT_PREFIX = "rollouts-"
_NAME_LIMIT = 100
_ID_LENGTH = 8
_PREFIX_LIMIT = 64
_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_PREFIX = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._-]*")
_REPOSITORY = re.compile(r"[A-Za-z0-9._-]{1,100}")


def checked_owner(owner: str) -> str:
    """The owner without spaces around it: a user's or an organisation's name, never an option or a path.

    Raises:
        RolloutsError: it is none.
    """
    owner = owner.strip()
    if not owner:
        raise RolloutsError("owner cannot be empty")
    if not _OWNER.fullmatch(owner):
        raise RolloutsError(
            f"owner {owner!r} is no name of a user or an organisation: letters, digits, `-` and `_` only"
        )
    return owner


def checked_prefix(prefix: str) -> str:
    """The prefix without spaces around it.

    Raises:
        RolloutsError: no repository's name can begin with it.
    """
    prefix = prefix.strip()
    if not prefix:
        raise RolloutsError("prefix cannot be empty")
    if not _PREFIX.fullmatch(prefix) or len(prefix) > _PREFIX_LIMIT:
        raise RolloutsError(
            f"prefix {prefix[:_PREFIX_LIMIT]!r} is no beginning of a repository's name:"
            f" up to {_PREFIX_LIMIT} letters, digits, `.`, `_` and `-`, no `-` first, like `{DEFAULT_PREFIX}`"
        )
    return prefix


def checked_visibility(visibility: str) -> str:
    """The visibility without spaces around it.

    Raises:
        RolloutsError: GitHub knows none of that name.
    """
    visibility = visibility.strip()
    if visibility not in VISIBILITIES:
        raise RolloutsError(f"visibility must be one of: {', '.join(VISIBILITIES)}")
    return visibility


def checked_name(name: str) -> str:
    """A repository's name that GitHub takes as it is: it would put `-` for other characters, silently.

    Raises:
        RolloutsError: it does not.
    """
    if not _REPOSITORY.fullmatch(name) or name in {".", ".."} or name.lower().endswith(".git"):
        raise RolloutsError(f"{name!r} is no name for a repository; set another prefix: `rollouts remote defaults set`")
    return name


def _slug(directory: str) -> str:
    """Runs of ASCII letters and digits, in lower case, with a dash between them."""
    return "-".join(re.findall("[a-z0-9]+", directory.lower()))


def archive_name(prefix: str, root_path: str, workspace_id: str) -> str:
    """The name of a workspace's archive: `<prefix><slug of its directory>-<first 8 characters of its id>`.

    A directory without an ASCII letter or digit in its name is a `workspace`. A long name is cut in the middle: what
    tells it from others is at its end.

    Raises:
        RolloutsError: the prefix, or an id that is not ours, makes no name that GitHub takes.
    """
    ending = f"-{workspace_id[:_ID_LENGTH]}"
    slug = _slug(os.path.basename(root_path)) or "workspace"
    room = _NAME_LIMIT - len(checked_prefix(prefix)) - len(ending)
    return checked_name(f"{checked_prefix(prefix)}{slug[:room].rstrip('-')}{ending}")
