"""The store's own index, kept from capture to capture: refreshed, mended, and brought in line with what is listed."""

from __future__ import annotations

import os
from collections.abc import Iterator

from rollouts.errors import CommandError, RolloutsError
from rollouts.process import Running
from rollouts.record import Record
from rollouts.storage import git, workspace
from rollouts.storage.git_store import GitStore
from rollouts.storage.listing import ABSENT, DIRECTORY, RESTLESS, STORABLE, UNSTORABLE, Examiner, Verdict
from rollouts.storage.workspace import Place

_ROUNDS = 5  # how often files may change under a refresh before it gives up
_PATIENCE = 2  # how often before those that differ are taken out, to be read one by one
_MANY = 200  # new files: from here on one pack is cheaper than a loose object each
_AT_ONCE = 10_000  # of those: git looks through all that it has put into a pack for each further one
_TALK = (
    *(b"warning: unable to access '", b"warning: Negative patterns are ignored", b"Use '\\!' for literal leading"),
    *(b"warning: ignoring overly l", b"warning: ignoring too large"),
)
_BUS_ERRORS = (-7, -10)  # of a git that had mapped a file which was cut short: Linux, macOS
_RESTLESS = (  # of a file that was cut short, or was gone, while git read it
    *(b"short read", b"failed to read", b"does not exist and --remove not passed"),
    *(b"No such file or directory", b"Not a directory", b"is a directory - add files inside instead"),
)
_REFUSED_AT_MOST = 100  # paths that git refuses one by one; more is no matter of names


class Refreshed(Record):
    """What bringing the index up to date brought."""

    steady: bool
    """It knows the same paths as before."""
    changed: list[bytes]


class Index:
    """The index of one store during one capture.

    Args:
        store: whose index it is.
        place: the workspace that it mirrors.
        examiner: looks at the workspace's paths.
    """

    def __init__(self, store: GitStore, place: Place, examiner: Examiner) -> None:
        self.store = store
        self.place = place
        self.examiner = examiner
        self.refused: dict[bytes, Verdict] = {}
        """Paths that could not be added, with the reason."""
        self._seeded = False
        self._known: set[bytes] | None = None if store.index_exists() else set()

    def known(self) -> set[bytes]:
        """The paths in the index."""
        if self._known is None:
            self._known = self.store.indexed()
        return self._known

    def settle(self, running: Running) -> Refreshed:
        """Waits for the store's refresh; mends and repeats it while files vanish or cannot be read.

        Raises:
            RolloutsError: the files do not come to rest.
        """
        code, out, err = running.finish()
        heard = fresh = _complaints(err)
        mended = 0
        while code or fresh:
            failure = CommandError("git", code, err)
            if failure.disk_full:
                raise failure
            if mended == _ROUNDS:
                root = os.fsdecode(self.place.root)
                raise RolloutsError(
                    f"files of {root} keep changing while they are captured; try again when they rest ({failure})"
                )
            if not self._mend(patient=mended < _PATIENCE):
                return Refreshed(steady=False, changed=[])
            mended += 1
            with self.store.refresh(self.place.root) as again:
                code, more, err = again.finish()
            out += more
            fresh = _complaints(err) - heard  # said once more, with all that is indexed readable, it is talk
            heard |= fresh
        changed = _added_paths(out)
        links = self._links(changed)
        self.remove(links)
        return Refreshed(not mended and not links and b"\nremove '" not in b"\n" + out, changed)

    def _links(self, changed: list[bytes]) -> list[bytes]:
        """Files that gave way to a repository: git links to its commit, and would lose its files."""
        verdicts = {path: self.examiner.verdict(path, untracked=False)[0] for path in changed}
        if ABSENT in verdicts.values():  # gone again, or misread
            verdicts = {path: self.examiner.verdict(path, untracked=False)[0] for path in self.known()}
        return [path for path, verdict in verdicts.items() if verdict == DIRECTORY]

    def _mend(self, *, patient: bool) -> bool:
        """Takes out of the index what can no longer be read. False when the index itself is no good and was dropped."""
        self.store.sweep()
        try:
            restless = self.store.unsettled(self.place.root)
            suspects = restless | self.store.indexed()
        except CommandError as error:
            if error.disk_full:
                raise
            self.store.drop_index()
            self._known = set()
            return False
        verdicts = {path: self.examiner.verdict(path, untracked=False, open_it=True)[0] for path in suspects}
        bad = {path for path, verdict in verdicts.items() if verdict != STORABLE}
        self.remove(sorted(bad if patient else bad | restless))
        self._known = None
        return True

    def remove(self, paths: list[bytes]) -> None:
        """Takes paths out; tried again when git, which looks at just changed files once more, saw one shrink."""
        self._known = None if paths else self._known
        for left in reversed(range(_ROUNDS)):
            try:
                self.store.forget(self.place.root, paths)
            except CommandError as error:
                if error.code >= 0 or not left:
                    raise
                self.store.sweep()
            else:
                return

    def add(self, paths: dict[bytes, bool]) -> None:
        """Adds paths (path -> is untracked). What cannot be added is in `refused` afterwards."""
        if not paths:
            return
        for untracked in (False, True):
            batch = [path for path, is_untracked in paths.items() if is_untracked == untracked]
            streamed = len(batch) > _MANY and (untracked or not self._seeded)
            step = _AT_ONCE if streamed else len(batch) or 1
            for at in range(0, len(batch), step):
                self._add(batch[at : at + step], streamed=streamed)
        self._known = None

    def seed(self, listed: int) -> None:
        """Before a first capture of many files: copies what the user's repository has of them, compressed as it is.

        Every file is read all the same.

        Args:
            listed: how many there are.
        """
        self._seeded = not self.store.index_exists() and listed > _MANY and self._seed()

    def _seed(self) -> bool:
        dot_git, root = self.place.git_dir, self.place.root
        objects = workspace.objects(dot_git) if dot_git else None
        if dot_git is None or objects is None:
            return False
        listed = git.user(dot_git, root, "ls-files", "-stz")
        oids = {
            entry[9:49]
            for entry in _entries(listed)
            if entry.startswith((b"H 10", b"H 12")) and entry[49:52] == b" 0\t"
        }
        try:
            # HEAD's trees are this capture's, as far as nothing below them changed; nothing is fetched for them
            question = ("rev-list", "--objects", "--no-walk", "--filter=blob:none", "--missing=allow-any", "HEAD")
            oids.update(line[:40] for line in git.user(dot_git, root, *question).splitlines())
        except CommandError:
            pass  # no commit yet
        try:
            self.store.seed(sorted(oids), objects)
        except CommandError as error:
            if error.disk_full:
                raise
            return False  # some are not there (a partial clone, a damaged repository); the files themselves are
        return True

    def _add(self, paths: list[bytes], *, streamed: bool, tries: int = _ROUNDS) -> None:
        if not paths:
            return
        try:
            self.store.add(self.place.root, paths, streamed=streamed)
        except CommandError as error:
            self._add_what_can_be(paths, error, streamed=streamed, tries=tries)

    def _add_what_can_be(self, paths: list[bytes], error: CommandError, *, streamed: bool, tries: int) -> None:
        """After a failure: without what is gone or unreadable by now, else in halves, down to the one to blame."""
        if error.disk_full or len(self.refused) > _REFUSED_AT_MOST:
            raise error
        self.store.sweep()
        verdicts = {path: self.examiner.verdict(path, untracked=False, open_it=True) for path in paths}
        good = [path for path, verdict in verdicts.items() if verdict[0] == STORABLE]
        self.refused |= {path: verdict for path, verdict in verdicts.items() if verdict[0] != STORABLE}
        moved = error.code in _BUS_ERRORS or any(words in error.stderr for words in _RESTLESS)
        if len(good) < len(paths):
            self._add(good, streamed=streamed)
        elif len(paths) > 1:
            self._add(paths[: len(paths) // 2], streamed=streamed)
            self._add(paths[len(paths) // 2 :], streamed=streamed)
        elif moved and tries:
            self._add(paths, streamed=streamed, tries=tries - 1)
        elif moved or b"nvalid path" in error.stderr:
            self.refused[paths[0]] = (RESTLESS if moved else UNSTORABLE, None)
        else:
            raise error  # nothing is wrong with the file


def _entries(listing: bytes) -> Iterator[bytes]:
    """The entries that end in NUL, one at a time: all at once they are ten times as large in memory."""
    at = 0
    while (end := listing.find(b"\0", at)) >= 0:
        yield listing[at:end]
        at = end + 1


def _complaints(err: bytes) -> set[bytes]:
    """What git says of files that it cannot read, without what it says of odd .gitattributes (unread at every turn)."""
    lines = err.splitlines()
    return {line for line in lines if not line.startswith(_TALK) and b" is not a valid attribute name: " not in line}


def _added_paths(out: bytes) -> list[bytes]:
    """The paths in git's `add 'path'` lines, among `remove 'path'` ones. A name that holds such a line is misread."""
    text = (b"'\n" + out).removesuffix(b"'\n").replace(b"'\nremove '", b"'\nadd '\0")
    return [path for path in text.split(b"'\nadd '")[1:] if not path.startswith(b"\0")]
