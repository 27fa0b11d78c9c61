"""The second engine, Kingfisher, which must find nothing in what goes out (https://pypi.org/project/kingfisher-secret-scanner/).

Optional, since it takes 36 MB: `pip install "agent-rollouts[verify]"`.
"""

from __future__ import annotations

from rollouts.contracts.strict_json import Json
from rollouts.errors import RolloutsError
from rollouts.redact.json_texts import Place, texts
from rollouts.redact.payloads import is_payload, stretches
from rollouts.redact.span import PLACEHOLDER
from rollouts.redact.strength import STAND_INS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kingfisher_sdk import Scanner

_SHORTEST = 8


def _is_harmless(secret: str) -> bool:
    return PLACEHOLDER.search(secret) is not None or secret.lower() in STAND_INS


class LeakError(RolloutsError):
    """The second engine found something in what was to go out."""


def is_installed() -> bool:
    """Whether there is a second engine here."""
    from importlib.util import find_spec  # noqa: PLC0415 - for exports only

    return find_spec("kingfisher_sdk") is not None


def name() -> str:
    """Name and version of the engine.

    Raises:
        RolloutsError: it is not installed.
    """
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - 20 ms, for datasets only

    try:
        return f"kingfisher {version('kingfisher-secret-scanner')}"
    except PackageNotFoundError as error:
        raise _missing() from error


def _missing() -> RolloutsError:
    return RolloutsError('the second engine is not installed; pip install "agent-rollouts[verify]", or go without it')


def _scanner() -> Scanner:
    try:
        from kingfisher_sdk import Rules, Scanner  # noqa: PLC0415 - 36 MB and 3 s of preparation, for whoever asks for it
    except ImportError as error:
        raise _missing() from error
    return Scanner(Rules(cache=False), base64=False)


class Verifier:
    """Looks over what was redacted. Preparing it takes seconds, so one is enough for a run."""

    def __init__(self) -> None:
        """Prepares the engine.

        Raises:
            RolloutsError: it is not installed.
        """
        self._scanner = _scanner()
        self.engine = name()

    def check(self, value: Json, what: str) -> None:
        """Passes a value that holds no secret which the engine knows; `what` names it in the error.

        Raises:
            LeakError: it holds one.
        """
        for place in dict.fromkeys(texts(value)):
            kinds = self._kinds(place)
            if kinds:
                raise LeakError(
                    f"{self.engine} still finds {', '.join(kinds)} in {what} after redaction, so nothing goes out;"
                    " take it out of the session, or go without the second engine"
                )

    def _kinds(self, place: Place) -> list[str]:
        text = place.text
        if len(text) < _SHORTEST or is_payload(text):
            return []
        seen = "\n".join(text[start:end] for start, end in stretches(text))
        if place.label:
            seen += f'\n{place.label}="{text}"' if len(text) < 4096 else ""
        findings = self._scanner.scan(seen.encode(errors="replace"))
        return sorted({one.rule_id for one in findings if one.visible and not _is_harmless(one.secret)})
