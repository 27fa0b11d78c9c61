"""A bundle on disk: its manifest, its log line by line, its payloads one at a time, and nothing outside of it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from rollouts.trace import decode
from rollouts.trace.decode import I64, U32
from rollouts.trace.errors import TraceError, of_system
from rollouts.trace.jsontext import Parser
from rollouts.trace.serde import explained

MANIFEST = "manifest.json"
LOG = "trace.jsonl"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle says of itself."""

    RUST: ClassVar = "struct TraceBundleManifest"
    schema_version: U32
    trace_id: str
    rollout_id: str
    root_thread_id: str
    started_at_unix_ms: I64
    raw_event_log: str
    payloads_dir: str


class Bundle:
    """A folder that holds a bundle. Files are opened for reading only, and only below that folder."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._root = os.path.realpath(folder)

    def path(self, name: str) -> str:
        """Where a file of the bundle lies, by the name under which the bundle was given."""
        return os.path.join(self.folder, name)

    def _open(self, name: str) -> int:
        """Opens a regular file of the bundle.

        Raises:
            TraceError: it cannot be opened, is no regular file, or lies outside of the bundle.
        """
        if "\0" in name:
            raise TraceError("file name contained an unexpected NUL byte")
        real = os.path.realpath(os.path.join(self._root, name))
        if os.path.commonpath((self._root, real)) != self._root:
            raise TraceError(f"path {name} leads outside the bundle")
        try:
            fd = os.open(real, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise of_system(error) from None
        mode = os.fstat(fd).st_mode
        if stat.S_ISREG(mode):
            return fd
        os.close(fd)
        if stat.S_ISDIR(mode):
            raise of_system(IsADirectoryError(errno.EISDIR, ""))
        raise TraceError(f"path {name} is no regular file")

    def read(self, name: str) -> bytes:
        """All of a file.

        Raises:
            TraceError: as the file could not be opened or read.
        """
        with os.fdopen(self._open(name), "rb") as file:
            try:
                return file.read()
            except OSError as error:
                raise of_system(error) from None

    def manifest(self) -> Manifest:
        """The manifest.

        Raises:
            TraceError: it is missing, or no manifest.
        """
        data = self.read(MANIFEST)
        parser = Parser(keeps_spelling=False, pairs=decode.Repeated)
        try:
            return decode.struct(Manifest)(parser.parse(data.decode()))
        except ValueError as error:
            found = explained(data, error)
            raise TraceError(f"read {self.path(MANIFEST)}", (found,)) from None

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """The lines of the log that are not blank, as they are on disk, with their numbers from 1.

        Raises:
            TraceError: there is no log, or it cannot be read.
        """
        try:
            fd = self._open(LOG)
        except TraceError as error:
            raise error.within(f"open trace event log {self.path(LOG)}") from None
        number = 0
        with os.fdopen(fd, "rb") as file:
            try:
                for number, line in enumerate(file, 1):
                    yield number, line
            except OSError as error:
                raise of_system(error).within(f"read trace event line {number + 1}") from None
