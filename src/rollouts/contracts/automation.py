"""Which sessions a program started, by what was asked of the agent first.

Specification of session summaries, 1.5: a session of at most one user message, whose text a review bot, a title
generator or an agent itself is known to send. The lists hold what those programs write; users add their own.
"""

from __future__ import annotations

from rollouts.record import Record

INTERACTIVE, AUTOMATED = "interactive", "automated"


class Patterns(Record):
    """Texts by which a first message is known; case counts."""

    prefixes: tuple[str, ...] = ()
    substrings: tuple[str, ...] = ()
    exact: tuple[str, ...] = ()
    """Whole messages, white space around them aside."""


NONE = Patterns()
BUILT_IN = Patterns(
    prefixes=(
        "You are a code reviewer.",
        "You are a security code reviewer.",
        "You are a design reviewer.",
        "You are a plan document reviewer.",
        "You are a spec document reviewer.",
        "You are a code assistant. Your task is to address",
        "You are a code review insights analyst.",
        "You are reviewing whether an implementation matches",
        "You are combining multiple code review outputs into a single GitHub PR comment.",
        "You are summarizing a day of AI agent activity.",
        "You are analyzing AI agent sessions.",
        "You are generating a changelog",
        "You are a helpful assistant working on a software project.",
        "Review the code changes introduced by commit ",
        "Review the code changes in commit ",
        "## Analysis Request",
        "# Fix Request",
        "<user_action>",
        "Implement the following plan:",
    ),
    substrings=("invoked by roborev to perform this review", "You are a conversation title generator"),
    exact=("Warmup", "Respond with exactly: OK", "Reply with exactly OK."),
)


def _fits(text: str, patterns: Patterns) -> bool:
    return (
        text.startswith(patterns.prefixes)
        or any(part in text for part in patterns.substrings)
        or text.strip() in patterns.exact
    )


def is_automated(first_text: str | None, *, user_messages: int, own: Patterns = NONE) -> bool:
    """Whether a program started a session.

    Args:
        first_text: its first user message.
        user_messages: how many it has: a session that went on had a person in it.
        own: the user's patterns, beside those that are built in.
    """
    if user_messages > 1 or not first_text:
        return False
    return _fits(first_text, BUILT_IN) or _fits(first_text, own)


def classification(*, automated: bool) -> str:
    """The word for it: interactive or automated."""
    return AUTOMATED if automated else INTERACTIVE
