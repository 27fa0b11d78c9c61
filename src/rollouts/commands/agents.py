"""hook, as its help shows it; agents' own calls go without Typer (`commands/hook.py`)."""

from __future__ import annotations

from typing import Annotated

import typer

from rollouts.commands import hook as answering


def hook(
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="claude-code, codex or opencode.")],
    every_tool: Annotated[
        bool, typer.Option("--every-tool", help="Capture after each tool call that wrote, too.")
    ] = False,
) -> None:
    """Answer an agent's event; `setup` installs it.

    Reads the event's JSON on stdin and captures the turn. Always exits 0, prints nothing on stdout, and stops after
    ROLLOUTS_HOOK_TIMEOUT seconds (30); `rollouts status` tells what was missed.

    Example: rollouts hook claude-code < event.json
    """
    answering.run([agent, *(["--every-tool"] if every_tool else [])])
