"""The languages of a repository, by the names of its files."""

from __future__ import annotations

import pytest

from rollouts.export.languages import spoken


@pytest.mark.parametrize(
    ("paths", "languages"),
    [
        ([], ()),
        ([b"README.md", b"LICENSE", b".gitignore"], ()),
        ([b"a.py", b"b.PY", b"c.rs"], ("Python", "Rust")),
        ([b"a.ts", b"b.tsx", b"c.js", b"node_modules/x/d.js", b"vendor/e.go"], ("TypeScript", "JavaScript")),
        ([*(b"%d.py" % n for n in range(19)), b"one.sh"], ("Python",)),
        ([b"a.c", b"b.go", b"c.rb", b"d.rs"], ("C", "Go", "Ruby")),
        ([b"\xff\xfe.py", b"odd.\xff", b"dir.py/x", b"py"], ("Python",)),
    ],
)
def test_the_languages_of_at_least_a_tenth_of_the_files(paths: list[bytes], languages: tuple[str, ...]) -> None:
    assert spoken(paths) == languages
