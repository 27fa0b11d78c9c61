"""demo: the main job on a real directory, in a throwaway home that is gone afterwards."""

from __future__ import annotations

import hashlib
import itertools
import os
import stat
import tempfile
import time
from collections.abc import Callable
from typing import Annotated

import typer

from rollouts import restore as restoring
from rollouts.commands import demo_session, output
from rollouts.errors import RolloutsError
from rollouts.models import Turn
from rollouts.paths import Home
from rollouts.record import Record
from rollouts.storage import opening, sizes
from rollouts.storage.archive import Archive, Taken
from rollouts.storage.placing import Wanted

_SESSION, _TURNS = "demo", "demo-turns"
Digest = dict[bytes, tuple[int, str]]
"""Path -> (mode, SHA-256 of the content or of the link's target; empty for a directory)."""


class _Step(Record):
    turn: str
    what: str
    taken: Taken
    digest: Digest
    seconds: float


def _digest(root: bytes) -> Digest:
    found: Digest = {}
    for folder, dirs, files in os.walk(root):
        for name in dirs + files:
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            content = b""
            if stat.S_ISLNK(mode):
                content = os.readlink(path)
            elif stat.S_ISREG(mode):
                with open(path, "rb") as file:
                    content = file.read()
            found[path[len(root) + 1 :]] = (mode, "" if stat.S_ISDIR(mode) else hashlib.sha256(content).hexdigest())
    return found


def _files(root: bytes) -> list[bytes]:
    return sorted(path for path, (mode, _) in _digest(root).items() if stat.S_ISREG(mode))


def _edit(root: bytes) -> None:
    for path in _files(root)[::3][:20]:
        with open(root + b"/" + path, "ab") as file:
            file.write(b"\na line that an agent added\n")


def _delete(root: bytes) -> None:
    for path in _files(root)[1::4][:10]:
        os.unlink(root + b"/" + path)


def _add_odd_ones(root: bytes) -> None:
    os.symlink("nowhere/at all", root + b"/a dangling link")
    for name in ("-leading dash", "new\nline", "\N{SNOWMAN} and \N{GRINNING FACE}.txt"):
        with open(root + b"/" + os.fsencode(name), "wb") as file:
            file.write(b"\x00\xff bytes, CRLF\r\n and no line end")
    os.makedirs(root + b"/empty/directory")
    with open(root + b"/tool.sh", "wb") as file:
        file.write(b"#!/bin/sh\n")
    os.chmod(root + b"/tool.sh", 0o755)  # noqa: S103 - the exec bit is what is shown


def _swap_types(root: bytes) -> None:
    path = root + b"/" + _files(root)[0]
    os.unlink(path)
    os.mkdir(path)
    with open(path + b"/was a file", "wb") as file:
        file.write(b"and is a directory now\n")


_CHANGES: tuple[tuple[str, Callable[[bytes], None]], ...] = (
    ("as it was", lambda _: None),
    ("20 files edited", _edit),
    ("10 files deleted", _delete),
    ("a link, odd names, an empty directory", _add_odd_ones),
    ("a file became a directory", _swap_types),
)


def _capture(home: Archive, path: str, session: str, message: str, agent: str | None = None) -> tuple[Taken, float]:
    start = time.perf_counter()
    taken = home.snapshot(home.locate(path), Turn(session, message, "{}", agent))
    return taken, time.perf_counter() - start


def _steps(home: Archive, work: str) -> list[_Step]:
    steps = []
    for number, (what, change) in enumerate(_CHANGES, start=1):
        _capture(home, work, _TURNS, f"turn-{number}", demo_session.AGENT)
        change(os.fsencode(work))
        taken, seconds = _capture(home, work, _TURNS, f"turn-{number}:end", demo_session.AGENT)
        steps.append(_Step(f"turn-{number}", what, taken, _digest(os.fsencode(work)), seconds))
    return steps


def _check(wanted: Digest, found: Digest, what: str) -> None:
    wrong = [path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path)]
    if wrong:
        raise RolloutsError(f"{what} came back different at {os.fsdecode(min(wrong))!r}; please report this")


def _restore(home: Archive, taken: Taken, destination: str) -> None:
    restoring.restore(home, taken.workspace, taken.snapshot, destination, Wanted(verify=True))


def _check_against_source(copy: Digest, source: str) -> None:
    """Each restored file is, byte for byte, the one in the directory that was captured."""
    for path, (mode, content) in copy.items():
        original = os.path.join(os.fsencode(source), path)
        if stat.S_ISREG(mode):
            with open(original, "rb") as file:
                same = hashlib.sha256(file.read()).hexdigest() == content
        else:
            same = stat.S_ISDIR(mode) or hashlib.sha256(os.readlink(original)).hexdigest() == content
        if not same:
            raise RolloutsError(f"{os.fsdecode(original)} came back different; please report this")


def _copy(home: Archive, directory: str, work: str) -> None:
    """Captures the real directory and restores it as the copy that the turns are played in."""
    source = os.fsdecode(home.locate(directory).root)
    taken, seconds = _capture(home, directory, _SESSION, "source")
    content = output.size(taken.snapshot.bytes_new)
    output.line(f"captured {source}: {taken.snapshot.files} files, {content}, in {seconds:.2f} s")
    _restore(home, taken, work)
    _check_against_source(_digest(os.fsencode(work)), source)
    output.line("restored it to a throwaway copy: every byte is the same")


def _content(root: str) -> int:
    """Bytes of the files in a directory."""
    return sum(os.path.getsize(os.fsencode(root) + b"/" + path) for path in _files(os.fsencode(root)))


def _show(home: Archive, steps: list[_Step]) -> None:
    output.line("")
    rows = [
        (
            step.turn,
            step.what,
            str(step.taken.snapshot.files),
            output.size(step.taken.snapshot.bytes_new),
            f"{step.seconds * 1000:.0f} ms",
        )
        for step in steps
    ]
    output.table(("Turn", "What happened before it", "Files", "New", "Time"), rows, right=(2, 3, 4), fold=(1,))
    store = home.store(steps[0].taken.workspace.id)
    for before, after in itertools.pairwise(steps):
        stat_lines = (
            store.diff_stat(before.taken.snapshot.tree or "", after.taken.snapshot.tree or "")
            .decode(errors="replace")
            .splitlines()
        )
        summary = next((text for text in reversed(stat_lines) if " changed" in text), " nothing changed").strip()
        output.line(f"diff {before.turn}..{after.turn}: {summary}")


def _export(home: Archive, scratch: str, work: str, steps: list[_Step]) -> None:
    """Exports the turns with a conversation, as it is done with those of real agents."""
    talk = [demo_session.Said(step.turn, f"Make this change: {step.what}", f"Done: {step.what}.") for step in steps]
    place = os.path.realpath(scratch)
    plan = demo_session.taken_in(home, place, _TURNS, work, talk)
    done = demo_session.exported(home, place, plan)
    if (done.turns, done.snapshots) != (len(steps), 2 * len(steps)):
        raise RolloutsError(f"{done.turns} turns and {done.snapshots} snapshots were exported; please report this")
    what = f"{done.rows} row of JSON lines ({output.size(done.bytes)})"
    output.line(
        f"exported the conversation: {what}, its {done.turns} turns and the {done.snapshots} snapshots around them"
    )
    rows = demo_session.trained(home, place, plan)
    changed = sum(
        before.taken.snapshot.tree != after.taken.snapshot.tree for before, after in itertools.pairwise(steps)
    )
    if (rows.rows, rows.patches) != (len(steps), changed):
        raise RolloutsError(f"{rows.rows} training rows have {rows.patches} patches; please report this")
    size = output.size(rows.bytes)
    output.line(
        f"exported {rows.rows} training rows ({size}): messages, the code around each turn, {rows.patches} patches"
    )


def demo(
    directory: Annotated[
        str, typer.Argument(metavar="DIR", help="A real directory; it is only read.", show_default="here")
    ] = ".",
) -> None:
    """Capture, change, restore, verify, export turns.

    Works on a copy, in a throwaway home; the directory itself is only read, and nothing is left behind.

    Example: rollouts demo ~/project
    """
    with tempfile.TemporaryDirectory(prefix="rollouts-demo-") as scratch:
        home_path = f"{os.path.realpath(scratch)}/home"
        with opening.opened(Home(home_path)) as home:
            work = f"{scratch}/work"
            _copy(home, directory, work)
            steps = _steps(home, work)
            _show(home, steps)
            for step in steps:
                destination = f"{scratch}/{step.turn}"
                _restore(home, step.taken, destination)
                _check(step.digest, _digest(os.fsencode(destination)), step.what)
            output.line(f"restored all {len(steps)} turns: every byte, mode, link and empty directory is the same")
            _export(home, scratch, work, steps)
            stored = output.size(sizes.measured(home.home.workspace(steps[0].taken.workspace.id)))
            output.line(f"the copy has {output.size(_content(work))}; its {len(steps)} turns take {stored} on disk")
    output.line("nothing is left behind: the home and the copies are gone")
