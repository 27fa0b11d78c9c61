"""A session as files of JSON lines that the Hub's trace viewer reads by itself, and where such files lie in a folder.

Records that agents write as JSON lines (Claude Code's, Codex's) go as they are, a file for each subagent beside; the
others go in Pi's format. The viewer: https://huggingface.co/docs/hub/agent-traces
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from itertools import chain

from rollouts.agents.raw import Chunks, Lines
from rollouts.agents.raw import lines as raw_lines
from rollouts.errors import RolloutsError
from rollouts.export import pi
from rollouts.export.library import in_words
from rollouts.export.neutral import Neutral
from rollouts.publish.rows import mended
from rollouts.record import Record

_SAFE = re.compile(r"(?!.*\.jsonl$)[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", re.IGNORECASE)
"""Not with the end of a session's file: a folder of subagents could have its name."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_SHOWN = 60
_DIGITS = 16
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
"""What may be half of a surrogate pair, which no UTF-8 has."""
_MANY_DIGITS = re.compile(rb"\d{19}")


class Trace(Record):
    """A file to be."""

    name: str
    """Relative, with slashes; safe whatever the session is called."""
    lines: Iterator[bytes]
    """Each with its end."""


def safe(name: str) -> str:
    """A name for a file: an id as it is where that can do no harm, else what can be shown of it and a digest.

    No id that is used as it is has a `~`, so that no two ids share a name.
    """
    if _SAFE.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:_DIGITS]
    return f"{_UNSAFE.sub('-', name).strip('.-')[:_SHOWN]}~{digest}"


def _encoded(value: object) -> bytes:
    return json.dumps(mended(value), separators=(",", ":")).encode() + b"\n"


def _line(text: bytes, found: object) -> bytes:
    """A record's line as it is; written anew where readers would cut it in two, or refuse it.

    `datasets` splits files where `str.splitlines` does, which is at U+2028 and others in the midst of a text.
    """
    if text.isascii() and not _HALF.search(text) and not _MANY_DIGITS.search(text):
        return text.replace(b"\r", b" ") + b"\n"
    return _encoded(found)


def _of_file(chunks: Chunks, what: str) -> Iterator[bytes]:
    """The lines of a file that hold objects.

    Raises:
        RolloutsError: it cannot be read, or is nested too deeply to be written.
    """
    try:
        for text, found in raw_lines(chunks()):
            if found is not None:
                yield _line(text, found)
    except OSError as error:
        raise RolloutsError(in_words(error)) from error
    except RecursionError as error:
        raise RolloutsError(f"{what} is nested too deeply to be written") from error


def _converted(session_id: str, found: Neutral) -> Iterator[bytes]:
    try:
        yield from map(_encoded, pi.entries(found.session, session_id=session_id))
    except RecursionError as error:
        raise RolloutsError(f"session {session_id!r} is nested too deeply to be written") from error


def _trace(name: str, lines: Iterator[bytes]) -> Trace | None:
    """A file; None for one without lines, which no reader takes."""
    first = next(lines, None)
    return None if first is None else Trace(f"{name}.jsonl", chain((first,), lines))


def lines(session_id: str, found: Neutral) -> Iterator[Trace]:
    """The files of a session: its own first, then one for each subagent that its record holds.

    Args:
        session_id: under which it was asked for.
        found: cleaned; read while its library is held for reading.

    Raises:
        RolloutsError: now, or as lines are taken: there are none, or they cannot be read.
    """
    what, name = f"session {session_id!r}", safe(session_id)
    if not isinstance(found.record, Lines):
        yield Trace(f"{name}.jsonl", _converted(session_id, found))
        return
    own = _trace(name, _of_file(found.record.main, what))
    if own is None:
        raise RolloutsError(f"{what} has no record that can be read")
    yield own
    for agent, chunks in found.record.subagents.items():
        below = _trace(f"{name}/{safe(agent)}", _of_file(chunks, f"subagent {agent!r} of {what}"))
        if below:
            yield below
