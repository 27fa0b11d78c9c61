"""The recorder: whole bundles, also from many threads and after a crash, and never an exception."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from random_rollout import Rollout
from rollouts.trace import TraceWriter, events, reducer, render
from rollouts.trace.values import PayloadRef

THREAD = "019d0000-0000-7000-8000-000000000001"
DOCS = Path(__file__).parent.parent / "docs" / "traces.md"


def lines_of(trace: TraceWriter) -> list[dict[str, object]]:
    assert trace.folder
    return [json.loads(line) for line in Path(trace.folder, "trace.jsonl").read_text().splitlines()]


def test_example_of_the_documentation_runs_and_reduces(tmp_path: Path) -> None:
    [code] = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"TRACES": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    graph = reducer.reduce(done.stdout.strip())
    [operation] = graph.terminal_operations.values()
    assert operation.result
    assert (operation.result.stdout, operation.execution.status) == ("a.py\nb.py\n", "completed")
    assert (graph.status, graph.recording_complete) == ("completed", True)


@pytest.mark.parametrize("seed", range(20))
def test_random_rollout_is_valid_and_both_reductions_agree(seed: int, tmp_path: Path) -> None:
    bundle = str(Rollout(tmp_path, seed).record(steps=30 + seed))
    graph, left_out = reducer.reduce_tolerantly(bundle)
    assert (render.text(graph), left_out) == (render.text(reducer.reduce(bundle)), [])


def test_numbers_have_no_gaps_when_many_threads_record(tmp_path: Path) -> None:
    with TraceWriter(tmp_path, THREAD) as trace:
        trace.record(events.ThreadStarted(THREAD, "/root"))

        def work() -> None:
            for number in range(100):
                payload = trace.payload("protocol_event", {"text": "x" * number * 50})
                assert payload
                trace.record(events.ProtocolEventObserved("turn_started", payload), thread_id=THREAD)

        workers = [threading.Thread(target=work) for _ in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert [line["seq"] for line in lines_of(trace)] == list(range(1, 805))
    assert trace.folder
    assert len(reducer.reduce(trace.folder).raw_payloads) == 800


def test_what_cannot_be_recorded_is_counted_and_leaves_a_valid_bundle(tmp_path: Path) -> None:
    with TraceWriter(tmp_path, THREAD) as trace:
        for value in (object(), float("nan"), "\ud800", {1: {2}}):
            assert trace.payload("protocol_event", value) is None
        lost: PayloadRef = None  # type: ignore[assignment] # what a program passes on when its payload was lost
        assert not trace.record(events.ProtocolEventObserved("x", lost))
        assert not trace.record(events.ThreadStarted("\ud800", "/root"))
        assert trace.record(events.ThreadStarted(THREAD, "/root"))
    assert trace.failures == 6
    assert trace.last_failure
    assert trace.folder
    assert list(reducer.reduce(trace.folder).threads) == [THREAD]
    assert os.listdir(Path(trace.folder, "payloads")) == []


def test_no_folder_means_no_recording_and_no_exception(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    for trace in (TraceWriter(tmp_path / "file" / "below", THREAD), TraceWriter.from_environment(THREAD)):
        assert trace.payload("protocol_event", {}) is None
        assert not trace.record(events.ThreadStarted(THREAD, "/root"))
        trace.finish()
        assert trace.folder is None
    monkeypatch.setenv("CODEX_ROLLOUT_TRACE_ROOT", str(tmp_path / "made"))
    recording = TraceWriter.from_environment(THREAD)
    assert recording.folder
    assert recording.folder.startswith(f"{tmp_path}/made/trace-")


def test_nothing_is_recorded_after_the_end_or_in_a_forked_process(tmp_path: Path) -> None:
    trace = TraceWriter(tmp_path, THREAD)
    child = os.fork()
    if not child:
        os._exit(trace.record(events.ThreadStarted(THREAD, "/root")))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    trace.finish()
    trace.finish()
    assert not trace.record(events.ThreadStarted(THREAD, "/root"))
    assert [line["seq"] for line in lines_of(trace)] == [1, 2, 3]


def _record_with_room_for(room: int, folder: Path) -> None:
    """Records in a process whose files may not grow beyond some bytes, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    trace = TraceWriter(folder, THREAD)
    trace.record(events.ThreadStarted(THREAD, "/root"))
    while not trace.failures:
        trace.record(events.TurnStarted(f"turn-{trace._seq}", THREAD))
    os._exit(0)


def test_a_line_that_a_full_disk_cuts_off_is_taken_back(tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        _record_with_room_for(5000, tmp_path)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    [bundle] = tmp_path.glob("trace-*")
    assert len(reducer.reduce(str(bundle)).codex_turns) > 10


def test_a_killed_program_leaves_a_bundle_that_reads(tmp_path: Path) -> None:
    script = (
        "import sys; from rollouts.trace import TraceWriter, events\n"
        f"trace = TraceWriter(sys.argv[1], {THREAD!r}); trace.record(events.ThreadStarted({THREAD!r}, '/root'))\n"
        "print(trace.folder, flush=True)\n"
        "while True:\n"
        "    trace.record(events.ProtocolEventObserved('error', trace.payload('protocol_event', 'x' * 99)))\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout
        folder = program.stdout.readline().strip()
        while len(os.listdir(Path(folder, "payloads"))) < 50:
            pass
        program.kill()
    graph, left_out = reducer.reduce_tolerantly(folder)
    assert len(graph.raw_payloads) >= 40
    assert len(left_out) <= 1
