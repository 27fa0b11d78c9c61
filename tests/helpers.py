"""What tests do and look at: the real program, real git, and what is on disk."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import pty
import sqlite3
import stat
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import warm

ROLLOUTS = (str(Path(sys.executable).parent / "rollouts"),)
SLOW = 120


class Result(NamedTuple):
    code: int
    out: str
    err: str


def run_in(
    env: Mapping[str, str],
    *args: str | bytes | Path,
    cwd: Path | None = None,
    stdin: bytes = b"",
    under: tuple[str, ...] = (),
    program: Path | str = ROLLOUTS[0],
) -> Result:
    """Runs the installed program, or a copy, in this environment and no other; `under` is a command that starts it."""
    itself = not under and str(program) == ROLLOUTS[0]
    ran = warm.run(ROLLOUTS[0], args, cwd, env, stdin, SLOW) if itself else None
    if ran is None:
        command = [*under, program, *args]
        done = subprocess.run(command, cwd=cwd, input=stdin, env=env, capture_output=True, timeout=SLOW, check=False)
        ran = warm.Ran(done.returncode, done.stdout, done.stderr)
    return Result(ran.code, ran.out.decode(errors="surrogateescape"), ran.err.decode(errors="replace"))


def run(
    *args: str | bytes | Path,
    cwd: Path | None = None,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    under: tuple[str, ...] = (),
) -> Result:
    """Runs the installed program; `env` is added to this process's, `under` is a command that starts it."""
    return run_in(os.environ | (env or {}), *args, cwd=cwd, stdin=stdin, under=under)


def ok(*args: str | bytes | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Runs `rollouts`, which must exit 0. Returns its stdout."""
    result = run(*args, cwd=cwd, env=env)
    assert result.code == 0, result
    return result.out


def imported_by(*words: str | Path) -> set[str]:
    """The modules that a process has imported when it has run `rollouts`, which must exit 0."""
    code = (
        f"import sys\nfrom rollouts import cli\nassert cli.exit_code({[str(word) for word in words]!r}) == 0\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def git(*args: str | bytes | Path, cwd: Path, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> str:
    """Runs the user's git, which must exit 0. Returns its stdout."""
    done = subprocess.run(
        ["git", *args],
        cwd=cwd,
        input=stdin,
        env=os.environ | (env or {}),
        capture_output=True,
        timeout=SLOW,
        check=False,
    )
    assert done.returncode == 0, (args, done.stderr)
    return done.stdout.decode(errors="surrogateescape")


def snapshot(
    workspace: Path, message: str = "m", session: str = "s", metadata: str = "{}", env: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Captures a workspace. Returns the JSON document that was printed."""
    words = ("--session", session, "--message", message, "--metadata", metadata, "--json")
    document: dict[str, Any] = json.loads(ok("snapshot", workspace, *words, env=env))
    return document


def restored(snapshot_id: str, destination: Path) -> Path:
    """Restores a snapshot, with --verify. Returns the destination."""
    ok("restore", "--snapshot", snapshot_id, "--dest", destination, "--verify")
    return destination


class Found(NamedTuple):
    kind: str
    mode: int
    content: str


def tree(root: Path, *, without: tuple[bytes, ...] = (b".git",)) -> dict[bytes, Found]:
    """Everything below a directory: path -> kind (file, link, dir), permission bits, SHA-256 of content or target.

    Names in `without` are left out, wherever they stand. A link's mode says nothing and is 0.
    """
    found: dict[bytes, Found] = {}
    top = os.fsencode(root)
    for folder, dirs, files in os.walk(top):
        dirs[:] = [name for name in dirs if name not in without]
        for name in [*dirs, *(name for name in files if name not in without)]:
            path = folder + b"/" + name
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                entry = Found("link", 0, hashlib.sha256(os.readlink(path)).hexdigest())
            elif stat.S_ISDIR(status.st_mode):
                entry = Found("dir", stat.S_IMODE(status.st_mode), "")
            elif stat.S_ISREG(status.st_mode):
                entry = Found(
                    "file",
                    stat.S_IMODE(status.st_mode),
                    hashlib.sha256(Path(os.fsdecode(path)).read_bytes()).hexdigest(),
                )
            else:
                entry = Found("special", 0, "")
            found[path[len(top) + 1 :]] = entry
    return found


def contents(root: Path, *, without: tuple[bytes, ...] = (b".git",)) -> dict[bytes, tuple[str, bool, str]]:
    """Like `tree` with only what a git tree holds: kind, exec bit, content; directories are left out."""
    return {
        path: (entry.kind, bool(entry.mode & 0o100), entry.content)
        for path, entry in tree(root, without=without).items()
        if entry.kind != "dir"
    }


def fingerprint(root: Path) -> dict[bytes, tuple[int, int, int, int, str]]:
    """Every path below a directory with inode, mode, size, mtime (ns) and content; a capture changes none of it."""
    seen: dict[bytes, tuple[int, int, int, int, str]] = {}
    for folder, dirs, files in os.walk(os.fsencode(root)):
        for name in [b".", *dirs, *files]:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            content = (
                hashlib.sha256(Path(os.fsdecode(path)).read_bytes()).hexdigest() if stat.S_ISREG(status.st_mode) else ""
            )
            seen[path] = (status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns, content)
    return seen


def rows(home: Path) -> list[str]:
    """The ids of the snapshots that `list` knows, over all sessions."""
    listed = json.loads(ok("list", "--json"))
    sessions = {session["session_id"] for workspace in listed["workspaces"] for session in workspace["sessions"]}
    found: list[str] = []
    for session in sorted(sessions):
        found += [row["id"] for row in json.loads(ok("list", "--session", session, "--json"))["snapshots"]]
    assert home.exists() or not found
    return found


def failure(result: Result, code: int = 1) -> str:
    """The one line that a failed command says; it exits with `code` and prints nothing on stdout."""
    assert (result.code, result.out) == (code, ""), result
    assert result.err.startswith("Error: "), result
    assert result.err.count("\n") == 1, result
    assert result.err.endswith("\n"), result
    return result.err.removeprefix("Error: ").removesuffix("\n")


def store_of(home: Path, taken: Mapping[str, Any]) -> Path:
    """The bare store that a snapshot's JSON document speaks of."""
    return home / "workspaces" / str(taken["workspace_id"]) / "store.git"


class Captured(NamedTuple):
    """A turn that was captured and restored."""

    snapshot: dict[str, Any]
    files: Path
    facts: dict[str, Any]


def facts(home: Path, document: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON line in a snapshot's commit; paths that are not UTF-8 are left as `path_b64`."""
    store = home / "workspaces" / document["workspace_id"] / "store.git"
    line = git("--git-dir", store, "log", "-1", "--format=%b", document["store_commit_sha"], cwd=store)
    found: dict[str, Any] = json.loads(line)
    return found


def captured(workspace: Path, *, session: str = "s", env: Mapping[str, str] | None = None) -> Captured:
    """Captures a workspace as a new turn and restores that turn beside the Rollouts home, with --verify."""
    home = Path(os.environ["ROLLOUTS_HOME"])
    message = os.urandom(4).hex()
    document = snapshot(workspace, message=message, session=session, env=env)
    files = restored(document["id"], home.parent / "restored" / message)
    return Captured(document, files, facts(home, document))


def skipped(document: Mapping[str, Any]) -> dict[str, str]:
    """What a snapshot left out: path -> reason."""
    return {entry["path"]: entry["reason"] for entry in document["skipped"]}


def put(root: Path, path: str | bytes, data: bytes = b"x\n", *, mode: int | None = None) -> Path:
    """Writes a file and the directories above it. Returns its path."""
    target = root / os.fsdecode(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    if mode is not None:
        target.chmod(mode)
    return target


def commit_all(root: Path) -> None:
    """Makes a repository if there is none, and commits all that no rule ignores."""
    git("init", "-q", cwd=root)
    git("add", "-A", cwd=root)
    git("commit", "-q", "--allow-empty", "-m", "all", cwd=root)


def new_repository(root: Path) -> Path:
    """A repository with one committed file, `in.txt`."""
    put(root, "in.txt", b"inside\n")
    commit_all(root)
    return root


def query(home: Path, sql: str, *values: str) -> list[Any]:
    """The rows that a statement gives on the catalog of a home."""
    with contextlib.closing(sqlite3.connect(home / "rollouts.sqlite", isolation_level=None)) as connection:
        return connection.execute(sql, values).fetchall()


def on_a_terminal(
    width: int, *args: str | bytes | Path, env: Mapping[str, str] | None = None, under: tuple[str, ...] = ()
) -> str:
    """Runs `rollouts`, which must exit 0, in a terminal so many columns wide. Returns what it showed."""
    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    settings = {"TERM": "xterm", **os.environ, **(env or {})}
    with subprocess.Popen([*under, *ROLLOUTS, *args], stdin=end, stdout=end, stderr=end, env=settings) as child:
        os.close(end)
        shown = b""
        with contextlib.suppress(OSError):  # Linux says EIO when the last writer has gone
            while chunk := os.read(terminal, 1 << 16):
                shown += chunk
    os.close(terminal)
    assert child.returncode == 0, shown
    return shown.decode(errors="replace")
