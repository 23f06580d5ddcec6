"""A picture is read once: what is kept of it gives the same answers, is bounded, and spares the model's work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from egm_core.engines import Request, Sampling, collect
from egm_core.engines.checkpoint import Checkpoint, Picture
from egm_core.engines.local import TransformersEngine
from egm_core.engines.reader import Question, Reader

SHAPES = ((64, 128), (128, 64), (56, 200))


@pytest.fixture(scope="module", params=["random_qwen", "random_qwen3_5", "random_internvl", "random_internvl3_5"])
def checkpoint(request: pytest.FixtureRequest) -> Checkpoint:
    return Checkpoint(request.getfixturevalue(request.param))


@pytest.fixture(scope="module")
def pictures(checkpoint: Checkpoint) -> list[Picture]:
    rng = np.random.default_rng(3)
    return [checkpoint.picture(rng.integers(0, 256, (*shape, 3), np.uint8)) for shape in SHAPES]


@pytest.fixture
def questions(checkpoint: Checkpoint, pictures: list[Picture]) -> list[Question]:
    asked = (("the box", 0), ("Locate the red mug, which is there", 1), ("the mug behind the box", 0), ("the mug", 2))
    return [(checkpoint.ids(prompt, pictures[place]), pictures[place]) for prompt, place in asked]


def answers(checkpoint: Checkpoint, inputs: dict[str, Any]) -> tuple[list[list[int]], torch.Tensor]:
    made = checkpoint.model.generate(
        **inputs,
        max_new_tokens=8,
        min_new_tokens=8,
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
    )
    return made.sequences[:, -8:].tolist(), torch.stack(made.logits, 1)


@torch.inference_mode()
def said(checkpoint: Checkpoint, reader: Reader, questions: list[Question]) -> tuple[list[list[int]], torch.Tensor]:
    found: list[tuple[list[list[int]], torch.Tensor]] = []
    reader.answer(questions, lambda inputs: found.append(answers(checkpoint, inputs)))
    return found[0]


@pytest.mark.parametrize("limit", [1 << 30, 0])
def test_what_is_kept_changes_no_answer(checkpoint: Checkpoint, questions: list[Question], limit: int) -> None:
    reader = Reader(checkpoint, limit)
    with torch.inference_mode():
        plain, logits = answers(checkpoint, checkpoint.batch(questions))
    # New ones together, known ones, single ones of different lengths, new and known mixed.
    for rows in ([0, 1, 2, 3], [0, 1, 2, 3], [1], [2], [3, 0]):
        tokens, seen = said(checkpoint, reader, [questions[row] for row in rows])
        assert tokens == [plain[row] for row in rows]
        assert torch.allclose(seen, logits[rows], atol=1e-5)
    mixed = Reader(checkpoint, limit)
    for rows in ([1], [1, 0, 2], [0, 3]):
        tokens, seen = said(checkpoint, mixed, [questions[row] for row in rows])
        assert tokens == [plain[row] for row in rows]
        assert torch.allclose(seen, logits[rows], atol=1e-5)
    assert not torch.allclose(logits[0], logits[2], atol=1e-2)


@contextmanager
def looks(checkpoint: Checkpoint) -> Iterator[list[int]]:
    """Count how often the vision tower is asked."""
    base = checkpoint.model.base_model
    tower = base.vision_tower if checkpoint.tiled else base.visual
    seen: list[int] = []
    hook = tower.register_forward_hook(lambda module, given, made: seen.append(1))
    try:
        yield seen
    finally:
        hook.remove()


def test_the_vision_tower_sees_a_picture_once(checkpoint: Checkpoint, questions: list[Question]) -> None:
    reader = Reader(checkpoint)
    with looks(checkpoint) as seen:
        counted = []
        for rows in ([0], [2, 0], [0, 1, 3], [1, 2, 3]):
            said(checkpoint, reader, [questions[row] for row in rows])
            counted.append(len(seen))
    assert counted == [1, 1, 2, 2]


def test_a_known_beginning_is_not_read_again(checkpoint: Checkpoint, questions: list[Question]) -> None:
    reader = Reader(checkpoint)
    if not reader.continues:
        return
    said(checkpoint, reader, questions)
    lengths: list[int] = []
    hook = checkpoint.model.get_input_embeddings().register_forward_hook(
        lambda module, given, made: lengths.append(given[0].shape[1])
    )
    try:
        said(checkpoint, reader, questions[:1])
    finally:
        hook.remove()
    ids = questions[0][0]
    assert lengths[0] == len(ids) - 1 - max(i for i, token in enumerate(ids) if token == checkpoint.image_token_id)


def test_another_beginning_before_the_same_picture_is_another(
    checkpoint: Checkpoint, questions: list[Question]
) -> None:
    reader = Reader(checkpoint)
    said(checkpoint, reader, questions[:1])
    ids, picture = questions[0]
    other = ([*checkpoint.tokenizer("the red mug").input_ids, *ids], picture)
    with torch.inference_mode():
        tokens, logits = answers(checkpoint, checkpoint.batch([other]))
    again, seen = said(checkpoint, reader, [other])
    assert again == tokens and torch.allclose(seen, logits, atol=1e-5)


def test_no_more_is_kept_than_the_limit_and_the_latest_stays(checkpoint: Checkpoint, questions: list[Question]) -> None:
    reader = Reader(checkpoint)
    sizes = []
    for row in (0, 1, 3):
        said(checkpoint, reader, [questions[row]])
        sizes.append(sum(kept.size for kept in reader._kept.values()))
    assert 0 < sizes[0] < sizes[1] < sizes[2]
    small = Reader(checkpoint, sizes[2] - 1)
    for row in (0, 1, 0, 3):
        said(checkpoint, small, [questions[row]])
        assert sum(kept.size for kept in small._kept.values()) < sizes[2]
    held = [id(kept.picture) for kept in small._kept.values()]
    assert held[-1] == id(questions[3][1]) and id(questions[1][1]) not in held


def test_the_engine_keeps_pictures_between_queries_by_their_content(
    random_qwen: Path, noise: NDArray[np.uint8]
) -> None:
    with TransformersEngine(random_qwen, threads=1) as engine:
        engine.wait_ready(120)
        assert engine._checkpoint is not None
        with looks(engine._checkpoint) as seen:
            for number, image in enumerate((noise, noise.copy(), 255 - noise)):
                collect(engine.generate(Request(str(number), image, "the red mug", Sampling(max_tokens=2))))
        assert len(seen) == 2
