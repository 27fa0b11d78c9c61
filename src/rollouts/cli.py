"""The entry point: the one place where errors become a line on stderr and an exit code."""

from __future__ import annotations

import io
import os
import sys

from rollouts import paths
from rollouts.errors import CommandError, DamagedCatalogError, RolloutsError, logged_bug, os_error_words

INTERRUPTED = 130
BUG = 3


def _open_standard_files() -> None:
    """A caller may have closed 0, 1 or 2; the next file opened must not land there, and Python has None for them."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)  # noqa: FBT003 - the standard library's signature
    os.close(fd)
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - open to the end


def _let_any_text_out() -> None:
    """Data is UTF-8 in any locale, and names of files are any bytes; a terminal is shown what it lacks escaped."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        if sys.stdout.isatty():
            sys.stdout.reconfigure(errors="backslashreplace")
        else:
            sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")


def _called_by_programs(words: list[str]) -> int | None:
    """The exit code of what agents call, and of what this program starts behind itself; None for any other."""
    if words[:1] == ["hook"] and not {"-h", "--help"} & set(words):
        from rollouts.commands import hook  # noqa: PLC0415 - each way imports what it needs

        return hook.run(words[1:])
    if words and words[0] in {"_upkeep", "_ingest", "_prepare"}:
        from rollouts.commands import background  # noqa: PLC0415 - each way imports what it needs

        return background.run(words[0], words[1:])
    return None


def _plain(words: list[str]) -> int | None:
    """The exit code of a command that is fully spelled out and goes without Typer; None for any other."""
    if words[:1] == ["snapshot"]:
        from rollouts.commands import capture  # noqa: PLC0415 - each way imports what it needs

        captured = capture.parse(words[1:])
        return capture.snapshot(captured) if captured else None
    if words[:1] == ["restore"]:
        from rollouts.commands import checkout  # noqa: PLC0415 - each way imports what it needs

        wanted = checkout.parse(words[1:])
        return checkout.restore(wanted) if wanted else None
    if words[:1] == ["log"]:
        from rollouts.commands import turns  # noqa: PLC0415 - each way imports what it needs

        asked = turns.parse(words[1:])
        return turns.log(asked) if asked else None
    if words[:2] == ["export", "sessions"]:
        from rollouts.commands import summarizing  # noqa: PLC0415 - each way imports what it needs

        given = summarizing.parse(words[2:])
        return None if given is None else summarizing.export(given)
    return None


def _run(words: list[str]) -> int:
    if words == ["--version"]:
        from rollouts import __version__  # noqa: PLC0415 - each way imports what it needs

        print(__version__)  # noqa: T201 - data, and no console is needed for it
        return 0
    code = _called_by_programs(words)
    if code is None:
        code = _plain(words)
    if code is None:
        from rollouts.commands import app  # noqa: PLC0415 - Typer costs 130 ms, which hooks must not pay

        code = app.run(words)
    return code


def _report(message: str, code: int) -> int:
    from contextlib import suppress  # noqa: PLC0415 - only for a failure

    line = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in message)
    with suppress(OSError, ValueError):  # nobody listens on stderr
        sys.stderr.write(f"Error: {line}\n")
        sys.stderr.flush()
    return code


def _guarded(words: list[str]) -> int:
    """Runs a command line; a damaged catalog is rebuilt once, and the command run again."""
    try:
        return _run(words)
    except DamagedCatalogError:
        from rollouts.commands import recovery  # noqa: PLC0415 - only for a failure

        recovery.rebuild()
        return _run(words)


def exit_code(words: list[str]) -> int:  # noqa: PLR0911 - one a kind of failure
    """Runs a command line to its exit code; every error has been told on stderr by then."""
    try:
        code = _guarded(words)
        if sys.stdout:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader had enough
        return 0
    except CommandError as error:
        return _report(f"{error}; free some space and try again" if error.disk_full else str(error), 1)
    except RolloutsError as error:
        return _report(str(error), error.exit_code)
    except OSError as error:
        return _report(os_error_words(error), 1)
    except KeyboardInterrupt:
        return _report("interrupted; nothing was left half done", INTERRUPTED)
    except Exception:  # noqa: BLE001 - the boundary: a bug ends in a file, never in a user's face
        return _report(f"this is a bug in Rollouts; its traceback is in {logged_bug(paths.home().logs)}", BUG)
    return code


def _flush_what_can_be() -> None:
    """Sends out what a failed command printed before; when just that failed, it has been told."""
    from contextlib import suppress  # noqa: PLC0415 - only for a failure

    with suppress(OSError):
        sys.stdout.flush()


def main() -> None:
    """Runs the command line of this process and ends it."""
    _open_standard_files()
    _let_any_text_out()
    paths.keep_private()
    code = exit_code(sys.argv[1:])
    if code:
        _flush_what_can_be()
    os._exit(code)  # skips 3 ms of taking Python apart; everything is flushed and closed


if __name__ == "__main__":
    main()
