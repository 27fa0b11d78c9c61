"""What a model was shown of a conversation by a request, and by a session as Rollouts reads it, to be compared."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from agents_harness.server import Exchange
from rollouts.agents.session import Message

Json = dict[str, Any]


class View(NamedTuple):
    """A conversation by kind, each in its order."""

    said: list[str]
    """By the model."""
    called: list[tuple[str, str, object]]
    """Id, tool and arguments of its tool calls."""
    given: list[tuple[str, str]]
    """Id and text of their results."""
    told: list[str]
    """By the user and by the agent itself."""


def _text(content: str | list[Json] | None) -> str:
    blocks = [{"text": content}] if isinstance(content, str) else content or []
    return "\n".join(block["text"] for block in blocks if "text" in block)


def _texts(content: str | list[Json]) -> list[str]:
    return [content] if isinstance(content, str) else [block["text"] for block in content if "text" in block]


def _messages(body: Json, view: View) -> None:
    for message in body["messages"]:
        texts = _texts(message["content"])
        (view.said if message["role"] == "assistant" else view.told).extend(texts)
        for block in message["content"] if isinstance(message["content"], list) else []:
            if block["type"] == "tool_use":
                view.called.append((block["id"], block["name"], block["input"]))
            elif block["type"] == "tool_result":
                text, *reminders = _text(block["content"]).split("\n\n<system-reminder>")  # the agent's own words
                view.given.append((block["tool_use_id"], text))
                view.told.extend("<system-reminder>" + reminder for reminder in reminders)


def _completions(body: Json, view: View) -> None:
    for message in body["messages"]:
        if message["role"] == "tool":
            view.given.append((message["tool_call_id"], _text(message["content"])))
            continue
        texts = [text for text in _texts(message.get("content") or []) if text]
        (view.said if message["role"] == "assistant" else view.told).extend(texts)
        for call in message.get("tool_calls", ()):
            function = call["function"]
            view.called.append((call["id"], function["name"], json.loads(function["arguments"])))


def _responses(body: Json, view: View) -> None:
    for item in body["input"]:
        if item["type"] == "message":
            (view.said if item["role"] == "assistant" else view.told).extend(_texts(item["content"]))
        elif item["type"] == "function_call":
            name = ".".join(filter(None, (item.get("namespace"), item["name"])))
            view.called.append((item["call_id"], name, json.loads(item["arguments"])))
        elif item["type"] == "custom_tool_call":
            view.called.append((item["call_id"], item["name"], item["input"]))
        elif item["type"] == "agent_message":  # what agents tell each other; its payload may be sealed
            view.told.append(_text(item["content"]))
        elif item["type"].endswith("_output"):
            view.given.append((item["call_id"], _text(item["output"])))


def requested(exchange: Exchange) -> View:
    """What a request showed, and what was answered to it."""
    view = View([], [], [], [])
    {"messages": _messages, "completions": _completions, "responses": _responses}[exchange.api](exchange.body, view)
    view.said.extend(filter(None, [exchange.answer.text]))
    return view


def read(messages: tuple[Message, ...]) -> View:
    """What the messages of a session hold."""
    view = View([], [], [], [])
    for message in messages:
        texts = [part.text for part in message.parts if part.text]
        if message.role == "tool":
            view.given.append((message.answers or "", message.text))
        else:
            (view.said if message.role == "assistant" else view.told).extend(texts)
        view.called.extend((call.id, call.name, call.arguments) for call in message.calls)
    return view
