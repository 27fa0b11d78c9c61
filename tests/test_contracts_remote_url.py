"""Remote URLs without credentials, by value."""

from __future__ import annotations

import pytest

from rollouts.contracts.archive_url import checked
from rollouts.contracts.remote_url import without_credentials
from rollouts.errors import RolloutsError

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
    "https://user:sec/ret@example.com/a": "https://example.com/a",
    "https://user:sec?r#et@example.com": "https://example.com",
}


@pytest.mark.parametrize("url", SAME)
def test_a_url_without_credentials_stays_as_it_is(url: str) -> None:
    assert without_credentials(url) == url


@pytest.mark.parametrize(("url", "clean"), CLEANED.items())
def test_credentials_go(url: str, clean: str) -> None:
    assert without_credentials(url) == clean


REFUSED = [
    "--upload-pack=touch x",
    "-x",
    "ext::sh -c 'touch x'",
    "fd::17",
    "no.such::helper",
    "nosuch://host/a",
    "ssh://-oProxyCommand=touch x/a.git",
    "ssh://git@-oProxyCommand=touch x/a@b.git",
    "ssh://-oProxyCommand=x@host/a.git",
    "git@-oProxyCommand=touch x:a.git",
    "host\na:b",
    "/srv/a\x1b[2J.git",
    "/srv/\udcff.git",
    "https://user:sec/ret@example.com/a",
    "https://user:sec#ret@example.com/a",
    "",
    " \t",
]
TAKEN = [
    "https://user:pass@example.com:8443/a.git",
    "http://[::1]:80/a.git",
    "ssh://git@[::1]/a.git",
    "git@example.com:owner/a-b.git",
    "example.com:-a",
    "git://example.com/a",
    "file:///srv/a@b:c.git",
    "/srv/-a@-b:c.git",
    "/srv/woman\N{ZERO WIDTH JOINER}laptop.git",
]


@pytest.mark.parametrize("url", REFUSED)
def test_what_git_could_take_for_something_else_is_refused(url: str) -> None:
    with pytest.raises(RolloutsError, match=r"refused|cannot be empty") as refused:
        checked(url)
    assert "ret@" not in str(refused.value)


@pytest.mark.parametrize("url", TAKEN)
def test_an_archive_anywhere_is_taken(url: str) -> None:
    assert checked(url) == url


def test_a_path_is_made_absolute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert checked("a-@-b/../x y.git ") == "/x y.git"
