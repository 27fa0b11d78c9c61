"""Remote URLs without credentials, by value."""

from __future__ import annotations

import pytest

from rollouts.contracts.remote_url import without_credentials

SAME = [
    "https://example.com/a.git",
    "https://example.com:8443/a.git?x=a@b#c@d",
    "git@example.com:owner/a.git",
    "ssh://git@example.com/a.git",
    "ssh://git@[::1]:22/a.git",
    "file:///srv/a@b.git",
    "/srv/a@b:c.git",
    "../a.git",
    "http://example.com/@scope/a.git",
    "",
]
CLEANED = {
    "https://user:secret@example.com/a.git": "https://example.com/a.git",
    "https://token@example.com/a.git": "https://example.com/a.git",
    "HTTPS://user:secret@example.com": "HTTPS://example.com",
    "https://user:p@ss@example.com/a@b": "https://example.com/a@b",
    "https://user:secret@example.com?x=1": "https://example.com?x=1",
    "https://:@example.com/a": "https://example.com/a",
    "ssh://git:secret@example.com:22/a.git": "ssh://git@example.com:22/a.git",
    "git+ssh://git:secret@example.com/a.git": "git+ssh://git@example.com/a.git",
    "ftp://user:secret@example.com/a.git": "ftp://example.com/a.git",
    "weird://user:secret@": "weird://",
}


@pytest.mark.parametrize("url", SAME)
def test_a_url_without_credentials_stays_as_it_is(url: str) -> None:
    assert without_credentials(url) == url


@pytest.mark.parametrize(("url", "clean"), CLEANED.items())
def test_credentials_go(url: str, clean: str) -> None:
    assert without_credentials(url) == clean
