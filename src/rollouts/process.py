"""The only place that starts a process.

`subprocess` alone costs more CPU to import than git needs for a status of 1,000 files, hence `posix_spawn`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from types import TracebackType

from rollouts.errors import CommandError, RolloutsError, SilentError

Argument = str | bytes
Input = bytes | int | None
"""What a process reads: these bytes, an open file, or nothing."""

_GLANCE = 0.1
"""Seconds between looks at what a process says."""
SIGKILL, SIGPIPE = 9, 13  # the same on every POSIX system; importing `signal` costs 2 ms


def _scratch() -> int:
    """An unnamed file: it takes any amount of text, and a full temporary directory does not matter."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("rollouts")
    import tempfile  # noqa: PLC0415 - 11 ms, and only where the kernel has no memfd

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _source(stdin: Input) -> int:
    """A descriptor of its own for what a process reads."""
    if isinstance(stdin, int):
        return os.dup(stdin)
    return os.open(os.devnull, os.O_RDONLY) if stdin is None else _scratch()


def _all_of(fd: int) -> bytes:
    chunks = []
    while chunk := os.read(fd, 1 << 20):
        chunks.append(chunk)
    return b"".join(chunks)


def _not_found(program: str) -> RolloutsError:
    return RolloutsError(f"{program} was not found on PATH; install it and try again")


class Running:
    """A started process. Leaving the `with` block before `finish` kills it and waits for it.

    One with a process group of its own takes those that it started along.
    """

    def __init__(
        self,
        command: tuple[Argument, ...],
        env: Mapping[str, str],
        stdin: Input,
        *,
        group: bool = False,
        sink: int | None = None,
    ) -> None:
        self.program = os.path.basename(os.fsdecode(command[0]))
        self._end = os.killpg if group else os.kill
        self._printed: list[bytes] = []
        self._stderr = _scratch()
        self._stdout, write_end = os.pipe()
        source = _source(stdin)
        printing = write_end if sink is None else sink
        try:
            if isinstance(stdin, bytes):
                view = memoryview(stdin)
                while view:
                    view = view[os.write(source, view) :]
                os.lseek(source, 0, os.SEEK_SET)
            self.pid: int | None = os.posix_spawnp(
                command[0],
                command,
                env,
                file_actions=[(os.POSIX_SPAWN_DUP2, fd, at) for at, fd in enumerate((source, printing, self._stderr))],
                setsigdef=[SIGPIPE],  # Python ignores it, and a child would inherit that
                setsid=group,
            )
        except FileNotFoundError as error:
            self._close()
            raise _not_found(self.program) from error
        except BaseException:
            self._close()
            raise
        finally:
            os.close(write_end)
            os.close(source)

    def __enter__(self) -> Running:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.pid is not None:
            try:
                self._end(self.pid, SIGKILL)
                os.waitpid(self.pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass  # Ctrl-C came when it had just been waited for
            self.pid = None
        self._close()

    def _close(self) -> None:
        for fd in {self._stdout, self._stderr} - {-1}:
            os.close(fd)
        self._stdout = self._stderr = -1

    def ends_within(self, seconds: float) -> bool:
        """Waits for the end, only so long; says whether it came."""
        deadline = time.monotonic() + seconds
        while self.pid is not None and os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def words(self, patience: float) -> Iterator[bytes]:
        """What it says on stderr, as it comes, to the end; what it prints meanwhile is kept for `finish`.

        Raises:
            SilentError: it neither said nor printed anything for `patience` seconds.
        """
        import select  # noqa: PLC0415 - only for what may take long

        heard, last = 0, time.monotonic()
        open_still = True
        while open_still:
            if select.select([self._stdout], [], [], _GLANCE)[0]:
                chunk = os.read(self._stdout, 1 << 20)
                self._printed.append(chunk)
                open_still = bool(chunk)
                last = time.monotonic()
            said = os.pread(self._stderr, 1 << 20, heard)
            if said:
                heard, last = heard + len(said), time.monotonic()
                yield said
            if time.monotonic() - last > patience:
                raise SilentError(self.program, patience)

    def lines(self, seconds: float) -> Iterator[bytes]:
        """The lines that it prints, as they come, to the end; what it says on stderr plays no part.

        Raises:
            SilentError: they took longer than so many seconds in all.
        """
        import select  # noqa: PLC0415 - only for what is talked with

        deadline, rest = time.monotonic() + seconds, b""
        while select.select([self._stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
            chunk = os.read(self._stdout, 1 << 16)
            *whole, rest = (rest + chunk).split(b"\n")
            yield from whole
            if not chunk:
                return
        raise SilentError(self.program, seconds)

    def pieces(self) -> Iterator[bytes]:
        """What it prints, as it comes, to the end; `finish` and `output` do not give it once more."""
        while chunk := os.read(self._stdout, 1 << 20):
            yield chunk

    def beginning(self, size: int) -> bytes:
        """The first so many bytes that it prints, or all that there are; `finish` gives what follows."""
        found = bytearray()
        while len(found) < size and (chunk := os.read(self._stdout, min(1 << 16, size - len(found)))):
            found += chunk
        return bytes(found)

    def finish(self) -> tuple[int, bytes, bytes]:
        """Waits for the end. Returns the exit status (negative: a signal), stdout and stderr."""
        out = b"".join(self._printed) + _all_of(self._stdout)
        assert self.pid is not None  # noqa: S101 - for the type checker: finish is called once
        _, status = os.waitpid(self.pid, 0)
        self.pid = None
        os.lseek(self._stderr, 0, os.SEEK_SET)
        return os.waitstatus_to_exitcode(status), out, _all_of(self._stderr)

    def output(self) -> bytes:
        """What it printed.

        Raises:
            CommandError: it ended with anything but 0.
        """
        code, out, err = self.finish()
        if code:
            raise CommandError(self.program, code, err)
        return out


def start(
    command: tuple[Argument, ...],
    env: Mapping[str, str],
    stdin: Input = None,
    *,
    group: bool = False,
    sink: int | None = None,
) -> Running:
    """Starts `command` without waiting for it; with `sink`, an open file, it prints into that and not to us."""
    return Running(command, env, stdin, group=group, sink=sink)


def run(command: tuple[Argument, ...], env: Mapping[str, str], stdin: bytes | None = None) -> bytes:
    """Runs `command` to its end and returns what it printed.

    Raises:
        CommandError: it ended with anything but 0.
    """
    with start(command, env, stdin) as running:
        return running.output()


def pass_on(command: tuple[Argument, ...], env: Mapping[str, str]) -> None:
    """Runs `command` to its end; what it prints goes straight to this process's own stdout.

    Ctrl-C is for the command to answer, and for a pager that it has started.

    Raises:
        BrokenPipeError: the reader has had enough, or a pager was left.
        KeyboardInterrupt: Ctrl-C ended it.
        CommandError: it ended with anything else but 0.
    """
    import signal  # noqa: PLC0415 - 2 ms, and hooks have nothing to pass on

    program = os.path.basename(os.fsdecode(command[0]))
    said = _scratch()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        actions = [(os.POSIX_SPAWN_DUP2, said, 2)]
        pid = os.posix_spawnp(command[0], command, env, file_actions=actions, setsigdef=[signal.SIGINT, signal.SIGPIPE])
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.lseek(said, 0, os.SEEK_SET)
        words = _all_of(said)
    except FileNotFoundError as error:
        raise _not_found(program) from error
    finally:
        signal.signal(signal.SIGINT, before)
        os.close(said)
    if code in {-SIGPIPE, 128 + SIGPIPE}:
        raise BrokenPipeError
    if code == -signal.SIGINT:
        raise KeyboardInterrupt
    if code:
        raise CommandError(program, code, words)


def _inherited() -> list[int]:
    """The descriptors above the standard three that a child would get: locks of ours, pipes of whoever started us."""
    found = []
    for name in os.listdir("/dev/fd"):
        try:
            if int(name) > 2 and os.get_inheritable(int(name)):
                found.append(int(name))
        except OSError:  # the listing's own, closed by now
            continue
    return found


def detach(command: tuple[Argument, ...], env: Mapping[str, str]) -> None:
    """Starts a program that nobody waits for: in a session of its own, with nothing of ours open."""
    silent = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in range(3)]
    closed = [(os.POSIX_SPAWN_CLOSE, fd) for fd in _inherited()]
    os.posix_spawnp(command[0], command, env, file_actions=[*silent, *closed], setsid=True, setsigdef=[SIGPIPE])
