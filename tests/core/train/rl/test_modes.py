"""Both ways of asking in one batch: what is asked, what is logged, what is refused, and that shared prompts bear it."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from prepared_run import built

from egm_core.families.thinking import Thinking
from egm_core.models.folder import load_info
from egm_core.reward import compute_score
from egm_core.sample import Sample, read_samples, write_samples
from egm_core.train.configuration import ConfigurationError, check
from egm_core.train.rl.config import RLConfig
from egm_core.train.rl.modes import both_ways, mixed
from egm_core.train.rl.stage import rl
from egm_core.train.rl.verl.data import Asking, write_parquet
from egm_core.train.rl.verl.launch import prepare

STEPS = 2


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    samples = []
    for i in range(8):
        cv2.imwrite(str(folder / f"{i}.png"), rng.integers(0, 256, (64, 96, 3), np.uint8))
        box = (10.0 + i, 2.0, 94.0, 62.0)
        samples.append(Sample(str(folder / f"{i}.png"), "the red mug", box, box, 1.0, 64, 96))
    write_samples(folder / "samples.jsonl", samples)
    return folder / "samples.jsonl"


def settings(model: Path, data: Path, output: Path, **changes: Any) -> RLConfig:
    values: dict[str, Any] = {
        "model": str(model), "data": [str(data)], "output": str(output), "learning_rate": 1e-3, "warmup": 0,
        "prompts": 8, "generations": 2, "micro_batch": 16, "max_tokens": 48, "max_steps": STEPS, "temperature": 0.1,
        "top_p": 1.0, "top_k": 0, "save_steps": 9, "logging_steps": 1, "report_to": [], "direct_share": 0.5,
        "token_price": 0.01,
    }  # fmt: skip
    return RLConfig(**{**values, **changes})


def test_a_run_asks_both_ways_and_logs_each(memorising_qwen: Path, data: Path, tmp_path: Path) -> None:
    final = rl(settings(memorising_qwen, data, tmp_path / "run"))
    template = (final / "chat_template.jinja").read_text()
    assert template == (memorising_qwen / "chat_template.jinja").read_text(), "the model's own template is shipped"
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    rows = [row for row in lines if "loss" in row]
    assert len(rows) == STEPS
    for row in rows:
        assert math.isfinite(row["loss"]) and row["reasoning_tokens/direct"] < 1 < row["reasoning_tokens/thinking"]
        assert row["thought/direct"] < row["thought/thinking"] and {"accuracy/direct", "accuracy/thinking"} <= set(row)
    answers = [json.loads(line) for line in (tmp_path / "run" / "answers.jsonl").read_text().splitlines()]
    assert {row["direct"] for row in answers} == {True, False}
    for row in answers:
        assert ("</think>" in row["answer"]) != row["direct"], row["answer"]
        if row["direct"]:
            assert row["reward"] >= 0
    assert min(row["reward"] for row in answers if not row["direct"]) < 0, "thinking in vain costs its tokens"


@pytest.mark.parametrize("name", ["memorising_qwen", "memorising_hybrid", "memorising_qwen3_5"])
def test_a_direct_prompt_is_that_of_the_grounder(
    name: str, request: pytest.FixtureRequest, data: Path, tmp_path: Path
) -> None:
    folder: Path = request.getfixturevalue(name)
    trainer = built(settings(folder, data, tmp_path), tmp_path)
    info, processor = load_info(folder), trainer.processing_class
    rows = [trainer.train_dataset[i] for i in range(len(trainer.train_dataset))]
    assert {row["direct"] for row in rows} == {True, False}
    picture = cv2.imread(str(data.parent / "0.png"))[..., ::-1].copy()
    habit = info.thinking or info.speaker.thinking
    for direct in (False, True):
        words = next(row for row in rows if row["direct"] is direct)["prompt"]
        parts = [{"type": "image"}, {"type": "text", "text": words[0]["content"]}]
        # The model folder's own template, as engines render it; a grammar then shuts a thought that stays open.
        expected = (
            type(processor)
            .from_pretrained(folder)
            .apply_chat_template(
                [{"role": "user", "content": parts}], add_generation_prompt=True, **habit.arguments(not direct)
            )
        )
        expected += "</think>\n\n" if direct and habit.opening(False) == "open" else ""
        ids = trainer._tokenize_prompts([[{**words[0], "content": [{**parts[0], "image": picture}, parts[1]]}]])[0][0]
        assert list(ids) == list(processor(images=[picture], text=[expected])["input_ids"][0])


def test_neighbours_that_differ_by_their_way_alone_stay_apart(
    memorising_qwen: Path, data: Path, tmp_path: Path
) -> None:
    trainer = built(settings(memorising_qwen, data, tmp_path), tmp_path)
    assert trainer.shared
    row = trainer.train_dataset[0]
    ask = row["prompt"][0]
    asked = [{**row, "prompt": [{**ask, "direct": way}], "direct": way} for way in (True, True, False, False)]
    trainer.model.train()
    ids = trainer._generate_and_score_completions(asked)["prompt_ids"]
    assert ids[0].equal(ids[1]) and ids[2].equal(ids[3]) and not ids[0].equal(ids[2])


def test_the_share_is_drawn_by_the_seed() -> None:
    rows = [{"prompt": [{"role": "user", "content": str(i)}], "task": "visible"} for i in range(400)]
    ways = [[row["direct"] for row in mixed(rows, 0.25, seed)] for seed in (1, 1, 2)]
    assert ways[0] == ways[1] != ways[2] and 70 < sum(ways[0]) < 130
    assert sum(row["direct"] for row in mixed(rows, 1, 0)) == 400
    said = next(mixed(rows, 1, 0))["prompt"][-1]
    assert said == {"role": "user", "content": "0", "direct": True} and "direct" not in rows[0]["prompt"][0]


def test_a_template_writes_other_chats_as_before() -> None:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    # As transformers renders them.
    jinja = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    chat = [{"role": "user", "content": "q"}]
    for template in (
        "{{ messages[0].content }}<think>\n",
        "\n{{ messages[0].content }}\n{% if 1 %}\n<think>\n{% endif %}\n",
    ):
        for thinking in (Thinking("open", "open"), Thinking("open", "shut", "enable_thinking")):
            asked = {"messages": chat, "add_generation_prompt": True, "enable_thinking": True}
            both = both_ways(template, thinking)
            assert jinja.from_string(both).render(asked) == jinja.from_string(template).render(asked)
    switch = both_ways("{% if enable_thinking %}a{% else %}b{% endif %}", Thinking("open", "shut", "enable_thinking"))
    direct = {"messages": [{**chat[0], "direct": True}], "add_generation_prompt": True, "enable_thinking": True}
    assert jinja.from_string(switch).render(direct) == "b"
    with pytest.raises(ConfigurationError, match="one chat template"):
        both_ways(None, Thinking("open", "open"))


@pytest.mark.parametrize(
    ("name", "words"),
    [("memorising_instruct", "set direct_share=0"), ("memorising_internvl", "neither opens a thought")],
)
def test_refuses_models_that_answer_in_one_way_only(
    name: str, words: str, request: pytest.FixtureRequest, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        rl(settings(request.getfixturevalue(name), data, tmp_path / "run"))
    assert not (tmp_path / "run" / "data_sheet.png").exists(), "refused before any data are read"


def test_verl_gets_the_price_with_the_tokenizer_that_counts(random_qwen: Path, data: Path, tmp_path: Path) -> None:
    config = settings(random_qwen, data, tmp_path / "run", engine="verl", freeze_vision=False, direct_share=0)
    info = load_info(random_qwen)
    row = pq.read_table(prepare(config, info)).to_pylist()[0]
    extra, truth = row["extra_info"], row["reward_model"]["ground_truth"]
    assert (extra["token_price"], extra["tokenizer"]) == (0.01, str(random_qwen.absolute()))
    said = f'</think>\n\n```json\n[{{"bbox_2d": {truth}, "label": "x"}}]\n```'
    free, dear = (compute_score("", said_first + said, truth, extra) for said_first in ("", "Red mug: (300,200).\n"))
    assert free > 0.9 and 0 < dear < free - 0.05
    slow = Asking(dataclasses.replace(info, path=tmp_path), ("visible",), token_price=0.01)
    with pytest.raises(ConfigurationError, match=r"token_price counts tokens by tokenizer\.json"):
        write_parquet(tmp_path / "slow.parquet", read_samples(data), slow)


@pytest.mark.parametrize("key", ["token_price", "direct_share"])
@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf, 1.5])
def test_refuses_values_outside_the_range(key: str, value: float) -> None:
    with pytest.raises(ConfigurationError, match=f"{key} is .* at least 0 and at most 1"):
        check(RLConfig(**{key: value}))  # type: ignore[arg-type]
