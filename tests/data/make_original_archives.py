"""Push a home of an original release with that release, and keep each archive it makes as a git bundle.

    python make_original_archives.py PROGRAM NAME

PROGRAM is the `rollouts` of an installed original release, NAME the stem of a home that make_original_homes.py wrote
beside this script. For each of its workspaces `NAME-<ws-git|ws-plain>.bundle` is written.
"""

import shutil
import sys
import tarfile
from pathlib import Path

from make_original_homes import BASE, GIT, HOME, PLAIN, run

HERE = Path(__file__).parent


def archive(program: str, workspace: Path) -> Path:
    """Pushes a workspace into a fresh repository. Returns that."""
    repository = BASE / f"{workspace.name}.git"
    workspace.mkdir()
    run("git", "init", "-q", "--bare", str(repository))
    run(program, "remote", "set", str(workspace), "--url", str(repository))
    run(program, "push", str(workspace))
    return repository


def main(program: str, name: str) -> None:
    BASE.mkdir()  # refuse to share it with a second run
    try:
        with tarfile.open(HERE / f"{name}.tar.gz") as tar:
            tar.extractall(BASE, filter="data")
        (BASE / "user").mkdir()
        (BASE / "user" / ".gitconfig").write_text("[user]\n\tname = Ann Onymous\n\temail = ann@example.com\n")
        for workspace in (GIT, PLAIN):
            repository = archive(program, workspace)
            bundle = HERE / f"{name}-{workspace.name}.bundle"
            run("git", "-C", str(repository), "bundle", "create", "-q", str(bundle), "--all")
    finally:
        shutil.rmtree(BASE)


if __name__ == "__main__":
    assert HOME.parent == BASE
    main(sys.argv[1], sys.argv[2])
