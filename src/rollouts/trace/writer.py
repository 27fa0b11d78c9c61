"""Records a bundle while a program runs, and never gets in that program's way."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
import uuid
from types import TracebackType
from typing import Any, Self

from rollouts.trace import events
from rollouts.trace.bundle import LOG, MANIFEST
from rollouts.trace.events import Event
from rollouts.trace.values import PayloadKind, PayloadRef, PayloadType, RolloutStatus

SCHEMA = 2
ROOT_VARIABLE = "CODEX_ROLLOUT_TRACE_ROOT"
"""The environment variable that names the folder in which bundles are made; codex records there too."""
_PAYLOADS = "payloads"


class TraceWriter:
    """A bundle that is being recorded.

    Any thread may call any method at any time. None raises: what could not be recorded is counted in `failures`, and
    the last reason is kept. A payload's file is whole before the event that refers to it is written; an event is one
    write; a number is taken only by an event that was written. A crash at any instant leaves a bundle that a tolerant
    reduction reads.

    Attributes:
        folder: the bundle; None when none could be made, and nothing is recorded.
        failures: how many events and payloads could not be recorded.
        last_failure: why the last of them could not.
    """

    def __init__(self, parent: str | os.PathLike[str] | None, root_thread_id: str) -> None:
        """Makes a bundle in a folder, and begins it.

        Args:
            parent: the folder; it is made where it is missing. None records nothing.
            root_thread_id: the id of the conversation that the rollout begins with; it names the rollout as well.
        """
        self.folder: str | None = None
        self.failures = 0
        self.last_failure: str | None = None
        self.rollout_id = root_thread_id
        self._lock = threading.Lock()
        self._log = -1
        self._seq = 0
        self._payloads = 0
        self._owner = os.getpid()
        if parent is not None:
            self._begin(os.fspath(parent), root_thread_id)

    @classmethod
    def from_environment(cls, root_thread_id: str) -> Self:
        """Records where the environment says to; nothing when it says nothing."""
        return cls(os.environ.get(ROOT_VARIABLE) or None, root_thread_id)

    def _begin(self, parent: str, root_thread_id: str) -> None:
        trace_id = str(uuid.uuid4())
        name = "".join(char if char.isalnum() or char in "-_." else "-" for char in root_thread_id)[:100]
        folder = os.path.join(parent, f"trace-{trace_id}-{name}")
        manifest = {
            "schema_version": SCHEMA,
            "trace_id": trace_id,
            "rollout_id": root_thread_id,
            "root_thread_id": root_thread_id,
            "started_at_unix_ms": _now(),
            "raw_event_log": LOG,
            "payloads_dir": _PAYLOADS,
        }
        try:
            os.makedirs(os.path.join(folder, _PAYLOADS), mode=0o700)
            _write_whole(os.path.join(folder, MANIFEST), manifest)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            self._log = os.open(os.path.join(folder, LOG), flags, 0o600)
        except Exception as error:  # noqa: BLE001 - a recorder that fails must not fail the program
            self._fail(error)
            return
        self.folder = folder
        self.record(events.RolloutStarted(trace_id, root_thread_id))

    def _fail(self, reason: object) -> None:
        with self._lock:
            self.failures += 1
            self.last_failure = str(reason) or type(reason).__name__

    def _is_recording(self) -> bool:
        """False also in a process that was forked off: its events would take numbers that are taken."""
        return self._log >= 0 and os.getpid() == self._owner

    def payload(self, kind: PayloadType, value: object) -> PayloadRef | None:
        """Writes a payload file.

        Args:
            kind: what it is.
            value: anything that JSON can say.

        Returns:
            What an event refers to it by; None when it could not be written.
        """
        if self.folder is None or not self._is_recording():
            return None
        with self._lock:
            self._payloads += 1
            number = self._payloads
        path = f"{_PAYLOADS}/{number}.json"
        try:
            _write_whole(os.path.join(self.folder, path), value)
        except Exception as error:  # noqa: BLE001 - a recorder that fails must not fail the program
            self._fail(error)
            return None
        return PayloadRef(f"raw_payload:{number}", PayloadKind(kind), path)

    def record(self, event: Event, *, thread_id: str | None = None, turn_id: str | None = None) -> bool:
        """Writes an event.

        Args:
            event: what happened; one of the records of `rollouts.trace.events`.
            thread_id: the thread in which it did.
            turn_id: the turn in which it did.

        Returns:
            Whether it is in the log.
        """
        if not self._is_recording():
            return False
        try:
            _check(event)
            return self._append(event, thread_id, turn_id)
        except Exception as error:  # noqa: BLE001 - a recorder that fails must not fail the program
            self._fail(error)
            return False

    def _append(self, event: Event, thread_id: str | None, turn_id: str | None) -> bool:
        payload = events.encoded(event)
        with self._lock:
            if self._log < 0:
                return False
            envelope = {
                "schema_version": SCHEMA,
                "seq": self._seq + 1,
                "wall_time_unix_ms": _now(),
                "rollout_id": self.rollout_id,
                "thread_id": thread_id,
                "codex_turn_id": turn_id,
                "payload": payload,
            }
            line = json.dumps(envelope, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"
            _write_all_or_nothing(self._log, line)
            self._seq += 1
        return True

    def finish(self, status: RolloutStatus = "completed") -> None:
        """Ends the rollout and the recording; more is not recorded."""
        self.record(events.RolloutEnded(status))
        self.record(events.RecordingCompleted())
        with self._lock:
            log, self._log = self._log, -1
        if log >= 0:
            with contextlib.suppress(OSError):
                os.close(log)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish("failed" if kind else "completed")


def _now() -> int:
    return time.time_ns() // 1_000_000


def _check(event: Event) -> None:
    """An event that lacks a payload it must have would make the bundle one that no reader takes.

    Raises:
        JsonError: it lacks something, or holds what its kind cannot.
    """
    events.check(events.encoded(event), SCHEMA)


def _write_whole(path: str, value: Any) -> None:
    """Writes a file that is there whole or not at all."""
    data = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False).encode()
    scratch = f"{path}.{uuid.uuid4().hex}.tmp"
    try:
        with open(scratch, "xb", opener=_private) as file:
            file.write(data)
        os.replace(scratch, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(scratch)
        raise


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _write_all_or_nothing(log: int, line: bytes) -> None:
    """Appends a line in one write; what a full disk cuts off is taken back."""
    before = os.fstat(log).st_size
    written = os.write(log, line)
    if written < len(line):
        os.ftruncate(log, before)
        raise OSError(f"only {written} of {len(line)} bytes could be written")
