"""The tools of a session as function schemas: as they were recorded, else as far as the calls show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rollouts.agents.session import Fields, ToolCall
from rollouts.contracts.strict_json import Json

INFERRED = "x-inferred"
"""The key that marks parameters that were inferred. JSON Schema lets anyone add keys, and templates pass them over."""
_PARAMETERS = ("parameters", "inputSchema", "input_schema")
_FREE_TEXT: dict[str, Json] = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}


def _function(name: str, description: object, parameters: Json) -> Json:
    text = description if isinstance(description, str) else ""
    return {"type": "function", "function": {"name": name, "description": text, "parameters": parameters}}


def _objects(value: object) -> list[Fields]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _recorded(tools: Iterable[Fields], space: str) -> Iterable[tuple[str, Json]]:
    for tool in tools:
        inner = tool.get("function")
        given: Fields = inner if isinstance(inner, Mapping) else tool
        name = given.get("name")
        if not isinstance(name, str) or not name:
            continue
        if tool.get("type") == "namespace":
            yield from _recorded(_objects(tool.get("tools")), f"{space}{name}.")
            continue
        schema = next((dict(found) for key in _PARAMETERS if isinstance(found := given.get(key), Mapping)), _FREE_TEXT)
        yield f"{space}{name}", _function(f"{space}{name}", given.get("description"), schema)


def recorded(tools: Iterable[Fields]) -> dict[str, Json]:
    """Name -> schema of tools as agents write them down.

    Understood are functions of the Responses API, of Chat Completions, of MCP and of Anthropic's API, and namespaces of
    them; a tool of free text has the argument `input`, and what has no name is left out.
    """
    return dict(_recorded(tools, ""))


_NAMES = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}


def _type(values: Sequence[object]) -> Json:
    """What JSON Schema calls these values: one word, or several."""
    words = dict.fromkeys(_NAMES.get(type(value), "null") for value in values)
    if "number" in words:
        words.pop("integer", None)
    names: list[Json] = [*words]
    return names[0] if len(names) == 1 else names


def _parameters(calls: Sequence[Fields]) -> Json:
    keys = list(dict.fromkeys(key for arguments in calls for key in arguments))
    properties: Json = {key: {"type": _type([found[key] for found in calls if key in found])} for key in keys}
    required: list[Json] = [key for key in keys if all(key in arguments for arguments in calls)]
    return {"type": "object", "properties": properties, "required": required, INFERRED: True}


def inferred(calls: Iterable[ToolCall]) -> dict[str, Json]:
    """Name -> schema of the tools that were called: the arguments that they were given, and the types of these."""
    found: dict[str, list[Fields]] = {}
    for call in calls:
        arguments = {"input": call.arguments} if isinstance(call.arguments, str) else call.arguments
        found.setdefault(call.name, []).append(arguments)
    return {name: _function(name, "", _parameters(given)) for name, given in found.items()}


def schemas(tools: Iterable[Fields], calls: Iterable[ToolCall]) -> list[Json]:
    """The tools that the model had: those that were recorded, then those that are only known by a call."""
    known = recorded(tools)
    return list((known | {name: one for name, one in inferred(calls).items() if name not in known}).values())
