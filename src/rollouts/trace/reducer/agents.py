"""What agents do to each other: edges from a tool call or a result to the item, or the thread, that it reached."""

from __future__ import annotations

from typing import TypeVar

from rollouts.trace import decode
from rollouts.trace.errors import TraceError
from rollouts.trace.events import AgentResultObserved, Line
from rollouts.trace.jsontext import Json, JsonError
from rollouts.trace.model import Edge, Item, Tool
from rollouts.trace.reducer import collab
from rollouts.trace.reducer.mail import Mail
from rollouts.trace.reducer.pending import Address, PendingEdge
from rollouts.trace.reducer.state import Replay
from rollouts.trace.values import (
    AssignAgentTask,
    CloseAgent,
    EdgeKind,
    ItemAnchor,
    Mcp,
    PayloadRef,
    SendMessage,
    SpawnAgent,
    ThreadAnchor,
    ToolAnchor,
    ToolKind,
)

T = TypeVar("T")
_MESSAGES: dict[type, EdgeKind] = {AssignAgentTask: "assign_agent_task", SendMessage: "send_message"}
_ACTIVITIES: dict[tuple[str, type], EdgeKind] = {
    ("started", SpawnAgent): "spawn_agent",
    ("interacted", AssignAgentTask): "assign_agent_task",
    ("interacted", SendMessage): "send_message",
    ("interrupted", CloseAgent): "close_agent",
}


def spawn_edge_id(parent_thread_id: str, child_thread_id: str) -> str:
    return f"edge:spawn:{parent_thread_id}:{child_thread_id}"


def _tool_edge_id(tool: Tool) -> str:
    return f"edge:tool:{tool.tool_call_id}"


def _decoded(replay: Replay, shape: type[T], value: Json) -> T:
    try:
        return decode.struct(shape)(value)
    except JsonError as error:
        raise TraceError(decode.words(error, keeps_spelling=replay.rules.keeps_spelling)) from None


def runtime_started(replay: Replay, tool: Tool, ref: PayloadRef) -> None:
    kind = _MESSAGES.get(type(tool.kind))
    if kind:
        begun = _decoded(replay, collab.InteractionBegin, replay.payloads.json(ref))
        _send(replay, tool, kind, begun.receiver_thread_id, begun.prompt, None)
    elif isinstance(tool.kind, CloseAgent):
        closing = _decoded(replay, collab.CloseBegin, replay.payloads.json(ref))
        _close(replay, tool, closing.receiver_thread_id, None)


def runtime_ended(replay: Replay, line: Line, tool: Tool, ref: PayloadRef) -> None:
    if isinstance(tool.kind, Mcp):  # whatever a server calls its fields
        return
    if not replay.rules.verifies and type(tool.kind) not in {SpawnAgent, AssignAgentTask, SendMessage, CloseAgent}:
        return
    payload = replay.payloads.json(ref)
    spawn_end = collab.OpenSpawnEnd if replay.rules.has_agent_messages else collab.SpawnEnd
    kind = _MESSAGES.get(type(tool.kind))
    if replay.rules.has_agent_messages and isinstance(payload, dict) and "agent_thread_id" in payload:
        _activity(replay, line, tool, _decoded(replay, collab.Activity, payload))
    elif isinstance(tool.kind, SpawnAgent):
        _spawned(
            replay,
            line,
            tool,
            _decoded(replay, spawn_end, payload),
        )
    elif kind:
        ended = _decoded(replay, collab.InteractionEnd, payload)
        _send(replay, tool, kind, ended.receiver_thread_id, ended.prompt, line.at)
    elif isinstance(tool.kind, CloseAgent):
        _close(replay, tool, _decoded(replay, collab.CloseEnd, payload).receiver_thread_id, line.at)


def _spawned(replay: Replay, line: Line, tool: Tool, payload: collab.SpawnEnd) -> None:
    if payload.new_thread_id is None:
        return
    edge_id = spawn_edge_id(payload.sender_thread_id, payload.new_thread_id)
    _deliver(replay, _from_tool(replay, tool, edge_id, "spawn_agent", payload.new_thread_id, payload.prompt, line.at))


def _send(replay: Replay, tool: Tool, kind: EdgeKind, target: str, message: str, ended: int | None) -> None:
    _deliver(replay, _from_tool(replay, tool, _tool_edge_id(tool), kind, target, message, ended))


def _from_tool(
    replay: Replay, tool: Tool, edge_id: str, kind: EdgeKind, target: str, message: str, ended: int | None
) -> PendingEdge:
    return PendingEdge(
        edge_id,
        kind,
        ToolAnchor(tool.tool_call_id),
        target,
        _path(replay, tool.thread_id),
        message,
        target if kind == "spawn_agent" else None,
        tool.execution.started_at_unix_ms,
        ended,
        _payload_ids(tool),
    )


def _path(replay: Replay, thread_id: str) -> str | None:
    """The path that a message from a thread has to come from; None where that does not count."""
    thread = replay.graph.threads.get(thread_id)
    return thread.agent_path if thread and replay.rules.checks_authors else None


def _payload_ids(tool: Tool) -> list[str]:
    ids = (tool.raw_invocation_payload_id, *tool.raw_runtime_payload_ids, tool.raw_result_payload_id)
    return list(dict.fromkeys(payload_id for payload_id in ids if payload_id is not None))


def _close(replay: Replay, tool: Tool, target: str, ended: int | None) -> None:
    if target not in replay.graph.threads:  # a failed close may name a thread that never was
        return
    edge = Edge(
        _tool_edge_id(tool),
        "close_agent",
        ToolAnchor(tool.tool_call_id),
        ThreadAnchor(target),
        tool.execution.started_at_unix_ms,
        ended,
        [],
        _payload_ids(tool),
    )
    _upsert(replay, edge)


def _activity(replay: Replay, line: Line, tool: Tool, activity: collab.Activity) -> None:
    if activity.kind == "completed":
        return
    kind = _ACTIVITIES.get((activity.kind, type(tool.kind)))
    if kind is None:
        raise TraceError(
            f"sub-agent activity {activity.kind.title()} does not match tool call kind {_debug(tool.kind)}"
        )
    target = activity.agent_thread_id
    if kind == "close_agent":
        _close(replay, tool, target, line.at)
        return
    message = _invoked_message(replay, tool)
    edge_id = spawn_edge_id(tool.thread_id, target) if kind == "spawn_agent" else _tool_edge_id(tool)
    _deliver(replay, _from_tool(replay, tool, edge_id, kind, target, message, line.at))


def _debug(kind: ToolKind) -> str:
    """A kind of tool as Rust prints it for programmers."""
    fields = [
        f"{name}: {collab.debug(getattr(kind, name))}" for name in ("server", "tool", "name") if hasattr(kind, name)
    ]
    return f"{type(kind).__name__} {{ {', '.join(fields)} }}" if fields else type(kind).__name__


def _invoked_message(replay: Replay, tool: Tool) -> str:
    """The message that an agent tool was called with."""
    ref = replay.graph.raw_payloads.get(tool.raw_invocation_payload_id or "")
    if ref is None:
        raise TraceError(f"agent activity tool call {tool.tool_call_id} missing invocation payload")
    return collab.message(replay.payloads.json(ref), tool.tool_call_id, replay.payloads.record_text)


def result_observed(replay: Replay, line: Line, event: AgentResultObserved) -> None:
    """A child agent told its parent what came of its work."""
    if replay.rules.knows_children and event.child_thread_id not in replay.graph.threads:
        raise TraceError(f"agent edge referenced unknown thread {event.child_thread_id}")
    item = replay.conversations.last_message.get((event.child_thread_id, event.child_codex_turn_id))
    pending = PendingEdge(
        event.edge_id,
        "agent_result",
        ItemAnchor(item.item_id) if item else ThreadAnchor(event.child_thread_id),
        event.parent_thread_id,
        _path(replay, event.child_thread_id),
        event.message,
        None,
        line.at,
        line.at,
        [event.carried_payload.raw_payload_id] if event.carried_payload else [],
    )
    _deliver(replay, pending)


def tool_ended(replay: Replay, tool: Tool, ref: PayloadRef | None) -> None:
    """A tool's result belongs to what the tool did, also when it comes late."""
    if ref is None:
        return
    found = replay.edges.of_tool.get(tool.tool_call_id, {})
    edges, waiting = replay.graph.interaction_edges, replay.edges.waiting
    known = sorted(edge_id for edge_id in found if edge_id in edges)
    for edge_id in known[:1]:
        _add_new(edges[edge_id].carried_raw_payload_ids, [ref.raw_payload_id])
    for edge_id in [edge_id for edge_id in found if edge_id in waiting][: 0 if known else 1]:
        _add_new(waiting[edge_id].carried_raw_payload_ids, [ref.raw_payload_id])


def _address(replay: Replay, item: Item, mail: Mail) -> Address:
    return (item.thread_id, mail.author if replay.rules.checks_authors else None, mail.content)


def _delivers(replay: Replay, item: Item, mail: Mail) -> bool:
    return mail.recipient == replay.graph.threads[item.thread_id].agent_path


def item_seen(replay: Replay, item: Item, mail: Mail) -> None:
    """An item that carries a message was seen: the oldest message that waits for such a one is delivered."""
    if not _delivers(replay, item, mail) or (replay.rules.checks_authors and item.item_id in replay.edges.targets):
        return
    pending = replay.edges.take(_address(replay, item, mail))
    if pending:
        _arrive(replay, pending, item)


def item_made(replay: Replay, item: Item, mail: Mail) -> None:
    """There is a new item that carries a message: messages that are observed later may find it."""
    if _delivers(replay, item, mail):
        replay.edges.carriers[_address(replay, item, mail)].append(item)


def _deliver(replay: Replay, pending: PendingEdge) -> None:
    """Sends a message: to an item that is there already, or to wait for one."""
    item = replay.edges.free_carrier(pending.address)
    if item:
        _arrive(replay, pending, item)
        return
    waiting = replay.edges.waiting.get(pending.edge_id)
    if waiting is None:
        replay.edges.add(pending)
        _note_source(replay, pending)
        return
    if not waiting.same_delivery(pending):
        raise TraceError(f"pending interaction edge {pending.edge_id} was observed with conflicting delivery data")
    _merge(waiting, pending)


def _arrive(replay: Replay, pending: PendingEdge, item: Item) -> None:
    replay.edges.targets.add(item.item_id)
    _upsert(replay, _edge(pending, ItemAnchor(item.item_id), [item.item_id]))


def _edge(pending: PendingEdge, target: ItemAnchor | ThreadAnchor, carried: list[str]) -> Edge:
    return Edge(
        pending.edge_id,
        pending.kind,
        pending.source,
        target,
        pending.started_at_unix_ms,
        pending.ended_at_unix_ms,
        carried,
        pending.carried_raw_payload_ids,
    )


def _upsert(replay: Replay, edge: Edge) -> None:
    existing = replay.graph.interaction_edges.get(edge.edge_id)
    if existing is None:
        replay.graph.interaction_edges[edge.edge_id] = edge
        _note_source(replay, edge)
        return
    if (existing.kind, existing.source, existing.target) != (edge.kind, edge.source, edge.target):
        raise TraceError(f"interaction edge {edge.edge_id} was observed with conflicting endpoints")
    _merge(existing, edge)
    _add_new(existing.carried_item_ids, edge.carried_item_ids)


def _merge(existing: Edge | PendingEdge, again: Edge | PendingEdge) -> None:
    """The same edge, observed once more."""
    existing.started_at_unix_ms = min(existing.started_at_unix_ms, again.started_at_unix_ms)
    ends = [at for at in (existing.ended_at_unix_ms, again.ended_at_unix_ms) if at is not None]
    existing.ended_at_unix_ms = max(ends, default=None)
    _add_new(existing.carried_raw_payload_ids, again.carried_raw_payload_ids)


def _add_new(ids: list[str], more: list[str]) -> None:
    ids += [one for one in dict.fromkeys(more) if one not in ids]


def _note_source(replay: Replay, edge: Edge | PendingEdge) -> None:
    if isinstance(edge.source, ToolAnchor):
        of_tool = replay.edges.of_tool[edge.source.tool_call_id]
        of_tool.pop(edge.edge_id, None)
        of_tool[edge.edge_id] = None


def finish(replay: Replay) -> None:
    """At the end a spawn whose message was never seen points at the child's thread, if there is one."""
    for pending in replay.edges.waiting.values():
        if pending.fallback is not None and pending.fallback in replay.graph.threads:
            _upsert(replay, _edge(pending, ThreadAnchor(pending.fallback), []))
