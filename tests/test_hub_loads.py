"""Every dataset that a sequence of pushes makes is loaded by the real `datasets`: the oldest supported and the newest.

`.ci/run` makes an environment for each, with the oldest and the newest `huggingface_hub`; without it tests are skipped.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agent_records import CLAUDE, claude_session, jsonl
from fake_hub import FakeHub
from publishing import TIMEOUT, finish, hub, line, push, row, start
from rollouts.publish.rows import Row
from session_shapes import plain_session, session
from test_hub_shapes import shaped

__all__ = ["hub"]
CACHE = Path(__file__).parent.parent / ".ci" / "cache"
HERE = Path(__file__).parent
FIRST_CHUNK = 10 << 20
"""What `datasets` looks at before it decides on types that nobody declared."""


@pytest.fixture(params=["datasets-oldest", "datasets-newest"])
def python(request: pytest.FixtureRequest) -> str:
    """The interpreter of an environment with `datasets` in it."""
    program = CACHE / request.param / "bin" / "python"
    if not program.exists():
        pytest.skip(f"{request.param} is not installed; .ci/run installs it")
    return str(program)


def loaded(python: str, way: str = "both", config: str = "default") -> list[dict[str, Any]]:
    """The rows of the dataset as `datasets` reads them: downloaded, and streamed as well."""
    settings = os.environ | {"HF_DATASETS_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DOWNLOAD_TIMEOUT": "60"}
    command = [python, str(HERE / "hub_loader.py"), "alice/turns", way, config]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(one) for one in done.stdout.splitlines()]


def same(value: object) -> object:
    """A value as it is after ujson, which `datasets` reads it with: floats to some digits, everything else exact."""
    if isinstance(value, dict):
        return {key: same(item) for key, item in value.items()}
    if isinstance(value, list):
        return [same(item) for item in value]
    return round(value, 6) if isinstance(value, float) else value


def assert_loads(hub: FakeHub, python: str) -> None:
    assert same(loaded(python)) == same(hub.rows())


def test_a_random_sequence_of_pushes_loads(hub: FakeHub, python: str) -> None:
    chance = random.Random(6)  # noqa: S311 - the same sequence at each run
    for step in range(6):
        names = [f"s{chance.randrange(15)}" for _ in range(chance.randrange(1, 8))]
        push([session(chance, name, step * 2) for name in names])
    assert_loads(hub, python)


def test_shapes_that_come_late_load(hub: FakeHub, python: str) -> None:
    hub.storage.lfs_threshold = FIRST_CHUNK * 4  # so that the Hub of the tests can read the files back by itself
    chance = random.Random(7)  # noqa: S311 - the same sessions at each run
    push([plain_session(f"p{n}", FIRST_CHUNK // 8) for n in range(10)])
    early = [plain_session(f"q{n}", FIRST_CHUNK // 8) for n in range(10)]
    push([*early, *(session(chance, f"s{n}", 4) for n in range(30))])
    assert_loads(hub, python)


def test_an_adopted_dataset_loads(hub: FakeHub, python: str) -> None:
    older = [line(f"s{n}", {"n": n})[:-1] + (b',"batch_id":1}\n' if n % 2 else b"}\n") for n in range(4)]
    hub.put({"train.jsonl": b"".join(older)})
    push([row("s1", {"n": "text now"}, {"remote_url": None})])
    assert [item["batch_id"] for item in loaded(python)] == [None, 1, None, 1, 2]


def test_what_ujson_chokes_on_loads(hub: FakeHub, python: str) -> None:
    numbers = [b"18446744073709551616", b"NaN", b"1e400"]
    odd = [b'"\\udc00"', b"[" * 500 + b"]" * 500, b'{\r"a":1}', b'{"a":1,"a":2}', *numbers]
    given = '{"session_id":"s%d","agent":"a","exported_at":"2026-01-02T03:04:05.678Z","session":%s,"metadata":null}'
    push([Row((given % (n, text.decode())).encode()) for n, text in enumerate(odd)])
    found = loaded(python)
    assert [item["session_id"] for item in found] == [f"s{n}" for n in range(len(odd))]
    assert {item["exported_at"] for item in found} == {"2026-01-02T03:04:05.678Z"}
    assert len(hub.rows()) == len(odd)


@pytest.mark.parametrize("off", ["0", "1"])
def test_each_client_pushes_and_loads_large_files(off: str, hub: FakeHub, python: str, tmp_path: Path) -> None:
    hub.storage.lfs_threshold = 10_000
    env = {"HF_HUB_DISABLE_XET": off}
    for n in range(3):
        finish(start([line(f"s{n}", {"text": "text " * 5_000, "n": n})], tmp_path, env, python))
    shards = [entry for path, entry in hub.dataset().head.tree.items() if path.startswith("train")]
    assert [bool(entry.xet) for entry in shards] == [off == "0"] * 3
    assert [item["session"]["n"] for item in loaded(python, "download")] == [0, 1, 2]
    assert finish(start([line("s0", {"text": "text " * 5_000, "n": 0})], tmp_path, env, python))["batch_id"] is None


def test_other_shapes_load_as_configurations_of_their_own_and_leave_the_rows_alone(hub: FakeHub, python: str) -> None:
    push([row("s0", {"plain": 1})])
    push([shaped("s1", {"a": 1}), shaped("s2", ["b"])])
    push([shaped("s1", {"a": 2}, "\ud83d 1e999")])
    assert_loads(hub, python)
    for name, count in (("sft", 6), ("atif", 3)):
        found = loaded(python, config=name)
        assert [item["batch_id"] for item in found] == [2] * (count - count // 3) + [3] * (count // 3)
        parts = [batch["shapes"][name]["file"] for batch in hub.batches() if "shapes" in batch]
        assert same(found) == same([json.loads(one) for part in parts for one in hub.read(part).splitlines()])


def test_traces_load_as_a_configuration_of_their_own(hub: FakeHub) -> None:
    program = CACHE / "datasets-traces" / "bin" / "python"
    if not program.exists():
        pytest.skip("datasets-traces, with teich, is not installed; .ci/run installs it")
    files = {f"traces/claude-code/{CLAUDE}.jsonl": jsonl(claude_session())}
    push([row("s0"), Row(line(CLAUDE, agent="claude-code"), files=files)])
    assert hub.batches()[0]["files"] == list(files)
    (found,) = loaded(str(program), "download", "traces")
    assert (found["harness"], found["file_path"]) == ("claude_code", f"traces/claude-code/{CLAUDE}.jsonl")
    calls = [call for message in found["messages"] for call in message.get("tool_calls") or ()]
    assert {"file_path": "a.py", "content": "a"} in [call["function"]["arguments"] for call in calls]
    assert len(loaded(str(program))) == 2
