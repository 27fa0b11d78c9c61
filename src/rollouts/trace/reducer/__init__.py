"""The reducer: a bundle's events, replayed into the graph of what happened and what the model saw."""

from __future__ import annotations

from rollouts.trace.reducer.replay import reduce
from rollouts.trace.reducer.tolerant import Diagnostic
from rollouts.trace.reducer.tolerant import reduce as reduce_tolerantly

__all__ = ["Diagnostic", "reduce", "reduce_tolerantly"]
