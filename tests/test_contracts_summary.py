"""A session's row and the envelope: key order, types, and no more than is meant to leave."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from class_sessions import SESSIONS
from rollouts.contracts.filters import Filters
from rollouts.contracts.identity import UNKNOWN, Found, Identity, path_key, remote_key
from rollouts.contracts.price_matching import PriceList
from rollouts.contracts.pricing import Price, table
from rollouts.contracts.selection import EXCLUSIONS, selected
from rollouts.contracts.strict_json import Json
from rollouts.contracts.summary import Left, archive_id, document, envelope, last_activity, lines, row
from rollouts.contracts.usage import Ledger, Sum, Usage, ledger, pricing_json
from schemas import SCHEMAS, problems

HERE = "52bc5e60-40aa-4427-98cf-5db38bd6ada5"
PRICES = PriceList([Price("m-one", 2, 8, 3, 0.5, "embedded")])
NOTHING = Ledger(PRICES)
REMOTE = Found("resolved", Identity(remote_key("github.com/a/b"), "git_remote", "github.com/a/b"))
LOCAL = Found("resolved", Identity(path_key("/home/a/b", database_id=HERE), "root_path", None, "/home/a/b"))
SESSION = SESSIONS["tz-offset"]._replace(
    cwd="/home/a/<b>&\u2028\udcff", worktree_name="w", worktree_root_path="/home/a/w", total_output_tokens=0
)
KEYS = [
    *("id", "project", "machine", "agent", "cwd", "git_branch", "started_at", "ended_at", "last_activity_at"),
    *("duration_seconds", "message_count", "user_message_count", "assistant_message_count", "turn_count"),
    *("classification", "is_automated", "model_usage", "parent_session_id", "relationship_type", "worktree"),
    *("total_output_tokens", "peak_context_tokens", "has_total_output_tokens", "has_peak_context_tokens"),
    "project_identity",
]


def head(**changes: Any) -> dict[str, Json]:
    used = ledger([Usage("m-one", 10, 20), Usage("m-new", 1)], PRICES)
    block = pricing_json(table([Price("m-one", 2, 8, 3, 0.5, "embedded")], embedded_version="v"), PRICES, used)
    facts: dict[str, Any] = {
        "database_id": HERE,
        "next_cursor": "",
        "pricing": block,
        "projects": {"cls": LOCAL, "b": REMOTE, "a": UNKNOWN},
        "excluded": {name: Left(1, used.total()) for name in EXCLUSIONS},
    }
    return envelope(**(facts | changes))


def rows() -> list[dict[str, Json]]:
    used = ledger([Usage("m-one", 10, 20, 30, 40, 5), Usage("m-new", 1)], PRICES)
    return [row(SESSION, used, REMOTE), *(row(session, NOTHING, LOCAL) for session in SESSIONS.values())]


def test_a_row_has_its_keys_in_order_and_is_what_was_measured() -> None:
    found: Any = row(SESSION, ledger([Usage("m-one", 10, 20, 30, 40, 5)], PRICES), REMOTE)
    assert list(found) == KEYS
    assert (found["started_at"], found["ended_at"]) == ("2026-07-03T09:00:00.123Z", "2026-07-03T09:01:30.123Z")
    assert (found["last_activity_at"], found["duration_seconds"]) == ("2026-07-03T09:01:30.123Z", 90)
    assert (found["turn_count"], found["classification"]) == (2, "interactive")
    assert (found["total_output_tokens"], found["has_total_output_tokens"]) == (0, True)
    assert (found["peak_context_tokens"], found["has_peak_context_tokens"]) == (0, False)
    assert found["worktree"] == {"name": "w", "root_path": "/home/a/w"}
    assert found["project_identity"]["identity"]["normalized_remote"] == "github.com/a/b"
    assert found["model_usage"] == {
        "models": ["m-one"],
        "input_tokens": 10,
        "output_tokens": 20,
        "cache_creation_input_tokens": 30,
        "cache_read_input_tokens": 40,
        "reasoning_tokens": 5,
        "cost_usd": 0.00029,
        "cost_microusd": 290,
        "has_cost": True,
        "by_model": {
            "m-one": {
                "model": "m-one",
                "input_tokens": 10,
                "output_tokens": 20,
                "cache_creation_input_tokens": 30,
                "cache_read_input_tokens": 40,
                "reasoning_tokens": 5,
                "cost_usd": 0.00029,
                "cost_microusd": 290,
                "has_cost": True,
                "cost_source": "computed",
            }
        },
    }


def test_a_session_that_used_nothing_has_zeros() -> None:
    found: Any = row(SESSION, NOTHING, UNKNOWN)
    usage = found["model_usage"]
    assert (usage["models"], usage["by_model"], usage["cost_usd"], usage["has_cost"]) == ([], {}, 0, False)


def test_cwd_and_branch_stand_only_where_there_is_one() -> None:
    bare = SESSION._replace(cwd="", git_branch=None, worktree_name=None, worktree_root_path=None)
    found = row(bare, NOTHING, UNKNOWN)
    assert list(found) == [key for key in KEYS if key not in {"cwd", "git_branch"}]
    assert found["worktree"] is None


def test_redacted_paths_are_nowhere() -> None:
    redacted = row(SESSION, NOTHING, LOCAL, redact_paths=True)
    assert "/home" not in json.dumps([redacted, head(redact_paths=True)])
    assert "/home" in json.dumps(head())
    assert redacted["worktree"] == {"name": "w", "root_path": None}
    assert problems("session", redacted) == []


@pytest.mark.parametrize(
    ("began", "ended", "last", "seconds"),
    [
        ("2026-07-01T10:00:00Z", "2026-07-01T10:00:59.999Z", "2026-07-02T00:00:00Z", 59),
        ("2026-07-01T10:00:00Z", None, "2026-07-01T12:00:00+01:00", 3600),
        ("2026-07-01T10:00:00Z", "2026-07-01T09:59:59Z", "2026-07-01T10:00:00Z", None),
        ("2026-07-01T10:00:00Z", "2026-07-01T10:00:00Z", "2026-07-01T10:00:00Z", 0),
        (None, "2026-07-01T10:00:00Z", "2026-07-01T10:00:00Z", None),
        ("soon", "2026-07-01T10:00:00Z", "2026-07-01T10:00:00Z", None),
    ],
)
def test_a_duration_is_whole_seconds_or_nothing(began: str | None, ended: str | None, last: str, seconds: int) -> None:
    found = row(SESSION._replace(started_at=began, ended_at=ended, last_activity_at=last), NOTHING, UNKNOWN)
    assert found["duration_seconds"] == seconds


def test_the_last_activity_is_the_first_moment_known() -> None:
    assert last_activity(None, "", "x", "2026-07-01T10:00:00.5+02:00", "2026-07-02T10:00:00Z") == (
        "2026-07-01T08:00:00.500Z"
    )
    with pytest.raises(ValueError, match="without any moment"):
        last_activity(None, "2026-07-01")


def test_only_codex_has_a_prefix() -> None:
    assert [archive_id(agent, "x") for agent in ("claude-code", "codex", "opencode")] == ["x", "codex:x", "x"]


def test_a_document_is_one_line_of_json_in_order() -> None:
    text = "".join(document(head(), rows()))
    assert text.endswith("}\n")
    assert text.count("\n") == 1
    assert text.isascii()
    found = json.loads(text)
    assert list(found) == ["schema_version", "database_id", "cursor", "pricing", "projects", "excluded", "sessions"]
    assert list(found["projects"]) == ["a", "b", "cls"]
    assert found["sessions"] == json.loads(json.dumps(rows()))
    assert json.loads("".join(document(head(), [])))["sessions"] == []


def test_lines_are_a_meta_line_and_a_row_each() -> None:
    first, *rest = "".join(lines(head(), rows())).splitlines()
    assert list(json.loads(first))[:2] == ["type", "schema_version"]
    assert json.loads(first) == {"type": "meta", **json.loads(json.dumps(head()))}
    assert [json.loads(line) for line in rest] == json.loads(json.dumps(rows()))


def test_what_is_left_out_is_counted_by_reason() -> None:
    left = selected(SESSIONS.values(), Filters()).excluded
    sums = {name: Left(len(sessions), Sum()) for name, sessions in left.items()}
    found: Any = head(excluded=sums)["excluded"]
    assert [entry["sessions"] for entry in found.values()] == [5, 2, 6]
    assert list(found) == list(EXCLUSIONS)
    assert found["children"] == {"sessions": 6, "input_tokens": 0, "output_tokens": 0, "cost_microusd": 0}


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_shipped_schema_is_one_and_names_its_version(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$id"] == f"urn:rollouts:{name}:1"


def test_what_is_written_follows_the_shipped_schemas() -> None:
    assert problems("session-export", json.loads("".join(document(head(), rows())))) == []
    first, *rest = map(json.loads, "".join(lines(head(next_cursor="a-_.b"), rows())).splitlines())
    assert problems("session-export-meta", first) == []
    assert [problem for line in rest for problem in problems("session", line)] == []


@pytest.mark.parametrize("key", [key for key in KEYS if key not in {"cwd", "git_branch"}])
def test_a_row_without_one_of_its_keys_breaks_the_schema(key: str) -> None:
    found = row(SESSION, NOTHING, LOCAL)
    del found[key]
    assert problems("session", found) != []


def test_the_schemas_know_the_row_no_further_than_it_goes() -> None:
    assert set(SCHEMAS["session"]["properties"]) == set(KEYS)
    assert set(SCHEMAS["session-export"]["properties"]) == {*head(), "sessions"}
    assert set(SCHEMAS["pricing"]["properties"]) == set(json.loads(json.dumps(head()["pricing"])))
