"""Where Codex writes its threads down, and what one pass over such a file tells.

A thread is a file `rollout-<time>-<thread>.jsonl`, a subagent's one of its own (observed with 0.169.0; older forms: no
`session_id`, lines that are the items themselves). Files that were not written for days may become `.jsonl.zst`.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from typing import IO

import msgspec

from rollouts.agents import places
from rollouts.agents.codex.records import DECODER, Amounts, Line, Payload, parent_of, said
from rollouts.agents.lines import Lines, parsed
from rollouts.agents.tally import Clock, Tally, moment, tokens
from rollouts.errors import RolloutsError
from rollouts.facts import Progress, Scan, Slip, Source, Usage

IS_EXPORTED = False
_PACKED = ".zst"
_NAME = re.compile(r"rollout-.*?([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.jsonl(\.zst)?\Z")
_DAY = re.compile(r"rollout-(\d{4}-\d\d-\d\d)")
_ITEMS = {
    *("message", "reasoning", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output"),
    *("local_shell_call", "web_search_call", "tool_search_call", "tool_search_output", "image_generation_call"),
    *("agent_message", "additional_tools", "compaction", "compaction_summary", "ghost_snapshot", "other"),
}
_CALLS = {"function_call", "custom_tool_call", "local_shell_call", "web_search_call", "tool_search_call"}
_KNOWN = {
    *("session_meta", "turn_context", "response_item", "event_msg", "token_usage_record", "world_state", "compacted"),
    *("inter_agent_communication", "inter_agent_communication_metadata", "state"),
}
_INJECTED = re.compile(
    r"<(environment_context|user_instructions|INSTRUCTIONS|skill|skills_instructions|permissions|collaboration_mode"
    r"|multi_agent_\w+|subagent_notification|turn_aborted|user_shell_command|tools|apps_instructions|hook_\w+)\b"
    r"|# AGENTS\.md instructions"
)


class _State(msgspec.Struct, omit_defaults=True):
    tally: Tally
    root_id: str = ""
    has_meta: bool = False
    segment: str = ""
    """Whose history this is: a fork begins with a copy of another thread's."""
    is_copy: bool = False
    """A subagent's own history has not begun yet."""
    model: str | None = None
    ordinal: int = 0
    has_records: bool = False
    """Newer versions say what a request took in a line of its own; `token_count` repeats it."""
    total: int = -1


_STATE = msgspec.json.Decoder(_State)


# Where


def _home() -> str:
    return places.folder("CODEX_HOME", "~/.codex")


def sources() -> Iterator[Source | Slip]:
    """What is on this disk, looked at from outside only."""
    for top in ("sessions", "archived_sessions"):
        for folder, names, found in os.walk(f"{_home()}/{top}"):
            names.sort()
            for name in sorted([*found, *(name for name in names if name.endswith(".jsonl"))]):
                if name.startswith("rollout-") and name.endswith((".jsonl", ".jsonl.zst")):
                    yield _source(f"{folder}/{name}")


def _source(path: str) -> Source | Slip:
    found = _NAME.match(os.path.basename(path))
    name = os.fsencode(os.path.basename(path)).decode(errors="replace")
    return places.source(path, found[1] if found else name, "main.jsonl")


def sources_of(session_id: str) -> Iterator[Source | Slip]:
    """One session's part of it, with its subagents, whose threads are younger than it."""
    day = ""
    for found in sources():
        name = os.path.basename(found.key)
        if session_id and name.endswith((f"{session_id}.jsonl", f"{session_id}.jsonl.zst")):
            day = (_DAY.match(name) or [""])[0]
            yield found
        elif day and name[: len(day)] >= day and isinstance(found, Source) and _root(found.key) == session_id:
            yield found


def _unpack(path: str, to: IO[bytes]) -> None:
    """Writes what a compressed log held."""
    from rollouts.agents import unpacked  # noqa: PLC0415 - few logs are compressed

    unpacked.copy(path, to)
    to.flush()


def _opened(path: str) -> IO[bytes]:
    if not path.endswith(_PACKED):
        return open(path, "rb")
    from rollouts.agents import unpacked  # noqa: PLC0415 - as above

    return unpacked.opened(path)


def _root(path: str) -> str | None:
    """The session that a thread's first line names as the one that started it all."""
    try:
        with _opened(path) as file:
            line = parsed(file.readline(1 << 20), DECODER)
    except (OSError, RolloutsError):
        return None
    return (line.payload.session_id or parent_of(line.payload)) if line and line.payload else None


def files(source: Source, scratch: str) -> dict[str, str]:
    """The files that are to be kept of a source: name in the transcript -> path.

    Raises:
        OSError, RolloutsError: a compressed one cannot be read, or written again without that.
    """
    if not source.key.endswith(_PACKED):
        return {source.name: source.key}
    os.makedirs(scratch, exist_ok=True)
    path = f"{scratch}/{source.name}"
    with open(path, "wb") as file:
        _unpack(source.key, file)
    return {source.name: path}


# What


def scan(source: Source, before: Progress | None) -> Scan:
    """What stands in a file; only what is new when it goes on where an earlier look ended.

    Raises:
        OSError: it cannot be read.
        RolloutsError: it is compressed, and cannot be read either.
    """
    with tempfile.TemporaryFile() if source.key.endswith(_PACKED) else open(source.key, "rb") as file:
        if source.key.endswith(_PACKED):
            _unpack(source.key, file)
        lines = Lines(file.fileno(), before)
        reader = _Reader(source, None if before is None or lines.is_anew else before)
        for line in lines:
            reader.take(line)
        reader.unreadable += lines.too_long
        return reader.scan(lines)


class _Reader:
    """One pass over the lines of a file."""

    def __init__(self, source: Source, before: Progress | None) -> None:
        self.source = source
        self.state = _STATE.decode(before.state) if before else _State(Tally(source.root_id))
        self.tally = self.state.tally
        self.unreadable = before.unreadable_lines if before else 0
        self.unknown = before.unknown_records if before else 0
        self.usage: list[Usage] = []
        self.clock = Clock()
        self.prompt: str | None = None

    def take(self, line: bytes) -> None:
        if not line.strip():
            return
        record = parsed(line, DECODER)
        if record is None:
            self.unreadable += 1
            return
        kind, payload = self._typed(record)
        if kind not in _KNOWN:
            self.unknown += 1
        at = moment(record.timestamp)
        self.tally.seen(at)
        if kind == "session_meta":
            self._meta(payload)
        elif kind == "turn_context":
            self._began(payload)
            self.state.model = payload.model or self.state.model
            self.tally.cwd = self.tally.cwd or payload.cwd
        elif kind == "response_item":
            self._item(payload, at)
        elif kind == "token_usage_record" and payload.usage:
            self._record(payload, payload.usage, at)
        elif kind == "event_msg":
            self._event(payload, at)
        elif kind == "compacted" and not self.state.is_copy:
            self.tally.compactions += 1

    @staticmethod
    def _typed(record: Line) -> tuple[str | None, Payload]:
        """What a line is of, and what it holds; one of the oldest form as one of today's."""
        if record.payload is not None:
            return record.type or record.record_type, record.payload
        payload = Payload(type=record.type, id=record.id, role=record.role, content=record.content, git=record.git)
        if record.type in _ITEMS:
            return "response_item", payload
        if record.type is None and record.record_type is None and record.id:
            return "session_meta", payload
        return record.type or record.record_type, payload

    def _meta(self, meta: Payload) -> None:
        self.state.segment = meta.id or self.state.segment
        if self.state.has_meta:  # of the thread whose history was copied, or once more after a compaction
            is_other = bool(meta.id) and meta.id != self.tally.session_id
            self.state.is_copy = is_other and self.tally.relationship == "subagent"
            return
        self.state.has_meta = True
        tally = self.tally
        tally.session_id = meta.id or tally.session_id
        tally.cwd, tally.version = meta.cwd or tally.cwd, meta.cli_version
        tally.git_branch = meta.git.branch if meta.git else None
        parent = parent_of(meta)
        if parent:
            tally.parent_id, tally.relationship = parent, "subagent"
        elif meta.forked_from_id:
            tally.parent_id, tally.relationship = meta.forked_from_id, "fork"
        self.state.root_id = (meta.session_id or parent or "") if parent else tally.session_id
        tally.seen(moment(meta.timestamp))

    def _began(self, turn: Payload) -> None:
        """A turn began; ids of turns and threads grow with time, and one younger than the thread is its own."""
        if turn.turn_id and turn.turn_id > self.tally.session_id:
            self.state.is_copy = False

    def _item(self, item: Payload, at: str | None) -> None:
        if item.type not in _ITEMS:
            self.unknown += 1
        if self.state.is_copy:
            return
        if item.type in _CALLS:
            self.tally.called(item.name, item.arguments, item.input, item.action)
        if item.type in _CALLS or (item.type == "message" and item.role == "assistant"):
            self.tally.messages += 1
            self.tally.assistant_messages += 1
            self.clock.said(self.tally, at, self.state.model or "")
        elif item.type == "message" and item.role == "user":
            self._asked(item, said(item), at)
        elif item.type == "agent_message" and self.tally.relationship == "subagent":
            task, _, text = said(item).partition("Payload:\n")  # which is encrypted, often
            self._asked(item, text.strip() or task.partition("Task name:")[2].partition("\n")[0], at)

    def _asked(self, item: Payload, text: str, at: str | None) -> None:
        """Only what a person, or the thread above, wrote: the surroundings are told in messages of the user, too."""
        kinds = item.passed.content_item_kinds if item.passed else None
        if not any(kind.startswith("user") for kind in kinds) if kinds else _INJECTED.match(text.lstrip()):
            return
        self.tally.messages += 1
        self.tally.user_messages += 1
        self.clock.said(self.tally, at)
        if not self.tally.has_prompt:
            self.tally.has_prompt = True
            self.prompt = text
            self.tally.name(text, 0)

    def _event(self, event: Payload, at: str | None) -> None:
        if event.type == "task_started":
            self._began(event)
        if event.type == "thread_name_updated":
            self.tally.name(event.thread_name, 3)
        if event.success is not None or event.type == "exec_command_end":
            self.tally.ended(badly=event.success is False or tokens(event.exit_code) != 0)
        if event.type != "token_count" or not event.info or not event.info.last_token_usage:
            return
        total = event.info.total_token_usage
        summed = tokens(total.total_tokens) if total else -1
        if self.state.has_records or (total and summed <= self.state.total):
            return
        self.state.total = max(summed, self.state.total)
        key = f"c:{self.state.segment}:{summed}:{tokens(total.input_tokens)}" if total else None
        self._took(event.info.last_token_usage, at, key)

    def _record(self, payload: Payload, amounts: Amounts, at: str | None) -> None:
        self.state.has_records = True
        self._took(amounts, at, f"r:{payload.response_id}" if payload.response_id else None)

    def _took(self, amounts: Amounts, at: str | None, key: str | None) -> None:
        """Input counts what was read from the cache, and written to it, as well: those are told apart here."""
        cached, written = tokens(amounts.cached_input_tokens), tokens(amounts.cache_write_input_tokens)
        usage = Usage(
            *(self.state.ordinal, self.tally.session_id, at, self.state.model or ""),
            *(max(tokens(amounts.input_tokens) - cached - written, 0), tokens(amounts.output_tokens), written, cached),
            reasoning_tokens=tokens(amounts.reasoning_output_tokens),
            dedup_key=key,
        )
        self.state.ordinal += 1
        self.usage.append(usage)
        self.tally.took(usage)

    def scan(self, lines: Lines) -> Scan:
        """All that is known of the file now."""
        tally = self.tally
        tally.model = tally.model or self.state.model
        is_part = tally.relationship == "subagent" and bool(self.state.root_id)
        root_id = self.state.root_id if is_part else tally.session_id
        name = f"{tally.session_id}.jsonl" if is_part else "main.jsonl"
        state = msgspec.json.encode(self.state).decode()
        progress = Progress(lines.offset, lines.marks(), state, self.unreadable, self.unknown)
        return Scan(
            root_id, name, [tally.facts(self.prompt)], self.usage, progress, lines.is_anew, self.clock.moments()
        )
