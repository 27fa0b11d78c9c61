"""status."""

from __future__ import annotations

import os

from rollouts import paths, setup, status
from rollouts.commands import capture, output, standing
from rollouts.commands.options import AsJson, Workspace
from rollouts.errors import UsageError
from rollouts.models import Snapshot
from rollouts.setup import AgentState
from rollouts.status import Status, Upkeep
from rollouts.storage import opening
from rollouts.storage.failures import Failure
from rollouts.storage.misses import Miss


def _success_json(found: Snapshot | None) -> dict[str, object] | None:
    if found is None:
        return None
    return {
        "id": found.id,
        "session_id": found.session_id,
        "message_id": found.message_id,
        "captured_at": found.captured_at,
    }


def _document(home: str, agents: list[AgentState], found: Status | None, miss: Miss | None) -> dict[str, object]:
    shared: dict[str, object] = {
        "home": home,
        "agents": [standing.document(agent) for agent in agents],
        "missed": miss and miss._asdict(),
    }
    if found is None:
        return shared | {"workspace": None}
    root = found.workspace.root_path
    failed = found.upkeep.failed
    return shared | {
        "workspace": {
            "id": found.workspace.id,
            **output.path_fields(root, "root_path"),
            "exists": os.path.isdir(root),
            "sessions": found.sessions,
            "snapshots": found.snapshots,
            "bytes": found.bytes,
            "last_success": _success_json(found.success),
            "last_failure": found.failure and found.failure._asdict(),
            "upkeep": {
                "due": found.upkeep.due is not None,
                "under_way": found.upkeep.under_way,
                "failed": None if failed is None else _upkeep_words(found.upkeep),
            },
        },
    }


def _upkeep_words(upkeep: Upkeep) -> str:
    if upkeep.under_way:
        return "under way"
    if upkeep.failed:
        return upkeep.failed.reason or "the last one was killed"
    return f"due: {upkeep.due}" if upkeep.due else "not due"


def _failure_words(failure: Failure) -> str:
    turn = f", session {failure.session_id}, message {failure.message_id}" if failure.session_id else ""
    return f"{_second(failure.at)}{turn}: {failure.error}"


def _miss_words(miss: Miss) -> str:
    where = f" in {miss.directory}" if miss.directory else ""
    return f"{_second(miss.at)}, {miss.agent or 'an agent'}{where}: {miss.error}"


def _second(moment: str) -> str:
    return moment[:19].replace("T", " ") + " UTC"


def _print(found: Status) -> None:
    root = found.workspace.root_path
    gone = "" if os.path.isdir(root) else " (the directory is gone)"
    success = "none"
    if found.success:
        turn = found.success
        success = f"{_second(turn.captured_at)}, session {turn.session_id}, message {turn.message_id}"
    label = "upkeep failed" if found.upkeep.failed else "upkeep"
    for name, value in (
        ("workspace", f"{root}{gone}"),
        ("id", found.workspace.id),
        ("sessions", str(found.sessions)),
        ("snapshots", str(found.snapshots)),
        ("last success", success),
        ("last failure", _failure_words(found.failure) if found.failure else "none since"),
        ("disk", output.size(found.bytes)),
        (label, _upkeep_words(found.upkeep)),
    ):
        output.line(f"{name}: {capture.shown(value)}")


def status_(workspace: Workspace = ".", as_json: AsJson = False) -> None:
    """Say how it stands with a workspace.

    Its sessions and snapshots, the last success and failure, its disk and its upkeep; and which agents call Rollouts.

    Example: rollouts status
    """
    home = paths.home()
    with opening.opened_for_reading(home) as archive:
        output.warn(archive.notes)
        found, miss = status.of(archive, workspace), status.missed(archive)
    if found is None and not os.path.isdir(workspace):
        raise UsageError(f"Directory '{workspace}' {'is a file' if os.path.lexists(workspace) else 'does not exist'}.")
    agents = setup.state(home, os.path.realpath(workspace))
    if as_json:
        output.document(_document(home.path, agents, found, miss))
        return
    output.line(f"home: {home.path}")
    output.line(f"hooks: {capture.shown(', '.join(standing.summary(agents)) or 'no coding agent was found')}")
    if miss:
        output.line(f"missed: {capture.shown(_miss_words(miss))}")
    if found:
        _print(found)
    else:
        output.line(
            f"workspace: none yet; `rollouts snapshot` makes one of {capture.shown(os.path.realpath(workspace))}"
        )
