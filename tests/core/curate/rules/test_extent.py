"""A trace against the share of the object that is seen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from egm_core.curate.rules.facts import Facts
from egm_core.curate.rules.judge import judge
from egm_core.families import Task

HALF = Facts("the red car", "car", task="amodal", visible_share=0.5)
WHOLE = replace(HALF, visible_share=1.0, others=("the grey van",))


def rules(trace: str, facts: Facts) -> set[str]:
    return {finding.rule for finding in judge(trace, facts)}


@pytest.mark.parametrize("task", ["visible", "amodal"])
@pytest.mark.parametrize(
    "said",
    [
        "It is seen whole, from the hood to the trunk.",
        "Nothing hides it, so its outline is what we see.",
        "The red car is fully visible in this place.",
        "Nothing stands in front of the car on this street.",
        "No part of it is hidden by other things.",
        "Its whole shape is visible on the street.",
    ],
)
def test_what_is_half_hidden_is_not_whole(said: str, task: Task) -> None:
    trace = f"The red car stands on the street near the kerb. {said}"
    assert "wrong_extent" in rules(trace, replace(HALF, task=task))
    assert "wrong_extent" not in rules(trace, WHOLE)
    assert "wrong_extent" not in rules(trace, replace(HALF, visible_share=None)), "nobody knows"


@pytest.mark.parametrize(
    "said",
    [
        "It is partly hidden, and goes on from there.",
        "The grey van covers part of it.",
        "Half of the car is out of sight.",
    ],
)
def test_what_is_seen_whole_is_not_hidden(said: str) -> None:
    trace = f"The red car stands on the street near the kerb. {said}"
    assert "wrong_extent" in rules(trace, WHOLE)
    assert "wrong_extent" not in rules(trace, HALF)


@pytest.mark.parametrize(
    "said",
    [
        "Nothing hides it on the left side, where its edge is its own.",
        "It is fully visible but for its rear.",
        "The car is not fully visible, for something stands in front.",
        "The driver's door is fully visible and shows the colour.",
    ],
)
def test_a_word_about_a_part_is_no_word_about_the_whole(said: str) -> None:
    assert "wrong_extent" not in rules(f"The red car stands on the street near the kerb. {said}", HALF)
