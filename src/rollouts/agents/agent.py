"""What each agent's pages must offer, a protocol a page; a type checker holds the agents to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

from rollouts.agents.installing import Call, Installed, Retention, Trust
from rollouts.agents.moment import Json, Moment
from rollouts.facts import Progress, Scan, Slip, Source

if TYPE_CHECKING:
    from rollouts.agents.raw import Chunks, Record
    from rollouts.agents.session import Session


class Hooks(Protocol):
    """`hooks.py`: the agent's events. It is on the hooks' way, and imports next to nothing."""

    def moment(self, payload: Mapping[str, Json], *, every_tool: bool) -> Moment | None:
        """What an event means; None when it is of no interest."""


class Installer(Protocol):
    """`setup.py`: the hooks in the agent's own configuration. Where content is None there is no file."""

    PROGRAM: str
    """The agent's program."""
    TRUST: Trust | None
    """None for an agent that runs its hooks unasked."""

    def folder(self) -> str:
        """The folder of its configuration."""

    def file(self, project: str | None) -> str:
        """The file that hooks are put in: that of a project's directory, or the user's."""

    def found(self, content: bytes, path: str) -> Installed | None:
        """The hooks of ours in the file; None when there are none. Raises RolloutsError when it cannot be read."""

    def installed(self, content: bytes | None, call: Call, path: str) -> bytes:
        """The file with our hooks. Raises RolloutsError when it cannot be read, or the agent would not read it."""

    def removed(self, content: bytes, path: str, *, made: bool) -> bytes | None:
        """The file without our hooks; None when setup made it and nothing is left. Raises as `found`."""

    def notes(self, content: bytes | None, project: str | None) -> Iterable[str]:
        """What keeps hooks from running, or is worth knowing besides."""

    def retention(self) -> Retention | None:
        """For how long it keeps transcripts; None when it says nothing of that. Never raises."""


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


class Store(Protocol):
    """An agent's own store, looked through once for all the sessions that are asked of it."""

    def record(self, session_id: str) -> Record | None:
        """A session's record; None when the store has no such session.

        Raises:
            RolloutsError, OSError: it cannot be read.
        """


class Reader(Protocol):
    """`reader.py`: a session in full."""

    @property
    def Store(self) -> type[Store]:  # noqa: N802 - the class of that name on the page
        """The agent's own store."""

    def is_likely(self, session_id: str) -> bool:
        """Whether an id looks like one of this agent's."""

    def record_from(self, session_id: str, files: Mapping[str, Chunks]) -> Record | None:
        """The record that a captured transcript holds; None when it has none of this session."""

    def headline(self, record: Record) -> tuple[str, int]:
        """A session's title and the number of its messages."""

    def session(self, record: Record, last_words: Mapping[str, str] | None = None) -> Session:
        """A session in the neutral form.

        Args:
            record: of this agent.
            last_words: key of a turn -> what the hook at its end had as the last answer, which the record may lack.
        """


if TYPE_CHECKING:
    from rollouts.agents.claude_code import hooks as claude_code_hooks
    from rollouts.agents.claude_code import log as claude_code_log
    from rollouts.agents.claude_code import reader as claude_code_reader
    from rollouts.agents.claude_code import setup as claude_code_setup
    from rollouts.agents.codex import hooks as codex_hooks
    from rollouts.agents.codex import log as codex_log
    from rollouts.agents.codex import reader as codex_reader
    from rollouts.agents.codex import setup as codex_setup
    from rollouts.agents.opencode import hooks as opencode_hooks
    from rollouts.agents.opencode import log as opencode_log
    from rollouts.agents.opencode import reader as opencode_reader
    from rollouts.agents.opencode import setup as opencode_setup

    _HOOKS: tuple[Hooks, ...] = (claude_code_hooks, codex_hooks, opencode_hooks)
    _INSTALLERS: tuple[Installer, ...] = (claude_code_setup, codex_setup, opencode_setup)
    _LOGS: tuple[Log, ...] = (claude_code_log, codex_log, opencode_log)
    _READERS: tuple[Reader, ...] = (claude_code_reader, codex_reader, opencode_reader)
