"""pull: another machine's turns, checked, become this one's; what is wrong or has no place here stays out."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import archives
import git_http
from archives import blob, commit, fields, put_tag, tree
from helpers import contents, failure, git, ok, put, query, restored, run, snapshot, store_of
from rollouts.contracts import tag

COLUMNS = (
    "id, session_id, message_id, store_commit_sha, vcs, metadata, captured_at, agent, tree, files, bytes_new, skipped"
)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return archives.bare(tmp_path / "archive.git")


@pytest.fixture
def there(tmp_path: Path) -> dict[str, str]:
    """The environment of another machine."""
    return {"ROLLOUTS_HOME": str(tmp_path / "elsewhere")}


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """The directory that is to become the workspace."""
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


def pushed(workspace: Path, archive: Path, env: dict[str, str]) -> None:
    ok("remote", "set", workspace, "--url", archive, env=env)
    ok("push", workspace, env=env)


def pulled(*words: str | Path, code: int = 0) -> dict[str, Any]:
    """The JSON document of a pull."""
    result = run("pull", *words, "--json")
    assert result.code == code, result
    found: dict[str, Any] = json.loads(result.out)
    return found


def problems(document: dict[str, Any]) -> dict[str, str]:
    return {entry["tag"]: entry["reason"] for row in document["workspaces"] for entry in row["problems"]}


def rows_of(home: Path) -> list[Any]:
    return query(home, f"SELECT {COLUMNS} FROM snapshots ORDER BY id")  # noqa: S608 - our own column list


# What comes


def test_a_fresh_home_gets_back_everything_that_was_pushed(
    plain: Path, archive: Path, there: dict[str, str], here: Path, home: Path, tmp_path: Path
) -> None:
    (plain / "private").mkdir(mode=0o700)
    put(plain, "private/tool", b"#!/bin/sh\n", mode=0o750)
    (plain / "empty").mkdir()
    (plain / "link").symlink_to("nowhere/at all")
    put(plain, b"not utf-8 \xff", b"odd")
    taken = []
    for number in range(4):
        put(plain, "a.txt", b"%d\n" % number)
        taken.append(snapshot(plain, f"\u00fc {number}", "ses", '{"n": 1.50, "text": "\\u00e9"}', env=there))
        shutil.copytree(plain, tmp_path / taken[-1]["id"], symlinks=True)
    pushed(plain, archive, there)
    document = pulled(here, "--url", archive)
    assert (document["pulled"], document["known"], document["refused"]) == (4, 0, 0)
    assert rows_of(home) == rows_of(Path(there["ROLLOUTS_HOME"]))
    for row in taken:
        back = restored(row["id"], tmp_path / "back" / row["id"])
        assert contents(back) == contents(tmp_path / row["id"])
        assert (back / "empty").is_dir()
        assert (back / "private").stat().st_mode & 0o777 == 0o700
        assert (back / "private" / "tool").stat().st_mode & 0o777 == 0o750
    assert "+1 -1" in ok("log", here)
    assert "all is well" in ok("doctor")


def test_a_second_pull_changes_nothing_and_fetches_nothing(
    plain: Path, tmp_path: Path, there: dict[str, str], here: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = tmp_path / "served"
    served.mkdir()
    archive = archives.bare(served / "a.git")
    snapshot(plain, env=there)
    pushed(plain, archive, there)
    with git_http.serving(served) as web:
        for name, value in web.env.items():
            monkeypatch.setenv(name, value)
        assert pulled(here, "--url", web.url("a.git"))["pulled"] == 1
        before = rows_of(home)
        web.requests.clear()
        document = pulled(here)
        assert (document["pulled"], document["known"]) == (0, 1)
        assert web.listings == 1
        assert set(web.commands) == {"advertise-fetch", "ls-refs"}
    assert rows_of(home) == before


def test_turns_of_one_session_from_two_machines_merge(
    plain: Path, archive: Path, there: dict[str, str], here: Path
) -> None:
    snapshot(plain, "1", env=there)
    pushed(plain, archive, there)
    pulled(here, "--url", archive)
    put(here, "mine", b"mine\n")
    snapshot(here, "2")
    ok("push", here)
    ok("pull", plain, env=there)
    for env, workspace in ((there, plain), ({}, here)):
        listed = json.loads(ok("log", workspace, "--json", env=env))["turns"]
        assert [turn["message_id"] for turn in listed] == ["2", "1"]
    assert "mine" in ok("diff", "s@1", "s@2", "--name-status", env=there)


def test_the_archive_becomes_that_of_a_workspace_that_has_none(
    plain: Path, archive: Path, there: dict[str, str], here: Path, tmp_path: Path
) -> None:
    snapshot(plain, env=there)
    pushed(plain, archive, there)
    pulled(here, "--url", archive)
    other = archives.bare(tmp_path / "other.git")
    pulled(here, "--url", other)
    [row] = json.loads(ok("remote", "show", "--json"))["workspaces"]
    assert row["remote_url"] == str(archive)


def test_an_empty_archive_is_no_error(archive: Path, here: Path) -> None:
    assert pulled(here, "--url", archive)["pulled"] == 0


def test_pull_all_goes_on_past_an_archive_that_fails(
    plain: Path, repo: Path, archive: Path, there: dict[str, str], here: Path, tmp_path: Path
) -> None:
    snapshot(plain, env=there)
    pushed(plain, archive, there)
    ok("remote", "set", repo, "--url", tmp_path / "gone.git")
    ok("remote", "set", here, "--url", archive)
    document = pulled("--all", code=1)
    assert document["pulled"] == 1
    errors = {row["root_path"]: row["error"] for row in document["workspaces"]}
    assert errors[str(here)] is None
    assert "gone.git" in errors[str(repo)]
    table = run("pull", "--all")
    assert table.code == 1
    assert "gone.git" in table.out


# What has no place here


def test_another_snapshot_of_the_same_turn_is_reported_and_left_there(
    plain: Path, archive: Path, there: dict[str, str], here: Path
) -> None:
    snapshot(plain, "1", env=there)
    snapshot(plain, "2", env=there)
    pushed(plain, archive, there)
    mine = snapshot(here, "1")
    document = pulled(here, "--url", archive, code=1)
    assert (document["pulled"], document["refused"]) == (1, 1)
    assert problems(document) == {
        tag.ref("s", "1"): f"snapshot {mine['id']} is here under the same session and message"
    }
    assert json.loads(ok("show", "s:1", "--json"))["id"] == mine["id"]


def test_a_session_of_another_workspace_is_refused_and_its_neighbours_are_not(
    plain: Path, repo: Path, archive: Path, there: dict[str, str], here: Path
) -> None:
    snapshot(plain, "1", "taken", env=there)
    snapshot(plain, "1", "free", env=there)
    pushed(plain, archive, there)
    snapshot(repo, "9", "taken")
    document = pulled(here, "--url", archive, code=1)
    assert document["pulled"] == 1
    assert problems(document) == {tag.ref("taken", "1"): f"its session is of workspace {repo} here"}


def test_an_id_that_is_here_already_is_refused(plain: Path, archive: Path, here: Path) -> None:
    mine = snapshot(plain)
    commit_id = commit(archive, tree(archive, []))
    put_tag(archive, fields(commit_id, "x", snapshot_id=mine["id"]), commit_id, session="x")
    assert "id is that of another" in problems(pulled(here, "--url", archive, code=1))[tag.ref("x", "m")]


def test_two_tags_with_one_id_are_not_both_adopted(archive: Path, here: Path, home: Path) -> None:
    commit_id = commit(archive, tree(archive, []))
    for message in "12":
        put_tag(archive, fields(commit_id, message=message), commit_id, message=message)
    assert pulled(here, "--url", archive, code=1)["pulled"] == 1
    assert len(rows_of(home)) == 1


# What is wrong

Attack = Callable[[Path], str]


def _plain_tree(archive: Path) -> str:
    return tree(archive, [("100644", b"a", blob(archive, b"a"))])


def _with(entries: Callable[[Path], list[tuple[str, bytes, str]]]) -> Attack:
    def attack(archive: Path) -> str:
        commit_id = commit(archive, tree(archive, entries(archive)))
        return put_tag(archive, fields(commit_id), commit_id)

    return attack


def _tagged(**changes: object) -> Attack:
    def attack(archive: Path) -> str:
        commit_id = commit(archive, _plain_tree(archive))
        return put_tag(archive, fields(commit_id) | changes, commit_id)

    return attack


def _body(data: bytes) -> Attack:
    def attack(archive: Path) -> str:
        return put_tag(archive, data, commit(archive, _plain_tree(archive)))

    return attack


def _of_a_tree(archive: Path) -> str:
    tree_id = _plain_tree(archive)
    return put_tag(archive, fields(tree_id), tree_id, kind="tree")


def _lightweight(archive: Path) -> str:
    ref = tag.ref("s", "m")
    git("update-ref", ref, commit(archive, _plain_tree(archive)), cwd=archive)
    return ref


def _of_another_name(archive: Path) -> str:
    commit_id = commit(archive, _plain_tree(archive))
    return put_tag(archive, fields(commit_id), commit_id, name="rollouts/other")


def _with_history(archive: Path) -> str:
    first = commit(archive, _plain_tree(archive))
    commit_id = commit(archive, _plain_tree(archive), parent=first)
    return put_tag(archive, fields(commit_id), commit_id)


def _lying_commit(archive: Path) -> str:
    body = json.dumps({"schema_version": 1, "snapshot_id": "b" * 32, "session_id": "s", "message_id": "m"})
    message = (
        f'snapshot s message m\n\n{body[:-1]},"captured_at":"x","vcs":{{"vcs":null}},"skipped":[],"metadata":{{}}}}\n'
    )
    commit_id = commit(archive, _plain_tree(archive), message.encode())
    return put_tag(archive, fields(commit_id), commit_id)


def _unreadable_commit(archive: Path) -> str:
    commit_id = commit(archive, _plain_tree(archive), b"snapshot s message m\n\nnot json\n")
    return put_tag(archive, fields(commit_id), commit_id)


def _file(archive: Path) -> str:
    return blob(archive, b"x")


def _bomb(archive: Path) -> str:
    """Ten trees that name each other ten times: ten thousand million files."""
    below = tree(archive, [("100644", b"%d" % number, _file(archive)) for number in range(10)])
    for _ in range(9):
        below = tree(archive, [("40000", b"%d" % number, below) for number in range(10)])
    commit_id = commit(archive, below)
    return put_tag(archive, fields(commit_id), commit_id)


def _abyss(archive: Path) -> str:
    below = _plain_tree(archive)
    for _ in range(1100):
        below = tree(archive, [("40000", b"d", below)])
    commit_id = commit(archive, below)
    return put_tag(archive, fields(commit_id), commit_id)


ATTACKS: dict[str, tuple[Attack, str]] = {
    "session": (_tagged(session_id="other"), "not those of its name"),
    "commit": (_tagged(store_commit_sha="c" * 40), "another commit"),
    "id": (_tagged(snapshot_id="../../../etc"), "snapshot_id"),
    "schema": (_tagged(schema_version=99), "schema_version"),
    "time": (_tagged(captured_at="now"), "now"),
    "vcs": (_tagged(vcs="git"), "vcs"),
    "no json": (_body(b"hello"), "expected"),
    "deep json": (_body(b'{"a":' + b"[" * 50_000), "nested"),
    "huge json": (_body(b'{"metadata": "' + b"x" * tag.MAX_BYTES + b'"}'), "not a tag"),
    "not utf-8": (_body(b"\xff\xfe"), "utf-8"),
    "of a tree": (_of_a_tree, "not a tag of a commit"),
    "lightweight": (_lightweight, "not a tag of a commit"),
    "other name": (_of_another_name, "not a tag of a commit"),
    "history": (_with_history, "has a parent"),
    "lying commit": (_lying_commit, "commit"),
    "unreadable commit": (_unreadable_commit, "expected"),
    "..": (_with(lambda at: [("40000", b"..", _plain_tree(at))]), "'..'"),
    ".": (_with(lambda at: [("40000", b".", _plain_tree(at))]), "'.'"),
    ".git": (_with(lambda at: [("40000", b".GiT", _plain_tree(at))]), "'.GiT'"),
    "slash": (_with(lambda at: [("100644", b"../x", _file(at))]), "'../x'"),
    "link and directory": (
        _with(lambda at: [("120000", b"a", blob(at, b"/etc")), ("40000", b"a", _plain_tree(at))]),
        "'a'",
    ),
    "submodule": (_with(lambda at: [("160000", b"sub", commit(at, _plain_tree(at)))]), "160000"),
    "setuid": (_with(lambda at: [("104755", b"su", _file(at))]), "104755"),
    "bomb": (_bomb, "files"),
    "abyss": (_abyss, "nested too deep"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_what_is_wrong_is_refused_by_itself(name: str, archive: Path, here: Path, home: Path, tmp_path: Path) -> None:
    attack, words = ATTACKS[name]
    ref = attack(archive)
    good = commit(archive, tree(archive, [("100644", b"good", blob(archive, b"good\n"))]))
    put_tag(archive, fields(good, "good", snapshot_id="9" * 32), good, session="good")
    started = time.monotonic()
    document = pulled(here, "--url", archive, code=1)
    assert time.monotonic() - started < 20
    assert words in problems(document)[ref]
    assert document["pulled"] == 1
    assert (restored("9" * 32, tmp_path / "back") / "good").read_bytes() == b"good\n"
    assert [row[0] for row in rows_of(home)] == ["9" * 32]
    assert run("doctor").code == 0


def test_a_link_that_leads_out_is_restored_as_a_link(archive: Path, here: Path, tmp_path: Path) -> None:
    put(tmp_path, "outside", b"outside\n")
    commit_id = commit(archive, tree(archive, [("120000", b"out", blob(archive, os.fsencode(tmp_path / "outside")))]))
    put_tag(archive, fields(commit_id), commit_id)
    pulled(here, "--url", archive)
    back = restored("a" * 32, tmp_path / "back")
    assert (back / "out").readlink() == tmp_path / "outside"
    assert (tmp_path / "outside").read_bytes() == b"outside\n"


def test_tags_with_other_names_are_reported_and_no_other_ref_is_looked_at(archive: Path, here: Path) -> None:
    commit_id = commit(archive, _plain_tree(archive))
    for ref in ("refs/tags/rollouts/odd", "refs/tags/v1", "refs/heads/main"):
        git("update-ref", ref, commit_id, cwd=archive)
    assert list(problems(pulled(here, "--url", archive, code=1))) == ["refs/tags/rollouts/odd"]


def test_an_archive_that_has_lost_an_object_still_gives_the_others(
    plain: Path, archive: Path, there: dict[str, str], here: Path, tmp_path: Path
) -> None:
    taken = []
    for number in range(3):
        put(plain, f"only {number}", os.urandom(99))
        taken.append(snapshot(plain, str(number), env=there))
        (plain / f"only {number}").unlink()
    pushed(plain, archive, there)
    lost = git("rev-parse", f"{taken[1]['store_commit_sha']}:only 1", cwd=archive).strip()
    for pack in archive.glob("objects/pack/*.pack"):
        pack.rename(tmp_path / pack.name)
        git("unpack-objects", "-q", cwd=archive, stdin=(tmp_path / pack.name).read_bytes())
        pack.with_suffix(".idx").unlink()
    (archive / "objects" / lost[:2] / lost[2:]).unlink()
    document = pulled(here, "--url", archive, code=1)
    assert document["pulled"] == 2
    assert list(problems(document)) == [tag.ref("s", "1")]
    for row in (taken[0], taken[2]):
        restored(row["id"], tmp_path / row["id"])


# What can go wrong


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--all", "--url", "x"), 2, "cannot be combined"),
        (("--url", ""), 1, "cannot be empty"),
        (("--url", "ext::sh -c true"), 1, "starts a program"),
        (("--url", "--upload-pack=true"), 1, "dash"),
        (("--url", "a\nb"), 1, "control characters"),
        (("--url", "gopher://x/y"), 1, "no URL of an archive"),
        (("--all",), 1, "no workspaces with configured remotes"),
        ((), 1, "not initialized"),
    ],
)
def test_a_pull_from_nowhere_says_so(words: tuple[str, ...], code: int, said: str, plain: Path) -> None:
    assert said in failure(run("pull", *words, cwd=plain), code)


def test_a_workspace_without_an_archive_says_what_to_do(plain: Path) -> None:
    snapshot(plain)
    assert "no configured remote" in failure(run("pull", plain))


def test_a_failed_pull_registers_no_workspace(here: Path, home: Path, tmp_path: Path) -> None:
    result = run("pull", here, "--url", tmp_path / "none.git")
    assert result.code == 1
    assert "does not appear to be a git repository" in result.out + result.err
    assert json.loads(ok("workspace", "list", "--json"))["workspaces"] == []
    assert list((home / "workspaces").iterdir()) == []


def test_a_pull_makes_no_file_in_the_workspace(plain: Path, archive: Path, there: dict[str, str], here: Path) -> None:
    snapshot(plain, env=there)
    pushed(plain, archive, there)
    pulled(here, "--url", archive)
    assert list(here.iterdir()) == []


def test_a_pulled_store_is_packed_behind_it_when_it_needs_that(archive: Path, here: Path, home: Path) -> None:
    archives.put_many(archive, commit(archive, _plain_tree(archive)), 300)
    document = pulled(here, "--url", archive)
    assert document["pulled"] == 300
    refs = store_of(home, {"workspace_id": document["workspaces"][0]["id"]}) / "refs" / "snapshots"
    deadline = time.monotonic() + 30
    while list(refs.glob("*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not list(refs.glob("*"))
    assert len(rows_of(home)) == 300


def test_more_than_is_read_at_once_is_adopted_all_the_same(archive: Path, here: Path, home: Path) -> None:
    commit_id = commit(archive, _plain_tree(archive))
    archives.put_many(archive, commit_id, 2300)
    put_tag(archive, b"no json", commit_id, message="7")
    document = pulled(here, "--url", archive, code=1)
    assert (document["pulled"], document["refused"]) == (2299, 1)
    assert len(rows_of(home)) == 2299
    assert pulled(here, code=1)["known"] == 2299


def test_an_object_that_is_too_large_for_a_snapshot_is_refused_and_not_read(archive: Path, here: Path) -> None:
    huge = commit(archive, _plain_tree(archive), b"x" * (65 << 20))
    put_tag(archive, fields(huge), huge)
    assert "its commit is not in the archive" in problems(pulled(here, "--url", archive, code=1))[tag.ref("s", "m")]
