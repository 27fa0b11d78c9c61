"""The card: what it tells, what a person may change in it, and its YAML."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from fake_hub import FakeHub
from publishing import hub, push, row
from rollouts.errors import RolloutsError
from rollouts.publish import card, card_header
from rollouts.publish.manifest import Batch, Manifest, Redaction

__all__ = ["hub"]
DAY = "2026-01-0{}T00:00:00.000Z"


def batch(number: int, *, redaction: Redaction | None = None, **counts: dict[str, int]) -> Batch:
    known = {"agents": {"codex": number}, "models": {"gpt-5": number}, "languages": {"Python": number}} | counts
    agents, models, languages = known.values()
    span = (DAY.format(1), DAY.format(number + 1))
    return Batch(number, f"{number:064}", 10, DAY.format(9), agents, models, languages, *span, redaction)


def manifest(*batches: Batch) -> Manifest:
    kept = Manifest.empty()
    for one in batches:
        kept = kept.grown(one, [(agent, f"s{n}", "x") for agent, count in one.agents.items() for n in range(count)])
    return kept


def written(
    old: str | None = None, kept: Manifest | None = None, license_name: str | None = None, *, ours: bool = True
) -> str:
    return card.written(old, "alice/turns", kept or manifest(batch(1)), license_name=license_name, ours=ours)


def header(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return found


def test_a_new_card_tells_what_is_there() -> None:
    first = batch(1, redaction=Redaction(("rules 3",), {"github-pat": 2, "aws-key": 1}))
    text = written(None, manifest(first, batch(2, redaction=Redaction(("rules 3",), {"github-pat": 1}))), "cc-by-4.0")
    for told in (
        "# turns\n",
        "**2 sessions** in **3 rows**, from 2026-01-01 to 2026-01-03",
        "| codex | 2 | 3 |",
        "| gpt-5 | 3 |",
        "| Python | 3 |",
        "(rules 3): 4 secrets replaced",
        "| github-pat | 3 |",
        'load_dataset("alice/turns", split="train")',
        "rollouts restore --repo URL --session SESSION --message MESSAGE --dest code",
        "cc-by-4.0, for the conversations",
    ):
        assert told in text, told
    assert "without redaction" not in text


def test_rows_that_went_out_without_redaction_are_told() -> None:
    text = written(None, manifest(batch(1, redaction=Redaction(("rules 3",), {})), batch(2)))
    assert "no secrets found" in text
    assert "**2 rows went out without redaction.**" in text


def test_the_yaml_names_files_and_the_type_of_each_column() -> None:
    found = header(written(None, manifest(batch(1, agents={"codex": 1, "claude-code": 1}))))
    files = [{"split": "train", "path": ["train.jsonl", "train-*.jsonl"]}]
    assert found["configs"] == [{"config_name": "default", "default": True, "data_files": files}]
    kinds = {
        "batch_id": "int64",
        "session_id": "string",
        "agent": "string",
        "exported_at": "string",
        "session": "json",
        "metadata": "json",
    }
    features = [{"name": name, "dtype": kind} for name, kind in kinds.items()]
    assert found["dataset_info"] == {"config_name": "default", "features": features}
    assert found["tags"] == ["agent-traces", "coding-agent", "claude-code", "codex"]
    assert "license" not in found


EDITED = """---
# my comment
pretty_name: "Mine: all of it"   # quoted for a reason
license: no
tags: [mine, codex]
configs:
- config_name: other
  data_files: other/*.parquet
- config_name: default
  data_files: old.jsonl
# before the last
dataset_info:
  features: []
  splits:
  - name: train
    num_examples: 3
size_categories: [n<1K]
---

# My own title

Words of mine. <!-- and a comment -->

{part}

More of mine, with `\\1` and $& in it.
"""


def test_what_a_person_wrote_stays_to_the_letter() -> None:
    part = "<!-- rollouts:begin -->old<!-- rollouts:end -->"
    text = written(EDITED.format(part=part))
    before, after = EDITED.split("{part}")
    body = before.split("---\n", 2)[2]
    assert body in text
    assert text.endswith(after)
    assert "old<!--" not in text
    for kept in (
        "# my comment\n",
        'pretty_name: "Mine: all of it"   # quoted for a reason\n',
        "license: no\n",
        "size_categories: [n<1K]\n",
        "# before the last\n",
    ):
        assert kept in text, kept
    found = header(text)
    assert found["tags"] == ["mine", "codex", "agent-traces", "coding-agent"]
    assert [config["config_name"] for config in found["configs"]] == ["default", "other"]
    assert "splits" not in str(found["dataset_info"])


def test_a_card_is_stable() -> None:
    once = written(EDITED.format(part=""), ours=False)
    assert written(once) == once
    assert once.count("rollouts:begin") == 1


def test_a_part_that_a_person_removed_does_not_come_back() -> None:
    assert "rollouts:begin" not in written("---\ntags: []\n---\n# Title\n")
    assert "rollouts:begin" in written("---\ntags: []\n---\n# Title\n", ours=False)


@pytest.mark.parametrize(
    "old",
    [
        "",
        "# Only text\n",
        "---\n---\n",
        "---\n{tags: [a], license: mit}\n---\ntext",
        "---\na: &x [1]\ntags: *x\n---\n",
        "---\r\ntags:\r\n- a\r\n---\r\n# T\r\n",
        "---\ntags: a\nconfigs: {config_name: mine, data_files: x}\n---\n",
    ],
)
def test_any_valid_header_takes_our_keys_and_keeps_its_own(old: str) -> None:
    text = written(old, ours=False).replace("\r\n", "\n")
    before = yaml.safe_load(card_header.split(old.replace("\r\n", "\n"))[0]) or {}
    found = header(text)
    assert before.keys() <= found.keys()
    assert {"tags", "configs", "dataset_info"} <= found.keys()
    assert {"agent-traces", "codex"} <= set(found["tags"])
    assert text.count("rollouts:begin") == 1


def test_line_ends_stay_as_they_are() -> None:
    text = written("---\r\ntags:\r\n- a\r\n---\r\n# T\r\n", ours=False)
    assert re.search(r"(?<!\r)\n", text) is None


@pytest.mark.parametrize("old", ["---\na: [\n---\n", "---\n- a\n---\n"])
def test_a_header_that_is_none_stops_the_push(old: str) -> None:
    with pytest.raises(RolloutsError, match=r"README.md of alice/turns begins with YAML that .*; mend it") as caught:
        written(old)
    assert "\n" not in str(caught.value)


def test_names_of_others_are_no_markup() -> None:
    text = written(None, manifest(batch(1, agents={"a|b<img>": 1}, models={"x`[y](z)\n# h": 1})))
    assert "| a\\|b\\<img\\> | 1 | 1 |" in text
    assert "\\[y\\]" in text
    assert "\n# h" not in text


def test_a_long_table_ends_with_the_sum_of_the_rest() -> None:
    text = written(None, manifest(batch(1, models={f"model-{n:02}": n + 1 for n in range(30)})))
    assert "| model-29 | 30 |" in text
    assert f"| 10 others | {sum(range(1, 11))} |" in text


def test_a_push_keeps_a_persons_edits_on_the_hub(hub: FakeHub) -> None:
    push([row("s1")], license_name="mit")
    edited = (
        hub.read("README.md")
        .decode()
        .replace("# turns", "# Turns of ours\n\nTold by us.")
        .replace("license: mit", "license: apache-2.0")
    )
    hub.put({"README.md": edited.encode()})
    push([row("s2")])
    text = hub.read("README.md").decode()
    assert "# Turns of ours\n\nTold by us.\n" in text
    assert "license: apache-2.0" in text
    assert "**2 sessions** in **2 rows**" in text


def test_a_card_with_a_broken_header_stops_the_push_and_nothing_changes(hub: FakeHub) -> None:
    push([row("s1")])
    hub.put({"README.md": b"---\na: [\n---\n"})
    before = hub.dataset().head
    with pytest.raises(RolloutsError, match="mend it"):
        push([row("s2")])
    assert hub.dataset().head == before
