"""One event of an agent's: the turn is captured, and what the session has become is taken in behind it.

Hooks come here at every turn and are waited for, so it imports no more than a snapshot does.
"""

from __future__ import annotations

import os
import sys

from rollouts import agents
from rollouts.agents.moment import Moment
from rollouts.contracts.strict_json import dump, parse_foreign
from rollouts.errors import OutOfTimeError, RolloutsError
from rollouts.models import Turn, identifier
from rollouts.paths import Home
from rollouts.process import detach
from rollouts.storage import due, opening, slow
from rollouts.storage.archive import Archive, Taken
from rollouts.storage.workspace import Place


def moment(agent: str, event: bytes, *, every_tool: bool) -> Moment | None:
    """What an agent's event means; None when it is of no interest.

    Raises:
        RolloutsError: the agent is not known, or the event is no JSON object.
    """
    meaning = agents.hooks(agent)
    try:
        payload = parse_foreign(event.decode(errors="replace"))
    except ValueError as error:
        raise RolloutsError(f"the event on stdin is no JSON: {error}") from error
    if not isinstance(payload, dict):
        raise RolloutsError("the event on stdin is no JSON object")
    return meaning.moment(payload, every_tool=every_tool)


def _place(archive: Archive, happened: Moment) -> Place:
    """Where the session's files are: agents may have gone to another directory meanwhile, and even out of it."""
    owner = archive.catalog.workspace_of_session(happened.session_id)
    here = owner.root_path if owner and os.path.isdir(owner.root_path) else happened.directory
    return archive.locate(here)


def _capture(archive: Archive, place: Place, turn: Turn, *, repeats: bool) -> Taken:
    taken = archive.snapshot(place, turn)
    number = 2
    while repeats and not taken.is_new:  # the turn was sent round once more after it had ended
        again = turn._replace(message_id=f"{turn.message_id}:{number}", only_news=True)
        if archive.catalog.snapshot(taken.workspace.id, again.session_id, again.message_id) is None:
            return archive.snapshot(place, again)
        number += 1
    return taken


def _turn(agent: str, happened: Moment) -> Turn:
    session, message = identifier(happened.session_id, "session"), identifier(happened.message_id or "", "message")
    return Turn(session, message, dump(happened.metadata), agent, happened.only_news)


def _refuse_slow(archive: Archive, place: Place) -> None:
    record = archive.catalog.workspace_at(os.fsdecode(place.root))
    if record and slow.is_postponed(archive.home.workspace(record.id)):
        raise RolloutsError(
            f"a capture of {record.root_path} took longer than the time limit a while ago;"
            " it is made ready behind the agent, and turns are captured again when it is"
        )


def _give_up(archive: Archive, place: Place, turn: Turn, error: OutOfTimeError) -> None:
    """Notes that time ran out, and has the workspace made ready for the next turn, which then need not wait so long."""
    archive.note_failure(place, turn, RolloutsError(str(error)))
    record = archive.catalog.workspace_at(os.fsdecode(place.root))
    if record:
        slow.note(archive.home.workspace(record.id))
        _behind(archive.home, "_prepare", record.id, f"{error.limit:g}")


def capture(home: Home, agent: str, happened: Moment) -> None:
    """Captures the turn of an event that has one.

    Raises:
        RolloutsError, OSError: refused or failed.
        OutOfTimeError: time ran out; that is noted for the workspace.
    """
    if happened.message_id is None:
        return
    turn = _turn(agents.canonical(agent), happened)
    with opening.opened(home) as archive:
        place = _place(archive, happened)
        try:
            _refuse_slow(archive, place)
            taken = _capture(archive, place, turn, repeats=happened.repeats)
        except OutOfTimeError as error:
            _give_up(archive, place, turn, error)
            raise
    if taken.is_new:
        due.tidy(home, taken.workspace.id)


def prepare(home: Home, workspace_id: str, limit: float) -> None:
    """Makes a workspace ready whose capture took longer than `limit` seconds.

    Raises:
        RolloutsError, OSError: it cannot be captured at all.
    """
    with opening.opened(home) as archive:
        record = archive.catalog.workspace(workspace_id)
        if record:
            slow.prepare(archive, record, limit)


def _behind(home: Home, *words: str) -> None:
    """Starts a process of this program's that nobody waits for."""
    env = {**os.environ, "ROLLOUTS_HOME": home.path}
    # -P: the directory that this runs in, a workspace perhaps, is no place to import from
    detach((sys.executable or "python3", "-P", "-m", "rollouts", *words), env)


def take_in(home: Home, agent: str, happened: Moment) -> None:
    """Has what the session's transcript has become taken in, by a process that nobody waits for."""
    if happened.has_grown:
        _behind(home, "_ingest", agents.canonical(agent), happened.session_id)
