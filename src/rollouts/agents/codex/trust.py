"""What Codex has been allowed to run: `[hooks.state."FILE:EVENT:GROUP:PLACE"]` in its config.toml.

Codex says by its app server (JSON-RPC on stdin and stdout, a line a message) under which key it knows a hook and what
its hash is. A hook that was never approved is passed over in silence by `codex exec`; the TUI asks at its next start.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tomllib
from collections.abc import Iterator, Mapping

from rollouts.agents import hook_settings, settings_text
from rollouts.agents.installing import Call
from rollouts.errors import RolloutsError
from rollouts.process import start

_AGENT = "codex"
_PATIENCE = 20.0
"""Seconds that Codex may take to answer."""
_FAREWELL = 2.0
"""Seconds in which it may put its things away."""
_REQUESTS: tuple[dict[str, object], ...] = (
    {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"clientInfo": {"name": "rollouts", "version": "0"}}},
    {"jsonrpc": "2.0", "method": "initialized"},
)
_LISTING = 2
_TABLE = re.compile(r"^[ \t]*\[hooks\.state\.(\"(?:[^\"\\]|\\.)*\"|'[^'\n]*')\][ \t]*(?:#.*)?\r?$", re.MULTILINE)
_HASH = re.compile(r"^([ \t]*trusted_hash[ \t]*=[ \t]*)(\"[^\"\n]*\"|'[^'\n]*')", re.MULTILINE)
_HEADER = re.compile(r"^[ \t]*\[", re.MULTILINE)
_OWN = {"trusted_hash"}


def folder() -> str:
    """The folder of Codex's configuration."""
    return os.path.abspath(os.path.expanduser(os.environ.get("CODEX_HOME") or "~/.codex"))


def file() -> str:
    """Where trust is recorded."""
    return f"{folder()}/config.toml"


def explained() -> str:
    """What the person is to do about it."""
    return (
        "codex asks at its next start in a terminal (`Hooks need review`) and runs the hooks once they are approved; "
        "until then `codex exec` passes them over in silence. `rollouts setup codex --trust` approves them now"
    )


def concerns(key: str, hooks: str) -> bool:
    """Whether a consent is to a hook in a file."""
    return _is_same(key.rsplit(":", 3)[0], hooks)


# --- what Codex says of its hooks


def _answer(lines: Iterator[bytes]) -> object:
    for line in lines:
        with contextlib.suppress(ValueError):
            message = json.loads(line)
            if isinstance(message, dict) and message.get("id") == _LISTING:
                return message.get("result")
    raise RolloutsError("it ended without an answer")


def _asked(program: str, directory: str) -> object:
    """The answer of Codex's app server to `hooks/list`."""
    listing = {"jsonrpc": "2.0", "id": _LISTING, "method": "hooks/list", "params": {"cwds": [directory]}}
    text = "".join(json.dumps(request) + "\n" for request in (*_REQUESTS, listing))
    read_end, write_end = os.pipe()  # it stops at the end of its input, so that must not come before its answer
    with (
        open(read_end, "rb") as source,
        open(write_end, "wb") as requests,
        start((program, "app-server"), os.environ, source.fileno(), group=True) as running,
    ):
        requests.write(text.encode())
        requests.flush()
        answer = _answer(running.lines(_PATIENCE))
        requests.close()
        running.ends_within(_FAREWELL)
        return answer


def _listed(answer: object) -> Iterator[Mapping[str, object]]:
    entries = answer.get("data") if isinstance(answer, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        hooks = entry.get("hooks") if isinstance(entry, dict) else None
        yield from (hook for hook in (hooks if isinstance(hooks, list) else ()) if isinstance(hook, dict))


def wanted(hooks: str, calls: frozenset[Call], directory: str) -> Mapping[str, str]:
    """The keys and hashes that Codex names for our hooks in a file.

    Raises:
        RolloutsError: Codex is missing, gives no answer, or does not show the hooks.
    """
    advice = "the hooks are installed; start codex and approve them there, or try `rollouts setup codex --trust` again"
    program = shutil.which("codex")
    if program is None:
        raise RolloutsError(f"codex was not found on PATH, so it cannot be asked for the hashes of its hooks; {advice}")
    try:
        answer = _asked(program, directory)
    except (RolloutsError, OSError) as error:
        raise RolloutsError(f"codex app-server did not list its hooks: {error}; {advice}") from error
    lines = {hook_settings.command(call, _AGENT) for call in calls}
    found = {
        str(hook["key"]): str(hook["currentHash"])
        for hook in _listed(answer)
        if hook.get("command") in lines
        and _is_same(hook.get("sourcePath"), hooks)
        and {"key", "currentHash"} <= set(hook)
    }
    if not found:
        raise RolloutsError(
            f"codex does not show the hooks in {hooks}; it reads a project's only when the project is trusted "
            f"(start codex there once), and none when its feature `hooks` is off"
        )
    return found


def _is_same(path: object, other: str) -> bool:
    return isinstance(path, str) and os.path.realpath(path) == os.path.realpath(other)


# --- config.toml, of which not a byte more changes than must


def _parsed(content: bytes) -> tuple[str, dict[str, object]]:
    text = settings_text.decoded(content, file())
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RolloutsError(f"{file()} cannot be read: {error}; mend it and try again; nothing was changed") from None


def _state(config: Mapping[str, object]) -> dict[str, dict[str, object]]:
    hooks = config.get("hooks")
    state = hooks.get("state") if isinstance(hooks, dict) else None
    tables = state.items() if isinstance(state, dict) else ()
    return {key: table for key, table in tables if isinstance(table, dict)}


def _tables(text: str) -> dict[str, tuple[int, int, int]]:
    """The tables of hooks: key -> where its header begins and ends, and where the next table begins."""
    found = {}
    for match in _TABLE.finditer(text):
        name = match[1]
        key = str(next(iter(tomllib.loads(f"{name} = 0"))))
        following = _HEADER.search(text, match.end())
        found[key] = (match.start(), match.end(), following.start() if following else len(text))
    return found


def _with_one(text: str, key: str, value: str) -> str:
    quoted = json.dumps(value)
    table = _tables(text).get(key)
    if table:
        body = text[table[1] : table[2]]
        if _HASH.search(body):
            return text[: table[1]] + _HASH.sub(lambda match: match[1] + quoted, body, count=1) + text[table[2] :]
        newline = "\r\n" if "\r\n" in text else "\n"
        return f"{text[: table[1]]}{newline}trusted_hash = {quoted}{text[table[1] :]}"
    newline = "\r\n" if "\r\n" in text else "\n"
    lead = "" if not text else newline if text.endswith("\n") else newline * 2
    return f"{text}{lead}[hooks.state.{json.dumps(key, ensure_ascii=False)}]{newline}trusted_hash = {quoted}{newline}"


def _without_one(text: str, key: str) -> str:
    """A text without a table and the blank line that came with it; what follows its hash stays."""
    begin, end, following = _tables(text)[key]
    line = _HASH.search(text, end, following)
    last = text.find("\n", line.end() if line else end) + 1 or len(text)
    before = text[:begin]
    newline = "\r\n" if before.endswith("\r\n") else "\n"
    if before.endswith(newline * 2):
        before = before[: -len(newline)]
    return before + text[last:]


def _checked(text: str, expected: Mapping[str, dict[str, object]], config: Mapping[str, object]) -> bytes:
    """An edited config.toml, which must say what it said, but for the trust."""
    other = "trust is written there in another way than Codex writes it; approve the hooks in codex itself"
    try:
        after = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise RolloutsError(f"{file()} was not changed: {other}") from None
    if _state(after) != expected or _without_state(after) != _without_state(config):
        raise RolloutsError(f"{file()} was not changed: {other}")
    return text.encode()


def _without_state(config: Mapping[str, object]) -> dict[str, object]:
    hooks = config.get("hooks")
    rest = {key: value for key, value in hooks.items() if key != "state"} if isinstance(hooks, dict) else hooks
    return {**{key: value for key, value in config.items() if key != "hooks"}, **({"hooks": rest} if rest else {})}


def given(content: bytes | None, wanted: Mapping[str, str]) -> bytes:
    """The file with hooks trusted: their tables at its end, or brought up to date where they stand.

    Raises:
        RolloutsError: it is no TOML, or has the tables in a form that is not Codex's own.
    """
    text, config = _parsed(content or b"")
    expected = _state(config)
    for key, value in wanted.items():
        if expected.get(key, {}).get("trusted_hash") == value:
            continue
        text = _with_one(text, key, value)
        expected = {**expected, key: {**expected.get(key, {}), "trusted_hash": value}}
    return _checked(text, expected, config)


def taken(content: bytes, recorded: Mapping[str, str]) -> bytes:
    """The file without the trust in hooks; what was approved again since, or says more than that, is left."""
    text, config = _parsed(content)
    state = _state(config)
    ours = {key for key, value in recorded.items() if state.get(key) == {"trusted_hash": value}}
    gone = [key for key in _tables(text) if key in ours]
    for key in reversed(gone):
        text = _without_one(text, key)
    return _checked(text, {key: table for key, table in state.items() if key not in gone}, config)


# --- whether they are trusted


def _hash(event: str, handler: Mapping[str, object]) -> str:
    """A hook's hash as codex 0.169 reckons it."""
    identity = {"event_name": event, "hooks": [{"async": False, **handler}]}
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def is_given(content: bytes | None, hooks: str, hooks_content: bytes, known: Mapping[str, str]) -> bool:
    """Whether all our hooks in a file are trusted.

    Args:
        content: config.toml; None when there is none.
        hooks: the file that our hooks are in.
        hooks_content: what it holds.
        known: hashes that Codex itself named, key -> hash.
    """
    state = _state(_parsed(content or b"")[1])
    text = hooks_content.decode()
    if not text.strip():
        return False
    for hook in hook_settings.found(text, _AGENT):
        event = re.sub(r"(?<!^)(?=[A-Z])", "_", hook.event).lower()
        handler = {"type": "command", "command": hook_settings.command(hook.call, _AGENT), "timeout": hook.timeout}
        ends = f":{event}:{hook.group}:{hook.place}"
        keys = [key for key in state if key.endswith(ends) and _is_same(key.removesuffix(ends), hooks)]
        hashes = {_hash(event, handler), *(known[key] for key in keys if key in known)}
        if not any(state[key].get("trusted_hash") in hashes and state[key].get("enabled") is not False for key in keys):
            return False
    return True
