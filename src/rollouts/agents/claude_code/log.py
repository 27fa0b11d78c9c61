"""Where Claude Code writes its sessions down, and what one pass over such a file tells.

A session is a file below `projects`; a subagent's is one of its own, in the session's folder (older: beside it). Lines
that share a `message.id` are one message of the model, with the same usage (observed with 2.1.197).
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import msgspec

from rollouts.agents import places
from rollouts.agents.claude_code.records import DECODER, Block, Line, Message
from rollouts.agents.lines import Lines, parsed
from rollouts.agents.tally import Clock, Tally, moment, tokens
from rollouts.facts import Progress, Scan, Slip, Source, Usage

IS_EXPORTED = False
_LINES = ".jsonl"
_SUBAGENT = "agent-"
_RECENT = 32
"""Messages whose further lines are told from new ones: parallel answers mix, but not over many."""
_RETRIES = 3
"""Turns that are left behind by an edited prompt; from more of them on it is a branch of its own."""
_INTERRUPTED = "[Request interrupted by user"
_NOT_TYPED = (
    *("<local-command-", "<bash-stdout>", "<bash-stderr>", "<task-notification>", "<system-reminder>"),
    *("<user-prompt-submit-hook>", "<teammate-message", "Caveat: The messages below"),
)
_COUNTED = {"user", "assistant", "system"}
_KNOWN = {
    *_COUNTED,
    *("attachment", "queue-operation", "last-prompt", "mode", "permission-mode", "summary", "custom-title", "ai-title"),
    *("file-history-snapshot", "progress", "agent-name", "agent-color", "agent-setting", "tag", "pr-link"),
    *("attribution-snapshot", "content-replacement", "worktree-state", "relocated", "ended-by-model"),
}


class _Answer(msgspec.Struct, array_like=True):
    """A message of the model whose lines may go on."""

    ordinal: int
    output: int
    key: str | None = None
    number: int = 0
    """How many messages its session had with it."""


class _State(msgspec.Struct, omit_defaults=True):
    tallies: list[Tally]
    """The session's own, and one for each branch that left many turns behind."""
    answers: dict[str, _Answer] = {}
    ordinal: int = 0
    prompts: list[str] = []
    """Where the turns of the trunk began: the line before each prompt."""


_STATE = msgspec.json.Decoder(_State)


# Where


def _projects() -> list[os.DirEntry[str]]:
    """The folders of projects, each once, whatever links there are."""
    found: dict[str, os.DirEntry[str]] = {}
    for entry in places.entries(f"{places.folder('CLAUDE_CONFIG_DIR', '~/.claude')}/projects"):
        if entry.is_dir():
            found.setdefault(os.path.realpath(entry.path), entry)
    return list(found.values())


def sources() -> Iterator[Source | Slip]:
    """What is on this disk, looked at from outside only."""
    for project in _projects():
        yield from _in_project(project.path)


def _stem(path: str) -> str:
    """The session that a file's name says, as text that can be stored."""
    return os.fsencode(os.path.basename(path).removesuffix(_LINES)).decode(errors="replace")


def _in_project(project: str) -> Iterator[Source | Slip]:
    try:
        found = places.entries(project)
    except OSError as error:
        yield Slip(project, error.strerror or str(error))
        return
    for entry in found:
        if entry.name.endswith(_LINES):
            stem = _stem(entry.name)
            is_old_subagent = stem.startswith(_SUBAGENT)
            yield places.source(
                entry.path, "" if is_old_subagent else stem, entry.name if is_old_subagent else "main.jsonl"
            )
        elif entry.is_dir():
            yield from _subagents(entry.path, _stem(entry.name))


def _subagents(folder: str, root_id: str) -> Iterator[Source | Slip]:
    for path, _, names in os.walk(f"{folder}/subagents"):
        for name in sorted(names):
            if name.startswith(_SUBAGENT) and name.endswith(_LINES):
                yield places.source(f"{path}/{name}", root_id, name)


def sources_of(session_id: str) -> Iterator[Source | Slip]:
    """One session's part of it, with its subagents."""
    if not session_id or "/" in session_id or session_id.startswith("."):
        return
    for project in _projects():
        path = f"{project.path}/{session_id}{_LINES}"
        if os.path.lexists(path):
            yield places.source(path, session_id, "main.jsonl")
            yield from _old_subagents(project.path, session_id)
        yield from _subagents(f"{project.path}/{session_id}", session_id)


def _old_subagents(project: str, session_id: str) -> Iterator[Source | Slip]:
    """Subagents whose files lie beside those of the sessions: the first line says whose they are."""
    for entry in places.entries(project):
        if entry.name.startswith(_SUBAGENT) and entry.name.endswith(_LINES) and entry.is_file():
            try:
                with open(entry.path, "rb") as file:
                    line = parsed(file.readline(1 << 20), DECODER)
            except OSError as error:
                yield Slip(entry.path, error.strerror or str(error))
                continue
            if line and line.session_id == session_id:
                yield places.source(entry.path, session_id, entry.name)


def files(source: Source, scratch: str) -> dict[str, str]:  # noqa: ARG001 - other agents need it
    """The files that are to be kept of a source: name in the transcript -> path."""
    found = {source.name: source.key}
    meta = source.key.removesuffix(_LINES) + ".meta.json"
    if source.name != "main.jsonl" and os.path.isfile(meta):
        found[source.name.removesuffix(_LINES) + ".meta.json"] = meta
    return found


# What


def scan(source: Source, before: Progress | None) -> Scan:
    """What stands in a file; only what is new when it goes on where an earlier look ended.

    Raises:
        OSError: it cannot be read.
    """
    fd = os.open(source.key, os.O_RDONLY | os.O_CLOEXEC)
    try:
        lines = Lines(fd, before)
        reader = _Reader(source, None if before is None or lines.is_anew else before)
        for line in lines:
            reader.take(line)
        reader.unreadable += lines.too_long
        return reader.scan(lines)
    finally:
        os.close(fd)


class _Reader:
    """One pass over the lines of a file."""

    def __init__(self, source: Source, before: Progress | None) -> None:
        self.source = source
        stem = _stem(source.key)
        self.state = _STATE.decode(before.state) if before else _State([Tally(stem)])
        self.unreadable = before.unreadable_lines if before else 0
        self.unknown = before.unknown_records if before else 0
        self.usage: dict[int, Usage] = {}
        self.clock = Clock()
        self.prompts: dict[str, str] = {}
        self.here = self.state.tallies[-1]

    def take(self, line: bytes) -> None:
        if not line.strip():
            return
        record = parsed(line, DECODER)
        if record is None:
            self.unreadable += 1
            return
        if record.type not in _KNOWN:
            self.unknown += 1
        if record.type == "user" and record.message:
            self._asked(record, record.message)
        elif record.type == "assistant" and record.message:
            self._answered(record, record.message)
        self._place(record)
        self._titled(record)

    def _place(self, record: Line) -> None:
        """Where and when it was, and which session it belongs to."""
        tally, trunk = self.here, self.state.tallies[0]
        if record.type in _COUNTED:
            tally.seen(moment(record.timestamp))
            tally.cwd = tally.cwd or record.cwd
            tally.git_branch = record.git_branch or tally.git_branch
            tally.version = record.version or tally.version
        if trunk.relationship is None and record.session_id and record.session_id != trunk.session_id:
            trunk.parent_id = record.session_id
            trunk.relationship = "subagent" if trunk.session_id.startswith(_SUBAGENT) else "continuation"
        if trunk.relationship is None and record.forked_from and record.forked_from.session_id:
            trunk.parent_id, trunk.relationship = record.forked_from.session_id, "fork"

    def _titled(self, record: Line) -> None:
        trunk = self.state.tallies[0]
        if record.type == "custom-title":
            trunk.name(record.custom_title, 3)
        elif record.type == "ai-title":
            trunk.name(record.ai_title, 2)
        elif record.type == "summary" and trunk.messages:  # at the top of a file it is of another session
            trunk.name(record.summary, 1)

    def _asked(self, record: Line, message: Message) -> None:
        text = _text(message.content)
        if text is None:
            for block in message.content or []:
                if isinstance(block, Block) and block.type == "tool_result":
                    self.here.ended(badly=block.is_error is True)
            return
        is_prompt = not (record.is_meta or record.is_summary) and not text.startswith((_INTERRUPTED, *_NOT_TYPED))
        if is_prompt:
            self._branch(record)
        self.here.messages += 1
        self.here.compactions += record.is_summary is True
        self.clock.said(self.here, moment(record.timestamp))
        if is_prompt:
            self.here.user_messages += 1
            if not self.here.has_prompt:
                self.here.has_prompt = True
                self.prompts[self.here.session_id] = text
                self.here.name(_typed(text), 0)

    def _branch(self, record: Line) -> None:
        """A prompt that leaves more than a few turns behind begins a branch, which is a session of its own."""
        if record.parent_uuid is None or len(self.state.tallies) > 1:
            return
        short = record.parent_uuid[:13]
        begun = self.state.prompts
        at = begun.index(short) if short in begun else len(begun)
        if len(begun) - at <= _RETRIES:
            begun.append(short)
            return
        trunk = self.state.tallies[0]
        branch = f"{trunk.session_id}-{record.uuid or short}"
        self.here = Tally(branch, trunk.session_id, "fork")
        self.state.tallies.append(self.here)

    def _answered(self, record: Line, message: Message) -> None:
        blocks = message.content if isinstance(message.content, list) else []
        for block in blocks:
            if block.type in {"tool_use", "server_tool_use"}:
                self.here.called(block.name, block.input)
        answers = self.state.answers
        known = answers.get(message.id) if message.id else None
        is_last = known is None or known.number == self.here.messages
        if known is None:
            self.here.messages += 1
            self.here.assistant_messages += 1
            known = _Answer(-1, 0, number=self.here.messages)
            if message.id:
                answers[message.id] = known
                while len(answers) > _RECENT:
                    del answers[next(iter(answers))]
        if is_last:
            self.clock.said(self.here, moment(record.timestamp), message.model or "")
        usage = self._usage(record, message, known)
        if usage:
            self.usage[usage.ordinal] = usage

    def _usage(self, record: Line, message: Message, known: _Answer) -> Usage | None:
        """What an answer took, if its earlier lines did not say it: while it streams its output grows."""
        took = message.usage
        if took is None or not message.model or message.model == "<synthetic>":
            return None
        output = tokens(took.output_tokens)
        if known.ordinal >= 0 and output <= known.output:
            return None
        grown = output - known.output
        if known.ordinal < 0:
            known.ordinal = self.state.ordinal
            known.key = f"u:{record.uuid}" if record.uuid else None
            if message.id and record.request_id:
                known.key = f"m:{message.id}:{record.request_id}"
            self.state.ordinal += 1
        known.output = output
        usage = Usage(
            *(known.ordinal, self.here.session_id, moment(record.timestamp), message.model),
            *(tokens(took.input_tokens), output),
            *(tokens(took.cache_creation_input_tokens), tokens(took.cache_read_input_tokens)),
            reasoning_tokens=tokens(took.reasoning_tokens),
            dedup_key=known.key,
        )
        self.here.took(usage._replace(output_tokens=grown))
        return usage

    def scan(self, lines: Lines) -> Scan:
        """All that is known of the file now."""
        trunk = self.state.tallies[0]
        root_id = trunk.parent_id if trunk.relationship == "subagent" and trunk.parent_id else self.source.root_id
        state = msgspec.json.encode(self.state).decode()
        progress = Progress(lines.offset, lines.marks(), state, self.unreadable, self.unknown)
        facts = [tally.facts(self.prompts.get(tally.session_id)) for tally in self.state.tallies]
        usage = [self.usage[ordinal] for ordinal in sorted(self.usage)]
        return Scan(
            root_id or trunk.session_id, self.source.name, facts, usage, progress, lines.is_anew, self.clock.moments()
        )


def _text(content: str | list[Block] | None) -> str | None:
    """What a user's line says; None for one that holds only results of tools."""
    if isinstance(content, str):
        return content
    said = [block for block in content or [] if block.type != "tool_result"]
    return "\n".join(block.text for block in said if block.text) if said else None


def _typed(text: str) -> str:
    """A prompt as the user typed it: a command stands in tags (`<command-name>/x</command-name>`)."""
    if not text.startswith("<command-"):
        return text
    name, arguments = (text.partition(f"<command-{tag}>")[2].partition("<")[0] for tag in ("name", "args"))
    return f"{name} {arguments}".strip() or text
