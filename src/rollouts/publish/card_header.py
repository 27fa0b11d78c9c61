"""The YAML at the head of a dataset's card: our keys are set, everything else stays to the letter."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import yaml

from rollouts.errors import RolloutsError
from rollouts.record import Record

Header = dict[str, Any]
CONFIG = "default"
FEATURES = (
    ("batch_id", "int64"),
    ("session_id", "string"),
    ("agent", "string"),
    ("exported_at", "string"),
    ("session", "json"),
    ("metadata", "json"),
)
"""Columns as `datasets` names their types. Declared, because what it infers from the first 10 MB of the first file
fails on what comes later (https://github.com/huggingface/datasets/issues/7222); `json` is known since 4.7."""
SHAPES = {
    "sft": (
        *(("batch_id", "int64"), ("session_id", "string"), ("agent", "string"), ("model", "string")),
        *(("unit", "string"), ("turn", "int64"), ("messages", "[json]"), ("tools", "[json]"), ("workspace", "json")),
        *(("message_id", "string"), ("snapshot_before", "json"), ("snapshot_after", "json"), ("patch", "string")),
        *(("usage", "json"), ("redacted", "int64")),
    ),
    "atif": (("batch_id", "int64"), ("agent", "string"), ("session_id", "string"), ("trajectory", "json")),
}
"""Columns of the other shapes that a dataset may have, each a configuration of its own."""
TRACES = "traces"
TRACE_FEATURES = (
    *(("harness", "string"), ("session_id", "string"), ("prompt", "string"), ("messages", "[json]")),
    *(("tools", "[json]"), ("metadata", "json"), ("sent_at", "string"), ("num_user_messages", "int64")),
    *(("num_tool_calls", "int64"), ("trace", "json"), ("file_path", "string")),
)
"""By exactly these columns `datasets` (5.0 and newer) knows that the files of a configuration are agents' traces."""
_FILES = ("train.jsonl", "train-*.jsonl")
_TAGS = ("agent-traces", "coding-agent")
_BLOCK = re.compile(r"\A\s*---[ \t]*\r?\n(?P<yaml>.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)


class Wanted(Record):
    """What is to stand in the YAML."""

    agents: list[str]
    """Become tags."""
    shapes: list[str]
    """What else the sessions are there as; TRACES and those of SHAPES become configurations."""
    license_name: str | None
    """As the Hub knows it (https://huggingface.co/docs/hub/repositories-licenses); None leaves what is there."""


def split(card: str) -> tuple[str, str]:
    """The YAML of a card, and its text."""
    found = _BLOCK.match(card)
    return (found["yaml"], card[found.end() :]) if found else ("", card)


def parsed(text: str, where: str) -> Header:
    try:
        header = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise RolloutsError(f"README.md of {where} begins with YAML that cannot be read ({reason}); mend it") from error
    if not isinstance(header, dict):
        raise RolloutsError(f"README.md of {where} begins with YAML that is no mapping; mend it")
    return header


def _with_ours(listed: object, ours: list[Header]) -> list[Any]:
    """A list of configurations with ours in place of older ones, others as they were."""
    others = listed if isinstance(listed, list) else [listed] if isinstance(listed, dict) else []
    names = {item["config_name"] for item in ours}
    kept = [item for item in others if not isinstance(item, dict) or item.get("config_name", CONFIG) not in names]
    return [*ours, *kept]


def _files(paths: Iterable[str]) -> list[Header]:
    return [{"split": "train", "path": list(paths)}]


def _feature(name: str, kind: str) -> Header:
    return {"name": name, "list": kind[1:-1]} if kind[0] == "[" else {"name": name, "dtype": kind}


def _info(name: str, features: Iterable[tuple[str, str]]) -> Header:
    return {"config_name": name, "features": [_feature(*one) for one in features]}


def _others(shapes: Iterable[str]) -> tuple[list[Header], list[Header]]:
    """The configurations of other shapes, and their columns. Each must have a file, else none of the card's loads."""
    configs, infos = [], []
    for name in shapes:
        paths = [f"{name}/**/*.jsonl" if name == TRACES else f"{name}/train-*.jsonl"]
        features = TRACE_FEATURES if name == TRACES else SHAPES.get(name)
        if features:
            configs.append({"config_name": name, "data_files": _files(paths)})
            infos.append(_info(name, features))
    return configs, infos


def _wanted(header: Header, wanted: Wanted) -> Header:
    """The keys that are ours, as they shall be."""
    configs, infos = _others(wanted.shapes)
    configs = [{"config_name": CONFIG, "default": True, "data_files": _files(_FILES)}, *configs]
    infos = _with_ours(header.get("dataset_info"), [_info(CONFIG, FEATURES), *infos])
    tags = header.get("tags")
    there = tags if isinstance(tags, list) else [tags] if tags else []
    return {
        **({"license": wanted.license_name} if wanted.license_name else {}),
        "tags": [*there, *(tag for tag in (*_TAGS, *wanted.agents) if tag not in there)],
        "configs": _with_ours(header.get("configs"), configs),
        "dataset_info": infos if len(infos) > 1 else infos[0],
    }


def _dumped(header: Header) -> str:
    return str(yaml.safe_dump(header, sort_keys=False, allow_unicode=True, width=120))


def _without_tail(text: str) -> str:
    """A value without the blank lines and comments that follow it: they belong to what comes next."""
    lines = text.splitlines(keepends=True)
    while lines and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
        lines.pop()
    return "".join(lines)


def _replaced(text: str, key: str, value: object) -> str:
    """The YAML with one key of its top level set."""
    new = _dumped({key: value})
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    for name, node in root.value if isinstance(root, yaml.MappingNode) else []:
        if name.value == key:
            first, last = name.start_mark.index, node.end_mark.index
            old = _without_tail(text[first:last])
            return text[:first] + new + text[first + len(old) :].removeprefix("\n")
    return text + ("" if not text or text.endswith("\n") else "\n") + new


def updated(text: str, given: Wanted, where: str) -> str:
    """The YAML of a card with our keys set: tags, configs, dataset_info, and the licence where one is given.

    Args:
        text: the YAML as it is, without its `---` lines.
        given: what is to stand there.
        where: the dataset's name, for the error.

    Raises:
        RolloutsError: it is no YAML, or no mapping.
    """
    ending = "\r\n" if "\r\n" in text else "\n"
    text = text.replace("\r\n", "\n")
    header = parsed(text, where)
    wanted = _wanted(header, given)
    edited = text
    try:
        for key in (key for key in wanted if header.get(key) != wanted[key]):
            edited = _replaced(edited, key, wanted[key])
        kept = yaml.safe_load(edited) == header | wanted
    except yaml.YAMLError:  # all of it within braces, or an alias to what was replaced
        kept = False
    return (edited if kept else _dumped(header | wanted)).replace("\n", ending)
