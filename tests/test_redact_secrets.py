"""Each kind of secret is found wherever it stands, and what only looks like one stays."""

from __future__ import annotations

import base64
import json

import pytest

import planted
from rollouts.contracts.strict_json import Json
from rollouts.redact.redactor import Redactor

REDACTOR = Redactor(salt=b"test")
PLACES = {
    "alone": "{}",
    "prose": "I ran `{}` and then it failed.",
    "shell": "echo '{}' >> notes",
    "comment": "x = 1  # {}",
    "diff": "@@ -1 +1 @@\n+{}",
    "numbered lines": "     3→{}",
    "here-document": "cat <<EOF\nfirst\n{}\nEOF",
    "unicode": "é😀 {}",
    "long text": "ordinary words\n" * 3000 + "{}" + "\nordinary words" * 3000,
    "one long line": "words and " * 4000 + "{}" + " and words" * 4000,
}
ALL = planted.KINDS | planted.MORE


def texts(value: Json) -> str:
    return str(REDACTOR.value(value).value)


@pytest.mark.parametrize("kind", ALL)
def test_a_secret_is_replaced_wherever_it_stands(kind: str) -> None:
    for seed, (place, text) in enumerate(PLACES.items()):
        secret = next(planted.planted({kind: ALL[kind]}, seed))
        assert secret.secret not in texts(text.format(secret.text)), place


@pytest.mark.parametrize("kind", ALL)
def test_a_secret_is_replaced_in_keys_values_and_lists(kind: str) -> None:
    secret = next(planted.planted({kind: ALL[kind]}, 7))
    value: Json = {secret.text: 1, "out": [None, secret.text, {"deep": {"er": secret.text}}]}
    assert secret.secret not in texts(value)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("kind", ALL)
def test_a_secret_is_replaced_in_json_that_stands_in_a_text(kind: str, depth: int) -> None:
    secret = next(planted.planted({kind: ALL[kind]}, depth))
    text = secret.text
    for _ in range(depth):
        text = json.dumps({"command": text, "timeout": 5})
    redacted = str(REDACTOR.text(text).value)
    for _ in range(depth):
        redacted = json.loads(redacted)["command"]
    assert secret.secret not in redacted
    assert "[REDACTED:" in redacted


def test_at_least_31_of_33_kinds_are_found_whatever_their_letters() -> None:
    for seed in range(20):
        found = [one for one in planted.planted(planted.KINDS, seed) if one.secret not in texts(one.text)]
        assert len(found) >= 31


@pytest.mark.parametrize("what", [what for what, _ in planted.near_misses(0)])
def test_what_only_looks_like_a_secret_stays(what: str) -> None:
    for seed in range(5):
        text = dict(planted.near_misses(seed))[what]
        assert REDACTOR.text(text).value == text


@pytest.mark.parametrize("key", ["password", "DB_PASSWORD", "clientSecret", "api_key", "x-api-key", "Authorization"])
def test_a_key_that_sounds_like_a_secrets_gives_its_value_away(key: str) -> None:
    value = planted.made(planted.some(planted.WORD, 30), 3)
    assert value in texts({"name": value})
    assert value not in texts({key: value})
    assert value not in texts({key: [value]})


@pytest.mark.parametrize("value", ["true", "8080", "none", "os.environ['DB_PASSWORD']", "string", "", "${DB_PASSWORD}"])
def test_a_key_that_sounds_like_a_secrets_says_nothing_of_words(value: str) -> None:
    assert REDACTOR.value({"password": value}).value == {"password": value}


def key_lines(label: str = "PRIVATE KEY") -> list[str]:
    body = base64.b64encode(planted.noise(5, 1200)).decode()
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return [f"-----BEGIN {label}-----", *lines, f"-----END {label}-----"]


@pytest.mark.parametrize(
    "separator",
    ["\n", "\r\n", "\\n", "\\\\n", "\n    ", "\n+", "\n> "],
    ids=["lf", "crlf", "n", "nn", "in", "diff", "quote"],
)
@pytest.mark.parametrize("whole", [True, False])
def test_a_private_key_goes_however_it_is_broken_into_lines(separator: str, whole: bool) -> None:
    lines = key_lines() if whole else key_lines()[:9]
    redacted = texts(f"before\n{separator.join(lines)}\nafter the key")
    assert not [line for line in lines if line in redacted]
    assert redacted.startswith("before")
    assert redacted.endswith("after the key")


def test_a_private_key_goes_with_the_line_numbers_of_a_pager() -> None:
    lines = key_lines("EC PRIVATE KEY")
    redacted = texts("\n".join(f"{number:6}\t{line}" for number, line in enumerate(lines, 1)))
    assert not [line for line in lines if line in redacted]


def test_a_key_longer_than_the_pieces_that_the_engine_takes_goes_whole() -> None:
    body = base64.b64encode(planted.noise(6, 18000)).decode()
    key = f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{body}\n-----END PGP PRIVATE KEY BLOCK-----"
    assert str(REDACTOR.text(f"a\n{key}\nb").value).count("\n") == 2


def test_code_that_reads_keys_stays() -> None:
    code = 'if "-----BEGIN PRIVATE KEY-----" in text and "-----END PRIVATE KEY-----" in text:\n    return True\n'
    assert REDACTOR.text(code).value == code


@pytest.mark.parametrize(
    "code",
    [
        "token = current_token",
        "self.password = request.url.password",
        "password: readPassword,",
        "p.onToken = function (token) {",
        "client_secret=constants.OAUTH_CLIENT_SECRET,",
        'HEADER_ACCESS_TOKEN = "X-Xet-Access-Token"',
        "const token = await getToken2(user1.id)",
        "heroku 01234567-89ab-4cde-8f01-23456789abcd",
    ],
)
def test_code_that_handles_secrets_stays(code: str) -> None:
    assert REDACTOR.text(code).value == code


def test_a_secret_that_one_place_gives_away_goes_everywhere() -> None:
    password = planted.made(planted.PASSWORD, 9)
    value: Json = [f"DB_PASSWORD={password}", {"note": f"I tried {password} first"}, f"psql -W <<< {password}"]
    redacted = REDACTOR.value(value).value
    assert password not in str(redacted)
    assert str(redacted).count("[REDACTED:secret:") == 3


def test_a_weak_password_is_replaced_where_it_is_given_away_and_nowhere_else() -> None:
    value: Json = ["ADMIN_PASSWORD=correcthorse", "a correcthorse is a horse"]
    assert REDACTOR.value(value).value == [f"ADMIN_PASSWORD={tag('correcthorse')}", "a correcthorse is a horse"]


def tag(secret: str) -> str:
    return str(Redactor(salt=b"test", known=[secret]).text(secret).value)
