"""How it stands with the hooks in agents' configuration, as setup, status and doctor show it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rollouts.commands import output
from rollouts.setup import AgentState, ScopeState


def _scope_document(found: ScopeState) -> dict[str, object]:
    fields = {key: value for key, value in found._asdict().items() if key != "file"}
    return {"scope": fields.pop("scope"), **output.path_fields(found.file, "file"), **fields}


def document(found: AgentState) -> dict[str, object]:
    """An agent as JSON fields."""
    return {
        "agent": found.agent,
        "program": found.program,
        "version": found.version,
        "folder": found.folder,
        "scopes": [_scope_document(scope) for scope in found.scopes],
    }


def _in_short(scope: ScopeState) -> str:
    doubts = [scope.state] if scope.state != "installed" else []
    if scope.problem:
        doubts.append(scope.problem)
    return f"{scope.scope}: {', '.join(doubts)}" if doubts else scope.scope


def summary(found: Iterable[AgentState]) -> Iterator[str]:
    """Which agents call Rollouts and which of those that are here do not, each in a few words."""
    for agent in found:
        scopes = [scope for scope in agent.scopes if scope.state != "absent"]
        if scopes:
            yield f"{agent.agent} ({'; '.join(map(_in_short, scopes))})"
        elif agent.is_present:
            yield f"{agent.agent} (none; `rollouts setup {agent.agent}` installs them)"
