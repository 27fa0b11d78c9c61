"""What setup does to the text of settings files: our hooks, and not a byte of anything else."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

import random_json
from rollouts.agents import hook_settings, spans
from rollouts.agents.claude_code import setup as claude
from rollouts.agents.codex import setup as codex
from rollouts.agents.codex import trust
from rollouts.agents.hook_settings import command
from rollouts.agents.installing import Call, Installed
from rollouts.agents.spans import JsonError
from rollouts.errors import RolloutsError

CALL = Call("/opt/with space/it's/rollouts", every_tool=False)
TOOLS = CALL._replace(every_tool=True)
SEEDS = range(120)
FILE = "settings.json"


def without_ours(text: str) -> object:
    """What a settings file says, but for groups of ours, and lists and objects that hold nothing."""
    found = json.loads(text)
    ours = {command(call, "claude-code") for call in (CALL, TOOLS)}
    events = {
        event: [group for group in groups if {hook.get("command") for hook in group["hooks"]}.isdisjoint(ours)]
        for event, groups in found.pop("hooks", {}).items()
    }
    return found, {event: groups for event, groups in events.items() if groups}


@pytest.mark.parametrize("chunk", range(4))
def test_hooks_come_and_go_without_a_byte_of_the_rest(chunk: int) -> None:
    for seed in SEEDS[chunk::4]:
        before = random_json.settings(seed, empty=False).encode()
        after = claude.installed(before, CALL, FILE)
        assert claude.found(after, FILE) == Installed(frozenset({CALL}), is_complete=True), before
        assert without_ours(after.decode()) == without_ours(before.decode())
        assert claude.removed(after, FILE, made=False) == before
        assert claude.installed(after, CALL, FILE) == after


@pytest.mark.parametrize("chunk", range(4))
def test_files_with_empty_parts_say_the_same_when_hooks_have_come_and_gone(chunk: int) -> None:
    for seed in SEEDS[chunk::4]:
        before = random_json.settings(seed, empty=True).encode()
        after = claude.installed(before, TOOLS, FILE)
        assert claude.found(after, FILE) == Installed(frozenset({TOOLS}), is_complete=True), before
        assert without_ours(after.decode()) == without_ours(before.decode())
        gone = claude.removed(after, FILE, made=False)
        assert gone is not None
        assert without_ours(gone.decode()) == without_ours(before.decode())
        assert claude.found(gone, FILE) is None


def test_changed_wishes_are_followed_in_place_and_removed_to_the_byte() -> None:
    for seed in SEEDS[::4]:
        before = random_json.settings(seed, empty=False).encode()
        first = claude.installed(before, CALL._replace(program="/old/rollouts"), FILE)
        wide = claude.installed(first, TOOLS, FILE)
        assert claude.found(wide, FILE) == Installed(frozenset({TOOLS}), is_complete=True)
        narrow = claude.installed(wide, CALL, FILE)
        assert claude.found(narrow, FILE) == Installed(frozenset({CALL}), is_complete=True)
        assert claude.removed(narrow, FILE, made=False) == before


def test_layout_of_the_file_is_taken_up() -> None:
    tabs = claude.installed(b'{\r\n\t"model": "x"\r\n}', CALL, FILE).decode()
    assert '\r\n\t"hooks": {\r\n\t\t"UserPromptSubmit": [\r\n\t\t\t{\r\n' in tabs
    assert "\n" not in tabs.replace("\r\n", "")
    assert not tabs.endswith("\n")
    assert "\n" not in claude.installed(b'{"model":"x"}', CALL, FILE).decode()
    assert claude.installed(b'{"model":"x"}', CALL, FILE).startswith(
        b'{"model":"x","hooks":{"UserPromptSubmit":[{"hooks":[{"type":'
    )


def test_new_file_is_written_for_people_to_read() -> None:
    text = codex.installed(None, CALL, FILE).decode()
    assert text == json.dumps(json.loads(text), indent=2) + "\n"


def test_byte_order_mark_stays_where_claude_code_passes_over_it() -> None:
    before = b'\xef\xbb\xbf{"a": 1}'
    after = claude.installed(before, CALL, FILE)
    assert after.startswith(b'\xef\xbb\xbf{"a": 1, "hooks"')
    assert claude.removed(after, FILE, made=False) == before


def test_of_a_key_that_stands_twice_the_last_one_counts_as_for_claude_code() -> None:
    before = b'{"hooks": {"Stop": []}, "hooks": {"Stop": [1]}}'
    after = claude.installed(before, CALL, FILE)
    assert after.startswith(b'{"hooks": {"Stop": []}, "hooks": {"Stop": [1, {"hooks"')
    assert claude.removed(after, FILE, made=False) == before


# --- whose hook is whose


@pytest.mark.parametrize(
    "line",
    [
        "rollouts hook",
        "rollouts hook codex",
        "rollouts hook claude-code --else",
        "uvx rollouts hook claude-code",
        "/bin/myrollouts hook claude-code",
        "rollouts hook claude-code; rm -rf /",
        "rollouts hook claude-code | tee log",
        "[ -x /a/rollouts ] && /b/rollouts hook claude-code >/dev/null || :",
        "[ -x /a/rollouts ] && /a/rollouts hook claude-code >/dev/null || reboot",
        "echo 'rollouts hook claude-code",
        "",
    ],
)
def test_somebody_elses_command_is_never_taken_for_ours(line: str) -> None:
    before = json.dumps({"hooks": {"Stop": [{"hooks": [{"type": "command", "command": line}]}]}}).encode()
    assert claude.found(before, FILE) is None
    after = claude.installed(before, CALL, FILE)
    assert json.loads(after)["hooks"]["Stop"][0] == json.loads(before)["hooks"]["Stop"][0]
    assert claude.removed(after, FILE, made=False) == before


@pytest.mark.parametrize("line", ["rollouts hook claude-code", "/a/rollouts hook claude-code --every-tool"])
def test_hook_that_was_written_by_hand_is_ours_and_brought_up_to_date(line: str) -> None:
    before = json.dumps({"hooks": {"Stop": [{"hooks": [{"type": "command", "command": line}]}]}}).encode()
    found = claude.found(before, FILE)
    assert found
    assert not found.is_complete
    after = claude.installed(before, CALL, FILE)
    assert len(json.loads(after)["hooks"]["Stop"]) == 1
    assert claude.found(after, FILE) == Installed(frozenset({CALL}), is_complete=True)


def test_hooks_of_ours_that_stand_twice_become_one() -> None:
    once = json.loads(claude.installed(None, CALL, FILE))
    once["hooks"]["Stop"] *= 3
    after = claude.installed(json.dumps(once).encode(), CALL, FILE)
    assert len(json.loads(after)["hooks"]["Stop"]) == 1


# --- what is refused


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '{\n  // why\n  "a": 1\n}',
            "line 2, column 3: a comment, which is no JSON; Claude Code ignores the whole file",
        ),
        ('{"a": 1 /* why */}', "line 1, column 9: a comment"),
        ('{"a": 1,\n}', "line 1, column 8: a comma with no member after it"),
        ('{"a": [1,]}', "line 1, column 9: a comma with no value after it"),
        ('{"a" 1}', "line 1, column 6: a colon is expected"),
        ('{"a": 1 "b": 2}', "line 1, column 9: a comma or } is expected"),
        ('{"a": ', "line 1, column 7: a value is expected, but the text ends"),
        ("{a: 1}", "line 1, column 2: a key in quotes is expected"),
        ('{"a": "b}', "line 1, column 7: a whole text in quotes is expected"),
        ('{"a": NaN}', "line 1, column 7: a value is expected"),
        ('{"a": 1}\n{}', "line 2, column 1: the end of the file is expected"),
        ('{"a": 01}', "line 1, column 8: a comma or } is expected"),
        ("[" * 200, "nesting deeper than 100 levels"),
        ("[]", "line 1, column 1: the settings must be an object"),
        ('{"hooks": []}', "line 1, column 11: `hooks` must be an object"),
        ('{"hooks": {\n"Stop": {}}}', "line 2, column 9: `hooks.Stop` must be a list"),
        ('{"hooks": null}', "`hooks` must be an object"),
    ],
)
def test_file_that_claude_code_would_not_read_is_refused_with_the_place(text: str, said: str) -> None:
    with pytest.raises(RolloutsError) as caught:
        claude.installed(text.encode(), CALL, FILE)
    assert said in str(caught.value)
    assert str(caught.value).endswith("nothing was changed")


def test_place_in_a_file_that_is_no_utf8_is_named() -> None:
    with pytest.raises(RolloutsError, match="line 2, column 3: this is not UTF-8"):
        claude.installed(b'{\n"\xc3\xbc\xff"', CALL, FILE)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"version": 1}', "Codex takes no `version` there"),
        ('{"hooks": {"Stop": [], "Stop": []}}', "`Stop` stands there twice"),
        ('\ufeff{"hooks": {}}', "a byte order mark"),
        ('{"hooks": {"PreToolUse": {}}}', "`hooks.PreToolUse` must be a list"),
    ],
)
def test_file_that_codex_would_not_read_is_refused(text: str, said: str) -> None:
    with pytest.raises(RolloutsError) as caught:
        codex.installed(text.encode(), CALL, FILE)
    assert said in str(caught.value)


def test_scanner_accepts_what_the_json_package_accepts_and_nothing_else() -> None:
    for seed in SEEDS[::8]:
        text = random_json.settings(seed, empty=True)
        for at in range(0, len(text), 7):
            broken = text[:at] + text[at + 1 :]
            try:
                json.loads(broken)
            except ValueError:
                with pytest.raises(JsonError):
                    spans.scan(broken)
            else:
                spans.scan(broken)


# --- codex: places


def test_codex_hooks_behind_ours_keep_their_places_when_ours_go() -> None:
    ours = json.loads(
        codex.installed(b'{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "a"}]}]}}', CALL, FILE)
    )
    ours["hooks"]["Stop"].append({"hooks": [{"type": "command", "command": "b"}]})
    left = codex.removed(json.dumps(ours).encode(), FILE, made=True)
    assert left is not None
    groups = json.loads(left)["hooks"]["Stop"]
    assert [[hook["command"] for hook in group["hooks"]] for group in groups] == [["a"], [], ["b"]]


def test_codex_hooks_are_replaced_in_their_places() -> None:
    ours = json.loads(codex.installed(None, CALL, FILE))
    ours["hooks"]["Stop"].append({"hooks": [{"type": "command", "command": "b"}]})
    after = json.loads(codex.installed(json.dumps(ours).encode(), TOOLS, FILE))
    assert [group["hooks"][0]["command"] for group in after["hooks"]["Stop"]] == [command(TOOLS, "codex"), "b"]


# --- codex: trust

KEY, OTHER = "/home/u/.codex/hooks.json:stop:0:0", "/home/u/.codex/hooks.json:stop:1:0"
TOML = (
    "",
    'model = "x"',
    'model = "x" # why\n\n[projects."/x"]\ntrust_level = "trusted"\n',
    '[a]\r\nb = """\r\n[hooks.state."k"]\r\n"""\r\n',
    f'[hooks.state."{OTHER}"]\ntrusted_hash = "sha256:other"\n\n[z]\na = 1\n',
    "[hooks]\nsomething = 1\n[z]\n",
)


@pytest.mark.parametrize("before", TOML)
def test_trust_comes_and_goes_without_a_byte_of_the_rest(before: str) -> None:
    wanted = {KEY: "sha256:one", "/home/ü/hooks.json:stop:2:0": "sha256:two"}
    after = trust.given(before.encode(), wanted)
    state = tomllib.loads(after.decode())["hooks"]["state"]
    assert {key: table["trusted_hash"] for key, table in state.items()}.items() >= wanted.items()
    assert after.decode().startswith(before)
    assert trust.given(after, wanted) == after
    again = trust.given(after, {KEY: "sha256:new"})
    assert again == after.replace(b"sha256:one", b"sha256:new")
    end = "" if before.endswith("\n") or not before else "\n"
    assert trust.taken(after, wanted).decode() == before + end
    more = "\n[zz]\na = 1\n"
    assert trust.taken(after + more.encode(), wanted).decode() == before + end + more


def test_trust_is_brought_up_to_date_where_it_stands_and_keeps_its_comment() -> None:
    before = f"[hooks.state.'{KEY}'] # mine\nenabled = true\ntrusted_hash = 'sha256:old' # since May\n[z]\n"
    after = trust.given(before.encode(), {KEY: "sha256:new"})
    assert after.decode() == before.replace("'sha256:old'", '"sha256:new"')


def test_trust_that_somebody_changed_since_is_left() -> None:
    text = f'[hooks.state."{KEY}"]\ntrusted_hash = "sha256:theirs"\n'.encode()
    assert trust.taken(text, {KEY: "sha256:ours"}) == text


@pytest.mark.parametrize(
    "text", [f'hooks = {{ state = {{ "{KEY}" = {{ trusted_hash = "a" }} }} }}', "hooks = { x = 1 }", "hooks = 1"]
)
def test_trust_in_another_form_than_codex_writes_is_refused(text: str) -> None:
    with pytest.raises(RolloutsError, match="was not changed"):
        trust.given(text.encode(), {KEY: "sha256:new"})


def test_broken_config_toml_is_refused_with_the_place() -> None:
    with pytest.raises(RolloutsError, match="line 2"):
        trust.given(b"a = 1\nb = \n", {KEY: "x"})


# --- for how long transcripts are kept


@pytest.mark.parametrize(
    ("text", "days"),
    [(None, 30), ("{}", 30), ('{"cleanupPeriodDays": 400}', 400), ('{"cleanupPeriodDays": true}', 30), ("{ // no", 30)],
)
def test_retention_is_what_the_users_settings_say(text: str | None, days: int, sealed: Path) -> None:
    (sealed / ".claude").mkdir()
    if text is not None:
        (sealed / ".claude" / "settings.json").write_text(text)
    found = claude.retention()
    assert found
    assert (found.days, found.is_default) == (days, days == 30)
    assert codex.retention() is None


def test_hooks_of_one_agent_are_not_anothers() -> None:
    text = hook_settings.installed("", "codex", CALL, {"Stop": 1}, keep_places=True)
    assert hook_settings.found(text, "claude-code") == []
    assert [hook.timeout for hook in hook_settings.found(text, "codex")] == [1]
