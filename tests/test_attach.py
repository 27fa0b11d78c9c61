"""Snapshots find their places in a session by their message ids."""

from __future__ import annotations

from rollouts.agents.attach import Attached, attach
from rollouts.agents.session import Message, Part, Session, ToolCall, Turn
from rollouts.models import Snapshot


def message(role: str, name: str, *calls: str, is_injected: bool = False) -> Message:
    found = tuple(ToolCall(id=call, name="bash", arguments={}) for call in calls)
    return Message(
        role=role, parts=(Part("text", name),), id=name, uuid=f"u-{name}", calls=found, is_injected=is_injected
    )


def session(*turns: Turn) -> Session:
    return Session(agent="opencode", id="s", turns=turns, unknown={})


def taken(*messages: str) -> list[Snapshot]:
    return [
        Snapshot(f"snapshot-{name}", "w", "s", name, "c", "{}", "{}", f"2026-11-21T19:38:{at:02d}.000000+00:00")
        for at, name in enumerate(messages)
    ]


HOOKED = session(
    Turn(key="p1", messages=(message("user", "a"), message("assistant", "b", "t1", "t2"))),
    Turn(key="p2", messages=(message("user", "c"), message("assistant", "d", "t1"))),
)
OPENCODE = session(
    Turn(
        key="msg_1",
        messages=(
            message("user", "msg_1"),
            message("assistant", "msg_2", "call_1"),
            message("user", "msg_3", is_injected=True),
            message("assistant", "msg_4"),
        ),
    ),
    Turn(key="msg_5", messages=(message("user", "msg_5"), message("assistant", "msg_6"))),
)


def names(attached: Attached, turn: int) -> tuple[str | None, str | None, list[str], list[str]]:
    around = attached.turns[turn]
    return (
        around.before and around.before.message_id,
        around.after and around.after.message_id,
        [f"{call}={one.message_id}" for call, one in around.after_call.items()],
        [f"{at}={one.message_id}" for at, one in around.after_message.items()],
    )


def test_hooks_ids_name_the_beginning_the_end_and_the_calls_of_a_turn() -> None:
    found = attach(HOOKED, taken("p1", "p1:tool:t1", "p1:tool:t2", "p1:end", "p2", "p2:tool:t1", "p2:end"))
    assert names(found, 0) == ("p1", "p1:end", ["t1=p1:tool:t1", "t2=p1:tool:t2"], [])
    assert names(found, 1) == ("p2", "p2:end", ["t1=p2:tool:t1"], [])
    assert (found.superseded, found.unmatched) == ((), ())


def test_of_many_ends_of_a_turn_the_last_one_counts() -> None:
    found = attach(HOOKED, taken("p1:end", "p1:end:2", "p1:end:3"))
    assert names(found, 0)[1] == "p1:end:3"
    assert [one.message_id for one in found.superseded] == ["p1:end", "p1:end:2"]
    assert found.unmatched == ()


def test_opencodes_ids_are_those_of_its_messages() -> None:
    found = attach(OPENCODE, taken("msg_1", "msg_2:tool:call_1", "msg_4", "msg_5", "msg_6"))
    assert names(found, 0) == ("msg_1", "msg_4", ["call_1=msg_2:tool:call_1"], [])
    assert names(found, 1) == ("msg_5", "msg_6", [], [])


def test_opencodes_turn_that_went_on_after_its_end_has_its_last_snapshot() -> None:
    found = attach(OPENCODE, taken("msg_1", "msg_4", "msg_4:2", "msg_4:3"))
    assert names(found, 0)[:2] == ("msg_1", "msg_4:3")
    assert [one.message_id for one in found.superseded] == ["msg_4", "msg_4:2"]
    assert found.unmatched == ()


def test_a_message_amid_a_turn_is_a_place_too() -> None:
    found = attach(OPENCODE, taken("msg_2", "msg_3"))
    assert names(found, 0) == (None, None, [], ["msg_2=msg_2", "msg_3=msg_3"])


def test_records_ids_name_places_of_agents_whose_turns_have_keys() -> None:
    found = attach(HOOKED, taken("u-a", "u-b"))
    assert names(found, 0) == ("u-a", "u-b", [], [])


def test_what_names_no_place_is_told() -> None:
    strange = ("elsewhere", "p3:end", "p1:tool:t9", "p2:tool:t2", ":end", "p1:", "p1:end:x")
    found = attach(HOOKED, taken(*strange))
    assert [one.message_id for one in found.unmatched] == list(strange)
    assert [names(found, turn) for turn in (0, 1)] == [(None, None, [], [])] * 2


def test_an_id_that_looks_like_a_place_in_another_turn_is_first_of_all_itself() -> None:
    odd = session(Turn(key="p1", messages=()), Turn(key="p1:end", messages=()))
    found = attach(odd, taken("p1:end"))
    assert names(found, 0)[1] is None
    assert names(found, 1)[0] == "p1:end"


def test_turns_without_a_key_have_no_snapshots() -> None:
    found = attach(session(Turn(key="", messages=())), taken(""))
    assert names(found, 0) == (None, None, [], [])
    assert len(found.unmatched) == 1
