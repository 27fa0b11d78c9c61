"""The languages that a repository is written in, by the names of its files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable

from rollouts.errors import RolloutsError
from rollouts.models import Workspace
from rollouts.storage.archive import Archive

_EXTENSIONS = {
    "C": "c h",
    "C++": "cc cpp cxx hh hpp hxx",
    "C#": "cs",
    "Clojure": "clj cljc cljs",
    "CSS": "css less sass scss",
    "Dart": "dart",
    "Elixir": "ex exs",
    "Elm": "elm",
    "Erlang": "erl hrl",
    "F#": "fs fsi",
    "Fortran": "f90 f95 f03",
    "Go": "go",
    "Haskell": "hs",
    "HTML": "htm html",
    "Java": "java",
    "JavaScript": "cjs js jsx mjs",
    "Julia": "jl",
    "Jupyter Notebook": "ipynb",
    "Kotlin": "kt kts",
    "Lua": "lua",
    "Nix": "nix",
    "Objective-C": "m mm",
    "OCaml": "ml mli",
    "Perl": "pl pm",
    "PHP": "php",
    "PowerShell": "ps1 psm1",
    "Python": "py pyi pyx",
    "R": "r",
    "Ruby": "rb",
    "Rust": "rs",
    "Scala": "sbt scala",
    "Shell": "bash fish sh zsh",
    "Solidity": "sol",
    "SQL": "sql",
    "Svelte": "svelte",
    "Swift": "swift",
    "Terraform": "tf",
    "TypeScript": "cts mts ts tsx",
    "Vue": "vue",
    "Zig": "zig",
}
_BY_EXTENSION = {ending: name for name, endings in _EXTENSIONS.items() for ending in endings.split()}
_FOREIGN = frozenset({b"node_modules", b"vendor", b"third_party", b"site-packages"})
_SHARE = 0.1
_MOST = 3


def spoken(paths: Iterable[bytes]) -> tuple[str, ...]:
    """The languages of at least a tenth of the files that are of any, the first first, three at most."""
    counts: Counter[str] = Counter()
    for path in paths:
        *folders, name = path.split(b"/")
        language = _BY_EXTENSION.get(os.fsdecode(name.rpartition(b".")[2]).lower()) if b"." in name else None
        if language and not _FOREIGN.intersection(folders):
            counts[language] += 1
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(name for name, count in ranked[:_MOST] if count >= counts.total() * _SHARE)


class Languages:
    """Those of workspaces, by the files of their newest snapshots; each is looked at once."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._known: dict[str, tuple[str, ...]] = {}

    def of(self, workspace: Workspace) -> tuple[str, ...]:
        """A workspace's; none when its store is damaged: that is `doctor`'s to tell."""
        if workspace.id not in self._known:
            self._known[workspace.id] = self._looked(workspace)
        return self._known[workspace.id]

    def _looked(self, workspace: Workspace) -> tuple[str, ...]:
        snapshots = self._archive.catalog.snapshots(workspace.id)
        if not snapshots:
            return ()
        try:
            with self._archive.reading(workspace):
                entries = self._archive.store(workspace.id).entries(snapshots[-1].store_commit_sha)
        except (RolloutsError, OSError):
            return ()
        return spoken(entry.path for entry in entries)
