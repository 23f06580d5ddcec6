"""Random checkpoints of Qwen3.5 and InternVL3.5 go through the engine: alone, streamed, in rows of one picture."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from egm_core.engines import Request, Sampling, collect
from egm_core.engines.local import TransformersEngine
from egm_core.engines.openai import OpenAIEngine
from egm_core.families.thinking import Thinking
from egm_core.models.folder import ModelInfo, load_info
from egm_core.train.plan.architectures import sizes

# Where the template of each leaves off, by its folder.
BEGINS = {
    "random_qwen3_5": Thinking("open", "shut", "enable_thinking"),
    "random_internvl3_5": Thinking("plain", "plain"),
}


@pytest.fixture(scope="module", params=BEGINS)
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def info(folder: Path) -> ModelInfo:
    return load_info(folder)


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[TransformersEngine]:
    with TransformersEngine(folder, threads=1) as engine:
        engine.wait_ready(120)
        yield engine


def request(info: ModelInfo, image: NDArray[np.uint8], sent: str, thinks: bool = True, name: str = "a") -> Request:
    assert info.thinking is not None
    sampling = Sampling(max_tokens=12)
    template = info.thinking.arguments(thinks)
    return Request(name, image, info.prompt(sent, "visible"), sampling, template=template, logprobs=True)


def test_the_folder_and_the_loaded_model_tell_how_answers_begin(
    engine: TransformersEngine, folder: Path, info: ModelInfo
) -> None:
    assert info.family == folder.name.removeprefix("random_")
    assert engine.thinking() == info.thinking == BEGINS[folder.name]


def test_rows_of_one_picture_answer_as_each_alone(
    engine: TransformersEngine, info: ModelInfo, noise: NDArray[np.uint8]
) -> None:
    other = np.ascontiguousarray(noise[:64, ::-1][:, :64])
    asked = [
        request(info, noise, "the red mug"),
        request(info, noise, "the blue box behind the green dragon", thinks=False),
        request(info, other, "the blue box"),
        request(info, noise, "the red mug", thinks=False),
    ]
    together = engine.generate_batch(asked, batch_size=4)
    for one, answer in zip(asked, together, strict=True):
        alone = collect(engine.generate(one))
        assert (alone.text, alone.finish) == (answer.text, answer.finish)
        assert [t.logprob for t in alone.tokens] == pytest.approx([t.logprob for t in answer.tokens], abs=1e-3)


def test_an_answer_is_streamed_and_obeys_a_grammar(
    engine: TransformersEngine, info: ModelInfo, noise: NDArray[np.uint8]
) -> None:
    asked = request(info, noise, "the red mug", thinks=False)
    chunks = list(engine.generate(asked))
    assert len(chunks) > 1 and [c.finish for c in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].finish in ("stop", "length")
    held = Request("g", noise, asked.prompt, Sampling(max_tokens=60), template=asked.template, regex=r"\[[0-9]{3}\]")
    answer = collect(engine.generate(held))
    assert answer.finish == "stop" and len(answer.text) == 5


@pytest.mark.long
def test_the_server_answers_as_the_engine_does(
    engine: TransformersEngine, folder: Path, info: ModelInfo, noise: NDArray[np.uint8], serve_folder
) -> None:
    for url in serve_folder(folder):
        with OpenAIEngine(url) as served:
            served.wait_ready(300)
            assert served.thinking() == info.thinking
            for thinks in (True, False):
                asked = request(info, noise, "the red mug", thinks)
                answer = collect(served.generate(asked))
                assert answer.text == collect(engine.generate(asked)).text


def test_the_template_s_argument_changes_what_the_model_reads(folder: Path, noise: NDArray[np.uint8]) -> None:
    from egm_core.engines.checkpoint import Checkpoint

    checkpoint = Checkpoint(folder)
    picture = checkpoint.picture(noise)
    begins = checkpoint.thinking()
    on, off = (
        checkpoint.tokenizer.decode(checkpoint.ids("Locate it", picture, begins.arguments(wish)))
        for wish in (True, False)
    )
    if begins.switch:
        assert on.endswith("<think>\n") and off.endswith("<think>\n\n</think>\n\n")
    else:
        assert on == off and on.endswith("assistant\n")


def test_a_mixture_of_experts_is_of_the_family_too(
    random_qwen3_5: Path, noise: NDArray[np.uint8], tmp_path: Path
) -> None:
    from transformers import Qwen3_5MoeConfig, Qwen3_5MoeForConditionalGeneration

    values = json.loads((random_qwen3_5 / "config.json").read_text())
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
    text = {**values["text_config"], **experts, "shared_expert_intermediate_size": 16}
    text["model_type"], values["vision_config"]["model_type"] = "qwen3_5_moe_text", "qwen3_5_moe_vision"
    del values["model_type"], values["architectures"], text["intermediate_size"]
    config = Qwen3_5MoeConfig(**{**values, "text_config": text})
    folder = tmp_path / "moe"
    shutil.copytree(random_qwen3_5, folder, ignore=shutil.ignore_patterns("*.safetensors", "egm.json"))
    Qwen3_5MoeForConditionalGeneration(config).save_pretrained(folder)
    info = load_info(folder)
    assert (info.family, info.thinking) == ("qwen3_5", BEGINS["random_qwen3_5"])
    assert sizes(config).feed_forward == 2 * 32 + 16
    with TransformersEngine(folder, threads=1) as engine:
        engine.wait_ready(120)
        asked = [request(info, noise, "the red mug", thinks, str(thinks)) for thinks in (True, False)]
        together = engine.generate_batch(asked)
        assert [collect(engine.generate(one)).text for one in asked] == [answer.text for answer in together]
