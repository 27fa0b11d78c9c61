"""Whether a home holds together: catalog against stores, objects, permissions, leftovers; and mending it."""

from __future__ import annotations

import os
import platform
import sqlite3

from rollouts import __version__
from rollouts.doctor import home as homes
from rollouts.doctor.finding import Finding
from rollouts.doctor.transcripts import Shelves
from rollouts.doctor.ward import Ward
from rollouts.errors import CommandError, RolloutsError
from rollouts.paths import Home, keep_private
from rollouts.record import Record
from rollouts.storage import git, opening
from rollouts.storage.archive import GoneError

_OLDEST_GIT = (2, 32)


class Report(Record):
    home: str
    versions: dict[str, str]
    findings: list[Finding]

    @property
    def is_well(self) -> bool:
        return all(finding.mended for finding in self.findings)


def _versions() -> tuple[dict[str, str], list[Finding]]:
    version = git.version()
    shown = ".".join(map(str, version))
    versions = {
        "rollouts": __version__,
        "python": platform.python_version(),
        "git": shown,
        "sqlite": sqlite3.sqlite_version,
    }
    if version >= _OLDEST_GIT:
        return versions, []
    problem = f"git {shown} is older than {'.'.join(map(str, _OLDEST_GIT))}, the oldest that is known to work"
    return versions, [Finding(problem, "install a newer git", [], mended=False)]


def examine(home: Home, *, repair: bool) -> Report:
    """Looks at everything, and mends what can be mended when `repair` is set.

    Raises:
        RolloutsError: the home cannot be opened at all.
    """
    if os.path.lexists(home.path) and not os.path.isdir(home.path):
        raise RolloutsError(f"the home {home.path} is no directory; check ROLLOUTS_HOME")
    keep_private()
    if os.path.isdir(home.path):
        os.listdir(home.path)  # what cannot be read would look like an empty home
    versions, findings = _versions()
    damage: list[Finding] = []
    if os.path.isdir(home.path):
        findings += homes.modes(home, repair=repair)
        damage += homes.catalog(home, repair=repair)
        findings += damage
    if os.path.exists(home.catalog) and all(finding.mended for finding in damage):
        with opening.opened(home) as archive:
            findings += homes.strays(archive, repair=repair)
            findings += homes.places(archive, repair=repair)
            for record in archive.catalog.workspaces():
                try:
                    findings += Ward(archive, record, repair=repair).examine()
                except GoneError:
                    continue  # another process deletes it right now
                except CommandError as error:
                    advice = f"`git --git-dir={home.store(record.id)} fsck` says more"
                    findings.append(Finding(f"the store of {record.root_path}: {error}", advice, [], mended=False))
            findings += Shelves(archive, repair=repair).examine()
    if os.path.isdir(home.path) and all(finding.mended for finding in damage):
        findings += homes.leftovers_of(home, repair=repair)  # now that nothing of ours holds the home
    return Report(home.path, versions, findings)
