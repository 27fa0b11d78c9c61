"""A file's content is scanned for private keys and live tokens, and for nothing that only may be one."""

from __future__ import annotations

import tracemalloc

import pytest

import planted
from rollouts.redact.blobs import LIMIT, Finding, scan

KINDS = planted.KINDS | planted.MORE
LIVE = [
    *(
        "aws access key id",
        "github token",
        "github fine-grained token",
        "github app token",
        "gitlab token",
        "openai key",
    ),
    *("openai project key", "anthropic key", "hugging face token", "slack bot token", "slack webhook", "stripe key"),
    *("sendgrid key", "npm token", "pypi token", "rsa private key", "openssh private key", "ec private key", "age key"),
    *("encrypted private key", "pgp private key", "telegram bot token", "digitalocean token", "vault token"),
]
ASLEEP = [
    "google api key",
    "jwt",
    "postgres url",
    "password in .env",
    "django key",
    "api key header",
    "session cookie secret",
]


@pytest.mark.parametrize("kind", LIVE)
def test_keys_and_live_tokens_are_found_with_their_line(kind: str) -> None:
    text = next(planted.planted({kind: KINDS[kind]}, 1)).text
    (finding,) = scan(f"one\ntwo\n{text}\nend\n".encode())
    assert finding.line == 3 + text[: text.find("-----BEGIN")].count("\n") * ("-----BEGIN" in text)
    assert finding.kind


@pytest.mark.parametrize("kind", ASLEEP)
def test_what_may_be_public_or_an_example_holds_no_snapshot_back(kind: str) -> None:
    assert scan(next(planted.planted({kind: KINDS[kind]}, 1)).text.encode()) == ()


def test_harmless_files_are_passed() -> None:
    for _, text in planted.near_misses(3):
        assert scan(text.encode()) == ()
    assert scan(b"") == ()


def test_several_secrets_are_told_in_order() -> None:
    token = next(planted.planted({"x": KINDS["npm token"]}, 1)).secret
    key = next(planted.planted({"x": KINDS["rsa private key"]}, 1)).secret
    assert scan(f"\n{token}\n\n{key}\n{token}".encode()) == (
        Finding("npm-access-token", 2),
        Finding("private-key", 4),
        Finding("npm-access-token", 5 + key.count("\n")),
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-mark", "utf-16-be-mark", "latin-1"])
def test_text_is_read_in_its_encoding(encoding: str) -> None:
    text = f"é\n{next(planted.planted({'x': KINDS['github token']}, 1)).text}"
    mark = {"utf-16-le-mark": b"\xff\xfe", "utf-16-be-mark": b"\xfe\xff"}.get(encoding, b"")
    assert scan(mark + text.encode(encoding.removesuffix("-mark"))) == (Finding("github-pat", 2),)


def test_of_a_large_file_the_beginning_is_scanned() -> None:
    token = next(planted.planted({"x": KINDS["npm token"]}, 1)).secret.encode()
    before = b" " * (LIMIT - len(token))
    assert scan(before + token + before) == (Finding("npm-access-token", 1),)
    assert scan(before + b" " + token) == ()


def test_binary_files_are_cheap() -> None:
    data = planted.noise(1, 1000) + b"\0" + planted.noise(2, 5_000_000)
    tracemalloc.start()
    try:
        assert scan(data) == ()
        assert tracemalloc.get_traced_memory()[1] < 100_000  # nothing was made of it that could be looked at
    finally:
        tracemalloc.stop()
