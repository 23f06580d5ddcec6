"""Which questions a scene is asked in evaluation: the same for every model, drawn from the scene's own seed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from egm_core.boxes import Box, iou
from egm_core.families import Task
from egm_core.scenes.language.drafts import Kind
from egm_core.scenes.language.expressions import Expression, choose, expressions
from egm_core.scenes.language.forms import noun
from egm_core.scenes.truth import Scene, World

STREAM = 7_741
HEAVY = 0.5
HEAVY_ASKED = 2
Hiding = Literal["heavy", "partial", "little"]


@dataclass(frozen=True)
class Query:
    """One question about one scene, with its truth; boxes are pixels of the scene's image.

    `visible` and `amodal` are None for an expression that fits nothing. `rivals` are the (visible, amodal) boxes
    of all objects of the named category, the target among them; `largest` are those of the largest object.
    """

    seed: int
    world: World
    task: Task
    kind: Kind
    text: str
    near_miss: bool
    distractor: bool
    width: int
    height: int
    visible: Box | None
    amodal: Box | None
    rivals: tuple[tuple[Box, Box], ...]
    largest: tuple[Box, Box]

    @property
    def truth(self) -> Box | None:
        """The box asked for; None for an absent one."""
        return self.visible if self.task == "visible" else self.amodal

    @cached_property
    def overlap(self) -> float | None:
        """The IoU of visible and amodal truth."""
        return None if self.visible is None or self.amodal is None else iou(self.visible, self.amodal)

    @property
    def hiding(self) -> Hiding | None:
        """How much hiding changes the box: heavy below an IoU of 0.5, partial below 0.8."""
        overlap = self.overlap
        if overlap is None:
            return None
        return "heavy" if overlap < HEAVY else "partial" if overlap < 0.8 else "little"


def scene_queries(scene: Scene, count: int) -> list[Query]:
    """Give the queries of a scene: `count` expressions, each as visible and as amodal question.

    Objects whose amodal box is more than twice the visible one (IoU < 0.5) are too rare to be left to the draw:
    each is asked for in `HEAVY_ASKED` amodal questions, those that are missing come on top.
    """
    rng = np.random.default_rng([STREAM, scene.seed])
    chosen = choose(scene, rng, count)
    queries = [_query(scene, e, task) for e in chosen for task in ("visible", "amodal")]
    overlaps = iou([o.visible for o in scene.objects], [o.amodal for o in scene.objects])
    heavy = [o.index for o, overlap in zip(scene.objects, overlaps, strict=True) if overlap < HEAVY]
    if heavy:
        known = {e.text for e in chosen}
        others = [e for e in expressions(scene) if e.text not in known]
        for index in heavy:
            missing = HEAVY_ASKED - sum(e.target == index for e in chosen)
            fitting = [e for e in others if e.target == index]
            order = rng.permutation(len(fitting))[: max(missing, 0)]
            queries += [_query(scene, fitting[int(i)], "amodal") for i in order]
    return queries


def _query(scene: Scene, expression: Expression, task: Task) -> Query:
    target = None if expression.target is None else scene.objects[expression.target]
    category = noun(expression.form).category
    rivals = [o for o in scene.objects if category in (None, o.category)]
    largest = max(scene.objects, key=lambda o: (o.visible[2] - o.visible[0]) * (o.visible[3] - o.visible[1]))
    return Query(
        scene.seed,
        scene.world,
        task,
        expression.kind,
        expression.text,
        expression.near_miss,
        expression.distractor,
        scene.width,
        scene.height,
        None if target is None else target.visible,
        None if target is None else target.amodal,
        tuple((o.visible, o.amodal) for o in rivals),
        (largest.visible, largest.amodal),
    )
