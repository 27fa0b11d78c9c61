"""What the events of Codex's hooks mean (https://developers.openai.com/codex/hooks)."""

from __future__ import annotations

from collections.abc import Mapping

from rollouts.agents import hook_events
from rollouts.agents.moment import Json, Moment


def moment(payload: Mapping[str, Json], *, every_tool: bool) -> Moment | None:
    """What an event means; None when it is of no interest."""
    return hook_events.moment(payload, "codex", "turn_id", every_tool=every_tool)
