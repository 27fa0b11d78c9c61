"""Traces as the real `datasets` reads them, with `teich` and without, alone and beside other shapes in a dataset.

`.ci/run` makes the environments; without one its tests are skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from agent_records import (
    CLAUDE,
    CODEX,
    OPENCODE,
    Object,
    chunks,
    claude_session,
    claude_subagent,
    codex_session,
    gave,
    jsonl,
    opencode_document,
    opencode_session,
    said,
    told,
    tool,
)
from fake_hub import FakeHub
from publishing import TIMEOUT, hub
from rollouts import agents
from rollouts.agents.attach import attach
from rollouts.agents.session import Session
from rollouts.export import atif, traces
from rollouts.export.neutral import Neutral
from rollouts.publish.rows import mended
from test_hub_loads import CACHE, HERE, same

__all__ = ["hub"]

CARD = """---
configs:
- config_name: default
  default: true
  data_files: [{split: train, path: [train.jsonl, train-*.jsonl]}]
- config_name: sft
  data_files: [{split: train, path: sft/*.jsonl}]
- config_name: atif
  data_files: [{split: train, path: atif/*.jsonl}]
- config_name: traces
  data_files: [{split: train, path: traces/**/*.jsonl}]
dataset_info:
- config_name: default
  features:
  - {name: session_id, dtype: string}
  - {name: session, dtype: json}
- config_name: sft
  features:
  - {name: session_id, dtype: string}
  - {name: messages, list: json}
- config_name: atif
  features:
  - {name: batch_id, dtype: int64}
  - {name: agent, dtype: string}
  - {name: session_id, dtype: string}
  - {name: trajectory, dtype: json}
- config_name: traces
  features:
  - {name: harness, dtype: string}
  - {name: session_id, dtype: string}
  - {name: prompt, dtype: string}
  - {name: messages, list: json}
  - {name: tools, list: json}
  - {name: metadata, dtype: json}
  - {name: sent_at, dtype: string}
  - {name: num_user_messages, dtype: int64}
  - {name: num_tool_calls, dtype: int64}
  - {name: trace, dtype: json}
  - {name: file_path, dtype: string}
---
"""
"""Four shapes in one dataset. The features of `traces` are those that `datasets` knows traces by."""


def ran(environment: str, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Loads a dataset with the interpreter of an environment that .ci/run made."""
    program = CACHE / environment / "bin" / "python"
    if not program.exists():
        pytest.skip(f"{environment} is not installed; .ci/run installs it")
    settings = os.environ | {"HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    command = [str(program), str(HERE / "hub_loader.py"), name, *words]
    return subprocess.run(command, env=settings, capture_output=True, text=True, timeout=TIMEOUT, check=False)


def loaded(environment: str, name: str, *words: str) -> list[Any]:
    """The rows of a dataset."""
    done = ran(environment, name, *words)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def found(agent: str, session_id: str, files: dict[str, bytes]) -> Neutral:
    reader = agents.reader(agent)
    record = reader.record_from(session_id, {name: chunks(data) for name, data in files.items()})
    assert record is not None
    session = reader.session(record)
    return Neutral(record, session, attach(session, []), None, None)


def opencode() -> Object:
    """Parallel calls whose arguments differ in every way, one of which fails, and a text that a reader could cut."""
    deep = {"command": "ls\u2028-l", "deep": {"list": [None, 1.5, {"": True}]}, "n": 1 << 70}
    calls = [tool("call_1", "bash", output="fine", input=deep), tool("call_2", "edit", status="error", error="no")]
    first = gave("msg_2", {"type": "reasoning", "text": "Hm."}, *calls, finish="tool-calls")
    return opencode_session(told("msg_1", said("Go")), first, gave("msg_3", said("Done.")))


def sessions() -> dict[str, Neutral]:
    """A session of each agent: its id -> the session."""
    claude = {"main.jsonl": jsonl(claude_session()), "agent-ad8f.jsonl": jsonl(claude_subagent())}
    return {
        CLAUDE: found("claude-code", CLAUDE, claude),
        CODEX: found("codex", CODEX, {"main.jsonl": jsonl(codex_session())}),
        OPENCODE: found("opencode", OPENCODE, {"main.json": opencode_document(opencode())}),
    }


def files(some: dict[str, Neutral]) -> dict[str, bytes]:
    """The files of traces: path -> content."""
    return {
        f"traces/{one.session.agent}/{trace.name}": b"".join(trace.lines)
        for name, one in some.items()
        for trace in traces.lines(name, one)
    }


def put(root: Path, content: dict[str, bytes]) -> str:
    for name, data in content.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return str(root)


def called(session: Session) -> list[tuple[str, str, object]]:
    """(id, tool, arguments) of each call; numbers and texts as every reader takes them."""
    calls = [call for message in session.messages for call in message.calls]
    found = mended([[call.id, call.name, call.arguments] for call in calls])
    return [tuple(one) for one in found] if isinstance(found, list) else []


def calls_of(messages: Iterable[Any]) -> list[tuple[str, str, object]]:
    calls = [call for message in messages for call in message.get("tool_calls") or []]
    return [(call["id"], call["function"]["name"], call["function"]["arguments"]) for call in calls]


def answered(messages: Iterable[Any]) -> list[tuple[str, str]]:
    return [(one["tool_call_id"], one["content"]) for one in messages if one["role"] == "tool"]


def results(session: Session) -> list[tuple[str, str]]:
    return [(message.answers or "", message.text) for message in session.messages if message.role == "tool"]


def test_traces_keep_calls_arguments_and_results(tmp_path: Path) -> None:
    some = sessions()
    rows = loaded("datasets-traces", put(tmp_path / "traces", files(some)), "both")
    by_file = {row["file_path"].rpartition("traces/")[2]: row for row in rows}
    assert by_file.keys() == {name.removeprefix("traces/") for name in files(some)}
    for name, one in some.items():
        row = by_file[f"{one.session.agent}/{name}.jsonl"]
        assert row["session_id"] == name
        patch = [("call_2", "apply_patch", {"patch": "*** Begin Patch"})]  # as teich names a patch's only argument
        expected = [*called(one.session)[:1], *patch] if one.session.agent == "codex" else called(one.session)
        assert same(calls_of(row["messages"])) == same(expected)
        assert answered(row["messages"]) == results(one.session)
    assert [row["harness"] for row in rows] == ["claude_code", "claude_code", "codex", "pi"]
    pi = by_file[f"opencode/{OPENCODE}.jsonl"]
    assert (pi["prompt"], pi["num_user_messages"], pi["num_tool_calls"]) == ("Go", 1, 2)
    assert [message.get("reasoning_content") for message in pi["messages"]] == [None, "Hm.", None, None, None]
    assert [message.get("name") for message in pi["messages"] if message["role"] == "tool"] == ["bash", "edit"]


def dataset(some: dict[str, Neutral]) -> dict[str, bytes]:
    """A dataset of all shapes: path -> content."""
    rows = [
        {"batch_id": 1, "agent": one.session.agent, "session_id": name}
        | {"trajectory": atif.trajectory(one.session, one.attached, one.origin, session_id=name)}
        for name, one in some.items()
    ]
    messages = [{"role": "user", "content": "Go"}, {"role": "assistant", "tool_calls": [{"id": "1"}]}]
    return {
        "README.md": CARD.encode(),
        "train.jsonl": jsonl([{"session_id": "s", "session": {"a": [1, "b"]}}]),
        "sft/00001.jsonl": jsonl([{"session_id": "s", "messages": messages}]),
        "atif/00001.jsonl": jsonl(rows),
        **files(some),
    }


@pytest.mark.parametrize("environment", ["datasets-oldest", "datasets-newest", "datasets-traces"])
def test_each_shape_of_a_dataset_loads_beside_the_others(environment: str, hub: FakeHub) -> None:
    content = dataset(sessions())
    hub.put(content)
    names = ("train.jsonl", "sft/00001.jsonl", "atif/00001.jsonl")
    expected = [json.loads(line) for name in names for line in content[name].splitlines()]
    assert same(loaded(environment, "alice/turns", "both", "default", "sft", "atif")) == same(expected)
    done = ran(environment, "alice/turns", "both", "traces")
    if environment == "datasets-traces":
        assert done.returncode == 0, done.stderr[-3000:]
        assert len(done.stdout.splitlines()) == 4
    elif environment == "datasets-newest":
        assert "please install 'teich'" in done.stderr
    else:
        assert done.returncode != 0  # traces are known since 5.0


def prompt_only() -> Object:
    return opencode_session(told("msg_1", said("Go")))


@pytest.mark.parametrize("document", [prompt_only, opencode_session])
def test_a_session_of_a_prompt_or_of_nothing_loads_by_its_card(document: Callable[[], Object], tmp_path: Path) -> None:
    """Nobody could guess from such a file, when it is the first, that it is a trace."""
    one = found("opencode", OPENCODE, {"main.json": opencode_document(document())})
    root = put(tmp_path / "set", dataset({OPENCODE: one}))
    (row,) = loaded("datasets-traces", root, "download", "traces")
    assert (row["session_id"], len(row["messages"])) == (OPENCODE, len(one.session.messages))
