"""`rollouts snapshot`: its words, its JSON, its two routes, what it accepts, and what its commit says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import rollouts
from helpers import failure, git, ok, query, run, snapshot, store_of

TURN = ("--session", "s", "--message", "m", "--metadata", "{}")
FIELDS = {
    *("schema_version", "id", "workspace_id", "session_id", "message_id", "agent", "store_commit_sha", "tree", "vcs"),
    *("metadata", "captured_at", "files", "bytes_new", "skipped"),
}
MIB = 1 << 20


# Words and documents


def test_snapshot_prints_the_lines_of_the_original(repo: Path) -> None:
    lines = ok("snapshot", repo, *TURN).splitlines()
    assert re.fullmatch(r"Created snapshot [0-9a-f]{32}", lines[0])
    assert lines[1:3] == ["session: s", "message: m"]
    assert re.fullmatch(r"store commit: [0-9a-f]{40}", lines[3])
    assert re.fullmatch(r"captured at: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", lines[4])
    assert lines[5:] == ["files: 2"]


def test_the_same_turn_again_prints_what_is_there_without_looking_at_the_files(repo: Path) -> None:
    first = ok("snapshot", repo, *TURN).splitlines()
    (repo / "a.txt").write_bytes(b"two\n")
    again = run("snapshot", repo, *TURN, env={"PATH": "/nowhere"})  # not even git is started
    assert (again.code, again.err) == (0, "")
    assert again.out.splitlines() == [first[0].replace("Created snapshot", "Snapshot already exists"), *first[1:]]


def test_json_is_one_document_with_the_fields_of_the_contract(repo: Path) -> None:
    out = ok("snapshot", repo, *TURN, "--json", "--agent", "some-agent")
    taken = json.loads(out)
    assert out.count("\n") == 1
    assert taken.keys() == FIELDS
    assert (taken["schema_version"], taken["session_id"], taken["message_id"]) == (1, "s", "m")
    assert (taken["agent"], taken["files"], taken["bytes_new"], taken["skipped"]) == ("some-agent", 2, 8, [])
    assert taken["metadata"] == {}
    assert taken["vcs"] == {
        "vcs": "git",
        "worktree_path": str(repo),
        "branch": "main",
        "head_commit": git("rev-parse", "HEAD", cwd=repo).strip(),
        "remotes": {},
    }
    assert json.loads(ok("snapshot", repo, *TURN, "--json")) == taken


def test_json_of_a_plain_directory_has_no_vcs(plain: Path) -> None:
    assert snapshot(plain)["vcs"] == {"vcs": None}


@pytest.mark.parametrize("options", [("--quiet",), ("-q",)])
def test_quiet_prints_nothing(options: tuple[str, ...], repo: Path) -> None:
    result = run("snapshot", repo, *TURN, *options)
    assert result == (0, "", "")


def test_skipped_files_are_warned_of_on_stderr_and_named_in_json(plain: Path) -> None:
    os.mkfifo(plain / "pipe")
    result = run("snapshot", plain, *TURN, "--json")
    assert result.code == 0
    assert result.err == "Warning: 1 path was skipped; `rollouts show` says which and why\n"
    assert json.loads(result.out)["skipped"] == [{"path": "pipe", "reason": "fifo", "size": None}]


def test_the_row_holds_what_the_json_says(repo: Path, home: Path) -> None:
    taken = snapshot(repo, metadata='{ "spaced" :  1.50 }')
    sql = "SELECT id, workspace_id, session_id, message_id, store_commit_sha, captured_at, tree, files FROM snapshots"
    assert query(home, sql) == [tuple(taken[key] for key in re.findall(r"[a-z_]+(?=,| FROM)", sql))]
    assert query(home, "SELECT metadata FROM snapshots") == [('{ "spaced" :  1.50 }',)]


def test_home_is_private(repo: Path, home: Path) -> None:
    assert run("snapshot", repo, *TURN, under=("sh", "-c", 'umask 000; exec "$@"', "sh")).code == 0
    assert home.stat().st_mode & 0o777 == 0o700
    open_to_others = [path for path in home.rglob("*") if path.stat().st_mode & 0o077 and "objects" not in path.parts]
    assert open_to_others == []


# Two routes


@pytest.mark.parametrize(
    "words",
    [
        (".", *TURN),
        (*TURN, "."),
        ("--metadata", "{}", ".", "--message", "m", "--session", "s"),
        (".", "--session=s", "--message=m", "--metadata={}"),
        (".", "--session", "x", *TURN),
        (*TURN, "--", "."),
        TURN,
    ],
    ids=["hot", "workspace last", "shuffled", "equals", "repeated", "dashes", "here"],
)
def test_both_routes_take_the_same_turn(words: tuple[str, ...], repo: Path, home: Path) -> None:
    result = run("snapshot", *words, cwd=repo)
    assert result.code == 0, result
    assert result.out.splitlines()[1:3] == ["session: s", "message: m"]
    assert query(home, "SELECT session_id, message_id, metadata FROM snapshots") == [("s", "m", "{}")]
    assert run("snapshot", ".", *TURN, cwd=repo).out.startswith("Snapshot already exists ")


def test_both_routes_print_the_same_words(repo: Path) -> None:
    hot = ok("snapshot", repo, *TURN)
    typer = ok("snapshot", repo, "--session=s", "--message=m", "--metadata={}")
    assert typer == hot.replace("Created snapshot", "Snapshot already exists")
    for wrong in ('{"a":NaN}', "[]", "", "{"):
        hot_error = failure(run("snapshot", repo, "--session", "s", "--message", "n", "--metadata", wrong))
        assert failure(run("snapshot", repo, "--session=s", "--message=n", f"--metadata={wrong}")) == hot_error


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), "Missing option '--session'"),
        (("--session", "s", "--message", "m"), "Missing option '--metadata'"),
        (("--session",), "Option '--session' requires an argument"),
        ((*TURN, "--nonsense"), "No such option: --nonsense"),
        (("--sess", "s", *TURN[2:]), "No such option: --sess"),  # it may mean another option tomorrow
        ((*TURN, ".", "."), "unexpected extra argument"),
        ((*TURN, "--json=1"), "Option '--json' does not take a value"),
        ((*TURN, "nowhere"), "Directory 'nowhere' does not exist."),
        ((*TURN, "file"), "Directory 'file' is a file."),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_2(words: tuple[str, ...], reason: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert reason in failure(run("snapshot", *words), 2)
    assert not (tmp_path / "rollouts home" / "workspaces").exists() or not os.listdir(
        tmp_path / "rollouts home" / "workspaces"
    )


HEAVY = {
    *("typer", "click", "rich", "pydantic", "huggingface_hub", "json", "re", "typing", "subprocess", "pathlib"),
    *("dataclasses", "argparse", "shutil", "tempfile", "tomllib", "inspect", "enum", "threading", "signal"),
}


def test_the_hot_route_imports_nothing_heavy(repo: Path) -> None:
    ok("snapshot", repo, "--session", "s", "--message", "first", "--metadata", "{}")
    source = Path(rollouts.__file__).parent.parent
    code = (
        f"import sys; sys.path.insert(0, {str(source)!r})\nfrom rollouts import cli\n"
        f"code = cli.exit_code(['snapshot', {str(repo)!r}, *{TURN!r}, '--quiet'])\n"
        "print(code, *{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    status, *modules = done.stdout.split()
    assert status == "0"
    assert HEAVY & set(modules) == set()


def counting_git(folder: Path) -> tuple[dict[str, str], Path]:
    """An environment whose git notes each call in a file, and that file."""
    folder.mkdir()
    log = folder / "calls"
    wrapper = folder / "git"
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> "{log}"\nexec "{shutil.which("git")}" "$@"\n')
    wrapper.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}, log


@pytest.mark.parametrize("kind", ["repo", "plain"])
def test_a_turn_costs_few_processes(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    workspace: Path = request.getfixturevalue(kind)
    asked = 1 if kind == "repo" else 0  # a plain directory is walked, no git is asked
    snapshot(workspace, "first")
    snapshot(workspace, "second")
    env, log = counting_git(tmp_path / "bin")
    ok("snapshot", workspace, *TURN, env=env)
    unchanged = log.read_text().splitlines()
    assert len(unchanged) == 2 + asked, unchanged
    log.unlink()
    (workspace / "a.txt").write_bytes(b"changed\n")
    ok("snapshot", workspace, "--session", "s", "--message", "m2", "--metadata", "{}", env=env)
    changed = log.read_text().splitlines()
    assert len(changed) == 3 + asked, changed


# Metadata

LONG = json.dumps({"x": "y" * (2 * MIB - 9)})
GOOD = {
    "empty": "{}",
    "spaces and lines": '\n { "b" : [1, 2.50, null] ,\r\n "a" : {} }\n',
    "beyond ASCII": '{"ünï": "文\U0001f600 \\u00e9"}',
    "escapes": '{"a": "\\ud83d\\ude00 \\n \\u0000"}',
    "key like ours": '{"metadata": {"metadata": "\\",\\"metadata\\":{"}}',
    "numbers": '{"big": 123456789012345678901234567890, "tiny": 1E-400, "exact": 1.10, "huge": 1e999}',
    "deep": '{"a":' * 199 + "{}" + "}" * 199,
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_metadata_is_kept_verbatim_however_it_comes(text: str, repo: Path, home: Path, tmp_path: Path) -> None:
    (tmp_path / "data").write_text(text, newline="")
    turns: list[tuple[str, str]] = [("inline", text), ("file", f"@{tmp_path}/data"), ("stdin", "-")]
    for message, given in turns:
        words = ("--session", "s", "--message", message, "--metadata", given)
        result = run("snapshot", repo, *words, stdin=text.encode())
        assert result.code == 0, result
        [(stored,)] = query(home, "SELECT metadata FROM snapshots WHERE message_id = ?", message)
        assert stored == text
    [(commit, workspace_id)] = query(home, "SELECT store_commit_sha, workspace_id FROM snapshots LIMIT 1")
    body = git("cat-file", "commit", commit, cwd=home / "workspaces" / workspace_id / "store.git")
    assert f'"metadata":{text.replace(chr(10), " ").replace(chr(13), " ")}}}\n' in body
    assert body.endswith("}\n")


def test_metadata_shown_later_is_valid_json(repo: Path) -> None:
    taken = snapshot(repo, metadata=GOOD["numbers"])
    for words in (("show", taken["id"], "--json"), ("list", "--session", "s", "--json")):
        out = ok(*words)
        json.loads(out, parse_constant=pytest.fail)
        assert "1e999" in out
        assert "123456789012345678901234567890" in out


def test_metadata_of_2_mib_is_taken_and_a_byte_more_is_not(repo: Path, home: Path, tmp_path: Path) -> None:
    (tmp_path / "data").write_text(LONG)
    assert (tmp_path / "data").stat().st_size == 2 * MIB
    assert run("snapshot", repo, *TURN[:-1], f"@{tmp_path}/data").code == 0
    assert run("snapshot", repo, "--session=s", "--message=n", "--metadata=-", stdin=LONG.encode()).code == 0
    assert query(home, "SELECT length(metadata) FROM snapshots") == [(2 * MIB,), (2 * MIB,)]
    (tmp_path / "data").write_text(LONG + " ")
    for given in (f"@{tmp_path}/data", "-"):
        words = ("--session", "s", "--message", "more", "--metadata", given)
        assert "larger than 2 MiB" in failure(run("snapshot", repo, *words, stdin=LONG.encode() + b" "))


BAD: dict[str, bytes] = {
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": Infinity}',
    "minus Infinity": b'{"a": -Infinity}',
    "a key twice": b'{"a": 1, "a": 1}',
    "a key twice below": b'{"x": [{"a": 1, "\\u0061": 2}]}',
    "lone surrogate": b'{"a": "\\ud800"}',
    "lone surrogate in a key": b'{"\\udfff": 1}',
    "list": b"[]",
    "string": b'"{}"',
    "null": b"null",
    "empty": b"",
    "blank": b" \n",
    "not UTF-8": b'{"a": "\xff"}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "300 deep": b'{"a":' * 299 + b"{}" + b"}" * 299,
    "100,000 deep": b"[" * 100_000 + b"]" * 100_000,
    "100,000 open": b'{"a":' * 20_000,
    "trailing text": b"{} {}",
    "trailing comma": b'{"a": 1,}',
    "control character": b'{"a": "\x01"}',
    "single quotes": b"{'a': 1}",
    "comment": b"{} // none",
    "leading zero": b'{"a": 01}',
    "a number of 5,000 digits": b'{"a": ' + b"1" * 5000 + b"}",
    "no-break space": "{}\u00a0".encode(),
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_metadata_that_is_no_strict_json_object_is_refused(text: bytes, repo: Path, home: Path) -> None:
    inline = failure(run("snapshot", repo, *TURN[:-1], text)) if len(text) < 128 * 1024 else ""
    piped = failure(run("snapshot", repo, *TURN[:-1], "-", stdin=text))
    for words in (inline, piped):
        assert words.startswith("invalid metadata JSON: ") or not words
        assert "sys." not in words
    assert not (home / "rollouts.sqlite").exists()  # values are checked before anything is made


def test_a_metadata_file_that_cannot_be_read_is_named(repo: Path, tmp_path: Path) -> None:
    assert f"{tmp_path}/none cannot be read" in failure(run("snapshot", repo, *TURN[:-1], f"@{tmp_path}/none"))
    assert "cannot be read" in failure(run("snapshot", repo, *TURN[:-1], f"@{tmp_path}"))
    assert "cannot be read" in failure(run("snapshot", repo, *TURN[:-1], "@"))


# Ids

ODD_IDS = {
    "4096 bytes": "é" * 2048,
    "newline": "a\nb",
    "path": "../../etc",
    "markup": "[/foo]",
    "colour": "[red]x[/red]",
    "one dash": "-",
    "leading dash": "-x",
    "leading dashes": "--session",
    "control": "a\x1b[31m\x07\tb\x7f\u0085",
    "emoji code": ":smile:",
    "null word": "null",
    "spaces": "  ",
    "beyond": "文\U0001f600",
    "latest": "latest",
    "quote": "a' OR 1=1 --",
}


@pytest.mark.parametrize("text", ODD_IDS.values(), ids=ODD_IDS)
def test_any_text_serves_as_an_id(text: str, repo: Path, home: Path, tmp_path: Path) -> None:
    out = ok("snapshot", repo, "--session", text, "--message", text, "--metadata", "{}", "--agent", text)
    assert f"session: {text}\nmessage: {text}\n" in out
    assert query(home, "SELECT session_id, message_id, agent FROM snapshots") == [(text, text, text)]
    [row] = json.loads(ok("list", "--session", text, "--json"))["snapshots"]
    assert (row["session_id"], row["message_id"], row["agent"]) == (text, text, text)
    out = ok("restore", repo, "--session", text, "--message", text, "--dest", tmp_path / "out")
    assert f"session: {text}\nmessage: {text}\n" in out


def test_odd_ids_are_shown_listed_and_deleted(repo: Path, home: Path) -> None:
    text = "[/foo]\n-x\x1b[31m \N{GRINNING FACE}"
    taken = snapshot(repo, text, text)
    assert taken["id"] in ok("list", "--session", text)
    assert taken["id"] in ok("show", "--session", text, "--message", text, "--workspace", repo)
    ok("delete", repo, "--session", text, "--message", text, "--yes")
    assert query(home, "SELECT count(*) FROM snapshots") == [(0,)]


@pytest.mark.parametrize("text", [b"", b"x" * 4097, "é".encode() * 2048 + b"x", b"a\xff"])
@pytest.mark.parametrize("option", ["--session", "--message", "--agent"])
def test_an_empty_long_or_undecodable_id_is_refused(option: str, text: bytes, repo: Path) -> None:
    words: list[str | bytes] = [*TURN, option, text] if option == "--agent" else [*TURN]
    if option != "--agent":
        words[words.index(option) + 1] = text
    assert f"the {option[2:]} id" in failure(run("snapshot", repo, *words))


# The commit


def test_the_commit_is_parentless_by_rollouts_in_utc_and_holds_the_row(repo: Path, home: Path) -> None:
    taken = snapshot(repo, "a\nm", "s\x01", '{"k": "v"}')
    store = store_of(home, taken)
    raw = git("cat-file", "commit", taken["store_commit_sha"], cwd=store)
    head, subject, body = re.fullmatch(r"(.*?)\n\n([^\n]*)\n\n([^\n]*)\n", raw, re.DOTALL).groups()  # type: ignore[union-attr] # fails as it should
    lines = head.split("\n")
    assert lines[0] == f"tree {taken['tree']}"
    assert [line.split(" ")[0] for line in lines] == ["tree", "author", "committer"]
    assert all(re.fullmatch(r"\w+ rollouts <rollouts@local> \d+ \+0000", line) for line in lines[1:])
    assert subject == "snapshot s  message a m"
    assert git("for-each-ref", "--format=%(refname) %(objectname)", cwd=store).split() == [
        f"refs/snapshots/{taken['id']}",
        taken["store_commit_sha"],
    ]
    said = json.loads(body)
    same = ("session_id", "message_id", "captured_at", "vcs", "metadata", "skipped", "files", "bytes_new", "agent")
    assert {key: said[key] for key in same} == {key: taken[key] for key in same}
    assert said["snapshot_id"] == taken["id"]
    assert said["workspace"] == {"id": taken["workspace_id"], "root_path": str(repo)}
    assert (said["schema_version"], said["empty_dirs"], said["modes"], said["nested"]) == (1, [], None, [])


def test_the_tree_is_the_workspace_and_nothing_else(repo: Path, home: Path) -> None:
    taken = snapshot(repo)
    listed = git("ls-tree", "-r", "--name-only", taken["tree"], cwd=store_of(home, taken))
    assert listed.split() == ["a.txt", "sub/b.bin"]


def test_a_long_row_is_no_slower(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "data").write_text(json.dumps({"x": "y" * 100_000}))
    for number in range(20):
        ok("snapshot", repo, "--session", "s", "--message", str(number), "--metadata", f"@{tmp_path}/data", "--quiet")
    assert len(json.loads(ok("list", "--session", "s", "--json"))["snapshots"]) == 20
