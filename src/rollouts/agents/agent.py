"""What each agent's pages must offer, a protocol a page; a type checker holds the agents to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

from rollouts.agents.moment import Json, Moment
from rollouts.facts import Progress, Scan, Slip, Source


class Hooks(Protocol):
    """`hooks.py`: the agent's events. It is on the hooks' way, and imports next to nothing."""

    def moment(self, payload: Mapping[str, Json], *, every_tool: bool) -> Moment | None:
        """What an event means; None when it is of no interest."""


class Installer(Protocol):
    """`setup.py`: the hooks in the agent's own configuration."""


class Log(Protocol):
    """`log.py`: where its sessions lie, and what the catalog is to know of them."""

    IS_EXPORTED: bool
    """Whether `files` starts a program for each source, which takes its time."""

    def sources(self) -> Iterator[Source | Slip]:
        """What is on this disk, looked at from outside only."""

    def sources_of(self, session_id: str) -> Iterator[Source | Slip]:
        """One session's part of it, with its subagents."""

    def scan(self, source: Source, before: Progress | None) -> Scan:
        """What stands in a source; only what is new when it goes on where an earlier look ended.

        Raises:
            OSError: it cannot be read.
            RolloutsError: it is none of this agent's, or of a kind that is not known.
        """

    def files(self, source: Source, scratch: str) -> dict[str, str]:
        """The files that are to be kept of a source: name in the transcript -> path.

        Args:
            source: one of them.
            scratch: a directory for files that are made for this, which go with it.

        Raises:
            OSError, RolloutsError: there are none to be had.
        """


class Reader(Protocol):
    """`reader.py`: a session in full."""


if TYPE_CHECKING:
    from rollouts.agents.claude_code import hooks as claude_code_hooks
    from rollouts.agents.claude_code import log as claude_code_log
    from rollouts.agents.codex import hooks as codex_hooks
    from rollouts.agents.codex import log as codex_log
    from rollouts.agents.opencode import hooks as opencode_hooks
    from rollouts.agents.opencode import log as opencode_log

    _HOOKS: tuple[Hooks, ...] = (claude_code_hooks, codex_hooks, opencode_hooks)
    _LOGS: tuple[Log, ...] = (claude_code_log, codex_log, opencode_log)
