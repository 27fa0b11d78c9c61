"""Pictures, sound and documents in base64: nothing is looked for in them, and nothing is replaced."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_MEDIA = ("image/", "audio/", "video/", "font/", "application/pdf")
_DATA_URL = re.compile(r"data:(?:image|audio|video|font|application/pdf)[\w/+.;=-]{0,100};base64,", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/\r\n]*+={0,2}\s*")
_RUN = re.compile(r"[A-Za-z0-9+/]*+={0,2}")
_SHORTEST = 64
_BEGINNINGS = (
    "iVBORw0KGgo",
    "/9j/",
    "R0lGOD",
    "UklGR",
    "JVBERi0",
    "Qk0",
    "PHN2Zy",
    "AAAAIGZ0eX",
    "AAAAHGZ0eX",
    "SUkqA",
    "T2dnU",
)
"""PNG, JPEG, GIF, WebP and WAV, PDF, BMP, SVG, AVIF and HEIC, TIFF, Ogg."""


def is_payload(text: str) -> bool:
    """True for a text that is nothing but a picture or the like."""
    return len(text) >= _SHORTEST and text.startswith(_BEGINNINGS) and _BASE64.fullmatch(text) is not None


def holds_media(block: Mapping[str, object]) -> bool:
    """True for an object that says of itself that it holds a picture or the like, by its media type."""
    return any(isinstance(value, str) and value.lower().startswith(_MEDIA) for value in block.values())


def is_base64(text: str) -> bool:
    """True for long text that is base64 from end to end."""
    return len(text) >= _SHORTEST and _BASE64.fullmatch(text) is not None


def stretches(text: str) -> Iterator[tuple[int, int]]:
    """What is to be looked at: the stretches of a text between its data URLs, as start and end."""
    done = 0
    at = text.find(";base64,") if "data:" in text else -1
    while at >= 0:
        end = at + len(";base64,")
        begin = text.rfind("data:", max(done, at - 200), at)
        match = _DATA_URL.match(text, begin, end) if begin >= 0 else None
        if match and (run := _RUN.match(text, end)):
            yield done, end
            done = end = run.end()
        at = text.find(";base64,", end)
    yield done, len(text)
