"""The store of agents' transcripts: pieces that are shared, what was rewritten, forgetting, crashes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers import git
from rollouts import paths
from rollouts.errors import RolloutsError
from rollouts.storage.pieces import PIECE
from rollouts.storage.transcripts import Draft, Outcome, Transcripts, ref


@pytest.fixture
def kept(home: Path) -> Transcripts:
    home.mkdir()
    return Transcripts(paths.home())


def keep(kept: Transcripts, session: str = "s", **files: Path) -> Outcome:
    named = {name.replace("__", "."): str(path) for name, path in files.items()}
    return kept.keep([Draft("codex", session, named)])[0]


def contents(kept: Transcripts, session: str = "s") -> dict[str, bytes] | None:
    found = kept.files("codex", session)
    return None if found is None else {name: content.read() for name, content in found.items()}


def objects(kept: Transcripts) -> set[str]:
    return set(git("--git-dir", kept.store.path, "rev-list", "--objects", "--all", cwd=Path("/")).split())


def noise(size: int, seed: int = 0) -> bytes:
    return (b"%d " % seed).join(b"%d" % number for number in range(size // 3 + 2))[:size]


def test_files_of_any_size_come_back_as_they_were(kept: Transcripts, tmp_path: Path) -> None:
    for size in (0, 1, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE):
        path = tmp_path / f"{size}.jsonl"
        path.write_bytes(noise(size))
        assert keep(kept, f"of {size}", main__jsonl=path).sizes == {"main.jsonl": size}
        assert contents(kept, f"of {size}") == {"main.jsonl": noise(size)}


def test_ids_and_names_may_be_any_text(kept: Transcripts, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"x\n")
    for session in ("../../etc", "a b\n'\"c", "\udcff", ".lock", "é" * 500):
        kept.keep([Draft("claude-code", session, {'odd "\\ é\n.jsonl': str(path)})])
        found = kept.files("claude-code", session)
        assert found
        assert {name: content.read() for name, content in found.items()} == {'odd "\\ é\n.jsonl': b"x\n"}


def test_a_name_that_no_tree_can_hold_is_a_named_problem(kept: Transcripts, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"x\n")
    done = kept.keep([Draft("codex", "s", {"a/b.jsonl": str(path), ".git": str(path), "main.jsonl": str(path)})])[0]
    assert sorted(done.problems) == [".git", "a/b.jsonl"]
    assert contents(kept) == {"main.jsonl": b"x\n"}


def test_an_appended_file_shares_its_whole_pieces(kept: Transcripts, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(noise(3 * PIECE + 10))
    keep(kept, main__jsonl=path)
    before = objects(kept)
    with path.open("ab") as file:
        file.write(b"more")
    keep(kept, main__jsonl=path)
    assert contents(kept) == {"main.jsonl": noise(3 * PIECE + 10) + b"more"}
    assert len(objects(kept) - before) <= 6  # one piece, two trees and a commit; trees are listed with their names


def test_a_file_that_is_as_before_writes_nothing(kept: Transcripts, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(noise(PIECE))
    keep(kept, main__jsonl=path)
    before = kept.refs()
    keep(kept, main__jsonl=path)
    assert kept.refs() == before


@pytest.mark.parametrize("now", [b"short", noise(2 * PIECE, 1), b"X" + noise(3 * PIECE)[1:], noise(PIECE)])
def test_what_a_rewritten_log_held_is_kept_beside_it(kept: Transcripts, tmp_path: Path, now: bytes) -> None:
    path = tmp_path / "log"
    path.write_bytes(noise(2 * PIECE + 7))
    keep(kept, main__jsonl=path)
    path.write_bytes(now)
    keep(kept, main__jsonl=path)
    assert contents(kept) == {"main.jsonl": now, "main.jsonl~1": noise(2 * PIECE + 7)}
    path.write_bytes(b"third")
    keep(kept, main__jsonl=path)
    found = contents(kept)
    assert found
    assert sorted(found) == ["main.jsonl", "main.jsonl~1", "main.jsonl~2"]


def test_a_document_that_is_written_anew_each_time_replaces_the_older_one(kept: Transcripts, tmp_path: Path) -> None:
    path = tmp_path / "export"
    for text in (b'{"a": 1}', b'{"b": 22}'):
        path.write_bytes(text)
        keep(kept, main__json=path)
    assert contents(kept) == {"main.json": b'{"b": 22}'}


def test_files_that_are_gone_stay_kept(kept: Transcripts, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"1\n")
    keep(kept, main__jsonl=path, other__jsonl=path)
    path.unlink()
    assert "main.jsonl" in keep(kept, main__jsonl=path).problems
    assert contents(kept) == {"main.jsonl": b"1\n", "other.jsonl": b"1\n"}


def test_a_session_that_nothing_is_kept_of_has_no_files(kept: Transcripts, tmp_path: Path) -> None:
    assert kept.files("codex", "s") is None
    path = tmp_path / "log"
    path.write_bytes(b"1\n")
    keep(kept, main__jsonl=path)
    assert kept.files("codex", "t") is None
    assert kept.files("opencode", "s") is None
    assert list(kept.sessions()) == [("codex", "s")]


def test_forgotten_bytes_are_gone_from_the_disk(kept: Transcripts, tmp_path: Path) -> None:
    paths_of = {name: tmp_path / name for name in ("a", "b")}
    for name, path in paths_of.items():
        path.write_bytes(noise(PIECE, ord(name)))
        keep(kept, name, main__jsonl=path)
    assert kept.forget([("codex", "a"), ("codex", "never")]) == 1
    assert contents(kept, "a") is None
    assert contents(kept, "b") == {"main.jsonl": noise(PIECE, ord("b"))}
    everything = git("--git-dir", kept.store.path, "cat-file", "--batch-all-objects", "--batch-check", cwd=tmp_path)
    assert everything.count("blob") == 1


def test_many_sessions_are_one_batch(kept: Transcripts, tmp_path: Path) -> None:
    drafts = []
    for number in range(300):
        path = tmp_path / str(number)
        path.write_bytes(b"%d\n" % number)
        drafts.append(Draft("codex", str(number), {"main.jsonl": str(path)}))
    assert all(done.sizes for done in kept.keep(drafts))
    assert contents(kept, "299") == {"main.jsonl": b"299\n"}
    assert len(list(kept.sessions())) == 300


_KEEPER = """
import sys
from rollouts import paths
from rollouts.storage.transcripts import Draft, Transcripts
kept = Transcripts(paths.home())
print("ready", flush=True)
for number in range(int(sys.argv[2])):
    with open(sys.argv[1], "ab") as file:
        file.write(b"%d\\n" % number * 2000)
    kept.keep([Draft("codex", sys.argv[1], {"main.jsonl": sys.argv[1]})])
"""


def keeper(path: Path, rounds: int) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-c", _KEEPER, str(path), str(rounds)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True)


def test_a_keeper_that_is_killed_leaves_a_sound_store(kept: Transcripts, tmp_path: Path) -> None:
    path = tmp_path / "log"
    for pause in (0.0, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12):
        with keeper(path, 1000) as child:
            assert child.stdout
            child.stdout.readline()
            time.sleep(pause)
            os.killpg(child.pid, 9)
        found = kept.files("codex", str(path))
        if found is not None:
            assert path.read_bytes().startswith(found["main.jsonl"].read())
    keep(kept, str(path), main__jsonl=path)
    assert contents(kept, str(path)) == {"main.jsonl": path.read_bytes()}
    assert kept.store.faults() == []
    assert kept.leftovers() == []


def test_keepers_at_once_wait_for_each_other(kept: Transcripts, tmp_path: Path) -> None:
    logs = [tmp_path / str(number) for number in range(3)]
    children = [keeper(path, 5) for path in logs]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    for child in children:
        assert child.stdout
        child.stdout.close()
    for path in logs:
        assert contents(kept, str(path)) == {"main.jsonl": path.read_bytes()}


def test_a_lost_piece_is_an_error_that_says_so(kept: Transcripts, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"1\n")
    keep(kept, main__jsonl=path)
    oid = git("hash-object", path, cwd=tmp_path).strip()
    (Path(kept.store.path) / "objects" / oid[:2] / oid[2:]).unlink()
    with pytest.raises(RolloutsError, match="has lost"):
        contents(kept)


def test_names_of_refs_say_the_agent_and_nothing_of_the_session() -> None:
    assert ref("codex", "secret").startswith("refs/transcripts/codex/")
    assert "secret" not in ref("codex", "secret")
