"""Rollout traces: a writer, a typed event model, a reader and a reducer, on their own feet.

Nothing here knows the rest of the house. The format is that of openai/codex's `rollout-trace` crate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["TraceWriter"]

if TYPE_CHECKING:
    from rollouts.trace.writer import TraceWriter


def __getattr__(name: str) -> object:
    """Imports the writer when it is asked for: whoever reads bundles does without."""
    if name == "TraceWriter":
        from rollouts.trace.writer import TraceWriter as Writer  # noqa: PLC0415 - see above

        return Writer
    raise AttributeError(name)
