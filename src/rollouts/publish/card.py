"""The card of a dataset, its `README.md`: what this is, for the person who finds it, with their own edits kept."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from rollouts.publish import card_header, card_words
from rollouts.publish.manifest import Manifest

FILE = "README.md"
_BEGIN = "<!-- rollouts:begin -->"
_END = "<!-- rollouts:end -->"
_HINT = "<!-- `rollouts hf push` keeps this part up to date; what you write above or below it stays. -->"
_OURS = re.compile(f"{re.escape(_BEGIN)}.*?{re.escape(_END)}", re.DOTALL)
_MOST = 20  # lines in a table; a page is to be read
_WORD = re.compile(r"[A-Za-z0-9-]+")
_UNSAFE = re.compile(r"[\\`*_\[\]<>|{}#~!&$]")


def _plain(text: str) -> str:
    """Text of others as Markdown that means nothing but itself."""
    return _UNSAFE.sub(lambda found: f"\\{found[0]}", " ".join(text.split()))


def _number(count: int) -> str:
    return f"{count:,}"


def _plural(count: int, noun: str) -> str:
    return f"{_number(count)} {noun}{'' if count == 1 else 's'}"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'|'.join(['---', *['---:'] * (len(heads) - 1)])}|"
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""


def _by_count(counts: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """The most frequent first; the rest, if they are many, as one."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    yield from ((_plain(name), count) for name, count in ranked[:_MOST])
    if len(ranked) > _MOST:
        yield _plural(len(ranked) - _MOST, "other"), sum(count for _, count in ranked[_MOST:])


def _span(manifest: Manifest) -> str:
    """From when to when, by the day."""
    first = min((batch["started"] for batch in manifest.batches if batch.get("started")), default=None)
    last = max((batch["ended"] for batch in manifest.batches if batch.get("ended")), default=None)
    if not first or not last:
        return ""
    begin, end = _plain(str(first)[:10]), _plain(str(last)[:10])
    return f", of {begin}" if begin == end else f", from {begin} to {end}"


def _about(manifest: Manifest) -> Iterator[str]:
    size = f"**{_plural(manifest.session_count, 'session')}** in **{_plural(manifest.rows, 'row')}**"
    yield (
        "What people and their coding agents said and did while they worked on code, prompt by prompt and tool call by "
        f"tool call: {size}{_span(manifest)}. A session that went on after it was published has a row for each state "
        "that was published; the one with the highest `batch_id` is the newest."
    )
    yield ""
    yield (
        "Collected with Rollouts (`agent-rollouts`), which keeps the exact files of the codebase at each turn beside "
        "the conversation."
    )
    yield ""


def _counts(manifest: Manifest) -> Iterator[str]:
    yield "## What is in it"
    yield ""
    rows, sessions = manifest.count("agents"), {agent: len(ids) for agent, ids in manifest.sessions.items()}
    listed = sorted(sessions.items(), key=lambda item: (-item[1], item[0]))
    yield from _table(
        ("agent", "sessions", "rows"), ((_plain(name), _number(n), _number(rows[name])) for name, n in listed)
    )
    for name, title in (("models", "model"), ("languages", "language of the repository")):
        counts = manifest.count(name)
        if counts:
            yield from _table((title, "rows"), ((value, _number(count)) for value, count in _by_count(counts)))


def _redaction(manifest: Manifest) -> Iterator[str]:
    """What was taken out, over all batches that say so."""
    yield "## Redaction"
    yield ""
    known = [batch for batch in manifest.batches if "redaction" in batch]
    done = [batch["redaction"] for batch in known if batch["redaction"]]
    if done:
        engines = sorted({engine for report in done for engine in report.get("engines") or ()})
        total: Counter[str] = Counter()
        for report in done:
            total.update(report["replaced"])
        found = f"{_plural(total.total(), 'secret')} replaced" if total else "no secrets found"
        seconds = sorted({report["verified_by"] for report in done if report.get("verified_by")})
        verified = f", and {_plain(', '.join(seconds))} found none in what was left" if seconds else ""
        yield (
            f"Secrets were looked for in every string before it left the machine ({_plain(', '.join(engines))}):"
            f" {found}{verified}. A placeholder such as `[REDACTED:github-pat:7f3a]` stands for the same secret"
            " wherever it appears. No search finds everything: tell the owner if you meet something that should not be"
            " here."
        )
        yield ""
        if total:
            yield from _table(("kind", "replaced"), ((name, _number(count)) for name, count in _by_count(total)))
    without = [batch for batch in manifest.batches if not batch.get("redaction")]
    if without:
        rows = sum(batch["rows"] for batch in without)
        yield f"**{_plural(rows, 'row')} went out without redaction.**"
        yield ""


def _others(name: str, manifest: Manifest) -> Iterator[str]:
    """The same sessions in other shapes, where there are any."""
    rows, files = manifest.shape_rows(), manifest.file_count()
    if not rows and not files:
        return
    yield "## Other shapes of the same sessions"
    yield ""
    for shape, count in rows.items():
        told = card_words.SHAPES.get(shape, "rows of another form")
        yield f'- `load_dataset("{name}", "{shape}", split="train")`: {told} ({_plural(count, "row")})'
    for folder, count in sorted(files.items()):
        told = card_words.FOLDERS.get(folder, f"files in `{_plain(folder)}/`")
        yield f"- {told} ({_plural(count, 'file')})"
    yield ""
    if rows:
        yield "A session that was published more than once has rows of each `batch_id`; the highest is the newest."
        yield ""


def _part(name: str, manifest: Manifest, header: Mapping[str, object]) -> str:
    """Our part of the text."""
    given = _plain(str(header.get("license") or ""))
    parts = (
        *_about(manifest),
        card_words.loading(name, next(filter(_WORD.fullmatch, sorted(manifest.sessions)), "codex")),
        *_others(name, manifest),
        *_counts(manifest),
        card_words.ROWS,
        card_words.CODE,
        *_redaction(manifest),
    )
    return "\n".join((_BEGIN, _HINT, "", *parts, card_words.license_words(given), _END))


def _with_part(text: str, part: str, ending: str, *, ours: bool) -> str:
    """A card's text with our part renewed; a card that lost it on purpose stays without."""
    if _OURS.search(text):
        return _OURS.sub(lambda _: part, text, count=1)
    return text if ours else f"{text.rstrip()}{ending * 2}{part}{ending}"


def written(old: str | None, name: str, manifest: Manifest, *, license_name: str | None, ours: bool) -> str:
    """The card that goes with a manifest.

    Args:
        old: the card as it is; None when there is none.
        name: of the dataset, with its namespace.
        manifest: what the dataset will hold.
        license_name: what the owner gave; None leaves what is there.
        ours: whether the old card has been through here before.

    Raises:
        RolloutsError: the old card's YAML cannot be read.
    """
    yaml_text, text = card_header.split(old or "")
    shapes = [*manifest.shape_rows(), *sorted(manifest.file_count())]
    wanted = card_header.Wanted(sorted(manifest.sessions), shapes, license_name)
    yaml_text = card_header.updated(yaml_text, wanted, name)
    part = _part(name, manifest, card_header.parsed(yaml_text, name))
    if not text.strip():
        text = f"\n# {name.partition('/')[2]}\n"
        ours = False
    ending = "\r\n" if "\r\n" in text else "\n"
    text = _with_part(text, part.replace("\n", ending), ending, ours=ours)
    return f"---{ending}{yaml_text}---{ending}{text}"
