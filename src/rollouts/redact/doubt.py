"""Which of the engine's findings are code: a variable given to a parameter named `token` is no secret."""

from __future__ import annotations

import re

from rollouts.redact.strength import is_mixed

_EXPRESSION = re.compile(r"\(?[A-Za-z_$][\w$]*+(?:\.[A-Za-z_][\w$]*+|\[[^\]]{0,40}\])*+(?:[()\]].*)?")
_SPEAKING = re.compile(r"token|secret|passw|api[-_ ]?key|access[-_ ]?key|credential", re.IGNORECASE)
_SETTING = re.compile(r"(?:^|[\s;'\"])[A-Z][A-Z0-9_]*=$")
_LOOK_BACK = 80
_QUOTES = frozenset("\"'`")


def is_code(text: str, start: int, end: int) -> bool:
    """Whether what was found only by the name before it is an expression, or a name itself.

    `DB_PASSWORD=correcthorse` is none: so `.env` files and shells write a value. Nor is `password: hunter2hunter2`
    with nothing behind it.
    """
    value = text[start:end]
    if is_mixed(value):
        return False
    if text[start - 1 : start] in _QUOTES:
        return _SPEAKING.search(value) is not None  # "X-Access-Token"
    if not _EXPRESSION.fullmatch(value) or _SETTING.search(text[max(0, start - _LOOK_BACK) : start]):
        return False
    return not (value.isalnum() and re.search(r"\d", value) and text[end : end + 1] in {"", "\n", "\r", " "})
