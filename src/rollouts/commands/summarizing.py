"""`rollouts export sessions`, but for Typer, whose import costs more than a page of the export."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Iterator, Mapping

from rollouts import config, paths
from rollouts.commands import plain
from rollouts.contracts import summary
from rollouts.contracts.cursor import MAX_LIMIT, CursorResetError
from rollouts.contracts.filters import Asked, checked
from rollouts.errors import RolloutsError
from rollouts.export import summaries
from rollouts.export.archived import Own
from rollouts.export.summaries import Question
from rollouts.paths import Home
from rollouts.storage import reading
from rollouts.storage.reading import ChangedMeanwhileError

_NAMES = ("project", "exclude_project", "machine", "agent", "git_branch", "date", "date_from", "date_to")
_TEXTS = (*_NAMES, "active_since", "outcome", "health_grade")
_NUMBERS = ("min_messages", "max_messages", "min_user_messages", "min_tool_failures")
_ASKED_FLAGS = ("has_secret", "include_one_shot", "include_automated", "include_children")
_RESET = 4
_JSON, _NDJSON = "json", "ndjson"
_NO_SECRETS = (
    "No session is known to hold a secret: nothing looks for them when sessions are taken in."
    " `rollouts export --redact` and `rollouts hf push` do, and take them out.\n"
)
_WITH_CURSOR = {"cursor", "limit", "format", "json", "out", "redact_paths"}


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


_VALUES = {_option(name): name for name in (*_TEXTS, *_NUMBERS, "limit", "cursor", "format", "out")}
_FLAGS = {_option(name): name for name in (*_ASKED_FLAGS, "all", "json", "redact_paths")}

Given = Mapping[str, str | bool]
"""The options that stand on the command line, by their names: texts, and whether a flag is set."""


def _spelled(words: Iterable[str]) -> Iterator[str]:
    """A command line with `--option=value` as two words."""
    for word in words:
        option, equals, value = word.partition("=")
        yield from (option, value) if equals and option in _VALUES else (word,)


def parse(words: list[str]) -> Given | None:
    """Reads a plain, fully spelled command line; None for any other, which Typer then reads (or refuses).

    `--flag=false` is a flag that is given, and not set.
    """
    unset = [option for option in _FLAGS if f"{option}=false" in words]
    rest = [word for word in words if word not in {f"{option}=false" for option in unset}]
    found = plain.read(list(_spelled(rest)), _VALUES, _FLAGS)
    if found is None or "workspace" in found:
        return None
    values = {name: value for name, value in found.items() if not isinstance(value, list)}
    return {_FLAGS[option]: False for option in unset} | values


def _number(given: Given, name: str) -> int | None:
    """A whole number that was given.

    Raises:
        RolloutsError: it is none.
    """
    text = given.get(name)
    if text is None:
        return None
    try:
        return int(str(text))
    except ValueError:
        raise RolloutsError(f"{_option(name)} {text!r} is no whole number") from None


def _limit(given: Given) -> int | None:
    limit = _number(given, "limit")
    if limit is not None and not 1 <= limit <= MAX_LIMIT:
        raise RolloutsError(f"--limit must be between 1 and {MAX_LIMIT}; --all is for all in one")
    return limit


def _format(given: Given) -> str:
    form = str(given.get("format", _JSON))
    if form not in {_JSON, _NDJSON}:
        raise RolloutsError(f"--format {form!r} is not known; it is json or ndjson")
    if given.get("json") and form != _JSON:
        raise RolloutsError("--json cannot be combined with --format ndjson")
    return form


def _asked(given: Given) -> Asked:
    """The filters as they were typed."""
    values: dict[str, object] = {name: given.get(name) for name in _TEXTS}
    numbers = {name: _number(given, name) for name in _NUMBERS}
    values |= {name: number for name, number in numbers.items() if number is not None}
    values |= {name: bool(given.get(name)) for name in _ASKED_FLAGS}
    return Asked(**values)  # type: ignore[arg-type] # texts, numbers and flags by the lists above


def _question(given: Given) -> Question:
    """What is asked for.

    Raises:
        RolloutsError: an option has a value that means nothing, or does not go with a cursor.
    """
    cursor = given.get("cursor")
    if cursor is not None:
        for name in given:
            if name not in _WITH_CURSOR:
                raise RolloutsError(
                    f"--cursor cannot be combined with {_option(name)}; the filters are those of the first page"
                )
    return Question(
        filters=checked(_asked(given)),
        limit=_limit(given),
        everything=bool(given.get("all")),
        cursor=None if cursor is None else str(cursor),
        redact_paths=bool(given.get("redact_paths")),
    )


def own(home: Home) -> Own:
    """What the user has set. Raises RolloutsError when `config.toml` is wrong."""
    return Own(config.prices(home), config.automation(home))


def _target(out: str) -> str:
    """Where the file is to be written. Raises RolloutsError when it cannot be."""
    from rollouts import whole  # noqa: PLC0415 - 15 ms, and most exports go to a pipe

    if out in {"", "-"}:
        raise RolloutsError("--out needs a FILE; without it the export goes to stdout")
    return whole.target(out)


def _answer(question: Question, form: str, target: str | None, *, undisturbed: bool) -> None:
    """Writes what is asked for to a file, or prints it: a page when all of it was read, more as it is read."""
    home = paths.home()
    shape = summary.document if form == _JSON else summary.lines
    page: list[str] = []
    with reading.snapshot(home, undisturbed=undisturbed) as catalog:
        answer = summaries.answer(catalog, question, own(home))
        pieces = shape(answer.head, answer.rows)
        if target is not None:
            from rollouts import whole  # noqa: PLC0415 - as above

            with whole.replaced(target) as file:
                file.writelines(piece.encode() for piece in pieces)
        elif question.everything:
            sys.stdout.writelines(pieces)
        else:
            page += pieces
    sys.stdout.writelines(page)


def export(given: Given) -> int:
    """Prints, or writes to a file, what is asked for. Returns the exit code.

    Raises:
        RolloutsError: it cannot be had, and nothing was printed.
    """
    form, question = _format(given), _question(given)
    if question.filters.has_secret:
        sys.stderr.write(_NO_SECRETS)
    out = given.get("out")
    target = None if out is None else _target(str(out))
    gc.disable()  # no rings among millions of small values: looking for them takes a third of the time
    try:
        try:
            _answer(question, form, target, undisturbed=True)
        except ChangedMeanwhileError:
            if question.everything and target is None:
                raise  # some of it is out already
            _answer(question, form, target, undisturbed=False)
    except CursorResetError as reset:
        sys.stderr.write(reset.line + "\n")  # machines read it, as the rest of what is printed here
        return _RESET
    return 0
