"""`rollouts doctor`: it names what is wrong, mends what can be, and reports nothing falsely."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from helpers import contents, failure, git, ok, put, query, restored, rows, run, snapshot, store_of, tree


def loose(store: Path, oid: str) -> Path:
    return store / "objects" / oid[:2] / oid[2:]


def oid_of(store: Path, commit: str, path: str) -> str:
    return git("rev-parse", f"{commit}:{path}", cwd=store).strip()


def findings(*words: str) -> list[dict[str, Any]]:
    """What doctor reports as JSON; the exit code and `ok` agree with it."""
    result = run("doctor", "--json", *words)
    document = json.loads(result.out)
    assert document.keys() == {"schema_version", "home", "versions", "findings", "ok", "notes"}
    assert result.code == (0 if document["ok"] else 1), result
    assert document["ok"] == all(finding["mended"] for finding in document["findings"])
    found: list[dict[str, Any]] = document["findings"]
    assert all(finding.keys() == {"problem", "advice", "snapshots", "mended"} for finding in found)
    return found


def check_mended(words: str, snapshots: int | None = None) -> list[str]:
    """Doctor finds exactly one thing, mends it when told to, and is well then. Returns the ids it named."""
    [found] = findings()
    assert words in found["problem"], found
    assert not found["mended"]
    [mended] = findings("--repair")
    assert mended["mended"], mended
    assert findings() == []
    assert snapshots is None or len(rows(Path(os.environ["ROLLOUTS_HOME"]))) == snapshots
    named: list[str] = found["snapshots"]
    return named


def test_a_fresh_home_is_well_and_stays_unmade(home: Path) -> None:
    assert ok("doctor").endswith("all is well\n")
    assert not home.exists()


def test_a_used_home_is_well(repo: Path, plain: Path, home: Path, tmp_path: Path) -> None:
    for number in range(3):
        (repo / "a.txt").write_text(str(number))
        taken = snapshot(repo, str(number))
        snapshot(plain, str(number), "t")
    restored(taken["id"], tmp_path / "out")
    ok("delete", "--snapshot", taken["id"], "--yes")
    (repo / "a.txt").unlink()
    snapshot(repo, "last")
    assert findings() == []
    lines = ok("doctor").splitlines()
    assert lines[0] == f"home: {home}"
    assert lines[1].startswith("versions: rollouts 0.2.0, python 3.")
    assert lines[2:] == ["all is well"]


def test_doctor_changes_nothing_without_repair(repo: Path, home: Path) -> None:
    taken = snapshot(repo)
    (store_of(home, taken) / "refs" / "snapshots" / taken["id"]).unlink()
    home.chmod(0o755)
    before = tree(home)
    run("doctor")
    run("doctor", "--json")
    locks = (b"/reading.lock", b"/upkeep")
    assert {path: entry for path, entry in tree(home).items() if not path.endswith(locks)} == before


def test_what_doctor_says_of_a_finding(repo: Path, home: Path) -> None:
    taken = snapshot(repo)
    (store_of(home, taken) / "refs" / "snapshots" / taken["id"]).unlink()
    result = run("doctor")
    assert (result.code, result.err) == (1, "")
    assert result.out.splitlines()[2:] == [
        f"found: snapshot {taken['id']} has a row and no ref",
        "  `rollouts doctor --repair` mends it",
    ]
    assert ok("doctor", "--repair").splitlines()[2:] == [f"mended: snapshot {taken['id']} has a row and no ref"]
    assert ok("doctor").splitlines()[2:] == ["all is well"]


def test_a_lost_ref_is_put_back(repo: Path, home: Path) -> None:
    taken = snapshot(repo)
    (store_of(home, taken) / "refs" / "snapshots" / taken["id"]).unlink()
    check_mended("has a row and no ref", snapshots=1)
    assert (
        git("rev-parse", f"refs/snapshots/{taken['id']}", cwd=store_of(home, taken)).strip()
        == (taken["store_commit_sha"])
    )


def test_a_ref_without_a_row_gets_its_row_back(repo: Path, home: Path) -> None:
    taken = snapshot(repo, metadata='{ "k" : 1.0 }')
    query(home, "DELETE FROM snapshots")
    check_mended("has a ref", snapshots=1)
    assert json.loads(ok("show", taken["id"], "--json")) == taken | {"root_path": str(repo)}
    assert query(home, "SELECT metadata FROM snapshots") == [('{ "k" : 1.0 }',)]


def test_a_second_ref_of_one_turn_goes(repo: Path, home: Path) -> None:
    taken = snapshot(repo)
    git("update-ref", f"refs/snapshots/{'f' * 32}", taken["store_commit_sha"], cwd=store_of(home, taken))
    check_mended("has a ref", snapshots=1)
    assert rows(home) == [taken["id"]]


def test_a_foreign_ref_is_named_and_nothing_else_fails(repo: Path, home: Path) -> None:
    taken = snapshot(repo)
    store = store_of(home, taken)
    blob = git("hash-object", "-w", "--stdin", cwd=store, stdin=b"x").strip()
    git("update-ref", "refs/snapshots/blob", blob, cwd=store)
    found = findings("--repair")
    assert found
    assert rows(home) == [taken["id"]]


def test_rows_without_their_commit_are_removed(repo: Path, home: Path, tmp_path: Path) -> None:
    lost = snapshot(repo, "1")
    (repo / "a.txt").write_bytes(b"two\n")
    kept = snapshot(repo, "2")
    store = store_of(home, lost)
    (store / "refs" / "snapshots" / lost["id"]).unlink()
    loose(store, lost["store_commit_sha"]).unlink()
    assert check_mended("lacks commits that the catalog lists", snapshots=1) == [lost["id"]]
    restored(kept["id"], tmp_path / "out")
    assert snapshot(repo, "1")["id"] != lost["id"]


def test_a_lost_commit_that_a_ref_still_names(repo: Path, home: Path, tmp_path: Path) -> None:
    lost = snapshot(repo, "1")
    (repo / "a.txt").write_bytes(b"two\n")
    kept = snapshot(repo, "2")
    loose(store_of(home, lost), lost["store_commit_sha"]).unlink()
    assert any(lost["id"] in finding["snapshots"] for finding in findings())
    findings("--repair")
    assert findings() == []
    assert rows(home) == [kept["id"]]
    restored(kept["id"], tmp_path / "out")
    snapshot(repo, "3")


def test_a_missing_store_is_named_and_its_rows_removed(repo: Path, plain: Path, home: Path, tmp_path: Path) -> None:
    lost, kept = snapshot(repo), snapshot(plain, session="t")
    store_of(home, lost).rename(tmp_path / "store")
    assert "the store" in failure(run("restore", "--snapshot", lost["id"], "--dest", tmp_path / "out"))
    assert check_mended(f"the store of {repo} is missing", snapshots=1) == [lost["id"]]
    restored(kept["id"], tmp_path / "out")


def test_a_missing_store_is_made_anew_with_a_warning(repo: Path, home: Path, tmp_path: Path) -> None:
    lost = snapshot(repo, "1")
    store_of(home, lost).rename(tmp_path / "store")
    result = run("snapshot", repo, "--session", "s", "--message", "2", "--metadata", "{}", "--json")
    assert result.code == 0
    assert result.err.startswith(f"Warning: the store of {repo} is missing and is made anew; its older snapshots")
    restored(json.loads(result.out)["id"], tmp_path / "out")
    assert check_mended("lacks commits", snapshots=1) == [lost["id"]]


@pytest.mark.parametrize("what", ["blob", "tree"])
@pytest.mark.parametrize("how", ["lost", "garbage"])
def test_a_damaged_object_is_named_with_the_snapshots_it_costs(
    how: str, what: str, plain: Path, home: Path, tmp_path: Path
) -> None:
    hit = snapshot(plain, "1")
    (plain / "sub" / "b.bin").write_bytes(b"other\n")
    whole = snapshot(plain, "2")
    store = store_of(home, hit)
    path = loose(store, oid_of(store, hit["store_commit_sha"], "sub/b.bin" if what == "blob" else "sub"))
    path.chmod(0o600)
    path.write_bytes(b"garbage")
    if how == "lost":
        path.unlink()
    found = findings()
    assert {name for finding in found for name in finding["snapshots"]} == {hit["id"]}, found
    said = failure(run("restore", "--snapshot", hit["id"], "--dest", tmp_path / "out"))
    assert "rollouts doctor" in said
    assert not (tmp_path / "out").exists()
    restored(whole["id"], tmp_path / "whole")
    assert not all(finding["mended"] for finding in findings("--repair"))  # its content is nowhere any more
    restored(whole["id"], tmp_path / "whole again")
    restored(snapshot(plain, "3")["id"], tmp_path / "new")
    assert tree(tmp_path / "new") == tree(plain)


@pytest.mark.parametrize("content", [None, b"garbage"])
def test_a_damaged_blob_that_the_workspace_still_has_is_stored_again(
    content: bytes | None, plain: Path, home: Path, tmp_path: Path
) -> None:
    (plain / "link").symlink_to("anywhere")
    taken = snapshot(plain)
    store = store_of(home, taken)
    for name in ("sub/b.bin", "link"):
        path = loose(store, oid_of(store, taken["store_commit_sha"], name))
        path.unlink()
        if content is not None:
            path.write_bytes(content)
    check_mended("has damaged objects")
    restored(taken["id"], tmp_path / "out")
    assert tree(tmp_path / "out") == tree(plain)
    assert snapshot(plain, "2")["tree"] == taken["tree"]


def test_a_lost_blob_among_many_files_leaves_no_directory(repo: Path, home: Path, tmp_path: Path) -> None:
    for number in range(1100):  # as many are checked out by several workers
        (repo / f"{number}.txt").write_text(str(number))
    git("add", "-A", cwd=repo)
    snapshot(repo, "first")
    (repo / "150.txt").write_text("late")
    taken = snapshot(repo, "1")
    store = store_of(home, taken)
    loose(store, oid_of(store, taken["store_commit_sha"], "150.txt")).unlink()
    for more in ((), ("--path", "*.txt"), ("--verify",)):
        said = failure(run("restore", "--snapshot", taken["id"], "--dest", tmp_path / "a" / "out", *more))
        assert taken["id"] in said
        assert os.listdir(tmp_path / "a") == []


@pytest.mark.parametrize("name", ["index.lock", "objects/pack/tmp_pack_x"])
def test_what_a_killed_git_left_is_named_and_swept(name: str, repo: Path, home: Path) -> None:
    left = store_of(home, snapshot(repo)) / name
    left.parent.mkdir(exist_ok=True)
    left.touch()
    check_mended("1 temporary files", snapshots=1)
    assert not left.exists()


def test_a_stale_index_lock_stops_no_capture(repo: Path, home: Path, tmp_path: Path) -> None:
    store = store_of(home, snapshot(repo, "1"))
    (store / "index.lock").touch()
    (repo / "a.txt").write_bytes(b"two\n")
    (repo / "new.txt").touch()
    restored(snapshot(repo, "2")["id"], tmp_path / "out")
    assert (tmp_path / "out" / "a.txt").read_bytes() == b"two\n"
    assert findings() == []


def test_half_deleted_and_half_made_stores_are_named_and_removed(repo: Path, home: Path) -> None:
    taken = snapshot(repo)
    doomed = home / "workspaces" / f"{'a' * 32}.{'b' * 8}.deleted"
    fresh = store_of(home, taken).with_name(f"store.git.{'c' * 8}.new")
    for folder in (doomed, fresh):
        (folder / "objects").mkdir(parents=True)
        check_mended(f"{folder} was left by a killed process", snapshots=1)
        assert not folder.exists()


def test_a_store_that_a_killed_deletion_left_is_removed(repo: Path, plain: Path, home: Path) -> None:
    gone, kept = snapshot(repo), snapshot(plain, session="t")
    query(home, "INSERT INTO deletions SELECT id, workspace_id FROM snapshots WHERE id = ?", gone["id"])
    query(home, "DELETE FROM snapshots WHERE id = ?", gone["id"])
    query(home, "DELETE FROM workspaces WHERE id = ?", gone["workspace_id"])
    check_mended(f"{store_of(home, gone)} was left by a killed deletion", snapshots=1)
    assert os.listdir(home / "workspaces") == [kept["workspace_id"]]


def test_a_store_whose_rows_are_lost_gets_them_back(repo: Path, plain: Path, home: Path) -> None:
    lost, kept = snapshot(repo), snapshot(plain, session="t")
    query(home, "DELETE FROM snapshots WHERE id = ?", lost["id"])
    query(home, "DELETE FROM workspaces WHERE id = ?", lost["workspace_id"])
    check_mended("belongs to no workspace of the catalog", snapshots=2)
    assert set(rows(home)) == {lost["id"], kept["id"]}
    shown = json.loads(ok("show", lost["id"], "--json"))
    assert {name: shown[name] for name in lost} == lost


def test_files_that_others_can_read_are_named_and_closed(repo: Path, home: Path) -> None:
    snapshot(repo)
    (home / "config.toml").touch()
    (home / "config.toml").chmod(0o600)
    [workspace] = (home / "workspaces").iterdir()
    folders = {home: 0o700, home / "workspaces": 0o700, workspace: 0o700}
    files = dict.fromkeys((home / name for name in ("rollouts.sqlite", "rollouts.lock", "config.toml")), 0o600)
    for path, mode in (folders | files).items():
        path.chmod(mode | 0o044)
        check_mended(f"{path} can be read by others", snapshots=1)
        assert path.stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("content", [None, b"", b"garbage " * 1000])
def test_a_lost_catalog_is_named_and_only_repair_rebuilds_it(content: bytes | None, repo: Path, home: Path) -> None:
    taken = snapshot(repo)
    (home / "rollouts.sqlite").unlink()
    if content is not None:
        (home / "rollouts.sqlite").write_bytes(content)
        (home / "rollouts.sqlite").chmod(0o600)
    [found] = findings()
    assert str(home / "rollouts.sqlite") in found["problem"]
    [mended] = findings("--repair")
    assert "1 snapshots" in mended["problem"]
    assert rows(home) == [taken["id"]]
    assert findings() == []


def test_a_home_whose_path_says_catalog_is_examined_to_the_end(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "my catalog"
    monkeypatch.setenv("ROLLOUTS_HOME", str(home))
    taken = snapshot(repo)
    (store_of(home, taken) / "refs" / "snapshots" / taken["id"]).unlink()
    home.chmod(0o755)
    assert len(findings()) == 2


def test_a_home_that_is_a_file_is_no_good_home(home: Path) -> None:
    home.touch()
    assert str(home) in failure(run("doctor"))


def test_a_workspace_without_snapshots_is_well(repo: Path, home: Path) -> None:
    snapshot(repo)
    ok("delete", repo, "--session", "s", "--yes")
    assert findings() == []
    assert rows(home) == []


# Packs


Packed = tuple[dict[str, Any], dict[str, Any], Path]


@pytest.fixture
def packed(plain: Path, home: Path) -> Packed:
    """Two turns of one pack without deltas, and that pack; what the first held is on disk no more."""
    put(plain, "sub/first", os.urandom(9000))
    first = snapshot(plain, "1")
    (plain / "sub" / "first").unlink()
    put(plain, "second", os.urandom(9000))
    second = snapshot(plain, "2")
    git("repack", "-a", "-d", "-f", "-q", "--depth=0", cwd=store_of(home, first))
    ok("gc")
    [pack] = (store_of(home, first) / "objects" / "pack").glob("*.pack")
    pack.chmod(0o600)
    pack.with_suffix(".idx").chmod(0o600)
    return first, second, pack


def damage(pack: Path, oid: str) -> None:
    """Changes bytes of one packed object."""
    listing = git("show-index", cwd=pack.parent, stdin=pack.with_suffix(".idx").read_bytes())
    [offset] = [int(line.split()[0]) for line in listing.splitlines() if line.split()[1] == oid]
    with pack.open("r+b") as file:
        file.seek(offset + 4)
        file.write(b"\xff" * 4)


@pytest.mark.parametrize("what", ["blob", "tree", "commit"])
def test_a_damaged_packed_object_costs_only_its_snapshots(
    what: str, packed: Packed, plain: Path, home: Path, tmp_path: Path
) -> None:
    first, second, pack = packed
    commit = first["store_commit_sha"]
    inside = {"blob": "sub/first", "tree": "sub"}
    damage(pack, oid_of(pack.parent, commit, inside[what]) if what in inside else commit)
    assert {name for finding in findings() for name in finding["snapshots"]} == {first["id"]}
    findings("--repair")
    assert contents(restored(second["id"], tmp_path / "second")) == contents(plain)
    left = {name for finding in findings() for name in finding["snapshots"]}
    assert left == (set() if what == "commit" else {first["id"]})  # one without its commit is no row any more
    assert contents(restored(snapshot(plain, "3")["id"], tmp_path / "third")) == contents(plain)
    assert list(store_of(home, first).parent.glob("damaged-pack-*.pack"))


def test_a_damaged_packed_object_that_the_workspace_has_is_stored_again(
    packed: Packed, plain: Path, tmp_path: Path
) -> None:
    first, second, pack = packed
    damage(pack, oid_of(pack.parent, second["store_commit_sha"], "second"))
    assert {name for finding in findings() for name in finding["snapshots"]} == {second["id"]}
    assert all(finding["mended"] for finding in findings("--repair"))
    assert findings() == []
    assert contents(restored(second["id"], tmp_path / "out")) == contents(plain)
    restored(first["id"], tmp_path / "first")


def test_a_lost_pack_costs_its_snapshots_and_no_other(packed: Packed, plain: Path, home: Path, tmp_path: Path) -> None:
    first, second, pack = packed
    pack.unlink()
    (plain / "a.txt").write_bytes(b"two\n")
    assert {name for finding in findings() for name in finding["snapshots"]} == {first["id"], second["id"]}
    findings("--repair")
    assert findings() == []
    assert rows(home) == []
    assert contents(restored(snapshot(plain, "3")["id"], tmp_path / "third")) == contents(plain)


@pytest.mark.parametrize("content", [None, b"", b"garbage"], ids=["lost", "empty", "garbage"])
def test_a_damaged_index_of_a_pack_costs_nothing(
    content: bytes | None, packed: Packed, plain: Path, tmp_path: Path
) -> None:
    first, second, pack = packed
    pack.with_suffix(".idx").unlink()
    if content is not None:
        pack.with_suffix(".idx").write_bytes(content)
    assert any("pack" in finding["problem"] for finding in findings())
    assert all(finding["mended"] for finding in findings("--repair"))
    assert findings() == []
    restored(first["id"], tmp_path / "first")
    assert contents(restored(second["id"], tmp_path / "out")) == contents(plain)


def test_of_a_pack_that_was_cut_short_the_rest_is_saved(
    packed: Packed, plain: Path, home: Path, tmp_path: Path
) -> None:
    first, second, pack = packed
    os.truncate(pack, pack.stat().st_size - 5000)
    named = {name for finding in findings() for name in finding["snapshots"]}
    assert named == {first["id"], second["id"]}
    findings("--repair")
    for number, row in enumerate(rows(home)):
        result = run("restore", "--snapshot", row, "--dest", tmp_path / str(number), "--verify")
        assert result.code == 0 or "rollouts doctor" in result.err
    assert contents(restored(snapshot(plain, "3")["id"], tmp_path / "third")) == contents(plain)


def test_a_damaged_index_of_all_packs_is_removed(packed: Packed, tmp_path: Path) -> None:
    first, _, pack = packed
    git("multi-pack-index", "write", cwd=pack.parent.parent.parent)
    midx = pack.with_name("multi-pack-index")
    midx.chmod(0o600)
    midx.write_bytes(midx.read_bytes()[:-40] + b"x" * 40)
    assert any("the index of all packs" in finding["problem"] for finding in findings())
    assert all(finding["mended"] for finding in findings("--repair"))
    assert findings() == []
    restored(first["id"], tmp_path / "out")


def test_objects_that_lie_in_another_repository_are_taken_in(plain: Path, home: Path, tmp_path: Path) -> None:
    taken = snapshot(plain)
    store = store_of(home, taken)
    other = tmp_path / "other.git"
    git("init", "-q", "--bare", other, cwd=tmp_path)
    for path in sorted((store / "objects").glob("??/*")):
        place = other / "objects" / path.parent.name
        place.mkdir(exist_ok=True)
        path.rename(place / path.name)
    (store / "objects" / "info" / "alternates").write_text(f"{other}/objects\n")
    check_mended("borrows objects of another repository", snapshots=1)
    shutil.rmtree(other)
    assert contents(restored(taken["id"], tmp_path / "out")) == contents(plain)


@pytest.mark.parametrize("name", ["store.git/index", "kept"])
def test_a_damaged_index_is_named_and_dropped(name: str, repo: Path, home: Path, tmp_path: Path) -> None:
    folder = store_of(home, snapshot(repo, "1")).parent
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    check_mended(f"{folder / name} is damaged", snapshots=1)
    (repo / "a.txt").write_bytes(b"two\n")
    assert contents(restored(snapshot(repo, "2")["id"], tmp_path / "out")) == contents(repo)


# Stores of others, and upkeep


def test_a_copy_of_a_store_is_named_and_left_alone(repo: Path, home: Path) -> None:
    taken = snapshot(repo)
    copy = home / "workspaces" / ("e" * 32)
    shutil.copytree(store_of(home, taken).parent, copy)
    [found] = findings("--repair")
    assert f"is a copy: its snapshots are those of workspace {taken['workspace_id']}, {repo}" in found["problem"]
    assert str(copy) in found["advice"]
    shutil.rmtree(copy)
    assert findings() == []


def bring(elsewhere: Path, home: Path, taken: dict[str, Any]) -> Path:
    """Copies the folder of a snapshot's workspace from one home into another."""
    folder: Path = home / "workspaces" / taken["workspace_id"]
    shutil.copytree(store_of(elsewhere, taken).parent, folder)
    return folder


def test_a_store_from_elsewhere_is_taken_in(repo: Path, plain: Path, home: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    foreign = [snapshot(plain, message, session="t", env={"ROLLOUTS_HOME": str(elsewhere)}) for message in "12"]
    snapshot(repo)
    folder = bring(elsewhere, home, foreign[0])
    check_mended(f"{folder}/store.git belongs to no workspace of the catalog", snapshots=3)
    for taken in foreign:
        assert contents(restored(taken["id"], tmp_path / taken["id"])) == contents(plain)
    again = snapshot(plain, "3", session="t")
    assert again["workspace_id"] == foreign[0]["workspace_id"]


def test_a_store_from_elsewhere_of_a_root_that_has_one_here_keeps_a_name_of_its_own(
    plain: Path, home: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    foreign = snapshot(plain, session="t", env={"ROLLOUTS_HOME": str(elsewhere)})
    snapshot(plain)
    bring(elsewhere, home, foreign)
    [found] = findings("--repair")
    assert found["mended"]
    assert f"are those of {plain} ({foreign['workspace_id']}) now" in found["problem"]
    assert findings() == []


def test_a_store_from_elsewhere_with_a_session_that_is_here_is_left_alone(
    repo: Path, plain: Path, home: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    foreign = snapshot(plain, env={"ROLLOUTS_HOME": str(elsewhere)})
    snapshot(repo)
    folder = bring(elsewhere, home, foreign)
    [found] = findings("--repair")
    assert not found["mended"]
    assert found["snapshots"] == [foreign["id"]]
    assert str(folder) in found["advice"]
    assert [row["root_path"] for row in json.loads(ok("workspace", "list", "--json"))["workspaces"]] == [str(repo)]


def test_a_home_copied_from_another_machine_names_its_own_stores(plain: Path, tmp_path: Path) -> None:
    elsewhere, here = tmp_path / "elsewhere", tmp_path / "here"
    taken = snapshot(plain, env={"ROLLOUTS_HOME": str(elsewhere)})
    shutil.copytree(elsewhere, here)
    shutil.rmtree(elsewhere)
    env = {"ROLLOUTS_HOME": str(here)}
    [found] = json.loads(ok("doctor", "--repair", "--json", env=env))["findings"]
    assert found["mended"]
    assert str(store_of(here, taken)) in found["problem"]
    assert json.loads(ok("doctor", "--json", env=env))["findings"] == []


def test_an_upkeep_that_was_killed_is_named_and_done(repo: Path, home: Path) -> None:
    folder = store_of(home, snapshot(repo)).parent
    (folder / "upkeep").write_text("packing 1700000000 0 ")
    check_mended("was killed", snapshots=1)
    assert (folder / "upkeep").read_bytes() == b""
