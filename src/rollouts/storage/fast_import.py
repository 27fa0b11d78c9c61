"""What git is to import at once, in its language for that (https://git-scm.com/docs/git-fast-import)."""

from __future__ import annotations

import time
from collections.abc import Iterable


def _quoted(path: str) -> bytes:
    """A path as git's language for importing wants it."""
    plain = path.encode(errors="surrogateescape")
    return b'"' + plain.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'


class Stream:
    """A batch in git's language for importing, in a file without a name: a pipe would be waited for at both ends."""

    def __init__(self, folder: str) -> None:
        import tempfile  # noqa: PLC0415 - 11 ms, and nothing that a hook waits for comes here

        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - `close` is the end of the batch
        self._marks = 0
        self.commits = 0

    def fileno(self) -> int:
        self._file.flush()
        self._file.seek(0)
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()

    def blob(self, data: bytes) -> bytes:
        """Adds some content. Returns the word that stands for it in this stream."""
        self._marks += 1
        self._file.write(b"blob\nmark :%d\ndata %d\n" % (self._marks, len(data)))
        self._file.write(data)
        self._file.write(b"\n")
        return b":%d" % self._marks

    def commit(self, name: str, message: bytes, paths: Iterable[tuple[bytes, bytes, str]]) -> None:
        """Adds a parentless commit of a tree: (mode, object, path) each."""
        when = int(time.time())
        self._file.write(
            b"commit %s\ncommitter rollouts <rollouts@local> %d +0000\ndata %d\n%s\ndeleteall\n"
            % (name.encode(), when, len(message), message)
        )
        for mode, what, path in paths:
            self._file.write(b"M %s %s %s\n" % (mode, what, _quoted(path)))
        self._file.write(b"\n")
        self.commits += 1

    def done(self) -> None:
        self._file.write(b"done\n")
