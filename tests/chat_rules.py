"""What holds of each conversation that is to train a model."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]


def check(found: list[Row]) -> None:
    """Calls and their results in pairs, other roles in turn, the system first, an answer to learn at the end."""
    assert all(isinstance(one["content"], str) for one in found)
    waiting: list[str] = []
    for before, one in zip([None, *found], found, strict=False):
        if one["role"] == "tool":
            assert one["tool_call_id"] == waiting.pop(0)
            continue
        assert waiting == []
        assert one["role"] != "system" or before is None
        if before and before["role"] == one["role"]:
            assert one["role"] == "assistant"
            assert before.get("weight") != one.get("weight")
        waiting = [made["id"] for made in one.get("tool_calls", ())]
        assert "tool_calls" not in one or one["tool_calls"]
    assert waiting == []
    assert found[-1]["role"] == "assistant"
    assert "tool_calls" not in found[-1]
    assert "weight" not in found[-1]
