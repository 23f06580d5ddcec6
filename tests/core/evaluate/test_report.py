"""Scores, baselines, figures and bars, on answers written down by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from egm_core.evaluate.baselines import OWN_COPIED, category_only, largest_object, own_visible_copied
from egm_core.evaluate.queries import Query
from egm_core.evaluate.reports.report import Report, compare
from egm_core.evaluate.scores import row_of, score
from egm_core.families import family

VISIBLE, AMODAL, OTHER = (0.0, 0.0, 100.0, 100.0), (0.0, 0.0, 100.0, 160.0), (300.0, 0.0, 400.0, 100.0)
BIG = (500.0, 500.0, 900.0, 900.0)
SEEN = Query(
    seed=1,
    world="tabletop",
    task="visible",
    kind="attribute",
    text="the red mug",
    near_miss=False,
    distractor=True,
    width=1000,
    height=1000,
    visible=VISIBLE,
    amodal=AMODAL,
    rivals=((VISIBLE, AMODAL), (OTHER, OTHER)),
    largest=(BIG, BIG),
)
WHOLE = replace(SEEN, task="amodal")
ABSENT = replace(SEEN, kind="absent", text="the green mug", visible=None, amodal=None, near_miss=True, rivals=())
QWEN = family("qwen3_vl")


def answered(query: Query, box: tuple[float, float, float, float] | None) -> str:
    return "thought\n" + QWEN.target(query.text, box, "Mug: (50,50).", query.task)


def test_a_right_answer():
    row = score(SEEN, QWEN, answered(SEEN, VISIBLE), tokens=("a", "b", "</think>", "c"))
    assert (row.outcome, row.box, row.iou, row.correct()) == ("found", VISIBLE, 1.0, True)
    assert row.iou_amodal == pytest.approx(0.625)
    assert (row.tokens, row.thinking) == (4, 2)


def test_boxes_are_scaled_to_the_picture():
    query = replace(SEEN, width=200, height=400, visible=(20.0, 40.0, 100.0, 200.0))
    row = score(query, QWEN, answered(query, (100, 100, 500, 500)))
    assert row.box == pytest.approx((20.0, 40.0, 100.0, 200.0))
    assert row.iou == pytest.approx(1.0)


def test_the_threshold_includes_one_half_unless_strict():
    row = row_of(SEEN, "found", (0.0, 0.0, 100.0, 50.0))
    assert row.iou == 0.5
    assert row.correct()
    assert not row.correct(strict=True)


def test_absent_and_malformed_answers():
    assert score(ABSENT, QWEN, answered(ABSENT, None)).correct()
    assert score(ABSENT, QWEN, answered(ABSENT, None), mode="strict").outcome == "absent"
    assert not score(ABSENT, QWEN, answered(ABSENT, VISIBLE)).correct()
    missed = score(SEEN, QWEN, answered(SEEN, None))
    assert (missed.outcome, missed.iou, missed.correct()) == ("absent", 0.0, False)
    garbage = score(SEEN, QWEN, "the mug is over there", mode="strict")
    assert (garbage.outcome, garbage.box, garbage.iou) == ("malformed", None, 0.0)
    assert not score(ABSENT, QWEN, "no idea").correct()


def test_the_papers_rules_take_a_box_where_strict_ones_see_none():
    text = "it is at [0, 0, 100, 100]"
    assert score(SEEN, QWEN, text, mode="strict").outcome == "malformed"
    assert score(SEEN, QWEN, text, mode="paper").correct()


def test_the_dumb_baselines():
    assert category_only(SEEN) == 0.5
    assert category_only(ABSENT) is None
    assert largest_object(SEEN) == 0.0
    assert largest_object(replace(SEEN, largest=(VISIBLE, AMODAL))) == 1.0
    rows = [row_of(SEEN, "found", VISIBLE), row_of(WHOLE, "found", AMODAL)]
    assert own_visible_copied(rows) == [None, 1.0]
    hidden = replace(WHOLE, amodal=(0.0, 0.0, 100.0, 400.0))
    assert own_visible_copied(
        [row_of(replace(hidden, task="visible"), "found", VISIBLE), row_of(hidden, "found", BIG)]
    ) == [
        None,
        0.0,
    ]
    assert own_visible_copied([row_of(WHOLE, "found", AMODAL)]) == [None]


def report() -> Report:
    heavy = replace(WHOLE, seed=2, amodal=(0.0, 0.0, 100.0, 400.0), text="the box")
    return Report(
        [
            row_of(SEEN, "found", VISIBLE),
            row_of(WHOLE, "found", AMODAL),
            row_of(replace(SEEN, seed=2, world="street", text="the box"), "absent", None),
            row_of(heavy, "found", VISIBLE),
            row_of(ABSENT, "absent", None),
            row_of(replace(ABSENT, seed=2, near_miss=False), "found", OTHER),
            row_of(replace(ABSENT, seed=2, task="amodal"), "malformed", None, "no_box"),
        ]
    )


def test_the_figures():
    made = report()
    line = {line.name: line for line in made.table("visible")}["all"]
    assert (line.accuracy.value, line.accuracy.count, line.iou.value) == (0.5, 2, 0.5)
    assert line.worlds["tabletop"].value == 1.0
    assert line.worlds["street"].value == 0.0
    assert line.category_only.value == 0.5
    assert made.recall().value == 0.5
    assert made.recall(lambda r: r.query.near_miss).value == 1.0
    assert made.false_absents().value == 0.5
    assert made.heavy().value == 0.0
    assert made.heavy_share() == 0.5
    assert made.nearer().value == 1.0
    assert made.nearer().count == 1
    assert made.malformed().value == pytest.approx(1 / 7)


def test_what_completing_gains_is_counted_where_both_boxes_were_asked_for():
    rows = []
    for seed in range(8):
        whole = replace(WHOLE, seed=seed, amodal=(0.0, 0.0, 100.0, 400.0))
        rows += [row_of(replace(whole, task="visible"), "found", VISIBLE), row_of(whole, "found", whole.amodal)]
        # Asked for its amodal box alone: the own visible box is not there to be copied.
        rows.append(row_of(replace(whole, text="the box"), "found", VISIBLE))
    rows[1] = row_of(replace(WHOLE, seed=0, amodal=(0.0, 0.0, 100.0, 400.0)), "found", OTHER)
    gain = Report(rows).completed()
    assert gain is not None and (gain.count, gain.difference) == (8, 0.875)
    line = Report(rows).table("amodal")[-1]
    assert (line.accuracy.count, line.own_visible_copied.count) == (16, 8)
    text = Report(rows).text(0.0)
    assert "own visible box copied: of the 8 amodal questions" in text and "gain +87.5 points [" in text
    assert "own visible box copied 0.0 (n 8)" in text
    assert Report(rows).as_json()["completed"]["difference"] == 0.875
    assert Report([]).completed() is None


def test_the_bars_and_their_verdicts():
    verdicts = {bar.name: bar.verdict.split(" (")[0] for bar in report().bars()}
    assert verdicts == {
        "visible Acc@0.5": "BELOW THE FLOOR",
        "amodal Acc@0.5": "floor met",
        "absent recognised": "BELOW THE FLOOR",
        "false absents": "BELOW THE FLOOR",
        "amodal where IoU(visible, amodal) < 0.5": "BELOW THE FLOOR",
        "nearer to amodal where IoU is 0.5 to 0.8": "goal met",
    }
    assert all("no such query" in bar.verdict for bar in Report([]).bars())


def test_the_text_names_every_figure():
    text = report().text(ms_per_query=12.3)
    for words in (
        "visible questions",
        "amodal questions",
        OWN_COPIED,
        "category only",
        "12 ms a query",
        "goal met",
    ):
        assert words in text
    assert "attribute" in Report([]).text(0.0)


ABOUT = {"model": "hand", "version": "", "first_seed": 0, "scenes": 1, "queries_per_scene": 3, "mode": "paper",
         "reasoning": True}  # fmt: skip


def test_results_are_compared_query_by_query(tmp_path):
    better = Report([replace(r, outcome="found", iou=1.0) if r.iou is not None else r for r in report().rows])
    paths = [tmp_path / "first.json", tmp_path / "second.json"]
    for path, made in zip(paths, (report(), better), strict=True):
        path.write_text(json.dumps(made.as_json(**ABOUT), allow_nan=False))
    found = compare(*paths)
    assert found["visible"].difference == 0.5
    assert found["amodal"].difference == 0.5
    assert found["absent"].difference == 0.0
    assert found["all"].count == sum(found[name].count for name in ("visible", "amodal", "absent"))
    assert 0 < found["all"].difference < 0.5
    elsewhere = json.loads(paths[1].read_text())
    for row in elsewhere["rows"]:
        row["seed"] += 1000
    paths[1].write_text(json.dumps(elsewhere))
    with pytest.raises(ValueError, match="same seeds"):
        compare(*paths)
