"""The documentation names what the program has, and nothing that it has not."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command

from helpers import ok
from rollouts import __version__
from rollouts.commands.app import assembled

ROOT = Path(__file__).parent.parent
DOCS = (ROOT / "docs" / "commands.md").read_text()
COMMON = {"-h", "--help", "--install-completion", "--show-completion"}


def commands() -> dict[str, set[str]]:
    """Command as typed -> its options."""
    found: dict[str, set[str]] = {}
    pending = [("", get_command(assembled()))]
    while pending:
        name, command = pending.pop()
        below = getattr(command, "commands", {})
        pending += [(f"{name} {word}".strip(), child) for word, child in below.items()]
        if not below or (name and getattr(command, "invoke_without_command", False)):
            spelled = (text for one in command.params for text in (*one.opts, *one.secondary_opts))
            found[name] = {text for text in spelled if text.startswith("-")} - COMMON
    return found


def documented() -> dict[str, set[str]]:
    """Command -> options, as docs/commands.md has them: a heading each, options in code."""
    parts = re.split(r"^## `rollouts (.+?)`$", DOCS, flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    return {heading: set(re.findall(r"`(--?[a-z][a-z-]*)", text)) - COMMON for heading, text in sections.items()}


def test_each_command_and_option_is_documented_and_no_other() -> None:
    assert documented() == commands()


@pytest.mark.parametrize("command", sorted(commands()))
def test_help_of_each_command_has_an_example_that_names_it(command: str) -> None:
    help_text = ok(*command.split(), "-h")
    assert f"Example: rollouts {command}" in re.sub(r"\s+", " ", help_text)
    assert ok(*command.split(), "--help") == help_text


def test_no_summary_of_a_command_is_clipped_at_80_columns() -> None:
    for group in ((), ("export",), ("workspace",), ("trace",), ("remote",), ("remote", "defaults")):
        assert "..." not in ok(*group, "--help", env={"COLUMNS": "80"}).partition("\nCommands:\n")[2]


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")], ids=lambda page: page.name)
def test_no_page_shows_where_two_changes_met(page: Path) -> None:
    assert not re.search(r"(?<!\S)(<<<<<<<|=======|>>>>>>>)(?!\S)", page.read_text())


def test_readme_names_each_page_of_the_documentation_and_no_other() -> None:
    linked = re.findall(r"\]\(docs/(.+?)\)", (ROOT / "README.md").read_text())
    assert sorted(linked) == sorted(page.name for page in (ROOT / "docs").glob("*.md"))


def test_readme_has_the_two_lines_and_names_only_commands_that_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "python3 -m pip install uv && uv run rollouts demo" in readme
    assert "python3 -m pip install uv && uv run pytest" in readme
    used = set(re.findall(r"^    rollouts (\w+)", readme, flags=re.MULTILINE))
    assert used <= {command.partition(" ")[0] for command in commands()}


def test_version_and_changelog_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__
    assert f"\n## {__version__}" in (ROOT / "CHANGELOG.md").read_text()
    assert ok("--version") == f"{__version__}\n"


def test_architecture_names_each_module() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    for path in (ROOT / "src" / "rollouts").rglob("*.py"):
        assert path.name in page or path.name in {"__init__.py", "__main__.py"}, path.name
