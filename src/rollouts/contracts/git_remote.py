"""What names a repository on the network: one text for all the ways in which its remote can be written.

Specification of session summaries, 3.3 with the later rules of 0.3: `host[:port]/path`, user, password, query and
fragment gone, the host in lower case, a port only where it is not the scheme's own, the path's case kept.
"""

from __future__ import annotations

import ipaddress
import posixpath
import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

from rollouts.contracts.remote_url import authority
from rollouts.record import Record

_PORTS = {"ssh": 22, "git": 9418, "http": 80, "https": 443}
_LOCAL = re.compile(r"[/\\]|file://|[A-Za-z]:[/\\]|[A-Za-z0-9][A-Za-z0-9+.-]*::", re.IGNORECASE)
"""A path, a drive of Windows, or a helper of git's (`ext::…`)."""
_LABEL = r"[^\0-\x20\x7f/\\@:?#%\[\].]+"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_BRACKETED = re.compile(r"\[([^\]]*)\](?::(\d*))?")


class Location(Record):
    """Where a remote lies."""

    host: str
    port: int | None
    """None where it is the scheme's own."""
    path: str

    @property
    def name(self) -> str:
        """`host[:port]/path`."""
        return f"{self.host}{'' if self.port is None else f':{self.port}'}/{self.path}"


def _cleaned_path(path: str) -> str:
    """Without empty, `.` and `..` parts, and without one `.git` at its end."""
    return posixpath.normpath("/" + path.replace("\\", "/")).strip("/").removesuffix(".git").strip("/")


def _decoded(path: str) -> str:
    try:
        return unquote(path, errors="strict")
    except UnicodeDecodeError:
        return path


def _host(text: str) -> str | None:
    """A host in its one form; an address of IPv6 in brackets."""
    if text.startswith("["):
        try:
            return f"[{ipaddress.IPv6Address(text.strip('[]'))}]"
        except ValueError:
            return None
    host = text.strip().lower().removesuffix(".")
    return host if _HOST.fullmatch(host) else None


def _parted(text: str) -> tuple[str, str] | None:
    """Host and port of an authority without its user; None when it is none."""
    bracketed = _BRACKETED.fullmatch(text)
    if bracketed:
        return f"[{bracketed[1]}]", bracketed[2] or ""
    host, _, port = text.partition(":")
    return None if "[" in text or "]" in text or (port and not port.isdecimal()) else (host, port)


def _located(authority_text: str, path: str, scheme: str) -> Location | None:
    parted = _parted(authority_text)
    host = _host(parted[0]) if parted else None
    cleaned = _cleaned_path(path)
    if parted is None or host is None or not cleaned:
        return None
    port = int(parted[1][:6]) if parted[1] else _PORTS[scheme]
    if not 0 < port < 65536:
        return None
    return Location(host, None if port == _PORTS[scheme] else port, cleaned)


def _of_url(scheme: str, rest: str) -> Location | None:
    if scheme not in _PORTS:
        return None
    front = authority(rest)
    path = rest[len(front) :].partition("#")[0].partition("?")[0]
    return _located(front.rpartition("@")[2], _decoded(path), scheme)


def _of_scp(text: str) -> Location | None:
    """`[user@]host:path`; the user may hold an `@`, and the host be an address or host and port in brackets."""
    bracket = re.match(r"(?:[^:\[]*@)?\[([^\]]*)\]:(.*)", text)
    if bracket:
        inner = bracket[1]
        front = f"[{inner}]" if inner.count(":") > 1 else inner
        return _located(front, bracket[2].partition("?")[0].partition("#")[0], "ssh")
    host, colon, path = text.partition(":")
    after_user = text.rpartition("@")[2]
    if "@" not in host and ":" in after_user.partition("/")[0]:
        host, colon, path = after_user.partition(":")  # the user's part held the first colon: a password
    host = host.rpartition("@")[2]
    if not colon or "/" in host or "[" in host:
        return None
    return _located(host, path.partition("?")[0].partition("#")[0], "ssh")


def location(url: str) -> Location | None:
    """Where a remote lies, as git's configuration has it; None where its place is no name elsewhere."""
    url = url.strip()
    if not url or _LOCAL.match(url) or "\n" in url or "\0" in url:
        return None
    scheme, separator, rest = url.partition("://")
    return _of_url(scheme.lower(), rest) if separator else _of_scp(url)


def normalised(url: str) -> str | None:
    """The one name of a remote, `github.com/acme/widget`; None when it has none."""
    found = location(url)
    return found.name if found else None


def _short(found: Location) -> str:
    """A location as an URL of its own, for remotes whose parts lie open in no URL."""
    if found.port is None and location(f"{found.host}:{found.path}.git") == found:
        return f"{found.host}:{found.path}.git"
    host = found.host if found.port is None else f"{found.host}:{found.port}"
    return f"ssh://{host}/{quote(found.path)}.git"


def sanitised(url: str) -> str:
    """The URL without user, password, query and fragment; "" when it is no usable remote. Its name stays the same."""
    url = url.strip()
    found = location(url)
    if found is None:
        return ""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return _short(found)
    front = authority(rest)
    path = rest[len(front) :].partition("#")[0].partition("?")[0]
    return f"{scheme}://{front.rpartition('@')[2]}{path}"


class Chosen(Record):
    """Which of a repository's remotes names it."""

    resolution: str
    """resolved, ambiguous or unknown."""
    remote: str | None
    """The name of the remote, like `origin`; null unless resolved."""
    normalised: str | None


def chosen(remotes: Mapping[str, str]) -> Chosen:
    """The remote that names a repository, of all that it has (name -> URL).

    `origin` where it is usable; else the only one that is, by name where several say the same; several that differ
    are ambiguous.
    """
    names = {name: found for name, url in sorted(remotes.items()) if (found := normalised(url))}
    if not names:
        return Chosen("unknown", None, None)
    if "origin" not in names and len(set(names.values())) > 1:
        return Chosen("ambiguous", None, None)
    name = "origin" if "origin" in names else next(iter(names))
    return Chosen("resolved", name, names[name])
