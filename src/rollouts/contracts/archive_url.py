"""URLs and paths of archives, as users give them: git must take them for nothing else."""

from __future__ import annotations

import os
import re

from rollouts.contracts.remote_url import authority, is_host, without_credentials
from rollouts.errors import RolloutsError

_SCHEMES = frozenset({"file", "git", "http", "https", "ssh", "git+ssh", "ssh+git"})
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.-]*::")
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f]")
_NOT_TEXT = re.compile("[\ud800-\udfff]")
"""Bytes of a path that are not UTF-8, as Python holds them."""


def _is_option(word: str) -> bool:
    """Whether an ssh would take it for one, when git hands it over."""
    return word.startswith("-")


def checked(url: str) -> str:
    """The URL or path of an archive, where git can take it for nothing else; a path is made absolute.

    Raises:
        RolloutsError: it is empty, an option, a command (`ext::…`), or of no scheme that archives are reached by.
    """
    url = url.strip()
    if not url:
        raise RolloutsError("remote URL cannot be empty; name a bare repository by its URL or path")
    if url.startswith("-") or _CONTROL.search(url):
        raise RolloutsError("refused: a remote URL neither begins with a dash nor holds control characters")
    if _NOT_TEXT.search(url):
        raise RolloutsError("refused: a remote URL is UTF-8 text; give the repository such a name, or a link to it")
    if _HELPER.match(url):
        raise RolloutsError(
            f"refused: {url.partition('::')[0]}:: starts a program; name a repository by its URL or path"
        )
    scheme, separator, rest = url.partition("://")
    if not separator and ":" not in url.partition("/")[0]:
        return os.path.abspath(url)
    front = authority(rest if separator else url)
    host = front.rpartition("@")[2]
    if (scheme.lower() not in _SCHEMES and separator) or _is_option(front) or _is_option(host):
        raise RolloutsError(
            f"refused: {without_credentials(url)} is no URL of an archive ({', '.join(sorted(_SCHEMES))})"
        )
    if separator and not is_host(host):
        raise RolloutsError(
            "refused: the URL has a port that is no number; in a password write / as %2F, ? as %3F and # as %23"
        )
    return url
