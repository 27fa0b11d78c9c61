"""What each agent's pages must offer, a protocol a page; a type checker holds the agents to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from rollouts.agents.moment import Json, Moment


class Hooks(Protocol):
    """`hooks.py`: the agent's events. It is on the hooks' way, and imports next to nothing."""

    def moment(self, payload: Mapping[str, Json], *, every_tool: bool) -> Moment | None:
        """What an event means; None when it is of no interest."""


class Installer(Protocol):
    """`setup.py`: the hooks in the agent's own configuration."""


class Log(Protocol):
    """`log.py`: where its sessions lie, and what the catalog is to know of them."""


class Reader(Protocol):
    """`reader.py`: a session in full."""


if TYPE_CHECKING:
    from rollouts.agents.claude_code import hooks as claude_code_hooks
    from rollouts.agents.codex import hooks as codex_hooks
    from rollouts.agents.opencode import hooks as opencode_hooks

    _HOOKS: tuple[Hooks, ...] = (claude_code_hooks, codex_hooks, opencode_hooks)
