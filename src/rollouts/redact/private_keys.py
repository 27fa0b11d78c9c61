"""Private keys in PEM: whole, escaped, numbered by a pager, cut off in the middle, or in base64 once more."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

from rollouts.redact.span import Span

KIND = "private-key"
_BEGIN = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_END = re.compile(r"-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_LONGEST = 32768
_BODY = re.compile(r"[A-Za-z0-9+/=]{20}")
_CUT_OFF = re.compile(r"(?:(?:\\+[nrt]|[\s\"'|>,\d:-]){0,40}+[A-Za-z0-9+/=]{16,}+)++")
_WRAPPED = re.compile(r"LS0tLS1CRUdJTi[A-Za-z0-9+/]{40,60000}+={0,2}")  # "-----BEGIN" in base64
_WRAPPED_HEAD = 64


def _end(text: str, begin: int) -> int:
    """Where a key that begins before `begin` ends; `begin` itself when no key follows."""
    stop = text.find("-----", begin, begin + _LONGEST)
    end = _END.match(text, stop) if stop >= 0 else None
    if end:
        return end.end() if _BODY.search(text, begin, stop) else begin
    body = _CUT_OFF.match(text, begin, begin + _LONGEST)
    return body.end() if body else begin


def spans(text: str) -> Iterator[Span]:
    """PEM blocks, and what can be seen of those that were cut off."""
    at = text.find("-----BEGIN ")
    while at >= 0:
        begin = _BEGIN.match(text, at)
        end = _end(text, begin.end()) if begin else at
        if begin and end > begin.end():
            yield Span(at, end, KIND)
        at = text.find("-----BEGIN ", max(end, at + 1))
    yield from _wrapped(text)


def _wrapped(text: str) -> Iterator[Span]:
    at = text.find("LS0tLS1CRUdJTi")
    while at >= 0:
        match = _WRAPPED.match(text, at)
        if match and b"PRIVATE KEY" in binascii.a2b_base64(match[0][:_WRAPPED_HEAD]):
            yield Span(*match.span(), KIND)
        at = text.find("LS0tLS1CRUdJTi", match.end() if match else at + 1)
