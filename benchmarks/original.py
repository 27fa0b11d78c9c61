"""The original that we are compared with: a release of agent-rollouts, installed from the package index."""

import shutil
import subprocess
import sys
from pathlib import Path

RELEASE = "agent-rollouts==0.1.5"
PYTHON = "3.12"  # the first that it runs on


def install(folder: Path) -> str | None:
    """Installs it into a virtual environment. Returns its program; None, said on stderr, where it cannot be had."""
    uv = shutil.which("uv")
    if uv is None:
        print("without the original: uv is not on PATH", file=sys.stderr)
        return None
    for command in (
        (uv, "venv", "--quiet", "--python", PYTHON, str(folder)),
        (uv, "pip", "install", "--quiet", "--python", str(folder), RELEASE),
    ):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"without the original: {done.stderr.strip().partition(chr(10))[0]}", file=sys.stderr)
            return None
    return str(folder / "bin" / "rollouts")
