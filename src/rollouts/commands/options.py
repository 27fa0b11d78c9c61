"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

NAME = "An id or its beginning, SESSION:MESSAGE, SESSION:latest or SESSION@N."

Workspace = Annotated[str, typer.Argument(metavar="WORKSPACE", help="Any path in the workspace.", show_default="here")]
Session = Annotated[
    str | None, typer.Option("--session", metavar="ID", help="The conversation, by the agent's own id.")
]
Message = Annotated[str | None, typer.Option("--message", metavar="ID", help="The turn in the conversation.")]
SnapshotId = Annotated[str | None, typer.Option("--snapshot", metavar="NAME", help=NAME)]
Safety = Annotated[bool, typer.Option("--safety", help="Also those that restores in place took first.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
AllowSecrets = Annotated[
    bool, typer.Option("--allow-secrets", help="Send files with keys and tokens too; they count as harmless then.")
]
Timeout = Annotated[
    str | None, typer.Option("--timeout", metavar="SECONDS", help="How long a server may say nothing (60).")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
