"""What a push leaves on the Hub: rows, batches, manifest, visibility; and what it leaves alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fake_hub import FakeHub
from publishing import SECONDS, assert_whole, finish, hub, line, push, row, start
from rollouts.errors import RolloutsError
from rollouts.publish import hub as publishing
from rollouts.publish.rows import Row

__all__ = ["hub"]
OLDER = b"".join(
    line(session, {"n": n}, agent="opencode")[:-1] + more + b"}\n"
    for session, n, more in (("s1", 1, b""), ("s2", 2, b',"batch_id":1'), ("s1", 9, b',"batch_id":2'))
)


def refused(name: str = "turns") -> str:
    """What is said of a push that is refused: one line."""
    with pytest.raises(RolloutsError) as caught:
        push([row()], name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_first_push_makes_a_dataset_with_exactly_the_six_fields(hub: FakeHub) -> None:
    done = push([row("s1", {"a": 1}), row("s2", [2], {"remote_url": None}, agent="claude-code")])
    assert (done.name, done.batch_id, done.added, done.changed, done.created) == ("alice/turns", 1, 2, 0, True)
    first, second = assert_whole(hub)
    assert first == json.loads(line("s1", {"a": 1})) | {"batch_id": 1}
    assert second["metadata"] == {"remote_url": None}
    assert sorted(hub.dataset().head.tree) == [".gitattributes", "README.md", "rollouts.json", "train.jsonl"]
    assert done.url == f"{hub.url}/datasets/alice/turns"
    assert not hub.dataset().private


def test_nothing_new_makes_no_commit_whatever_the_order_of_keys_or_the_time_of_export(hub: FakeHub) -> None:
    push([row("s1", {"a": 1, "b": [1.0, None]})])
    commits, later = len(hub.dataset().commits), line("s1", {"b": [1.0, None], "a": 1}).replace(b"05.678", b"06.000")
    done = push([Row(later)])
    assert (done.batch_id, done.unchanged, done.total_rows) == (None, 1, 1)
    assert len(hub.dataset().commits) == commits


@pytest.mark.parametrize(
    "changed", [row("s1", {"a": 2}), row("s1", {"a": 1}, {"remote_url": None}), row("s1", {"a": 1}, agent="opencode")]
)
def test_a_changed_session_is_appended_in_a_shard_of_its_own_and_old_files_stay(changed: Row, hub: FakeHub) -> None:
    push([row("s1", {"a": 1}), row("s2")])
    before = hub.dataset().head.tree["train.jsonl"]
    done = push([changed, row("s2")])
    assert (done.batch_id, done.added + done.changed, done.unchanged) == (2, 1, 1)
    assert hub.dataset().head.tree["train.jsonl"] == before
    (shard,) = [path for path in hub.dataset().head.tree if path.startswith("train-")]
    assert shard == f"train-00002-{json.loads(hub.read('rollouts.json'))['batches'][1]['sha256'][:12]}.jsonl"
    assert len(assert_whole(hub)) == 3


def test_a_push_reads_the_manifest_and_never_the_rows(hub: FakeHub) -> None:
    push([row("s1")])
    push([row("s2")])
    hub.seen.clear()
    push([row("s3")])
    assert not [seen.line for seen in hub.seen if "train" in seen.path]


def test_one_push_is_one_commit(hub: FakeHub) -> None:
    push([row(f"s{n}") for n in range(50)])
    assert len([seen for seen in hub.seen if "/commit/" in seen.path]) == 1
    assert hub.dataset().head.title == "Add batch 1: 50 rows"


def test_planning_asks_with_get_and_head_only_and_changes_nothing(hub: FakeHub) -> None:
    push([row("s1")])
    hub.seen.clear()
    for name in ("turns", "not-there-yet"):
        with publishing.opened(name, seconds=SECONDS) as pushing:
            pushing.take([row("s1", {"a": 2}), row("s2")])
            plan = pushing.plan()
        assert plan.bytes > 0
    assert (plan.exists, plan.private, plan.batch_id, plan.added, plan.changed) == (False, None, 1, 2, 0)
    assert {seen.method for seen in hub.seen} <= {"GET", "HEAD"}
    assert list(hub.storage.datasets) == ["alice/turns"]


def test_a_dataset_of_the_older_tool_is_read_once_and_never_rewritten(hub: FakeHub) -> None:
    hub.put({"train.jsonl": OLDER, "README.md": b"# mine\n"})
    done = push([row("s1", {"n": 9}, agent="opencode"), row("s2", {"n": 3}, agent="opencode")])
    assert (done.batch_id, done.changed, done.unchanged, done.total_rows) == (3, 1, 1, 4)
    assert hub.read("train.jsonl") == OLDER
    assert hub.rows()[-1]["batch_id"] == 3
    hub.seen.clear()
    assert push([row("s2", {"n": 3}, agent="opencode")]).batch_id is None
    assert not [seen for seen in hub.seen if "train" in seen.path]


def test_a_lost_manifest_is_made_anew_from_the_rows(hub: FakeHub) -> None:
    for n in range(3):
        push([row(f"s{n}")])
    del hub.dataset().head.tree["rollouts.json"]
    done = push([row("s1"), row("s9")])
    assert (done.batch_id, done.added, done.unchanged) == (4, 1, 1)
    assert len(assert_whole(hub)) == 4


@pytest.mark.parametrize(
    "files", [{"train.jsonl": b'{"text": "hello"}\n'}, {"train.jsonl": b"\x00"}, {"train-00000-of-00001.jsonl": b""}]
)
def test_a_dataset_of_something_else_is_left_alone(files: dict[str, bytes], hub: FakeHub) -> None:
    hub.put(files)
    before = hub.dataset().head
    assert "alice/turns is no dataset of sessions" in refused()
    assert hub.dataset().head == before


@pytest.mark.parametrize(
    ("text", "said"), [(b"{", "is damaged"), (b'{"schema_version":2,"batches":[],"sessions":{}}', "newer Rollouts")]
)
def test_a_manifest_that_cannot_be_read_stops_the_push(text: bytes, said: str, hub: FakeHub) -> None:
    push([row("s1")])
    hub.put({"rollouts.json": text})
    assert said in refused()


def test_what_a_newer_rollouts_wrote_into_the_manifest_stays(hub: FakeHub) -> None:
    push([row("s1")])
    kept = json.loads(hub.read("rollouts.json"))
    kept["batches"][0]["new"] = kept["more"] = {"x": 1}
    hub.put({"rollouts.json": json.dumps(kept).encode()})
    push([row("s2")])
    again = json.loads(hub.read("rollouts.json"))
    assert (again["more"], again["batches"][0]) == ({"x": 1}, kept["batches"][0])


def test_visibility_changes_only_when_asked(hub: FakeHub) -> None:
    assert push([row("s1")], visibility=publishing.PRIVATE).private
    assert push([row("s2")]).private
    assert hub.dataset().private
    assert not push([row("s2")], visibility=publishing.PUBLIC).private
    assert not hub.dataset().private


def test_a_public_dataset_is_made_private_before_rows_go_there(hub: FakeHub) -> None:
    push([row("s1")])
    hub.seen.clear()
    push([row("s2")], visibility=publishing.PRIVATE)
    asked = [seen.path.rpartition("/turns/")[2] for seen in hub.seen if seen.method in {"PUT", "POST"}]
    assert asked.index("settings") < asked.index("commit/main")


def test_names_have_a_namespace_or_get_the_users(hub: FakeHub) -> None:
    assert push([row()], "alice/other").name == "alice/other"
    assert push([row()], "other").batch_id is None
    assert list(hub.storage.datasets) == ["alice/other"]


@pytest.mark.parametrize("name", ["", " ", "a/b/c", "-x", "x y", "x..y", "é", "x.git", "x" * 97])
def test_a_bad_name_is_one_line_and_changes_nothing(name: str, hub: FakeHub) -> None:
    assert "name" in refused(name)
    assert hub.seen == []


def test_without_a_login_nothing_is_asked(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    assert refused() == "not authenticated with Hugging Face. Run `hf auth login` or set HF_TOKEN."
    assert hub.seen == []


def test_a_saved_login_will_do(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "token").write_text("hf_bob\n")
    assert finish(start([line()], tmp_path))["name"] == "bob/turns"
    assert list(hub.storage.datasets) == ["bob/turns"]


def test_rows_that_no_dataset_can_hold_are_named_and_the_others_go(hub: FakeHub) -> None:
    deep = b'{"session_id":"d","agent":"a","exported_at":"x","session":%s,"metadata":null}' % (b"[" * 600 + b"]" * 600)
    with publishing.opened("turns", seconds=SECONDS) as pushing:
        pushing.take([row("s1"), Row(b"no json"), Row(b'{"session_id":"x"}'), Row(deep), row("s2")])
        plan = pushing.plan()
        assert pushing.append().added == 2
    assert [entry.number for entry in plan.refused] == [2, 3, 4]
    assert [entry["session_id"] for entry in assert_whole(hub)] == ["s1", "s2"]


def test_a_session_that_comes_twice_in_one_push_has_each_state_once(hub: FakeHub) -> None:
    states = [row("s1", {"n": n}) for n in (1, 1, 2, 2)]
    assert (push(states).added, len(assert_whole(hub)), push(states[2:]).batch_id) == (1, 2, None)


@pytest.mark.parametrize("off", ["0", "1"])
def test_large_batches_go_by_xet_or_lfs(off: str, hub: FakeHub, tmp_path: Path) -> None:
    hub.storage.lfs_threshold = 10_000
    env = {"HF_HUB_DISABLE_XET": off}
    for number in (1, 2):
        finish(start([line(f"s{number}", "text " * 20_000)], tmp_path, env))
    entries = [entry for path, entry in hub.dataset().head.tree.items() if path.startswith("train")]
    assert [bool(entry.xet) for entry in entries] == [off == "0"] * 2
    assert [entry.size > 100_000 for entry in entries] == [True] * 2
    assert finish(start([line("s2", "text " * 20_000)], tmp_path, env))["batch_id"] is None
