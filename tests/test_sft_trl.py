"""Rows for training in the hands of those that they are for: TRL, chat templates of models, `datasets`.

Needs torch, trl (1.16 or newer), transformers and datasets, which are no dependencies of this project (2 GB): install
them with this project in a virtual environment of their own, and run this file there. The templates
are those that TRL ships.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from agent_records import (
    CLAUDE,
    CODEX,
    OPENCODE,
    claude_session,
    claude_subagent,
    codex_session,
    gave,
    opencode_document,
    opencode_session,
    put_claude,
    put_claude_subagent,
    put_codex,
    put_opencode,
    told,
    tool,
)
from agent_records import said as block
from helpers import ok, snapshot
from neutral_sessions import some_session
from rollouts.export import training
from rollouts.export.training import Copies, Facts, Form

_WITHOUT = "{} is not installed (this file says how)"
trl = pytest.importorskip("trl", reason=_WITHOUT.format("trl"))
torch = pytest.importorskip("torch", reason=_WITHOUT.format("torch"))
transformers = pytest.importorskip("transformers", reason=_WITHOUT.format("transformers"))
tokenizers = pytest.importorskip("tokenizers", reason=_WITHOUT.format("tokenizers"))
datasets = pytest.importorskip("datasets", reason=_WITHOUT.format("datasets"))
templates = pytest.importorskip("transformers.utils.chat_template_utils")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

TEMPLATES = Path(trl.__file__).parent / "chat_templates"
WITH_OBJECTS = ("qwen2_5", "qwen3", "qwen3_5_think", "glm4moe", "nemotron_3_nano", "lfm2", "gemma4")
WITH_TEXTS = ("qwen2_5", "qwen3", "deepseekv3", "lfm2")
ONE_CALL_A_MESSAGE = ("llama3_1", "gptoss")
STEPS = 20
Row = dict[str, Any]


def chance_rows(unit: str, *, has_text_arguments: bool = False, seeds: int = 60) -> list[Row]:
    form = Form(unit, has_text_arguments)
    return [
        row for seed in range(seeds) for row in training.rows(some_session(seed), Facts(), form, Copies(), Counter())
    ]


def exported(sealed: Path, plain: Path, out: Path, *words: str) -> list[Row]:
    """What the command writes of a session of each agent."""
    put_claude_subagent(put_claude(sealed, claude_session()), claude_subagent())
    put_codex(sealed, codex_session())
    called = gave("msg_2", tool("call_1", "bash", output="fine"), finish="tool-calls")
    answered = gave("msg_3", block("Did it."))
    document = opencode_document(opencode_session(told("msg_1", block("Go")), called, answered))
    env = put_opencode(sealed, {OPENCODE: document})
    for agent, session in (("claude-code", CLAUDE), ("codex", CODEX), ("opencode", OPENCODE)):
        snapshot(plain, "m", session, json.dumps({"agent": agent}))
    ok("export", "sft", "--agent", "all", "--all", "--out", out, *words, env=env)
    return [json.loads(line) for line in out.read_bytes().splitlines()]


def rendered(template: str, row: Row) -> str:
    words = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    text = (TEMPLATES / f"{template}.jinja").read_text()
    [whole], _ = templates.render_jinja_template(
        [row["messages"]], tools=row["tools"] or None, chat_template=text, **words
    )
    return str(whole)


def said(row: Row) -> list[str]:
    """What a model is to learn of a row, as far as every template renders it."""
    return [one["content"] for one in row["messages"] if one["role"] == "assistant" and one["content"]]


def check_rendered(template: str, row: Row) -> None:
    text = rendered(template, row)
    assert row["messages"][-1]["content"].strip() in text
    for one in row["tools"] if template != "deepseekv3" else ():  # which has no place for tools
        assert one["function"]["name"] in text
    for message in row["messages"]:
        for call in message.get("tool_calls", ()):
            assert call["function"]["name"] in text
        assert message["role"] != "tool" or message["content"].strip() in text


@pytest.mark.parametrize("unit", [training.SESSION, training.TURN])
@pytest.mark.parametrize("template", WITH_OBJECTS)
def test_templates_of_models_take_rows_with_arguments_as_objects(template: str, unit: str) -> None:
    for row in chance_rows(unit):
        check_rendered(template, row)


@pytest.mark.parametrize("template", WITH_TEXTS)
def test_templates_of_models_take_rows_with_arguments_as_text(template: str) -> None:
    for row in chance_rows(training.SESSION, has_text_arguments=True):
        check_rendered(template, row)


def with_one_call_a_message(row: Row) -> bool:
    """Whether a row is fit for models that make one call at a time, and say nothing beside it."""
    calling = [one for one in row["messages"] if "tool_calls" in one]
    return all(len(one["tool_calls"]) == 1 and not (one["content"] and "reasoning_content" in one) for one in calling)


@pytest.mark.parametrize("template", ONE_CALL_A_MESSAGE)
def test_templates_of_models_that_make_one_call_at_a_time_take_rows_without_parallel_ones(template: str) -> None:
    fit = [row for row in chance_rows(training.TURN, seeds=200) if with_one_call_a_message(row)]
    assert sum("tool_calls" in one for row in fit for one in row["messages"]) > 5
    for row in fit:
        check_rendered(template, row)


@pytest.mark.parametrize("template", WITH_OBJECTS)
def test_templates_of_models_take_what_the_command_writes(
    template: str, sealed: Path, plain: Path, tmp_path: Path
) -> None:
    for row in exported(sealed, plain, tmp_path / "sft.jsonl"):
        check_rendered(template, row)


def tokenizer(template: str) -> Any:
    """A tokenizer of bytes, so that nothing has to be downloaded, with a real model's template."""
    byte_level = tokenizers.pre_tokenizers.ByteLevel
    letters = sorted(byte_level.alphabet())
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    core = tokenizers.Tokenizer(
        tokenizers.models.BPE({letter: number for number, letter in enumerate([*special, *letters])}, [])
    )
    core.pre_tokenizer = byte_level(add_prefix_space=False)
    core.decoder = tokenizers.decoders.ByteLevel()
    ends = dict(zip(("eos_token", "pad_token"), ("<|im_end|>", "<|endoftext|>"), strict=True))
    found = transformers.PreTrainedTokenizerFast(tokenizer_object=core, **ends)
    found.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    found.chat_template = (TEMPLATES / f"{template}.jinja").read_text()
    return found


def dataset(out: Path) -> Any:
    """The file as its documentation has it loaded."""
    text, number, json_ = datasets.Value("string"), datasets.Value("int64"), datasets.Json()
    columns = dict.fromkeys(("session_id", "agent", "model", "unit", "message_id", "patch"), text)
    columns |= dict.fromkeys(("turn", "redacted"), number)
    columns |= dict.fromkeys(("messages", "tools"), datasets.List(json_))
    columns |= dict.fromkeys(("workspace", "snapshot_before", "snapshot_after", "usage"), json_)
    features = datasets.Features(columns)
    return datasets.load_dataset(
        "json", data_files=str(out), features=features, split="train", cache_dir=str(out.parent / "cache")
    )


def test_datasets_loads_what_the_command_writes_value_for_value(sealed: Path, plain: Path, tmp_path: Path) -> None:
    rows = exported(sealed, plain, tmp_path / "sft.jsonl", "--unit", "turn")
    found = dataset(tmp_path / "sft.jsonl")
    assert [dict(sorted(row.items())) for row in found] == [dict(sorted(row.items())) for row in rows]


@pytest.mark.parametrize("form", ["dict", "string"])
def test_trls_own_functions_take_what_the_command_writes(form: str, sealed: Path, plain: Path, tmp_path: Path) -> None:
    rows = exported(sealed, plain, tmp_path / "sft.jsonl", "--tool-args", form)
    for row, loaded in zip(rows, dataset(tmp_path / "sft.jsonl"), strict=True):
        assert trl.is_conversational(loaded)
        made = trl.apply_chat_template({"messages": loaded["messages"], "tools": loaded["tools"]}, tokenizer("qwen3"))
        assert [text for text in said(row) if text.strip() not in made["text"]] == []


def learned(trainer: Any, words: Any) -> list[str]:
    """The stretches of each row that the loss is taken of, as text."""
    found = []
    for batch in trainer.get_train_dataloader():
        for ids, labels in zip(batch["input_ids"], batch["labels"], strict=True):
            stretch: list[int] = []
            for number, label in zip(ids.tolist(), labels.tolist(), strict=True):
                if label == -100 and stretch:
                    found.append(words.decode(stretch))
                    stretch = []
                elif label != -100:
                    stretch.append(number)
            found += [words.decode(stretch)] if stretch else []
    return found


def trained(rows: Any, folder: Path, **settings: Any) -> tuple[list[float], list[str]]:
    """Trains a tiny model with random weights on rows. Returns its losses, and what they were taken of."""
    words = tokenizer("qwen3")
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "head_dim": 8}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    shape = transformers.Qwen3Config(vocab_size=len(words), **sizes, **heads, max_position_embeddings=8192)
    torch.manual_seed(0)
    model = transformers.Qwen3ForCausalLM(shape)
    config = trl.SFTConfig(
        output_dir=str(folder),
        max_steps=STEPS,
        per_device_train_batch_size=2,
        logging_steps=1,
        report_to="none",
        max_length=8192,
        use_cpu=True,
        bf16=False,
        save_strategy="no",
        assistant_only_loss=True,
        learning_rate=1e-3,
        **settings,
    )
    trainer = trl.SFTTrainer(model=model, args=config, train_dataset=rows, processing_class=words)
    seen = learned(trainer, words)
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry], seen


def test_a_model_trains_on_what_the_command_writes_and_only_on_what_the_assistant_said(
    sealed: Path, plain: Path, tmp_path: Path
) -> None:
    rows = exported(sealed, plain, tmp_path / "sft.jsonl")
    losses, seen = trained(dataset(tmp_path / "sft.jsonl"), tmp_path / "model")
    print(f"{len(rows)} rows, {len(losses)} steps, loss {losses[0]:.3f} -> {losses[-1]:.3f}")  # noqa: T201 - figures
    assert len(losses) == STEPS
    assert all(math.isfinite(loss) for loss in losses)
    assert losses[-1] < losses[0]
    answers = [one for row in rows for one in row["messages"] if one["role"] == "assistant"]
    assert len(seen) == len(answers)
    for one in answers:
        assert any(one["content"].strip() in text for text in seen)
    others = {one["content"] for row in rows for one in row["messages"] if one["role"] != "assistant"}
    others -= {one["content"] for one in answers}
    assert not [text for text in others if len(text) > 8 and any(text in learned_text for learned_text in seen)]


def test_a_turn_is_split_into_what_was_before_it_and_what_is_to_be_learned(
    sealed: Path, plain: Path, tmp_path: Path
) -> None:
    rows = exported(sealed, plain, tmp_path / "sft.jsonl", "--unit", "turn")

    def split(row: Row) -> Row:  # as docs/datasets.md has it
        messages = row["messages"]
        at = next(n for n, one in enumerate(messages) if one["role"] == "assistant" and one.get("weight") != 0)
        return {"prompt": messages[:at], "completion": messages[at:], "tools": row["tools"]}

    found = dataset(tmp_path / "sft.jsonl")
    losses, seen = trained(found.map(split, remove_columns=found.column_names), tmp_path / "model")
    assert all(math.isfinite(loss) for loss in losses)
    answers = [one for row in rows for one in row["messages"] if one["role"] == "assistant"]
    assert any(one.get("weight") == 0 for one in answers)
    assert len(seen) == sum(one.get("weight") != 0 for one in answers)
