"""One thought for both boxes: when it is enough, and what it makes of the amodal answer."""

from __future__ import annotations

import math

import pytest

from egm_core.grounder.gate import Gate, Weight, features
from egm_core.grounder.together import Said, Together, carries, joint

HERE, NEAR, THERE = (0.1, 0.1, 0.3, 0.3), (0.1, 0.1, 0.3, 0.35), (0.6, 0.6, 0.8, 0.8)
ABSENT, INVALID = Said("absent"), Said("invalid")


def sure(mend: float, tokens: float = 30.0) -> Gate:
    """A gate that expects a gain of about 1 (mend 30), 0.5 (mend 0) or none (mend -30), whatever is asked."""
    return Gate({}, Weight(0.0, 1.0, mend, -30.0, tokens))


@pytest.mark.parametrize(
    ("amodal", "thought", "taken"),
    [
        (Said("box", HERE), Said("box", NEAR), False),
        (Said("box", HERE), Said("box", THERE), True),
        (Said("box", HERE), ABSENT, True),
        (ABSENT, Said("box", HERE), True),
        (ABSENT, ABSENT, False),
        (INVALID, Said("box", HERE), True),
        (Said("box", HERE), INVALID, False),
        (INVALID, INVALID, False),
    ],
)
def test_an_answer_about_another_object_is_carried(amodal: Said, thought: Said, taken: bool) -> None:
    assert carries(amodal, thought) == taken


@pytest.mark.parametrize(
    ("visible", "amodal", "carried", "price", "tasks"),
    [
        (30, 30, 30, 0.001, ("visible",)),
        (30, 30, -30, 0.001, ("visible", "amodal")),
        (30, 30, -30, 0.04, ()),
        (30, 0, -30, 0.02, ("visible",)),
        (-30, -30, -30, 0.001, ()),
        (-30, 0, 30, 0.001, ("visible",)),
    ],
)
def test_both_are_thought_about_where_that_is_worth_more_than_one(
    visible: float, amodal: float, carried: float, price: float, tasks: tuple[str, ...]
) -> None:
    assert Together(sure(visible), sure(amodal), sure(carried), price).wanted({}) == tasks


def test_both_first_answers_are_described_together() -> None:
    seen = [features(task, "the third mug", "box", HERE, 0.5) for task in ("visible", "amodal")]
    near = joint(seen[0], seen[1], (Said("box", HERE), Said("box", NEAR)))
    assert (near["agree"], near["apart"], near["differ"]) == (pytest.approx(0.8), 0.0, 0.0)
    assert near["ordinal"] == 1.0 and near["visible_score"] == near["amodal_score"] == math.log(0.5)
    far = joint(seen[0], seen[1], (Said("box", HERE), Said("box", THERE)))
    assert (far["agree"], far["apart"], far["differ"]) == (0.0, 1.0, 0.0)
    one = joint(seen[0], seen[1], (Said("box", HERE), ABSENT))
    assert math.isnan(one["agree"]) and math.isnan(one["apart"]) and one["differ"] == 1.0
