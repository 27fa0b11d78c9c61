"""trace reduce, show, conversation."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rollouts import whole
from rollouts.commands import output
from rollouts.commands.capture import shown
from rollouts.commands.options import AsJson
from rollouts.errors import RolloutsError
from rollouts.trace.errors import TraceError

if TYPE_CHECKING:  # the reducer costs 100 ms to import, which other commands must not pay
    from rollouts.trace.reducer import Diagnostic
    from rollouts.trace.timeline import Moment, State
    from rollouts.trace.transcript import Conversation

_Bundle = Annotated[str, typer.Argument(metavar="BUNDLE", help="The folder that a recorder wrote.")]


class Format(StrEnum):
    """How a conversation is written."""

    JSON = "json"
    SFT = "sft"


def _refuse(error: TraceError) -> typer.Exit:
    """Says what is wrong with a bundle, in as many lines as it has causes, each made harmless."""
    lines = error.report().split("\n")
    harmless = ("".join(char if char.isprintable() else repr(char)[1:-1] for char in line) for line in lines)
    output.say("\n".join(harmless))
    return typer.Exit(1)


def _warn(left_out: list[Diagnostic], where: str) -> None:
    if left_out:
        things = "one thing was" if len(left_out) == 1 else f"{len(left_out)} things were"
        output.warn([f"{things} left out, for instance: {_words(left_out[0])}; {where}"])


def _words(left_out: Diagnostic) -> str:
    place = "" if left_out.line is None else f"line {left_out.line}: "
    return "".join(char if char.isprintable() else " " for char in place + left_out.message)


def _write(path: str, chunks: Iterable[str]) -> None:
    """Writes a file whole or not at all.

    Raises:
        RolloutsError: there is no place for it.
    """
    with whole.replaced(whole.target(path)) as file:
        file.writelines(chunk.encode(errors="surrogatepass") for chunk in chunks)


def reduce(
    bundle: _Bundle,
    out: Annotated[str | None, typer.Option("--out", "-o", metavar="FILE", help="Where, if not in BUNDLE.")] = None,
    tolerant: Annotated[bool, typer.Option("--tolerant", help="Go as far as it goes.")] = False,
) -> None:
    """Reduce a recorded bundle to its state.json.

    Prints the path of what it wrote. A bundle that breaks a rule of the format is refused, in the words of
    `codex debug trace-reduce`; --tolerant leaves out what cannot be used, and lists it under `diagnostics`.

    Example: rollouts trace reduce trace-1f0c-2b7d
    """
    from rollouts.trace import reducer, render  # noqa: PLC0415 - see above

    path = out or os.path.join(bundle, "state.json")
    try:
        if tolerant:
            graph, left_out = reducer.reduce_tolerantly(bundle)
            _write(path, render.chunks(graph, left_out))
            _warn(left_out, f"`diagnostics` in {path} lists all")
        else:
            _write(path, render.chunks(reducer.reduce(bundle)))
    except TraceError as error:
        raise _refuse(error) from None
    output.line(path)


def _state(path: str) -> tuple[State, list[Diagnostic]]:
    """What a bundle reduces to, as far as it goes; or what a state.json says."""
    from rollouts.trace import reducer, render, timeline  # noqa: PLC0415 - see above

    if os.path.isdir(path):
        graph, left_out = reducer.reduce_tolerantly(path)
        return timeline.parsed(render.text(graph)), left_out
    try:
        with open(path, encoding="utf-8") as file:
            return timeline.parsed(file.read()), []
    except UnicodeDecodeError:
        raise RolloutsError(f"{path} is neither a bundle nor a state.json; name one of the two") from None


def _moment_json(moment: Moment) -> dict[str, Any]:
    return {"at_unix_ms": moment.at, **{key: value for key, value in asdict(moment).items() if key != "at"}}


def show(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE|STATE", help="A recorded folder, or its state.json.")],
    as_json: AsJson = False,
) -> None:
    """Show what happened in a rollout, moment by moment.

    Threads, turns, calls of models with their tokens, tools with what they printed, what agents did to each
    other, and compactions. A bundle that is torn is shown as far as it goes.

    Example: rollouts trace show trace-1f0c-2b7d
    """
    from rollouts.trace import timeline  # noqa: PLC0415 - see above

    try:
        state, left_out = _state(bundle)
        found = timeline.moments(state)
    except TraceError as error:
        raise _refuse(error) from None
    if as_json:
        head = {key: state.get(key) for key in ("trace_id", "rollout_id", "status", "started_at_unix_ms")}
        lists = {"moments": list(map(_moment_json, found)), "diagnostics": [asdict(one) for one in left_out]}
        output.document(head | lists)
        return
    _warn(left_out, "`rollouts trace show --json` lists all")
    _print(state, found)


def _print(state: State, found: list[Moment]) -> None:
    output.line(f"rollout {shown(str(state.get('rollout_id')))}: {state.get('status')}")
    paths = {key: thread["agent_path"] for key, thread in state["threads"].items()}
    start = found[0].at if found else 0
    rows = [
        (
            _span(moment.at - start),
            paths.get(moment.thread_id or "", "-"),
            moment.kind,
            moment.what,
            _span(moment.duration_ms),
            moment.status or "",
        )
        for moment in found
    ]
    headings = ("Time", "Agent", "Kind", "What", "Took", "Status")
    output.table(headings, rows, right=(0, 4), cut=(1, 3))


def _span(milliseconds: int | None) -> str:
    if milliseconds is None:
        return "-"
    seconds = milliseconds / 1000
    return f"{seconds:.2f} s" if abs(seconds) < 60 else f"{seconds / 60:.1f} min"


def _conversation_json(found: Conversation) -> dict[str, Any]:
    return {
        "thread_id": found.thread_id,
        "agent_path": found.agent_path,
        "model": found.inference.model,
        "inference_call_id": found.inference.inference_call_id,
        "messages": found.messages(),
        "tools": found.tools,
        "request": found.request,
        "response": found.response,
    }


def _sft_row(found: Conversation) -> dict[str, Any]:
    from rollouts.trace import transcript  # noqa: PLC0415 - see above

    messages = found.messages()
    while messages and messages[-1]["role"] != "assistant":
        messages.pop()
    return {
        "thread_id": found.thread_id,
        "agent_path": found.agent_path,
        "model": found.inference.model,
        "messages": messages,
        "tools": transcript.function_schemas(found.tools),
    }


def conversation(
    bundle: _Bundle,
    thread: Annotated[str | None, typer.Option("--thread", metavar="ID", help="Only that agent's.")] = None,
    form: Annotated[
        Format, typer.Option("--format", help="One document, or a line a thread for training.")
    ] = Format.JSON,
) -> None:
    """Print the conversation that a model saw.

    For each thread: the exact request of its last answered inference, with the system text and the tools,
    and the answer; as messages and as they were sent.

    Example: rollouts trace conversation trace-1f0c-2b7d --format sft
    """
    from rollouts.trace import reducer, transcript  # noqa: PLC0415 - see above

    try:
        graph, left_out = reducer.reduce_tolerantly(bundle)
        found = transcript.conversations(bundle, graph, thread)
    except TraceError as error:
        raise _refuse(error) from None
    _warn(left_out, "`rollouts trace show --json` lists all")
    if form is Format.JSON:
        output.document({"conversations": [_conversation_json(one) for one in found]})
        return
    for one in found:
        sys.stdout.write(json.dumps(_sft_row(one), ensure_ascii=False) + "\n")
