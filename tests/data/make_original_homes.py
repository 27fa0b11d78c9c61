"""Make a ROLLOUTS_HOME with an original agent-rollouts release, and the list of what it must give back.

    python make_original_homes.py PROGRAM NAME

PROGRAM is the `rollouts` of an installed original release, NAME the stem of the two files written beside this script.
"""

import gzip
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple

BASE = Path("/tmp/rollouts-original")  # noqa: S108 - absolute paths are part of a home, so this one must say nothing
HOME, GIT, PLAIN = BASE / "home", BASE / "ws-git", BASE / "ws-plain"
REMOTE = "https://git.example.com/archives/ws-git.git"


class Entry(NamedTuple):
    """A path's kind (file, exec or link) and its bytes, or a link's target."""

    kind: str
    data: bytes


Files = dict[str, Entry]


def text(content: str) -> Entry:
    return Entry("file", content.encode())


class Turn(NamedTuple):
    """One snapshot and what the workspace must hold by then; `staged` deletions go through `git rm`."""

    workspace: Path
    session: str
    message: str
    metadata: str
    files: Files
    staged: tuple[str, ...] = ()


START: Files = {
    ".gitattributes": text("*.md export-ignore\n"),
    ".gitignore": text("*.log\n"),
    "README.md": text("# Original\n\nLeft out by git archive, yet captured.\n"),
    "bin/run": Entry("exec", b"#!/bin/sh\nexec true\n"),
    "latest": Entry("link", b"src/app.py"),
    "obsolete.txt": text("goes away in the third turn\n"),
    "src/app.py": text("print('one')\n"),
    "windows.txt": Entry("file", b"two\r\nlines\r\n"),
}
EDITED = START | {"src/app.py": text("print('two')\n"), "notes/naïve 文.txt": text("a name beyond ASCII\n")}
ADDED = EDITED | {"empty": Entry("file", b""), "raw.bin": Entry("file", bytes(range(256)))}
PRUNED = {path: entry for path, entry in ADDED.items() if path != "obsolete.txt"}
LAST = PRUNED | {"src/app.py": Entry("exec", b"print('three')\n"), "latest": Entry("link", b"nowhere")}
DRAFT: Files = {
    "draft.txt": text("first\n"),
    "sub/dir/data.json": text('{"n": 1}\n'),
    "link": Entry("link", b"draft.txt"),
}
REVISED = DRAFT | {"draft.txt": text("second\n"), "tool.sh": Entry("exec", b"#!/bin/sh\n")}

NESTED = '{"kind": "hooks", "payload": {"turn": 1, "tags": ["a", "b"], "text": "naïve"}}'
TURNS = (
    Turn(GIT, "ses_first", "msg-1", NESTED, EDITED),
    Turn(GIT, "ses_first", "msg-ü-2", '{ "spaced" :  true }', ADDED),
    Turn(GIT, "second session, with spaces", "msg-1", "{}", PRUNED, staged=("obsolete.txt",)),
    Turn(GIT, "second session, with spaces", "msg-2", '{"n": 1.50, "none": null}', LAST),
    Turn(PLAIN, "ses_plain", "msg-1", '{"deep": {"er": {"est": []}}}', DRAFT),
    Turn(PLAIN, "ses_plain", "msg-2", "{}", REVISED),
)


def run(*command: str) -> bytes:
    """Run with no configuration but our own, in one time zone."""
    env = {
        "GIT_CONFIG_NOSYSTEM": "1",
        "HOME": str(BASE / "user"),
        "LC_ALL": "C.UTF-8",
        "PATH": os.environ["PATH"],
        "ROLLOUTS_HOME": str(HOME),
        "TZ": "UTC",
    }
    return subprocess.run(command, env=env, cwd=BASE, check=True, stdout=subprocess.PIPE).stdout


def write(root: Path, files: Files) -> None:
    for name, entry in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if entry.kind == "link":
            path.symlink_to(os.fsdecode(entry.data))
        else:
            path.write_bytes(entry.data)
            path.chmod(0o755 if entry.kind == "exec" else 0o644)


def start_git_workspace() -> None:
    write(GIT, START)
    run("git", "init", "-q", "-b", "main", str(GIT))
    run("git", "-C", str(GIT), "add", "-A")
    author = ("-c", "user.name=Example", "-c", "user.email=example@example.com")
    run("git", "-C", str(GIT), *author, "commit", "-q", "-m", "Start")
    write(GIT, {"ignored.log": text("never captured\n")})


def take(program: str, turn: Turn) -> None:
    write(turn.workspace, turn.files)
    for path in turn.staged:
        run("git", "-C", str(turn.workspace), "rm", "-q", path)
    options = ("--session", turn.session, "--message", turn.message, "--metadata", turn.metadata)
    run(program, "snapshot", str(turn.workspace), *options)


def listed(store: str, commit: str) -> dict[str, tuple[str, str]]:
    """The mode and blob id of each path in a stored commit."""
    lines = run("git", "--git-dir", store, "ls-tree", "-r", "-z", commit).decode().split("\0")[:-1]
    return {path: (mode, oid) for mode, _, oid, path in (line.replace("\t", " ", 1).split(" ", 3) for line in lines)}


def as_listed(files: Files) -> dict[str, tuple[str, str]]:
    modes = {"file": "100644", "exec": "100755", "link": "120000"}
    return {
        path: (modes[kind], hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest())
        for path, (kind, data) in files.items()
    }


QUERY = """
    SELECT snapshots.id, session_id, message_id, store_commit_sha, captured_at, metadata, root_path, store_path
    FROM snapshots JOIN workspaces ON workspaces.id = workspace_id ORDER BY captured_at
"""


def snapshots() -> list[dict[str, object]]:
    """What the original wrote down, in the order of TURNS, with the files each snapshot must restore to."""
    with sqlite3.connect(HOME / "rollouts.sqlite") as database:
        database.row_factory = sqlite3.Row
        rows = [dict(row) for row in database.execute(QUERY)]
    for row, turn in zip(rows, TURNS, strict=True):
        if listed(row.pop("store_path"), row["store_commit_sha"]) != as_listed(turn.files):
            sys.exit(f"the original did not store {turn.session} {turn.message} as it was")
        files = sorted(turn.files.items())
        row["files"] = {
            path: {"type": kind, "sha256": hashlib.sha256(data).hexdigest()} for path, (kind, data) in files
        }
    return rows


def neutral(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Without owner and time, so that one home packs to one archive; git's sample hooks are dead weight."""
    member.uid = member.gid = 0
    member.mtime = 0
    member.uname = member.gname = ""
    member.mode = 0o755 if member.isdir() else 0o644
    return None if member.name.endswith(".sample") else member


def pack(target: Path) -> None:
    """HOME as `home/...`; tarfile adds each directory's entries sorted."""
    with (
        target.open("wb") as raw,
        gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        tar.add(HOME, "home", filter=neutral)


def main(program: str, name: str) -> None:
    BASE.mkdir()  # refuse to share it with a second run
    try:
        start_git_workspace()
        for turn in TURNS:
            take(program, turn)
        run(program, "remote", "set", str(GIT), "--url", REMOTE)
        home = {"home": str(HOME), "remotes": {str(GIT): REMOTE, str(PLAIN): None}, "snapshots": snapshots()}
        here = Path(__file__).parent
        (here / f"{name}.json").write_text(json.dumps(home, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        pack(here / f"{name}.tar.gz")
    finally:
        shutil.rmtree(BASE)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
