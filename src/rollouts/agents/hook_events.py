"""What the events mean of agents whose hooks are made as Claude Code's are: JSON on stdin, with the same names."""

from __future__ import annotations

from collections.abc import Mapping

from rollouts.agents.moment import Json, Moment, facts, text

_CARRIED = ("prompt", "last_assistant_message", "tool_use_id", "tool_name", "model", "transcript_path")
_AFTER_TOOL = {"PostToolUse", "PostToolUseFailure"}


def moment(payload: Mapping[str, Json], agent: str, turn_key: str, *, every_tool: bool) -> Moment | None:
    """What an event means; None when it is of no interest.

    Args:
        payload: the event.
        agent: whose it is.
        turn_key: under which it names the turn that it belongs to.
        every_tool: whether a snapshot is wanted after each tool call.
    """
    event, session, turn = text(payload, "hook_event_name"), text(payload, "session_id"), text(payload, turn_key)
    if not session:
        return None
    happened = Moment(session, text(payload, "cwd") or ".")
    carried = {"agent": agent, "event": event, **facts(payload, turn_key, *_CARRIED)}
    if payload.get("agent_id"):  # a subagent's: it works in the turn of the session that started it
        # a compaction runs as a subagent without a type, and leaves no transcript
        return happened._replace(has_grown=True) if event == "SubagentStop" and payload.get("agent_type") else None
    if event == "UserPromptSubmit" and turn:
        return happened._replace(message_id=turn, metadata=carried, has_grown=True)
    if event == "Stop" and turn:
        return happened._replace(message_id=f"{turn}:end", metadata=carried, repeats=True, has_grown=True)
    if event in _AFTER_TOOL and every_tool and turn:
        message = f"{turn}:tool:{text(payload, 'tool_use_id')}"
        return happened._replace(message_id=message, metadata=carried, only_news=True)
    return happened._replace(has_grown=True) if event in {"Stop", "UserPromptSubmit", "SessionEnd"} else None
