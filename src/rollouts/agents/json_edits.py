"""Changes of a JSON text that leave every other byte as it is, laid out as the text around them is."""

from __future__ import annotations

import json
from dataclasses import dataclass

from rollouts.agents.spans import Member, Value, scan

_SPACE = " \t\r\n"


@dataclass(frozen=True)
class _Layout:
    """How a text is laid out."""

    newline: str
    """Its line end; empty when all stands on one line."""
    step: str
    """What a level is indented by."""
    roomy: bool
    """Whether a space stands after a colon."""

    def inline(self, value: object) -> str:
        separators = (", ", ": ") if self.roomy else (",", ":")
        return json.dumps(value, separators=separators, ensure_ascii=False)

    def folded(self, value: object, margin: str) -> str:
        lines = json.dumps(value, indent=self.step or "  ", ensure_ascii=False).split("\n")
        return ((self.newline or "\n") + margin).join(lines)

    def lead(self, key: str | None) -> str:
        return "" if key is None else json.dumps(key, ensure_ascii=False) + (": " if self.roomy else ":")


def _layout(text: str) -> _Layout:
    root = scan(text)
    newline = "\r\n" if "\r\n" in text else "\n"
    if not root.members:
        return _Layout(newline, "  ", roomy=True)
    first = root.members[0]
    between = text[first.start : first.value.start].rpartition(":")[2]
    before = text[root.start + 1 : first.start]
    if "\n" not in before:
        return _Layout("", "", roomy=bool(between))
    return _Layout(newline, before.rpartition("\n")[2], roomy=bool(between))


def _gap(text: str, at: int) -> str:
    """The white space before a character."""
    return text[len(text[:at].rstrip(_SPACE)) : at]


def _margin(text: str, at: int) -> str:
    """What the line of a character is indented by."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(_SPACE))]


def added(text: str, holder: Value, new: object, *, key: str | None = None) -> str:
    """A text with one more element, the last one, in an array, or with a `key` in an object."""
    layout = _layout(text)
    children = holder.children
    lead = layout.lead(key)
    if not children and not layout.newline:
        return text[: holder.start + 1] + lead + layout.inline(new) + text[holder.end - 1 :]
    if not children:
        outer = _margin(text, holder.start)
        inner = layout.newline + outer + layout.step
        element = inner + lead + layout.folded(new, outer + layout.step) + layout.newline + outer
        return text[: holder.start + 1] + element + text[holder.end - 1 :]
    last = children[-1]
    gap = _gap(text, last.start)
    if "\n" in gap:
        margin = gap.rpartition("\n")[2]
        element = (layout.newline or "\n") + margin + lead + layout.folded(new, margin)
    else:
        element = (" " if layout.roomy else "") + lead + layout.inline(new)
    return text[: last.end] + "," + element + text[last.end :]


def replaced(text: str, old: Value, new: object) -> str:
    """A text with another value in the place of one."""
    layout = _layout(text)
    if "\n" in text[old.start : old.end]:
        return text[: old.start] + layout.folded(new, _margin(text, old.start)) + text[old.end :]
    return text[: old.start] + layout.inline(new) + text[old.end :]


def dropped(text: str, holder: Value, child: Value | Member) -> str:
    """A text without an element of an array or object: what `added` made of it is undone to the byte.

    An array or object that has nothing else in it is left empty, without the white space in it.
    """
    children = holder.children
    at = [other.start for other in children].index(child.start)
    if len(children) == 1:
        return text[: holder.start + 1] + text[holder.end - 1 :]
    if at == 0:
        return text[: child.start] + text[children[1].start :]
    return text[: children[at - 1].end] + text[child.end :]
