"""Code cells: programs that the model wrote, from the item they stand in to the tools they called."""

from __future__ import annotations

from rollouts.trace.errors import TraceError
from rollouts.trace.events import CellEnded, CellResponded, CellStarted, Line
from rollouts.trace.jsontext import Json, JsonError
from rollouts.trace.model import Cell, Item, Window
from rollouts.trace.reducer.pending import CellEvent, PendingCell
from rollouts.trace.reducer.state import Replay
from rollouts.trace.serde import explained
from rollouts.trace.values import ByCell, CellStatus, ExecutionStatus

_EXECUTION: dict[CellStatus, ExecutionStatus] = {
    "starting": "running",
    "running": "running",
    "yielded": "running",
    "completed": "completed",
    "failed": "failed",
    "terminated": "cancelled",
}


def start(replay: Replay, line: Line, event: CellStarted) -> None:
    thread_id = _thread(replay, line, event.runtime_cell_id, "code cell start")
    cell_id = f"code_cell:{event.model_visible_call_id}"
    existing = replay.runtime.cells_of_runtime[thread_id].setdefault(event.runtime_cell_id, cell_id)
    if existing != cell_id:
        raise TraceError(
            f"runtime code cell {event.runtime_cell_id} in thread {thread_id} mapped to both {existing} and {cell_id}"
        )
    turn_id = line.envelope.codex_turn_id
    call_id = event.model_visible_call_id
    pending = PendingCell(
        line.seq, line.at, thread_id, turn_id, cell_id, event.runtime_cell_id, call_id, event.source_js
    )
    if cell_id in replay.graph.code_cells or cell_id in replay.runtime.pending_cells:
        _refuse_second(replay, pending)
    if replay.items_of_call(thread_id, call_id, ("custom_tool_call",)):
        _begin(replay, pending)
    else:
        replay.runtime.pending_cells[cell_id] = pending


def _refuse_second(replay: Replay, pending: PendingCell) -> None:
    """A cell starts once.

    A start that waits does not stand in the way of one whose source item is there, in another thread.
    """
    waits = pending.code_cell_id in replay.runtime.pending_cells
    if not waits or not replay.items_of_call(pending.thread_id, pending.call_id, ("custom_tool_call",)):
        raise TraceError(f"duplicate code cell start for {pending.code_cell_id}")


def _thread(replay: Replay, line: Line, runtime_cell_id: str, what: str) -> str:
    if line.envelope.thread_id is not None:
        return line.envelope.thread_id
    turn_id = line.envelope.codex_turn_id
    if turn_id is None:
        raise TraceError(f"{what} {runtime_cell_id} did not include a thread id")
    turn = replay.graph.codex_turns.get(turn_id)
    if turn is None:
        raise TraceError(f"{what} {runtime_cell_id} referenced unknown Codex turn {turn_id}")
    return turn.thread_id


def _begin(replay: Replay, pending: PendingCell) -> None:
    """The cell comes into being: its source item is there."""
    cell_id, thread_id = pending.code_cell_id, pending.thread_id
    if cell_id in replay.graph.code_cells:
        raise TraceError(f"duplicate code cell start for {cell_id}")
    turn_id = _checked_turn(replay, pending)
    sources = replay.items_of_call(thread_id, pending.call_id, ("custom_tool_call",))
    outputs = replay.items_of_call(thread_id, pending.call_id, ("custom_tool_call_output",))
    replay.graph.code_cells[cell_id] = Cell(
        code_cell_id=cell_id,
        model_visible_call_id=pending.call_id,
        thread_id=thread_id,
        codex_turn_id=turn_id,
        source_item_id=sources[0],
        output_item_ids=outputs,
        runtime_cell_id=pending.runtime_cell_id,
        execution=Window(pending.at, pending.seq),
        runtime_status="starting",
        initial_response_at_unix_ms=None,
        initial_response_seq=None,
        initial_response_status=None,
        raw_initial_response_payload_id=None,
        raw_result_payload_id=None,
        yielded_at_unix_ms=None,
        yielded_seq=None,
        source_js=pending.source_js,
        nested_tool_call_ids=sorted(replay.runtime.nested_tools.get(cell_id, ())),
        wait_tool_call_ids=[],
    )
    replay.runtime.running_cells[turn_id][cell_id] = None
    for item_id in outputs:
        _add_producer(replay.graph.conversation_items[item_id], cell_id)
    for event in sorted(pending.events, key=lambda event: event.seq):
        _apply(replay, cell_id, event)


def _checked_turn(replay: Replay, pending: PendingCell) -> str:
    turn_id, thread_id = pending.codex_turn_id, pending.thread_id
    if turn_id is None:
        raise TraceError(f"code cell start {pending.code_cell_id} did not include a Codex turn id")
    if thread_id not in replay.graph.threads:
        raise TraceError(f"code cell start referenced unknown thread {thread_id}")
    turn = replay.graph.codex_turns.get(turn_id)
    if turn is None:
        raise TraceError(f"code cell start referenced unknown Codex turn {turn_id}")
    if turn.thread_id != thread_id:
        raise TraceError(
            f"code cell start used thread {thread_id}, but Codex turn {turn_id} belongs to {turn.thread_id}"
        )
    return turn_id


def source_seen(replay: Replay, item: Item) -> None:
    """A new item of a call: a cell may have waited for it."""
    cell_id = f"code_cell:{item.call_id}"
    pending = replay.runtime.pending_cells.get(cell_id)
    if pending and item.kind == "custom_tool_call" and pending.thread_id == item.thread_id:
        replay.runtime.ready_cells.add(cell_id)


def flush(replay: Replay) -> None:
    """Begins the cells whose source items have come, as their ids sort."""
    ready = replay.runtime.ready_cells
    for cell_id in sorted(ready) if ready else ():
        ready.discard(cell_id)
        _begin(replay, replay.runtime.pending_cells.pop(cell_id))


def output_seen(replay: Replay, item: Item) -> None:
    """An item of a call was seen: the output of a cell belongs to the cell."""
    if item.kind != "custom_tool_call_output":
        return
    cell = replay.graph.code_cells.get(f"code_cell:{item.call_id}")
    if cell:
        if item.item_id not in cell.output_item_ids:
            cell.output_item_ids.append(item.item_id)
        _add_producer(item, cell.code_cell_id)


def _add_producer(item: Item, cell_id: str) -> None:
    if ByCell(cell_id) not in item.produced_by:
        item.produced_by.append(ByCell(cell_id))


def respond(replay: Replay, line: Line, event: CellResponded) -> None:
    _happen(replay, line, event, "code cell initial response", ended=False)


def end(replay: Replay, line: Line, event: CellEnded) -> None:
    _happen(replay, line, event, "code cell end", ended=True)


def _happen(replay: Replay, line: Line, event: CellResponded | CellEnded, what: str, *, ended: bool) -> None:
    thread_id = _thread(replay, line, event.runtime_cell_id, what)
    cell_id = cell_of(replay, thread_id, event.runtime_cell_id, what)
    payload_id = event.response_payload.raw_payload_id if event.response_payload else None
    happened = CellEvent(line.seq, line.at, ended, event.status, event.runtime_cell_id, payload_id)
    if cell_id in replay.graph.code_cells:
        _apply(replay, cell_id, happened)
        return
    pending = replay.runtime.pending_cells.get(cell_id)
    if pending is None:
        raise TraceError(f"{what} referenced unknown cell {cell_id}")
    pending.events.append(happened)


def _apply(replay: Replay, cell_id: str, event: CellEvent) -> None:
    cell = replay.graph.code_cells[cell_id]
    unanswered = cell.initial_response_at_unix_ms is None
    if not event.ended and replay.rules.keeps_cell_payloads:  # an end is no response, even where it stood in for one
        unanswered = cell.initial_response_status is None
    if unanswered:
        cell.initial_response_at_unix_ms = event.at
        cell.initial_response_seq = event.seq
    if event.ended:
        cell.raw_result_payload_id = event.payload_id
        _close(replay, cell, event.at, event.seq, event.status)
        return
    cell.runtime_cell_id = event.runtime_cell_id
    if unanswered:
        cell.initial_response_status = event.status
        cell.raw_initial_response_payload_id = event.payload_id
    if event.status == "yielded":
        cell.yielded_at_unix_ms = event.at
        cell.yielded_seq = event.seq
    cell.runtime_status = event.status


def _close(replay: Replay, cell: Cell, at: int, seq: int, status: CellStatus) -> None:
    cell.execution.end(at, seq, _EXECUTION[status])
    cell.runtime_status = status
    running = replay.runtime.running_cells[cell.codex_turn_id]
    if cell.execution.status == "running":
        running[cell.code_cell_id] = None
    else:
        running.pop(cell.code_cell_id, None)


def close_running(replay: Replay, line: Line, turn_id: str, status: ExecutionStatus) -> None:
    """A turn that was broken off leaves no cell running; one that was completed may."""
    if status in {"running", "completed"}:
        return
    closed: CellStatus = "failed" if status == "failed" else "terminated"
    for cell_id in list(replay.runtime.running_cells.get(turn_id, ())):
        cell = replay.graph.code_cells[cell_id]
        if cell.initial_response_at_unix_ms is None:
            cell.initial_response_at_unix_ms = line.at
            cell.initial_response_seq = line.seq
        cell.raw_result_payload_id = None
        _close(replay, cell, line.at, line.seq, closed)


def cell_of(replay: Replay, thread_id: str, runtime_cell_id: str, what: str) -> str:
    """The cell behind a runtime's handle.

    Raises:
        TraceError: the thread has none of that handle.
    """
    cell_id = replay.runtime.cells_of_runtime[thread_id].get(runtime_cell_id)
    if cell_id is None:
        raise TraceError(f"{what} referenced unknown runtime cell {runtime_cell_id} in thread {thread_id}")
    return cell_id


def nest(replay: Replay, cell_id: str, tool_call_id: str) -> None:
    """A cell asked for a tool."""
    replay.runtime.nested_tools[cell_id].append(tool_call_id)
    cell = replay.graph.code_cells.get(cell_id)
    if cell:
        cell.nested_tool_call_ids.append(tool_call_id)


def wait(replay: Replay, thread_id: str, tool_call_id: str, payload: Json, payload_id: str) -> None:
    """Notes a call of the tool `wait` at the cell that it waits for, if that one is known.

    Raises:
        TraceError: it does not say for which.
    """
    if not isinstance(payload, dict) or payload.get("tool_name") != "wait":
        return
    what = f"wait tool request payload {payload_id}"
    call = payload.get("payload")
    arguments = call.get("arguments") if isinstance(call, dict) else None
    if not isinstance(arguments, str):
        raise TraceError(f"{what} did not contain function arguments")
    try:
        values = replay.payloads.text(arguments)
    except JsonError as error:
        cause = explained(arguments.encode(), error)
        raise TraceError(f"{what} had invalid JSON arguments", (cause,)) from None
    runtime_cell_id = values.get("cell_id") if isinstance(values, dict) else None
    if not isinstance(runtime_cell_id, str):
        raise TraceError(f"{what} did not contain cell_id")
    cell_id = replay.runtime.cells_of_runtime[thread_id].get(runtime_cell_id)
    cell = replay.graph.code_cells.get(cell_id or "")
    if cell:
        cell.wait_tool_call_ids.append(tool_call_id)
