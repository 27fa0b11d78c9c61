"""What Claude Code put beside a prompt or a result: lists of skills, reminders, hooks' words, files, queued prompts.

It has the record turned into text for the model by templates of its own, which the record lacks: kept here is what the
record holds. Some kinds never reach the model; some reach it as a fixed text that no record has.
"""

from __future__ import annotations

from rollouts.agents.drafting import Draft, Talk, kind_of, texts, word
from rollouts.agents.session import Fields, Part

_UNSEEN = {
    "already_read_file",
    "command_permissions",
    "context_efficiency",
    "dynamic_skill",
    "edited_image_file",
    "hook_cancelled",
    "hook_error_during_execution",
    "hook_non_blocking_error",
    "hook_permission_decision",
    "hook_system_message",
    "structured_output",
}
"""Kinds that are shown to the person at most."""
_HEARD_HOOKS = {"SessionStart", "UserPromptSubmit", "UserPromptExpansion"}
"""Events of which a hook's output is given to the model also when all is well."""
_TEXTS = ("content", "prompt", "addedLines", "addedBlocks", "addedContent", "snippet", "blockingError", "message")
_BULK = {"type", "filename", "displayPath", "path", "isInitial", "skillCount", "itemCount", "addedTypes", "names"}


def is_seen(attachment: Fields) -> bool:
    """Whether the model is given it."""
    kind = kind_of(attachment)
    if kind == "hook_success":
        return kind_of(attachment, "hookEvent") in _HEARD_HOOKS and bool(attachment.get("content"))
    return kind not in _UNSEEN


def draft(attachment: Fields, talk: Talk) -> Draft:
    """An attachment as a message."""
    kind = kind_of(attachment)
    found = Draft("user", _parts(attachment), kind, is_injected=not _is_asked(attachment))
    found.is_visible = is_seen(attachment)
    if found.is_visible and not found.parts:
        talk.notes[f"of a {kind} the model saw a text that the transcript does not hold"] += 1
    return found


def _is_asked(attachment: Fields) -> bool:
    """Whether it is what the person typed while the model was at work."""
    is_typed = kind_of(attachment, "commandMode") in {"", "prompt"} and attachment.get("origin") is None
    return attachment.get("type") == "queued_command" and is_typed


def _parts(attachment: Fields) -> list[Part]:
    for key in _TEXTS:
        value = attachment.get(key)
        if isinstance(value, list) and value and all(isinstance(line, str) for line in value):
            return [Part("text", "\n".join(value))]
        if word(value) or (isinstance(value, list) and value):
            return texts(value)
        if isinstance(value, dict):
            return _of_object(value)
    rest = {key: value for key, value in attachment.items() if key not in _BULK and value not in (None, "", [])}
    return [Part(kind_of(attachment) or "value", raw=attachment)] if rest else []


def _of_object(value: Fields) -> list[Part]:
    """A file's text where it has one, else the object."""
    inner = value.get("file")
    content = inner.get("content") if isinstance(inner, dict) else value.get("blockingError")
    return [Part("text", content)] if isinstance(content, str) else [Part(kind_of(value) or "value", raw=value)]
