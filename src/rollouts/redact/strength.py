"""Whether a text can be a secret at all, or is a word, a number, a name or a stand-in."""

from __future__ import annotations

import functools
import math
import re
from collections import Counter

MIN_LENGTH = 8
STAND_INS = frozenset({"changeme", "pass", "password", "passwd", "secret", "user", "username"})
"""What manuals write for a secret."""
_STAND_IN = re.compile(
    r"^\$|\$\{|\{\{|<[a-z]|%\(|\.\.\.|x{4}|\*{3}|0{8}|12345678|example|sample|changeme|change[-_]me|your[-_]?|my[-_]?(?:pass|secret|token|key)"
    r"|dummy|placeholder|redacted|secret[-_]?key|password|passwd|undefined|process\.env|os\.environ|getenv",
    re.IGNORECASE,
)
_PART = re.compile(r"[A-Za-z0-9!@#$%^&*+=~?]+")
_RUN = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+|[^A-Za-z0-9]+")
_DIGIT = re.compile(r"\d")
_LETTER = re.compile(r"[A-Za-z]")
_RUNS = 4
_LONG = 12
_LONGEST_RUN = 2.5
"""Of letters alone: runs of capitals or small ones are shorter on average than in any name."""
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_HEX = re.compile(r"[0-9a-f]+", re.IGNORECASE)


def entropy(text: str) -> float:
    """Shannon's, in bits per character."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())


@functools.lru_cache(4096)  # the slowest look of all, and texts repeat what they say
def is_stand_in(text: str) -> bool:
    """True for `${TOKEN}`, `your-key-here`, `xxxx` and the like."""
    return len(set(text)) < 5 or _STAND_IN.search(text) is not None


def _is_jumble(part: str) -> bool:
    if part.isalpha():
        return len(part) >= _LONG and len(_RUN.findall(part)) * _LONGEST_RUN >= len(part)
    return _DIGIT.search(part) is not None and _LETTER.search(part) is not None and len(_RUN.findall(part)) >= _RUNS


def is_mixed(text: str) -> bool:
    """True when letters and digits are mixed as in no word or name: `a87iaxvUE6`, not `sha256sum` or `getToken2`."""
    return len(text) >= MIN_LENGTH and any(map(_is_jumble, _PART.findall(text))) and not is_stand_in(text)


def is_random(text: str) -> bool:
    """True for long text without any order, whatever its name: keys and tokens; not hashes, UUIDs, paths or URLs."""
    if len(text) < 20 or not is_mixed(text) or _UUID.fullmatch(text) or _HEX.fullmatch(text):
        return False
    return not re.search(r"[\s/\\:;,]", text.rstrip("=")) and entropy(text) >= 3.5
