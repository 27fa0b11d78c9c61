"""The reducer: a bundle's events, replayed into the graph of what happened and what the model saw."""

from __future__ import annotations

from rollouts.trace.reducer.replay import reduce

__all__ = ["reduce"]
