"""The house stands as docs/architecture.md draws it: imports run down, and each craft has its one room."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "rollouts"
FLOORS = (
    {"cli", "__main__"},
    {"commands"},
    {"push", "pull", "fetched", "restore", "inplace", "doctor", "deletion", "space", "status"}
    | {"hook", "importing", "setup", "export"},
    {"scanning"},  # what push looks for: the archive and redaction do not know each other
    {"storage", "publish", "agents", "price_data", "redact"},
    {"contracts", "process", "config", "trace", "whole"},
    {"models", "paths", "facts"},
    {"errors", "record", ""},
)
# Neighbours that may know each other: the archive's own rooms, what commands share, and one record in another.
SHARED_BY_COMMANDS = {
    f"commands.{name}"
    for name in (
        "options",
        "output",
        "plain",
        "selecting",
        "capture",
        "checkout",
        "turns",
        "replace",
        "tables",
        "following",
        "hook",
        "recovery",
        "standing",
        "demo_session",
        "exporting",
        "publishing",
        "published",
        "summarizing",
        "bars",
        "reporting",
    )
}
PACKAGES = {
    "",
    "storage",
    "commands",
    "contracts",
    "publish",
    "trace",
    "trace.reducer",
    "agents",
    "export",
    "price_data",
    "redact",
    "agents.claude_code",
    "agents.codex",
    "agents.opencode",
}
"""What stands for a folder; its modules are looked at one by one."""
SQL_OF_SESSIONS = {"storage.datasets", "storage.scans", "storage.sessions", "storage.figures"}
SQL = re.compile(r"\b(SELECT|INSERT INTO|UPDATE \w+ SET|DELETE FROM|CREATE TABLE|PRAGMA)\b")


@cache
def modules() -> dict[str, ast.Module]:
    """Dotted name below `rollouts` -> its syntax tree."""
    names = {path: ".".join(path.relative_to(SOURCE).with_suffix("").parts) for path in SOURCE.rglob("*.py")}
    return {
        name.removesuffix("__init__").removesuffix("."): ast.parse(path.read_text()) for path, name in names.items()
    }


def imports(tree: ast.Module) -> set[str]:
    """The modules of the house that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "rollouts":
            base = (node.module or "").removeprefix("rollouts").removeprefix(".")
            found |= {f"{base}.{alias.name}".strip(".") for alias in node.names} | {base}
    return found & modules().keys()


def floor(name: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if name.partition(".")[0] in rooms)


def texts(tree: ast.Module) -> set[str]:
    """String constants, docstrings aside."""
    docs = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in docs)
    return {node.value for node in constants if isinstance(node.value, str)}


@pytest.mark.parametrize("name", sorted(modules()))
def test_no_import_runs_up(name: str) -> None:
    for other in imports(modules()[name]) - {""}:
        assert floor(other) >= floor(name), f"{name} imports {other}"


def test_no_import_runs_in_a_circle() -> None:
    graph = {name: imports(tree) - {name, *PACKAGES} for name, tree in modules().items()}
    while leaves := {name for name, others in graph.items() if not others}:
        graph = {name: others - leaves for name, others in graph.items() if name not in leaves}
    assert graph == {}


def test_commands_share_only_options_output_and_capture() -> None:
    for name, tree in modules().items():
        if name.startswith("commands.") and name != "commands.app":
            neighbours = {other for other in imports(tree) if other.startswith("commands.")}
            assert neighbours <= SHARED_BY_COMMANDS, name


def test_verbs_do_not_know_each_other() -> None:
    for name in FLOORS[2]:
        assert not imports(modules()[name]) & (FLOORS[2] - {name}), name


def test_the_archive_other_peoples_servers_and_agents_do_not_know_each_other() -> None:
    strangers = {"storage", "publish", "agents"}
    for name, tree in modules().items():
        rooms = {other.partition(".")[0] for other in imports(tree)}
        room = name.partition(".")[0]
        assert room not in strangers or not rooms & (strangers - {room}), name
        assert room != "agents" or "contracts" not in rooms, name


def test_no_agent_knows_another() -> None:
    folders = {"claude_code", "codex", "opencode"}
    for name, tree in modules().items():
        room, _, page = name.partition(".")
        others = {other.split(".")[1] for other in imports(tree) if other.startswith("agents.")}
        own = {page.partition(".")[0]} & folders
        assert room != "agents" or name == "agents.agent" or not others & folders - own, name


def test_redaction_knows_neither_the_archive_nor_servers_nor_agents() -> None:
    for name, tree in modules().items():
        if name.partition(".")[0] == "redact":
            assert not {other.partition(".")[0] for other in imports(tree)} & {"storage", "publish", "agents"}, name


def test_only_process_starts_processes_and_only_git_and_gh_are_asked_for() -> None:
    starters = {"posix_spawn", "posix_spawnp", "system", "popen", "fork", "execv", "execve", "execvp"}
    for name, tree in modules().items():
        names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        asked = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == "rollouts.process"
            for alias in node.names
        }
        modules_named = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        assert name == "process" or not names & starters, name
        assert "subprocess" not in modules_named, name
        # this program once more; gh; opencode; codex, which alone knows what it takes for trusted
        own = {"storage.upkeep": {"detach"}, "hook": {"detach"}, "publish.github": {"start"}}
        own |= {"agents.opencode.exporting": {"start"}, "agents.codex.trust": {"start"}}
        assert name == "storage.git" or asked <= {"Running"} | own.get(name, set()), name


def test_trace_knows_nothing_of_the_house_and_only_two_pages_know_trace() -> None:
    for name, tree in modules().items():
        of_trace = {other for other in imports(tree) if other.partition(".")[0] == "trace"}
        if name.partition(".")[0] == "trace":
            assert imports(tree) - {""} == of_trace, name
        else:
            # besides the command, what takes training rows from recordings
            assert name in {"commands.trace", "export.bundles"} or not of_trace, name


def imported(tree: ast.AST) -> set[str]:
    """The packages of others that are imported in a piece of code."""
    whole = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    parts = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in whole | parts}


def test_the_client_of_the_hub_is_imported_by_its_own_pages_only_and_late() -> None:
    pages = {"publish.hub_client", "publish.hub_errors", "publish.hub_session"}
    for name, tree in modules().items():
        assert ("huggingface_hub" in imported(tree)) == (name in pages), name
        assert "yaml" not in imported(tree) or name == "publish.card_header", name
        modules_at_once = {node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)}
        assert name in pages or not {f"rollouts.{page}" for page in pages} & modules_at_once, name


def test_only_the_catalog_and_its_migrations_hold_sql() -> None:
    for name, tree in modules().items():
        # what OpenCode's page asks is another program's database
        if name not in {"storage.catalog", "storage.migrations", *SQL_OF_SESSIONS, "agents.opencode.log"}:
            assert not [text for text in texts(tree) if SQL.search(text)], name


def test_only_commands_and_the_entry_point_print() -> None:
    for name, tree in modules().items():
        printing = {
            node
            for node in ast.walk(tree)
            if (isinstance(node, ast.Name) and node.id == "print")
            or (
                isinstance(node, ast.Attribute)
                and node.attr in {"stdout", "stderr"}
                and ast.unparse(node.value) == "sys"
            )
        }
        assert name == "cli" or name.startswith("commands") or not printing, name


def test_contracts_are_pure() -> None:
    impure = {"open", "time", "environ", "listdir", "stat", "socket", "sqlite3"}
    for name, tree in modules().items():
        if name.startswith("contracts"):
            called = {
                ast.unparse(node.func).rpartition(".")[2] for node in ast.walk(tree) if isinstance(node, ast.Call)
            }
            assert not called & impure, name
