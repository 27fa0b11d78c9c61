"""Paths of agents, as far as the runtime's own payloads may name them: `/root`, `/root/name/…` or `/morpheus`."""

from __future__ import annotations

from typing import Annotated

from rollouts.trace.decode import WrongTypeError
from rollouts.trace.jsontext import JsonError

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")


def _path(value: object) -> str:
    """A path, which must be one.

    Raises:
        JsonError: it is none, in the runtime's words.
    """
    if not isinstance(value, str):
        raise WrongTypeError(value, "a string")
    if value == "/morpheus":
        return value
    root, *names = value[1:].split("/")
    if not value.startswith("/") or root != "root":
        raise JsonError("absolute agent paths must start with `/root` or be `/morpheus`")
    if value.endswith("/"):
        raise JsonError("absolute agent path must not end with `/`")
    for name in names:
        _check_name(name)
    return value


def _check_name(name: str) -> None:
    if not name:
        raise JsonError("agent_name must not be empty")
    if name in {"root", ".", ".."}:
        raise JsonError(f"agent_name `{name}` is reserved")
    if not _LETTERS.issuperset(name):
        raise JsonError("agent_name must use only lowercase letters, digits, and underscores")


AgentPath = Annotated[str, _path]
