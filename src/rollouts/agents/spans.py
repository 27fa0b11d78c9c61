"""Where each value of a JSON text stands, so that one can be changed without touching another byte.

RFC 8259 to the letter: neither Claude Code nor Codex reads a settings file with comments or trailing commas.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_SPACE = re.compile(r"[ \t\n\r]*")
_TEXT = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_PLAIN = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null")
_DEEPEST = 100


class JsonError(ValueError):
    """A text that is no JSON.

    Attributes:
        what: what is wrong, in words.
        at: the character, from 0.
    """

    def __init__(self, what: str, at: int) -> None:
        super().__init__(what)
        self.what = what
        self.at = at


@dataclass(frozen=True)
class Value:
    """A value of a text, from `start` to `end`."""

    start: int
    end: int
    items: list[Value] | None = None
    """The values of an array."""
    members: list[Member] | None = None
    """The members of an object."""

    @property
    def children(self) -> Sequence[Value | Member]:
        """What an array or object holds, in its order."""
        return (self.members if self.items is None else self.items) or ()

    def member(self, key: str) -> Member | None:
        """A member of an object; of two with one key the last one counts, as in JavaScript."""
        return next((member for member in reversed(self.members or ()) if member.key == key), None)

    def below(self, *keys: str) -> Value | None:
        """The value that a path of keys leads to."""
        value = self
        for key in keys:
            found = value.member(key)
            if found is None:
                return None
            value = found.value
        return value


@dataclass(frozen=True)
class Member:
    start: int
    key: str
    value: Value

    @property
    def end(self) -> int:
        return self.value.end


@dataclass
class _Scanner:
    text: str
    depth: int = field(default=0)

    def skip(self, at: int) -> int:
        match = _SPACE.match(self.text, at)
        return match.end() if match else at

    def wrong(self, expected: str, at: int) -> JsonError:
        rest = self.text[at : at + 2]
        if rest in {"//", "/*"}:
            return JsonError("a comment, which is no JSON", at)
        return JsonError(f"{expected} is expected" + ("" if rest else ", but the text ends"), at)

    def string(self, at: int, expected: str) -> tuple[str, int]:
        match = _TEXT.match(self.text, at)
        if match is None:
            found = self.text.startswith('"', at)
            raise self.wrong("a whole text in quotes" if found else expected, at)
        return str(json.loads(match[0])), match.end()

    def value(self, at: int) -> Value:
        opener = self.text[at : at + 1]
        if opener and opener in "{[":
            self.depth += 1
            if self.depth > _DEEPEST:
                raise JsonError(f"nesting deeper than {_DEEPEST} levels", at)
            found = self.object(at) if opener == "{" else self.array(at)
            self.depth -= 1
            return found
        if opener == '"':
            return Value(at, self.string(at, "a text")[1])
        match = _PLAIN.match(self.text, at)
        if match is None:
            raise self.wrong("a value", at)
        return Value(at, match.end())

    def next(self, at: int, closer: str, thing: str) -> tuple[int, bool]:
        """After an element: where the next one begins, or the end and True."""
        at = self.skip(at)
        if self.text.startswith(closer, at):
            return at + 1, True
        if not self.text.startswith(",", at):
            raise self.wrong(f"a comma or {closer}", at)
        following = self.skip(at + 1)
        if self.text.startswith(closer, following):
            raise JsonError(f"a comma with no {thing} after it", at)
        return following, False

    def array(self, start: int) -> Value:
        items: list[Value] = []
        at = self.skip(start + 1)
        done = self.text.startswith("]", at)
        at += done
        while not done:
            items.append(self.value(at))
            at, done = self.next(items[-1].end, "]", "value")
        return Value(start, at, items=items)

    def object(self, start: int) -> Value:
        members: list[Member] = []
        at = self.skip(start + 1)
        done = self.text.startswith("}", at)
        at += done
        while not done:
            begin, (key, at) = at, self.string(at, "a key in quotes")
            at = self.skip(at)
            if not self.text.startswith(":", at):
                raise self.wrong("a colon", at)
            members.append(Member(begin, key, self.value(self.skip(at + 1))))
            at, done = self.next(members[-1].end, "}", "member")
        return Value(start, at, members=members)


def scan(text: str) -> Value:
    """The one value of a JSON text.

    Raises:
        JsonError: it is no JSON, or nested deeper than any settings are.
    """
    scanner = _Scanner(text)
    found = scanner.value(scanner.skip(0))
    end = scanner.skip(found.end)
    if end != len(text):
        raise scanner.wrong("the end of the file", end)
    return found


def repeated(value: Value) -> Iterator[Member]:
    """Members whose key stands in their object already, however deep."""
    seen: set[str] = set()
    for member in value.members or ():
        if member.key in seen:
            yield member
        seen.add(member.key)
        yield from repeated(member.value)
    for item in value.items or ():
        yield from repeated(item)


def place(text: str, at: int) -> str:
    """A character's place for a person: line and column, from 1."""
    before = text[:at]
    line, column = before.count("\n") + 1, at - before.rfind("\n")
    return f"line {line}, column {column}"
