"""No text costs more than its length, whatever is in it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import planted
import strain
from rollouts.contracts.strict_json import Json

PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
def test_a_text_of_one_thing_again_and_again_takes_no_more_than_its_length(part: int) -> None:
    command = [sys.executable, strain.__file__, str(part), str(PARTS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    numbers = [int(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (strain.text(numbers[-1])[:80] if numbers else "", done)
    assert numbers == [*range(part, strain.COUNT, PARTS)]


def test_work_without_an_end_would_be_noticed() -> None:
    command = [sys.executable, "-c", "import strain\nstrain.allow(1)\nwhile True: pass"]
    done = subprocess.run(command, cwd=Path(strain.__file__).parent, capture_output=True, check=False)
    assert done.returncode == -signal.SIGXCPU


def test_more_secrets_than_the_engine_takes_at_once_are_all_replaced() -> None:
    lines = [f"API_KEY={planted.made(planted.some(planted.WORD, 30), seed)}\n" for seed in range(1000)]
    assert strain.REDACTOR.text("".join(lines) * 51).report.total > 0.99 * 51_000


def test_many_secrets_that_one_text_gives_away_are_replaced_in_another() -> None:
    secrets = [planted.made(planted.some(planted.WORD, 30), seed) for seed in range(2000)]
    value: Json = [*(f"API_KEY={secret} " for secret in secrets[:200]), "\n".join(secrets)]
    assert strain.REDACTOR.value(value).report.total == 400
