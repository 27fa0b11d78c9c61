"""Redacts and scans texts of one thing again and again, in a process of its own that may take so much CPU for each.

`python strain.py PART PARTS` prints each text's number before it, and ends by SIGXCPU when one takes too long.
"""

from __future__ import annotations

import base64
import resource
import sys
from collections.abc import Callable

import planted
from rollouts.redact.blobs import scan
from rollouts.redact.persons import Person
from rollouts.redact.redactor import Redactor

REDACTOR = Redactor(salt=b"test", person=Person("/home/ann", "ann"), known=["aaaaaaaaaaaa1"])
SIZE = 300_000
LARGE = 4_000_000
"""Characters of a text, and of those that have no space in them."""
ALLOWED = 60
"""Seconds of CPU for each, a hundred times what it takes; work that is square in a text's length takes longer."""
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
WITHOUT_SPACE: list[Callable[[], str]] = [
    lambda: base64.b64encode(planted.noise(1, LARGE * 3 // 4)).decode(),
    lambda: planted.noise(2, LARGE // 2).hex(),
    lambda: "a" * LARGE,
]
COUNT = len(UNITS) + len(WITHOUT_SPACE)


def text(number: int) -> str:
    """The text of that number, up to COUNT."""
    if number < len(UNITS):
        return UNITS[number] * (SIZE // len(UNITS[number]))
    return WITHOUT_SPACE[number - len(UNITS)]()


def allow(seconds: int) -> None:
    """Ends this process by SIGXCPU when it has taken so much CPU from here on."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (int(usage.ru_utime + usage.ru_stime) + seconds, most))


def strain(number: int) -> None:
    """Redacts and scans a text; what is one word must stay as it is."""
    given = text(number)
    allow(ALLOWED)
    redacted = REDACTOR.text(given).value
    scan(given.encode(errors="replace"))
    if number >= len(UNITS) and redacted != given:
        raise SystemExit("it was changed")


if __name__ == "__main__":
    for one in range(int(sys.argv[1]), COUNT, int(sys.argv[2])):
        sys.stdout.write(f"{one}\n")
        sys.stdout.flush()
        strain(one)
