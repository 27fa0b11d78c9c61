"""A push through every fault that the Hub or the network can show: each row is there once, or nothing has changed."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from fake_hub import ALWAYS, COMMIT, FakeHub
from publishing import QUICK, assert_whole, finish, hub, line, push, row, start
from rollouts.errors import RolloutsError
from rollouts.publish import hub as publishing
from rollouts.publish.patience import Patience

__all__ = ["hub"]
CREATE, PREUPLOAD, LOOK = "POST .*/create", "POST .*/preupload/", "GET /api/datasets/[^/]+/[^/]+$"
MANIFEST, CARD = "resolve/.*/rollouts.json", "resolve/.*/README.md"
LOST = [
    {"mode": "status", "status": 429},
    {"mode": "status", "status": 500},
    {"mode": "status", "status": 503},
    {"mode": "drop_before"},
    {"mode": "drop_after"},
    {"mode": "status_after", "status": 500},
    {"mode": "status_after", "status": 504},
    {"mode": "delay", "seconds": 0.3},
]
BUSY = [
    {"mode": "status", "status": 409, "message": "Another commit operation is in progress"},
    {"mode": "status", "status": 412},
]
SLOW_TO_TRY_AGAIN = [{"mode": "status", "status": 500}, {"mode": "drop_before"}, {"mode": "truncate"}]


def named(fault: dict[str, Any]) -> str:
    return f"{fault['mode']}-{fault.get('status', '')}"


def refused(**options: Any) -> str:
    """What is said of a push that fails: one line, and the dataset is as before."""
    with pytest.raises(RolloutsError) as caught:
        push([row("s1", {"a": 2}), row("s9")], **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def begun(hub: FakeHub) -> FakeHub:
    """A Hub with a dataset that has a row."""
    push([row("s1", {"a": 1})])
    hub.seen.clear()
    return hub


@pytest.mark.parametrize("fault", LOST + BUSY, ids=named)
@pytest.mark.parametrize("times", [1, 3])
def test_a_commit_lands_once_whatever_becomes_of_its_answer(fault: dict[str, Any], times: int, begun: FakeHub) -> None:
    begun.inject(COMMIT, times=times, **fault)
    done = push([row("s1", {"a": 2}), row("s2")])
    assert (done.batch_id, done.added, done.changed, done.total_rows) == (2, 1, 1, 3)
    assert [item["session_id"] for item in assert_whole(begun)] == ["s1", "s1", "s2"]
    assert len(begun.dataset().commits) == 3


@pytest.mark.parametrize("fault", LOST + BUSY, ids=named)
def test_a_first_push_lands_once_whatever_becomes_of_its_answer(fault: dict[str, Any], hub: FakeHub) -> None:
    hub.inject(COMMIT, **fault)
    assert push([row("s1"), row("s2")]).total_rows == 2
    assert len(assert_whole(hub)) == 2
    assert len(hub.dataset().commits) == 2


@pytest.mark.parametrize("fault", LOST, ids=named)
def test_a_dataset_is_made_once_whatever_becomes_of_the_answer(fault: dict[str, Any], hub: FakeHub) -> None:
    hub.inject(CREATE, **fault)
    assert push([row("s1")], visibility=publishing.PRIVATE).private
    assert len(assert_whole(hub)) == 1
    assert hub.dataset().private


@pytest.mark.parametrize("place", [LOOK, MANIFEST, CARD, PREUPLOAD, "whoami", "validate-yaml"])
@pytest.mark.parametrize("fault", SLOW_TO_TRY_AGAIN, ids=named)
def test_a_fault_before_the_commit_is_waited_out(place: str, fault: dict[str, Any], begun: FakeHub) -> None:
    begun.inject(place, **fault)
    assert push([row("s2")]).batch_id == 2
    assert len(assert_whole(begun)) == 2


@pytest.mark.parametrize(("headers", "seconds"), [({"Retry-After": "1"}, 1.0), ({"RateLimit": '"api";r=0;t=1'}, 1.0)])
def test_the_wait_that_the_hub_asks_for_is_kept(headers: dict[str, str], seconds: float, begun: FakeHub) -> None:
    begun.inject(COMMIT, status=429, headers=headers)
    assert push([row("s2")]).batch_id == 2
    first, second = (seen.at for seen in begun.seen if "/commit/" in seen.path)
    assert second - first >= seconds


def test_a_wait_until_a_moment_is_kept(begun: FakeHub) -> None:
    until = datetime.now(UTC) + timedelta(seconds=3)
    begun.inject(COMMIT, status=503, headers={"Retry-After": format_datetime(until, usegmt=True)})
    assert push([row("s2")]).batch_id == 2
    first, second = (seen.at for seen in begun.seen if "/commit/" in seen.path)
    assert second - first > 1  # such a date has whole seconds, and the push has begun since


def test_a_wait_of_an_hour_is_not_kept_but_told(begun: FakeHub) -> None:
    begun.inject(COMMIT, status=429, headers={"Retry-After": "3600"})
    assert "rate limit is reached" in refused()
    assert len(assert_whole(begun)) == 1


@pytest.mark.parametrize("fault", [*LOST[:4], *BUSY], ids=named)
def test_a_fault_that_does_not_end_is_one_line_and_changes_nothing(fault: dict[str, Any], begun: FakeHub) -> None:
    begun.inject(COMMIT, times=ALWAYS, **fault)
    before = begun.dataset().head
    assert "try again" in refused()
    assert begun.dataset().head == before


def test_a_fault_that_does_not_end_but_lands_is_a_success(begun: FakeHub) -> None:
    begun.inject(COMMIT, "drop_after", times=ALWAYS)
    assert push([row("s2")]).batch_id == 2
    assert len(assert_whole(begun)) == 2


def test_a_last_attempt_that_lands_is_a_success(begun: FakeHub) -> None:
    begun.inject(COMMIT, "drop_after")
    assert push([row("s2")], patience=Patience(attempts=1)).batch_id == 2
    assert len(assert_whole(begun)) == 2


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("hf_expired_alice", "does not accept the token"),
        ("nonsense", "does not accept the token"),
        ("hf_ro_alice", "may not write"),
    ],
)
def test_a_token_that_will_not_do_is_one_line_and_changes_nothing(
    token: str, said: str, begun: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    before = begun.dataset().head
    line_said = refused()
    assert said in line_said
    assert token not in line_said
    assert begun.dataset().head == before


def test_another_users_namespace_is_refused(begun: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_bob")
    assert "may not write alice/turns" in refused(name="alice/turns")
    assert "may not write alice/new" in refused(name="alice/new")
    assert list(begun.storage.datasets) == ["alice/turns"]


def test_a_full_account_is_one_line_and_changes_nothing(begun: FakeHub) -> None:
    begun.storage.quota, before = 100, begun.dataset().head
    assert "no more room for alice/turns" in refused()
    assert begun.dataset().head == before


@pytest.mark.parametrize("place", [LOOK, MANIFEST, PREUPLOAD, COMMIT])
def test_answers_that_are_none_are_one_line_and_change_nothing(place: str, begun: FakeHub) -> None:
    begun.inject(place, status=200, message="<html>Please log in to this network</html>", times=ALWAYS)
    before = begun.dataset().head
    assert "Hugging Face" in refused()
    assert begun.dataset().head == before


def test_a_card_that_the_hub_refuses_is_one_line_and_changes_nothing(begun: FakeHub) -> None:
    begun.inject("validate-yaml", status=400, message='"license" must be one of a list', times=ALWAYS)
    before = begun.dataset().head
    assert refused() == 'Hugging Face refuses alice/turns ("license" must be one of a list)'
    assert begun.dataset().head == before


def test_offline_is_one_line(begun: FakeHub, tmp_path: Path) -> None:
    child = start([line("s2")], tmp_path, {"HF_HUB_OFFLINE": "1"})
    out, said = child.communicate(timeout=60)
    assert (child.returncode, out) == (1, "")
    assert said == "Error: HF_HUB_OFFLINE is set, so nothing can be pushed; unset it and try again\n"
    assert begun.seen == []


@pytest.mark.parametrize("off", ["0", "1"])
@pytest.mark.parametrize("fault", [{"mode": "status", "status": 500}, {"mode": "drop_before"}], ids=named)
def test_a_fault_in_the_upload_of_a_large_file_is_waited_out(
    off: str, fault: dict[str, Any], begun: FakeHub, tmp_path: Path
) -> None:
    begun.storage.lfs_threshold = 10_000
    for place in ("xet-write-token", "lfs/objects/batch", "PUT /_lfs", "_lfs-verify"):
        begun.inject(place, **fault)
    done = finish(start([line("s2", "text " * 10_000)], tmp_path, {"HF_HUB_DISABLE_XET": off}))
    assert (done["batch_id"], done["total_rows"]) == (2, 2)


def test_a_hub_that_never_answers_is_given_up(begun: FakeHub) -> None:
    begun.inject(".*", "delay", times=ALWAYS, seconds=3)
    began = time.monotonic()
    with pytest.raises(RolloutsError, match="Hugging Face"), publishing.opened("turns", seconds=0.5, patience=QUICK):
        pass
    assert time.monotonic() - began < 3


def test_a_hub_that_never_answers_a_commit_is_given_up(begun: FakeHub) -> None:
    begun.inject(COMMIT, "delay", times=ALWAYS, seconds=3)
    with publishing.opened("turns", seconds=0.5, patience=QUICK) as pushing:
        pushing.take([row("s2")])
        began = time.monotonic()
        with pytest.raises(RolloutsError, match="Hugging Face"):
            pushing.append()
    assert time.monotonic() - began < 3
