"""Work trees to measure on: seeded text, about a dozen files a directory, as a git repository or a plain directory."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

from measure import run

SEED = 20
FAN_OUT = 12
FILE_SIZE = 4096
MEGABYTE = 1 << 20
# Older than any index written later: otherwise git takes half of a fresh tree for racily clean and reads it again.
WRITTEN_AT = 1_700_000_000


def paths(root: Path, files: int) -> Iterator[Path]:
    for number in range(files):
        directory, file = divmod(number, FAN_OUT)
        group, member = divmod(directory, FAN_OUT)
        yield root / f"d{group:03}" / f"d{member:02}" / f"f{file:02}.txt"


def _texts() -> Iterator[str]:
    """Prose-like text of FILE_SIZE that compresses about as well as source code does."""
    chance = random.Random(SEED)
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 10))) for _ in range(3000)]
    while True:
        lines = (" ".join(chance.choices(words, k=10)) for _ in range(FILE_SIZE // 40))
        yield "\n".join(lines)[: FILE_SIZE - 1] + "\n"


def make_directory(root: Path, files: int) -> Path:
    for path, text in zip(paths(root, files), _texts(), strict=False):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (WRITTEN_AT, WRITTEN_AT))
    return root


def make_repository(root: Path, files: int) -> Path:
    make_directory(root, files)
    git = ("git", "-C", str(root))
    run(*git, "init", "-q")
    run(*git, "config", "gc.auto", "0")  # no gc of its own beside the one below
    run(*git, "add", "-A")
    run(*git, "-c", "user.name=Bench", "-c", "user.email=bench@example.com", "commit", "-q", "-m", "Start")
    run(*git, "gc", "-q")
    return root


def make_big_file(root: Path, megabytes: int) -> Path:
    """A directory of one file that no compression makes smaller."""
    chance = random.Random(SEED)
    root.mkdir()
    with (root / "big.bin").open("wb") as file:
        for _ in range(megabytes):
            file.write(chance.randbytes(MEGABYTE))
    return root


def edit(root: Path, files: int, count: int, mark: str) -> None:
    """Replace the first line of `count` files, spread over the whole tree."""
    for path in list(paths(root, files))[:: max(1, files // count)][:count]:
        _, rest = path.read_text().split("\n", 1)
        path.write_text(f"{mark}\n{rest}")


def count_files(root: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(root))


def bytes_on_disk(root: Path) -> int:
    """Whole blocks, as `du` counts."""
    return sum(
        os.lstat(os.path.join(at, name)).st_blocks * 512
        for at, directories, names in os.walk(root)
        for name in (*directories, *names)
    )
