"""Packed queries: each sees only the picture and itself, exactly as if it had been asked alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from egm_core.scenes.files.variation import varied
from egm_core.scenes.truth import Camera, ObjectTruth, Scene
from egm_core.tiny.architecture import build_model
from egm_core.tiny.shape import Architecture
from egm_core.tiny.tokenizer import build_tokenizer
from egm_core.train.learning.packed_attention import layout
from egm_core.train.learning.supervision import AttentionTap, Numerals, coordinates, places
from egm_core.train.pretrain.fast_vision import FastVision, to_patches
from egm_core.train.pretrain.packing import Packer, Query, pointing_queries

WORDS = ["the", "red", "mug", "box", "left", "none"]
TOKENIZER = build_tokenizer(WORDS)
SHAPE = Architecture(
    vision_width=32, vision_depth=2, vision_heads=2, deepstack=(0,), width=32, depth=2, heads=2, kv_heads=2
)


def thing(index: int, box: tuple[float, float, float, float], color: str = "red") -> ObjectTruth:
    zero = np.zeros(3)
    return ObjectTruth(
        index, "mug", color, "medium", "standing", box, box, box, 1.0, (), None, 1.0, 1.0, zero, np.eye(3), zero
    )


@pytest.fixture(scope="module")
def scene() -> Scene:
    rng = np.random.default_rng(0)
    segmentation = np.zeros((168, 224), np.uint8)
    segmentation[20:70, 10:60], segmentation[80:130, 120:200] = 1, 2
    image = rng.integers(0, 256, (168, 224, 3), dtype=np.uint8)
    objects = (thing(0, (10, 20, 60, 70)), thing(1, (120, 80, 200, 130), "blue"))
    camera = Camera(200, 200, 112, 84, np.zeros(3), np.eye(3))
    return Scene(1, "tabletop", 1, 224, 168, image, segmentation, None, objects, camera)


@pytest.fixture(scope="module")
def model() -> torch.nn.Module:
    patches = np.random.default_rng(0).standard_normal((400, 768)).astype(np.float32)
    return build_model(TOKENIZER, SHAPE, patches).eval()


def test_a_packed_query_gives_the_logits_of_the_same_query_alone(scene: Scene, model: torch.nn.Module) -> None:
    numerals = Numerals.of(TOKENIZER, model.config.text_config.vocab_size)
    packer = Packer(TOKENIZER, SHAPE, numerals, 400)
    queries = [
        Query("Point to every red mug", "</think>\n\n(156,268).", (0,)),
        Query("Locate the mug", '</think>\n\n```json\n[\n\t{"bbox_2d": [1, 2, 3, 4], "label": "mug"}\n]\n```', (1,)),
    ]
    batch = packer.pack([scene], [queries])
    tap = AttentionTap(model, 1, 1)
    with torch.no_grad():
        seen = FastVision(model.model.visual)(
            to_patches(torch.from_numpy(batch.images), 16, SHAPE.merge_size), 1, 10, 14
        )
        ids = torch.from_numpy(batch.ids)
        is_image = ids == model.config.image_token_id
        embedded = model.model.language_model.embed_tokens(ids).masked_scatter(is_image[..., None], seen.tokens)
        tap.packed = layout(batch.segments)
        hidden = model.model.language_model(
            inputs_embeds=embedded, attention_mask=torch.zeros(1, 1, 1, 1),
            position_ids=torch.from_numpy(batch.positions), visual_pos_masks=is_image,
            deepstack_visual_embeds=seen.deepstack, use_cache=False,
        ).last_hidden_state  # fmt: skip
        packed = model.lm_head(hidden)[0]
        tap.packed = None
        twice = (
            to_patches(torch.from_numpy(batch.images), 16, SHAPE.merge_size)
            .view(-1, 3, 1, 16, 16)
            .expand(-1, 3, 2, 16, 16)
            .reshape(140, -1)
        )
        for number in (1, 2):
            mine = (batch.segments[0] == 0) | (batch.segments[0] == number)
            alone_ids = ids[:, torch.from_numpy(mine)]
            alone = model(
                input_ids=alone_ids, pixel_values=twice, image_grid_thw=torch.tensor([[1, 10, 14]]),
                mm_token_type_ids=(alone_ids == model.config.image_token_id).int(),
            ).logits[0]  # fmt: skip
            torch.testing.assert_close(packed[torch.from_numpy(mine)], alone, atol=2e-4, rtol=1e-3)


def test_labels_are_the_answer_and_soft_marks_its_coordinates(scene: Scene) -> None:
    numerals = Numerals.of(TOKENIZER, 2048)
    packer = Packer(TOKENIZER, SHAPE, numerals, 400)
    answer = "</think>\n\n(156,268), (714,625)."
    batch = packer.pack([scene], [[Query("Point to every mug", answer, (0, 1))]])
    labels = [int(i) for i in batch.labels[0] if i >= 0]
    assert TOKENIZER.decode(labels) == answer + "<|im_end|>"
    assert [TOKENIZER.decode([i]) for i in batch.labels[0][batch.soft[0]]] == ["156", "268", "714", "625"]
    assert batch.looked.tolist() == [1, 1, 1, 2, 2, 2]
    for (_, position), index in zip(batch.looks, batch.looked, strict=True):
        assert TOKENIZER.decode([batch.labels[0, position]]) in {1: "156,268", 2: "714,625"}[int(index)]


def test_what_follows_a_point_is_read_off_the_same_object(scene: Scene) -> None:
    packer = Packer(TOKENIZER, SHAPE, Numerals.of(TOKENIZER, 2048), 400)
    batch = packer.pack([scene], [[Query("Point to every mug", "</think>\n\n(156,268) red, (714,625) box.", (0, 1))]])
    read = [TOKENIZER.decode([batch.labels[0, position]]) for _, position in batch.looks]
    assert list(zip(read, batch.looked.tolist(), strict=True)) == [
        ("156", 1), (",", 1), ("268", 1), (" red", 1), ("714", 2), (",", 2), ("625", 2), (" box", 2),
    ]  # fmt: skip


def test_a_query_over_the_budget_is_left_out_whole(scene: Scene) -> None:
    packer = Packer(TOKENIZER, SHAPE, Numerals.of(TOKENIZER, 2048), 175)
    query = Query("Point to every mug", "</think>\n\n(156,268).", (0,))
    batch = packer.pack([scene], [[query, query, query]])
    assert batch.ids.shape[1] <= 175 and set(batch.segments[0]) == {0, 1}


def test_mirroring_moves_boxes_with_pixels(scene: Scene) -> None:
    rng = np.random.default_rng(3)
    for other in (varied(scene, rng) for _ in range(8)):
        for o in other.objects:
            x0, y0, x1, y1 = (int(v) for v in o.visible)
            assert (other.segmentation[y0:y1, x0:x1] == o.index + 1).all()


def test_pointing_goes_left_to_right_or_says_none(scene: Scene) -> None:
    rng = np.random.default_rng(0)
    answers = {q.prompt: q.answer for q in pointing_queries(scene, rng, 200)}
    assert answers["Point to every mug"] == "</think>\n\n(156,268), (714,625)."
    assert answers["Point to every blue mug"] == "</think>\n\n(714,625)."
    assert answers["Point to every mug with its color"] == "</think>\n\n(156,268) red, (714,625) blue."
    assert answers["Point to every mug with its hiding"] == "</think>\n\n(156,268) visible, (714,625) visible."
    assert answers["Point to every mug right of the red mug"] == "</think>\n\n(714,625)."
    assert answers["Point to every mug left of the red mug"] == "</think>\n\nnone."
    assert "</think>\n\nnone." in answers.values()


def test_coordinates_leave_counts_out() -> None:
    numerals = Numerals.of(TOKENIZER, 2048)
    text = (
        '3 mugs: (120,500), (410,388).\n</think>\n\n```json\n[\n\t{"bbox_2d": [1, 2, 3, 4], "label": "7 mugs"}\n]\n```'
    )
    ids = TOKENIZER(text)["input_ids"]
    spans = [[TOKENIZER.decode([ids[p]]) for p in span] for span in coordinates(ids, numerals)]
    assert spans == [["120", "500"], ["410", "388"], ["1", "2", "3", "4"]]


def test_places_say_where_each_answer_is_seen() -> None:
    numerals = Numerals.of(TOKENIZER, 2048)
    text = (
        "mugs: (120,500) red, (410,388) red. left: (410,388).\n</think>\n\n"
        '```json\n[\n\t{"bbox_2d": [380, 300, 700, 480], "label": "mug"}\n]\n```'
    )
    ids = TOKENIZER(text)["input_ids"]
    found = places(ids, numerals)
    assert [(p.x, p.y) for p in found] == [(120, 500), (410, 388), (410, 388), (410, 388)]
    read = ["".join(TOKENIZER.decode([ids[i + 1]]) for i in p.positions) for p in found]
    assert read == ["120,500 red", "410,388 red", "410,388", "380, 300, 700, 480"]
    alone = TOKENIZER('```json\n[\n\t{"bbox_2d": [380, 300, 700, 480], "label": "mug"}\n]\n```')["input_ids"]
    assert [(p.x, p.y) for p in places(alone, numerals)] == [(540, 390)]
