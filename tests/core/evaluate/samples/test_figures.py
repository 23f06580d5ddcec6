"""The figures of scored samples: thresholds, means over splits, groups, and baselines of amodal questions."""

from __future__ import annotations

import math

import pytest
from sample_oracles import BOX, INFO, picture, planned, questions, sample, saying

from egm_core.asking.job import Answer
from egm_core.evaluate.samples.asking import Outcome
from egm_core.evaluate.samples.baselines import COPY, ENLARGED, baselines
from egm_core.evaluate.samples.figures import HIDING, Summary
from egm_core.evaluate.samples.questions import Question
from egm_core.evaluate.samples.rows import Rules, Scored, record, scored
from egm_core.evaluate.samples.text import text
from egm_core.evaluate.scores import fit
from egm_core.evaluate.statistics import macro_mean, mean


def question(number: int, task="visible", **fields) -> Question:
    fields.setdefault("image_id", str(number))
    return Question(f"q{number}", task, sample(f"{number}.png", **fields))


def row(q: Question, box, outcome="") -> Scored:
    return Scored(q, outcome or ("found" if box else "absent"), "", box, fit(box, q.truth))


HALF = (20.0, 20.0, 120.0, 70.0)


def test_an_iou_of_exactly_a_half_is_success_only_where_that_is_said():
    rows = [row(question(1), HALF)]
    assert Summary(rows).micro.accuracies[0].value == 0.0
    assert Summary(rows, at_least=True).micro.accuracies[0].value == 1.0
    assert "IoU above the threshold" in text(Summary(rows))
    assert "IoU at least the threshold" in text(Summary(rows, at_least=True))


def test_all_that_was_asked_is_in_the_denominator_and_counted_apart():
    outcomes = ("found", "absent", "malformed", "failed")
    rows = [row(question(n), BOX if said == "found" else None, said) for n, said in enumerate(outcomes)]
    line = Summary(rows).micro
    assert line.outcomes == dict.fromkeys(outcomes, 1)
    assert line.accuracies[0].value == 0.25
    assert line.iou.value == 0.25
    assert line.count == 4


def test_macro_is_the_mean_of_splits_and_micro_of_rows():
    rows = [row(question(n, source="RefCOCO", split="val"), BOX) for n in range(9)]
    rows.append(row(question(9, source="RefCOCO", split="testA"), None))
    summary = Summary(rows)
    assert [(line.name, line.count) for line in summary.splits] == [("RefCOCO val", 9), ("RefCOCO testA", 1)]
    assert summary.micro.accuracies[0].value == pytest.approx(0.9)
    assert summary.macro.accuracies[0].value == pytest.approx(0.5)


def test_intervals_resample_pictures_not_rows():
    split = {"source": "RefCOCO", "split": "val"}
    alone = [row(question(n, **split), BOX if n % 2 else None) for n in range(40)]
    shared = [row(question(n, image_id=str(n % 8), **split), BOX if n % 2 else None) for n in range(40)]
    wide, narrow = (Summary(rows).micro.accuracies[0] for rows in (shared, alone))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_macro_of_one_group_is_the_plain_mean_with_its_interval():
    values, clusters = [1.0, 0.0, 1.0, 1.0], [1, 1, 2, 3]
    assert macro_mean(values, clusters, ["a"] * 4) == mean(values, clusters)
    assert macro_mean(values, clusters, ["a", "a", "b", "b"]).value == pytest.approx(0.75)
    with pytest.raises(ValueError, match="as many"):
        macro_mean(values, clusters, ["a"])


def test_a_row_counts_in_each_kind_that_its_words_have():
    kinds = Summary([row(question(1, sent="not the left cup"), BOX), row(question(2, sent="cup"), None)]).groups
    lines = next(lines for title, lines in kinds.items() if title.startswith("kind"))
    assert [(line.name, line.count) for line in lines] == [("negation", 1), ("spatial", 1), ("plain", 1)]


def test_groups_that_the_files_tell_nothing_of_are_left_out():
    titles = Summary([row(question(n), BOX) for n in range(3)]).groups
    assert not any("category" in title or "seen" in title for title in titles)


def test_absent_objects_have_figures_of_their_own():
    rows = [row(question(1, bbox=None), None), row(question(2, bbox=None), BOX, "found"), row(question(3), None)]
    absence = Summary(rows).absence
    assert absence is not None
    assert (absence.recognised.value, absence.false.value) == (0.5, 1.0)
    assert Summary(rows).micro.count == 1


AMODAL = (20.0, 20.0, 220.0, 120.0)


def test_baselines_stand_beside_amodal_figures_and_need_no_model():
    rows = [row(question(n, "amodal", amodal_bbox=AMODAL if n else BOX), AMODAL) for n in range(4)]
    summary = Summary(rows)
    lines = {line.name: line for line in summary.baselines}
    # The visible box is half of the whole one in three of four: an IoU of exactly 0.5, which is not above it.
    assert lines[COPY].accuracies[0].value == 0.25
    failing, copies = summary.failing_copy()[0]
    assert (failing.count, failing.accuracies[0].value, copies.accuracies[0].value) == (3, 1.0, 0.0)
    assert [line.name for line in summary.groups[HIDING]] == ["IoU 0.5 to 0.75", "IoU 1"]
    assert not Summary([row(question(1), BOX)]).baselines


def test_boxes_are_enlarged_by_what_other_pictures_need():
    found = [question(n, "amodal", amodal_bbox=AMODAL) for n in range(2)]
    found.append(question(9, "amodal", amodal_bbox=(20.0, 20.0, 120.0, 120.0)))
    boxes = baselines(found)[ENLARGED]
    assert boxes["q9"] == pytest.approx(AMODAL)
    assert boxes["q0"] == pytest.approx((20.0, 20.0, 170.0, 120.0))


def test_a_hidden_object_has_no_visible_box_to_copy():
    hidden = question(1, "amodal", bbox=None, amodal_bbox=BOX, visible_fraction=0.0)
    known = baselines([hidden])
    assert known[COPY]["q1"] is None
    assert known[ENLARGED]["q1"] is None
    assert Summary([row(hidden, BOX)]).baselines[0].accuracies[0].value == 0.0


def test_nothing_that_was_asked_gives_no_figures():
    assert math.isnan(Summary([]).micro.iou.value)


def test_answers_that_were_cut_are_counted_and_stay_in_the_denominator(tmp_path):
    found = planned(questions(tmp_path, [sample(picture(tmp_path), f"cup {n}") for n in range(3)]))
    said = dict(
        zip((one.job.key for one in found if one.job), ("<think>on and", saying(BOX), saying(BOX)), strict=True)
    )
    answers = {key: Answer(key, text, "stop" if n == 2 else "length") for n, (key, text) in enumerate(said.items())}
    rows = scored(found, Outcome(answers, {}, 0, 3, 0), Rules(INFO.speaker, "strict"))
    summary = Summary(rows)
    assert (summary.micro.count, summary.micro.cut, summary.micro.outcomes["malformed"]) == (3, 2, 1)
    assert summary.as_json()["micro"]["cut"] == 2
    assert [record(row, False)["finish"] for row in rows] == ["length", "length", "stop"]
    line = next(line for line in text(summary).splitlines() if line.startswith("| all rows (micro)"))
    assert line.endswith("| 0 | 1 | 0 | 2 |")
