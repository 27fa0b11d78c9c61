"""Threads and turns: the agents of a rollout, and what each was asked in turn."""

from __future__ import annotations

from dataclasses import dataclass

from rollouts.trace import decode
from rollouts.trace.decode import Anything
from rollouts.trace.errors import TraceError
from rollouts.trace.events import Line, ThreadEnded, ThreadResumed, ThreadStarted, TurnEnded, TurnStarted
from rollouts.trace.jsontext import JsonError
from rollouts.trace.model import Thread, Turn, Window
from rollouts.trace.reducer import cells, inference
from rollouts.trace.reducer.agents import spawn_edge_id
from rollouts.trace.reducer.state import Replay
from rollouts.trace.values import PayloadRef, Root, Spawned


@dataclass(frozen=True, slots=True)
class _Metadata:
    RUST = "struct ThreadStartedMetadata"
    agent_path: str | None
    task_name: str | None
    nickname: str | None
    agent_role: str | None
    model: str | None
    session_source: Anything | None


_NOTHING = _Metadata(None, None, None, None, None, None)


def start(replay: Replay, line: Line, event: ThreadStarted) -> None:
    thread_id = event.thread_id
    if thread_id in replay.graph.threads:
        raise TraceError(f"duplicate thread start for {thread_id}")
    metadata = _metadata(replay, event.metadata_payload) if event.metadata_payload else _NOTHING
    spawn = _spawn(metadata)
    own_path = _text(spawn, "agent_path")
    own_path = metadata.agent_path if own_path is None else own_path
    path = event.agent_path if own_path is None else own_path
    origin = _origin(thread_id, spawn, metadata, own_path, path) if spawn else Root()
    execution = Window(line.at, line.seq)
    replay.graph.threads[thread_id] = Thread(thread_id, path, metadata.nickname, origin, execution, metadata.model)


def _metadata(replay: Replay, ref: PayloadRef) -> _Metadata:
    try:
        return decode.struct(_Metadata)(replay.payloads.json(ref))
    except JsonError as error:
        words = decode.words(error, keeps_spelling=replay.rules.keeps_spelling)
        raise TraceError(f"parse thread metadata {ref.raw_payload_id}", (words,)) from None


def _spawn(metadata: _Metadata) -> dict[str, object] | None:
    """How the thread was spawned, when it says by which."""
    found = metadata.session_source
    for name in ("subagent", "thread_spawn"):
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) and isinstance(found.get("parent_thread_id"), str) else None


def _text(fields: dict[str, object] | None, name: str) -> str | None:
    value = (fields or {}).get(name)
    return value if isinstance(value, str) else None


def _origin(thread_id: str, spawn: dict[str, object], metadata: _Metadata, own_path: str | None, path: str) -> Spawned:
    parent = _text(spawn, "parent_thread_id") or ""
    named = (_text(spawn, "task_name"), metadata.task_name, None if own_path is None else _last_segment(own_path))
    task = next((name for name in named if name is not None), _last_segment(path))
    role = _text(spawn, "agent_role")
    role = metadata.agent_role if role is None else role
    return Spawned(parent, spawn_edge_id(parent, thread_id), task, role or "")


def _last_segment(path: str) -> str:
    segments = [segment for segment in path.split("/") if segment]
    return segments[-1] if segments else path


def end(replay: Replay, line: Line, event: ThreadEnded) -> None:
    replay.thread(event.thread_id).execution.end(line.at, line.seq, event.status)


def resume(replay: Replay, event: ThreadResumed) -> None:
    try:
        execution = replay.thread(event.thread_id).execution
    except TraceError as error:
        raise error.within(
            f"cannot resume thread {event.thread_id}: it was not started in this trace; "
            "resuming threads from an earlier trace is not supported"
        ) from None
    if execution.ended_at_unix_ms is None:
        raise TraceError(f"resumed thread {event.thread_id} has not ended")
    execution.ended_at_unix_ms = execution.ended_seq = None
    execution.status = "running"
    for handles in (replay.runtime.cells_of_runtime, replay.runtime.newest_session):
        handles.pop(event.thread_id, None)  # it is another process that runs it now


def start_turn(replay: Replay, line: Line, event: TurnStarted) -> None:
    if event.codex_turn_id in replay.graph.codex_turns:
        raise TraceError(f"duplicate codex turn start for {event.codex_turn_id}")
    replay.thread(event.thread_id)
    turn = Turn(event.codex_turn_id, event.thread_id, Window(line.at, line.seq))
    replay.graph.codex_turns[event.codex_turn_id] = turn


def end_turn(replay: Replay, line: Line, event: TurnEnded) -> None:
    turn_id, thread_id = event.codex_turn_id, line.envelope.thread_id
    turn = replay.graph.codex_turns.get(turn_id)
    if turn is None:
        raise TraceError(f"codex turn end referenced unknown turn {turn_id}")
    if thread_id is not None and turn.thread_id != thread_id:
        raise TraceError(
            f"codex turn end for {turn_id} used thread {thread_id}, but the turn belongs to {turn.thread_id}"
        )
    turn.execution.end(line.at, line.seq, event.status)
    cells.close_running(replay, line, turn_id, event.status)
    inference.close_running(replay, line, turn_id, event.status)
