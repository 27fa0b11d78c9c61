"""Requests of the three model APIs, in one form: the messages, and the tools on offer.

Anthropic Messages (https://docs.anthropic.com/en/api/messages), OpenAI Responses and OpenAI Chat Completions
(https://platform.openai.com/docs/api-reference), as far as the agents use them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from agents_harness.scenario import Message

_TEXT = {"text": "text", "input_text": "text", "output_text": "text", "encrypted_content": "encrypted_content"}
"""A block's type -> the key of its text; codex sends messages between its agents as `encrypted_content`."""


class Asked(NamedTuple):
    messages: list[Message]
    tools: dict[str, str]
    """Name -> namespace, empty for none."""


def _text(content: str | list[dict[str, Any]] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(block[_TEXT[block["type"]]] for block in content if block["type"] in _TEXT)


def messages(body: dict[str, Any]) -> Asked:
    """A request of Anthropic Messages."""
    found = []
    for message in body["messages"]:
        content = message["content"]
        blocks = content if isinstance(content, list) else []
        ids = [block.get("id") or block.get("tool_use_id") for block in blocks]
        found.append(Message(message["role"], _text(content), tuple(filter(None, ids))))
    return Asked(found, {tool["name"]: "" for tool in body.get("tools", ())})


def completions(body: dict[str, Any]) -> Asked:
    """A request of OpenAI Chat Completions."""
    found = []
    for message in body["messages"]:
        ids = [call["id"] for call in message.get("tool_calls") or ()] + [message.get("tool_call_id")]
        found.append(Message(message["role"], _text(message.get("content")), tuple(filter(None, ids))))
    return Asked(found, {tool["function"]["name"]: "" for tool in body.get("tools", ())})


def _role(item: dict[str, Any]) -> str:
    if "role" in item:
        return str(item["role"])
    if item["type"] == "agent_message":
        return "user"
    return "tool" if "output" in item["type"] else "assistant"


def _offered(tools: list[dict[str, Any]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for tool in tools:
        if tool["type"] == "namespace":
            space = "" if tool["name"] == "functions" else tool["name"]
            found |= {inner["name"]: space for inner in tool["tools"]}
        else:
            found[tool.get("name") or tool["type"]] = ""
    return found


def responses(body: dict[str, Any]) -> Asked:
    """A request of OpenAI Responses; tools may stand among its items."""
    items = body["input"]
    found = [Message(_role(item), _text(item.get("content")), (item.get("call_id") or "",)) for item in items]
    more = [tool for item in items if item["type"] == "additional_tools" for tool in item["tools"]]
    return Asked(found, _offered(list(body.get("tools", ())) + more))


APIS = {"messages": messages, "completions": completions, "responses": responses}
"""By the last word of the API's path."""
