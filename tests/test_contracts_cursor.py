"""Cursors: paging over what changes meanwhile, and what is done to their text."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from rollouts.contracts.cursor import Cursor, CursorResetError, Key, Page, decode, encode, fingerprint, page
from rollouts.contracts.filters import Filters, filters_from, filters_json
from schemas import problems
from session_summary import vectors

HERE = "52bc5e60-40aa-4427-98cf-5db38bd6ada5"
SECRET = bytes(range(32))
FILTERS = filters_json(Filters(project="\u00e9"))
STEPS: dict[str, Any] = {step["step"]: step for step in vectors("cursor_steps")}


def key(name: str, instant: int) -> Key:
    return Key(instant, f"moment {instant}", name)


FIVE = [key(f"s{number}", number * 10) for number in (4, 3, 2, 1, 0)]


def turned(keys: list[Key], limit: int | None, text: str = "") -> tuple[Page, str]:
    """A page after a cursor's text, and the text of the next one."""
    after = decode(text, secret=SECRET, database_id=HERE) if text else None
    found = page(keys, limit=limit, database_id=HERE, filters=FILTERS, after=after)
    return found, encode(found.next, SECRET) if found.next else ""


def ids(found: Page) -> list[str]:
    return [one.id for one in found.keys]


def ordered(keys: list[Key]) -> list[Key]:
    return sorted(keys, key=lambda one: (-one.instant, one.id))


@pytest.fixture(scope="module")
def first() -> str:
    return turned(FIVE, 2)[1]


def test_pages_follow_each_other_as_the_vectors_say(first: str) -> None:
    for step, limit in (
        ("page2 (limit kept via flag)", 2),
        ("page2 repeated (idempotent)", 2),
        ("page2 w/o --limit (default 500, not cursor limit?)", 500),
        ("page2 other limit", 1),
    ):
        found, following = turned(FIVE, limit, first)
        assert (ids(found), bool(following)) == (STEPS[step]["ids"], STEPS[step]["has_next"]), step
    assert ids(turned(FIVE, 2)[0]) == STEPS["page1"]["ids"]
    assert ids(turned(FIVE, 2, turned(FIVE, 2, first)[1])[0]) == STEPS["page3"]["ids"]
    assert turned(FIVE, 5) == (Page(FIVE, None), "")
    assert turned([], 5) == (Page([], None), "")
    assert turned(FIVE, None) == (Page(FIVE, None), "")


def test_the_limit_and_the_filters_come_back(first: str) -> None:
    found = decode(first, secret=SECRET, database_id=HERE)
    assert found.limit == 2
    assert filters_from(found.filters).project == "\u00e9"


CHANGES = {
    "new session newer than watermark": [*FIVE, key("s9", 90)],
    "new session below watermark (backfill)": [*FIVE, key("s9", 15)],
    "new session equal to watermark second": [*FIVE, key("s9", 40)],
    "unemitted row gets newer activity": [*FIVE[:2], key("s2", 99), *FIVE[3:]],
    "emitted row gets newer activity": [FIVE[0], key("s3", 99), *FIVE[2:]],
    "unemitted row deleted (soft)": [*FIVE[:3], FIVE[4]],
    "token-only change on unemitted row": FIVE,
    "row becomes one-shot (leaves filter)": [*FIVE[:4]],
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_between_pages_resets_or_goes_on_as_the_vectors_say(first: str, change: str) -> None:
    step = STEPS[f"mutation: {change}"]
    if step["exit"] == 4:
        with pytest.raises(CursorResetError):
            turned(ordered(CHANGES[change]), 2, first)
    else:
        found, following = turned(ordered(CHANGES[change]), 2, first)
        assert (ids(found), bool(following)) == (step["ids"], step["has_next"])


def test_an_emitted_row_under_another_id_resets(first: str) -> None:
    for other in (FIVE[1]._replace(id="s3b"), FIVE[1]._replace(text="another moment"), FIVE[1]._replace(instant=35)):
        with pytest.raises(CursorResetError):
            turned(ordered([FIVE[0], other, *FIVE[2:]]), 2, first)


def test_a_reset_is_one_line_of_json_that_names_the_archive_of_now(first: str) -> None:
    another = "11111111-2222-4333-8444-555555555555"
    with pytest.raises(CursorResetError) as reset:
        decode(first, secret=SECRET, database_id=another)
    assert reset.value.exit_code == STEPS["mutation: database id changed"]["exit"]
    assert reset.value.line == STEPS["mutation: database id changed"]["stderr"]
    assert problems("cursor-reset", json.loads(reset.value.line)) == []


@pytest.mark.parametrize("secret", [None, b"", bytes(32)])
def test_a_secret_that_was_replaced_or_lost_resets(first: str, secret: bytes | None) -> None:
    with pytest.raises(CursorResetError):
        decode(first, secret=secret, database_id=HERE)


@pytest.mark.parametrize(
    "text",
    ["", "xyz", "abc.def", ".", "a.b.c", "\u00e9.\u00e9", "=.=", "A" * 100_000, "e30.", "bnVsbA.AAAA", "\udcff", "\0"],
)
def test_garbage_resets(text: str) -> None:
    with pytest.raises(CursorResetError):
        decode(text, secret=SECRET, database_id=HERE)


def test_no_change_of_one_character_goes_unseen(first: str) -> None:
    for place in range(len(first)):
        for other in ("A" if first[place] != "A" else "B", "", "="):
            with pytest.raises(CursorResetError):
                decode(first[:place] + other + first[place + 1 :], secret=SECRET, database_id=HERE)


def test_a_signed_payload_of_another_release_resets() -> None:
    one = Cursor(HERE, FILTERS, FIVE[0], FIVE[1], 2, fingerprint(FIVE), fingerprint(FIVE[:2]))
    assert decode(encode(one, SECRET), secret=SECRET, database_id=HERE) == one
    for changed in (one._replace(watermark=(1, 2)), one._replace(limit="x"), one._replace(snapshot=())):  # type: ignore[arg-type] # another release's
        with pytest.raises(CursorResetError):
            decode(encode(changed, SECRET), secret=SECRET, database_id=HERE)


def test_all_pages_together_are_everything_once_whatever_comes_on_top() -> None:
    chosen = random.Random(2)  # noqa: S311 - no secret
    for _ in range(150):
        keys = ordered([key(f"s{number}", chosen.randint(0, 5)) for number in range(chosen.randint(1, 30))])
        wanted, found, text = [one.id for one in keys], [], ""
        for _ in range(len(keys) + 1):
            one, text = turned(ordered(keys), chosen.randint(1, 8), text)
            found += ids(one)
            keys = [*keys, key(f"new{len(keys)}", 100 + len(keys))]
            if not text:
                break
        assert found == wanted


def test_fingerprints_tell_texts_apart_that_would_run_together() -> None:
    prints = {
        fingerprint(keys).digest
        for keys in (
            [],
            [Key(1, "a", "b")],
            [Key(1, 'a","b', "")],
            [Key(1, "a", "b"), Key(1, "a", "b")],
            [Key(1, "", "ab")],
        )
    }
    assert len(prints) == 5
