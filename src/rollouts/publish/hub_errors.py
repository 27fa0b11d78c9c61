"""What the Hub refuses, and how long to wait before asking again, in one line each."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Iterator, Mapping

from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
)

from rollouts.errors import RolloutsError
from rollouts.publish.patience import PassingError, SilentServerError

_HTTP_ERROR = HfHubHTTPError.__mro__[1]
"""The base of all errors of the HTTP library below: httpx before huggingface_hub 2, httpx2 since."""
_TIMEOUT: type[Exception] = sys.modules[_HTTP_ERROR.__module__.partition(".")[0]].TimeoutException
_XET_STATUS = re.compile(r"HTTP status \w+ error \((\d{3})")
"""Where hf_xet, which has an HTTP client of its own, hides the status."""
_QUOTA = re.compile(r"storage limit|storage patterns|quota|upgrade your plan|payment", re.IGNORECASE)
_RATE_LIMIT = re.compile(r";\s*r=0\s*;\s*t=(\d+)")
_TOKEN = re.compile(r"\bhf_\w+")
_LONGEST_REASON = 200
_HERE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EMFILE}
"""Troubles of this machine, which no waiting ends."""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _reason(error: BaseException) -> str:
    """What was said, on one line, without anything that looks like a token."""
    said = getattr(error, "server_message", None) or str(error) or type(error).__name__
    line = " ".join(_TOKEN.sub("***", said).split()).rstrip(".")
    return line if len(line) <= _LONGEST_REASON else line[: _LONGEST_REASON - 1] + "…"


def _asked_wait(headers: Mapping[str, str]) -> float:
    """Seconds that an answer asks to wait.

    `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3), else the time to the next window in `RateLimit`
    (draft-ietf-httpapi-ratelimit-headers).
    """
    from datetime import UTC, datetime  # noqa: PLC0415 - only for a failure
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - only for a failure

    said = headers.get("Retry-After", "").strip()
    if said.isdecimal():
        return float(said)
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # none, no date, or one without a zone
        window = _RATE_LIMIT.search(headers.get("RateLimit", ""))
        return float(window[1]) if window else 0.0


def _passing(status: int, reason: str, name: str) -> str | None:
    """What is said of an answer that may be another in a moment."""
    if status in {409, 412}:
        return f"others keep changing {name} on Hugging Face ({reason}); try again later"
    if status == 429:
        return f"Hugging Face's rate limit is reached ({reason}); try again later"
    if status in {404, 408, 425} or status >= 500:  # 404: made a moment ago, or deleted; looking again tells
        return f"Hugging Face answers {status} for {name} ({reason}); try again later"
    return None


def _of_status(status: int, reason: str, name: str, headers: Mapping[str, str]) -> RolloutsError:
    passing = _passing(status, reason, name)
    if passing:
        return PassingError(passing, _asked_wait(headers))
    if status == 402 or _QUOTA.search(reason):
        return RolloutsError(f"Hugging Face has no more room for {name} ({reason}); free some, or ask for more there")
    if status == 401:
        return RolloutsError(
            f"Hugging Face does not accept the token ({reason}); run `hf auth login` or set another HF_TOKEN"
        )
    if status == 403:
        return RolloutsError(
            f"this token may not write {name} on Hugging Face ({reason}); use one that may, or another name"
        )
    return RolloutsError(f"Hugging Face refuses {name} ({reason})")


def _of_network(error: BaseException, name: str) -> RolloutsError:
    reason = _reason(error)
    refused = _XET_STATUS.search(reason)
    if refused:
        return _of_status(int(refused[1]), reason, name, {})
    if isinstance(error, _TIMEOUT | TimeoutError):
        return SilentServerError(f"Hugging Face does not answer ({reason}); check the network and try again")
    return PassingError(f"Hugging Face cannot be reached ({reason}); check the network and try again")


def _of_nonsense(error: Exception) -> RolloutsError | None:
    """A proxy's page or half a document, on which the libraries stumble in many ways."""
    if not isinstance(error, ValueError | LookupError | TypeError | AttributeError):
        return None
    return PassingError(f"Hugging Face answers with something that is no answer ({_reason(error)}); check the network")


def translated(error: Exception, name: str) -> RolloutsError | None:
    """An error of the client libraries in our words; None for one that is no answer of theirs.

    Args:
        error: what they raised.
        name: of the dataset.
    """
    found = list(_chain(error))
    for link in found:
        if isinstance(link, RolloutsError):
            return link
        if isinstance(link, HfHubHTTPError):
            return _of_status(link.response.status_code, _reason(link), name, link.response.headers)
        if isinstance(link, OfflineModeIsEnabled):
            return RolloutsError("HF_HUB_OFFLINE is set, so nothing can be pushed; unset it and try again")
        if isinstance(link, HFValidationError):
            return RolloutsError(f"{_reason(link)}; choose another name")
        if isinstance(link, OSError) and link.errno in _HERE:
            return None
    troubles = [
        link for link in found if isinstance(link, _HTTP_ERROR | OSError | RuntimeError)
    ]  # RuntimeError: hf_xet
    return _of_network(troubles[-1], name) if troubles else _of_nonsense(error)
