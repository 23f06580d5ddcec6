"""Amodal boxes that are the visible answer after thinking are measured by how tightly they fit."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_twins import CLOSE, RIGHT, WRONG, row, told

from egm_core.evaluate.thinking.tight import table, tight
from egm_core.grounder.gate import RULE
from egm_core.grounder.gate_file import Gates
from egm_core.grounder.together import Together


def test_a_visible_box_in_the_place_of_the_amodal_one_counts_with_its_own_iou(tmp_path: Path) -> None:
    first, after = [], []
    for seed in range(8):
        first += [row(seed, "visible", "found", WRONG, RIGHT), row(seed, "amodal", "found", WRONG, CLOSE)]
        after += [row(seed, "visible", "found", RIGHT, RIGHT), row(seed, "amodal", "found", CLOSE, CLOSE)]
    # An object that is not there has no amodal box to fit.
    first += [row(9, "visible", "found", WRONG, None), row(9, "amodal", "found", WRONG, None)]
    after += [row(9, "visible", "absent", None, None), row(9, "amodal", "absent", None, None)]
    thinking = [each | {"thinking": 9} for each in after]
    pairs = told(tmp_path, {False: [each | {"thinking": 0} for each in first], True: thinking})
    found = {one.name: one for one in tight(pairs, Gates(RULE, Together(RULE, RULE, RULE, price=10.0)))}
    values = {name: (round(one.mean_iou.value, 3), one.strict.value) for name, one in found.items()}
    # 400 of 480 square pixels are shared.
    assert values == {"never": (0.0, 0.0), "gated": (0.0, 0.0), "shared": (0.833, 1.0), "always": (1.0, 1.0)}
    assert found["always"].mean_iou.count == 8
    free = {one.name: one for one in tight(pairs, Gates(RULE, Together(RULE, RULE, RULE, price=-1.0)))}
    assert free["gated"].mean_iou.value == pytest.approx(1.0), "a price below nothing has both thought about"
    assert "| shared | 83.3 (" in table(list(found.values()))
    assert tight(pairs, Gates(RULE)) == [] and table([]) == ""
