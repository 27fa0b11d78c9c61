"""The home directory and the user's name in paths, which say whose session it was."""

from __future__ import annotations

import re

from rollouts.record import Record

HOME = "/home/user"
USER = "user"
_TOKEN = re.compile(r"[\w./~+@%:-]+")
_NOBODY = frozenset(
    {"admin", "administrator", "app", "build", "builder", "ci", "circleci", "codespace", "debian", "dev", "developer"}
    | {"docker", "ec2-user", "git", "gitpod", "guest", "home", "jenkins", "node", "nobody", "opt", "root", "runner"}
    | {"src", "test", "tmp", "ubuntu", "user", "users", "usr", "vagrant", "var", "vscode", "work", "workspace", "www"}
)
"""Names that tell nothing, and stand in many paths."""
_SEPARATORS = ("/", "\\/", "%2F", "%2f")


class Person(Record):
    """Whose machine it is."""

    home: str
    """Absolute path of the home directory; empty when it is not to be replaced."""
    user: str
    """Name of the account; empty likewise."""


def _home_patterns(home: str) -> list[tuple[re.Pattern[str], str]]:
    parts = home.strip("/").split("/")
    left = r"(?<![\w.-])" if len(parts) == 1 else ""
    found = []
    for separator in _SEPARATORS:
        written = "".join(separator + part for part in parts)
        new = HOME.replace("/", separator)
        found.append((re.compile(left + re.escape(written) + r"(?![\w-]|\.\w)"), new))
    if len(parts) > 1:  # Claude Code names a project's folder by its path, with dashes
        dashed = re.escape("".join("-" + re.sub(r"[^A-Za-z0-9]", "-", part) for part in parts))
        found.append((re.compile(rf"(?<![A-Za-z0-9]){dashed}(?![A-Za-z0-9])"), HOME.replace("/", "-")))
    return found


class Faceless:
    """Puts `/home/user` for a home directory, and `user` for a user's name where it is a part of a path."""

    def __init__(self, person: Person) -> None:
        """Prepares for one person."""
        home = person.home.rstrip("/")
        is_usable = home.startswith("/") and home != HOME
        self._homes = _home_patterns(home) if is_usable else []
        self._user = "" if person.user.lower() in _NOBODY else person.user
        name = re.escape(self._user)
        self._name = re.compile(rf"(?<=/){name}(?=/|$)|(?<=^~){name}(?=/|$)|(?<=/pytest-of-){name}(?=/|$)")

    def _in_token(self, match: re.Match[str]) -> str:
        token = match[0]
        if self._user not in token:
            return token
        parts = token.split(":")  # PATH, file:line, a URL's scheme
        for number, part in enumerate(parts):
            is_url = number > 0 and part.startswith("//") and parts[number - 1].rpartition("/")[2] != "file"
            if part.startswith(("/", "~", "./", "../")) and not is_url:
                stem = part.rstrip(".")  # the end of a sentence
                parts[number] = self._name.sub(USER, stem) + part[len(stem) :]
        return ":".join(parts)

    def text(self, text: str) -> tuple[str, int]:
        """The text without the person, and how many times that changed something."""
        count = 0
        for pattern, new in self._homes:
            text, more = pattern.subn(new, text)
            count += more
        if not self._user or not (f"/{self._user}" in text or f"~{self._user}" in text or f"-{self._user}" in text):
            return text, count
        changed = _TOKEN.sub(self._in_token, text)
        return changed, count + (changed != text)
