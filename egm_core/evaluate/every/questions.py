"""Which questions about every match a scene is asked: the same for every model, drawn from the scene's own seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from egm_core.boxes import Box
from egm_core.scenes.language.facts import Facts, members
from egm_core.scenes.language.forms import Noun, phrase
from egm_core.scenes.language.semantics import judge
from egm_core.scenes.truth import COLORS, Scene

STREAM = 9_217
Targets = Literal["none", "one", "several"]
KINDS: tuple[Targets, ...] = ("none", "one", "several")


@dataclass(frozen=True)
class EveryQuestion:
    """One expression about every match in a scene, with the boxes of all that it means, in pixels.

    Of a data set's, `seed` is the image's id, `origin` its names and ids there, and amodal boxes are not known.
    """

    seed: int
    text: str
    visible: tuple[Box, ...]
    amodal: tuple[Box, ...]
    origin: tuple[tuple[str, str], ...] = ()

    @property
    def targets(self) -> Targets:
        """How many objects are meant."""
        return "none" if not self.visible else "one" if len(self.visible) == 1 else "several"


def every_questions(scene: Scene) -> list[EveryQuestion]:
    """Give a question of each kind that a scene allows: about no object, about one, and about several.

    The expressions name a category, a colour with a category, or a colour alone. One about no object has its category
    in the scene in another colour; what a careless reader may take for a match is not asked about.
    """
    facts = Facts(scene)
    forms = [
        *(Noun(category) for category in facts.categories),
        *(Noun(category, color) for category in facts.categories for color in COLORS),
        *(Noun(None, color) for color in COLORS),
    ]
    by_kind: dict[Targets, list[EveryQuestion]] = {kind: [] for kind in KINDS}
    for form in forms:
        meant, doubtful = judge(facts, form, loose=True)
        if doubtful or (not meant and form.category is None):
            continue
        objects = [scene.objects[index] for index in members(meant)]
        boxes = tuple(each.visible for each in objects), tuple(each.amodal for each in objects)
        asked = EveryQuestion(scene.seed, f"every {phrase(form).removeprefix('the ')}", *boxes)
        by_kind[asked.targets].append(asked)
    rng = np.random.default_rng([STREAM, scene.seed])
    return [found[int(rng.integers(len(found)))] for found in by_kind.values() if found]
