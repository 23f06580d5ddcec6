"""Leaks that show by asking once more: with another colour, and without the picture."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from egm_core.asking.job import Answer, Job
from egm_core.curate.experiments import recolour, text_only
from egm_core.curate.experiments.text_only import Guess, placed
from egm_core.curate.reason.questions import Asking
from egm_core.engines.base import Sampling
from egm_core.sample import Sample

ASKING = Asking("visible", "teacher", Sampling(max_tokens=300))
COUNT = 12


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.full((100, 100, 3), 90, np.uint8))
    rng = random.Random(1)
    made = []
    for number in range(COUNT):
        x, y = rng.uniform(0, 70), rng.uniform(0, 70)
        text = f"The mug stands at {x:.0f} and {y:.0f} of the table, alone and white."
        made.append(Sample(str(path), f"mug {number}", (x, y, x + 25, y + 25), None, None, 100, 100, reasoning=text))
    return made


def text_of(job: Job) -> str:
    return str(job.messages[0]["content"][-1]["text"])


def answered(jobs: Iterable[Job], says: dict[str, str]) -> Iterator[tuple[Job, Answer]]:
    """Answer with the trace of a kind: what `{colour}` in it stands for is the frame's colour."""
    for job in jobs:
        colour = re.search(r"a (\w+) frame", text_of(job))
        number = re.search(r'"mug (\d+)"', text_of(job))
        assert colour and number
        said = says["leaky" if int(number[1]) < 3 else "clean"].replace("{colour}", colour[1])
        yield job, Answer(job.key, json.dumps({"reasoning": said, "object": "mug"}), "stop")


def test_a_colour_that_follows_the_frame_is_counted(samples: list[Sample]) -> None:
    says = {
        "leaky": "The mug with the {colour} glow stands on the table by itself.",
        "clean": "A mug stands here alone.",
    }
    pairs = recolour.recoloured(samples, ASKING, lambda jobs: answered(jobs, says))
    assert len(pairs) == COUNT and all(pair.colours[0] != pair.colours[1] for pair in pairs)
    assert [pair.follows for pair in pairs] == [True] * 3 + [False] * (COUNT - 3)
    found = recolour.summary(pairs)
    assert (found["all"]["follow"], found["all"]["own_colour"], found["all"]["other_colour"]) == (3, 6, 0)
    assert found["passed_rules"]["follow"] == 0
    assert "3" in recolour.table(found)


def test_a_colour_of_the_scene_is_no_leak(samples: list[Sample]) -> None:
    says = dict.fromkeys(
        ("leaky", "clean"), "The mug stands before a magenta wall, beside a cyan bowl and a green plate."
    )
    found = recolour.summary(recolour.recoloured(samples, ASKING, lambda jobs: answered(jobs, says)))
    assert (found["all"]["pairs"], found["all"]["follow"]) == (COUNT, 0)
    assert found["all"]["own_colour"] == found["all"]["other_colour"] > 0


def test_answers_that_are_none_are_left_out(samples: list[Sample]) -> None:
    assert recolour.recoloured(samples, ASKING, lambda jobs: ((job, Answer(job.key, error="no")) for job in jobs)) == []


def reader(jobs: Iterable[Job], uses: bool) -> Iterator[tuple[Job, Answer]]:
    """Place what has numbers by them, and all else in the middle."""
    for job in jobs:
        (part,) = job.messages[0]["content"]
        told = re.search(r"stands at (\d+) and (\d+)", part["text"])
        x, y = (int(told[1]) * 10, int(told[2]) * 10) if told and uses else (375, 375)
        box = {"left": x, "top": y, "right": min(x + 250, 1000), "bottom": min(y + 250, 1000)}
        yield job, Answer(job.key, json.dumps(box), "stop")


def test_a_reader_that_finds_objects_by_the_words_alone_is_noticed(samples: list[Sample]) -> None:
    found = text_only.guesses(samples, "visible", "m", Sampling(), lambda jobs: reader(jobs, True))
    told = text_only.summary(found)
    assert told["samples"] == COUNT and told["with_trace"]["hits"] == COUNT
    assert told["with_trace"]["mean_iou"] > 0.8 > 0.4 > told["with_trace"]["chance"]
    assert told["with_trace"]["p"] < 0.01 < 0.5 < told["expression"]["p"]
    assert len(told["suspicious"]) == COUNT and "with trace" in text_only.table(told)


def test_a_reader_that_can_only_guess_is_at_chance(samples: list[Sample]) -> None:
    told = text_only.summary(text_only.guesses(samples, "visible", "m", Sampling(), lambda jobs: reader(jobs, False)))
    assert (
        told["with_trace"]["mean_iou"] == pytest.approx(told["with_trace"]["chance"]) and told["with_trace"]["p"] > 0.5
    )


def test_a_guess_is_read_in_pixels_or_is_none(samples: list[Sample]) -> None:
    assert placed('{"left": 100, "top": 200, "right": 300, "bottom": 400}', samples[0]) == (10, 20, 30, 40)
    for text in (
        "",
        '{"left": 1}',
        '{"left": 5, "top": 5, "right": 5, "bottom": 9}',
        '{"left": -1, "top": 0, "right": 5, "bottom": 9}',
    ):
        assert placed(text, samples[0]) is None


def test_nothing_to_read_gives_no_figures() -> None:
    none: list[Guess] = []
    assert text_only.summary(none)["with_trace"]["mean_iou"] is None
    assert "-" in text_only.table(text_only.summary(none))


def test_answers_of_another_form_are_counted_and_one_is_shown(
    samples: list[Sample], caplog: pytest.LogCaptureFixture
) -> None:
    def ask(jobs: Iterable[Job]) -> Iterator[tuple[Job, Answer]]:
        return ((job, Answer(job.key, "somewhere on the left", "stop")) for job in jobs)

    assert text_only.guesses(samples, "visible", "m", Sampling(), ask) == []
    assert f"{2 * COUNT} of {2 * COUNT} answers are no box as it was asked for" in caplog.text
    assert "such as: somewhere on the left" in caplog.text
    assert recolour.recoloured(samples, ASKING, ask) == []
    assert f"{COUNT} of {COUNT} samples lack an answer of the form that was asked for" in caplog.text
