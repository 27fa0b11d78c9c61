"""Thread ids in the runtime's own payloads, which are UUIDs; a wrong one is refused in the words of Rust's `uuid`."""

from __future__ import annotations

import re
import uuid
from typing import Annotated

from rollouts.trace.decode import WrongTypeError
from rollouts.trace.jsontext import JsonError

_HEX = re.compile(r"[0-9a-fA-F]{8}(-?)[0-9a-fA-F]{4}(\1[0-9a-fA-F]{4}){2}\1[0-9a-fA-F]{12}")
_STARTS = (0, 9, 14, 19, 24)
_LENGTHS = (8, 4, 4, 4, 12)
_URN = "urn:uuid:"


def _bare(text: str) -> tuple[str, int]:
    """The id without what may stand around it, and how much stood before it."""
    if text.startswith("{") and text.endswith("}") and len(text) > 1:
        return text[1:-1], 1
    return (text[len(_URN) :], len(_URN)) if text.startswith(_URN) else (text, 0)


def _reason(text: str, offset: int) -> str:
    strange = re.search(r"[^0-9a-fA-F-]", text)
    if strange:
        place = len(text[: strange.start()].encode()) + offset + 1
        expected = "expected an optional prefix of `urn:uuid:` followed by [0-9a-fA-F-]"
        return f"invalid character: {expected}, found `{strange.group()}` at {place}"
    hyphens = [place for place, char in enumerate(text) if char == "-"]
    if not hyphens and not offset:
        return f"invalid length: expected length 32 for simple format, found {len(text)}"
    if len(hyphens) != 4:
        return f"invalid group count: expected 5, found {len(hyphens) + 1}"
    ends = [*hyphens, len(text)]
    wrong = next((group for group in range(4) if ends[group] != _STARTS[group + 1] - 1), 4)
    length = ends[wrong] - _STARTS[wrong]
    return f"invalid group length in group {wrong}: expected {_LENGTHS[wrong]}, found {length}"


def _thread_id(value: object) -> str:
    """A thread's id, in the one way to write it.

    Raises:
        JsonError: it is no UUID.
    """
    if not isinstance(value, str):
        raise WrongTypeError(value, "a string")
    text, offset = _bare(value)
    if not _HEX.fullmatch(text) or (offset and "-" not in text):
        raise JsonError(_reason(text, offset))
    return str(uuid.UUID(text))


ThreadId = Annotated[str, _thread_id]
