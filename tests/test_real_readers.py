"""What Rollouts reads of a session is what the model was shown: the model's own log is the witness."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import pytest

from agents_harness.scene import Run
from agents_harness.server import Exchange
from agents_harness.views import read, requested
from real_runs import DRIVERS, Runs, each
from rollouts import agents
from rollouts.agents.session import Session, views
from rollouts.paths import Home
from rollouts.storage.pieces import Content
from rollouts.storage.transcripts import Transcripts


def session(name: str, run: Run) -> Session:
    """The run's session, from the transcript that was captured."""
    files = Transcripts(Home(str(run.room.rollouts))).files(DRIVERS[name].name, run.session)
    assert files
    chunks = {file: partial(_pieces, content) for file, content in files.items()}
    reader = agents.reader(DRIVERS[name].name)
    record = reader.record_from(run.session, chunks)
    assert record
    return reader.session(record)


def _pieces(content: Content) -> Iterable[bytes]:
    return content.chunks()


def last_exchange(run: Run) -> Exchange:
    """The last request of the session itself."""
    return [found for found in run.exchanges if found.place and found.place.thread < len(run.turns)][-1]


def was_told(text: str, told: list[str]) -> bool:
    """Whether the model was told something, perhaps within more words of the agent's own.

    Codex leaves out of its instructions what is about tools that it does not offer; the record has them whole.
    """
    lines = set(text.splitlines())
    return any(text.strip() in shown or (len(shown) > 9999 and lines >= set(shown.splitlines())) for shown in told)


def agree(found: Session, exchange: Exchange) -> None:
    """The session's last view is what the request showed, with what was answered to it."""
    shown, seen = requested(exchange), read(list(views(found))[-1])
    assert seen.said == shown.said
    assert seen.called == shown.called
    assert seen.given == shown.given
    assert not [text for text in seen.told if not was_told(text, shown.told)], "something that the model was not told"


@pytest.mark.parametrize("name", each())
def test_a_session_holds_what_the_model_was_shown_and_nothing_else(name: str, runs: Runs) -> None:
    run = runs.hooked(name)
    found = session(name, run)
    agree(found, last_exchange(run))
    assert [turn.prompt.strip('"') for turn in found.turns] == [turn.prompt for turn in run.turns]
    assert [turn.key for turn in found.turns] == [turn.before for turn in run.own_turns]
    assert (found.unknown, found.unreadable_lines) == ({}, 0)


@pytest.mark.parametrize("name", each("claude-code", "codex", "codex-in-code", "opencode"))
def test_a_subagents_session_holds_what_its_model_was_shown(name: str, runs: Runs) -> None:
    run = runs.hooked(name)
    (helper,) = session(name, run).subagents
    exchange = [found for found in run.exchanges if found.place and found.place.thread == len(run.turns)][-1]
    agree(helper, exchange)


@pytest.mark.parametrize("name", each("codex", "opencode"))
def test_after_a_compaction_a_session_holds_what_the_model_was_shown_from_there(name: str, runs: Runs) -> None:
    run = runs.compacting(name)
    found = session(name, run)
    assert len(found.compactions) == 1
    agree(found, last_exchange(run))
