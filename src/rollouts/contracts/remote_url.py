"""Remote URLs without what must not leave the machine; each capture notes those of its repository."""

from __future__ import annotations

_SSH = frozenset({"ssh", "git+ssh", "ssh+git"})


def authority(rest: str) -> str:
    """What comes before the path in a URL without its scheme: user, password, host and port."""
    return rest[: min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))]


def is_host(text: str) -> bool:
    """Whether a text is a host, with a port perhaps."""
    if text.startswith("["):  # an address of IPv6
        _, bracket, port = text.partition("]")
        return bool(bracket) and (not port or (port[0] == ":" and (port == ":" or port[1:].isdecimal())))
    port = text.partition(":")[2]
    return not port or port.isdecimal()


def without_credentials(url: str) -> str:
    """The URL with no password in it, nor a user name over HTTP, where a token often stands in its place."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url  # a path, or scp's user@host:path, which has no room for a password
    front = authority(rest)
    path = rest[len(front) :]
    userinfo, at, host = front.rpartition("@")
    if not is_host(host) and "@" in path:  # a password with a slash in it, which no git understands
        return f"{scheme}://{rest.rpartition('@')[2]}"
    user = userinfo.partition(":")[0] + at if scheme.lower() in _SSH and at else ""
    return f"{scheme}://{user}{host}{path}"
