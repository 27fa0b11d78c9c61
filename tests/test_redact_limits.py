"""No text costs more than its length, whatever is in it."""

from __future__ import annotations

import base64
import time

import pytest

import planted
from rollouts.contracts.strict_json import Json
from rollouts.redact.blobs import scan
from rollouts.redact.persons import Person
from rollouts.redact.redactor import Redactor

REDACTOR = Redactor(salt=b"test", person=Person("/home/ann", "ann"), known=["aaaaaaaaaaaa1"])
SLOWEST = 16.0
"""CPU seconds per MB of the worst of these, several times what they take; work that is square in a text takes hours."""
SIZE = 400_000
UNITS = [
    *(
        "a",
        "0",
        " ",
        "\n",
        "\t ",
        "=",
        '"',
        "\\",
        "é",
        "😀",
        "\u0130",
        "\ud800",
        "\0",
        "{",
        "[",
        '{"',
        "\n{",
        "\n{\\",
        "A.",
        "a-",
    ),
    *("eyJ", "eyJ.", "eyJ ", "eyJhbGci", "AKIA", "SK", "sk-ant-", "ya29.", "fc-", "sq0", "rnd_", "iVBORw0KGgo", "/9j/"),
    *(
        "token_",
        "token=",
        'token="',
        "password: ",
        "password",
        "pwd=a1",
        "api key is ",
        "--token ",
        "--a-",
        "--",
        "sig=",
        "?sig=",
    ),
    *("-----BEGIN ", "-----BEGIN RSA PRIVATE KEY-----", f"-----BEGIN PRIVATE KEY-----{'A' * 24}", "LS0tLS1CRUdJTi"),
    *("://", "https://a:b", "https://aaaaaaaa", "x@", "hooks.slack.com/services/", "/api/webhooks/1"),
    *(
        "curl ",
        "curl -u ",
        "echo ",
        "echo aaaa |",
        "mysql ",
        "mysql -a ",
        "docker login a ",
        "machine ",
        "machine a login ",
    ),
    *(
        "htpasswd -b a ",
        "<password>",
        "authorization: ",
        "cookie sid=",
        "/home/ann",
        "/ann/",
        "~ann",
        "-home-ann-",
        "://ann",
    ),
    *(
        "data:image/png;base64,",
        "data:",
        ";base64,",
        "data:;base64,",
        "[REDACTED:",
        "[REDACTED:a:aaaa]",
        "aaaaaaaaaaaa1",
    ),
    *('{"a":"\\n"}\n', "[" * 99 + '"\\', "token=a1B2c3D4 "),
]


@pytest.mark.parametrize("unit", UNITS, ids=[str(number) for number in range(len(UNITS))])
def test_a_text_of_one_thing_again_and_again_takes_time_by_its_length(unit: str) -> None:
    text = unit * (SIZE // len(unit))
    start = time.process_time()
    REDACTOR.text(text)
    scan(text.encode(errors="replace"))
    assert time.process_time() - start < SLOWEST * SIZE / 1e6


@pytest.mark.parametrize("what", ["base64", "hex", "a"])
def test_ten_megabytes_without_a_space_pass(what: str) -> None:
    texts = {"base64": base64.b64encode(planted.noise(1, 7_500_000)).decode(), "hex": planted.noise(2, 5_000_000).hex()}
    text = texts.get(what, "a" * 10_000_000)
    start = time.process_time()
    assert REDACTOR.text(text).value == text
    assert time.process_time() - start < 20


def test_more_secrets_than_the_engine_takes_at_once_are_all_replaced() -> None:
    secrets = [planted.made(planted.some(planted.WORD, 30), seed) for seed in range(55_000)]
    value: Json = [*(f"API_KEY={secret} " for secret in secrets[:200]), "\n".join(secrets)]
    assert REDACTOR.value(value).report.total == 400
    text = "".join(f"API_KEY={secret}\n" for secret in secrets)
    assert REDACTOR.text(text).report.total > 0.99 * len(secrets)
