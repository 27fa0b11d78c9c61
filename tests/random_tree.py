"""A tree that random things happen to: odd names, links, changes of type, nested repositories, ignore rules."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from helpers import git

SEED = int(os.environ.get("PYTEST_SEED") or random.randrange(1 << 32))  # noqa: S311 - no secret
TURNS = int(os.environ.get("PYTEST_TURNS") or 20)
NAMES = [b"a", b"b", b"c", b"d.txt", b"-e", b"f\ng", b"\xff", b"i", b" ", b"*", b".k", b"A"]
NAMES += [b"h'\nremove 'i", b"h'\nadd 'i"]


class RandomTree:
    """A tree that random things happen to."""

    def __init__(self, root: Path, dice: random.Random, *, is_git: bool) -> None:
        self.root = os.fsencode(root)
        self.dice = dice
        self.is_git = is_git

    def _dirs(self) -> list[bytes]:
        deep = self.root.count(b"/") + 6
        folders = [folder for folder, _, _ in os.walk(self.root) if b"/.git/" not in folder + b"/"]
        return sorted(folder for folder in folders if folder.count(b"/") < deep)

    def _paths(self) -> list[bytes]:
        inside = [folder + b"/" + name for folder in self._dirs() for name in os.listdir(folder)]
        return sorted(path for path in inside if not path.endswith(b"/.git"))

    def _new(self) -> bytes:
        path = self.dice.choice(self._dirs()) + b"/" + self.dice.choice(NAMES)
        self._clear(path)
        return path

    def _clear(self, path: bytes) -> None:
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.unlink(path)

    def write(self) -> None:
        with open(self._new(), "wb") as file:
            file.write(self.dice.randbytes(self.dice.choice((0, 1, 10, 10, 10, 5000))))

    def edit(self) -> None:
        for path in self.dice.sample(self._paths(), k=min(3, len(self._paths()))):
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "r+b") as file:  # the same size, most often
                    file.write(self.dice.randbytes(1))

    def remove(self) -> None:
        for path in self.dice.sample(self._paths(), k=min(1, len(self._paths()))):
            self._clear(path)

    def make_dir(self) -> None:
        os.mkdir(self._new())

    def link(self) -> None:
        os.symlink(self.dice.choice((b"a", b"..", b"nowhere", b"/etc", *NAMES)), self._new())

    def rename(self) -> None:
        for path in self.dice.sample(self._paths(), k=min(1, len(self._paths()))):
            target = self._new()
            if os.path.lexists(path) and not target.startswith(path + b"/"):
                os.rename(path, target)

    def change_mode(self) -> None:
        for path in self.dice.sample(self._paths(), k=min(2, len(self._paths()))):
            if not os.path.islink(path):
                usual = (0o755,) if os.path.isdir(path) else (0o644, 0o755)
                os.chmod(path, self.dice.choice(usual if self.is_git else (0o700, 0o755, 0o711, 0o777, 0o750)))

    def nest(self) -> None:
        folder = self.dice.choice(self._dirs())
        if folder == self.root:
            return
        if os.path.isdir(folder + b"/.git"):
            shutil.rmtree(folder + b"/.git")
        else:
            git("init", "-q", cwd=Path(os.fsdecode(folder)))

    def use_git(self) -> None:
        homes = [folder for folder in self._dirs() if os.path.isdir(folder + b"/.git")]
        if homes:
            where = Path(os.fsdecode(self.dice.choice(homes)))
            line = self.dice.choice(("add -A", "rm -rq --cached --ignore-unmatch .", "add -N .", "commit -qam m"))
            git("-c", f"alias.try=!git {line} 2>&1 || true", "try", cwd=where)

    def ignore(self) -> None:
        rules = self.dice.sample((b"*.txt", b"a", b"/b/", b"!d.txt", b"i/*", b"c", b"*"), k=self.dice.choice((0, 1, 2)))
        path = self.dice.choice(self._dirs()) + b"/.gitignore"
        self._clear(path)
        with open(path, "wb") as file:
            file.write(b"\n".join(rules))

    def make_pipe(self) -> None:
        os.mkfifo(self._new())

    def grow(self) -> None:
        with open(self._new(), "wb") as file:
            file.write(self.dice.randbytes(self.dice.choice((10_239, 10_241))))

    def happen_oddly(self) -> None:
        """One random thing, perhaps one that cannot be restored."""
        self.dice.choice([self.happen, self.happen, self.happen, self.ignore, self.make_pipe, self.grow])()

    def happen(self) -> None:
        """One random thing that can be restored in full."""
        often: list[Callable[[], None]] = [self.write, self.write, self.write, self.edit, self.make_dir, self.remove]
        self.dice.choice([*often, self.link, self.rename, self.change_mode, self.nest, self.use_git])()
