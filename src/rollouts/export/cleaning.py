"""Sessions without their secrets: those that this machine knows, and the key that salts their placeholders."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
from collections.abc import Iterable, Iterator
from typing import Any

from rollouts.agents.decoded import decoded, encoded
from rollouts.agents.raw import Record as AgentRecord
from rollouts.contracts.strict_json import Json
from rollouts.errors import RolloutsError
from rollouts.export.library import Job
from rollouts.paths import Home
from rollouts.record import Record
from rollouts.redact import known
from rollouts.redact.persons import Person
from rollouts.redact.redactor import Redactor
from rollouts.redact.report import Report
from rollouts.redact.second import Verifier, is_installed
from rollouts.storage import projects, sessions
from rollouts.storage.archive import Archive

_KEY_BYTES = 32
_MAX_FOLDERS = 500
_SKIPPED = frozenset({"node_modules", "vendor", "target", "dist", "build", "site-packages", "venv", "__pycache__"})


class Clean(Record):
    """A session that may leave, and what else goes with it."""

    record: AgentRecord
    more: Json
    report: Report | None
    """None: nothing was looked for."""


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def home_key(home: Home) -> bytes:
    """The home's own key, made when there is none: two exports of a secret then have the same placeholder.

    Raises:
        RolloutsError: the key's file is damaged.
        OSError: it cannot be read or made.
    """
    with contextlib.suppress(FileNotFoundError):
        return _checked(home.redaction_key, _read(home.redaction_key))
    os.makedirs(home.path, mode=0o700, exist_ok=True)
    draft = f"{home.redaction_key}.{os.urandom(4).hex()}.part"
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(handle, "wb") as file:
            file.write(os.urandom(_KEY_BYTES).hex().encode() + b"\n")
            file.flush()
            os.fsync(handle)
        with contextlib.suppress(FileExistsError):  # made by another process at the same moment: that one counts
            os.link(draft, home.redaction_key)
    finally:
        os.unlink(draft)
    return _checked(home.redaction_key, _read(home.redaction_key))


def _checked(path: str, text: bytes) -> bytes:
    try:
        key = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise RolloutsError(f"{path} is damaged; delete it: secrets get new placeholders then")
    return key


def salt(home: Home, dataset: str) -> bytes:
    """The salt of one dataset, by its name; empty for files, which share one. Raises as `home_key`."""
    return hmac.digest(home_key(home), dataset.encode(), hashlib.sha256)


def _folders(root: str) -> Iterator[str]:
    """A workspace's directory and those below it where projects of a repository lie, three levels in all."""
    level, left = [root], _MAX_FOLDERS
    for _ in range(3):
        below: list[str] = []
        for folder in level[:left]:
            yield folder
            with contextlib.suppress(OSError), os.scandir(folder) as entries:
                below += sorted(
                    entry.path
                    for entry in entries
                    if entry.name not in _SKIPPED and entry.name[0] != "." and entry.is_dir(follow_symlinks=False)
                )
        left -= len(level)
        level = below if left > 0 else []


def secrets(roots: Iterable[str], urls: Iterable[str]) -> frozenset[str]:
    """The secrets that are known by value: this environment's, those of `.env` files in workspaces, and of remotes.

    Args:
        roots: the directories of workspaces; one that is gone has none.
        urls: of the workspaces' remotes, credentials and all.
    """
    folders = (folder for root in dict.fromkeys(roots) for folder in _folders(root))
    return known.environment(os.environ) | known.env_files(folders) | known.remotes(urls)


def secrets_of(archive: Archive, jobs: Iterable[Job]) -> frozenset[str]:
    """The `secrets` of the directories that sessions, and those that started them, worked in.

    Those are the workspaces of their snapshots, and where their agents say that they worked; `.env` files may lie there
    and at the root of the repository. Remotes are the repository's as they are now, and the workspace's archive.
    """
    meant = {name for job in jobs for name in (job.session_id, *job.ancestors)}
    rows = [row for row in sessions.tracked(archive.catalog) if row.session_id in meant]
    owners = {row.workspace_id for row in rows}
    workspaces = [found for found in archive.catalog.workspaces() if found.id in owners]
    folders = dict.fromkeys([*(found.root_path for found in workspaces), *(row.cwd for row in rows if row.cwd)])
    places = dict.fromkeys(place for folder in folders if (place := projects.place_of(folder)))
    archives = [found.remote_url for found in workspaces if found.remote_url]
    urls = [url for place in places for url in projects.remote_urls(place)]
    return secrets([*(os.fsdecode(place.root) for place in places), *folders], [*archives, *urls])


def person() -> Person:
    """Whose account this is."""
    home = os.path.expanduser("~")
    return Person(home if os.path.isabs(home) else "", os.path.basename(home) if home != "/" else "")


class Cleaner(Record):
    """What takes secrets out of sessions, and what looks over the rest."""

    redactor: Redactor
    verifier: Verifier | None
    """The second engine; None: it is not asked."""


def cleaner(home: Home, *, dataset: str = "", known_secrets: Iterable[str] = (), verify: bool | None = None) -> Cleaner:
    """A cleaner for one dataset.

    Args:
        home: whose key salts the placeholders.
        dataset: where the sessions go; empty for files.
        known_secrets: as `secrets` gives them.
        verify: whether the second engine is asked; None: where it is installed.

    Raises:
        RolloutsError: an engine is not installed, or the key is damaged.
        OSError: the key cannot be read or made.
    """
    asked = is_installed() if verify is None else verify
    redactor = Redactor(salt=salt(home, dataset), known=known_secrets, person=person())
    return Cleaner(redactor, Verifier() if asked else None)


def cleaned(record: AgentRecord, more: Json, cleaner: Cleaner | None, *, what: str) -> Clean:
    """A session's record and what goes with it, without what the cleaner finds in either.

    They are looked at as one: a secret that its surroundings give away in one text is taken out of all.

    Args:
        record: of its agent.
        more: metadata, patches and the like.
        cleaner: None: nothing is changed.
        what: the session, in an error's words.

    Raises:
        LeakError: the second engine still finds something.
        OSError: the record cannot be read.
    """
    if cleaner is None:
        return Clean(record, more, None)
    whole: Any = {"record": decoded(record), "more": more}
    value, report = cleaner.redactor.value(whole)
    if cleaner.verifier is not None:
        cleaner.verifier.check(value, what)
    assert isinstance(value, dict)  # noqa: S101 - for the type checker: shapes stay as they are
    return Clean(encoded(record, value["record"]), value["more"], report)  # type: ignore[arg-type] # as above
