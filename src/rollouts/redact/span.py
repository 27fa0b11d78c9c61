"""Where a secret stands in a text, and what is put there instead."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping

from rollouts.record import Record

SECRET = "secret"  # noqa: S105 - a kind, not one of them
"""The kind of all that only its surroundings give away: one password stands in a URL, a file and a command."""
PLACEHOLDER = re.compile(r"\[REDACTED:[a-z0-9-]{1,60}:[0-9a-f]{4}\]")


_MANY = 100
_BEGINNING = 8
"""Characters. To look for more than _MANY secrets one by one takes longer than to look at each place of a text."""


class Span(Record):
    """A secret in a text: `text[start:end]`, in code points."""

    start: int
    end: int
    kind: str


def placeholder(kind: str, secret: str, salt: bytes) -> str:
    """`[REDACTED:<kind>:<4 hex>]`; the digits depend on the secret and the salt, and on nothing else."""
    digest = hmac.digest(salt, secret.encode(errors="surrogatepass"), hashlib.sha256)
    return f"[REDACTED:{kind}:{digest[:2].hex()}]"


def _weight(span: Span) -> tuple[int, bool, str]:
    return span.end - span.start, span.kind != SECRET, span.kind


def settled(spans: Iterable[Span]) -> Iterator[Span]:
    """The same spans in order, those that overlap as one that covers them, of the longest one's kind."""
    cluster: Span | None = None
    heaviest: Span | None = None
    for span in sorted(spans):
        if cluster is None or heaviest is None or span.start >= cluster.end:
            if cluster:
                yield cluster
            cluster = heaviest = span
            continue
        heaviest = max(heaviest, span, key=_weight)
        cluster = Span(cluster.start, max(cluster.end, span.end), heaviest.kind)
    if cluster:
        yield cluster


def _by_beginning(text: str, secrets: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Where which of very many secrets stand, in one pass."""
    beginnings: dict[str, list[str]] = {}
    for secret in secrets:
        beginnings.setdefault(secret[:_BEGINNING], []).append(secret)
    for at in range(len(text) - _BEGINNING + 1):
        for secret in beginnings.get(text[at : at + _BEGINNING], ()):
            if text.startswith(secret, at):
                yield at, secret


def _each(text: str, secrets: Iterable[str]) -> Iterator[tuple[int, str]]:
    for secret in secrets:
        at = text.find(secret)
        while at >= 0:
            yield at, secret
            at = text.find(secret, at + len(secret))


def occurrences(text: str, secrets: Mapping[str, str]) -> Iterator[Span]:
    """Where the secrets stand, which are given with their kinds."""
    is_many = len(secrets) > _MANY
    apart = [secret for secret in secrets if not is_many or len(secret) < _BEGINNING]
    for at, secret in _each(text, apart):
        yield Span(at, at + len(secret), secrets[secret])
    if is_many:
        for at, secret in _by_beginning(text, secrets.keys() - apart):
            yield Span(at, at + len(secret), secrets[secret])


def without_placeholders(text: str, spans: Iterable[Span]) -> Iterator[Span]:
    """Those spans that touch no placeholder of an earlier run."""
    taken = [match.span() for match in PLACEHOLDER.finditer(text)] if "[REDACTED:" in text else []
    at = 0
    for span in sorted(spans):
        while at < len(taken) and taken[at][1] <= span.start:
            at += 1
        if at == len(taken) or taken[at][0] >= span.end:
            yield span


def replaced(text: str, spans: Iterable[Span], salt: bytes) -> str:
    """The text with a placeholder for each of the settled spans."""
    pieces: list[str] = []
    done = 0
    for start, end, kind in spans:
        pieces += text[done:start], placeholder(kind, text[start:end], salt)
        done = end
    return "".join([*pieces, text[done:]])
