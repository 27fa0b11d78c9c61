"""From a workspace's files to a tree in its store, with the facts that a tree cannot hold.

The user's git (or a walk, in a plain directory) says what belongs; the store's own index, kept from capture to capture,
says what changed; both run at once. When neither has news of a path, that is all. Otherwise the listed and the indexed
paths are compared as sets, and the index is brought in line.
"""

from __future__ import annotations

import os

from rollouts import config
from rollouts.contracts.commit import Facts, Modes
from rollouts.errors import CommandError, RolloutsError
from rollouts.paths import Home, is_inside, relative_to
from rollouts.record import Record
from rollouts.storage import git, kept, listing, walk, workspace
from rollouts.storage.git_store import GitStore
from rollouts.storage.index import Index, Refreshed
from rollouts.storage.kept import Kept, Unit
from rollouts.storage.listing import ABSENT, DIRECTORY, STORABLE, TOO_LARGE, UNSTORABLE, Examiner, Odd, Verdict
from rollouts.storage.walk import Walk
from rollouts.storage.workspace import Place

_UNTRACKED_LIMIT = 100 << 20
_PLAIN_LIMIT = 2 << 30


class Limits(Record):
    """What is left out of a capture."""

    home: bytes | None
    """The Rollouts home, from the root, when it lies inside."""
    untracked: int
    """Bytes that an untracked file of a git workspace may have."""
    plain: int
    """Bytes that a file of a plain directory may have."""


def limits(home: Home, root: bytes) -> Limits:
    """What the home's configuration leaves out of captures of `root`."""
    path = os.fsencode(home.path)
    limit = config.max_file_size(home)
    inside = relative_to(path, root) if is_inside(path, root) else None
    return Limits(inside, _UNTRACKED_LIMIT if limit is None else limit, _PLAIN_LIMIT if limit is None else limit)


class Captured(Record):
    tree: str
    files: int
    bytes_new: int
    """Bytes of the files that are new or changed since the workspace's last capture."""
    facts: Facts


class _Seen(Record):
    """One unit as it is now."""

    listing: bytes
    walked: Walk | None
    """All of it, when it is a plain directory."""


Listed = dict[bytes, tuple[bool, Verdict]]


class _Units:
    """The units of a workspace, each compared with what is kept of it."""

    def __init__(self, index: Index, limits: Limits, old: Kept | None) -> None:
        self.index = index
        self.limits = limits
        self.old = old.units if old else {}
        self.seen: dict[bytes, _Seen] = {}
        self.new: dict[bytes, Unit] = {}
        self.changed = False
        self.to_add: dict[bytes, bool] = {}
        """Path -> is untracked."""
        self.bytes_to_add = 0
        self.too_large: list[bytes] = []

    def look(self, prefix: bytes, seen: _Seen) -> None:
        """Takes in a unit and, one after the other, those nested in it."""
        pending = [(prefix, seen)]
        while pending:
            prefix, seen = pending.pop()
            self.seen[prefix] = seen
            self.new[prefix] = unit = self._compare(prefix, seen)
            for path, (untracked, verdict) in unit.unstored.items():
                below = path.rstrip(b"/") + b"/"
                if verdict[0] == DIRECTORY and below not in self.seen:
                    is_file = untracked and path != below  # when it was listed
                    pending += [(below, nested) for nested in ([] if is_file else self._nested(prefix, path))]

    def _compare(self, prefix: bytes, seen: _Seen) -> Unit:
        old = self.old.get(prefix)
        unstored: dict[bytes, tuple[bool, Verdict]] = {}
        if old is not None and old.listing == seen.listing:
            looked = ((path, self._again(path, *was)) for path, was in old.unstored.items())
            dirs, quiet = old.dirs, old.quiet
        else:
            self.changed = True
            listed = listing.entries(seen.listing, prefix, self.limits.home)
            known = self.index.known()
            verdict = self.index.examiner.verdict
            looked = (
                (path, (untracked, verdict(path, untracked=untracked)))
                for path, untracked in listed.items()
                if path not in known
            )
            dirs, quiet = frozenset(listing.directories(listed, prefix)), {}
        for path, (untracked, found) in looked:
            if found[0] == STORABLE:
                self.to_add[path] = untracked
                self.bytes_to_add += found[1] or 0
            else:
                unstored[path] = (untracked, found)
        for path in listing.untracked(seen.listing, prefix):
            size = 0 if path in unstored or path in self.to_add else self.index.examiner.size(path)
            if size > self.limits.untracked:
                self.too_large.append(path)
                unstored[path] = (True, (TOO_LARGE, size))
        return Unit(seen.listing, dirs, unstored, quiet)

    def note_refused(self) -> None:
        """Notes which paths could not be added after all."""
        for path in self.to_add.keys() - self.index.known():
            verdict = self.index.refused.get(path, (ABSENT, None))
            prefix = max((prefix for prefix in self.new if path.startswith(prefix)), key=len)
            self.new[prefix].unstored[path] = (self.to_add[path], verdict)

    def _again(self, path: bytes, untracked: bool, was: Verdict) -> tuple[bool, Verdict]:
        now = self.index.examiner.verdict(path, untracked=untracked, open_it=True)
        refused_by_git = was[0] == UNSTORABLE and now[0] == STORABLE
        return untracked, was if refused_by_git else now

    def _nested(self, outer: bytes, path: bytes) -> list[_Seen]:
        """A repository in the unit `outer`; one that cannot be read, or a submodule without one, is taken whole."""
        prefix = path.rstrip(b"/") + b"/"
        place, home = self.index.place, self.limits.home
        below = place.root + b"/" + prefix
        if workspace.is_repository(below + b".git"):
            try:
                with listing.start_listing(below, below + b".git", None) as running:
                    return [_Seen(running.output(), None)]
            except CommandError:
                pass  # git cannot read it: its files are there all the same
        elif path != prefix and (self.seen[outer].walked or not self._is_gitlink(outer, path)):
            return []
        walked = walk.walk(place.root, prefix.rstrip(b"/"), self.limits.untracked, home)
        return [_Seen(walked.listing(prefix), walked)]

    def _is_gitlink(self, outer: bytes, path: bytes) -> bool:
        work_tree, dot_git = self._repository(outer)
        question = ("--literal-pathspecs", "ls-files", "-sz", "--", path[len(outer) :])
        return git.user(dot_git, work_tree, *question).startswith(b"160000 ")

    def _repository(self, prefix: bytes) -> tuple[bytes, bytes]:
        """The work tree and the `.git` of a unit."""
        work_tree = self.index.place.root + b"/" + prefix
        return work_tree, (self.index.place.git_dir if not prefix else None) or work_tree + b".git"

    def listed(self) -> set[bytes]:
        """Every path that belongs, stored or not; roots of nested units are directories, not files."""
        roots = {prefix.rstrip(b"/") for prefix in self.seen}
        seen = self.seen.items()
        return {path for prefix, (raw, _) in seen for path in listing.entries(raw, prefix, self.limits.home)} - roots

    def odd(self) -> Odd:
        """What the directories hold beside the listed files."""
        found = Odd([], {}, {})
        nested = {prefix.rstrip(b"/") for prefix in self.seen if prefix}
        for prefix, (_, walked) in self.seen.items():
            odd = walked.odd if walked else self._surveyed(prefix, nested)
            found.empty_dirs.extend(odd.empty_dirs)
            found.skipped.update(odd.skipped)
        return found

    def _surveyed(self, prefix: bytes, nested: set[bytes]) -> Odd:
        root = self.index.place.root
        unit = self.new[prefix]
        odd, quiet = listing.survey(root, unit.dirs, nested, self.limits.home, unit.quiet)
        self.new[prefix] = unit._replace(quiet=quiet)
        if odd.special:
            work_tree, dot_git = self._repository(prefix)
            paths = b"".join(path[len(prefix) :] + b"\0" for path in odd.special)
            question = ("check-ignore", "-z", "--stdin")
            with git.start_user(dot_git, work_tree, *question, stdin=paths) as running:
                _, ignored, _ = running.finish()
            hidden = {prefix + path for path in ignored.split(b"\0")}
            odd.skipped.update({path: verdict for path, verdict in odd.special.items() if path not in hidden})
        return odd


def _first_look(place: Place, limits: Limits) -> _Seen:
    if place.git_dir is None:
        walked = walk.walk(place.root, b"", limits.plain, limits.home)
        return _Seen(walked.listing(b""), walked)
    try:
        with listing.start_listing(place.root, place.git_dir, limits.home) as running:
            return _Seen(running.output(), None)
    except CommandError as error:
        shown = place.root.decode(errors="replace")
        raise RolloutsError(
            f"git cannot list the files of {shown}: {error}; `git -C {shown} status` says more"
        ) from error


def _look(store: GitStore, index: Index, limits: Limits) -> tuple[_Seen, Refreshed]:
    """What belongs and what changed, asked at the same time."""
    if not store.index_exists():
        return _first_look(index.place, limits), Refreshed(steady=False, changed=[])
    with store.refresh(index.place.root) as refresh:
        return _first_look(index.place, limits), index.settle(refresh)


def _skipped(path: bytes, verdict: Verdict) -> tuple[bytes, Verdict]:
    """What a skip is reported as: that of a foreign `.git` is its own, not one of each file in it."""
    at = listing.foreign_git(path)
    return (path[: at + 4], (UNSTORABLE, None)) if at >= 0 else (path, verdict)


def _facts(place: Place, units: _Units) -> Facts:
    odd = units.odd()
    foreign = {path for path in odd.empty_dirs if listing.foreign_git(path) >= 0}
    unstored = {path: verdict for unit in units.new.values() for path, (_, verdict) in unit.unstored.items()}
    unstored |= odd.skipped | dict.fromkeys(foreign, (UNSTORABLE, None))
    skipped = dict(
        _skipped(path, verdict) for path, verdict in unstored.items() if verdict[0] not in {STORABLE, ABSENT, DIRECTORY}
    )
    top = units.seen[b""].walked
    nested = (
        {path for path in top.nested if path and workspace.is_repository(place.root + b"/" + path + b"/.git")}
        if top
        else {prefix.rstrip(b"/") for prefix, seen in units.seen.items() if prefix and not seen.walked}
    )
    modes: Modes | None = walk.modes(top) if top else None
    return Facts(
        tuple((path, *verdict) for path, verdict in sorted(skipped.items())),
        tuple(sorted(set(odd.empty_dirs) - foreign)),
        modes,
        tuple((path, workspace.head(place.root + b"/" + path + b"/.git")) for path in sorted(nested)),
    )


def capture(place: Place, store: GitStore, limits: Limits, kept_path: str, *, for_turn: bool = True) -> Captured:
    """Stores the workspace's files and returns their tree.

    Args:
        place: the workspace.
        store: its store; the caller holds the workspace's lock.
        limits: what is left out.
        kept_path: the file that is kept beside the store for the next capture.
        for_turn: a snapshot is made of it; else what is new stays news to the next capture.

    Raises:
        RolloutsError: the files cannot be listed, or do not come to rest.
        CommandError: git failed, on a full disk for instance. Nothing refers to what was written by then.
    """
    old = kept.load(kept_path)
    settings = (tuple(limits), place.git_dir is None)
    if old and (old.settings != settings or old.stamp != kept.signature(store.index)):
        old = None  # another process, or a killed one, had the index since
    index = Index(store, place, Examiner(place.root, limits.untracked))
    top, refreshed = _look(store, index, limits)
    index.seed(top.listing.count(b"\0"))
    units = _Units(index, limits, old if refreshed.steady else None)
    units.look(b"", top)
    same = not units.changed and units.new.keys() == units.old.keys()
    if not same or units.to_add or units.too_large:
        if index.known():
            index.remove(sorted((index.known() - units.listed()).union(units.too_large) & index.known()))
        index.add(units.to_add)
        units.note_refused()
        same = False
    facts = _facts(place, units)
    if old and same and not refreshed.changed:
        tree, files = old.tree, old.files
    else:
        tree = store.write_tree()
        files = old.files if old and same else len(index.known())
    bytes_new = units.bytes_to_add + sum(map(index.examiner.size, refreshed.changed)) + (old.unclaimed if old else 0)
    stamp = kept.signature(store.index) or (0, 0, 0)
    now = Kept(settings, stamp, tree, files, units.new, unclaimed=0 if for_turn else bytes_new)
    if now != old:
        kept.save(kept_path, now)
    return Captured(tree, files, bytes_new, facts)
