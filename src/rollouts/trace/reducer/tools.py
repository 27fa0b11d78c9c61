"""Tool calls: from the item in which the model asked for one to the item that shows the model what came of it."""

from __future__ import annotations

from rollouts.trace.errors import TraceError
from rollouts.trace.events import (
    Line,
    McpCorrelated,
    RequestingCell,
    ToolEnded,
    ToolRuntimeEnded,
    ToolRuntimeStarted,
    ToolRuntimeStartedAs,
    ToolStarted,
)
from rollouts.trace.model import Item, Tool, Window
from rollouts.trace.reducer import agents, cells, terminals
from rollouts.trace.reducer.state import Replay
from rollouts.trace.values import ByTool, CellRequester, ExecCommand, ItemKind, ModelRequester, WriteStdin

_CALLS: tuple[ItemKind, ...] = ("function_call", "custom_tool_call")
_OUTPUTS: tuple[ItemKind, ...] = ("function_call_output", "custom_tool_call_output")


def start(replay: Replay, line: Line, event: ToolStarted) -> None:
    tool_id, call_id, ref = event.tool_call_id, event.model_visible_call_id, event.invocation_payload
    if tool_id in replay.graph.tool_calls:
        raise TraceError(f"duplicate tool call start for {tool_id}")
    if call_id is not None and call_id in replay.runtime.tool_of_call:
        raise TraceError(f"duplicate tool call for model-visible call id {call_id}")
    thread_id = _thread(replay, line)
    tool = Tool(
        tool_call_id=tool_id,
        mcp_call_id=None,
        model_visible_call_id=call_id,
        code_mode_runtime_tool_id=event.code_mode_runtime_tool_id,
        thread_id=thread_id,
        started_by_codex_turn_id=line.envelope.codex_turn_id,
        execution=Window(line.at, line.seq),
        requester=_requester(replay, thread_id, event),
        kind=event.kind,
        model_visible_call_item_ids=_items(replay, thread_id, call_id, _CALLS),
        model_visible_output_item_ids=[],
        terminal_operation_id=None,
        summary=event.summary,
        raw_invocation_payload_id=ref.raw_payload_id if ref else None,
        raw_result_payload_id=None,
        raw_runtime_payload_ids=[],
    )
    if ref:
        terminals.start_from_invocation(replay, line, tool, ref)
        cells.wait(replay, thread_id, tool_id, replay.payloads.json(ref), ref.raw_payload_id)
    replay.graph.tool_calls[tool_id] = tool
    if call_id is not None:
        replay.runtime.tool_of_call[call_id] = tool
    if isinstance(tool.requester, CellRequester):
        cells.nest(replay, tool.requester.code_cell_id, tool_id)
    _link_to_responses(replay, tool)
    for item_id in _items(replay, thread_id, call_id, _OUTPUTS):
        _add_output(tool, replay.graph.conversation_items[item_id])


def _thread(replay: Replay, line: Line) -> str:
    """The thread in which a tool runs."""
    thread_id, turn_id = line.envelope.thread_id, line.envelope.codex_turn_id
    turn = replay.graph.codex_turns.get(turn_id) if turn_id is not None else None
    if thread_id is None:
        if turn_id is None:
            raise TraceError("tool call start did not include thread or Codex turn context")
        if turn is None:
            raise TraceError(f"tool call start referenced unknown Codex turn {turn_id}")
        thread_id = turn.thread_id
    if thread_id not in replay.graph.threads:
        raise TraceError(f"tool call start referenced unknown thread {thread_id}")
    if turn_id is not None and turn is None:
        raise TraceError(f"tool call start referenced unknown Codex turn {turn_id}")
    if turn and turn.thread_id != thread_id:
        raise TraceError(
            f"tool call start used thread {thread_id}, but Codex turn {turn_id} belongs to {turn.thread_id}"
        )
    return thread_id


def _requester(replay: Replay, thread_id: str, event: ToolStarted) -> ModelRequester | CellRequester:
    if not isinstance(event.requester, RequestingCell):
        return ModelRequester()
    handle = event.requester.runtime_cell_id
    return CellRequester(cells.cell_of(replay, thread_id, handle, "code-mode nested tool"))


def _items(replay: Replay, thread_id: str, call_id: str | None, kinds: tuple[ItemKind, ...]) -> list[str]:
    return [] if call_id is None else replay.items_of_call(thread_id, call_id, kinds)


def _link_to_responses(replay: Replay, tool: Tool) -> None:
    """The responses that asked for a tool list it."""
    for item_id in tool.model_visible_call_item_ids:
        for inference in replay.runtime.inferences_of_item.get(item_id, ()):
            if tool.tool_call_id not in inference.tool_call_ids_started_by_response:
                inference.tool_call_ids_started_by_response.append(tool.tool_call_id)


def _add_output(tool: Tool, item: Item) -> None:
    if item.item_id not in tool.model_visible_output_item_ids:
        tool.model_visible_output_item_ids.append(item.item_id)
    producer = ByTool(tool.tool_call_id)
    if producer not in item.produced_by:
        item.produced_by.append(producer)


def item_seen(replay: Replay, item: Item) -> None:
    """An item of a call was seen, in any thread: the tool that ran for the call is linked with it."""
    tool = replay.runtime.tool_of_call.get(item.call_id or "") if item.call_id is not None else None
    if tool is None:
        return
    if item.kind in _OUTPUTS:
        _add_output(tool, item)
        return
    if item.item_id not in tool.model_visible_call_item_ids:
        tool.model_visible_call_item_ids.append(item.item_id)
    _link_to_responses(replay, tool)


def correlate(replay: Replay, event: McpCorrelated) -> None:
    tool = replay.graph.tool_calls.get(event.tool_call_id)
    if tool is None:
        raise TraceError(f"MCP correlation referenced unknown tool call {event.tool_call_id}")
    if tool.mcp_call_id is not None:
        raise TraceError(f"duplicate MCP correlation for tool call {event.tool_call_id}")
    tool.mcp_call_id = event.mcp_call_id


def runtime_started(replay: Replay, line: Line, event: ToolRuntimeStarted) -> None:
    tool = replay.graph.tool_calls.get(event.tool_call_id)
    if tool is None:
        raise TraceError(f"tool runtime start referenced unknown call {event.tool_call_id}")
    if isinstance(event, ToolRuntimeStartedAs):
        tool.kind = event.kind
    _add_runtime_payload(tool, event.runtime_payload.raw_payload_id)
    if tool.terminal_operation_id is not None and isinstance(tool.kind, ExecCommand | WriteStdin):
        raise TraceError(f"tool runtime start would create a second terminal operation for {tool.tool_call_id}")
    terminals.start_from_runtime(replay, line, tool, event.runtime_payload)
    agents.runtime_started(replay, tool, event.runtime_payload)


def runtime_ended(replay: Replay, line: Line, event: ToolRuntimeEnded) -> None:
    tool = replay.graph.tool_calls.get(event.tool_call_id)
    if tool is None:
        raise TraceError(f"tool runtime end referenced unknown call {event.tool_call_id}")
    _add_runtime_payload(tool, event.runtime_payload.raw_payload_id)
    terminals.end(replay, line, tool, event.status, event.runtime_payload)
    agents.runtime_ended(replay, line, tool, event.runtime_payload)


def _add_runtime_payload(tool: Tool, payload_id: str) -> None:
    if payload_id not in tool.raw_runtime_payload_ids:
        tool.raw_runtime_payload_ids.append(payload_id)


def end(replay: Replay, line: Line, event: ToolEnded) -> None:
    tool = replay.graph.tool_calls.get(event.tool_call_id)
    if tool is None:
        raise TraceError(f"tool call end referenced unknown call {event.tool_call_id}")
    tool.execution.end(line.at, line.seq, event.status)
    ref = event.result_payload
    tool.raw_result_payload_id = ref.raw_payload_id if ref else None
    if not tool.raw_runtime_payload_ids:  # what the runtime said of the end is closer to it than what the caller got
        terminals.end(replay, line, tool, event.status, ref)
    agents.tool_ended(replay, tool, ref)
