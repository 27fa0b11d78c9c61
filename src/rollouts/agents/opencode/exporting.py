"""OpenCode's own export of a session, which holds all of it; only this module starts `opencode`.

It prints into a file: into a pipe it loses the end of a long export, and exits 0 (observed with 1.18.33).
"""

from __future__ import annotations

import os
import tempfile

import msgspec

from rollouts.errors import CommandError, RolloutsError
from rollouts.process import start

SECONDS = 60.0
_SETTINGS = {
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    "NPM_CONFIG_FETCH_RETRIES": "0",  # else it waits 70 s for a network that is not there
}


def export(session_id: str, path: str, seconds: float = SECONDS) -> None:
    """Writes a session as one JSON document into a new file; `--pure` keeps plugins, ours too, from being run by it.

    Args:
        session_id: whose.
        path: of the file.
        seconds: how long it may take.

    Raises:
        RolloutsError: opencode is not installed, failed, took too long, or wrote no such document.
        OSError: the file cannot be written.
    """
    command = ("opencode", "export", session_id, "--pure")
    # it ends amid an installation of its own and leaves a lock there, for which the next `opencode` would wait a minute
    with open(path, "wb") as file, tempfile.TemporaryDirectory() as state:
        env = os.environ | _SETTINGS | {"XDG_STATE_HOME": state}
        with start(command, env, group=True, sink=file.fileno()) as running:
            if not running.ends_within(seconds):
                raise RolloutsError(f"opencode exported session {session_id} for more than {seconds:.0f} seconds")
            code, _, said = running.finish()
    if code:
        raise CommandError("opencode", code, said)
    _check(path, session_id)


class _Info(msgspec.Struct):
    id: str


class _Export(msgspec.Struct):
    info: _Info
    messages: list[msgspec.Raw]


def _check(path: str, session_id: str) -> None:
    """Whether a file holds the whole export.

    Raises:
        RolloutsError: it does not.
    """
    with open(path, "rb") as file:
        data = file.read()
    try:
        found = msgspec.json.decode(data.replace(rb"\ud", rb"\u0"), type=_Export)  # halves of surrogates are no matter
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RolloutsError(f"opencode export returned invalid JSON for session {session_id!r}: {error}") from error
    if found.info.id != session_id:
        raise RolloutsError(f"opencode exported session {found.info.id} for {session_id}")
