"""How a session went, in the words that filters ask for (specification of session summaries, 1.5).

The specification names the words and no rule; these are ours (docs/contracts.md). They are never exported.
"""

from __future__ import annotations

_OUTCOMES = {"assistant": "completed", "user": "abandoned", "failure": "errored"}
_SHARES = ((0.05, "A"), (0.15, "B"), (0.3, "C"), (0.5, "D"))


def outcome(ending: str | None) -> str:
    """The outcome of a session that ended with a user's or an assistant's message, or with a tool that failed."""
    return _OUTCOMES.get(ending or "", "unknown")


def health_grade(failures: int | None, *, calls: int) -> str | None:
    """A grade by the share of a session's calls of tools that failed; None when nobody counted them."""
    if failures is None:
        return None
    share = failures / max(calls, failures, 1)
    return next((grade for most, grade in _SHARES if share <= most), "F")
