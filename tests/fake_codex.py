"""`codex app-server`, as far as setup talks with it: JSON-RPC on stdin and stdout, and the hashes that codex reckons.

Run as a program named `codex`. FAKE_CODEX=garbage prints what is no answer, =stranger knows none of the hooks.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator


def listed(path: str) -> Iterator[dict[str, object]]:
    """The hooks of a file."""
    with open(path, encoding="utf-8") as file:
        hooks = json.load(file)["hooks"]
    for event, groups in hooks.items():
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", event).lower()
        for number, group in enumerate(groups):
            for place, hook in enumerate(group["hooks"]):
                text = json.dumps(
                    {"event_name": name, "hooks": [{"async": False, **hook}]}, sort_keys=True, separators=(",", ":")
                )
                digest = hashlib.sha256(text.encode()).hexdigest()
                yield {
                    "key": f"{path}:{name}:{number}:{place}",
                    "command": hook["command"],
                    "sourcePath": path,
                    "currentHash": f"sha256:{digest}",
                    "trustStatus": "untrusted",
                }


def answer(message: object) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main() -> None:
    way = os.environ.get("FAKE_CODEX", "")
    home = os.environ.get("CODEX_HOME") or os.path.expanduser("~/.codex")
    seen = []
    for line in sys.stdin:
        request = json.loads(line)
        seen.append(request["method"])
        if request["method"] == "initialize":
            answer({"method": "configWarning", "params": {}})
            answer({"id": request["id"], "result": {"codexHome": home}})
        if request["method"] == "hooks/list":
            assert seen == ["initialize", "initialized", "hooks/list"]
            if way == "garbage":
                sys.stdout.write("this is no JSON\n")
                return
            hooks = [] if way == "stranger" else list(listed(f"{home}/hooks.json"))
            data = [{"cwd": request["params"]["cwds"][0], "hooks": hooks, "warnings": [], "errors": []}]
            answer({"id": request["id"], "result": {"data": data}})


if __name__ == "__main__":
    main()
