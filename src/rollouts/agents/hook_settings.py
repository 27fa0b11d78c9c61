"""Hooks in a settings file that is made as Claude Code's are: ours put in, found and taken out.

`{"hooks": {EVENT: [GROUP, ...]}}`, where a group is `{"matcher": ..., "hooks": [HANDLER, ...]}` and a handler
`{"type": "command", "command": ..., "timeout": SECONDS}` (https://code.claude.com/docs/en/hooks,
https://developers.openai.com/codex/hooks).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass

from rollouts.agents import json_edits, spans
from rollouts.agents.installing import Call, Installed
from rollouts.agents.spans import Member, Value

PROGRAM = "rollouts"
EVERY_TOOL = "--every-tool"
_AFTER = [">/dev/null", "||", ":"]
_NEW = "{}\n"


def command(call: Call, agent: str) -> str:
    """A hook's command for /bin/sh, which ends with 0 whatever becomes of the program.

    A `rollouts` that was uninstalled since is passed over in silence, and so is an older one without `hook`: its exit
    code 2 would keep Claude Code from answering, and codex from ever coming to an end.
    """
    program = shlex.quote(call.program)
    words = f"hook {agent} {EVERY_TOOL}" if call.every_tool else f"hook {agent}"
    return f"[ -x {program} ] && {program} {words} {' '.join(_AFTER)}"


def _call(text: str, agent: str) -> Call | None:
    """What a command starts when it is one of ours; None for any other."""
    try:
        words = shlex.split(text)
    except ValueError:  # quotes that do not end
        return None
    if words[:2] == ["[", "-x"] and words[3:5] == ["]", "&&"] and words[2:3] == words[5:6] and words[-3:] == _AFTER:
        words = words[5:-3]
    every_tool = words[-1:] == [EVERY_TOOL]
    if every_tool:
        words.pop()
    if len(words) != 3 or words[1:] != ["hook", agent] or words[0].rpartition("/")[2] != PROGRAM:
        return None
    return Call(words[0], every_tool)


def _number(digits: str) -> int | str:
    """A whole number; Python refuses those of thousands of digits."""
    return int(digits) if len(digits) < 20 else digits


@dataclass(frozen=True)
class Hook:
    """A hook of ours in a settings file."""

    event: str
    group: int
    """The place of its group in the event's list, from 0."""
    place: int
    """Its place in the group, from 0."""
    call: Call
    timeout: object
    line: str
    """Its command."""
    at: Value
    """The handler in the text."""
    held: tuple[tuple[Value, Value | Member], ...]
    """What holds it, from the inside out: an array or object, and the element of it that leads to the hook."""


def _hooks_of(text: str, root: Value, hooks: Member, event: Member, agent: str) -> Iterator[Hook]:
    for number, group in enumerate(event.value.items or ()):
        handlers = group.below("hooks") or group
        for place, handler in enumerate(handlers.items or ()):
            settings = json.loads(text[handler.start : handler.end], parse_int=_number)
            line = settings.get("command") if isinstance(settings, dict) else None
            call = _call(line, agent) if isinstance(line, str) and settings.get("type") == "command" else None
            if call and isinstance(line, str):
                held = ((handlers, handler), (event.value, group), (hooks.value, event), (root, hooks))
                yield Hook(event.key, number, place, call, settings.get("timeout"), line, handler, held)


def found(text: str, agent: str) -> list[Hook]:
    """Our hooks in a settings file, in the order in which they stand there.

    Raises:
        JsonError: it is no JSON.
    """
    root = spans.scan(text)
    hooks = root.member("hooks")
    if hooks is None:
        return []
    events = {event.key: event for event in hooks.value.members or ()}  # of two the last one counts
    return [hook for event in events.values() for hook in _hooks_of(text, root, hooks, event, agent)]


def misshapen(root: Value, events: Container[str]) -> tuple[str, Value] | None:
    """What has another shape than hooks have: what should be an object or a list, and where it stands.

    Args:
        root: the file.
        events: the events to look at.
    """
    if root.members is None:
        return "the settings must be an object", root
    hooks = root.below("hooks")
    if hooks is None:
        return None
    if hooks.members is None:
        return "`hooks` must be an object", hooks
    for member in hooks.members:
        if member.key in events and member.value.items is None:
            return f"`hooks.{member.key}` must be a list", member.value
    return None


def _handler(call: Call, agent: str, timeout: int) -> dict[str, object]:
    return {"type": "command", "command": command(call, agent), "timeout": timeout}


def _without(text: str, hook: Hook, *, keep_places: bool) -> str:
    """A text without one hook, and without what held nothing else."""
    groups = hook.held[1][0]
    if keep_places and hook.group < len(groups.children) - 1:
        return json_edits.dropped(text, *hook.held[0])
    shared = (pair for pair in hook.held if len(pair[0].children) > 1)
    return json_edits.dropped(text, *next(shared, hook.held[-1]))


def _with_new(text: str, event: str, handler: Mapping[str, object]) -> str:
    group = {"hooks": [handler]}
    root = spans.scan(text)
    hooks, groups = root.below("hooks"), root.below("hooks", event)
    if hooks is None:
        return json_edits.added(text, root, {event: [group]}, key="hooks")
    if groups is None:
        return json_edits.added(text, hooks, [group], key=event)
    return json_edits.added(text, groups, group)


def removed(text: str, agent: str, *, keep_places: bool) -> str:
    """A settings file without our hooks; what held nothing but them is gone as well.

    Args:
        text: the file.
        agent: whose it is.
        keep_places: a group that others follow is emptied and stays, for an agent that knows hooks by their places.
    """
    while hooks := found(text, agent):
        text = _without(text, hooks[-1], keep_places=keep_places)
    return text


def _amended(text: str, agent: str, call: Call, events: Mapping[str, int], *, keep_places: bool) -> str:
    """A text with the first hook of ours that is not as it should be put right or taken out."""
    line = command(call, agent)
    seen: set[str] = set()
    for hook in found(text, agent):
        if hook.event not in events or hook.event in seen:
            return _without(text, hook, keep_places=keep_places)
        if hook.timeout != events[hook.event] or hook.line != line:
            return json_edits.replaced(text, hook.at, _handler(call, agent, events[hook.event]))
        seen.add(hook.event)
    return text


def installed(text: str, agent: str, call: Call, events: Mapping[str, int], *, keep_places: bool) -> str:
    """A settings file with our hooks: those that stand there are brought up to date in place, the others come last.

    Args:
        text: the file; white space alone is a new one.
        agent: whose it is.
        call: what the hooks are to start.
        events: event -> the time limit of its hook, in seconds.
        keep_places: as in `removed`.
    """
    text = text if text.strip() else _NEW
    while (better := _amended(text, agent, call, events, keep_places=keep_places)) != text:
        text = better
    there = {hook.event for hook in found(text, agent)}
    for event in (event for event in events if event not in there):
        text = _with_new(text, event, _handler(call, agent, events[event]))
    return text


def state(text: str, agent: str, events: Callable[[bool], Mapping[str, int]]) -> Installed | None:
    """What a settings file has of our hooks.

    Args:
        text: the file.
        agent: whose it is.
        events: whether every tool call counts -> the events that are wanted, with their time limits.
    """
    hooks = found(text, agent)
    if not hooks:
        return None
    limits = events(hooks[0].call.every_tool)
    as_written = {hook.event: hook.timeout for hook in hooks if hook.line == command(hook.call, agent)}
    calls = frozenset(hook.call for hook in hooks)
    return Installed(calls, is_complete=as_written == dict(limits) and len(hooks) == len(limits) and len(calls) == 1)
