"""One thought for both boxes, measured: what the visible thought makes of the amodal answer, and what that saves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from egm_core.evaluate.thinking.fit import fitted
from egm_core.evaluate.thinking.front import front
from egm_core.evaluate.thinking.pairs import Pairs, paired
from egm_core.evaluate.thinking.twins import twins
from egm_core.grounder.gate_file import Gates

RIGHT, CLOSE, WRONG = [10.0, 10.0, 30.0, 30.0], [10.0, 10.0, 30.0, 34.0], [60.0, 60.0, 80.0, 80.0]
SCENES = 600


def row(seed: int, task: str, outcome: str, box: list[float] | None, truth: list[float] | None, **more: Any) -> Any:
    right = outcome == "absent" if truth is None else box in (RIGHT, CLOSE)
    whole = {"seed": seed, "task": task, "kind": "relation", "text": "the third mug", "outcome": outcome, "box": box}
    return whole | {"truth": truth, "correct": right, "score": box and 0.5, "width": 100, "height": 100} | more


def told(folder: Path, answers: dict[bool, list[Any]]) -> Pairs:
    files = []
    for thought, rows in answers.items():
        about = {"model": "made-up", "version": "1", "first_seed": 400_000_000, "scenes": SCENES, "mode": "strict"}
        about |= {"queries_per_scene": 1, "strict": False, "reasoning": thought, "ms_per_query": 20.0}
        file = folder / f"{thought}.json"
        file.write_text(json.dumps(about | {"rows": rows}))
        files.append(file)
    return paired(*files)


@pytest.mark.parametrize(
    ("amodal", "thought", "truth", "moved", "right"),
    [
        (("found", WRONG), ("found", RIGHT), CLOSE, True, 1),
        (("found", RIGHT), ("found", WRONG), CLOSE, True, 0),
        (("found", CLOSE), ("found", RIGHT), CLOSE, False, 1),
        (("found", WRONG), ("absent", None), None, True, 1),
        (("found", RIGHT), ("absent", None), CLOSE, True, 0),
        (("absent", None), ("found", RIGHT), CLOSE, True, 1),
        (("found", RIGHT), ("malformed", None), CLOSE, False, 1),
    ],
)
def test_a_visible_thought_is_judged_as_the_amodal_answer(
    amodal: Any, thought: Any, truth: Any, moved: bool, right: int, tmp_path: Path
) -> None:
    first = [row(1, "visible", "found", WRONG, truth and RIGHT), row(1, "amodal", *amodal, truth)]
    after = [
        row(1, "visible", *thought, truth and RIGHT, thinking=9),
        row(1, "amodal", "found", WRONG, truth, thinking=9),
    ]
    alone = row(1, "amodal", "found", RIGHT, RIGHT, thinking=9) | {"text": "the second mug"}
    both = twins(told(tmp_path, {False: [*(r | {"thinking": 0} for r in [*first, alone])], True: [*after, alone]}))
    assert (both.visible.tolist(), both.amodal.tolist()) == ([0], [1])
    assert (both.moved.tolist(), both.carried.tolist()) == ([moved], [right])


def test_where_one_thought_serves_both_it_spends_half(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    answers: dict[bool, list[Any]] = {False: [], True: []}
    for seed in range(400_000_000, 400_000_000 + SCENES):
        # The first box is always the same, so that nothing tells ahead which one is wrong.
        truth = WRONG if rng.random() < 0.5 else RIGHT
        for task, spoils in (("visible", 0.05), ("amodal", 0.1)):
            thought = truth if rng.random() >= spoils else RIGHT if truth is WRONG else WRONG
            for way, box in ((False, RIGHT), (True, thought)):
                answers[way].append(row(seed, task, "found", box, truth, correct=box is truth, thinking=30 * way))
    pairs = told(tmp_path, answers)
    found = fitted(pairs, 0.5, 0.5, "transformers")
    assert found.together is not None and found.together.tokens <= 0.5
    assert found.together.gain.value > 0.95 > 0.7 > found.alone.gain.value
    both = found.gates.together
    assert both is not None and both.curve is not None and both.engine == "transformers"
    assert both.curve(0.5) == pytest.approx(twins(pairs).carried[twins(pairs).moved].mean(), abs=0.02)
    points = {point.name: point for point in front(pairs, found.gates)}
    assert points["gated"].kept is not None and points["gated"].kept.value > 0.95 and points["gated"].spent == 0.5
    assert points["gated"].tokens == pytest.approx(points["always"].tokens / 2)
    assert points["shared"].spent == 0.5 and points["shared"].kept == points["gated"].kept
    assert "gated alone" in points and "gated alone" not in {p.name for p in front(pairs, Gates(found.gates.alone))}
