"""How a command's CPU, wall and memory are taken, and how two are compared: in turns, by the median of their ratios."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

Command = tuple[str, ...]
POLL_SECONDS = 0.0005

# The caller's git, Python and proxy settings stay outside; TMPDIR is where the corpus is, so it has done its work.
_env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "GIT_CONFIG_NOSYSTEM": "1", "GIT_OPTIONAL_LOCKS": "0"}


@dataclass(frozen=True)
class Cost:
    """Milliseconds; CPU is user and system time of a command and of every process it waited for."""

    cpu: float
    wall: float

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(self.cpu - other.cpu, self.wall - other.wall)


Round = Mapping[str, Cost]


def set_home(home: Path) -> None:
    """Where git and the measured programs find their settings: an empty directory."""
    home.mkdir()
    _env["HOME"] = str(home)


def run(*command: str, home: Path | None = None) -> str:
    return subprocess.run(command, env=_environment(home), check=True, stdout=subprocess.PIPE, text=True).stdout


def _environment(home: Path | None) -> dict[str, str]:
    return _env | {"ROLLOUTS_HOME": str(home)} if home else _env


def _start(command: Command, home: Path | None, stdin: str = os.devnull) -> int:
    files = [(os.POSIX_SPAWN_OPEN, 0, stdin, os.O_RDONLY, 0), (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    return os.posix_spawnp(command[0], command, _environment(home), file_actions=files)


def _check(command: Command, status: int) -> None:
    if status:
        raise SystemExit(f"exit {os.waitstatus_to_exitcode(status)}: {' '.join(command)}")


def cost(*commands: Command, home: Path | None = None, stdin: str = os.devnull) -> Cost:
    """Run one after the other and add up; what a command leaves running behind it is not seen."""
    cpu = 0.0
    start = time.perf_counter()
    for command in commands:
        # wait4 gives the usage of this child and its own waited-for children, but not that of earlier ones.
        _, status, usage = os.wait4(_start(command, home, stdin), 0)
        _check(command, status)
        cpu += usage.ru_utime + usage.ru_stime
    return Cost(cpu * 1000, (time.perf_counter() - start) * 1000)


def peak_kb(command: Command, *, home: Path) -> int:
    """The most memory the process itself held, without its children.

    ru_maxrss would not do: it is the largest of the whole tree, and starts at what this program held when it forked.
    VmHWM belongs to the program image and never falls, so reading it to the end misses only the last half millisecond.
    """
    pid = _start(command, home)
    peak = 0
    ended = 0
    while not ended:
        peak = max(peak, _high_water_kb(pid))
        time.sleep(POLL_SECONDS)
        ended, status = os.waitpid(pid, os.WNOHANG)
    _check(command, status)
    return peak


def _high_water_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")), 0)


def repeat(one_round: Callable[[], Round], rounds: int) -> list[Round]:
    return [one_round() for _ in range(rounds)]


def middle(rounds: list[Round], name: str) -> Cost:
    return Cost(median(r[name].cpu for r in rounds), median(r[name].wall for r in rounds))


def ratio(rounds: list[Round], name: str, floor: str) -> Cost:
    """The median of each round's own ratio: load that lasts longer than a round falls out."""
    return Cost(
        median(r[name].cpu / r[floor].cpu for r in rounds),
        median(r[name].wall / r[floor].wall for r in rounds),
    )


def difference(rounds: list[Round], name: str, other: str) -> Cost:
    pairs = [r[name] - r[other] for r in rounds]
    return Cost(median(p.cpu for p in pairs), median(p.wall for p in pairs))
