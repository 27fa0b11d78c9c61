"""How the Hub's client libraries behave in this process: silent themselves, and impatient with silence."""

from __future__ import annotations

import logging
import os
import time

import huggingface_hub
from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined] # re-exported lazily

from rollouts.publish.patience import SilentServerError


class _Hearing:
    """When the Hub was last heard of: the libraries repeat requests that time out, five times and more, by themselves.

    One for the process, as there is one HTTP client for the process.
    """

    limit = 60.0
    last = 0.0

    def on_request(self, request: object) -> None:  # noqa: ARG002 - the HTTP library gives it
        if time.monotonic() - self.last >= self.limit:
            raise SilentServerError(
                f"Hugging Face said nothing for {self.limit:g} seconds; check the network and try again"
            )

    def on_response(self, response: object) -> None:  # noqa: ARG002 - the HTTP library gives it
        self.last = time.monotonic()


_hearing = _Hearing()


def listen(seconds: float) -> None:
    """Begins to wait for the Hub: a request gets no more than so many seconds, and so do those that repeat it."""
    _hearing.limit, _hearing.last = seconds, time.monotonic()
    client = huggingface_hub.get_session()
    client.timeout = seconds
    hooks = client.event_hooks
    if _hearing.on_request not in hooks["request"]:
        client.event_hooks = {
            "request": [*hooks["request"], _hearing.on_request],
            "response": [*hooks["response"], _hearing.on_response],
        }


def quiet(seconds: float) -> None:
    """Lets the libraries print nothing; and hf_xet, which has a client of its own, give up soon enough.

    Its settings: `xet-runtime`, config/groups/client.rs. What the user has set already stays.
    """
    disable_progress_bars()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    settings = {"CONNECT_TIMEOUT": f"{seconds:g}s", "READ_TIMEOUT": f"{seconds:g}s"}
    settings |= {"RETRY_MAX_ATTEMPTS": "2", "RETRY_BASE_DELAY": "1s", "RETRY_MAX_DURATION": f"{seconds:g}s"}
    for name, value in settings.items():
        os.environ.setdefault(f"HF_XET_CLIENT_{name}", value)
