"""What redaction leaves: the shape, pictures, everything that is no secret; the same each time."""

from __future__ import annotations

import base64
import json
import os
import random
import re
import subprocess
import sys
from typing import Any

import pytest

import planted
from rollouts.contracts.strict_json import Json
from rollouts.redact.persons import Person
from rollouts.redact.redactor import Redactor
from rollouts.redact.report import Report, report_of

PERSON = Person("/home/ann", "ann")
TOKENS = [
    one.secret
    for one in planted.planted(planted.KINDS | planted.MORE, 11)
    if Redactor(salt=b"test").text(one.secret).report.total  # the others are such by what stands around them
]
LINES = [one.text for one in planted.planted(planted.KINDS | planted.MORE, 12)]
HARMLESS = [text for _, text in planted.near_misses(13)]


def redactor(salt: bytes = b"test", **more: Any) -> Redactor:
    return Redactor(salt=salt, **more)


def token(kind: str, seed: int = 1) -> str:
    return next(planted.planted({kind: planted.KINDS[kind]}, seed)).secret


def random_json(rnd: random.Random, depth: int = 0) -> Json:
    """Nested JSON with secrets and harmless text in it."""
    kind = rnd.randrange(9 if depth < 5 else 6)
    if kind < 4:
        return " ".join(rnd.choices([*LINES, *HARMLESS, *TOKENS, "words", "/home/ann/x"], k=rnd.randrange(4)))
    if kind < 6:
        return rnd.choice([None, True, False, 0, -1, 2**70, 1.5, "", "é\u2028\ud800"])
    if kind == 6:
        return [random_json(rnd, depth + 1) for _ in range(rnd.randrange(5))]
    keys = [
        rnd.choice(["text", "password", "env", "a b", *TOKENS]) + f" {rnd.randrange(9)}"
        for _ in range(rnd.randrange(5))
    ]
    return {key: random_json(rnd, depth + 1) for key in keys}


def shape(value: Json) -> object:
    """A value with all its texts alike."""
    if isinstance(value, dict):
        return [shape(child) for child in value.values()]
    if isinstance(value, list):
        return tuple(shape(child) for child in value)
    return "text" if isinstance(value, str) else (type(value), value)


@pytest.mark.parametrize("seed", range(60))
def test_random_json_keeps_its_shape_loses_its_secrets_and_is_done_at_the_first_time(seed: int) -> None:
    value = random_json(random.Random(seed))  # noqa: S311 - the same again for the same seed
    before = json.dumps(value)
    ours = redactor(person=PERSON)
    once = ours.value(value)
    assert json.dumps(value) == before
    assert shape(once.value) == shape(value)
    assert not [secret for secret in TOKENS if secret in str(once.value)]
    twice = ours.value(once.value)
    assert (twice.value, twice.report.total) == (once.value, 0)
    assert ours.value(value) == once


def test_nesting_deeper_than_the_interpreter_goes_is_no_matter() -> None:
    secret = token("github token")
    value: Json = secret
    for _ in range(50_000):
        value = [value]
    redacted = redactor().value(value).value
    while isinstance(redacted, list):
        (redacted,) = redacted
    assert re.fullmatch(r"\[REDACTED:github-pat:[0-9a-f]{4}\]", str(redacted))
    while isinstance(value, list):  # taken apart by hand: the interpreter would do it by recursion
        (value,) = value


def test_keys_that_become_alike_stay_apart() -> None:
    value: Json = {token("jwt"): 1, "x": 2}
    tag = next(iter(dict(redactor().value(value).value or {})))  # type: ignore[arg-type] # an object
    value = {tag: 0, token("jwt"): 1, f"{tag} (2)": 2, "x": 3}
    assert redactor().value(value).value == {tag: 0, f"{tag} (2)": 1, f"{tag} (2) (2)": 2, "x": 3}


def test_a_placeholder_depends_on_the_secret_and_the_salt_alone() -> None:
    secret = token("gitlab token")
    text = f"GITLAB_TOKEN={secret}\nagain {secret}"
    first = redactor(b"one").text(text).value
    tags = set(re.findall(r"\[REDACTED:gitlab-token:[0-9a-f]{4}\]", str(first)))
    assert len(tags) == 1
    assert redactor(b"one").text(f"elsewhere: {secret}").value == f"elsewhere: {tags.pop()}"
    assert redactor(b"two").text(text).value != first


def test_one_password_has_one_placeholder_in_a_file_a_url_and_a_command() -> None:
    password = token("password in .env")
    places = (f"DB_PASSWORD={password}", f"postgres://app:{password}@db/app", f"PGPASSWORD={password} psql")
    tags = {re.search(r"\[REDACTED:secret:[0-9a-f]{4}\]", str(redactor().text(text).value))[0] for text in places}  # type: ignore[index] # else the test fails
    assert len(tags) == 1


def test_the_result_is_the_same_in_every_process() -> None:
    code = (
        "import json, sys\nfrom rollouts.redact.redactor import Redactor\n"
        "ours = Redactor(salt=b'test', known=['value-of-a1-thing', 'value-of-b2-thing'])\n"
        "print(json.dumps(ours.value(json.load(sys.stdin))))"
    )
    value = json.dumps([LINES, dict.fromkeys(LINES, HARMLESS), "value-of-a1-thing"])

    def run(seed: str) -> str:
        env = os.environ | {"PYTHONHASHSEED": seed}
        return subprocess.run(
            [sys.executable, "-c", code], input=value, env=env, capture_output=True, text=True, check=True
        ).stdout

    assert run("1") == run("2")


def picture(beginning: bytes) -> str:
    return base64.b64encode(beginning + planted.noise(1, 50_000)).decode()


def test_pictures_are_untouched_in_blocks_and_data_urls_of_each_agent() -> None:
    png, odd = picture(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), picture(b"??")
    value: Json = [
        {"type": "image", "source": {"type": "base64", "media_type": "image/x-odd", "data": odd}},
        {"type": "image", "file": {"base64": odd, "type": "image/png", "originalSize": 1}},
        {"type": "image", "data": odd, "mimeType": "image/webp"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{odd}"},
        {"type": "file", "mime": "image/png", "url": f"data:image/png;base64,{odd}"},
        f"before ![]( data:image/svg+xml;charset=utf-8;base64,{odd}) after",
        png,
    ]
    assert redactor(known=[odd[100:140], png[100:140]], person=PERSON).value(value).value == value


def test_text_around_a_picture_is_looked_at() -> None:
    odd, secret = picture(b"??"), token("stripe key")
    text = f"{secret} data:image/png;base64,{odd} {secret}"
    redacted = str(redactor().text(text).value)
    assert secret not in redacted
    assert f" data:image/png;base64,{odd} " in redacted


def test_a_secret_beside_a_media_type_is_no_picture() -> None:
    secret = token("github token")
    value: Json = {"type": "image/png", "data": f"not base64: {secret}", "title": secret}
    assert secret not in str(redactor().value(value).value)


def test_a_data_url_of_plain_text_is_no_picture() -> None:
    secret = token("aws access key id")
    assert secret not in str(redactor().text(f"data:text/plain;base64,x {secret}").value)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("cd /home/ann/src && ls", "cd /home/user/src && ls"),
        ("/home/ann", "/home/user"),
        ("in /home/ann.", "in /home/user."),
        ("file:///home/ann/x", "file:///home/user/x"),
        ("-I/home/ann/include:/home/ann/lib", "-I/home/user/include:/home/user/lib"),
        ("%2Fhome%2Fann%2Fx", "%2Fhome%2Fuser%2Fx"),
        ("projects/-home-ann-src-app/1.jsonl", "projects/-home-user-src-app/1.jsonl"),
        ("/mnt/data/ann/x and ~ann/y", "/mnt/data/user/x and ~user/y"),
        ("/x/pytest-of-ann/pytest-0", "/x/pytest-of-user/pytest-0"),
        ("/var/mail/ann: 3 messages", "/var/mail/user: 3 messages"),
        ("/mnt/ann/a:/mnt/ann/b", "/mnt/user/a:/mnt/user/b"),
    ],
)
def test_the_home_and_the_user_go_from_paths(text: str, redacted: str) -> None:
    ours = redactor(person=PERSON)
    assert ours.value({text: [text]}).value == {redacted: [redacted]}
    assert ours.text(redacted).value == redacted


@pytest.mark.parametrize(
    "text",
    [
        "/home/annabel/x /home/ann-marie /home/ann.old/x",
        "Author: ann <ann@example.com>",
        "ann's channel planning",
        "https://github.com/ann/repo git@github.com:ann/repo.git github.com/ann/repo",
        "/mnt/joann/x /mnt/ann-marie/x /mnt/ann.txt",
        "src/ann/model.py",
    ],
)
def test_the_users_name_stays_where_it_is_no_part_of_a_path(text: str) -> None:
    assert redactor(person=PERSON).text(text).value == text


def test_a_name_that_is_nobodys_stays_and_its_home_goes() -> None:
    ours = redactor(person=Person("/data", "root"))
    assert ours.text("/data/x /sys/root/y /my/data").value == "/home/user/x /sys/root/y /my/data"
    assert redactor(person=Person("/", "")).text("/usr/bin").value == "/usr/bin"


def test_the_report_counts_by_kind_and_adds_up() -> None:
    ours = redactor(person=PERSON)
    one = ours.value([token("github token"), f"{token('github token')} {token('jwt')}", "/home/ann/x"]).report
    assert one.counts == {"github-pat": 2, "jwt": 1, "home-directory": 1}
    both = one + ours.value({"a": token("jwt", 2)}).report + Report()
    assert both.counts == {"github-pat": 2, "jwt": 2, "home-directory": 1}
    document = json.loads(json.dumps(both.document()))
    assert document["engines"] == list(ours.engines)
    assert re.fullmatch(r"redact-secret \d+\.\d+\S*", ours.engines[0])
    assert (document["schema_version"], document["total"]) == (1, 5)
    assert report_of(document) == both
    with pytest.raises(ValueError, match="no redaction report"):
        report_of({"counts": 3})


def test_a_dataset_without_a_salt_is_refused() -> None:
    with pytest.raises(ValueError, match="salt"):
        Redactor(salt=b"")
