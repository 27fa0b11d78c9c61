"""What is measured, beside what, and the targets: one function a case, each with a home of its own."""

import contextlib
import itertools
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import corpus
import sessions
from measure import Command, Cost, Round, cost, difference, middle, peak_kb, ratio, repeat, run
from report import Amount, Compared, Row

# From this many files on, the most that a thing may cost.
NO_CHANGE = {1_000: 2.2, 10_000: 1.75, 100_000: 1.5}
ONE_FILE_EXTRA_MS = {1_000: 5.0, 10_000: 20.0, 100_000: 130.0}
HUNDRED_FILES = {1_000: 1.2}
FIRST = {1_000: 0.35}
START_UP = 2.0
HOOK = 1.2
RESTORE = {10_000: 0.7}
LOG = 2.0
PUSH = 1.3
MEMORY_MB = 60.0
IMPORT_SECONDS = {"cold": 40.0, "warm": 2.0}
"""For 10,000 sessions of 240 MB."""
IMPORT_MEMORY_MB = 80.0
REPORTS: dict[tuple[str, ...], float | None] = {
    ("export", "sessions", "--all", "--format", "ndjson"): 2.0,
    ("export", "sessions"): 0.3,
    ("usage", "daily", "--all", "--json"): 1.0,
    ("activity", "report", "--preset", "month", "--date", "2026-01-15", "--json"): None,
}
"""Seconds of CPU for 10,000 sessions; an activity report of a month has two thirds of them."""
EXPORT_MEMORY_MB = 60.0
GROWTH_KB = 40.0
PACKED_KB = 2.0

GROWTH_SNAPSHOTS = 100
TURNS = 1000
PACKED_SNAPSHOTS = 1_000
MANY_FILES = 10_000
ORIGINAL_UP_TO = 10_000
FEW_ROUNDS = 3
SESSION = "bench"

_messages = (f"m{number}" for number in itertools.count())
_marks = (f"edit {number}" for number in itertools.count())


@dataclass(frozen=True)
class Program:
    """A `rollouts` under measurement and the home that it fills."""

    name: str
    path: str
    home: Path

    def snapshot(self, tree: Path, message: str | None = None) -> Command:
        options = ("--session", SESSION, "--message", message or next(_messages), "--metadata", "{}")
        return (self.path, "snapshot", str(tree), *options)

    def restore(self, tree: Path, message: str, to: Path) -> Command:
        return (self.path, "restore", str(tree), "--session", SESSION, "--message", message, "--dest", str(to))

    @property
    def store(self) -> Path:
        """The only one in its home."""
        (found,) = self.home.glob("workspaces/*/store.git")
        return found

    def take(self, tree: Path) -> Cost:
        return cost(self.snapshot(tree), home=self.home)


@dataclass(frozen=True)
class Bench:
    ours: str
    original: str | None
    python: str
    rounds: int
    scratch: Path

    @property
    def bare_start(self) -> Command:
        return (self.python, "-c", "pass")

    def program(self) -> Program:
        return Program("ours", self.ours, self.new_path())

    def programs(self, files: int) -> list[Program]:
        """Ours, and the original where it can be waited for."""
        if self.original is None or files > ORIGINAL_UP_TO:
            return [self.program()]
        return [self.program(), Program("original", self.original, self.new_path())]

    def new_path(self) -> Path:
        return self.scratch / next(_messages)

    def rounds_of_slow(self, files: int) -> int:
        return self.rounds if files < MANY_FILES else min(self.rounds, FEW_ROUNDS)


def target_at(files: int, targets: Mapping[int, float]) -> float | None:
    """The target of the largest size that is not above this one; small trees have none."""
    return targets.get(max((size for size in targets if size <= files), default=0))


def small_changes(bench: Bench, tree: Path, files: int) -> Iterator[Row]:
    """No change and one changed line by turns, so that the second can be told from the first."""
    floor = (bench.bare_start, ("git", "-C", str(tree), "status", "--porcelain"))
    programs = bench.programs(files)
    for program in programs:
        program.take(tree)

    def one_round() -> Round:
        still = {"floor": cost(*floor)} | {program.name: program.take(tree) for program in programs}
        corpus.edit(tree, files, 1, next(_marks))
        edited = {"edited floor": cost(*floor)} | {f"edited {program.name}": program.take(tree) for program in programs}
        return still | edited

    rounds = repeat(one_round, bench.rounds)
    yield _beside_git("snapshot, nothing changed", files, rounds, target_at(files, NO_CHANGE))
    yield _beside_git("snapshot, one file changed", files, rounds, None, "edited ours", "edited floor")
    extra = difference(rounds, "edited ours", "ours").cpu
    yield Amount("one file over nothing changed, CPU", files, extra, "ms", target_at(files, ONE_FILE_EXTRA_MS))
    if "original" in rounds[0]:
        yield _beside_original("snapshot, nothing changed", files, rounds)
        yield _beside_original("snapshot, one file changed", files, rounds, "edited ours", "edited original")


def hook(bench: Bench, tree: Path, files: int) -> Iterator[Row]:
    """An agent's hook at the end of a turn, beside the snapshot that it takes; nothing changed in either."""
    program = bench.program()
    program.take(tree)
    event = bench.new_path()

    def one_round() -> Round:
        sent = {"hook_event_name": "Stop", "session_id": SESSION, "cwd": str(tree), "prompt_id": next(_messages)}
        event.write_text(json.dumps(sent | {"last_assistant_message": "done " * 200}))
        answered = cost((program.path, "hook", "claude-code"), home=program.home, stdin=str(event))
        return {"snapshot": program.take(tree), "hook": answered}

    yield _beside_git("hook, beside snapshot", files, repeat(one_round, bench.rounds), HOOK, "hook", "snapshot")


def hundred_files(bench: Bench, tree: Path, files: int) -> Iterator[Row]:
    git = _git(_empty_store(bench), tree)
    program = bench.program()
    cost((*git, "add", "-A"))
    program.take(tree)

    def one_round() -> Round:
        corpus.edit(tree, files, 100, next(_marks))
        floor = cost(bench.bare_start, (*git, "add", "-A"), (*git, "write-tree"))
        return {"floor": floor, "ours": program.take(tree)}

    rounds = repeat(one_round, bench.rounds)
    yield _beside_git("snapshot, 100 files changed", files, rounds, target_at(files, HUNDRED_FILES))


def first(bench: Bench, tree: Path, files: int, case: str) -> Iterator[Row]:
    def one_round() -> Round:
        store = _empty_store(bench)
        programs = bench.programs(files)
        costs = {"floor": cost((*_git(store, tree), "add", "-A"))}
        costs |= {program.name: program.take(tree) for program in programs}
        _drop(store, *(program.home for program in programs))
        return costs

    rounds = repeat(one_round, bench.rounds_of_slow(files))
    yield _beside_git(case, files, rounds, target_at(files, FIRST))
    if "original" in rounds[0]:
        yield _beside_original(case, files, rounds)


def start_up(bench: Bench, tree: Path, files: int) -> Iterator[Row]:
    """A snapshot that exists already: the program finds the row and looks at no file."""
    program = bench.program()
    command = program.snapshot(tree)
    cost(command, home=program.home)

    def one_round() -> Round:
        return {"floor": cost(bench.bare_start), "ours": cost(command, home=program.home)}

    rounds = repeat(one_round, bench.rounds)
    yield _beside_git("start-up (snapshot exists)", files, rounds, START_UP)


def restore(bench: Bench, tree: Path, files: int) -> Iterator[Row]:
    programs = bench.programs(files)
    message = next(_messages)
    commits = {
        program.name: _store_commit(run(*program.snapshot(tree, message), home=program.home)) for program in programs
    }
    (store,) = programs[0].home.glob("workspaces/*/store.git")
    archive = 'git --git-dir="$1" archive "$2" | tar x -C "$3"'

    def restored(command: Command, to: Path, home: Path | None = None) -> Cost:
        taken = cost(command, home=home)
        if corpus.count_files(to) != files:
            raise SystemExit(f"not all files are back: {' '.join(command)}")
        _drop(to)
        return taken

    def one_round() -> Round:
        to = bench.new_path()
        to.mkdir()
        costs = {"floor": restored(("sh", "-c", archive, "sh", str(store), commits["ours"], str(to)), to)}
        for program in programs:
            costs[program.name] = restored(program.restore(tree, message, to), to, program.home)
        return costs

    rounds = repeat(one_round, bench.rounds_of_slow(files))
    yield _beside_git("restore", files, rounds, target_at(files, RESTORE), wall_counts=True)
    if "original" in rounds[0]:
        yield _beside_original("restore", files, rounds)


def many_turns(bench: Bench, tree: Path, files: int) -> Iterator[Row]:
    """What is done with a session of many turns, a file changed in each."""
    if files != MANY_FILES:  # making the turns takes minutes
        return
    program = bench.program()
    for _ in range(TURNS):
        corpus.edit(tree, files, 1, next(_marks))
        program.take(tree)
    yield from log(bench, program, tree, files)
    yield from push(bench, program, tree, files)


def log(bench: Bench, program: Program, tree: Path, files: int) -> Iterator[Row]:
    """First counted by git, then known to the catalog."""
    command = (program.path, "log", str(tree))
    with contextlib.closing(sqlite3.connect(program.home / "rollouts.sqlite", isolation_level=None)) as connection:
        trees = [row[0] for row in connection.execute("SELECT tree FROM snapshots ORDER BY captured_at, rowid")]
        pairs = bench.new_path()
        pairs.write_text("".join(f"{old} {new}\n" for old, new in itertools.pairwise(trees)))
        compare = 'git --git-dir="$1" diff-tree --stdin -r -M --shortstat < "$2"'

        def one_round() -> Round:
            connection.execute("DELETE FROM changes")
            return {
                "floor": cost(("sh", "-c", compare, "sh", str(program.store), str(pairs))),
                "ours": cost(command, home=program.home),
                "ours again": cost(command, home=program.home),
            }

        rounds = repeat(one_round, bench.rounds_of_slow(files))
    yield _beside_git(f"log of {TURNS} turns", files, rounds, LOG)
    yield _beside_git(f"log of {TURNS} turns, again", files, rounds, LOG, "ours again")


def push(bench: Bench, program: Program, tree: Path, files: int) -> Iterator[Row]:
    """To an empty archive by path, beside a plain push of the same tags; then with nothing to do, beside a listing."""
    archive = bench.new_path()
    same = bench.new_path()  # the store once more, with the tags in it for git to push
    specs = bench.new_path()
    run("git", "init", "-q", "--bare", str(archive))
    run(program.path, "remote", "set", str(tree), "--url", str(archive), home=program.home)
    shutil.copytree(program.store, same)
    plain = 'git --git-dir="$1" push -q --porcelain "$2" $(cat "$3")'
    listing = ("git", "ls-remote", "-q", "--tags", "--refs", str(archive), "refs/tags/rollouts/*")

    def emptied() -> None:
        shutil.rmtree(archive)
        run("git", "init", "-q", "--bare", str(archive))

    run(program.path, "push", str(tree), home=program.home)
    run("git", f"--git-dir={same}", "fetch", "-q", str(archive), "refs/tags/*:refs/tags/*")
    specs.write_text(run("git", f"--git-dir={archive}", "for-each-ref", "--format=%(objectname):%(refname)"))

    def one_round() -> Round:
        emptied()
        floor = cost(("sh", "-c", plain, "sh", str(same), str(archive), str(specs)))
        emptied()
        ours = cost((program.path, "push", str(tree)), home=program.home)
        again = cost((program.path, "push", str(tree)), home=program.home)
        return {"floor": floor, "ours": ours, "listing": cost(listing), "ours again": again}

    rounds = repeat(one_round, bench.rounds_of_slow(files))
    yield _beside_git(f"push of {TURNS} snapshots", files, rounds, PUSH)
    extra = difference(rounds, "ours again", "listing").cpu
    yield Amount("push of nothing over a listing, CPU", files, extra, "ms", None)


def memory(bench: Bench, tree: Path, files: int, what: str = "") -> Iterator[Row]:
    program = bench.program()
    message = next(_messages)
    to = bench.new_path()
    commands = {
        "first snapshot": program.snapshot(tree, message),
        "nothing changed": program.snapshot(tree),
        "restore": program.restore(tree, message, to),
    }
    for case, command in commands.items():
        peak = peak_kb(command, home=program.home) / 1024
        yield Amount(f"memory without git's, {case}{what}", files, peak, "MB", MEMORY_MB)
    _drop(to)


def growth(bench: Bench, tree: Path, files: int) -> Iterator[Row]:
    program = bench.program()
    program.take(tree)
    before = corpus.bytes_on_disk(program.home)
    for _ in range(GROWTH_SNAPSHOTS):
        corpus.edit(tree, files, 1, next(_marks))
        program.take(tree)
    grown = (corpus.bytes_on_disk(program.home) - before) / GROWTH_SNAPSHOTS / 1024
    yield Amount("home's growth, one-line snapshot", files, grown, "KB", GROWTH_KB)


def packed_growth(bench: Bench, tree: Path, files: int) -> Iterator[Row]:
    """With the upkeep that captures start behind themselves; the last one is waited for."""
    program = bench.program()
    program.take(tree)
    run(program.path, "gc", home=program.home)
    before = corpus.bytes_on_disk(program.home)
    costs = []
    for _ in range(PACKED_SNAPSHOTS):
        corpus.edit(tree, files, 1, next(_marks))
        costs.append(program.take(tree))
    (workspace,) = (program.home / "workspaces").iterdir()
    upkeep = cost((bench.python, "-m", "rollouts", "_upkeep", workspace.name), home=program.home)
    grown = (corpus.bytes_on_disk(program.home) - before) / PACKED_SNAPSHOTS / 1024
    yield Amount(f"home's growth after upkeep, {PACKED_SNAPSHOTS:,} snapshots", files, grown, "KB", PACKED_KB)
    yield Amount("the last upkeep, CPU", files, upkeep.cpu, "ms", None)
    yield Amount("slowest of these snapshots, wall", files, max(taken.wall for taken in costs), "ms", None)


def rows_at(bench: Bench, files: int) -> Iterator[Row]:
    """Every case on a repository (and the first snapshot on a plain directory) of this many files."""
    repository = corpus.make_repository(bench.new_path(), files)
    directory = corpus.make_directory(bench.new_path(), files)
    yield from start_up(bench, repository, files)
    yield from small_changes(bench, repository, files)
    yield from hook(bench, repository, files)
    yield from hundred_files(bench, repository, files)
    yield from first(bench, repository, files, "first snapshot, git repository")
    yield from first(bench, directory, files, "first snapshot, plain directory")
    yield from restore(bench, repository, files)
    yield from many_turns(bench, repository, files)
    yield from memory(bench, repository, files)
    yield from growth(bench, repository, files)
    if files == MANY_FILES:  # a thousand snapshots take minutes
        yield from packed_growth(bench, repository, files)


def _reports(bench: Bench, home: Path, count: int) -> Iterator[Row]:
    """What programs and people read of the sessions that were taken in."""
    scale = max(count / 10_000, 0.1)
    for words, target in REPORTS.items():
        command = (bench.ours, *words)
        rounds: list[Round] = [{"ours": cost(command, home=home)} for _ in range(FEW_ROUNDS)]
        seconds = middle(rounds, "ours").cpu / 1000
        yield Amount(" ".join(words[:3]), count, seconds, "s CPU", None if target is None else max(target * scale, 0.3))
    command = (bench.ours, *next(iter(REPORTS)))
    yield Amount("memory, export of sessions", count, peak_kb(command, home=home) / 1024, "MB", EXPORT_MEMORY_MB)


def rows_of_import(bench: Bench, user: Path, count: int) -> Iterator[Row]:
    """Sessions of agents in a user's home, taken in by an empty home of ours, and looked at again."""
    sessions.make(user, count)
    home, command = bench.new_path(), (bench.ours, "import")
    scale = count / 10_000
    for case, target in IMPORT_SECONDS.items():
        seconds = cost(command, home=home).cpu / 1000
        yield Amount(f"import of sessions, {case}", count, seconds, "s CPU", max(target * scale, 1.0))
    yield from _reports(bench, home, count)
    again = bench.new_path()
    yield Amount("memory without git's, import", count, peak_kb(command, home=again) / 1024, "MB", IMPORT_MEMORY_MB)
    _drop(home, again)


def rows_of_big_file(bench: Bench, megabytes: int) -> Iterator[Row]:
    return memory(bench, corpus.make_big_file(bench.new_path(), megabytes), 1, f" ({megabytes} MB)")


def _beside_git(
    case: str,
    files: int,
    rounds: list[Round],
    target: float | None,
    ours: str = "ours",
    floor: str = "floor",
    *,
    wall_counts: bool = False,
) -> Compared:
    costs = (middle(rounds, ours), middle(rounds, floor), ratio(rounds, ours, floor))
    return Compared(case, files, "floor", *costs, target, wall_counts)


def _beside_original(
    case: str, files: int, rounds: list[Round], ours: str = "ours", original: str = "original"
) -> Compared:
    costs = (middle(rounds, ours), middle(rounds, original), ratio(rounds, ours, original))
    return Compared(case, files, "original", *costs, target=None)


def _empty_store(bench: Bench) -> Path:
    store = bench.new_path()
    run("git", "init", "-q", "--bare", str(store))
    return store


def _git(store: Path, tree: Path) -> Command:
    """A git that keeps its objects and index apart from the tree's own repository."""
    return ("git", "-C", str(tree), f"--git-dir={store}", f"--work-tree={tree}")


def _store_commit(output: str) -> str:
    found = re.search(r"store commit: ([0-9a-f]{40,64})", output)
    if not found:
        raise SystemExit(f"no store commit in: {output}")
    return found[1]


def _drop(*paths: Path) -> None:
    """Gone and written out, so that the next measurement does not pay for it."""
    for path in paths:
        shutil.rmtree(path)
    os.sync()
