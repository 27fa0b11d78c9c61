"""Secrets that are known by value: those of an environment, of `.env` files, of git remotes."""

from __future__ import annotations

import os
import re
import stat
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping

from rollouts.redact.strength import is_mixed, is_random, is_stand_in

_SECRET_NAME = re.compile(
    r"(?:^|[_.-])(?:pass|passwd|password|passphrase|pwd|pw|pin|secrets?|tokens?|keys?|auth|credentials?|cred|cookie|dsn|jwt|pat)(?:$|[_.-])"
    r"|(?:password|passwd|secret|token|apikey|accesskey|secretkey|privatekey|credentials?)$",
    re.IGNORECASE,
)
_PUBLIC_NAME = re.compile(
    r"^(?:gpg_key|oldpwd|pwd|ssh_auth_sock|xauthority)$|public|_file$|_path$|_dir$|_id$|_name$|_url$|_type$",
    re.IGNORECASE,
)
_LINE = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*[=:][ \t]*", re.MULTILINE)
_QUOTED = re.compile(r"(?:\"((?:[^\"\\]|\\.)*+)\"|'([^']*+)')")
_TEMPLATE = re.compile(r"(?:example|sample|template|dist|defaults?)$")
_MAX_FILE = 1 << 20
_MIN_NAMED = 8
_PLAIN = re.compile(r"[a-z]+|[A-Z]+|[A-Z][a-z]+|[\d.,:_-]+")
"""A word or a number: too much of it stands in ordinary text."""
_LONG_WORD = 16


def is_worth_hiding(name: str, value: str) -> bool:
    """Whether a setting's value is a secret, that can be replaced wherever it stands without doing harm.

    `true`, `8080`, `production`, paths, URLs and stand-ins never are; a name like DB_PASSWORD makes a weaker value one.
    """
    if value.startswith(("/", "./", "~", "http://", "https://")) or is_stand_in(value) or value != value.strip():
        return False
    if not _SECRET_NAME.search(name) or _PUBLIC_NAME.search(name):
        return is_random(value)
    if len(value) < _MIN_NAMED or os.path.exists(value):
        return False
    return len(value) >= _LONG_WORD or is_mixed(value) or _PLAIN.fullmatch(value) is None


def passwords(url: str) -> Iterator[str]:
    """The credentials in a URL: its password, or a user name that is a token. As written, and without escapes."""
    userinfo = url.partition("://")[2].partition("/")[0].rpartition("@")[0]
    user, colon, password = userinfo.partition(":")
    found = password if colon else user if is_random(user) else ""
    if len(found) >= _MIN_NAMED and not is_stand_in(found):
        yield found
        if (plain := urllib.parse.unquote(found)) != found:
            yield plain


def environment(variables: Mapping[str, str]) -> frozenset[str]:
    """The secrets among an environment's variables."""
    found = {value for name, value in variables.items() if is_worth_hiding(name, value)}
    return frozenset(found.union(*(passwords(value) for value in variables.values() if "://" in value)))


def remotes(urls: Iterable[str]) -> frozenset[str]:
    """The secrets in the URLs of git remotes."""
    return frozenset(found for url in urls for found in passwords(url))


def settings(text: str) -> dict[str, str]:
    """The settings of an `.env` file, as its common readers understand it."""
    found = {}
    for match in _LINE.finditer(text):
        quoted = _QUOTED.match(text, match.end())
        if quoted:
            value = quoted[2] if quoted[1] is None else re.sub(r"\\(.)", r"\1", quoted[1].replace("\\n", "\n"))
        else:
            value = re.sub(r"\s+#.*", "", text[match.end() :].partition("\n")[0]).strip()
        found[match[1]] = value
    return found


def _env_files(folder: str) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries)
    except OSError:
        return  # a workspace that is gone has no files to leak
    for name in names:
        if (name == ".env" or name.startswith(".env.") or name.endswith(".env")) and not _TEMPLATE.search(name):
            yield os.path.join(folder, name)


def _content(path: str) -> str:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return ""
        with open(path, "rb") as file:
            return file.read(_MAX_FILE).decode(errors="replace")
    except OSError:
        return ""  # what this user cannot read, this user's agent did not read either


def env_files(folders: Iterable[str]) -> frozenset[str]:
    """The secrets in the `.env` files that lie in these directories; templates like `.env.example` are left out."""
    found: set[str] = set()
    for folder in folders:
        for path in _env_files(folder):
            found |= environment(settings(_content(path)))
    return frozenset(found)
