"""`rollouts setup`: hooks come into agents' configuration, and go again."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import failure
from rollouts.setup import program
from setting_up import NAMES, PROGRAM, commands, everything, files, programs, report, setup

HOOK = "[ -x {0} ] && {0} hook {1} >/dev/null || :"


@pytest.fixture
def all_three(tmp_path: Path) -> dict[str, str]:
    """A PATH with the programs of all three agents."""
    return programs(tmp_path / "bin", "claude", "codex", "opencode")


def test_setup_installs_into_each_agent_that_is_found(all_three: dict[str, str], sealed: Path) -> None:
    done = setup(env=all_three)
    assert done.code == 0, done
    where = files(sealed)
    assert [line for line in done.out.splitlines() if not line.startswith(" ")] == [
        f"{name}: installed: {where[name]}" for name in NAMES
    ]
    claude = HOOK.format(shlex.quote(PROGRAM), "claude-code")
    assert commands(where["claude-code"]) == {
        "UserPromptSubmit": [(claude, 60)],
        "Stop": [(claude, 60)],
        "SubagentStop": [(claude, 60)],
        "SessionEnd": [(claude, 10)],
    }
    codex = HOOK.format(shlex.quote(PROGRAM), "codex")
    assert commands(where["codex"]) == {
        "UserPromptSubmit": [(codex, 60)],
        "Stop": [(codex, 60)],
        "SubagentStop": [(codex, 60)],
        "SessionEnd": [(codex, 3)],
    }
    assert f"\nconst PROGRAM = {json.dumps(PROGRAM)}\nconst EVERY_TOOL = false\n" in where["opencode"].read_text()


def test_setup_twice_says_already_and_writes_nothing(all_three: dict[str, str], sealed: Path) -> None:
    setup(env=all_three)
    before = {path: path.stat().st_mtime_ns for path in files(sealed).values()}
    found = report(env=all_three)
    assert {agent: entry["action"] for agent, entry in found.items()} == dict.fromkeys(NAMES, "already")
    assert before == {path: path.stat().st_mtime_ns for path in files(sealed).values()}


def test_remove_leaves_the_home_as_it_was(all_three: dict[str, str], sealed: Path, home: Path) -> None:
    (sealed / ".claude").mkdir()
    (sealed / ".claude" / "settings.json").write_bytes(b'{ "hooks" : { } , "env":{"A":"1"}}\r\n')
    before = everything(sealed)
    for words in ((), ("--every-tool",), ()):
        assert setup(*words, env=all_three).code == 0
        assert everything(sealed) != before
    done = setup("--remove", env=all_three)
    assert (done.code, [line.split(": ")[1] for line in done.out.splitlines()]) == (0, ["removed"] * 3)
    assert everything(sealed) == before
    assert not (home / "setup").exists()
    assert [entry["action"] for entry in report("--remove", env=all_three).values()] == ["absent"] * 3


def test_every_tool_adds_events_and_setup_without_it_takes_them_back(all_three: dict[str, str], sealed: Path) -> None:
    where = files(sealed)
    setup(env=all_three)
    plain = {name: path.read_bytes() for name, path in where.items()}
    assert report("--every-tool", env=all_three)["codex"]["action"] == "updated"
    assert {"PostToolUse", "PostToolUseFailure"} <= commands(where["claude-code"]).keys()
    assert commands(where["codex"])["PostToolUse"][0][0].endswith(" hook codex --every-tool >/dev/null || :")
    assert "\nconst EVERY_TOOL = true\n" in where["opencode"].read_text()
    setup(env=all_three)
    assert plain == {name: path.read_bytes() for name, path in where.items()}


def test_foreign_edits_survive_removal(all_three: dict[str, str], sealed: Path) -> None:
    path = files(sealed)["claude-code"]
    setup("claude-code", env=all_three)
    settings = json.loads(path.read_text())
    settings["hooks"]["Stop"].insert(0, {"hooks": [{"type": "command", "command": "mine"}]})
    path.write_text(json.dumps({"model": "x"} | settings))
    assert setup("--remove", env=all_three).code == 0
    assert json.loads(path.read_text()) == {
        "model": "x",
        "hooks": {"Stop": [{"hooks": [{"type": "command", "command": "mine"}]}]},
    }


def test_hooks_are_found_and_removed_when_the_rollouts_home_is_gone(
    all_three: dict[str, str], sealed: Path, tmp_path: Path
) -> None:
    path = files(sealed)["claude-code"]
    path.parent.mkdir()
    path.write_text('{\n    "model": "x"\n}')
    setup(env=all_three)
    assert setup("--remove", env=all_three | {"ROLLOUTS_HOME": str(tmp_path / "another")}).code == 0
    assert path.read_text() == '{\n    "model": "x"\n}'
    assert not files(sealed)["opencode"].exists()


def test_another_path_of_the_program_is_replaced_in_place(all_three: dict[str, str], sealed: Path) -> None:
    path = files(sealed)["claude-code"]
    path.parent.mkdir()
    old = {"type": "command", "command": "/old/rollouts hook claude-code", "timeout": 5}
    mine = {"type": "command", "command": "mine", "timeout": 1}
    path.write_text(json.dumps({"hooks": {"Stop": [{"hooks": [old]}, {"hooks": [mine]}]}}, indent=4))
    state = report("--status", env=all_three)["claude-code"]["scopes"][0]
    assert (state["state"], state["program"]) == ("outdated", "/old/rollouts")
    assert "is not there" in state["problem"]
    assert report("claude", env=all_three)["claude-code"]["action"] == "updated"
    assert [line for line, _ in commands(path)["UserPromptSubmit"]] == [
        HOOK.format(shlex.quote(PROGRAM), "claude-code")
    ]
    groups = json.loads(path.read_text())["hooks"]["Stop"]
    assert groups[0]["hooks"][0]["timeout"] == 60
    assert groups[1]["hooks"] == [mine]


def test_dry_run_shows_a_diff_and_changes_nothing(all_three: dict[str, str], sealed: Path, home: Path) -> None:
    path = files(sealed)["claude-code"]
    path.parent.mkdir()
    path.write_text('{\n  "model": "x"\n}\n')
    before = everything(sealed)
    done = setup("--dry-run", env=all_three)
    assert done.code == 0
    assert f"claude-code: would install: {path}" in done.out
    assert '  -  "model": "x"\n  +  "model": "x",\n  +  "hooks": {\n' in done.out
    assert "  --- /dev/null\n" in done.out
    assert everything(sealed) == before
    assert not home.exists()
    setup(env=all_three)
    assert f"codex: would remove: {files(sealed)['codex']}" in setup("--remove", "--dry-run", env=all_three).out
    assert files(sealed)["codex"].exists()


# --- which agents


def test_an_agent_is_found_by_its_folder_as_well(tmp_path: Path, sealed: Path) -> None:
    (sealed / ".codex").mkdir()
    assert list(report(env=programs(tmp_path / "bin"))) == ["codex"]


def test_folders_are_where_the_agents_own_variables_say(tmp_path: Path) -> None:
    env = {
        "CLAUDE_CONFIG_DIR": str(tmp_path / "c c"),
        "CODEX_HOME": str(tmp_path / "x x"),
        "XDG_CONFIG_HOME": str(tmp_path / "xdg"),
    }
    for folder in ("c c", "x x", "xdg/opencode"):
        (tmp_path / folder).mkdir(parents=True)
    found = report(env=programs(tmp_path / "bin") | env)
    assert [entry["file"] for entry in found.values()] == [
        str(tmp_path / "c c" / "settings.json"),
        str(tmp_path / "x x" / "hooks.json"),
        str(tmp_path / "xdg" / "opencode" / "plugins" / "rollouts.js"),
    ]


def test_no_agent_at_all_is_a_failure_that_says_what_was_looked_for(tmp_path: Path, sealed: Path) -> None:
    said = failure(setup(env=programs(tmp_path / "bin")))
    assert said.startswith("no coding agent was found (looked for `claude` on PATH or ")
    assert str(sealed / ".config" / "opencode") in said


def test_named_agent_that_is_not_installed_is_said_plainly(tmp_path: Path, sealed: Path) -> None:
    said = failure(setup("codex", env=programs(tmp_path / "bin", "claude")))
    assert said == (
        f"not installed: codex (looked for `codex` on PATH or {sealed / '.codex'}); install it and try again"
    )
    assert not (sealed / ".codex").exists()


def test_unknown_agent_is_refused(all_three: dict[str, str]) -> None:
    for words in ((), ("--remove",), ("--status",)):
        assert "unsupported agent: emacs" in failure(setup("emacs", *words, env=all_three))


def test_hooks_of_an_agent_that_is_gone_are_removed(all_three: dict[str, str], sealed: Path, tmp_path: Path) -> None:
    before = everything(sealed)
    setup(env=all_three)
    assert setup("--remove", env=programs(tmp_path / "empty")).code == 0
    assert everything(sealed) == before


# --- scopes


def test_project_scope_writes_into_the_project_only(all_three: dict[str, str], sealed: Path, plain: Path) -> None:
    before = everything(plain)
    found = report("--scope", "project", "--workspace", plain, env=all_three)
    assert [entry["file"] for entry in found.values()] == [
        str(plain / ".claude" / "settings.json"),
        str(plain / ".codex" / "hooks.json"),
        str(plain / ".opencode" / "plugins" / "rollouts.js"),
    ]
    assert everything(sealed) == {".gitconfig": (sealed / ".gitconfig").read_bytes()}
    state = report("--status", env=all_three, cwd=plain)["claude-code"]["scopes"]
    assert [(scope["scope"], scope["state"]) for scope in state] == [("user", "absent"), ("project", "installed")]
    assert setup("--remove", "--scope", "project", env=all_three, cwd=plain).code == 0
    assert everything(plain) == before


def test_hooks_in_both_scopes_are_refused_or_told(all_three: dict[str, str], plain: Path) -> None:
    setup("--scope", "project", "claude-code", env=all_three, cwd=plain)
    notes = report("claude-code", env=all_three, cwd=plain)["claude-code"]["notes"]
    assert "each event calls Rollouts twice" in notes[0]
    assert "both scopes have hooks" in setup("--status", env=all_three, cwd=plain).out
    refused = setup("--scope", "project", "claude-code", env=all_three)
    assert refused.code == 1
    assert "run in each project" in refused.err


def test_workspace_goes_with_scope_project_only(all_three: dict[str, str], tmp_path: Path) -> None:
    assert "--scope project" in failure(setup("--workspace", tmp_path, env=all_three), 2)
    said = failure(setup("--scope", "project", "--workspace", tmp_path / "none", env=all_three), 2)
    assert "does not exist" in said
    failure(setup("--scope", "machine", env=all_three), 2)
    failure(setup("--remove", "--trust", env=all_three), 2)
    failure(setup("--remove", "--status", env=all_three), 2)


# --- one that fails keeps no other back


def test_a_file_that_cannot_be_read_stops_its_own_agent_only(all_three: dict[str, str], sealed: Path) -> None:
    path = files(sealed)["claude-code"]
    path.parent.mkdir()
    path.write_text('{\n  // mine\n  "a": 1\n}')
    done = setup(env=all_three)
    assert done.code == 1
    assert f"Error: {path} cannot be read: line 2, column 3: a comment, which is no JSON; Claude Code" in done.err
    assert f"claude-code: failed: {path}\n" in done.out
    assert path.read_text() == '{\n  // mine\n  "a": 1\n}'
    assert files(sealed)["codex"].exists()
    state = setup("--status", env=all_three)
    assert state.code == 0
    assert "unreadable" in state.out
    assert "cannot be read" in state.out


def test_foreign_plugin_of_that_name_is_left_alone(all_three: dict[str, str], sealed: Path) -> None:
    path = files(sealed)["opencode"]
    path.parent.mkdir(parents=True)
    path.write_text("export const Mine = async () => ({})\n")
    done = setup("opencode", env=all_three)
    assert done.code == 1
    assert "a plugin that Rollouts did not make" in done.err
    assert setup("--remove", "opencode", env=all_three).code == 0
    assert path.read_text() == "export const Mine = async () => ({})\n"


# --- what is worth knowing


def test_switches_that_turn_hooks_off_are_named(all_three: dict[str, str], sealed: Path) -> None:
    for name in (".claude", ".codex", ".config/opencode/plugins"):
        (sealed / name).mkdir(parents=True)
    files(sealed)["claude-code"].write_text('{"disableAllHooks": true}')
    (sealed / ".codex" / "config.toml").write_text("[features]\nhooks = false\n")
    (sealed / ".config" / "opencode" / "plugins" / "rollouts.ts").write_text("// 0.1\n")
    found = report(env=all_three)
    assert "disableAllHooks" in found["claude-code"]["notes"][0]
    assert "[features]" in found["codex"]["notes"][0]
    assert "agent-rollouts 0.1" in found["opencode"]["notes"][0]


def test_codex_is_said_to_ask_and_trust_is_named(all_three: dict[str, str]) -> None:
    out = setup("codex", env=all_three).out
    assert "Hooks need review" in out
    assert "`rollouts setup codex --trust`" in out
    state = report("--status", "codex", env=all_three)["codex"]["scopes"][0]
    assert (state["state"], state["trusted"]) == ("installed", False)


def test_trust_without_a_codex_that_answers_leaves_the_hooks_installed(
    all_three: dict[str, str], sealed: Path, tmp_path: Path
) -> None:
    done = setup("codex", "--trust", env=all_three)
    assert done.code == 1
    assert "Error: codex app-server did not list its hooks: it ended without an answer; the hooks are" in done.err
    assert f"codex: installed: {files(sealed)['codex']}" in done.out
    assert files(sealed)["codex"].exists()
    (sealed / ".codex" / "config.toml").write_text("a = 1\n")
    gone = setup("codex", "--trust", env=programs(tmp_path / "none"))
    assert "codex was not found on PATH" in gone.err
    assert (sealed / ".codex" / "config.toml").read_text() == "a = 1\n"


def test_hook_command_runs_the_program_and_never_fails_or_prints(
    all_three: dict[str, str], sealed: Path, tmp_path: Path
) -> None:
    folder = tmp_path / 'it\'s a "place" $HOME'
    folder.mkdir()
    (folder / "rollouts").symlink_to(PROGRAM)
    done = subprocess.run(
        [folder / "rollouts", "setup", "claude-code"],
        env={"HOME": str(sealed), "ROLLOUTS_HOME": str(tmp_path / "h"), **all_three},
        capture_output=True,
        check=True,
    )
    assert b"temporary directory" in done.stderr
    line = commands(files(sealed)["claude-code"])["Stop"][0][0]
    assert shlex.quote(str(folder / "rollouts")) in line
    (folder / "rollouts").unlink()
    quiet = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=False)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, b"", b"")
    (folder / "rollouts").write_text(f'#!/bin/sh\n(echo "$@"; cat) | tee "{tmp_path}/told"\nexit 2\n')
    (folder / "rollouts").chmod(0o755)
    failed = subprocess.run(["/bin/sh", "-c", line], input=b"event", capture_output=True, check=False)
    assert (failed.returncode, failed.stdout) == (0, b"")
    assert (tmp_path / "told").read_text() == "hook claude-code\nevent"


def test_the_program_is_this_one_however_it_was_started(all_three: dict[str, str], sealed: Path) -> None:
    started = [sys.executable, "-m", "rollouts", "setup", "claude-code"]
    subprocess.run(started, env=os.environ | all_three, capture_output=True, check=True)
    line = HOOK.format(shlex.quote(PROGRAM), "claude-code")
    assert commands(files(sealed)["claude-code"])["Stop"] == [(line, 60)]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/home/u/.cache/uv/archive-v0/xyz/bin/rollouts", "a cache of uvx or pipx"),
        ("/home/u/.local/pipx/.cache/xyz/bin/rollouts", "a cache of uvx or pipx"),
        ("/tmp/venv/bin/rollouts", "a temporary directory"),  # noqa: S108 - only a name
        ("/home/u/.local/bin/rollouts", ""),
    ],
)
def test_program_that_may_go_again_is_doubted(path: str, said: str) -> None:
    assert said in "".join(program.doubts(path))
    assert bool(said) == bool(list(program.doubts(path)))


def test_status_tells_versions_and_programs_without_starting_them(tmp_path: Path, sealed: Path) -> None:
    package = tmp_path / "lib" / "codex"
    (package / "bin").mkdir(parents=True)
    (package / "package.json").write_text('{"name": "codex", "version": "0.169.0"}')
    (package / "bin" / "codex.js").write_text("#!/bin/sh\ntouch started\n")
    (package / "bin" / "codex.js").chmod(0o755)
    env = programs(tmp_path / "bin")
    (tmp_path / "bin" / "codex").symlink_to(package / "bin" / "codex.js")
    found = report("--status", env=env)
    assert (found["codex"]["program"], found["codex"]["version"]) == (str(tmp_path / "bin" / "codex"), "0.169.0")
    assert found["claude-code"]["program"] is None
    assert not Path("started").exists()
    assert "claude-code: not found\n" in setup("--status", env=env).out
    assert not (sealed / ".codex").exists()
