"""What one pass over the agents' logs tells, and that looking again reads only what is new."""

from __future__ import annotations

from pathlib import Path

import pytest

import agent_logs as logs
from rollouts import agents
from rollouts.agents.lines import MAX_LINE
from rollouts.facts import Progress, Scan, SessionFacts, Slip, Source, Usage


def sources(agent: str) -> list[Source]:
    found = list(agents.log(agent).sources())
    assert not [one for one in found if isinstance(one, Slip)]
    return [one for one in found if isinstance(one, Source)]


def scanned(agent: str, before: Progress | None = None) -> Scan:
    """What the only source of an agent tells."""
    (source,) = sources(agent)
    return agents.log(agent).scan(source, before)


def only(scan: Scan) -> SessionFacts:
    (facts,) = scan.sessions
    return facts


# Claude Code


def test_lines_with_one_message_id_are_one_message(sealed: Path) -> None:
    logs.put_claude(sealed, logs.claude_session())
    scan = scanned("claude-code")
    facts = only(scan)
    assert (facts.message_count, facts.user_message_count, facts.assistant_message_count) == (5, 2, 3)
    assert (facts.tool_call_count, facts.total_output_tokens, facts.peak_context_tokens) == (1, 30, 107)
    assert (facts.title, facts.first_prompt) == ("Make the file", "Make the file\nwith care")
    assert (facts.started_at, facts.ended_at) == (logs.moment(0), logs.moment(6))
    assert (facts.cwd, facts.git_branch, facts.version, facts.model) == (
        "/srv/demo",
        "main",
        "2.1.197",
        "claude-sonnet-4-5",
    )
    assert [usage.dedup_key for usage in scan.usage] == [f"m:msg_{n}:req_msg_{n}" for n in (1, 2, 3)]


def test_an_answer_that_grows_over_its_lines_counts_once_at_its_largest(sealed: Path) -> None:
    grown = [logs.claude_answer("msg_1", 1, output=1), logs.claude_answer("msg_1", 2, output=50)]
    logs.put_claude(sealed, [logs.claude_user("x", 0), *grown])
    scan = scanned("claude-code")
    assert [usage.output_tokens for usage in scan.usage] == [50]
    assert only(scan).total_output_tokens == 50


@pytest.mark.parametrize("step", [1, 97, 1000])
def test_reading_on_gives_what_reading_at_once_gives(sealed: Path, step: int) -> None:
    path = logs.put_claude(sealed, logs.claude_session())
    whole, data = scanned("claude-code"), path.read_bytes()
    progress: Progress | None = None
    prompt, usage = None, dict[int, Usage]()
    for end in [*range(0, len(data), step), len(data)]:
        path.write_bytes(data[:end])
        scan = scanned("claude-code", progress)
        progress = scan.progress
        prompt = prompt or only(scan).first_prompt
        usage |= {row.ordinal: row for row in scan.usage}
    assert only(scan)._replace(first_prompt=prompt) == only(whole)
    assert list(usage.values()) == whole.usage
    assert progress == whole.progress


def test_a_torn_last_line_is_no_error_and_read_when_it_is_whole(sealed: Path) -> None:
    path = logs.put_claude(sealed, logs.claude_session())
    data = path.read_bytes()
    path.write_bytes(data[:-20])
    scan = scanned("claude-code")
    assert (only(scan).message_count, scan.progress.unreadable_lines) == (4, 0)
    path.write_bytes(data)
    again = scanned("claude-code", scan.progress)
    assert not again.is_anew
    assert only(again).message_count == 5


def test_a_file_that_was_written_anew_is_read_anew(sealed: Path) -> None:
    path = logs.put_claude(sealed, logs.claude_session())
    before = scanned("claude-code").progress
    for lines in (logs.claude_session()[:2], [logs.claude_user("Other", 9), *logs.claude_session() * 3]):
        path.write_bytes(logs.text(lines))
        scan = scanned("claude-code", before)
        assert scan.is_anew
        assert scan.usage[0].ordinal == 0


@pytest.mark.parametrize(
    "line",
    [b"{", b"[]", b'"x"', b"\0" * 500, b"{}}", b'{"type": "user"', b"[" * 100_000],
    ids=["brace", "list", "text", "NULs", "more", "torn", "deep"],
)
def test_a_broken_line_is_counted_and_the_others_are_read(sealed: Path, line: bytes) -> None:
    path = logs.put_claude(sealed, logs.claude_session())
    whole = only(scanned("claude-code"))
    path.write_bytes(path.read_bytes().replace(b"\n", b"\n" + line + b"\n", 1))
    scan = scanned("claude-code")
    assert scan.progress.unreadable_lines == 1
    assert only(scan) == whole


@pytest.mark.parametrize(
    "odd",
    [b'"version": 3', b'"cwd": null', b'"sessionId": {}', b'"message": "x"', b'"isMeta": "no"', b'"new": "\\ud83d"'],
)
def test_odd_fields_are_as_ones_that_are_not_there(sealed: Path, odd: bytes) -> None:
    path = logs.put_claude(sealed, logs.claude_session())
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"}\n")] + b", " + odd + b"}\n")
    scan = scanned("claude-code")
    assert scan.progress.unreadable_lines == 0
    assert only(scan).user_message_count == 2


def test_bytes_that_are_not_utf_8_and_halves_of_surrogates_are_read(sealed: Path) -> None:
    path = logs.put_claude(sealed, [logs.claude_user("PLACE", 0)])
    path.write_bytes(path.read_bytes().replace(b"PLACE", b"a\xffb \\ud83d c"))
    facts = only(scanned("claude-code"))
    assert facts.title == "a\N{REPLACEMENT CHARACTER}b ? c"


def test_kinds_that_are_not_known_are_counted(sealed: Path) -> None:
    logs.put_claude(sealed, [*logs.claude_session(), {"type": "hologram", "message": {"content": "?"}}])
    scan = scanned("claude-code")
    assert (scan.progress.unknown_records, only(scan).message_count) == (1, 5)


def test_titles_of_the_user_win_over_those_of_the_agent(sealed: Path) -> None:
    given = [
        {"type": "summary", "summary": "of another session", "leafUuid": "x"},
        *logs.claude_session(),
        {"type": "custom-title", "customTitle": "Mine", "sessionId": logs.SESSION},
        {"type": "ai-title", "aiTitle": "Its own", "sessionId": logs.SESSION},
    ]
    logs.put_claude(sealed, given[:-2])
    assert only(scanned("claude-code")).title == "Make the file"
    logs.put_claude(sealed, [*given[:-2], given[-1]])
    assert only(scanned("claude-code")).title == "Its own"
    logs.put_claude(sealed, given)
    assert only(scanned("claude-code")).title == "Mine"


def test_what_nobody_typed_is_no_prompt(sealed: Path) -> None:
    lines = [
        logs.claude_user("Caveat", 0, isMeta=True),
        logs.claude_user("<local-command-stdout>x</local-command-stdout>", 1),
        logs.claude_user("This session is being continued", 2, isCompactSummary=True),
        logs.claude_user("[Request interrupted by user]", 3),
        logs.claude_user("<command-name>/review</command-name>\n<command-args>now</command-args>", 4),
    ]
    logs.put_claude(sealed, lines)
    facts = only(scanned("claude-code"))
    assert (facts.message_count, facts.user_message_count, facts.title) == (5, 1, "/review now")


def test_subagents_are_sessions_of_their_own_in_either_layout(sealed: Path) -> None:
    path = logs.put_claude(sealed, logs.claude_session())
    nested = path.with_suffix("") / "subagents" / "agent-new.jsonl"
    nested.parent.mkdir(parents=True)
    beside = path.with_name("agent-old.jsonl")
    for file in (nested, beside):
        file.write_bytes(logs.text([logs.claude_user("Look", 1, isSidechain=True), logs.claude_answer("msg_s", 2)]))
    nested.with_name("agent-new.meta.json").write_text("{}")
    found = {one.key: agents.log("claude-code").scan(one, None) for one in sources("claude-code")}
    for file in (nested, beside):
        scan = found[str(file)]
        assert (scan.root_id, scan.name) == (logs.SESSION, file.name)
        assert (only(scan).parent_id, only(scan).relationship) == (logs.SESSION, "subagent")
    own = [one for one in agents.log("claude-code").sources_of(logs.SESSION) if isinstance(one, Source)]
    assert {one.key for one in own} == found.keys()
    files = [agents.log("claude-code").files(one, "").keys() for one in own if one.name == "agent-new.jsonl"]
    assert files == [{"agent-new.jsonl", "agent-new.meta.json"}]


def test_a_file_that_goes_on_with_another_session_is_its_continuation(sealed: Path) -> None:
    logs.put_claude(sealed, logs.claude_session("other"))
    facts = only(scanned("claude-code"))
    assert (facts.session_id, facts.parent_id, facts.relationship) == (logs.SESSION, "other", "continuation")


def test_a_prompt_far_back_begins_a_branch_and_a_retry_does_not(sealed: Path) -> None:
    turns = []
    for number in range(5):
        parent = f"a{number - 1}" if number else None
        turns.append(logs.claude_user(f"turn {number}", 2 * number) | {"uuid": f"u{number}", "parentUuid": parent})
        turns.append(logs.claude_answer(f"msg_{number}", 2 * number + 1, uuid=f"a{number}", parentUuid=f"u{number}"))
    again = logs.claude_user("again", 20) | {"uuid": "u9", "parentUuid": "a0"}
    logs.put_claude(sealed, [*turns, again, logs.claude_answer("msg_9", 21)])
    trunk, branch = scanned("claude-code").sessions
    assert (trunk.message_count, branch.message_count) == (10, 2)
    assert (branch.session_id, branch.parent_id, branch.relationship) == (f"{logs.SESSION}-u9", logs.SESSION, "fork")
    logs.put_claude(sealed, [*turns, again | {"parentUuid": "a2"}])
    assert only(scanned("claude-code")).message_count == 11


def test_a_line_that_is_too_long_is_skipped_and_what_follows_is_read(sealed: Path) -> None:
    path = logs.put_claude(sealed, logs.claude_session())
    with path.open("r+b") as file:
        file.seek(MAX_LINE + 5000, 2)  # a hole reads as NULs, which a power loss leaves
        file.write(b"\n" + logs.text([logs.claude_answer("msg_4", 8)]))
    scan = scanned("claude-code")
    assert (scan.progress.unreadable_lines, only(scan).message_count) == (1, 6)
    assert scan.progress.offset == path.stat().st_size


# Codex


def test_codex_counts_calls_as_answers_and_repeated_totals_not(sealed: Path) -> None:
    logs.put_codex(sealed, logs.codex_session())
    scan = scanned("codex")
    facts = only(scan)
    assert (facts.message_count, facts.user_message_count, facts.assistant_message_count) == (3, 1, 2)
    assert (facts.tool_call_count, facts.title, facts.git_branch) == (1, "Fix the test", "main")
    assert [(row.input_tokens, row.cache_read_tokens, row.reasoning_tokens) for row in scan.usage] == [(60, 40, 3)] * 2
    assert {row.model for row in scan.usage} == {"gpt-5.5"}
    assert (scan.root_id, scan.name) == (logs.THREAD, "main.jsonl")


def test_records_of_usage_are_not_counted_twice(sealed: Path) -> None:
    usage = {"input_tokens": 100, "cached_input_tokens": 40, "cache_write_input_tokens": 10, "output_tokens": 5}
    record = logs.codex_line("token_usage_record", 4, response_id="resp_1", usage=usage)
    logs.put_codex(sealed, [*logs.codex_session()[:5], record, *logs.codex_session()[5:]])
    (row,) = scanned("codex").usage
    assert (row.input_tokens, row.cache_read_tokens, row.cache_write_tokens, row.dedup_key) == (50, 40, 10, "r:resp_1")


@pytest.mark.parametrize(
    "meta",
    [
        {"session_id": logs.THREAD, "parent_thread_id": logs.THREAD},
        {"source": {"subagent": {"thread_spawn": {"parent_thread_id": logs.THREAD, "depth": 1}}}},
    ],
    ids=["today", "older"],
)
def test_a_subagents_thread_belongs_to_the_session_that_started_it(sealed: Path, meta: dict[str, object]) -> None:
    logs.put_codex(sealed, logs.codex_session())
    path = logs.put_codex(sealed, logs.codex_session(logs.CHILD, **meta), logs.CHILD)
    source = next(one for one in sources("codex") if one.key == str(path))
    scan = agents.log("codex").scan(source, None)
    assert (scan.root_id, scan.name) == (logs.THREAD, f"{logs.CHILD}.jsonl")
    assert (only(scan).parent_id, only(scan).relationship) == (logs.THREAD, "subagent")
    assert len(list(agents.log("codex").sources_of(logs.THREAD))) == 2


def test_what_a_subagent_copied_from_its_parent_is_not_its_own(sealed: Path) -> None:
    young = "01a1ff9e-ffff-7000-8000-000000000009"
    meta = {"session_id": logs.THREAD, "parent_thread_id": logs.THREAD, "forked_from_id": logs.THREAD}
    own = [
        logs.codex_line("event_msg", 20, type="task_started", turn_id=young),
        logs.codex_message("user", "Your part", 21),
        logs.codex_message("assistant", "Mine", 22),
    ]
    lines = [logs.codex_session(logs.CHILD, **meta)[0], *logs.codex_session(), *own]
    logs.put_codex(sealed, lines, logs.CHILD)
    facts = only(scanned("codex"))
    assert (facts.title, facts.message_count, facts.tool_call_count) == ("Your part", 2, 0)


def test_the_oldest_form_is_read(sealed: Path) -> None:
    lines: list[logs.Line] = [
        {"id": logs.THREAD, "timestamp": logs.moment(0), "instructions": None, "git": {"branch": "old"}},
        {"record_type": "state"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]},
        {"type": "function_call", "name": "shell", "arguments": "{}", "call_id": "c"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]},
    ]
    logs.put_codex(sealed, lines)
    scan = scanned("codex")
    facts = only(scan)
    assert (facts.message_count, facts.tool_call_count, facts.title, facts.git_branch) == (3, 1, "Hello", "old")
    assert scan.progress.unknown_records == 0


def test_archived_threads_are_found(sealed: Path) -> None:
    logs.put_codex(sealed, logs.codex_session(), top="archived_sessions")
    assert only(scanned("codex")).session_id == logs.THREAD


# OpenCode


def test_opencodes_database_tells_facts_and_costs(sealed: Path) -> None:
    logs.opencode_database(sealed)
    found = {one.name: agents.log("opencode").scan(one, None) for one in sources("opencode")}
    scan = found["main.json"]
    facts = only(scan)
    assert (facts.session_id, facts.title, facts.first_prompt, facts.cwd) == (
        "ses_1",
        "Title of ses_1",
        "Write it",
        "/srv/demo",
    )
    assert (facts.message_count, facts.user_message_count, facts.tool_call_count) == (3, 1, 1)
    assert [(row.input_tokens, row.cache_read_tokens, row.cache_write_tokens) for row in scan.usage] == [
        (100, 5, 6)
    ] * 2
    assert [row.cost_microusd for row in scan.usage] == [2, 2]
    child = found["ses_2.json"]
    assert (child.root_id, only(child).parent_id, only(child).relationship) == ("ses_1", "ses_1", "subagent")


def test_a_database_of_another_schema_is_a_named_slip(sealed: Path) -> None:
    path = logs.opencode_database(sealed)
    path.write_bytes(b"")
    (slip,) = agents.log("opencode").sources()
    assert isinstance(slip, Slip)
    assert "schema" in slip.reason
    path.write_bytes(b"no database at all" * 100)
    (slip,) = agents.log("opencode").sources()
    assert isinstance(slip, Slip)
