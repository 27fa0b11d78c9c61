"""The last capture of a workspace that failed: a file beside its store, written only then, for `status` to tell.

The next success overtakes it by its time; nothing is cleared.
"""

from __future__ import annotations

import os

from rollouts.contracts.strict_json import dump, parse_object
from rollouts.errors import RolloutsError
from rollouts.models import Turn
from rollouts.record import Record
from rollouts.storage import clock


class Failure(Record):
    at: str
    """UTC in ISO 8601, as in a snapshot's row."""
    session_id: str | None
    message_id: str | None
    error: str

    @staticmethod
    def of(turn: Turn, at: str, error: Exception) -> Failure:
        said = str(error) if not isinstance(error, OSError) else f"{error.filename or 'a file'}: {error.strerror}"
        return Failure(at, turn.session_id, turn.message_id, said.encode(errors="replace").decode())


def _path(folder: str) -> str:
    return f"{folder}/failure"


def note(folder: str, failure: Failure) -> None:
    """Writes down a failure, in place of the one before.

    Raises:
        OSError: it cannot be; the file may be empty then.
    """
    with open(_path(folder), "w", encoding="ascii") as file:
        file.write(dump(failure._asdict()))


def last(folder: str) -> Failure | None:
    """The last failure that was noted; on a disk that was full there may be no more to it than its time."""
    try:
        written = os.stat(_path(folder)).st_mtime_ns
        with open(_path(folder), encoding="ascii") as file:
            found = parse_object(file.read(), "failure")
        return Failure(str(found["at"]), str(found["session_id"]), str(found["message_id"]), str(found["error"]))
    except OSError:
        return None
    except (RolloutsError, ValueError, KeyError):
        return Failure(
            clock.moment(written), None, None, "what failed could not be written down: the disk was full, perhaps"
        )
