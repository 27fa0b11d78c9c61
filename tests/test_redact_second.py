"""The second engine passes what was redacted, and stops what was not."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import planted
from rollouts.redact.redactor import Redactor

kingfisher = pytest.importorskip("kingfisher_sdk", reason="kingfisher-secret-scanner has no wheel here")

from rollouts.redact.second import LeakError, Verifier  # noqa: E402 - after the look whether it can be had


@pytest.fixture(scope="module")
def verifier() -> Verifier:
    return Verifier()


def test_what_was_redacted_passes(verifier: Verifier) -> None:
    ours = Redactor(salt=b"test")
    for one in planted.planted(planted.KINDS | planted.MORE, 1):
        verifier.check({"text": [ours.text(one.text).value]}, one.kind)


@pytest.mark.parametrize("kind", ["github token", "openai key", "slack webhook", "rsa private key", "redis url", "jwt"])
def test_what_was_not_redacted_is_stopped_and_not_told(verifier: Verifier, kind: str) -> None:
    one = next(planted.planted({kind: planted.KINDS[kind]}, 1))
    with pytest.raises(LeakError, match=kind) as caught:
        verifier.check({"text": [one.text]}, kind)
    assert one.secret not in str(caught.value)


def test_harmless_text_passes(verifier: Verifier) -> None:
    for what, text in planted.near_misses(1):
        verifier.check({text: text}, what)


def test_keys_of_objects_and_values_under_telling_keys_are_looked_at(verifier: Verifier) -> None:
    secret = next(planted.planted({"x": planted.KINDS["github token"]}, 1)).secret
    for value in ({secret: 1}, {"deep": [{"er": secret}]}, [f"é\ud800 {secret}"]):
        with pytest.raises(LeakError, match=r"kingfisher .* in session s1 after redaction, so nothing goes out"):
            verifier.check(value, "session s1")  # type: ignore[arg-type] # plain JSON, in a narrower type


def test_pictures_are_not_looked_at(verifier: Verifier) -> None:
    secret = next(planted.planted({"x": planted.KINDS["aws access key id"]}, 1)).secret
    verifier.check({"type": "image/png", "data": "A" * 64 + "/" + secret + "/" + "A" * 63}, "x")


def test_without_the_engine_one_line_says_how_to_get_it() -> None:
    code = (
        "import sys\nsys.modules['kingfisher_sdk'] = None\n"
        "from rollouts.redact.second import Verifier\nfrom rollouts.errors import RolloutsError\n"
        "try:\n    Verifier()\nexcept RolloutsError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, check=True)
    assert done.stdout == 'the second engine is not installed; pip install "agent-rollouts[verify]", or go without it\n'


def test_without_the_first_engine_nothing_is_redacted_and_one_line_says_why() -> None:
    code = (
        "import sys\nsys.modules['redact_secret'] = None\n"
        "from rollouts.redact.redactor import Redactor\nfrom rollouts.errors import RolloutsError\n"
        "try:\n    Redactor(salt=b'x')\nexcept RolloutsError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("cannot look for secrets: ")
    assert "install redact-secret again" in done.stdout
