"""What setup and the agents' setup pages tell each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol


class Call(NamedTuple):
    """What a hook of ours starts."""

    program: str
    """The path of the `rollouts` program."""
    every_tool: bool
    """Whether it is called after each tool call as well."""


class Installed(NamedTuple):
    """The hooks of ours that an agent's file has."""

    calls: frozenset[Call]
    """What they start: more than one when they were edited by hand."""
    is_complete: bool
    """Whether they stand there as this version writes them."""


class Retention(NamedTuple):
    """For how long an agent keeps its own transcripts."""

    days: int
    file: str
    """Where that is set."""
    is_default: bool


class Trust(Protocol):
    """The consent that an agent wants for hooks before it runs them."""

    def file(self) -> str:
        """Where it is recorded."""

    def explained(self) -> str:
        """What the person is to do about it, in a line or two."""

    def concerns(self, key: str, hooks: str) -> bool:
        """Whether a consent is to a hook in a file."""

    def wanted(self, hooks: str, calls: frozenset[Call], directory: str) -> Mapping[str, str]:
        """Asks the agent's program which consents our hooks need: key -> hash.

        Args:
            hooks: the file that our hooks are in.
            calls: what they start.
            directory: where the agent would be started.

        Raises:
            RolloutsError: it is missing, gives no answer, or does not know the hooks.
        """

    def given(self, content: bytes | None, wanted: Mapping[str, str]) -> bytes:
        """The file with consents in it. Raises RolloutsError when it cannot be edited."""

    def taken(self, content: bytes, recorded: Mapping[str, str]) -> bytes:
        """The file without consents that setup recorded; those that have changed since are left."""

    def is_given(self, content: bytes | None, hooks: str, hooks_content: bytes, known: Mapping[str, str]) -> bool:
        """Whether all our hooks have consent; `known` are hashes that the agent itself named."""
