"""When thinking is worth its time: by a model's own gate, or by the rule for models that have none."""

from __future__ import annotations

import math

import pytest

from egm_core.grounder.form import form
from egm_core.grounder.gate import RULE, Gate, Weight, features

BOX = (0.1, 0.2, 0.3, 0.6)
GATE = Gate({"score": Weight(-1.0, 0.5, -2.0, 1.0, 3.0)}, Weight(0.0, 1.0, 0.5, -0.5, 20.0), 0.01)


@pytest.mark.parametrize(
    ("sent", "kinds"),
    [
        ("the red mug", {"colour", "plain"}),
        ("mug", {"plain"}),
        ("the second mug from the left", {"ordinal"}),
        ("the leftmost mug", {"extreme"}),
        ("the largest mug", {"size"}),
        ("the mug left of the box", {"relation"}),
        ("the mug between the box and the can", {"between"}),
        ("the partly hidden mug", {"hidden"}),
        ("the car next to the rightmost van", {"relation", "extreme", "two_step"}),
        ("the mug that is not red", {"negation", "colour", "plain"}),
        ("Leftmost MUG", {"extreme"}),
        ("", {"plain"}),
        ("la taza roja", {"plain"}),
    ],
)
def test_the_words_tell_the_form(sent: str, kinds: set[str]) -> None:
    found = form(sent)
    assert {name for name, value in found.items() if value and name != "words"} == kinds
    assert all(math.isfinite(value) for value in found.values())


def test_what_is_not_known_is_no_number_and_counts_as_its_mean() -> None:
    assert math.isnan(features("visible", "the mug", "box", BOX, None)["score"])
    assert math.isnan(features("visible", "the mug", "absent", None, None)["box_size"])
    assert math.isnan(features("visible", "the mug", "box", (0.3, 0.3, 0.3, 0.5), 0.5)["box_size"])
    assert math.isnan(features("visible", "the mug", "box", BOX, 0.5)["sure_left"])
    known = features("visible", "the mug", "box", BOX, 0.5, (-1.0, -2.0, -3.0, -4.0), -0.25)
    assert known["opening"] == -0.25 and math.isnan(features("visible", "the mug", "box", BOX, 0.5)["opening"])
    assert [known[f"sure_{edge}"] for edge in ("left", "top", "right", "bottom")] == [-1.0, -2.0, -3.0, -4.0]
    assert GATE.worth({"score": math.nan}) == GATE.worth({}) == GATE.worth({"score": -1.0})
    assert GATE.worth({"score": -3.0}) > GATE.worth({"score": -1.0}) > GATE.worth({"score": 0.0})


@pytest.mark.parametrize(
    ("sent", "outcome", "opens"),
    [
        ("the red mug", "box", False),
        ("the red mug", "absent", True),
        ("the red mug", "invalid", True),
        ("the second mug from the left", "box", True),
        ("the mug left of the box", "box", True),
        ("the leftmost mug", "absent", True),
    ],
)
def test_the_rule_thinks_about_what_must_be_compared_and_about_no_box(sent: str, outcome: str, opens: bool) -> None:
    box = BOX if outcome == "box" else None
    assert (RULE.worth(features("visible", sent, outcome, box, 0.5)) > 0) == opens
