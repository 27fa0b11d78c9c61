"""Small bundles, written by hand: what a test says is what stands in the files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

THREAD, TURN = "thread-1", "turn-1"
Fields = dict[str, Any]


def ref(number: int, kind: str = "inference_request", path: str | None = None) -> Fields:
    return {
        "raw_payload_id": f"raw_payload:{number}",
        "kind": {"type": kind},
        "path": path or f"payloads/{number}.json",
    }


def event(kind: str, /, **fields: object) -> Fields:
    return {"type": kind, **fields}


BEGIN = [
    event("thread_started", thread_id=THREAD, agent_path="/root"),
    event("codex_turn_started", codex_turn_id=TURN, thread_id=THREAD),
]


def asked(call: str, payload: int, path: str | None = None) -> Fields:
    """A model is called with that payload."""
    ids = {"inference_call_id": call, "thread_id": THREAD, "codex_turn_id": TURN}
    request = ref(payload, path=path)
    return event("inference_started", **ids, model="m", provider_name="p", request_payload=request)


def answered(call: str, payload: int, response_id: str | None = None) -> Fields:
    """It answered with that payload."""
    response = ref(payload, "inference_response")
    return event("inference_completed", inference_call_id=call, response_id=response_id, response_payload=response)


def said(text: str, role: str = "user", **more: object) -> Fields:
    """A message item."""
    return {"type": "message", "role": role, "content": [{"type": "input_text", "text": text}], **more}


def bundle(
    folder: Path, lines: Sequence[Fields | bytes], payloads: Mapping[int, object] | None = None, *, schema: int = 2
) -> Path:
    """Writes a bundle; a line or a payload may be raw bytes. Returns the folder."""
    (folder / "payloads").mkdir(parents=True)
    manifest = {"schema_version": schema, "trace_id": "t", "rollout_id": "r", "root_thread_id": THREAD}
    rest = {"started_at_unix_ms": 0, "raw_event_log": "trace.jsonl", "payloads_dir": "payloads"}
    (folder / "manifest.json").write_text(json.dumps(manifest | rest))
    with (folder / "trace.jsonl").open("wb") as log:
        for number, line in enumerate(lines, 1):
            log.write(line if isinstance(line, bytes) else _line(number, line, schema))
            log.write(b"\n")
    for name, payload in (payloads or {}).items():
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        (folder / "payloads" / f"{name}.json").write_bytes(data)
    return folder


def _line(number: int, payload: Fields, schema: int) -> bytes:
    envelope = {"schema_version": schema, "seq": number, "wall_time_unix_ms": number * 10, "rollout_id": "r"}
    return json.dumps(envelope | {"thread_id": THREAD, "codex_turn_id": TURN, "payload": payload}).encode()
