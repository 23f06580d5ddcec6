"""Answers that break their format, that the limit cut, or that name something else than was asked for."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from told_answers import ground, misbehaving, says

from egm_core.engines import Completion
from egm_core.families import Reason, family
from egm_core.grounder.question.models import Models
from egm_core.grounder.reading import EXPLANATIONS, label_doubt, read
from egm_core.models.calibration import Curve

PROSE = "Thought.\n</think>\n\nThe mug is at [100, 200, 300, 400]."


def test_an_answer_beside_the_format_is_salvaged_and_says_so(
    server: misbehaving.Server, picture: NDArray[np.uint8]
) -> None:
    found = ground(server, f"says:{PROSE}||{PROSE.replace('300', '600')}", picture)
    assert (found.outcome, found.visible) == ("found", pytest.approx((20, 20, 60, 40)))
    assert found.amodal == pytest.approx((20, 20, 120, 40))
    assert found.repairs == ("salvaged: prose", "amodal_salvaged: prose")
    gone = ground(server, "says:Thought.\n</think>\n\nThere is no mug in the image.", picture, tasks=("visible",))
    assert (gone.outcome, gone.repairs) == ("absent", ("salvaged: words",))


def test_what_was_asked_chooses_among_named_boxes(server: misbehaving.Server, picture: NDArray[np.uint8]) -> None:
    named = '{"cup": [5, 6, 70, 80], "the mug": [100, 200, 300, 400]}'
    found = ground(server, f"says:Thought.\n</think>\n\n{named}", picture, tasks=("visible",))
    assert (found.outcome, found.visible, found.repairs) == (
        "found",
        pytest.approx((20, 20, 60, 40)),
        ("salvaged: nested",),
    )
    other = named.replace("the mug", "jug")
    assert ground(server, f"says:Thought.\n</think>\n\n{other}", picture, tasks=("visible",)).reason == "ambiguous"


def test_salvaged_scores_are_raw_for_none_was_measured(
    server: misbehaving.Server, picture: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    curves = {"visible": Curve((0.0, 1.0), (0.0, 0.5)), "amodal": Curve((0.0, 1.0), (0.0, 0.5))}
    monkeypatch.setattr(Models, "curves", lambda self, replies: curves)
    strict = ground(server, says((100, 200, 300, 400)), picture)
    assert strict.calibrated == ("visible", "amodal")
    found = ground(server, f"says:{PROSE}", picture)
    assert found.score_available and found.calibrated == () and found.score == found.raw_score


@pytest.mark.parametrize(
    ("text", "finish", "reason"),
    [
        ('x\n</think>\n\n[{"bbox_2d": [1, 2, 3', "length", "truncated"),
        ('x\n</think>\n\n[{"bbox_2d": [1, 2, 3', "stop", "unfinished"),
        ("The mug stands", "length", "truncated"),
        ("<think>The mug stands", "stop", "unfinished"),
        ("The mug stands", "stop", "no_box"),
        # A draft in a reasoning that the limit cut, and prose that it cut behind the box.
        ("A draft:\n```json\n[[1, 2, 3, 4]]\n```", "length", "truncated"),
        (PROSE, "length", "truncated"),
        (PROSE, "stop", ""),
        ("x\n</think>\n\n[[1, 2, 3, 4]]", "length", ""),
        ("x\n</think>\n\n[[0.1, 0.2, 0.3, 0.4]]", "stop", "fractions"),
        ("x\n</think>\n\n[[10, 20, 1300, 40]]", "stop", "out_of_range"),
    ],
)
def test_only_what_the_limit_cut_is_called_truncated(text: str, finish: str, reason: str) -> None:
    answer = read(family("qwen3_vl"), Completion(text, (), finish))
    assert (answer.kind, answer.reason) == ("invalid" if reason else "box", reason)
    assert not reason or EXPLANATIONS[reason]


def test_every_reason_is_explained() -> None:
    assert set(EXPLANATIONS) == set(get_args(Reason)) - {""}


@pytest.mark.parametrize(
    ("label", "sent", "doubted"),
    [
        ("the second bowl", "the giraffe", True),
        ("the blue mug", "the red mug", True),
        ("mug", "the red mug on the left", False),
        ("The red mugs", "a red mug", False),
        ("", "the red mug", False),
        ("object", "the red mug", False),
        ("格子衬衫", "找到格子衬衫", False),
    ],
)
def test_a_label_that_was_not_asked_for_is_doubted(label: str, sent: str, doubted: bool) -> None:
    assert label_doubt(label, sent) == ((f"label_differs: {label}",) if doubted else ())


def test_the_answer_carries_the_doubt_in_its_label(server: misbehaving.Server, picture: NDArray[np.uint8]) -> None:
    text = family("qwen3_vl").target("the second bowl", (0, 0, 500, 500), "", "visible")
    found = ground(server, f"says:{text}", picture)
    assert (found.outcome, found.warnings) == ("found", ("label_differs: the second bowl",))
