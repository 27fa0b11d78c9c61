"""The texts of a JSON value, and the same value with other texts. Nesting of any depth."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator

from rollouts.contracts.strict_json import Json
from rollouts.record import Record
from rollouts.redact.payloads import holds_media, is_base64

_LABEL = re.compile(
    r"pass|pwd|secret|token|api.?key|access.?key|private.?key|encryption.?key|auth|credential|cookie|connection",
    re.IGNORECASE,
)
_LONGEST_LABEL = 100


class Place(Record):
    """A text, and the key that it is the value of, where that sounds like a secret's."""

    text: str
    label: str = ""


@functools.lru_cache(4096)  # the same keys stand in every record
def is_label(key: str) -> bool:
    """True for keys like `DB_PASSWORD`, whose value is looked at as `DB_PASSWORD="..."`."""
    return len(key) <= _LONGEST_LABEL and _LABEL.search(key) is not None and '"' not in key


def _place(text: str, key: str) -> Place:
    return Place(text, key if is_label(key) else "")


def texts(value: Json) -> Iterator[Place]:
    """All texts, keys among them; data in base64 of an object that names a media type is left out."""
    pending: list[tuple[Json, str]] = [(value, "")]
    while pending:
        item, key = pending.pop()
        if isinstance(item, str):
            yield _place(item, key)
        elif isinstance(item, list):
            pending += [(child, key) for child in item]
        elif isinstance(item, dict):
            media = holds_media(item)
            yield from map(Place, item)
            pending += [(child, name) for name, child in item.items() if not _is_data(child, in_media=media)]


def _is_data(value: Json, *, in_media: bool) -> bool:
    return in_media and isinstance(value, str) and is_base64(value)


def _free(name: str, taken: dict[str, Json]) -> str:
    """A key that is not there yet: two may have become one."""
    number = 2
    while name in taken:
        name = f"{name.rpartition(' (')[0] or name} ({number})" if number > 2 else f"{name} ({number})"
        number += 1
    return name


def mapped(value: Json, change: Callable[[Place], str]) -> Json:
    """The same value with each text of `texts` changed; what is left out there is as it was."""
    top: list[Json] = [None]
    pending: list[tuple[Json, str, list[Json] | dict[str, Json], int | str]] = [(value, "", top, 0)]
    while pending:
        item, key, holder, at = pending.pop()
        new: Json = item
        if isinstance(item, str):
            new = change(_place(item, key))
        elif isinstance(item, list):
            new = [None] * len(item)
            pending += [(child, key, new, number) for number, child in enumerate(item)]
        elif isinstance(item, dict):
            new = {}
            media = holds_media(item)
            for name, child in item.items():
                changed = _free(change(Place(name)), new)
                new[changed] = child
                if not _is_data(child, in_media=media):
                    pending.append((child, name, new, changed))
        holder[at] = new  # type: ignore[index] # a number for a list, a key for an object
    return top[0]
