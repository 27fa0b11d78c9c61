"""Terminals: the commands that tools ran, what was written to them, and the sessions in which they live on."""

from __future__ import annotations

from rollouts.trace.errors import TraceError
from rollouts.trace.events import Line, StdinTargetResolved
from rollouts.trace.model import ExecRequest, Graph, Observation, Operation, Session, StdinRequest, Tool, Window
from rollouts.trace.reducer import dispatch
from rollouts.trace.reducer.state import Replay
from rollouts.trace.values import ExecCommand, ExecutionStatus, PayloadRef, TerminalSummary, WriteStdin


def start_from_invocation(replay: Replay, line: Line, tool: Tool, ref: PayloadRef) -> None:
    """Writes to a terminal have no runtime event of their own: what they were called with says it all."""
    if not isinstance(tool.kind, WriteStdin):
        return
    try:
        found = dispatch.stdin_request(replay.payloads.json(ref), replay.payloads.record_text, replay.rules)
    except TraceError as error:
        raise error.within(f"parse terminal invocation payload {ref.raw_payload_id} as dispatch payload") from None
    if found:
        _insert(replay, line, tool, ref, *found)


def start_from_runtime(replay: Replay, line: Line, tool: Tool, ref: PayloadRef) -> None:
    if not isinstance(tool.kind, ExecCommand | WriteStdin):
        return
    payload = replay.payloads.json(ref)
    writes = isinstance(tool.kind, WriteStdin)
    try:
        process_id, request = dispatch.runtime_request(payload, replay.rules, writes=writes)
    except TraceError as error:
        raise error.within(f"parse terminal runtime start payload {ref.raw_payload_id}") from None
    _insert(replay, line, tool, ref, process_id, request)


def _insert(
    replay: Replay,
    line: Line,
    tool: Tool,
    ref: PayloadRef,
    process_id: str | None,
    request: ExecRequest | StdinRequest,
) -> None:
    operations = replay.graph.terminal_operations
    operation_id = f"terminal_operation:{len(operations) + 1}"
    operation = Operation(
        operation_id,
        None,
        tool.tool_call_id,
        "exec_command" if isinstance(request, ExecRequest) else "write_stdin",
        Window(line.at, line.seq),
        request,
        None,
        [],
        [ref.raw_payload_id],
    )
    operations[operation_id] = operation
    tool.terminal_operation_id = operation_id
    tool.summary = TerminalSummary(operation_id)
    if process_id is not None:
        _join(replay, tool.thread_id, operation, process_id)


def end(replay: Replay, line: Line, tool: Tool, status: ExecutionStatus, ref: PayloadRef | None) -> None:
    """A tool ended, and with it the operation it may have had."""
    operation = replay.graph.terminal_operations.get(tool.terminal_operation_id or "")
    if operation is None:
        return
    response = (
        dispatch.response(replay.payloads.json(ref), operation.kind, ref.raw_payload_id, replay.rules) if ref else None
    )
    operation.execution.end(line.at, line.seq, status)
    if ref and response:
        if ref.raw_payload_id not in operation.raw_payload_ids:
            operation.raw_payload_ids.append(ref.raw_payload_id)
        known = replay.runtime.process_ids.get(operation.operation_id)
        if known is not None and response.process_id not in {None, known}:
            raise TraceError(
                f"terminal operation {operation.operation_id} changed process id from {known} to {response.process_id}"
            )
        operation.result = response.result
        if known is None and response.process_id is not None:
            _join(replay, tool.thread_id, operation, response.process_id)


def _join(replay: Replay, thread_id: str, operation: Operation, process_id: str) -> None:
    """The process of an operation is known, and so the session that it belongs to."""
    replay.runtime.process_ids[operation.operation_id] = process_id
    if not replay.rules.numbers_sessions:
        _enter(replay, thread_id, operation, process_id)
        return
    newest = replay.runtime.newest_session[thread_id]
    session_id = newest.get(process_id)
    if session_id is None or operation.kind == "exec_command":
        session_id = f"terminal_session:{operation.operation_id}"
        newest[process_id] = session_id
    _enter(replay, thread_id, operation, session_id)


def _enter(replay: Replay, thread_id: str, operation: Operation, session_id: str) -> None:
    operation.terminal_id = session_id
    session = replay.graph.terminal_sessions.get(session_id)
    if session is None:
        started = Window(operation.execution.started_at_unix_ms, operation.execution.started_seq)
        session = Session(session_id, thread_id, operation.operation_id, [], started)
        replay.graph.terminal_sessions[session_id] = session
    if session.thread_id != thread_id and not replay.rules.numbers_sessions:
        raise TraceError(f"terminal session {session_id} belongs to thread {session.thread_id}, not {thread_id}")
    session.operation_ids.append(operation.operation_id)


def resolve_target(replay: Replay, event: StdinTargetResolved) -> None:
    """It became known to which command a write went."""
    tool = replay.graph.tool_calls.get(event.tool_call_id)
    if tool is None:
        raise TraceError(f"stdin target referenced unknown call {event.tool_call_id}")
    command = replay.graph.tool_calls.get(event.exec_tool_call_id)
    if command is None:
        raise TraceError(f"stdin target referenced unknown exec {event.exec_tool_call_id}")
    target = replay.graph.terminal_operations.get(command.terminal_operation_id or "")
    operation = replay.graph.terminal_operations.get(tool.terminal_operation_id or "")
    if operation is None or target is None or target.terminal_id is None:
        return
    process_ids = replay.runtime.process_ids
    process_ids[operation.operation_id] = process_ids[target.operation_id]
    if operation.terminal_id != target.terminal_id:
        _leave(replay, operation)
        _enter(replay, tool.thread_id, operation, target.terminal_id)


def _leave(replay: Replay, operation: Operation) -> None:
    session = replay.graph.terminal_sessions.get(operation.terminal_id or "")
    if session:
        session.operation_ids.remove(operation.operation_id)
        if not session.operation_ids:
            del replay.graph.terminal_sessions[session.terminal_id]


def observe(graph: Graph) -> None:
    """At the end: what the model was shown of each operation is what its tool is linked with."""
    for operation in graph.terminal_operations.values():
        tool = graph.tool_calls.get(operation.tool_call_id)
        if tool and (tool.model_visible_call_item_ids or tool.model_visible_output_item_ids):
            shown, outputs = tool.model_visible_call_item_ids, tool.model_visible_output_item_ids
            operation.model_observations = [Observation(shown, outputs, "direct_tool_call")]
