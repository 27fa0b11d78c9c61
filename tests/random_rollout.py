"""Random rollouts that keep to the rules, recorded with the project's own writer."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from rollouts.trace import TraceWriter, events, values
from rollouts.trace.values import PayloadRef

Item = dict[str, Any]
THREADS = [f"019d0000-0000-7000-8000-00000000000{number}" for number in range(3)]
PATHS = ["/root", "/root/a", "/root/b"]
SUMMARY = values.GenericSummary("label", None, "preview")
MODEL = events.RequestingModel()


class Rollout:
    """A session of one to three agents: they talk, run tools and cells, compact histories, message each other."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.choose = random.Random(seed)  # noqa: S311 - it shall be predictable
        self.trace = TraceWriter(folder, THREADS[0])
        self.count = 0
        self.histories: dict[str, list[Item]] = {}
        self.turns: dict[str, str] = {}
        self.cells: list[tuple[str, str]] = []

    def record(self, steps: int) -> Path:
        """Records that many steps and the end. Returns the bundle."""
        self.begin_thread(0)
        kinds = (
            self.infer,
            self.infer,
            self.infer,
            self.run_command,
            self.run_cell,
            self.message,
            self.compact,
            self.turn,
        )
        for _ in range(steps):
            if self.choose.random() < 0.05 and len(self.histories) < len(THREADS):
                self.begin_thread(len(self.histories))
            self.choose.choice(kinds)(self.choose.choice(list(self.histories)))
        self.trace.finish()
        assert (self.trace.failures, self.trace.last_failure) == (0, None)
        assert self.trace.folder
        return Path(self.trace.folder)

    def name(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}-{self.count}"

    def payload(self, kind: values.PayloadType, value: object) -> PayloadRef:
        ref = self.trace.payload(kind, value)
        assert ref
        return ref

    def event(self, event: events.Event, thread: str) -> None:
        assert self.trace.record(event, thread_id=thread, turn_id=self.turns.get(thread))

    def begin_thread(self, number: int) -> None:
        thread = THREADS[number]
        spawn = {"parent_thread_id": THREADS[0], "agent_path": PATHS[number]}
        metadata = {"model": "m", "session_source": {"subagent": {"thread_spawn": spawn}} if number else "cli"}
        self.event(events.ThreadStarted(thread, PATHS[number], self.payload("session_metadata", metadata)), thread)
        self.histories[thread] = []
        self.turn(thread)

    def turn(self, thread: str) -> None:
        if thread in self.turns:
            status: values.ExecutionStatus = self.choose.choice(("completed", "failed", "aborted"))
            self.event(events.TurnEnded(self.turns[thread], status), thread)
        self.turns[thread] = self.name("turn")
        self.event(events.TurnStarted(self.turns[thread], thread), thread)

    def text(self) -> str:
        return self.choose.choice(["hello", "again", 'quoted "é" \n', "x" * 400, "", "{}", "1.50"])

    def item(self) -> Item:
        """Something that a user, a tool or a developer could have said, with an id or without one."""
        named = {"id": self.name("item")} if self.choose.random() < 0.7 else {}
        content: list[Item] = [{"type": "input_text", "text": self.text()}]
        if self.choose.random() < 0.2:
            content.append({"type": "input_image", "image_url": "data:x", "scale": 1.50})
        return {"type": "message", "role": self.choose.choice(["user", "developer"]), "content": content, **named}

    def answer(self) -> list[Item]:
        call = {"call_id": self.name("call"), "id": self.name("item")}
        kinds: list[Item] = [
            {
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": "s"}],
                "encrypted_content": self.name("E"),
            },
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": self.text()}]},
            {"type": "function_call", "name": "exec_command", "arguments": '{"n":1e3,"a":[1.10]}', **call},
            {"type": "custom_tool_call", "name": "exec", "input": "await 1", **call},
            {"type": "web_search_call", "action": {"query": self.text()}},
        ]
        return self.choose.sample(kinds[:3], self.choose.randrange(3)) + self.choose.sample(kinds[3:], 1)

    def infer(self, thread: str) -> None:
        history, call = self.histories[thread], self.name("call-of-model")
        history += [self.item() for _ in range(self.choose.randrange(3))]
        if len(history) > 3 and self.choose.random() < 0.15:
            del history[self.choose.randrange(len(history))]
        request = self.payload("inference_request", {"model": "m", "input": history, "tools": [{"name": "t"}]})
        turn = self.turns[thread]
        self.event(events.InferenceStarted(call, thread, turn, "m", "p", request), thread)
        if self.choose.random() < 0.1:
            self.event(events.InferenceFailed(call, None, "lost"), thread)
            return
        answer = self.answer()
        usage = {"input_tokens": 5, "cached_input_tokens": 1, "output_tokens": 2, "reasoning_output_tokens": 0}
        response = self.payload("inference_response", {"output_items": answer, "token_usage": usage})
        self.event(events.InferenceCompleted(call, self.name("resp"), None, response), thread)
        for item in answer:
            if "id" in item and self.choose.random() < 0.7:
                self.event(events.HistoryItemAccepted(item["id"]), thread)
        history += answer

    def open_call(self, thread: str, kind: str) -> str | None:
        """The id of a call in a history that has no output yet."""
        history = self.histories[thread]
        done = {item.get("call_id") for item in history if item["type"].endswith("_output")}
        calls = [item["call_id"] for item in history if item["type"] == kind and item["call_id"] not in done]
        return calls[-1] if calls else None

    def run_command(self, thread: str) -> None:
        call = self.open_call(thread, "function_call")
        if call is None:
            return
        tool, kind = self.name("tool"), values.ExecCommand()
        self.event(events.ToolStarted(tool, call, None, MODEL, kind, SUMMARY), thread)
        pid = self.choose.choice([None, "7", "8"])
        begun = self.payload("tool_runtime_event", {"process_id": pid, "command": ["ls", "-l"], "cwd": "/src"})
        self.event(events.ToolRuntimeStartedAs(tool, begun, kind), thread)
        end = self.payload("tool_runtime_event", {"process_id": pid, "exit_code": 0, "aggregated_output": self.text()})
        self.event(events.ToolRuntimeEnded(tool, "completed", end), thread)
        self.event(events.ToolEnded(tool, "completed", self.payload("tool_result", {"ok": True})), thread)
        output = {"type": "function_call_output", "call_id": call, "output": self.text(), "id": self.name("item")}
        self.histories[thread].append(output)

    def run_cell(self, thread: str) -> None:
        call = self.open_call(thread, "custom_tool_call")
        if call is None or any(call == other for _, other in self.cells):
            return
        cell = self.name("cell")
        self.cells.append((cell, call))
        self.event(events.CellStarted(cell, call, "await 1"), thread)
        tool = self.name("tool")
        self.event(events.ToolStarted(tool, None, "inner", events.RequestingCell(cell), values.Web(), SUMMARY), thread)
        self.event(events.ToolEnded(tool, self.choose.choice(("completed", "failed"))), thread)
        self.event(events.CellResponded(cell, self.choose.choice(("yielded", "completed"))), thread)
        self.event(events.CellEnded(cell, "completed", self.payload("protocol_event", {"v": 1})), thread)
        self.histories[thread].append({"type": "custom_tool_call_output", "call_id": call, "output": "done"})

    def message(self, thread: str) -> None:
        target = self.choose.choice(list(self.histories))
        tool, text = self.name("tool"), self.name("message")
        arguments = {"tool_name": "send", "payload": {"type": "function", "arguments": json.dumps({"message": text})}}
        invocation = self.payload("tool_invocation", arguments)
        started = events.ToolStarted(tool, None, None, MODEL, values.SendMessage(), SUMMARY, invocation)
        self.event(started, thread)
        ended = {
            "event_id": "e",
            "occurred_at_ms": 1,
            "agent_thread_id": target,
            "agent_path": "/root",
            "kind": "interacted",
        }
        self.event(events.ToolRuntimeEnded(tool, "completed", self.payload("tool_runtime_event", ended)), thread)
        if self.choose.random() < 0.7:
            paths = {"author": PATHS[THREADS.index(thread)], "recipient": PATHS[THREADS.index(target)]}
            content = [{"type": "input_text", "text": text}]
            self.deliver(target, {"type": "agent_message", "id": self.name("item"), "content": content, **paths})

    def deliver(self, thread: str, item: Item) -> None:
        """A message comes into a history; its acceptance may bring it before a request shows it."""
        if self.choose.random() < 0.5:
            accepted = events.HistoryItemAccepted(item["id"], self.payload("protocol_event", item))
            self.event(accepted, thread)
        self.histories[thread].append(item)

    def compact(self, thread: str) -> None:
        if len(self.histories[thread]) < 8:
            return
        compaction, request = self.name("compaction"), self.name("request")
        turn = self.turns[thread]
        asked = self.payload("compaction_request", {"input": []})
        started = events.CompactionRequestStarted(compaction, request, thread, turn, "m", "p", asked)
        self.event(started, thread)
        answer = self.payload("compaction_response", {})
        self.event(events.CompactionRequestCompleted(compaction, request, answer), thread)
        short = [self.item(), {"type": "compaction", "encrypted_content": self.name("C")}]
        checkpoint = {"input_history": self.histories[thread], "replacement_history": short}
        self.event(events.CompactionInstalled(compaction, self.payload("compaction_checkpoint", checkpoint)), thread)
        self.histories[thread] = short
