"""How coding agents call, and how they write their sessions down: which agents there are, and the pages of each.

An agent is a folder with a page for each subject (`agent.py` says what stands on it). A page is imported when it is
asked for: hooks come here at every turn, and pay for their own agent's first page only.
"""

from __future__ import annotations

from rollouts.errors import RolloutsError

TYPE_CHECKING = False
if TYPE_CHECKING:  # as `typing` has it, whose import would cost 6 ms
    from types import ModuleType

    from rollouts.agents.agent import Hooks, Installer, Log, Reader

NAMES = ("claude-code", "codex", "opencode")
_SHORT = {"claude": "claude-code"}


def canonical(name: str) -> str:
    """The name that Rollouts stores for an agent.

    Raises:
        RolloutsError: no such agent is known.
    """
    full = _SHORT.get(name, name)
    if full not in NAMES:
        raise RolloutsError(f"unsupported agent: {name}; there are {', '.join(NAMES)}")
    return full


def _page(name: str, page: str) -> ModuleType:
    folder = canonical(name).replace("-", "_")
    module: ModuleType = __import__(f"rollouts.agents.{folder}.{page}", fromlist=["*"])
    return module


def hooks(name: str) -> Hooks:
    """What an agent's events mean. Raises RolloutsError for an agent that is not known, as all of these do."""
    return _page(name, "hooks")


def installer(name: str) -> Installer:
    """How an agent is told to call Rollouts."""
    return _page(name, "setup")


def log(name: str) -> Log:
    """Where an agent's sessions lie on this disk, and what the catalog is to know of them."""
    return _page(name, "log")


def reader(name: str) -> Reader:
    """An agent's sessions in full."""
    return _page(name, "reader")
