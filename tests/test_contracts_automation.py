"""Which sessions a program started."""

from __future__ import annotations

import pytest

from rollouts.contracts.automation import BUILT_IN, Patterns, classification, is_automated


@pytest.mark.parametrize("prefix", BUILT_IN.prefixes)
def test_a_prompt_that_begins_as_a_bots_is_automated(prefix: str) -> None:
    assert is_automated(f"{prefix}and so on\nmore", user_messages=1)
    assert not is_automated(f" {prefix}", user_messages=1)
    assert not is_automated(prefix.swapcase(), user_messages=1)


@pytest.mark.parametrize("part", BUILT_IN.substrings)
def test_a_bots_mark_counts_anywhere(part: str) -> None:
    assert is_automated(f"Please.\n{part}.", user_messages=0)


@pytest.mark.parametrize("whole", BUILT_IN.exact)
def test_a_ping_is_automated_only_when_it_is_all(whole: str) -> None:
    assert is_automated(f"\n{whole} ", user_messages=1)
    assert not is_automated(f"{whole} please", user_messages=1)


@pytest.mark.parametrize(("text", "messages"), [(None, 1), ("", 1), ("fix the bug", 1), ("Warmup", 2)])
def test_what_a_person_began_or_went_on_with_is_not(text: str | None, messages: int) -> None:
    assert not is_automated(text, user_messages=messages)


def test_users_add_patterns_and_take_none_away() -> None:
    own = Patterns(prefixes=("Nightly",))
    assert is_automated("Nightly run", user_messages=1, own=own)
    assert is_automated("Warmup", user_messages=1, own=own)
    assert [classification(automated=one) for one in (True, False)] == ["automated", "interactive"]
