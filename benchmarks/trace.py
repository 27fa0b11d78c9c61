"""Measure `rollouts trace reduce` beside the format's own reducer, `codex debug trace-reduce`, and JSON parsers.

A bundle of N inferences holds the whole history in each request, so its payloads grow with N squared. Both reducers
take the same bundle, in turns; CPU is user and system time, memory the most that the process held.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import measure
import msgspec

TURNS = 5
THREAD = "00000000-0000-7000-8000-000000000001"
TEXT = 'The quick brown fox jumps over the lazy dog; "quoted", tabbed\t and sometimes accentué.\n' * 6
Payload = dict[str, object]


def items(number: int) -> list[Payload]:
    """What one inference adds to the conversation: about 1.5 KB as codex writes it."""
    call = {"cmd": ["sed", "-n", f"{number},{number + 9}p", "src/file.py"], "timeout": 1.5}
    return [
        {
            "type": "message",
            "id": f"msg_{number}",
            "role": "assistant",
            "content": [{"type": "output_text", "text": f"Step {number}. {TEXT}"}],
        },
        {
            "type": "function_call",
            "id": f"fc_{number}",
            "name": "exec_command",
            "arguments": json.dumps(call),
            "call_id": f"call_{number}",
        },
    ]


def output(number: int) -> Payload:
    text = f"exit 0\n{number}: {TEXT[:240]}"
    return {"type": "function_call_output", "id": f"out_{number}", "call_id": f"call_{number}", "output": text}


class Bundle:
    """Writes a bundle as fast as a disk takes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "payloads").mkdir(parents=True)
        self.log = (folder / "trace.jsonl").open("w")
        self.seq = 0
        self.payloads = 0
        self.bytes = 0
        manifest = {
            "schema_version": 2,
            "trace_id": "bench",
            "rollout_id": THREAD,
            "root_thread_id": THREAD,
            "started_at_unix_ms": 1,
            "raw_event_log": "trace.jsonl",
            "payloads_dir": "payloads",
        }
        (folder / "manifest.json").write_text(json.dumps(manifest))

    def payload(self, kind: str, text: str) -> Payload:
        self.payloads += 1
        path = f"payloads/{self.payloads}.json"
        self.bytes += (self.folder / path).write_text(text)
        return {"raw_payload_id": f"raw_payload:{self.payloads}", "kind": {"type": kind}, "path": path}

    def event(self, turn: str | None, **payload: object) -> None:
        self.seq += 1
        envelope = {
            "schema_version": 2,
            "seq": self.seq,
            "wall_time_unix_ms": self.seq * 10,
            "rollout_id": THREAD,
            "thread_id": THREAD,
            "codex_turn_id": turn,
            "payload": payload,
        }
        self.log.write(json.dumps(envelope, separators=(",", ":")) + "\n")


def pretty(item: Payload) -> str:
    return json.dumps(item, indent=2, ensure_ascii=False).replace("\n", "\n    ")


def make(folder: Path, inferences: int) -> int:
    """Makes a bundle. Returns the bytes of its payloads."""
    bundle = Bundle(folder)
    bundle.event(None, type="thread_started", thread_id=THREAD, agent_path="/root")
    history: list[str] = []
    tools = json.dumps([{"type": "function", "name": f"tool_{n}", "parameters": {}} for n in range(20)], indent=2)
    for number in range(inferences):
        turn = f"turn-{number * TURNS // inferences}"
        if number * TURNS % inferences < TURNS:
            bundle.event(turn, type="codex_turn_started", codex_turn_id=turn, thread_id=THREAD)
        shown = ",\n    ".join(history)
        request = f'{{\n  "model": "gpt-bench",\n  "input": [\n    {shown}\n  ],\n  "tools": {tools}\n}}'
        call = f"inference-{number}"
        bundle.event(
            turn,
            type="inference_started",
            inference_call_id=call,
            thread_id=THREAD,
            codex_turn_id=turn,
            model="gpt-bench",
            provider_name="bench",
            request_payload=bundle.payload("inference_request", request),
        )
        made = items(number)
        answer = json.dumps({"response_id": f"resp-{number}", "output_items": made}, indent=2, ensure_ascii=False)
        bundle.event(
            turn,
            type="inference_completed",
            inference_call_id=call,
            response_id=f"resp-{number}",
            response_payload=bundle.payload("inference_response", answer),
        )
        history += [pretty(item) for item in (*made, output(number))]
    bundle.event(None, type="recording_completed")
    bundle.log.close()
    return bundle.bytes


def programs(rollouts: str, codex: str | None, folder: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    out = str(folder.parent / "state.json")
    yield "rollouts", (rollouts, "trace", "reduce", str(folder), "--out", out)
    if codex:
        yield "codex", (codex, "debug", "trace-reduce", "-o", out, str(folder))


def timed(parse: Callable[[bytes], object], data: bytes) -> float:
    """MB of JSON that a parser takes in a second of CPU."""
    start = time.process_time()
    rounds = 0
    while time.process_time() - start < 0.5:
        parse(data)
        rounds += 1
    return len(data) * rounds / (time.process_time() - start) / 1e6


def parsers(folder: Path) -> Iterator[tuple[str, float]]:
    """How fast the largest request of a bundle is parsed, or cut into its items."""
    data = max((folder / "payloads").iterdir(), key=lambda path: path.stat().st_size).read_bytes()
    fields, array = msgspec.json.Decoder(dict[str, msgspec.Raw]), msgspec.json.Decoder(list[msgspec.Raw])
    yield "json: parse", timed(json.loads, data)
    yield "msgspec: parse", timed(msgspec.json.decode, data)
    yield "msgspec: cut into items", timed(lambda text: array.decode(fields.decode(text)["input"]), data)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    beside_python = str(Path(sys.executable).with_name("rollouts"))
    parser.add_argument("--inferences", default="125,500", help="sizes of the bundles [%(default)s]")
    parser.add_argument("--program", default=beside_python, help="the rollouts to measure [beside this Python]")
    parser.add_argument("--codex", default=shutil.which("codex"), help="the original [on PATH; left out when absent]")
    parser.add_argument("--parsers", action="store_true", help="also compare JSON parsers")
    return parser.parse_args()


def main() -> None:
    chosen = options()
    with tempfile.TemporaryDirectory(prefix="rollouts-bench-") as scratch:
        measure.set_home(Path(scratch, "user"))
        print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} CPUs\n")
        print("| inferences | payloads | program | CPU | wall | memory |\n|---|---|---|---|---|---|")
        for count in map(int, chosen.inferences.split(",")):
            folder = Path(scratch, f"bundle-{count}")
            size = make(folder, count)
            for name, command in programs(chosen.program, chosen.codex, folder):
                cost = measure.cost(command)
                peak = measure.peak_kb(command, home=Path(scratch, "home"))
                figures = f"{cost.cpu / 1000:.1f} s | {cost.wall / 1000:.1f} s | {peak / 1000:.0f} MB"
                print(f"| {count} | {size / 1e6:.0f} MB | {name} | {figures} |", flush=True)
            if chosen.parsers:
                print("\n" + "\n".join(f"{name}: {speed:.0f} MB/s" for name, speed in parsers(folder)) + "\n")
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
