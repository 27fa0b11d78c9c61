"""A graph as `state.json` text: two spaces of indent, keys in the order of the records, maps sorted by their keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

from rollouts.trace.jsontext import quote
from rollouts.trace.model import Graph

_Plan = tuple[tuple[str, Callable[[Any], Any], bool], ...]


_PLANS: dict[tuple[type, int], tuple[str, _Plan]] = {}


def _plan(record: Any, schema: int) -> tuple[str, _Plan]:
    """What a record begins with, and its fields: key with colon, how to get at it, whether it is left out when None."""
    return _PLANS.get((record, schema)) or _PLANS.setdefault((record, schema), _planned(record, schema))


def _planned(record: Any, schema: int) -> tuple[str, _Plan]:
    tag = f'"type": {quote(record.TAG)}' if hasattr(record, "TAG") else ""
    shown = [field for field in fields(record) if field.metadata.get("since", 1) <= schema]
    plan = tuple(
        (f"{quote(field.name)}: ", _getter(field.name), bool(field.metadata.get("omitted"))) for field in shown
    )
    return tag, plan


def _getter(name: str) -> Callable[[Any], Any]:
    return lambda record: getattr(record, name)


def _block(opening: str, parts: list[str], closing: str, indent: str) -> str:
    if not parts:
        return opening + closing
    inner = f",\n{indent}  ".join(parts)
    return f"{opening}\n{indent}  {inner}\n{indent}{closing}"


def _record(value: Any, schema: int, indent: str) -> str:
    tag, plan = _plan(type(value), schema)
    parts = [tag] if tag else []
    for key, get, omitted in plan:
        held = get(value)
        if not (omitted and held is None):
            parts.append(key + _text(held, schema, indent + "  "))
    return _block("{", parts, "}", indent)


def _text(value: Any, schema: int, indent: str) -> str:
    if isinstance(value, str):
        return quote(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        if value and isinstance(value[0], str):
            return _block("[", [quote(item) for item in value], "]", indent)
        return _block("[", [_text(item, schema, indent + "  ") for item in value], "]", indent)
    return _record(value, schema, indent)


def _mapping(value: dict[str, Any], schema: int) -> Iterator[str]:
    opening = "{"
    for key in sorted(value):
        yield f"{opening}\n    {quote(key)}: {_text(value[key], schema, '    ')}"
        opening = ","
    yield "\n  }" if value else "{}"


def chunks(graph: Graph, diagnostics: list[Any] | None = None) -> Iterator[str]:
    """The text of `state.json` piece by piece, without a final newline.

    Args:
        graph: what it holds.
        diagnostics: records of what a tolerant replay left out; None after a strict one.
    """
    schema = graph.schema_version
    _, plan = _plan(Graph, schema)
    opening = "{"
    for key, get, _ in plan:
        value = get(graph)
        yield f"{opening}\n  {key}"
        if isinstance(value, dict):
            yield from _mapping(value, schema)
        else:
            yield _text(value, schema, "  ")
        opening = ","
    if diagnostics is not None:
        yield f',\n  "diagnostics": {_text(diagnostics, schema, "  ")}'
    yield "\n}"


def text(graph: Graph) -> str:
    """The text of `state.json`, without a final newline."""
    return "".join(chunks(graph))
