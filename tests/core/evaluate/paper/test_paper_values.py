"""The paper's values as data: what can be computed from others must come out as it is printed."""

from __future__ import annotations

import pytest

from egm_core.evaluate.paper import amodal, failures, training
from egm_core.evaluate.paper.grounding import ROWS, TABLE_4, WITHOUT
from egm_core.evaluate.paper.latency import FIGURE_5
from egm_core.evaluate.paper.splits import SPLITS, split_of

EGM = [name for name in ROWS if name.startswith("EGM-")]
# Table 10 compares each base with its EGM model, without and with reasoning.
TABLE_10 = tuple(
    tuple(ROWS[name] for name in (base, f"EGM-{stem}{WITHOUT}", f"EGM-{stem}"))
    for base, stem in (
        ("Qwen3-VL-2B-Thinking", "Qwen3-VL-2B"),
        ("Qwen3-VL-4B-Thinking", "Qwen3-VL-4B"),
        ("Qwen3-VL-8B-Thinking", "Qwen3-VL-8B"),
        ("InternVL-3-1B", "InternVL-3-1B"),
        ("InternVL-3-2B", "InternVL-3-2B"),
        ("InternVL-3-8B", "InternVL-3-8B"),
    )
)
# What the text says that EGM gains in Table 4's average, in points: a difference of rounded averages.
GAINS = {"Qwen3-VL-2B": 6.0, "Qwen3-VL-4B": 3.8, "Qwen3-VL-8B": 3.6, "InternVL-3-1B": 5.2, "InternVL-3-2B": 1.7,
         "InternVL-3-8B": 1.1}  # fmt: skip
# The averages of the EGM models as the project's page prints them.
EGM_AVERAGES = {"Qwen3-VL-2B": 89.6, "Qwen3-VL-4B": 91.0, "Qwen3-VL-8B": 91.4, "InternVL-3-1B": 86.8,
                "InternVL-3-2B": 88.4, "InternVL-3-8B": 90.7}  # fmt: skip


# Splits are rounded too, so a mean that ends in 5 may have been rounded either way.
HALF = 0.0501


@pytest.mark.parametrize("row", [row for row in TABLE_4 if row.printed is not None], ids=lambda row: row.model)
def test_the_mean_of_eight_splits_is_the_printed_average(row):
    assert row.printed is not None
    assert row.average == pytest.approx(row.printed, abs=HALF)


def test_the_tables_have_the_papers_lines():
    assert len(TABLE_4) == 23
    assert [len(block) for block in TABLE_10] == [3] * 6
    assert all(len(row.splits) == 8 for row in ROWS.values())
    assert len(ROWS) == 27


@pytest.mark.parametrize("stem", list(GAINS))
def test_the_gains_in_the_text_are_those_of_the_splits(stem):
    base, _, egm = next(block for block in TABLE_10 if block[2].model == f"EGM-{stem}")
    assert EGM_AVERAGES[stem] - base.printed == pytest.approx(GAINS[stem], abs=0.001)
    assert egm.average == pytest.approx(EGM_AVERAGES[stem], abs=HALF)


@pytest.mark.parametrize(
    ("stem", "without"),
    [("Qwen3-VL-2B", 88.8), ("Qwen3-VL-4B", 90.7), ("Qwen3-VL-8B", 88.6), ("InternVL-3-1B", 83.7),
     ("InternVL-3-2B", 87.0), ("InternVL-3-8B", 87.8)],
)  # fmt: skip
def test_reasoning_is_worth_what_the_splits_say(stem, without):
    _, direct, egm = next(block for block in TABLE_10 if block[2].model == f"EGM-{stem}")
    assert direct.average == pytest.approx(without, abs=HALF)
    assert direct.average <= egm.average


def test_the_papers_other_claims_about_table_4_hold():
    printed = {row.model: row.printed for row in TABLE_4}
    for size, less in (("2B", -0.6), ("4B", -0.1), ("8B", -0.5)):
        gain = printed[f"Qwen3-VL-{size}-Thinking"] - printed[f"Qwen3-VL-{size}-Instruct"]
        assert gain == pytest.approx(less, abs=0.001)
    for size, more in (("2B", 1.8), ("4B", 3.2)):
        gain = EGM_AVERAGES[f"Qwen3-VL-{size}"] - printed["Qwen3-VL-8B-Thinking"]
        assert gain == pytest.approx(more, abs=0.001)


def test_table_11_is_what_its_counts_give():
    whole = sum(failures.HARD.values())
    assert whole == 6082
    for name, count in failures.HARD.items():
        assert round(100 * count / whole, 1) == failures.HARD_SHARES[name]


def test_table_12_sums_to_the_whole_and_gives_table_1():
    for judge in range(len(failures.JUDGES)):
        assert sum(values[judge] for values in failures.TABLE_12.values()) == pytest.approx(100, abs=0.1001)
    assert sum(failures.TABLE_12[failures.COMPLEX]) / 3 == pytest.approx(52.8, abs=0.05)


def test_table_9_is_base_and_egm_of_table_4():
    for size, (base, _, rl) in training.TABLE_9.items():
        assert ROWS[f"Qwen3-VL-{size}-Thinking"].printed == base
        assert EGM_AVERAGES[f"Qwen3-VL-{size}"] == rl


def test_the_figures_two_printed_latencies_give_the_text_ratio():
    ms = {point.model: point.ms for point in FIGURE_5 if point.printed}
    assert ms["Qwen3-VL-235B-A22B-Instruct"] / ms["EGM-Qwen3-VL-8B"] == pytest.approx(5.9, abs=0.05)


def test_the_splits_have_the_known_totals():
    assert sum(split.sentences for split in SPLITS) == 57457
    # With the sentences of train these are 142,210, 141,564 and 95,010.
    for source, train, whole in (("RefCOCO", 120624, 142210), ("RefCOCO+", 120191, 141564), ("RefCOCOg", 80512, 95010)):
        assert train + sum(split.sentences for split in SPLITS if split.source == source) == whole


@pytest.mark.parametrize(
    ("source", "part", "name"),
    [("RefCOCO", "testA", "RefCOCO testA"), ("refcoco+", "testb", "RefCOCO+ testB"), ("RefCOCOplus", "val",
     "RefCOCO+ val"), ("refcocog_umd", "test", "RefCOCOg test"), ("RefCOCO (unc)", "validation", "RefCOCO val")],
)  # fmt: skip
def test_splits_are_known_by_their_many_names(source, part, name):
    split = split_of(source, part)
    assert split is not None
    assert split.name == name


@pytest.mark.parametrize(("source", "part"), [("RefCOCO", "train"), ("RefCOCO", "test"), ("Ref-L4", "val"), ("", "")])
def test_no_other_split_is_taken_for_one(source, part):
    assert split_of(source, part) is None


def test_the_amodal_gains_are_there_for_the_models_that_were_trained():
    assert set(amodal.GAINS) <= set(amodal.SETTINGS)
    assert pytest.approx(4.55, abs=0.005) == amodal.SAMPLES / amodal.IMAGES
