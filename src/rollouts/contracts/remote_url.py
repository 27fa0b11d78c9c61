"""Remote URLs without what must not leave the machine."""

from __future__ import annotations


def without_credentials(url: str) -> str:
    """The URL with no password in it, nor a user name over HTTP, where a token often stands in its place."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url  # a path, or scp's user@host:path, which has no room for a password
    end = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    userinfo, at, host = rest[:end].rpartition("@")
    user = userinfo.partition(":")[0] + at if scheme.lower() in {"ssh", "git+ssh", "ssh+git"} and at else ""
    return f"{scheme}://{user}{host}{rest[end:]}"
