"""Batches for pretraining: one picture, many independent queries, sharing the picture's tokens.

Each query sees the image prefix and itself only (a block mask), and its positions restart after the prefix,
so a packed query is exactly what the model sees when it is asked alone (a test holds it to that).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from egm_core.boxes import to_relative
from egm_core.families import Task, family
from egm_core.scenes.language.drafts import Nouns
from egm_core.scenes.language.expressions import choose
from egm_core.scenes.language.facts import Facts
from egm_core.scenes.language.forms import Form, Noun, Related, description
from egm_core.scenes.language.reasoning import Label, labels
from egm_core.scenes.language.semantics import judge
from egm_core.scenes.language.vocabulary import RELATIONS
from egm_core.scenes.truth import CATEGORIES, COLORS, Scene
from egm_core.tiny.shape import Architecture
from egm_core.train.learning.supervision import Numerals, coordinates, patch_objects

CATEGORY_IDS = {c: i + 1 for i, c in enumerate(c for names in CATEGORIES.values() for c in names)}
COLOR_IDS = {c: i for i, c in enumerate(COLORS)}
LABELS: tuple[Label, ...] = ("color", "size", "hiding", "state")
LABEL_SHARES = (0.55, 0.15, 0.2, 0.1)
POINTED_BY_RELATION = 0.25
POINTED_PLAINLY = 0.55
TRIES = 3
NOBODY = -1
IGNORED = -100


@dataclass(frozen=True)
class Query:
    """A question about a picture, its answer, and for each point or box in the answer the object it means."""

    prompt: str
    answer: str
    objects: tuple[int, ...]


@dataclass(frozen=True)
class Batch:
    """Arrays of one step: pictures of one size, their dense truth, and (when there are queries) packed tokens.

    `images` (B, H, W, 3); `shown` (B, patches) object index + 1; `dense` (B, patches, 12); `ids`, `labels`,
    `segments`, `soft` (B, L); `positions` (3, B, L); `looks` (K, 2) batch row and position of supervised
    places; `looked` (K,) object index + 1.
    """

    images: NDArray[np.uint8]
    shown: NDArray[np.int64]
    dense: NDArray[np.float32]
    ids: NDArray[np.int64] | None = None
    labels: NDArray[np.int64] | None = None
    segments: NDArray[np.int64] | None = None
    soft: NDArray[np.bool_] | None = None
    positions: NDArray[np.int64] | None = None
    looks: NDArray[np.int64] | None = None
    looked: NDArray[np.int64] | None = None


def grounding_queries(
    scene: Scene, rng: np.random.Generator, count: int, family_name: str = "qwen3_vl", reasoning: bool = False
) -> list[Query]:
    """Ask for objects by referring expressions; of hidden objects, both the visible and the amodal box."""
    speaker = family(family_name)
    queries = []
    for e in choose(scene, rng, count):
        if e.target is None:
            task: Task = "amodal" if rng.random() < 0.4 else "visible"
            trace = e.reasoning if reasoning else ""
            answer = speaker.target(e.text, None, trace, task)
            queries.append(Query(speaker.prompt(e.text, task), answer, e.mentions if reasoning else ()))
            continue
        thing = scene.objects[e.target]
        if thing.cut_short(scene.width):
            tasks: tuple[Task, ...] = ("visible", "amodal")
        else:
            tasks = ("amodal",) if rng.random() < 0.35 else ("visible",)
        for task in tasks:
            box = to_relative(thing.visible if task == "visible" else thing.amodal, scene.width, scene.height)
            trace = (e.reasoning if task == "visible" else e.amodal_reasoning) if reasoning else ""
            mentions = (e.mentions if task == "visible" else e.amodal_mentions) if reasoning else ()
            answer = speaker.target(e.text, box, trace, task)
            queries.append(Query(speaker.prompt(e.text, task), answer, (*mentions, e.target)))
    return queries


def pointing_queries(scene: Scene, rng: np.random.Generator, count: int) -> list[Query]:
    """Ask to point to every object of a kind, left to right: the steps that reasoning is made of, one at a time.

    Some ask for all of a category or colour, some for what is read off each of them as well (colour, size, state,
    hiding), some for those in a relation to one other object; some ask for what is not there.
    """
    facts = Facts(scene)
    anchors = Nouns(facts).short_anchors
    queries: dict[str, Query] = {}
    for _ in range(TRIES * count):
        draw = rng.random()
        if draw < POINTED_BY_RELATION and anchors:
            query = _pointing_by_relation(facts, anchors, rng)
        else:
            query = _pointing_by_noun(facts, rng, labelled=draw > POINTED_PLAINLY)
        if query:
            queries.setdefault(query.prompt, query)
        if len(queries) == count:
            break
    return list(queries.values())


def _pointing_by_noun(facts: Facts, rng: np.random.Generator, labelled: bool) -> Query:
    scene = facts.scene
    seed = scene.objects[int(rng.integers(len(scene.objects)))]
    category = seed.category if rng.random() < 0.9 else str(rng.choice(CATEGORIES[scene.world]))
    color = None if rng.random() < 0.5 or labelled else seed.color if rng.random() < 0.8 else str(rng.choice([*COLORS]))
    mask = facts.categories.get(category, 0) & (facts.everything if color is None else facts.colors.get(color, 0))
    words = category if color is None else f"{color} {category}"
    if not labelled:
        return _pointing(facts, words, mask)
    label: Label = LABELS[int(rng.choice(len(LABELS), p=LABEL_SHARES))]
    if label == "state" and not facts.states:
        label = "color"
    return _pointing(facts, f"{words} with its {label}", mask, label)


def _pointing_by_relation(facts: Facts, anchors: Sequence[tuple[Form, int]], rng: np.random.Generator) -> Query | None:
    """Point to those in a relation to an anchor; None where it is doubtful for some."""
    anchor, index = anchors[int(rng.integers(len(anchors)))]
    others = [category for category, mask in facts.categories.items() if mask & ~(1 << index)]
    if not others:
        return None
    form = Related(Noun(str(rng.choice(others))), str(rng.choice(RELATIONS)), anchor)
    certain, doubtful = judge(facts, form)
    return None if doubtful else _pointing(facts, description(form), certain)


def _pointing(facts: Facts, words: str, mask: int, label: Label | None = None) -> Query:
    hits = facts.left_to_right(mask)
    points = [f"({x},{y})" for x, y in (facts.points[i] for i in hits)]
    if label:
        points = [f"{point} {word}" for point, word in zip(points, labels(facts, hits, label), strict=True)]
    text = ", ".join(points) + "." if points else "none."
    return Query(f"Point to every {words}", f"</think>\n\n{text}", tuple(hits))


class Packer:
    """Turns scenes into packed batches for one tokenizer and architecture."""

    def __init__(self, tokenizer: Any, shape: Architecture, numerals: Numerals, budget: int) -> None:
        self.tokenizer, self.shape, self.numerals, self.budget = tokenizer, shape, numerals, budget
        self._before = self._ids("<|im_start|>user\n<|vision_start|>")
        self._after = self._ids("<|vision_end|>")
        self._turn = self._ids("<|im_end|>\n<|im_start|>assistant\n<think>\n")
        self._end = self._ids("<|im_end|>")
        self._image = tokenizer.convert_tokens_to_ids("<|image_pad|>")

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids)

    @property
    def first_image_token(self) -> int:
        """The position of the first image token in every packed row."""
        return len(self._before)

    def grid(self, scene: Scene) -> tuple[int, int]:
        """Give the (width, height) that the image processor resizes this scene's picture to."""
        from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

        s = self.shape
        height, width = smart_resize(
            scene.height, scene.width, s.patch_size * s.merge_size, min_pixels=s.min_pixels, max_pixels=s.max_pixels
        )
        return width, height

    def prefix(self, size: tuple[int, int]) -> tuple[list[int], NDArray[np.int64]]:
        """Give the tokens and 3-D positions of a picture of that size."""
        cell = self.shape.patch_size * self.shape.merge_size
        columns, rows = size[0] // cell, size[1] // cell
        start = len(self._before)
        ids = [*self._before, *[self._image] * (rows * columns), *self._after]
        positions = np.zeros((3, len(ids)), np.int64)
        positions[:, :start] = np.arange(start)
        y, x = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
        image = slice(start, start + rows * columns)
        positions[0, image], positions[1, image], positions[2, image] = start, start + y.ravel(), start + x.ravel()
        positions[:, image.stop :] = start + max(rows, columns) + np.arange(len(ids) - image.stop)
        return ids, positions

    def tokens(self, query: Query) -> tuple[list[int], list[int]]:
        """Give the tokens of a query's prompt (to the end of the generation prompt) and of its answer."""
        return self._ids(query.prompt) + self._turn, self._ids(query.answer) + self._end

    def pack(self, scenes: Sequence[Scene], queries: Sequence[Sequence[Query]] | None) -> Batch:
        """Pack scenes of one size, with their queries if any (dense training needs none)."""
        size = self.grid(scenes[0])
        patch, merge = self.shape.patch_size, self.shape.merge_size
        images = np.stack([_resized(s.image, size, cv2.INTER_CUBIC) for s in scenes])
        shown = np.stack(
            [patch_objects(_resized(s.segmentation, size, cv2.INTER_NEAREST), patch, merge) for s in scenes]
        )
        dense = np.stack([_dense_truth(s)[row] for s, row in zip(scenes, shown, strict=True)])
        if queries is None:
            return Batch(images, shown, dense)
        prefix, prefix_positions = self.prefix(size)
        rows = [self._row(prefix, prefix_positions, row) for row in queries]
        length = max(len(r[0]) for r in rows)
        ids, labels = np.zeros((len(rows), length), np.int64), np.full((len(rows), length), IGNORED, np.int64)
        segments, soft = np.full((len(rows), length), NOBODY, np.int64), np.zeros((len(rows), length), np.bool_)
        positions = np.zeros((3, len(rows), length), np.int64)
        looks: list[tuple[int, int]] = []
        looked: list[int] = []
        for b, (row_ids, row_labels, row_segments, row_soft, row_positions, places) in enumerate(rows):
            n = len(row_ids)
            ids[b, :n], labels[b, :n], segments[b, :n], soft[b, :n] = row_ids, row_labels, row_segments, row_soft
            positions[:, b, :n] = row_positions
            looks += [(b, place) for place, _ in places]
            looked += [thing + 1 for _, thing in places]
        return Batch(
            images, shown, dense, ids, labels, segments, soft, positions,
            np.array(looks, np.int64).reshape(-1, 2), np.array(looked, np.int64),
        )  # fmt: skip

    def _row(self, prefix: list[int], prefix_positions: NDArray[np.int64], queries: Sequence[Query]) -> tuple[Any, ...]:
        ids, labels, segments = list(prefix), [IGNORED] * len(prefix), [0] * len(prefix)
        soft = [False] * len(prefix)
        positions = [prefix_positions]
        next_position = int(prefix_positions.max()) + 1
        places: list[tuple[int, int]] = []
        for number, query in enumerate(queries, 1):
            prompt, answer = self.tokens(query)
            if len(ids) + len(prompt) + len(answer) > self.budget:
                continue
            start = len(ids) + len(prompt)
            ids += prompt + answer
            labels += [IGNORED] * (len(prompt) - 1) + answer + [IGNORED]
            segments += [number] * (len(prompt) + len(answer))
            marks = [False] * (len(prompt) + len(answer))
            spans = coordinates(answer, self.numerals)
            for span, thing in zip(spans, query.objects, strict=True):
                for place in range(span[0], span[-1] + 1):
                    places.append((start + place - 1, thing))
                if answer[span[-1] + 1] == self.numerals.point_close:
                    places.append((start + span[-1] + 1, thing))
                for place in span:
                    marks[len(prompt) + place - 1] = True
            soft += marks
            run = np.arange(len(prompt) + len(answer)) + next_position
            positions.append(np.broadcast_to(run, (3, len(run))))
        return ids, labels, segments, soft, np.concatenate(positions, 1), places


def _resized(image: NDArray[np.uint8], size: tuple[int, int], how: int) -> NDArray[np.uint8]:
    if (image.shape[1], image.shape[0]) == size:
        return np.ascontiguousarray(image)
    return np.asarray(cv2.resize(image, size, interpolation=how), np.uint8)


def _dense_truth(scene: Scene) -> NDArray[np.float32]:
    table = np.zeros((len(scene.objects) + 1, 12), np.float32)
    scale = np.array([scene.width, scene.height] * 2, np.float32)
    for thing in scene.objects:
        table[thing.index + 1, :2] = CATEGORY_IDS[thing.category], COLOR_IDS[thing.color]
        table[thing.index + 1, 2:6] = np.array(thing.visible) / scale
        table[thing.index + 1, 6:10] = np.array(thing.amodal) / scale
        table[thing.index + 1, 10:] = math.log(max(thing.depth, 0.05)) / 3, thing.visible_fraction
    return table
