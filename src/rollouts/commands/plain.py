"""Command lines that are fully spelled out, read without Typer, whose import costs more than most captures.

What is read here is a command's everyday form. Anything else, a mistake above all, goes through Typer to the same
function.
"""

from __future__ import annotations

from collections.abc import Mapping

Value = str | bool | list[str]
_NONE: Mapping[str, str] = {}


def read(
    words: list[str], options: Mapping[str, str], flags: Mapping[str, str], repeated: Mapping[str, str] = _NONE
) -> dict[str, Value] | None:
    """The values of a command line, by name; None when Typer has to read it.

    Args:
        words: what comes after the command's name; a word that is no option's is the `workspace`.
        options: `--option` -> name, of those with one value.
        flags: `--flag` -> name.
        repeated: `--option` -> name, of those with a value each time.
    """
    found: dict[str, Value] = {}
    rest = iter(words)
    for word in rest:
        if word in flags:
            found[flags[word]] = True
            continue
        takes_value = word in options or word in repeated
        value = next(rest, None) if takes_value else word
        if value is None or (value.startswith("-") and value != "-"):
            return None
        name = repeated.get(word) or options.get(word, "workspace")
        earlier = found.get(name)
        if word in repeated:
            found[name] = [*earlier, value] if isinstance(earlier, list) else [value]
        elif earlier is not None:
            return None
        else:
            found[name] = value
    return found
