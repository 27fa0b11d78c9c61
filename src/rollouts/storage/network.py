"""What is said to archive remotes, by git, and what their answers mean.

Each function here is a generator: it yields what git says of its progress, and returns the outcome.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Mapping, Sequence

from rollouts.contracts import tag
from rollouts.contracts.remote_url import without_credentials
from rollouts.errors import RolloutsError, SilentError, UsageError
from rollouts.record import Record
from rollouts.storage import git

_PATIENCE = 60.0
_USERINFO = re.compile(r"(?<=://)[^/\s]*@")
_PROGRESS = re.compile(r"\d+% \(|, done\.$")
_KIND = re.compile("^(?:remote: )?(?:fatal|error): ")
_DECLINED = re.compile(r"error: hook declined to update (\S+)")
_UNPACKING = "error: remote unpack failed: "
_OWN_LOSS = re.compile(
    rb"(?m)^(?!remote:).*(?:(?:unable to|[cC]ould not) read [0-9a-f]{40}|bad (?:\w+ )?object [0-9a-f]{40}|is corrupt)"
)
_FULL_HERE = re.compile(rb"(?m)^(?!remote:).*(?:No space left|quota exceeded)")
_RACED = ("already exists", "stale info", "failed to update ref", "failed to lock")
_NO_LOGIN = (
    "let git know a login for it (a credential helper, `gh auth setup-git`, an ssh key), or name a URL that needs none"
)
_NO_REPOSITORY = "make it first (`git init --bare`), or check `rollouts remote show`"
_ADVICE = (
    ("could not read Username|could not read Password|Authentication failed|terminal prompts disabled", _NO_LOGIN),
    ("Permission denied|The requested URL returned error: 40[13]|Host key verification failed", _NO_LOGIN),
    ("not found|does not appear to be a git repository|does not exist", _NO_REPOSITORY),
    ("resolve host|onnection refused|ailed to connect|unable to connect|timed out|route to host", "check the network"),
    ("No space left|quota exceeded", "the archive is full; make room there"),
    ("unable to create temporary object directory|Read-only file system", "check that the archive may be written"),
    ("dubious ownership", "the repository belongs to another user of this machine"),
    ("transport '.*' not allowed", "archives are reached by path, file, ssh, https, http or git"),
)


class ArchiveError(RolloutsError):
    """An archive could not be reached, or ended the conversation.

    Attributes:
        is_lasting: whether the same would happen if it were asked again right now.
    """

    is_lasting = False


class Answer(Record):
    """What a server said of one ref of a push."""

    is_taken: bool
    reason: str
    is_raced: bool = False
    """Whether another push may have come between."""
    is_own: bool = False
    """Whether the ref was refused for its own sake, and not with the whole push."""


class Pushed(Record):
    """The outcome of one push."""

    answers: dict[str, Answer]
    """Of the refs for which an answer came."""
    error: ArchiveError | None
    """Why the push as a whole failed, when it did."""
    is_own_loss: bool = False
    """Whether it seems to have failed because part of what was to be sent is not here, or cannot be read."""


class Remote(Record):
    """An archive, and how long it is waited for."""

    url: str
    patience: float
    """Seconds for which it may say nothing."""

    @property
    def shown(self) -> str:
        """The URL without credentials."""
        return without_credentials(self.url)


def patience(option: str | None) -> float:
    """Seconds for which a server may say nothing: the option, else ROLLOUTS_NETWORK_TIMEOUT, else a minute.

    Raises:
        UsageError: the option is not a number above zero.
        RolloutsError: the variable is not.
    """
    text = os.environ.get("ROLLOUTS_NETWORK_TIMEOUT") if option is None else option
    if not text and option is None:
        return _PATIENCE
    try:
        seconds = float(text or "")
    except ValueError:
        seconds = 0.0
    if seconds > 0:
        return seconds
    if option is None:
        raise RolloutsError(f"ROLLOUTS_NETWORK_TIMEOUT must be a number of seconds above 0, not {text!r}")
    raise UsageError(f"--timeout takes a number of seconds above 0, not {text!r}")


def _said(stderr: bytes) -> list[str]:
    """The lines that a git said at its end, without progress and without credentials."""
    lines = [line.rpartition("\r")[2].strip() for line in stderr.decode(errors="replace").split("\n")]
    return [_USERINFO.sub("", line) for line in lines if line]


def _reason(stderr: bytes, code: int) -> str:
    lines = _said(stderr)
    named = [line for line in lines if line.startswith(("fatal:", "error:", "ssh:", "remote: error", "remote: fatal"))]
    # what ends the conversation comes first; what follows from that, after it
    best = next((line for line in named if not line.startswith("fatal: the remote end hung up")), None)
    return _KIND.sub("", best or (lines or [f"git ended with exit code {code}"])[-1])


def _error(remote: Remote, stderr: bytes, code: int) -> ArchiveError:
    reason = _reason(stderr, code)
    everything = " ".join(_said(stderr))
    advice = next((words for pattern, words in _ADVICE if re.search(pattern, everything)), None)
    error = ArchiveError(f"{remote.shown}: {reason.rstrip('.')}; {advice or 'try again'}")
    error.is_lasting = advice is not None
    return error


def _no_room(remote: Remote) -> ArchiveError:
    error = ArchiveError(f"what {remote.shown} sent cannot be kept: the disk is full; free some space and try again")
    error.is_lasting = True
    return error


def _talk(
    repository: str, remote: Remote, *args: str, stdin: bytes | None = None
) -> Generator[bytes, None, tuple[int, bytes, bytes]]:
    """Runs a git that speaks to a server to its end.

    Raises:
        ArchiveError: nothing was heard for too long.
    """
    try:
        with git.start_network(repository, *args, stdin=stdin) as running:
            yield from running.words(remote.patience)
            return running.finish()
    except SilentError as error:
        silence = ArchiveError(f"{remote.shown}: {error}; `--timeout SECONDS` waits longer")
        silence.is_lasting = True
        raise silence from error


def listing(repository: str, remote: Remote) -> Generator[bytes, None, dict[str, str]]:
    """Ref -> object id of all tags of snapshots in an archive.

    Raises:
        ArchiveError: it could not be had.
    """
    pattern = f"{tag.FOLDER}*"
    code, out, err = yield from _talk(
        repository, remote, "ls-remote", "-q", "--tags", "--refs", "--", remote.url, pattern
    )
    if code:
        raise _error(remote, err, code)
    pairs = (line.split("\t") for line in out.decode(errors="replace").splitlines())
    return {name: oid for oid, name in pairs}


def fetch(repository: str, remote: Remote, refs: Sequence[str]) -> Generator[bytes, None, None]:
    """Fetches refs under their own names, and no history; what the repository can read already is not sent.

    Args:
        repository: where they go.
        remote: the archive.
        refs: full names.

    Raises:
        ArchiveError: it could not be done; then nothing is fetched.
    """
    specs = "".join(f"+{ref}:{ref}\n" for ref in refs).encode()
    options = ("--no-tags", "--no-write-fetch-head", "--no-auto-gc", "--depth=1", "--progress", "--stdin")
    code, _, err = yield from _talk(repository, remote, "fetch", *options, "--", remote.url, stdin=specs)
    if code and _FULL_HERE.search(err):
        raise _no_room(remote)
    if code:
        raise _error(remote, err, code)


def _words_of_the_server(stderr: bytes) -> dict[str, str]:
    """Ref -> what a server says by itself of why it refuses it; the empty name: why it refuses a push."""
    found: dict[str, str] = {}
    heard = ""
    for line in _said(stderr):
        words = line.removeprefix("remote:").strip()
        declined = _DECLINED.fullmatch(words)
        if declined:
            found[declined[1]], heard = heard, ""
        elif line.startswith(_UNPACKING):
            heard = heard or line.removeprefix(_UNPACKING)
        elif line.startswith("remote:") and words and not _PROGRESS.search(words):
            heard = words
    return {"": heard} | found


def _answers(printed: bytes, why: Mapping[str, str]) -> dict[str, Answer]:
    """What `git push --porcelain` says of each ref: https://git-scm.com/docs/git-push#_output.

    A ref without an answer, because the connection broke, is left out.
    """
    found = {}
    for line in printed.decode(errors="replace").splitlines():
        flag, _, rest = line.partition("\t")
        names, _, summary = rest.partition("\t")
        if len(flag) == 1 and names and not summary.startswith("[remote failure]"):
            ref = names.rpartition(":")[2]
            word = summary.partition("(")[2].removesuffix(")") or summary
            words = why.get(ref, why[""]) if summary.startswith("[remote rejected]") else ""
            reason = f"{word}: {words}" if words else word
            found[ref] = Answer(flag != "!", reason, word.startswith(_RACED), word == "hook declined")
    return found


def _is_unwritable(words: str) -> bool:
    return "unable to create temporary object directory" in words


def push(
    repository: str, remote: Remote, specs: Sequence[str], leases: Sequence[str]
) -> Generator[bytes, None, Pushed]:
    """Pushes objects to refs, each by itself: one that is refused keeps no other back.

    Args:
        repository: has the objects, or reads them elsewhere.
        remote: the archive.
        specs: `<object>:<ref>`; a ref that is there is left alone, unless a lease says what it is now.
        leases: `<ref>:<object that it is now>`.
    """
    forced = (f"--force-with-lease={lease}" for lease in leases)
    command = ("push", "--porcelain", "--progress", "--no-verify", *forced, "--", remote.url, *specs)
    try:
        code, out, err = yield from _talk(repository, remote, *command)
    except ArchiveError as error:
        return Pushed({}, error)
    why = _words_of_the_server(err)
    answers = _answers(out, why)
    own_loss = _OWN_LOSS.search(err) is not None
    refused = [answer for answer in answers.values() if not answer.is_taken]
    failed = not refused or (len(refused) == len(answers) and _is_unwritable(why[""]))
    return Pushed(answers, _error(remote, err, code) if code and failed else None, own_loss)
