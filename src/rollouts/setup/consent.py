"""The consent that an agent wants before it runs hooks: recorded when asked to, withdrawn with the hooks."""

from __future__ import annotations

from rollouts import agents
from rollouts.agents import configuration
from rollouts.agents.agent import Installer
from rollouts.agents.installing import Call, Trust
from rollouts.agents.receipts import Receipts
from rollouts.errors import RolloutsError
from rollouts.paths import Home
from rollouts.setup.change import Change, Result, make, planned, undone


def _known(receipts: Receipts, trust: Trust, hooks: str) -> dict[str, str]:
    """The consents to a file's hooks that setup recorded: key -> hash, the newest."""
    kept = [known.trusted for known in reversed(receipts.of(trust.file()))]
    return {key: value for trusted in kept for key, value in trusted.items() if trust.concerns(key, hooks)}


def is_given(receipts: Receipts, trust: Trust, hooks: str, content: bytes) -> bool:
    """Whether an agent may run all our hooks in a file.

    Raises:
        RolloutsError: the file of its consents cannot be read.
    """
    return trust.is_given(configuration.read(trust.file()), hooks, content, _known(receipts, trust, hooks))


def settled(home: Home, result: Result, directory: str, call: Call, *, trust: bool, dry_run: bool) -> Result:
    """What became of an agent's hooks, and of its consent to them.

    Raises:
        RolloutsError: consent was to be recorded and could not.
    """
    page, receipts = agents.installer(result.agent), Receipts(home)
    asking = page.TRUST
    if asking is None:
        return result
    content = result.changes[-1].after if result.changes else configuration.read(result.file)
    try:
        if content is not None and is_given(receipts, asking, result.file, content):
            return result
    except RolloutsError as error:
        if trust:
            raise
        return result._replace(notes=(*result.notes, str(error)))
    if not trust:
        return result._replace(notes=(*result.notes, asking.explained()))
    if dry_run:
        note = (
            f"{page.PROGRAM} would be asked for the hashes of the hooks, and they would be recorded in {asking.file()}"
        )
        return result._replace(notes=(*result.notes, note))
    wanted = asking.wanted(result.file, frozenset({call}), directory)
    current = configuration.read(asking.file())
    change = planned(receipts, asking.file(), current, asking.given(current, wanted), trusted=wanted)
    make(receipts, change)
    return result._replace(changes=(*result.changes, change), notes=(*result.notes, "the hooks are trusted"))


def forget(page: Installer, receipts: Receipts) -> None:
    """Drops the receipts of consents when none that setup recorded is left."""
    if page.TRUST is None:
        return
    path = page.TRUST.file()
    recorded = {key: value for known in receipts.of(path) for key, value in known.trusted.items()}
    content = configuration.read(path) if recorded else None
    if content is not None and page.TRUST.taken(content, recorded) == content:
        receipts.forget(path)


def withdrawn(page: Installer, receipts: Receipts, hooks: str) -> list[Change]:
    """The change that clears the consents which setup recorded for a file's hooks; none when there are none.

    Raises:
        RolloutsError: the file of the consents cannot be read.
    """
    trust = page.TRUST
    if trust is None:
        return []
    recorded = _known(receipts, trust, hooks)
    current = configuration.read(trust.file()) if recorded else None
    if current is None:
        return []
    old = receipts.matching(trust.file(), current)
    if old and old.trusted.keys() <= recorded.keys():
        was = old.undone(current)
        if was is None or trust.taken(was, recorded) == was:
            return [undone(receipts, trust.file(), current, was)]
    after = trust.taken(current, recorded)
    return [undone(receipts, trust.file(), current, after)] if after != current else []
