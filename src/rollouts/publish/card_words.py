"""What the card of every dataset says in the same words: how to load it, what a row is, how to get the code back."""

from __future__ import annotations

ROWS = """## Rows

| column | type | |
|---|---|---|
| `batch_id` | int64 | which push brought the row, from 1, without gaps |
| `session_id` | string | the agent's own id of the session |
| `agent` | string | which agent |
| `exported_at` | string | RFC 3339, UTC |
| `session` | json | the session as the agent itself keeps it |
| `metadata` | json | null, or `remote_url`, `workspace_id` and `snapshots`, one for each turn whose code was kept |

- `session` of `claude-code` and `codex`: `records`, the objects of each line of the agent's own log, and `subagents`,
  the same for each session that it started. Of `opencode`: `info` and `messages`.
- Each of the `snapshots` has `message_id`, which names the turn, `snapshot_id`, `tag`, `commit` and `captured_at`.
"""

CODE = """## From a row back to the code

A row whose `metadata` has a `remote_url` that you may read leads to the codebase at each of its turns, to the byte:

```python
import subprocess  # and: pip install agent-rollouts

row = next(row for row in rows if row["metadata"] and row["metadata"]["remote_url"])
turn = row["metadata"]["snapshots"][-1]  # the newest
where = ["--repo", row["metadata"]["remote_url"], "--session", row["session_id"], "--message", turn["message_id"]]
subprocess.run(["rollouts", "restore", *where, "--dest", "code"], check=True)
```

In a shell that is

```sh
rollouts restore --repo URL --session SESSION --message MESSAGE --dest code
```
"""

SHAPES = {
    "sft": "messages and tools as `SFTTrainer` of TRL takes them",
    "atif": "trajectories in the Agent Trajectory Interchange Format (ATIF), one a session",
}
"""What the configurations of other shapes hold."""
FOLDERS = {
    "traces": "a file for each session, as trace viewers read them: `traces/<agent>/<session>.jsonl`; the configuration"
    " `traces` reads them with `datasets` 5.0 or newer and `pip install teich`"
}


def loading(name: str, agent: str) -> str:
    """How a dataset is read; `agent` is one that it has sessions of."""
    return f"""## Loading

```python
from datasets import load_dataset  # 4.7 or newer

rows = load_dataset("{name}", split="train")
newest = {{key: number for number, key in enumerate(zip(rows["agent"], rows["session_id"]))}}
rows = rows.select(sorted(newest.values()))  # the newest state of each session
some = rows.filter(lambda row: row["agent"] == "{agent}")
```
"""


def license_words(given: str) -> str:
    """About the licence; `given` is empty when there is none."""
    if not given:
        return "## Licence\n\nNone was given: ask the owner before you use the rows for more than reading.\n"
    return f"## Licence\n\n{given}, for the conversations. Code quoted in them keeps the licence it has.\n"
