"""Every other command's words, exit codes and JSON; help, pipes, closed descriptors."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from helpers import ROLLOUTS, contents, failure, imported_by, ok, query, rows, run, snapshot, store_of, tree

COMMANDS = (
    ("snapshot",),
    ("restore",),
    ("undo",),
    ("list",),
    ("log",),
    ("show",),
    ("diff",),
    ("delete",),
    ("doctor",),
    ("demo",),
    ("workspace", "move"),
)
TURN = ("--session", "s", "--message", "m", "--metadata", "{}")


def shell(script: str, *args: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs a shell script in which `"$0"` is rollouts and `"$1"` … are arguments."""
    command = ("bash", "-c", script, *ROLLOUTS, *args)
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


# Help, version, usage


def test_bare_rollouts_prints_help() -> None:
    out = ok()
    assert out == ok("--help") == ok("-h")
    assert all(command[0] in out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_each_command_has_help_with_an_example(command: tuple[str, ...]) -> None:
    out = ok(*command, "--help")
    assert f"Example: rollouts {' '.join(command)}" in out
    assert ok(*command, "-h") == out
    assert "\x1b" not in out


def test_version_is_the_packages() -> None:
    assert ok("--version") == "0.2.0\n"


def test_a_command_imports_no_other_one(repo: Path) -> None:
    """Each parameter of each command takes time to set up, and the whole program has hundreds."""
    snapshot(repo)
    imported = imported_by("workspace", "list", "--json")
    assert {"rollouts.commands.app", "rollouts.commands.workspaces"} <= imported
    assert not {f"rollouts.commands.{name}" for name in ("demo", "hf", "history", "export", "remote")} & imported


def test_completion_is_shown() -> None:
    result = run("--show-completion", "bash")
    assert result.code == 0, result
    assert "_rollouts_completion" in result.out


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("nonsense",), "No such command 'nonsense'; `rollouts --help` shows"),
        (("--nonsense",), "No such option: --nonsense; `rollouts --help` shows"),
        (("non\nsense",), "No such command"),
        (("list", "--nonsense"), "`rollouts list --help` shows"),
        (("workspace",), "Missing command; `rollouts workspace --help` shows"),
        (("workspace", "move", "x"), "Missing argument 'NEW'; `rollouts workspace move --help` shows"),
        (("restore", "--session", "s", "--message", "m"), "Missing option '--dest'"),
        (("restore", "--dest", "d"), "name a snapshot"),
        (("restore", "--dest", "d", "--message", "m"), "name a snapshot"),
        (("restore", "--dest", "d", "--snapshot", "a", "--session", "s"), "--snapshot cannot be combined"),
        (("restore", "--dest", "d", "--snapshot", ""), "--snapshot needs"),
        (("show",), "name a snapshot"),
        (("delete", "--message", "m"), "--message requires --session"),
        (("delete", "--all", "--session", "s"), "--all cannot be combined with --session or --message"),
        (("delete", "--all", "--session", "s", "--message", "m"), "--all cannot be combined"),
        (("delete", "--snapshot", "a", "--session", "s"), "--snapshot cannot be combined"),
        (("delete", "--snapshot", ""), "--snapshot needs"),
        (("demo", "nowhere"), "Directory 'nowhere' does not exist."),
        (("restore", "--dest", "d", "--snapshot", "a", "--path", "/"), "--path needs a GLOB"),
        (("doctor", "extra"), "unexpected extra argument"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_usage_is_one_line_and_exit_2(words: tuple[str, ...], reason: str, home: Path) -> None:
    assert reason in failure(run(*words), 2)
    assert not home.exists()


@pytest.mark.parametrize(
    "words",
    [
        ("restore", "--session", b"\xff", "--message", "m", "--dest", "d"),
        ("restore", "--snapshot", b"\xff", "--dest", "d"),
        ("show", b"\xff"),
        ("list", "--session", b"\xff"),
        ("delete", "--session", b"\xff", "--yes"),
    ],
)
def test_an_argument_that_is_no_text_names_nothing(words: tuple[str | bytes, ...], plain: Path) -> None:
    snapshot(plain)
    failure(run(*words, cwd=plain))


def test_a_path_with_a_line_break_stays_on_the_error_line() -> None:
    assert "a\\nb" in failure(run("list", "a\nb"))


# list


def test_list_of_a_fresh_home_is_empty_and_makes_nothing(home: Path) -> None:
    assert ok("list").splitlines() == ["Workspace (0)  Session (0)  Snapshots  First  Last  Disk"]
    assert json.loads(ok("list", "--json")) == {"schema_version": 1, "workspaces": []}
    assert not home.exists()


def test_list_json_names_workspaces_and_sessions(plain: Path, repo: Path) -> None:
    first = snapshot(plain, "1", "one")
    last = snapshot(plain, "2", "one")
    snapshot(repo, "1", "other")
    listed = json.loads(ok("list", "--json"))["workspaces"]
    assert [workspace["root_path"] for workspace in listed] == [str(plain), str(repo)]
    assert listed[0].keys() == {"id", "root_path", "remote_url", "snapshots", "bytes", "sessions"}
    assert (listed[0]["id"], listed[0]["remote_url"], listed[0]["snapshots"]) == (first["workspace_id"], None, 2)
    assert listed[0]["bytes"] > 0
    times = {"first": first["captured_at"], "last": last["captured_at"]}
    assert listed[0]["sessions"] == [{"session_id": "one", "agent": None, "title": None, "snapshots": 2, **times}]


def test_list_of_a_session_has_the_documents_that_snapshot_printed(plain: Path) -> None:
    taken = [snapshot(plain, str(number)) for number in range(3)]
    snapshot(plain, "else", "another session")
    document = json.loads(ok("list", "--session", "s", "--json"))
    assert document["snapshots"] == taken
    assert [len(workspace["sessions"]) for workspace in document["workspaces"]] == [1]
    lines = ok("list", "--session", "s").splitlines()
    assert [line.split()[0] for line in lines] == ["Snapshot", *(turn["id"] for turn in taken)]


def test_a_subdirectory_names_its_workspace(repo: Path, plain: Path) -> None:
    snapshot(plain)
    taken = snapshot(repo, session="of repo")
    listed = json.loads(ok("list", repo / "sub", "--json"))["workspaces"]
    assert [workspace["id"] for workspace in listed] == [taken["workspace_id"]]
    assert str(plain) not in ok("list", ".", cwd=repo / "sub")


def test_list_of_what_is_not_there_is_an_error(plain: Path, tmp_path: Path) -> None:
    assert f"workspace is not initialized: {plain}" in failure(run("list", plain))
    snapshot(plain)
    assert "no snapshots found for session 'x'" in failure(run("list", "--session", "x"))
    assert "workspace is not initialized" in failure(run("list", tmp_path / "nowhere"))


def test_list_shows_markup_and_control_characters_as_they_are(plain: Path) -> None:
    for session in ("[/foo]", "[red]x[/red]", "a\nb", "c\x1b[31m\td", ":smile:"):
        snapshot(plain, session=session)
    out = ok("list")
    assert len(out.splitlines()) == 6
    assert all(text in out for text in ("[/foo]", "[red]x[/red]", "a\\nb", "c\\x1b[31m\\td", ":smile:"))


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii:strict"])
def test_any_path_and_id_can_be_printed_in_any_locale(encoding: str, tmp_path: Path) -> None:
    root = tmp_path / os.fsdecode(b"n\xffn")
    root.mkdir()
    env = {"PYTHONIOENCODING": encoding}
    assert "session: \xfc" in ok("snapshot", root, "--session", "\xfc", *TURN[2:], env=env)
    assert os.fspath(root) in ok("list", env=env)
    listed = json.loads(ok("list", "--json", env=env))["workspaces"][0]
    assert listed["root_path_b64"]
    assert listed["sessions"][0]["session_id"] == "\xfc"


# show


def test_show_prints_a_turn_its_files_and_what_was_skipped(plain: Path) -> None:
    os.mkfifo(plain / "pipe")
    (plain / "run").write_bytes(b"")
    (plain / "run").chmod(0o755)
    taken = snapshot(plain, metadata='{"k": 1}')
    lines = ok("show", taken["id"][:8], "--files").splitlines()
    assert lines[:6] == [
        f"Snapshot {taken['id']}",
        "session: s",
        "message: m",
        f"store commit: {taken['store_commit_sha']}",
        f"captured at: {taken['captured_at']}",
        f"workspace: {plain}",
    ]
    assert 'metadata: {"k": 1}' in lines
    assert "skipped: pipe (fifo)" in lines
    assert lines[-3:] == ["100644 a.txt", "100755 run", "100644 sub/b.bin"]


def test_show_json_is_the_snapshots_document_and_more(plain: Path) -> None:
    taken = snapshot(plain, metadata='{"k": [1.50]}')
    document = json.loads(ok("show", "--session", "s", "--message", "latest", "--workspace", plain, "--json"))
    assert document == taken | {"root_path": str(plain)}
    listing = json.loads(ok("show", taken["id"], "--json", "--files"))["listing"]
    assert [(entry["path"], entry["mode"]) for entry in listing] == [("a.txt", "100644"), ("sub/b.bin", "100644")]


# restore


def test_restore_prints_the_lines_of_the_original(repo: Path, tmp_path: Path) -> None:
    taken = snapshot(repo)
    out = ok("restore", repo, "--session", "s", "--message", "m", "--dest", tmp_path / "out")
    assert out.splitlines() == [
        f"Restored snapshot {taken['id']}",
        "session: s",
        "message: m",
        f"store commit: {taken['store_commit_sha']}",
        f"destination: {tmp_path}/out",
        "files: 2",
    ]
    assert contents(tmp_path / "out") == contents(repo)


@pytest.mark.parametrize(
    ("plain_words", "for_typer"),
    [
        (("--session", "s", "--message", "m"), ("--session=s", "--message=m")),
        (("--session", "s", "--message", "latest", "--verify", "--json"), ("--session=s", "--message=m", "--json")),
        (("--path", "sub/*", "--path", "a.txt"), ("--session=s", "--message=m", "--path=sub/*", "--path=a.txt")),
        (("--session", "s", "--message", "n"), ("--session=s", "--message=n")),
        (("--session", "s"), ("--session=s",)),
        (("--path", "", "--session", "s", "--message", "m"), ("--path=", "--session=s", "--message=m")),
        (
            ("--path", "nothing/**", "--session", "s", "--message", "m"),
            ("--path=nothing/**", "--session=s", "--message=m"),
        ),
    ],
)
def test_both_routes_restore_the_same_and_say_the_same(
    plain_words: tuple[str, ...], for_typer: tuple[str, ...], repo: Path, tmp_path: Path
) -> None:
    turn = snapshot(repo)
    if "--session" not in plain_words:
        plain_words = ("--snapshot", turn["id"], *plain_words)
    said = []
    for words in (plain_words, for_typer):
        result = run("restore", repo, "--dest", tmp_path / "back", *words)
        said.append((result, tree(tmp_path / "back") if (tmp_path / "back").exists() else None))
        shutil.rmtree(tmp_path / "back", ignore_errors=True)
    assert said[0] == said[1]


def test_the_plain_route_of_restore_imports_no_typer(repo: Path, tmp_path: Path) -> None:
    snapshot(repo)
    imported = imported_by("restore", repo, "--session", "s", "--message", "m", "--dest", tmp_path / "o")
    assert contents(tmp_path / "o") == contents(repo)
    assert {"typer", "click", "rich", "pydantic", "typing", "subprocess"} & imported == set()


def test_restore_json_has_the_fields_of_the_contract(repo: Path, tmp_path: Path) -> None:
    taken = snapshot(repo)
    document = json.loads(ok("restore", "--snapshot", taken["id"], "--dest", tmp_path / "out", "--json"))
    assert document == {
        "schema_version": 1,
        "snapshot_id": taken["id"],
        **{key: taken[key] for key in ("session_id", "message_id", "store_commit_sha")},
        "destination": f"{tmp_path}/out",
        "files": 2,
    }


def test_latest_is_the_newest_of_the_session(plain: Path, tmp_path: Path) -> None:
    for message in ("1", "2"):
        (plain / "a.txt").write_text(message)
        snapshot(plain, message)
    snapshot(plain, "3", "another")
    ok("restore", plain, "--session", "s", "--message", "latest", "--dest", tmp_path / "out")
    assert (tmp_path / "out" / "a.txt").read_text() == "2"


def test_a_unique_beginning_of_an_id_is_enough_from_anywhere(plain: Path, home: Path, tmp_path: Path) -> None:
    taken, other = snapshot(plain, "1"), snapshot(plain, "2")
    query(home, "UPDATE snapshots SET id = ? WHERE id = ?", taken["id"][:6] + other["id"][6:], other["id"])
    assert "more than one snapshot id begins" in failure(
        run("restore", "--snapshot", taken["id"][:5], "--dest", tmp_path / "out")
    )
    assert "no snapshot id begins with 'zz'" in failure(run("restore", "--snapshot", "zz", "--dest", tmp_path / "out"))
    ok("restore", "--snapshot", taken["id"][:20], "--dest", tmp_path / "out", cwd=Path("/"))


def test_restore_of_an_unknown_turn_is_an_error(plain: Path, tmp_path: Path) -> None:
    words = ("restore", plain, "--session", "s", "--message", "m", "--dest", tmp_path / "out")
    assert "workspace is not initialized" in failure(run(*words))
    snapshot(plain, "other")
    assert "no snapshot found for session 's' and message 'm'" in failure(run(*words))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [("mkdir",), ("touch",), ("ln", "-s", "nowhere")], ids=" ".join)
def test_an_existing_destination_is_refused_and_left_alone(kind: tuple[str, ...], plain: Path, tmp_path: Path) -> None:
    taken = snapshot(plain)
    destination = tmp_path / "out"
    subprocess.run([*kind, destination], check=True)
    before = tree(tmp_path)
    words = ("restore", "--snapshot", taken["id"], "--dest", destination)
    assert f"destination already exists: {destination}" in failure(run(*words))
    assert tree(tmp_path) == before


def test_missing_parents_of_the_destination_are_made(plain: Path, tmp_path: Path) -> None:
    taken = snapshot(plain)
    ok("restore", "--snapshot", taken["id"], "--dest", "new/er/out/", cwd=tmp_path)
    assert contents(tmp_path / "new" / "er" / "out") == contents(plain)
    assert os.listdir(tmp_path / "new" / "er") == ["out"]


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002, 0o000])
def test_restored_files_of_a_git_workspace_follow_the_umask(umask: int, repo: Path, tmp_path: Path) -> None:
    (repo / "run").touch()
    (repo / "run").chmod(0o755)
    taken = snapshot(repo)
    under = ("sh", "-c", f'umask {umask:o}; exec "$@"', "sh")
    assert run("restore", "--snapshot", taken["id"], "--dest", tmp_path / "new" / "out", under=under).code == 0
    out = tmp_path / "new" / "out"
    assert (out / "a.txt").stat().st_mode & 0o777 == 0o666 & ~umask
    modes = {path.stat().st_mode & 0o777 for path in (out, out.parent, out / "sub", out / "run")}
    assert modes == {0o777 & ~umask}


GLOBS = {
    "*.txt": {b"a.txt"},
    "**/*.txt": {b"a.txt", b"sub/c.txt", b"sub/deep/d.txt"},
    "sub": {b"sub/b.bin", b"sub/c.txt", b"sub/deep/d.txt", b"sub/void"},
    "sub/": {b"sub/b.bin", b"sub/c.txt", b"sub/deep/d.txt", b"sub/void"},
    "sub/*": {b"sub/b.bin", b"sub/c.txt", b"sub/void"},
    "sub/**": {b"sub/b.bin", b"sub/c.txt", b"sub/deep/d.txt", b"sub/void"},
    "sub/vo*": {b"sub/void"},
    "?.txt": {b"a.txt"},
    "[ab].txt": {b"a.txt"},
    "sub/deep/d.txt": {b"sub/deep/d.txt"},
    "-x": {b"-x"},
    ":(exclude)a": {b":(exclude)a"},
}


@pytest.mark.parametrize(("glob", "wanted"), GLOBS.items(), ids=GLOBS)
def test_path_takes_gits_globs(glob: str, wanted: set[bytes], plain: Path, tmp_path: Path) -> None:
    for name in ("sub/c.txt", "sub/deep/d.txt", "-x", ":(exclude)a"):
        (plain / name).parent.mkdir(exist_ok=True)
        (plain / name).touch()
    (plain / "sub" / "void").mkdir()
    taken = snapshot(plain)
    ok("restore", "--snapshot", taken["id"], "--dest", tmp_path / "out", "--verify", f"--path={glob}")
    found = tree(tmp_path / "out")
    assert {path for path, entry in found.items() if entry.kind == "file" or path == b"sub/void"} == wanted
    assert found.items() <= tree(plain).items()


def test_several_globs_add_up_and_each_must_match(plain: Path, tmp_path: Path) -> None:
    taken = snapshot(plain)
    words = ("restore", "--snapshot", taken["id"], "--dest", tmp_path / "out", "--path", "a.txt", "--path")
    for useless in ("nothing", "/a.txt", "../plain/a.txt"):
        failure(run(*words, useless))
        assert not (tmp_path / "out").exists()
    assert "files: 2\n" in ok(*words, "sub")
    assert sorted(os.listdir(tmp_path)) == ["out", "plain", "rollouts home", "user home"]


# delete


@pytest.mark.parametrize("answer", [b"y\n", b"Y\n", b"yes\n", b"y"])
def test_delete_takes_its_answer_from_stdin(answer: bytes, plain: Path, home: Path) -> None:
    snapshot(plain)
    result = run("delete", plain, "--session", "s", stdin=answer)
    assert (result.code, result.out) == (0, "Deleted snapshots 1\nsession: s\n")
    assert result.err.endswith("This cannot be undone. [y/N]: ")
    assert rows(home) == []


@pytest.mark.parametrize("answer", [b"n\n", b"\n", b"what\n"])
def test_delete_without_a_yes_is_cancelled(answer: bytes, plain: Path, home: Path) -> None:
    taken = snapshot(plain)
    result = run("delete", plain, stdin=answer)
    assert (result.code, result.out) == (1, "Cancelled.\n")
    assert rows(home) == [taken["id"]]


def test_delete_without_an_answer_names_yes(plain: Path, home: Path) -> None:
    taken = snapshot(plain)
    for result in (run("delete", plain), run("delete", "--all")):
        assert (result.code, result.out) == (2, "")
        assert result.err.endswith("\nError: no answer on stdin; pass --yes to go on without being asked\n")
    assert shell('"$0" delete "$1" <&-', plain).returncode == 2
    assert rows(home) == [taken["id"]]


@pytest.mark.parametrize(
    "words",
    [
        ("delete", "."),
        ("delete", "nowhere"),
        ("delete", "--session", "x"),
        ("delete", "--session", "s", "--message", "x"),
        ("delete", "--snapshot", "zz"),
    ],
    ids=" ".join,
)
def test_delete_checks_that_there_is_something_before_it_asks(words: tuple[str, ...], plain: Path) -> None:
    failure(run(*words))
    snapshot(plain, "other", "other")
    failure(run(*words))


def test_delete_in_a_fresh_home_is_an_error(home: Path) -> None:
    assert "no rollouts data found" in failure(run("delete", "--all", "--yes"))
    assert not home.exists()


def test_delete_takes_no_slip_of_the_pen_for_the_workspace_around_it(plain: Path, home: Path) -> None:
    taken = snapshot(plain)
    for slip in ("nowhere", "a.txt", b"\xff"):
        assert "Directory '" in failure(run("delete", slip, "--yes", cwd=plain), 2)
        assert "Directory '" in failure(run("delete", slip, "--session", "s", "--yes", cwd=plain), 2)
    assert rows(home) == [taken["id"]]


def test_delete_of_a_turn_leaves_the_others_and_it_can_be_captured_again(
    plain: Path, home: Path, tmp_path: Path
) -> None:
    taken = [snapshot(plain, message) for message in ("1", "2", "3")]
    out = ok("delete", plain, "--session", "s", "--message", "2", "--yes")
    assert out == "Deleted snapshots 1\nsession: s\nmessage: 2\n"
    out = ok("delete", "--snapshot", taken[2]["id"][:9], "-y", "--json")
    assert json.loads(out) == {"schema_version": 1, "deleted_snapshots": 1, "all": False, "path": str(plain)}
    assert rows(home) == [taken[0]["id"]]
    assert snapshot(plain, "2")["id"] not in {turn["id"] for turn in taken}
    ok("restore", "--snapshot", taken[0]["id"], "--dest", tmp_path / "out", "--verify")
    assert "all is well" in ok("doctor")


def test_delete_of_a_workspace_names_its_root_and_takes_all_of_it(plain: Path, repo: Path, home: Path) -> None:
    taken, other = snapshot(repo), snapshot(plain, session="other")
    out = ok("delete", repo / "sub", "--yes")
    assert out == f"Deleted workspace data {repo}\nsnapshots deleted: 1\n"
    assert os.listdir(home / "workspaces") == [other["workspace_id"]]
    assert rows(home) == [other["id"]]
    assert snapshot(repo)["workspace_id"] != taken["workspace_id"]


def test_delete_works_when_the_directory_or_the_store_is_gone(plain: Path, home: Path, tmp_path: Path) -> None:
    taken = snapshot(plain)
    plain.rename(tmp_path / "away")
    assert ok("delete", plain, "--session", "s", "--yes").startswith("Deleted snapshots 1")
    snapshot(tmp_path / "away", "again")
    os.rename(store_of(home, taken), tmp_path / "store")
    (tmp_path / "away").rename(tmp_path / "gone")
    assert "snapshots deleted: 1" in ok("delete", tmp_path / "away", "--yes")
    assert rows(home) == []


def test_delete_gives_the_space_back(plain: Path, home: Path) -> None:
    snapshot(plain, "small")
    (plain / "big").write_bytes(os.urandom(5_000_000))
    snapshot(plain, "big")
    (plain / "big").unlink()
    snapshot(plain, "small again")
    used = json.loads(ok("list", "--json"))["workspaces"][0]["bytes"]
    ok("delete", plain, "--session", "s", "--message", "big", "--yes")
    assert json.loads(ok("list", "--json"))["workspaces"][0]["bytes"] < used - 4_900_000
    assert sum(path.stat().st_size for path in home.rglob("*")) < 500_000


def test_delete_all_leaves_foreign_files(plain: Path, home: Path) -> None:
    snapshot(plain)
    for name in ("notes.txt", "config.toml", "workspaces/mine", "logs/other.log"):
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).touch()
    assert ok("delete", "--all", "--yes") == f"Deleted all Rollouts data {home}\n"
    left = sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())
    assert left == ["config.toml", "logs/other.log", "notes.txt", "workspaces/mine"]
    snapshot(plain)


def test_delete_all_through_a_link_to_the_home(plain: Path, home: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    home.symlink_to("real")
    snapshot(plain)
    out = ok("delete", "--all", "--yes", "--json")
    assert json.loads(out) == {"schema_version": 1, "deleted_snapshots": 1, "all": True, "path": f"{tmp_path}/real"}
    assert not (tmp_path / "real").exists()
    snapshot(plain)


# Pipes, descriptors, terminals


def test_a_reader_that_leaves_early_is_no_error(plain: Path) -> None:
    for number in range(3000):
        (plain / f"a file with quite a long name {number}").touch()
    taken = snapshot(plain)
    for words in (f"show --files {taken['id']}", "list --json", "list", "--help"):
        done = shell(f'"$0" {words} | true; echo "${{PIPESTATUS[0]}}"')
        assert (done.stdout, done.stderr) == ("0\n", ""), words


@pytest.mark.parametrize(
    "words",
    [
        'snapshot "$1" --session s --message m --metadata {} --json',
        'snapshot "$1" --session=s --message=m --metadata={}',
        "list",
        "list --session s --json",
        'show --session s --message m --workspace "$1" --files',
        "doctor",
        "--help",
        "--version",
    ],
)
def test_a_full_or_closed_stdout(words: str, plain: Path) -> None:
    snapshot(plain)
    full = shell(f'"$0" {words} > /dev/full', plain)
    assert full.returncode == 1
    assert re.fullmatch(r"Error: No space left on device.*\n", full.stderr)
    for closed in (">&-", "<&- >&- 2>&-", "2>&-"):
        assert shell(f'"$0" {words} {closed}', plain).returncode == 0, closed


def test_closed_descriptors_are_never_taken_by_files(plain: Path, home: Path, tmp_path: Path) -> None:
    done = shell('"$0" snapshot "$1" --session s --message m --metadata {} <&- >&- 2>&-', plain)
    assert done.returncode == 0
    [taken] = rows(home)
    assert shell('"$0" restore --snapshot "$1" --dest "$2" <&- >&- 2>&-', taken, tmp_path / "out").returncode == 0
    assert tree(tmp_path / "out") == tree(plain)
    assert "all is well" in ok("doctor")


def test_metadata_from_a_closed_stdin_is_refused(plain: Path) -> None:
    done = shell('"$0" snapshot "$1" --session s --message m --metadata - <&-', plain)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: invalid metadata JSON: ")


def test_piped_output_is_neither_wrapped_nor_coloured(plain: Path) -> None:
    taken = snapshot(plain, "m" * 300, "s" * 300)
    env = {"COLUMNS": "20", "TERM": "xterm-256color", "FORCE_COLOR": "1", "CLICOLOR_FORCE": "1"}
    for words in (("list",), ("list", "--session", "s" * 300), ("show", taken["id"], "--files"), ("doctor",)):
        out = ok(*words, env=env)
        assert "\x1b" not in out
        assert out == ok(*words)
    assert "s" * 300 in ok("list", env=env)


def test_a_terminal_is_sent_no_control_characters_of_ids(plain: Path) -> None:
    text = "a\x1b]0;title\x07b"
    snapshot(plain, text, text)
    script = '"$0" list; "$0" list --session "$1"; "$0" show --session "$1" --message "$1" --workspace "$2"'
    command = f"{script.replace('$0', ROLLOUTS[0]).replace('$1', text).replace('$2', str(plain))}"
    done = subprocess.run(["script", "-qec", command, "/dev/null"], capture_output=True, check=True, timeout=60)
    assert b"\x1b]0;" not in done.stdout
    assert b"\\x1b]0;title\\x07b" in done.stdout


def test_an_interrupt_is_exit_130_and_leaves_nothing_half_done(plain: Path, home: Path) -> None:
    snapshot(plain)
    command = (*ROLLOUTS, "delete", str(plain))
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
    assert child.stderr is not None
    assert child.stderr.read(6) == b"Delete"
    child.send_signal(2)
    _, err = child.communicate(timeout=30)
    assert child.returncode == 130
    assert err.endswith(b"Error: interrupted; nothing was left half done\n")
    assert len(rows(home)) == 1


# Settings


@pytest.mark.parametrize("value", ["abc", "-1", "1.5G", "9" * 5000, "10 M B", "\u0661"])
def test_a_size_that_is_none_is_refused(value: str, plain: Path) -> None:
    env = {"ROLLOUTS_MAX_FILE_SIZE": value}
    assert "ROLLOUTS_MAX_FILE_SIZE is " in failure(run("snapshot", plain, *TURN, env=env))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[capture", "is not valid TOML"),
        ("capture = 1", "[capture] must be a table"),
        ("[capture]\nmax_file_size = 'x'", "[capture] max_file_size is 'x'"),
        ("[capture]\nmax_file_size = true", "[capture] max_file_size is True"),
        ("\udcff", "is not valid TOML"),
    ],
)
def test_an_error_in_the_config_file_is_one_line_with_its_place(
    text: str, reason: str, plain: Path, home: Path
) -> None:
    home.mkdir()
    (home / "config.toml").write_text(text, errors="surrogateescape")
    said = failure(run("snapshot", plain, *TURN))
    assert f"{home}/config.toml" in said
    assert reason in said


def test_the_size_limit_of_the_config_file_holds_and_the_environment_wins(plain: Path, home: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_text('[capture]\nmax_file_size = "1K"\n')
    (plain / "big").write_bytes(b"x" * 1025)
    skipped = [{"path": "big", "reason": "larger than the limit", "size": 1025}]
    assert snapshot(plain, "1")["skipped"] == skipped
    assert snapshot(plain, "2", env={"ROLLOUTS_MAX_FILE_SIZE": "2KiB"})["skipped"] == []


def test_restore_gives_back_the_modes_of_a_plain_directory_whatever_the_umask(plain: Path, tmp_path: Path) -> None:
    (plain / "a.txt").chmod(0o666)
    (plain / "sub").chmod(0o777)
    taken = snapshot(plain)
    command = ("sh", "-c", 'umask 0777; exec "$@"', "sh")
    result = run("restore", "--snapshot", taken["id"], "--dest", tmp_path / "back", "--verify", under=command)
    assert result.code == 0, result
    assert tree(tmp_path / "back") == tree(plain)
