"""What the events mean that the plugin of Rollouts passes on from OpenCode (`resources/opencode.js`)."""

from __future__ import annotations

from collections.abc import Mapping

from rollouts.agents.moment import Json, Moment, facts, text

_CARRIED = ("prompt", "tool", "callID", "model")


def moment(payload: Mapping[str, Json], *, every_tool: bool) -> Moment | None:
    """What an event means; None when it is of no interest."""
    event, session, message = text(payload, "event"), text(payload, "sessionID"), text(payload, "messageID")
    if not session:
        return None
    happened = Moment(text(payload, "rootID") or session, text(payload, "directory") or ".")
    carried = {"agent": "opencode", "event": event, **facts(payload, *_CARRIED)}
    if happened.session_id != session:  # a subagent's: it works in the turn of the session that started it
        return happened._replace(has_grown=True) if event == "session.idle" else None
    if event == "chat.message" and message:
        return happened._replace(message_id=message, metadata=carried)
    if event == "session.idle":
        return happened._replace(message_id=message or None, metadata=carried, repeats=True, has_grown=True)
    if event == "tool.execute.after" and every_tool and message:
        call = f"{message}:tool:{text(payload, 'callID')}"
        return happened._replace(message_id=call, metadata=carried, only_news=True)
    return None
