"""The engine that others maintain, redact-secret: what it finds, in our words (https://pypi.org/project/redact-secret/).

It was chosen by measurement (benchmarks/README.md). It is imported when the first text is looked at.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from rollouts.errors import RolloutsError
from rollouts.redact.doubt import is_code
from rollouts.redact.span import SECRET, Span

if TYPE_CHECKING:
    from redact_secret import Finding

PIECE = 16384
OVERLAP = 4096
"""A text goes to the engine in pieces of PIECE + OVERLAP characters, so that no input costs more than its length."""
_TO_A_LINE = 1024
_MANY = 16
_RUN_ON_JWT = re.compile(r"(?<=[\w-])eyJ")


_BY_CONTEXT = {"authorization_credential", "bearer_token", "connection_string_password", "contextual_secret"}
_BY_CONTEXT |= {"vendor_prefixed_credential"}
_NAMES = {
    "github_token": "github-pat",
    "github_fine_grained_personal_access_token": "github-pat",
    "stripe_credential": "stripe-key",
}
_BY_NEIGHBOURHOOD = {"heroku_api_key_legacy", "twilio_api_key_secret"}
"""A UUID or 32 letters, with the vendor's name somewhere near: taken only where the engine is sure,
and not in the middle of base64, where one in 1 MB looks so."""
_IN_BASE64 = frozenset("+/-_")
PUBLIC_BY_DESIGN = {"google-api-key"}
"""Kinds that web pages and apps ship; they are replaced in datasets, and no reason to hold a snapshot back."""


@functools.cache
def _scanner() -> Callable[[str], list[Finding]]:
    try:
        from redact_secret import scan  # noqa: PLC0415 - a shared library, for redaction only
    except ImportError as error:
        raise RolloutsError(f"cannot look for secrets: {error}; install redact-secret again") from error
    return scan


def version() -> str:
    """Name and version of the engine."""
    _scanner()
    import redact_secret  # noqa: PLC0415 - as above

    return f"redact-secret {redact_secret.__version__}"


def _kind(name: str) -> str:
    return SECRET if name in _BY_CONTEXT else _NAMES.get(name, name.replace("_", "-"))


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Overlapping pieces and where each begins, at a line's start where there is one near."""
    start = 0
    while len(text) - start > PIECE + OVERLAP:
        yield start, text[start : start + PIECE + OVERLAP]
        start += PIECE
        line = text.rfind("\n", start - _TO_A_LINE, start)
        start = line + 1 if line > 0 else start
    yield start, text[start:]


def _tamed(piece: str) -> str:
    """The same, but what may begin a JWT is left only where a word begins: the engine's cost is square in those."""
    return _RUN_ON_JWT.sub("xyJ", piece) if piece.count("eyJ") > _MANY else piece


def _is_meant(finding: Finding, piece: str) -> bool:
    """False where we know better than the engine."""
    if finding.type == "contextual_secret":
        return not is_code(piece, finding.start, finding.end)
    if finding.type in _BY_NEIGHBOURHOOD:
        beside = piece[finding.start - 1 : finding.start] + piece[finding.end : finding.end + 1]
        return finding.confidence == "high" and not _IN_BASE64.intersection(beside)
    return True


def spans(text: str) -> Iterator[Span]:
    """What the engine finds. Some of it twice, since pieces overlap."""
    scan = _scanner()
    if not text.isascii():
        text = text.encode(errors="replace").decode()  # half a character is no text to the engine; lengths stay
    for start, piece in _pieces(text):
        for finding in scan(_tamed(piece)):
            if _is_meant(finding, piece):
                yield Span(start + finding.start, start + finding.end, _kind(finding.type))


def live(text: str) -> Iterator[Span]:
    """Those of them that are a token or a private key by their own form, wherever they stand."""
    found = (span for span in spans(text) if span.kind != SECRET and span.kind not in PUBLIC_BY_DESIGN | {"jwt"})
    for span in found:
        bare = text[span.start : span.end]
        if any(again.kind == span.kind for again in spans(bare)):
            yield span
