"""Codex's response items, which are what it sends to the model and gets from it: each as a message or part of one."""

from __future__ import annotations

import json

from rollouts.agents.drafting import Draft, fields, kind_of, texts, word
from rollouts.agents.raw import parsed_text
from rollouts.agents.session import Fields, Part, Reasoning, ToolCall

ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_CALLS = {
    "function_call": "function",
    "custom_tool_call": "custom",
    "local_shell_call": "local_shell",
    "tool_search_call": "tool_search",
    "web_search_call": "web_search",
    "image_generation_call": "image_generation",
}
OUTPUTS = {"function_call_output", "custom_tool_call_output", "tool_search_output", "local_shell_call_output"}
_INJECTED = (
    *("<environment_context>", "<user_instructions>", "# AGENTS.md instructions", "<turn_aborted>", "<skill>"),
    *("<subagent_notification>", "<user_shell_command>", "<permissions instructions>", "<collaboration_mode>"),
)
"""How texts begin that versions before 0.150 put in as the user's, without saying so."""


def is_call(item: Fields) -> bool:
    return kind_of(item) in _CALLS


def turn_of(item: Fields) -> str | None:
    """The turn that an item belongs to, where it says so."""
    for key in ("internal_chat_message_metadata_passthrough", "metadata"):
        found = word(fields(item.get(key)).get("turn_id"))
        if found:
            return found
    return None


def said(item: Fields) -> Draft:
    """A message of the user's, a developer's or another agent's."""
    if item.get("type") == "agent_message":
        return Draft("user", texts(item.get("content")), "agent", is_injected=True, id=word(item.get("id")))
    found = Draft(ROLES.get(str(item.get("role")), "user"), texts(item.get("content")), id=word(item.get("id")))
    found.is_injected = found.role == "system" or not _is_typed(item, found.text)
    found.kind = kinds(item)[0] if found.is_injected and kinds(item) else "context" if found.is_injected else "prompt"
    return found


def kinds(item: Fields) -> list[str]:
    """What an item's content is to Codex, where it says so."""
    found = fields(item.get("internal_chat_message_metadata_passthrough")).get("content_item_kinds")
    return [str(kind) for kind in found] if isinstance(found, list) else []


def _is_typed(item: Fields, text: str) -> bool:
    marks = kinds(item)
    if marks and marks != ["unknown"]:
        return any(mark.startswith("user.") for mark in marks)
    return not text.lstrip().startswith(_INJECTED)


def reasoning(item: Fields) -> list[Reasoning]:
    """What the model thought: the text itself where it was given, else another model's summary of it."""
    sealed = word(item.get("encrypted_content"))
    content, summary = texts(item.get("content")), texts(item.get("summary"))
    plain = [Reasoning(_reasoned(part)) for part in content]
    summed = [Reasoning(_reasoned(part), is_summary=True) for part in summary]
    if sealed is not None:
        return [*plain, *summed, Reasoning("", sealed=sealed)]
    return [*plain, *summed]


def _reasoned(part: Part) -> str:
    return part.text if part.raw is None else str(part.raw.get("text") or "")


def call(item: Fields) -> ToolCall:
    """A call of a tool; its arguments are an object where the model wrote one, else its text."""
    kind = kind_of(item)
    name = word(item.get("name")) or kind.removesuffix("_call")
    space = word(item.get("namespace"))
    status = str(item.get("status") or "")
    return ToolCall(
        id=str(item.get("call_id") or item.get("id")),
        name=f"{space}.{name}" if space else name,
        arguments=_arguments(item),
        kind=_CALLS[kind],
        # these run where the model does, and have no result of their own
        status="completed" if kind in {"web_search_call", "image_generation_call"} and status != "failed" else "open",
    )


def _arguments(item: Fields) -> Fields | str:
    given = item.get("arguments", item.get("input", item.get("action")))
    if isinstance(given, str) and item.get("type") == "function_call":
        return parsed_text(given) or given
    return given if isinstance(given, dict | str) else {}


def output(item: Fields) -> tuple[Draft, bool | None]:
    """The result of a call, and whether it failed, where the item says so."""
    given = item.get("output", item.get("tools"))
    success = None
    if isinstance(given, dict):
        success = given.get("success")
        given = given.get("content", given.get("output", given))
    if not isinstance(given, str | list):
        given = "" if given is None else json.dumps(given, ensure_ascii=False)
    found = Draft("tool", texts(given), "result", answers=str(item.get("call_id")), id=word(item.get("id")))
    return found, None if success is None else not success
