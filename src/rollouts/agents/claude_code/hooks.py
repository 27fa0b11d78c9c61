"""What the events of Claude Code's hooks mean (https://code.claude.com/docs/en/hooks)."""

from __future__ import annotations

from collections.abc import Mapping

from rollouts.agents import hook_events
from rollouts.agents.moment import Json, Moment


def moment(payload: Mapping[str, Json], *, every_tool: bool) -> Moment | None:
    """What an event means; None when it is of no interest."""
    return hook_events.moment(payload, "claude-code", "prompt_id", every_tool=every_tool)
