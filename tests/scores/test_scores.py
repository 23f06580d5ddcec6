"""Our scores beside those of lmms-eval (its own code) and VLMEvalKit (its rules, written down here).

An answer becomes right or wrong in four steps: which numbers are taken, in which frame they count, whether the box is
cut at the picture's edges, and where success begins. Each scorer is written here as four choices; for lmms-eval and for
ours that must give what their code gives, for every answer. A difference between two scorers is then explained by the
step at which, going from our choices to theirs, the verdict turns.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from egm_core.boxes import Box
from egm_core.evaluate.scores import fit, read_answer
from egm_core.families import family
from egm_core.families.paper import Reading, read_for_evaluation

if importlib.util.find_spec("lmms_eval") is None:
    pytest.skip("needs lmms-eval; make test-scores has it", allow_module_level=True)

SPEAKER = family("qwen3_vl")
ANSWERS = 5000
Numbers = tuple[float, float, float, float]


@dataclass(frozen=True)
class Case:
    """An answer about a picture of (width, height), and the true box in its pixels."""

    text: str
    width: int
    height: int
    truth: Box


@dataclass(frozen=True)
class Scorer:
    """How answers are scored: each field is one step. `frames` may be several, of which the best box counts."""

    numbers: Callable[[Case], list[Numbers]]
    frames: Callable[[Numbers, Case], list[Box]]
    cut: bool
    at_least: bool
    signed: bool = False

    def right(self, case: Case) -> bool:
        boxes = [box for numbers in self.numbers(case) for box in self.frames(numbers, case)]
        if self.cut:
            boxes = [_cut(box, case.width, case.height) for box in boxes]
        overlaps = [(_signed if self.signed else _iou)(box, case.truth) for box in boxes]
        best = max(overlaps, default=0.0)
        return best >= 0.5 if self.at_least else best > 0.5


def _cut(box: Box, width: int, height: int) -> Box:
    x0, x1 = (min(max(v, 0.0), float(width)) for v in box[::2])
    y0, y1 = (min(max(v, 0.0), float(height)) for v in box[1::2])
    return x0, y0, x1, y1


def _iou(box: Box, truth: Box) -> float:
    """Give the IoU in plain numbers: half a million times, arrays would take minutes."""
    return _signed(box, truth) if box[2] > box[0] and box[3] > box[1] else 0.0


def _signed(box: Box, truth: Box) -> float:
    """Divide as lmms-eval's first scorer does, which lets the area of swapped corners be negative."""
    wide = min(box[2], truth[2]) - max(box[0], truth[0])
    high = min(box[3], truth[3]) - max(box[1], truth[1])
    shared = max(0.0, wide) * max(0.0, high)
    areas = sum((b[2] - b[0]) * (b[3] - b[1]) for b in (box, truth))
    return float(shared / (areas - shared))


def thousandths(n: Numbers, case: Case) -> list[Box]:
    x, y = case.width / 1000, case.height / 1000
    return [(n[0] * x, n[1] * y, n[2] * x, n[3] * y)]


def fractions(n: Numbers, case: Case) -> list[Box]:
    return [(n[0] * case.width, n[1] * case.height, n[2] * case.width, n[3] * case.height)]


def pixels_or_thousandths(n: Numbers, case: Case) -> list[Box]:
    return [n, *thousandths(n, case)]


def by_size(n: Numbers, case: Case) -> list[Box]:
    return fractions(n, case) if max(n) <= 1.5 else thousandths(n, case) if max(n) <= 1000 else [n]


NUMBER = r"-?\d+(?:\.\d+)?"


@cache
def of_released_code(case: Case) -> list[Numbers]:
    """Ours: nothing where the answer says that the object is absent; else as the paper's evaluation reads."""
    if SPEAKER.parse(case.text).kind == "absent":
        return []
    reading = read_for_evaluation(case.text)
    return [reading.box] if isinstance(reading, Reading) else []


@cache
def first_bracket_strictly(case: Case) -> list[Numbers]:
    found = re.search(rf"\[\s*({NUMBER}),\s*({NUMBER}),\s*({NUMBER}),\s*({NUMBER})\s*\]", case.text)
    return [tuple(map(float, found.groups()))] if found else [(0.0, 0.0, 0.0, 0.0)]  # type: ignore[list-item]


@cache
def first_bracket_or_numbers(case: Case) -> list[Numbers]:
    for inside in re.findall(r"\[([^\[\]]*)\]", case.text):
        numbers = re.findall(NUMBER, inside)
        if len(numbers) == 4:
            return [tuple(map(float, numbers))]  # type: ignore[list-item]
    numbers = re.findall(NUMBER, case.text)[:4]
    return [tuple(map(float, numbers))] if len(numbers) == 4 else []  # type: ignore[list-item]


@cache
def every_box(case: Case) -> list[Numbers]:
    return [tuple(box) for box in lmms("refcoco_grounding/utils.py")._parse_pred_boxes(case.text)]


OURS = Scorer(of_released_code, thousandths, cut=True, at_least=False)
THEIRS = {
    "lmms-eval bbox_rec": Scorer(first_bracket_strictly, fractions, cut=False, at_least=True, signed=True),
    "lmms-eval grounding": Scorer(every_box, pixels_or_thousandths, cut=False, at_least=True),
    "VLMEvalKit": Scorer(first_bracket_or_numbers, by_size, cut=False, at_least=True),
}
RULES = {"numbers": "which numbers are taken", "frames": "in which frame they count",
         "cut": "boxes are cut at the picture's edges", "signed": "swapped corners have a negative area",
         "at_least": "an IoU of exactly 0.5"}  # fmt: skip
_loaded: dict[str, Any] = {}


def lmms(name: str) -> Any:
    """Load one file of lmms-eval, whose package would load torch and a hundred tasks."""
    if name not in _loaded:
        files = importlib.metadata.files("lmms-eval") or []
        path = next(file.locate() for file in files if str(file).endswith(f"tasks/{name}"))
        spec = importlib.util.spec_from_file_location(f"lmms_{len(_loaded)}", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        _loaded[name] = module
    return _loaded[name]


def rec_code(case: Case) -> bool:
    module = lmms("refcoco/utils_rec.py")
    truth = [case.truth[0] / case.width, case.truth[1] / case.height,
             case.truth[2] / case.width, case.truth[3] / case.height]  # fmt: skip
    doc = {"question_id": 1, "answer": "cup", "bbox": truth}
    said = module.refcoco_bbox_rec_process_result(doc, [case.text])["refcoco_ACC@0.5"]
    return bool(module.compute_accuracy(said["bbox"], said["pred"], 0.5))


class Sized:
    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size


def grounding_code(case: Case) -> bool:
    module = lmms("refcoco_grounding/utils.py")
    x0, y0, x1, y1 = case.truth
    doc = {"bbox": [x0, y0, x1 - x0, y1 - y0], "image": Sized((case.width, case.height)), "answer": "cup"}
    said = module.refcoco_grounding_process_result(doc, [case.text])["refcoco_grounding_ACC@0.5"]
    return bool(module._compute_accuracy(said["bbox"], said["pred"], 0.5))


def our_code(case: Case) -> bool:
    read = read_answer(SPEAKER, case.text, "cup", (case.width, case.height), "paper_eval")
    overlap = fit(read.box, case.truth)
    return overlap is not None and overlap > 0.5


def written(box: Box, case: Case, rng: np.random.Generator) -> str:
    """Write a box in pixels as one of many models would."""
    w, h = case.width, case.height
    t = [round(v * 1000 / s) for v, s in zip(box, (w, h, w, h), strict=True)]
    f = [round(v / s, 4) for v, s in zip(box, (w, h, w, h), strict=True)]
    p = [round(v) for v in box]
    forms = (
        f'It is red.\n</think>\n\n```json\n[\n\t{{"bbox_2d": {t}, "label": "cup"}}\n]\n```',
        f'```json\n[{{"bbox_2d": {t}, "label": "cup"}}]\n```',
        f"<ref>cup</ref><box>[{t}]</box>",
        f"{t}", f"{f}", f"{p}",
        f"The box is {f}.", f"({t[0]},{t[1]}),({t[2]},{t[3]})", f"{t[0]} {t[1]} {t[2]} {t[3]}",
        f"[{t[0]} , {t[1]} , {t[2]} , {t[3]}]",
        f"[{t[2]}, {t[3]}, {t[0]}, {t[1]}]",
        f"First I see [0, 0, 50, 60], but the answer is {t}",
        f'[{{"bbox_2d": [5, 5, 90, 90], "label": "mug"}}, {{"bbox_2d": {t}, "label": "cup"}}]',
        f"{[v + 700 if i > 1 else v for i, v in enumerate(t)]}",
        f"There are 2 cups; the 1st is at {t}", f'{{"bbox_2d": {[float(v) for v in t]}}}',
    )  # fmt: skip
    return forms[int(rng.integers(len(forms)))]


def cases(count: int, seed: int = 5) -> list[Case]:
    """Make answers: most near the truth, some far from it, some exactly half of it, some without a box."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        if number % 20 == 0:
            # Halves that are exact in floats, whatever the frame.
            truth = (250.0, 250.0, 500.0, 750.0)
            half = "[250, 250, 500, 500]" if number % 40 else "[0.25, 0.25, 0.5, 0.5]"
            made.append(Case(half, 1000, 1000, truth))
            continue
        w, h = int(rng.integers(200, 1400)), int(rng.integers(200, 1400))
        x0, y0 = rng.uniform(0, 0.7, 2) * (w, h)
        side = rng.uniform(0.1, 0.3, 2) * (w, h)
        truth = (float(x0), float(y0), float(x0 + side[0]), float(y0 + side[1]))
        case = Case("", w, h, truth)
        shift = rng.normal(0, rng.choice([0.02, 0.15, 0.5]), 4) * np.tile(side, 2)
        box = tuple(float(v) for v in np.array(truth) + shift)
        texts = ["[]", "There is no cup in the picture.", "", "I cannot help with that."]
        text = texts[number % 4] if number % 25 == 1 else written(box, case, rng)  # type: ignore[arg-type]
        made.append(replace(case, text=text))
    return made


CASES = cases(ANSWERS)


def explained(case: Case, theirs: Scorer) -> str:
    """Name the step at which the verdict turns for good on the way from our choices to theirs."""
    now, turned = OURS, ""
    for step in RULES:
        before = now.right(case)
        now = replace(now, **{step: getattr(theirs, step)})
        if now.right(case) != before:
            turned = step
    assert now == theirs
    return turned


@pytest.mark.parametrize(
    ("scorer", "code"),
    [(OURS, our_code), (THEIRS["lmms-eval bbox_rec"], rec_code), (THEIRS["lmms-eval grounding"], grounding_code)],
    ids=["ours", "bbox_rec", "grounding"],
)
def test_the_choices_written_here_are_those_of_the_code(scorer, code):
    wrong = [case for case in CASES if scorer.right(case) != code(case)]
    assert not wrong, wrong[:3]


@pytest.mark.timeout(900)
def test_every_difference_is_explained_by_a_rule():
    mine = [OURS.right(case) for case in CASES]
    print(f"\n{ANSWERS} answers; ours: {sum(mine)} right (IoU > 0.5)")
    for name, scorer in THEIRS.items():
        theirs = [scorer.right(case) for case in CASES]
        rules = Counter(explained(case, scorer) for case, a, b in zip(CASES, mine, theirs, strict=True) if a != b)
        told = ", ".join(f"{RULES[rule]} {count}" for rule, count in rules.most_common())
        print(f"{name}: {sum(theirs)} right, differs in {sum(rules.values())}: {told}")
        assert "" not in rules
        assert sum(rules.values()) == sum(a != b for a, b in zip(mine, theirs, strict=True))
    assert 500 < sum(mine) < 4500


def test_thresholds_differ_exactly_at_a_half():
    halves = [case for case in CASES if case.text == "[250, 250, 500, 500]"]
    assert halves
    assert not any(OURS.right(case) for case in halves)
    assert all(replace(OURS, at_least=True).right(case) for case in halves)
