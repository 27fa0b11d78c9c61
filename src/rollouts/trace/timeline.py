"""A rollout as a line of moments that a person can read: who did what, when, how long it took and how it ended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rollouts.trace.errors import TraceError

State = dict[str, Any]
"""A parsed `state.json`."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that began at a time.

    Attributes:
        at: milliseconds since 1970.
        seq: the event's number in the log; None where `state.json` has none.
        thread_id, turn_id: whose it is; None where it is nobody's.
        kind: thread, turn, model, tool, terminal, cell, compaction or edge.
        id: of the object that it stands for.
        what: in a few words.
        status: how it ended, or `running`; None for what has no end.
        duration_ms: how long it took; None while it runs, and for what has no end.
        details: figures and names, by their keys.
    """

    at: int
    seq: int | None
    thread_id: str | None
    turn_id: str | None
    kind: str
    id: str
    what: str
    status: str | None
    duration_ms: int | None
    details: dict[str, Any]


def parsed(text: str) -> State:
    """A `state.json`.

    Raises:
        TraceError: the text is none.
    """
    try:
        state = json.loads(text)
    except (ValueError, RecursionError):
        state = None
    maps = ("threads", "codex_turns", "inference_calls", "tool_calls", "interaction_edges")
    if not isinstance(state, dict) or not all(isinstance(state.get(name), dict) for name in maps):
        raise TraceError("this is no state.json of a rollout trace")
    return state


def moments(state: State) -> list[Moment]:
    """All there is to tell of a rollout, in order of time.

    Raises:
        TraceError: the state is not of the shape that `state.json` has.
    """
    try:
        found = [*_threads(state), *_turns(state), *_calls(state), *_tools(state), *_cells(state)]
        found += [*_compactions(state), *_edges(state)]
    except (KeyError, TypeError, AttributeError) as error:
        raise TraceError(f"this state.json is damaged: {error}") from None
    return sorted(found, key=lambda moment: (moment.at, moment.seq is None, moment.seq or 0))


def _objects(state: State, name: str) -> Iterator[dict[str, Any]]:
    yield from state.get(name, {}).values()


def _ran(found: dict[str, Any]) -> tuple[int, int, str, int | None]:
    """Start (ms), number, status and duration (ms) of what has a window."""
    window = found["execution"]
    end = window["ended_at_unix_ms"]
    start = window["started_at_unix_ms"]
    return start, window["started_seq"], window["status"], None if end is None else end - start


def _moment(
    found: dict[str, Any], kind: str, key: str, what: str, *, turn: str | None, details: dict[str, Any]
) -> Moment:
    at, seq, status, took = _ran(found)
    turn_id = found.get(turn) if turn else None
    return Moment(at, seq, found["thread_id"], turn_id, kind, key, what, status, took, details)


def _threads(state: State) -> Iterator[Moment]:
    for thread in _objects(state, "threads"):
        origin = thread["origin"]
        details = {"agent_path": thread["agent_path"], "model": thread["default_model"], "origin": origin["type"]}
        what = thread["agent_path"] + (f" ({origin['agent_role']})" if origin.get("agent_role") else "")
        yield _moment(thread, "thread", thread["thread_id"], what, turn=None, details=details)


def _turns(state: State) -> Iterator[Moment]:
    for turn in _objects(state, "codex_turns"):
        yield _moment(turn, "turn", turn["codex_turn_id"], "", turn="codex_turn_id", details={})


def _calls(state: State) -> Iterator[Moment]:
    for call in _objects(state, "inference_calls"):
        usage = call["usage"] or {}
        details = {"model": call["model"], "items": len(call["request_item_ids"]), "usage": call["usage"]}
        what = call["model"]
        if usage:
            cached = usage["cached_input_tokens"]
            again = f" ({cached} cached)" if cached else ""
            what += f"  in {usage['input_tokens']}{again}, out {usage['output_tokens']}"
        yield _moment(call, "model", call["inference_call_id"], what, turn="codex_turn_id", details=details)


def _tools(state: State) -> Iterator[Moment]:
    operations = state.get("terminal_operations", {})
    for tool in _objects(state, "tool_calls"):
        operation = operations.get(tool["terminal_operation_id"])
        what, details = _terminal(operation) if operation else (_tool_words(tool), {"tool": tool["kind"]["type"]})
        kind = "terminal" if operation else "tool"
        yield _moment(tool, kind, tool["tool_call_id"], what, turn="started_by_codex_turn_id", details=details)


def _tool_words(tool: dict[str, Any]) -> str:
    kind, summary = tool["kind"], tool["summary"]
    name = kind["type"]
    if name == "mcp":
        name = f"{kind['server']}.{kind['tool']}"
    elif name == "other":
        name = kind["name"]
    more = (summary.get(key) for key in ("target_agent_path", "task_name", "message_preview", "input_preview"))
    return "  ".join([name, *(text for text in more if text)])


def _terminal(operation: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    request, result = operation["request"], operation["result"] or {}
    asked = request.get("display_command")
    what = f"$ {asked}" if asked is not None else f"stdin {request.get('stdin')!r}"
    shown = result.get("formatted_output") or result.get("stdout") or result.get("stderr") or ""
    head = next((line for line in shown.splitlines() if line.strip()), "")
    details = {
        "command": request.get("command"),
        "stdin": request.get("stdin"),
        "cwd": request.get("cwd"),
        "exit_code": result.get("exit_code"),
        "output_head": head,
        "terminal_id": operation["terminal_id"],
    }
    code = result.get("exit_code")
    return what + (f"  exit {code}" if code else "") + (f"  > {head}" if head else ""), details


def _cells(state: State) -> Iterator[Moment]:
    for cell in _objects(state, "code_cells"):
        head = cell["source_js"].strip().partition("\n")[0]
        details = {"tools": len(cell["nested_tool_call_ids"]), "waits": len(cell["wait_tool_call_ids"])}
        yield _moment(cell, "cell", cell["code_cell_id"], head, turn="codex_turn_id", details=details)


def _compactions(state: State) -> Iterator[Moment]:
    for found in _objects(state, "compactions"):
        before, after = len(found["input_item_ids"]), len(found["replacement_item_ids"])
        yield Moment(
            found["installed_at_unix_ms"],
            None,
            found["thread_id"],
            found["codex_turn_id"],
            "compaction",
            found["compaction_id"],
            f"{before} items became {after}",
            None,
            None,
            {"items_before": before, "items_after": after},
        )


def _edges(state: State) -> Iterator[Moment]:
    for edge in _objects(state, "interaction_edges"):
        source, target = _end(state, edge["source"]), _end(state, edge["target"])
        end, start = edge["ended_at_unix_ms"], edge["started_at_unix_ms"]
        kind = edge["kind"].replace("_", " ")
        took = None if end is None else end - start
        details = {"edge": edge["kind"], "source": edge["source"], "target": edge["target"]}
        what = f"{kind}: {_path(state, source)} -> {_path(state, target)}"
        yield Moment(start, None, source, None, "edge", edge["edge_id"], what, None, took, details)


def _end(state: State, anchor: dict[str, Any]) -> str | None:
    """The thread in which an edge begins or ends."""
    if anchor["type"] == "thread":
        thread: str = anchor["thread_id"]
        return thread
    is_item = anchor["type"] == "conversation_item"
    name, key = ("conversation_items", "item_id") if is_item else ("tool_calls", "tool_call_id")
    found = state.get(name, {}).get(anchor[key])
    return found["thread_id"] if found else None


def _path(state: State, thread_id: str | None) -> str:
    thread = state["threads"].get(thread_id)
    return str(thread["agent_path"]) if thread else str(thread_id)
