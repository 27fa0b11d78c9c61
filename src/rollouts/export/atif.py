"""A session as a trajectory in the Agent Trajectory Interchange Format (ATIF) v1.8, its subagents in it.

https://github.com/harbor-framework/harbor/blob/main/rfcs/0001-trajectory-format.md
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from rollouts.agents.attach import Around, Attached
from rollouts.agents.session import Fields, Session
from rollouts.contracts import tag
from rollouts.contracts.strict_json import Json
from rollouts.errors import RolloutsError
from rollouts.export.atif_steps import Object, Step, steps
from rollouts.export.neutral import Neutral
from rollouts.models import Snapshot
from rollouts.publish.rows import mended

SCHEMA_VERSION = "ATIF-v1.8"
_UNKNOWN = "unknown"
_TOTALS = {
    "total_prompt_tokens": "prompt_tokens",
    "total_completion_tokens": "completion_tokens",
    "total_cached_tokens": "cached_tokens",
}


# Snapshots


def _snapshot(one: Snapshot, place: str, **where: str) -> Object:
    """By what a snapshot is found again: its commit and tag in the archive that `extra` of the trajectory names."""
    return {
        "place": place,
        **where,
        "message_id": one.message_id,
        "snapshot_id": one.id,
        "tag": tag.ref(one.session_id, one.message_id),
        "commit": one.store_commit_sha,
        "captured_at": one.captured_at,
    }


def _put(step: Step, snapshot: Object) -> None:
    step.fields.setdefault("extra", {}).setdefault("snapshots", []).append(snapshot)


def _calls_in(step: Step) -> set[str]:
    return {call["tool_call_id"] for call in step.fields.get("tool_calls", ())}


def _place(around: Around, of_turn: list[Step]) -> list[Object]:
    """Puts a turn's snapshots into its steps. Returns those that have no step."""
    first, last = of_turn[:1], of_turn[-1:]
    placed = [(first, _snapshot(around.before, "before"))] if around.before else []
    for name, one in around.after_message.items():
        at = [step for step in of_turn if step.placed and name in {step.placed.message.id, step.placed.message.uuid}]
        placed.append((at[-1:] or last, _snapshot(one, "message")))
    for name, one in around.after_call.items():
        at = [step for step in of_turn if name in _calls_in(step)]
        placed.append((at[-1:] or last, _snapshot(one, "call", tool_call_id=name)))
    if around.after:
        placed.append((last, _snapshot(around.after, "after")))
    for at, snapshot in placed:
        for step in at:
            _put(step, snapshot)
    return [snapshot for at, snapshot in placed if not at]


def _placed(attached: Attached, found: list[Step]) -> list[Object]:
    """Puts each snapshot into the step that it belongs to, and each turn's end into its last step.

    Returns:
        the snapshots that belong to none.
    """
    by_turn: dict[int, list[Step]] = {}
    for step in found:
        if step.placed and step.placed.turn is not None:
            by_turn.setdefault(step.placed.turn, []).append(step)
    left = [_snapshot(one, "unknown") for one in attached.unmatched]
    left += [_snapshot(one, "superseded") for one in attached.superseded]
    for number, around in enumerate(attached.turns):
        of_turn = by_turn.get(number, [])
        left += _place(around, of_turn)
        for step in of_turn[-1:]:
            step.fields.setdefault("extra", {})["turn_status"] = around.turn.status
    return left


# Subagents


def _calls_of(session: Session) -> set[str]:
    return {call.id for message in session.messages for call in message.calls}


def _parents(session: Session) -> list[int | None]:
    """Which of a session's subagents started each of them; None: the session itself did, or nobody knows."""
    own = _calls_of(session)
    maker = {call: number for number, sub in enumerate(session.subagents) for call in _calls_of(sub)}
    found: list[int | None] = [
        None if sub.spawned_by is None or sub.spawned_by in own else maker.get(sub.spawned_by)
        for sub in session.subagents
    ]
    for number in range(len(found)):
        above, seen = found[number], {number}
        while above is not None and above not in seen:
            seen.add(above)
            above = found[above]
        if above is not None:  # none of a circle was started by the session, as far as the record says
            found[number] = None
    return found


def nested(session: Session) -> Session:
    """The same session with each subagent in the one that started it; agents list them flat, or nested already."""
    parents = _parents(session)

    def below(number: int | None) -> tuple[Session, ...]:
        return tuple(
            replace(sub, subagents=(*sub.subagents, *below(child)))
            for child, sub in enumerate(session.subagents)
            if parents[child] == number
        )

    return replace(session, subagents=below(None))


def _refer(step: Step, call_id: str, reference: Object) -> None:
    """Names a subagent in the result of the call that started it, which need not have come."""
    results = step.fields.setdefault("observation", {"results": []})["results"]
    result = next((one for one in results if one.get("source_call_id") == call_id), None)
    if result is None:
        result = {"source_call_id": call_id}
        results.append(result)
    result.setdefault("subagent_trajectory_ref", []).append(reference)


def _embedded(session: Session, found: list[Step]) -> list[Object]:
    """Trajectories of the subagents, each named where it was called; ids are made unique, as ATIF wants them."""
    called = {call.session_id: call.id for message in session.messages for call in message.calls if call.session_id}
    asking = {call: step for step in reversed(found) for call in _calls_in(step)}
    made: list[Object] = []
    taken: set[str] = set()
    for sub in session.subagents:
        name, number = sub.id, 2
        while name in taken:
            name, number = f"{sub.id}:{number}", number + 1
        taken.add(name)
        made.append(_trajectory(sub, name, None))
        call_id = sub.spawned_by or called.get(sub.id)
        if call_id in asking:
            _refer(asking[call_id], call_id, {"trajectory_id": name})
    return made


# The whole


def _definition(tool: Fields, space: str = "") -> list[Object]:
    """A tool in OpenAI's form; tools in a namespace are called by both names, and others than functions stay as is."""
    below = tool.get("tools")
    if tool.get("type") == "namespace" and isinstance(below, list):
        inner = f"{space}{tool.get('name')}."
        return [made for one in below if isinstance(one, dict) for made in _definition(one, inner)]
    if tool.get("type", "function") != "function" or not isinstance(tool.get("name"), str):
        return [dict(tool)]
    facts = {key: tool[key] for key in ("description", "parameters", "strict") if tool.get(key) is not None}
    given = tool.get("parameters", tool.get("inputSchema", tool.get("input_schema")))
    facts |= {"parameters": given} if isinstance(given, dict) else {}
    return [{"type": "function", "function": {"name": f"{space}{tool['name']}", **facts}}]


def _agent(session: Session) -> Object:
    definitions = [made for tool in session.tools for made in _definition(tool)]
    return {
        "name": session.agent,
        "version": session.version or _UNKNOWN,
        **({"model_name": session.models[0]} if session.models else {}),
        **({"tool_definitions": definitions} if definitions else {}),
    }


def _final_metrics(found: Iterable[Step], count: int) -> Object:
    """Sums over the steps; a sum of which no part is known is left out."""
    metrics = [step.fields["metrics"] for step in found if "metrics" in step.fields]
    made: Object = {}
    for name, key in _TOTALS.items():
        known = [one[key] for one in metrics if key in one]
        made |= {name: sum(known)} if known else {}
    costs = [one["cost_usd"] for one in metrics if "cost_usd" in one]
    cost = sum(costs)  # fsum refuses sums that are no number
    made |= {"total_cost_usd": round(cost, 10)} if costs and math.isfinite(cost) else {}
    return {**made, "total_steps": count}


def _facts(session: Session) -> Object:
    """What ATIF has no field for."""
    facts = {
        "title": session.title,
        "cwd": session.cwd,
        "git_branch": session.git_branch,
        "started_at": session.started_at,
        "ended_at": session.ended_at,
        "parent_session_id": session.parent_id,
        "relationship": session.relationship,
        "spawned_by": session.spawned_by,
    }
    return {name: value for name, value in facts.items() if value}


def _notes(session: Session, unseen: int) -> str:
    own = [f"{unseen} messages that the model did not see are left out"] if unseen else []
    lost = [f"{session.unreadable_lines} lines of the record could not be read"] if session.unreadable_lines else []
    return "; ".join((*session.notes, *own, *lost))


def _trajectory(session: Session, name: str, attached: Attached | None, origin: Mapping[str, Json] = {}) -> Object:
    whole = nested(session)
    made = steps(whole)
    left = _placed(attached, made.all) if attached else []
    subagents = _embedded(whole, made.all)
    notes = _notes(whole, made.unseen)
    extra = _facts(whole) | dict(origin) | ({"snapshots": left} if left else {})
    return {
        "schema_version": SCHEMA_VERSION,
        **({} if attached is None else {"session_id": name}),
        "trajectory_id": name,
        "agent": _agent(whole),
        "steps": [step.fields for step in made.all],
        **({"notes": notes} if notes else {}),
        "final_metrics": _final_metrics(made.all, len(made.all)),
        **({"subagent_trajectories": subagents} if subagents else {}),
        **({"extra": extra} if extra else {}),
    }


def trajectory(session: Session, attached: Attached, origin: Mapping[str, Json], *, session_id: str) -> dict[str, Any]:
    """A session as an ATIF trajectory, as a JSON object that every reader takes.

    Args:
        session: in the neutral form.
        attached: its snapshots.
        origin: where these are: remote_url, workspace_id.
        session_id: under which it was asked for; the record may lack it.

    Raises:
        RolloutsError: it is nested too deeply to be written.
    """
    try:
        found = mended(_trajectory(session, session_id, attached, origin))
    except RecursionError as error:
        raise RolloutsError(f"session {session_id!r} is nested too deeply to be written") from error
    assert isinstance(found, dict)  # noqa: S101 - for the type checker: what is mended keeps its shape
    return found


def line(session_id: str, found: Neutral) -> bytes:
    """A trajectory as one line of ASCII JSON with its end. Raises as `trajectory`."""
    made = trajectory(found.session, found.attached, found.origin, session_id=session_id)
    try:
        return json.dumps(made, separators=(",", ":")).encode() + b"\n"
    except RecursionError as error:
        raise RolloutsError(f"session {session_id!r} is nested too deeply to be written") from error
