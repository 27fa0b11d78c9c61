"""What tools were called with and what they gave back, as far as terminals go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeVar

from rollouts.trace import decode
from rollouts.trace.decode import I32, U64, USIZE, Anything
from rollouts.trace.errors import TraceError
from rollouts.trace.jsontext import Json, JsonError, Number, compact
from rollouts.trace.model import ExecRequest, StdinRequest, TerminalResult
from rollouts.trace.reducer.rules import Rules
from rollouts.trace.serde import explained

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Begin:
    RUST: ClassVar = "struct ExecCommandBeginPayload"
    process_id: str | None
    command: list[str]
    cwd: str
    interaction_input: str | None


@dataclass(frozen=True, slots=True)
class _End:
    RUST: ClassVar = "struct ExecCommandEndPayload"
    process_id: str | None
    stdout: str
    stderr: str
    exit_code: I32
    formatted_output: str


@dataclass(frozen=True, slots=True)
class _AggregatedEnd:
    RUST: ClassVar = "struct ExecCommandEndPayload"
    process_id: str | None
    aggregated_output: str = field(metadata={"lacking": ""})
    exit_code: I32


@dataclass(frozen=True, slots=True)
class _Call:
    RUST: ClassVar = "struct DispatchedToolPayload"
    kind: str = field(metadata={"key": "type"})
    arguments: str | None


@dataclass(frozen=True, slots=True)
class _Dispatched:
    RUST: ClassVar = "struct DispatchedToolTraceRequestPayload"
    tool_name: str
    payload: _Call


@dataclass(frozen=True, slots=True)
class _StdinArguments:
    RUST: ClassVar = "struct DispatchedWriteStdinArgs"
    session_id: Anything
    chars: str = ""
    yield_time_ms: U64 | None = None
    max_output_tokens: USIZE | None = None


@dataclass(frozen=True, slots=True)
class _Direct:
    TAG: ClassVar = "direct_response"
    ENUM: ClassVar = "DispatchedToolTraceResponsePayload"
    response_item: Anything


@dataclass(frozen=True, slots=True)
class _CodeMode:
    TAG: ClassVar = "code_mode_response"
    value: Anything


@dataclass(frozen=True, slots=True)
class _Error:
    TAG: ClassVar = "error"
    error: str


@dataclass(frozen=True, slots=True)
class _CodeModeResult:
    chunk_id: str | None
    exit_code: I32 | None
    original_token_count: USIZE | None
    output: str


@dataclass(frozen=True, slots=True)
class Response:
    """How an operation ended; `process_id` is None when that was not said."""

    process_id: str | None
    result: TerminalResult


def _typed(shape: type[T], value: Json, rules: Rules) -> T:
    try:
        return decode.struct(shape)(value)
    except JsonError as error:
        raise TraceError(decode.words(error, keeps_spelling=rules.keeps_spelling)) from None


def runtime_request(payload: Json, rules: Rules, *, writes: bool) -> tuple[str | None, ExecRequest | StdinRequest]:
    """The process and the request that a runtime event speaks of.

    Raises:
        TraceError: it is of another shape.
    """
    begun = _typed(_Begin, payload, rules)
    if writes:
        return begun.process_id, StdinRequest(begun.interaction_input or "", None, None)
    return begun.process_id, ExecRequest(begun.command, " ".join(begun.command), begun.cwd, None, None)


def stdin_request(payload: Json, parse: Callable[[str], Json], rules: Rules) -> tuple[str, StdinRequest] | None:
    """The process and the request of a dispatched write. Returns None for bad arguments that are forgiven.

    Raises:
        TraceError: it is no write.
    """
    dispatched = _typed(_Dispatched, payload, rules)
    if dispatched.tool_name != "write_stdin":
        raise TraceError(f"dispatch terminal request is for {dispatched.tool_name}, not write_stdin")
    call = dispatched.payload
    if call.kind != "function":
        raise TraceError(f"write_stdin dispatch payload used unsupported {call.kind} payload")
    if call.arguments is None:
        raise TraceError("write_stdin dispatch payload omitted function arguments")
    try:
        return _stdin_arguments(call.arguments, parse)
    except TraceError:
        if rules.forgives_stdin:
            return None
        raise


def _stdin_arguments(text: str, parse: Callable[[str], Json]) -> tuple[str, StdinRequest]:
    try:
        given = decode.struct(_StdinArguments)(parse(text))
    except JsonError as error:
        cause = explained(text.encode(), error)
        raise TraceError("parse write_stdin dispatch function arguments", (cause,)) from None
    session = given.session_id
    if isinstance(session, bool) or not isinstance(session, str | int | Number) or session == "":
        raise TraceError("write_stdin dispatch payload omitted session_id")
    process_id = session.text if isinstance(session, Number) else str(session)
    return process_id, StdinRequest(given.chars, given.yield_time_ms, given.max_output_tokens)


def response(payload: Json, kind: Literal["exec_command", "write_stdin"], payload_id: str, rules: Rules) -> Response:
    """How an operation ended, by its runtime's or its dispatcher's words.

    Raises:
        TraceError: it is of another shape.
    """
    try:
        return _runtime_response(payload, rules)
    except TraceError as error:
        if kind == "exec_command":
            raise error.within(f"parse exec terminal response {payload_id}") from None
        words = error.message
    try:
        return Response(None, _dispatched_response(payload))
    except TraceError as error:
        raise error.within(
            f"parse write_stdin terminal response {payload_id} as protocol payload ({words}) or dispatch payload"
        ) from None


def _runtime_response(payload: Json, rules: Rules) -> Response:
    if rules.aggregates_output:
        end = _typed(_AggregatedEnd, payload, rules)
        return Response(end.process_id, TerminalResult(end.exit_code, end.aggregated_output, "", None, None, None))
    full = _typed(_End, payload, rules)
    result = TerminalResult(full.exit_code, full.stdout, full.stderr, full.formatted_output, None, None)
    return Response(full.process_id, result)


_dispatched = decode.decoder(_Direct | _CodeMode | _Error)


def _dispatched_response(payload: Json) -> TerminalResult:
    try:
        found: _Direct | _CodeMode | _Error = _dispatched(payload)
    except JsonError as error:  # what is told apart by a tag is read a second time, with plain numbers
        raise TraceError(str(error)) from None
    if isinstance(found, _Error):
        return TerminalResult(None, "", found.error, found.error, None, None)
    if isinstance(found, _CodeMode):
        return _code_mode(found.value)
    item: Json = found.response_item  # type: ignore[assignment] # it came out of parsed JSON
    output = item.get("output") if isinstance(item, dict) else None
    return _shown(_text(output) if output is not None else None, item)


def _shown(text: str | None, value: Json) -> TerminalResult:
    shown = compact(value) if text is None else text
    return TerminalResult(None, shown, "", shown, None, None)


def _code_mode(value: object) -> TerminalResult:
    try:
        result = decode.struct(_CodeModeResult)(value)
    except JsonError:
        whole: Json = value  # type: ignore[assignment] # it came out of parsed JSON
        return _shown(_text(whole), whole)
    return TerminalResult(
        result.exit_code, result.output, "", result.output, result.original_token_count, result.chunk_id
    )


def _text(value: Json) -> str | None:
    """The text that a value shows: itself, or the texts of its entries."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        texts = [entry.get("text") for entry in value if isinstance(entry, dict)]
        return "\n".join(text for text in texts if isinstance(text, str)) or None
    return None if value is None else compact(value)
